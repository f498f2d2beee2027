//! AMX: products of tiles, of bf16 numbers summed in f32 and of bytes summed in i32. Not one more way to compute f32, hence
//! no `Simd` of its own; every CPU that has it has AVX-512, on which the rest of a kernel runs.
//!
//! A tile is a register of up to 16 rows of 64 bytes. `tdpbf16ps c, a, w` adds to c (pixels × 16 outputs, f32) the
//! product of a (pixels × 32 inputs) and w (16 pairs of inputs × 16 outputs × the two of a pair); `tdpbsud c, x, u` to
//! c (queries × 16 candidates, i32) that of x (queries × 64 signed bytes) and u (16 fours × 16 candidates × the unsigned
//! bytes of a four).

use std::arch::asm;
use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::avx512;
use crate::simd::Kernel;
use crate::tiles::NoTiles;

/// Proof that the CPU has AMX with bf16 and bytes and that the system lets this process use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amx(());

impl Amx {
    /// Asks the CPU, then the system, for this process and for good.
    pub(crate) fn request() -> Result<Self, NoTiles> {
        if !supported() {
            return Err(NoTiles::Cpu);
        }
        if permitted() { Ok(Self(())) } else { Err(NoTiles::System) }
    }

    /// Runs the part of a kernel that is not a product of tiles.
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        // SAFETY: `supported` has asked for the same features.
        unsafe { avx512::run(kernel) }
    }

    /// `to ← from`, rounded to bf16, ties to even; denormals become zero.
    pub(crate) fn round(self, from: &[f32], to: &mut [u16]) {
        assert_eq!(from.len(), to.len(), "input and output of a rounding");
        // SAFETY: `supported` has asked for the features.
        unsafe { round(from, to) }
    }

    /// Shapes the tiles of this thread for products of two groups of at most 16 pixels, until the guard falls.
    pub(crate) fn configure(self, pixels: [usize; 2]) -> Configured {
        assert!(pixels.iter().all(|pixels| (1..=16).contains(pixels)), "1 to 16 pixels a tile, found {pixels:?}");
        let [first, second] = pixels;
        let _shaped = self.shape([first, first, second, second, first, second, 16, 16], [16; 8]);
        Configured { first, _shaped }
    }

    /// Shapes the tiles of this thread for products of at most 16 queries of `fours` times four bytes, until the guard falls.
    pub(crate) fn configure_bytes(self, queries: usize, fours: usize) -> ConfiguredBytes {
        assert!((1..=16).contains(&queries) && fours > 0, "1 to 16 queries of some bytes, found {queries} of {fours}");
        let rest = (fours % 16).max(1); // no shape may be empty
        let rows = [queries, queries, queries, queries, queries, 16, queries, rest];
        let _shaped = self.shape(rows, [16, 16, 16, 16, 16, 16, rest, 16]);
        ConfiguredBytes { fours, _shaped }
    }

    /// Shapes all tiles: their rows, and how many times four bytes each row has.
    fn shape(self, rows: [usize; 8], fours: [usize; 8]) -> Shaped {
        let shapes = Shapes {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            bytes: fours.map(|fours| 4 * fours as u16),
            no_bytes: [0; 8],
            rows: rows.map(|rows| rows as u8),
            no_rows: [0; 8],
        };
        // SAFETY: the proof says that the instruction is there and permitted; `shapes` has the 64 bytes it reads.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &shapes, options(nostack, readonly, preserves_flags)) }
        Shaped(PhantomData)
    }
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    /// Bytes of a row of each tile.
    bytes: [u16; 8],
    no_bytes: [u16; 8],
    /// Rows of each tile.
    rows: [u8; 8],
    no_rows: [u8; 8],
}

/// Outputs of a [`Product`]: two tiles side by side.
pub(crate) const OUTPUTS: usize = 32;
/// bf16 inputs that one step of a [`Product`] takes.
pub(crate) const STEP: usize = 32;

