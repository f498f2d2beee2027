//! Which instruction set the kernels run on: detected once, overridable, provable.

use std::fmt;
use std::sync::OnceLock;

use crate::arch;
use crate::simd::Kernel;
use crate::tiles::Tiles;

/// The environment variable that forces an instruction set: one of [`Isa::NAMES`].
pub const ISA_VARIABLE: &str = "HOMONYM_ISA";

/// An instruction set that this CPU has: the private field is the proof, so kernels take it by value and need no
/// further check.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Isa(Kind);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512, and where bytes are multiplied, tiles. Their sums are exact: there is no other result.
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Isa {
    /// The names of all variants, from the plainest to the widest.
    pub const NAMES: [&'static str; 4] = ["portable", "avx2", "avx512", "amx"];

    /// The plain variant, which every CPU has.
    pub const PORTABLE: Self = Self(Kind::Portable);

    /// The variant called `name`, if there is one and this CPU has it.
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "portable" => Some(Self::PORTABLE),
            #[cfg(target_arch = "x86_64")]
            "avx2" if arch::avx2::supported() => Some(Self(Kind::Avx2)),
            #[cfg(target_arch = "x86_64")]
            "avx512" if arch::avx512::supported() => Some(Self(Kind::Avx512)),
            #[cfg(target_arch = "x86_64")]
            "amx" if Tiles::request().is_ok() => Some(Self(Kind::Amx)),
            _ => None,
        }
    }

    /// The variants that this CPU has, from the plainest to the widest.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::NAMES.into_iter().filter_map(Self::by_name)
    }

    /// What the kernels should run on: the variant that [`ISA_VARIABLE`] names, else the widest this CPU has. Decided
    /// at the first call.
    pub fn chosen() -> Result<Self, UnavailableIsa> {
        static CHOSEN: OnceLock<Result<Isa, UnavailableIsa>> = OnceLock::new();
        CHOSEN.get_or_init(|| Self::choose(std::env::var(ISA_VARIABLE).ok().as_deref())).clone()
    }

    fn choose(forced: Option<&str>) -> Result<Self, UnavailableIsa> {
        match forced {
            None | Some("") => Ok(Self::available().last().expect("the portable variant is always there")),
            Some(name) => Self::by_name(name).ok_or_else(|| UnavailableIsa(name.to_owned())),
        }
    }

    /// The name, as [`ISA_VARIABLE`] takes it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.0 as usize]
    }

    /// Runs a kernel compiled for this instruction set.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Kind::Portable => arch::portable::run(kernel),
            // SAFETY: a value of this kind is made only after the CPU said that it has AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { arch::avx2::run(kernel) },
            // SAFETY: values of these kinds are made only after the CPU said that it has AVX-512F, BW, DQ and VL.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 | Kind::Amx => unsafe { arch::avx512::run(kernel) },
        }
    }

    /// The tiles, where they are part of the set.
    pub(crate) fn tiles(self) -> Option<Tiles> {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Kind::Amx => Tiles::request().ok(),
            _ => None,
        }
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// [`ISA_VARIABLE`] names a variant that does not exist or that this CPU lacks.
#[derive(Clone, Debug)]
pub struct UnavailableIsa(String);

impl fmt::Display for UnavailableIsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let have: Vec<_> = Isa::available().map(Isa::name).collect();
        write!(
            f,
            "expected an instruction set that this CPU has ({}), found `{}`; unset {ISA_VARIABLE} to have the best one",
            have.join(", "),
            self.0
        )
    }
}

impl std::error::Error for UnavailableIsa {}

#[cfg(test)]
mod tests {
    use super::Isa;

    #[test]
    fn a_forced_variant_is_used_and_an_unknown_one_is_refused() {
        assert_eq!(Isa::choose(Some("portable")).unwrap(), Isa::PORTABLE);
        assert_eq!(Isa::choose(None).unwrap(), Isa::available().last().unwrap());
        let refusal = Isa::choose(Some("avx1024")).unwrap_err().to_string();
        assert!(refusal.contains("avx1024") && refusal.contains("portable"), "{refusal}");
    }
}
