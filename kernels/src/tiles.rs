//! Whether AMX tiles are to be had: the system is asked once.

use std::fmt;
use std::sync::OnceLock;

use crate::arch::amx::Amx;

/// The permission to compute on AMX tiles: the private field is the proof that the CPU has them and the system grants them.
///
/// Products of bf16 are apart from [`Isa`](crate::Isa), because they are another arithmetic, never used unless asked for:
/// inputs and weights keep 8 significant bits, sums are f32. Products of bytes are exact, and part of the set `amx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles(pub(crate) Amx);

impl Tiles {
    /// Asks the CPU and the system, once for the process.
    pub fn request() -> Result<Self, NoTiles> {
        static ANSWER: OnceLock<Result<Tiles, NoTiles>> = OnceLock::new();
        *ANSWER.get_or_init(|| Amx::request().map(Self))
    }
}

/// Why there are no tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTiles {
    /// The CPU lacks AMX with bf16, or the system does not save its state.
    Cpu,
    /// The system refuses them to this process.
    System,
}

impl fmt::Display for NoTiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cpu => {
                "bf16 needs AMX (Intel Xeon of the fourth generation or later, under Linux), which this machine lacks; use f32"
            }
            Self::System => {
                "this CPU has AMX, but the system refuses it to this process (Linux 5.16 or later grants it); use f32"
            }
        })
    }
}

impl std::error::Error for NoTiles {}