/// Two groups of pixels, each with a window of three rows of `steps · STEP` values, times the weights of 32 outputs.
pub(crate) struct Product {
    /// The first value of the first pixel's window.
    pub(crate) x: *const u16,
    /// Values from a pixel to the next.
    pub(crate) pixel: usize,
    /// Values from a row of the window to the next.
    pub(crate) row: usize,
    /// Steps along a row of the window.
    pub(crate) steps: usize,
    /// 3 × steps × 2 tiles of 16 pairs of inputs × 16 outputs × the two of a pair.
    pub(crate) w: *const u16,
    /// Pixels × 32 outputs.
    pub(crate) y: *mut f32,
}

/// The tiles of this thread, shaped; empties them in the end, so that the system has nothing to save.
struct Shaped(PhantomData<*const ()>);

/// Tiles shaped for [`Product`]s.
pub(crate) struct Configured {
    /// Pixels of the first group.
    first: usize,
    _shaped: Shaped,
}

impl Configured {
    /// Computes `product`, 2 × 2 tiles at a time: each tile that is loaded is used twice.
    ///
    /// # Safety
    /// `x` must be valid for reading the windows of all pixels of both groups, `w` for 3·`steps`·2 tiles of 512
    /// values; `y` for writing 32 values a pixel.
    pub(crate) unsafe fn multiply(&self, product: &Product) {
        let &Product { x, pixel, row, steps, w, y } = product;
        // SAFETY: the tiles are shaped as the comments say; all addresses are those that the caller vouches for.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "mov {step}, {steps}",
                "3:",
                "tileloadd tmm4, [{x0} + {pixel}]",         // first group × 32 inputs
                "tileloadd tmm5, [{x1} + {pixel}]",         // second group
                "tileloadd tmm6, [{w} + {line}]",           // 32 inputs × 16 outputs
                "tileloadd tmm7, [{w} + {line} + 1024]",    // the next 16 outputs
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {x0}, 64",
                "add {x1}, 64",
                "add {w}, 2048",
                "dec {step}",
                "jnz 3b",
                "add {x0}, {rest}",
                "add {x1}, {rest}",
                "dec {rows}",
                "jnz 2b",
                "add {line}, {line}",                       // 32 f32
                "tilestored [{y0} + {line}], tmm0",
                "tilestored [{y0} + {line} + 64], tmm1",
                "tilestored [{y1} + {line}], tmm2",
                "tilestored [{y1} + {line} + 64], tmm3",
                x0 = inout(reg) x => _,
                x1 = inout(reg) x.wrapping_add(self.first * pixel) => _,
                pixel = in(reg) pixel * 2,
                w = inout(reg) w => _,
                line = inout(reg) 64usize => _,
                step = out(reg) _,
                steps = in(reg) steps,
                rest = in(reg) (row as isize - (steps * STEP) as isize) * 2,
                rows = inout(reg) 3usize => _,
                y0 = in(reg) y,
                y1 = in(reg) y.wrapping_add(self.first * OUTPUTS),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

/// Some queries times 64 candidates, four tiles side by side.
pub(crate) struct ByteProduct {
    /// The first four signed bytes of the first query; the others of it follow.
    pub(crate) queries: *const u8,
    /// Bytes from a query to the next.
    pub(crate) stride: usize,
    /// Fours × 64 candidates × the unsigned bytes of a four.
    pub(crate) candidates: *const u8,
    /// Queries × 64 candidates.
    pub(crate) sums: *mut i32,
}

/// Tiles shaped for [`ByteProduct`]s.
pub(crate) struct ConfiguredBytes {
    fours: usize,
    _shaped: Shaped,
}

impl ConfiguredBytes {
    /// Computes `product`.
    ///
    /// # Safety
    /// With as many queries and fours as the tiles were shaped for, `queries` and `candidates` must be valid for reading and
    /// `sums` for writing all that they are said to hold.
    pub(crate) unsafe fn multiply(&self, product: &ByteProduct) {
        let &ByteProduct { queries, stride, candidates, sums } = product;
        // SAFETY: the tiles are shaped as the comments say; all addresses are those that the caller vouches for.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "test {whole}, {whole}",
                "jz 3f",
                "2:",
                "tileloadd tmm4, [{x} + {stride}]",         // queries × 16 fours
                "tileloadd tmm5, [{u} + {line}]",           // 16 fours × 16 candidates
                "tdpbsud tmm0, tmm4, tmm5",
                "tileloadd tmm5, [{u} + {line} + 64]",      // the next 16 candidates
                "tdpbsud tmm1, tmm4, tmm5",
                "tileloadd tmm5, [{u} + {line} + 128]",
                "tdpbsud tmm2, tmm4, tmm5",
                "tileloadd tmm5, [{u} + {line} + 192]",
                "tdpbsud tmm3, tmm4, tmm5",
                "add {x}, 64",
                "add {u}, 4096",
                "dec {whole}",
                "jnz 2b",
                "3:",
                "test {rest}, {rest}",
                "jz 4f",
                "tileloadd tmm6, [{x} + {stride}]",         // queries × the fours that are left
                "tileloadd tmm7, [{u} + {line}]",
                "tdpbsud tmm0, tmm6, tmm7",
                "tileloadd tmm7, [{u} + {line} + 64]",
                "tdpbsud tmm1, tmm6, tmm7",
                "tileloadd tmm7, [{u} + {line} + 128]",
                "tdpbsud tmm2, tmm6, tmm7",
                "tileloadd tmm7, [{u} + {line} + 192]",
                "tdpbsud tmm3, tmm6, tmm7",
                "4:",
                "tilestored [{sums} + {line}], tmm0",
                "tilestored [{sums} + {line} + 64], tmm1",
                "tilestored [{sums} + {line} + 128], tmm2",
                "tilestored [{sums} + {line} + 192], tmm3",
                x = inout(reg) queries => _,
                stride = in(reg) stride,
                u = inout(reg) candidates => _,
                line = in(reg) 256usize,                    // 64 fours, 64 sums
                whole = inout(reg) self.fours / 16 => _,
                rest = in(reg) self.fours % 16,
                sums = in(reg) sums,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}

impl Drop for Shaped {
    fn drop(&mut self) {
        // SAFETY: a value is made only where the instruction is there and permitted.
        unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) }
    }
}

/// # Safety
/// The CPU must have AVX-512 F, BW, VL and BF16; the lengths must be equal.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn round(from: &[f32], to: &mut [u16]) {
    for at in (0..from.len()).step_by(16) {
        let lanes = u16::MAX >> (16 - (from.len() - at).min(16));
        // SAFETY: the lanes that are read and written lie within both slices; the vectors are plain bits.
        unsafe {
            let rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(lanes, from.as_ptr().add(at)));
            let rounded = std::mem::transmute::<__m256bh, __m256i>(rounded);
            _mm256_mask_storeu_epi16(to.as_mut_ptr().add(at).cast(), lanes, rounded);
        }
    }
}

/// Whether the CPU has AMX with bf16 and bytes and AVX-512 with bf16, and the system saves the state of both.
fn supported() -> bool {
    const BF16_TILES_AND_BYTES: u32 = 1 << 22 | 1 << 24 | 1 << 25; // CPUID leaf 7, EDX
    const TILE_STATE: u64 = 1 << 17 | 1 << 18; // XCR0: configuration and data
    if !avx512::supported() || !is_x86_feature_detected!("avx512bf16") {
        return false;
    }
    // SAFETY: a CPU on which AVX-512 is usable has both instructions, and the system has enabled `xgetbv`.
    let (features, states) = unsafe { (__cpuid_count(7, 0).edx, _xgetbv(0)) };
    features & BF16_TILES_AND_BYTES == BF16_TILES_AND_BYTES && states & TILE_STATE == TILE_STATE
}

/// Asks Linux (5.16 or later) for the tiles; other systems are not known to us.
fn permitted() -> bool {
    const ARCH_PRCTL: usize = 158;
    const REQUEST_PERMISSION: usize = 0x1023; // ARCH_REQ_XCOMP_PERM
    const TILE_DATA: usize = 18;
    let result: isize;
    // SAFETY: a system call that touches no memory of ours; rcx and r11 are what the instruction clobbers.
    unsafe {
        asm!(
            "syscall",
            inout("rax") ARCH_PRCTL => result,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}
