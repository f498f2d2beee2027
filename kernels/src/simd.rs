//! What a kernel may ask of an instruction set: one generic body per kernel, only these primitives differ.

/// A vector instruction set; a value of the type proves that the CPU has it.
///
/// Methods are inlined into the [`Kernel`] that is compiled for the set; called elsewhere they are slow, not wrong.
pub(crate) trait Simd: Copy {
    /// A vector of [`LANES`](Self::LANES) `f32`.
    type F: Copy;
    /// Four bytes for each lane.
    type Bytes: Copy;
    /// Two 16-bit sums for each lane.
    type Sums: Copy;
    /// A vector of `LANES / 2` `f64`, for the sums that need them.
    type Wide: Copy;
    /// Values in a vector.
    const LANES: usize;
    /// Architectural registers that hold a whole vector each: bounds the accumulators of a tile.
    const REGISTERS: usize;

    fn splat(self, value: f32) -> Self::F;
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`; fused where the set has it.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// Bit `i` is set where `a > b` in lane `i`.
    fn greater(self, a: Self::F, b: Self::F) -> u32;
    /// Lane by lane `if a > b { x } else { y }`.
    fn select_gt(self, a: Self::F, b: Self::F, x: Self::F, y: Self::F) -> Self::F;
    /// To the nearest integer, ties to even.
    fn round(self, a: Self::F) -> Self::F;
    /// The lanes of even and of odd number of `a` followed by `b`.
    fn unzip(self, a: Self::F, b: Self::F) -> (Self::F, Self::F);
    /// The lanes from last to first.
    fn reverse(self, a: Self::F) -> Self::F;
    /// The sum of the lanes, added pairwise in a fixed order.
    fn sum(self, a: Self::F) -> f32;
    /// The lowest of the lanes.
    fn least(self, a: Self::F) -> f32;
    /// `(e, m)` with `a = m · 2^e` and `1 ≤ m < 2`; for positive, normal, finite `a`.
    fn split_exponent(self, a: Self::F) -> (Self::F, Self::F);
    /// `2^n` for integer-valued `n` in −126..=127.
    fn pow2(self, n: Self::F) -> Self::F;

    /// Pairs of 16-bit sums, each pair from the low and the high half of `pair`.
    fn sums(self, pair: i32) -> Self::Sums;
    /// The same four bytes in all lanes.
    fn splat_bytes(self, four: i32) -> Self::Bytes;
    /// Adds to each sum two products of an unsigned byte of `a` and a signed one of `b`. What two products add up to
    /// saturates, the sum wraps around.
    fn add_products(self, sums: Self::Sums, a: Self::Bytes, b: Self::Bytes) -> Self::Sums;
    /// What each pair adds up to.
    fn sum_pairs(self, sums: Self::Sums) -> Self::F;
    /// # Safety
    /// `from` must be valid for reading `4·LANES` bytes.
    unsafe fn load_bytes(self, from: *const u8) -> Self::Bytes;

    /// A hint that the line at `at`, which may be any address, is needed soon.
    fn prefetch(self, _at: *const f32) {}

    /// Lane by lane value number `index` (whole, taken modulo 8) of the four at `low` followed by the four at `high`.
    ///
    /// # Safety
    /// `low` and `high` must be valid for reading four values each.
    unsafe fn pick(self, low: *const f32, high: *const f32, index: Self::F) -> Self::F;
    fn splat_wide(self, value: f64) -> Self::Wide;
    /// `a · b + c`; fused where the set has it.
    fn mul_add_wide(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide;
    /// # Safety
    /// `from` must be valid for reading `LANES / 2` values.
    unsafe fn load_wide(self, from: *const f64) -> Self::Wide;
    /// # Safety
    /// `to` must be valid for writing `LANES / 2` values.
    unsafe fn store_wide(self, to: *mut f64, value: Self::Wide);
    /// # Safety
    /// `from` must be valid for reading `LANES` values.
    unsafe fn load(self, from: *const f32) -> Self::F;
    /// # Safety
    /// `to` must be valid for writing `LANES` values.
    unsafe fn store(self, to: *mut f32, value: Self::F);
    /// `LANES` whole numbers.
    ///
    /// # Safety
    /// `from` must be valid for reading `LANES` numbers.
    unsafe fn load_i32(self, from: *const i32) -> Self::F;
    /// `LANES` bytes, as numbers.
    ///
    /// # Safety
    /// `from` must be valid for reading `LANES` bytes.
    unsafe fn load_u8(self, from: *const u8) -> Self::F;
    /// Whole numbers in 0..=255, as bytes.
    ///
    /// # Safety
    /// `to` must be valid for writing `LANES` bytes.
    unsafe fn store_u8(self, to: *mut u8, value: Self::F);
}

/// A computation that is compiled once for every instruction set.
pub(crate) trait Kernel {
    type Output;
    /// The body; `#[inline(always)]`, and so must be all that it calls with `simd`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Loads the first `count ≤ LANES` values, the other lanes are zero.
///
/// # Safety
/// `from` must be valid for reading `count` values.
#[inline(always)]
pub(crate) unsafe fn load_first<S: Simd>(simd: S, from: *const f32, count: usize) -> S::F {
    if count == S::LANES {
        // SAFETY: the caller vouches for `count = LANES` values.
        return unsafe { simd.load(from) };
    }
    let mut lanes = [0.0f32; MAX_LANES];
    // SAFETY: the caller vouches for `count` values at `from`; `lanes` holds MAX_LANES ≥ LANES ≥ count.
    unsafe {
        std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), count);
        simd.load(lanes.as_ptr())
    }
}

/// Stores the first `count ≤ LANES` values.
///
/// # Safety
/// `to` must be valid for writing `count` values.
#[inline(always)]
pub(crate) unsafe fn store_first<S: Simd>(simd: S, to: *mut f32, value: S::F, count: usize) {
    if count == S::LANES {
        // SAFETY: the caller vouches for `count = LANES` places.
        return unsafe { simd.store(to, value) };
    }
    let mut lanes = [0.0f32; MAX_LANES];
    // SAFETY: `lanes` holds MAX_LANES ≥ LANES ≥ count; the caller vouches for `count` places at `to`.
    unsafe {
        simd.store(lanes.as_mut_ptr(), value);
        std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, count);
    }
}

/// The widest vector of any set.
pub(crate) const MAX_LANES: usize = 16;

// In the loops below `f` has one call site each: that is what makes the compiler inline a closure of any size, and
// a closure that is not inlined into the kernel is not compiled for its instruction set.

/// `y ← f(x)`, vector by vector, the ragged end through zero-filled lanes.
#[inline(always)]
pub(crate) fn map<S: Simd>(simd: S, x: &[f32], y: &mut [f32], f: impl Fn(S::F) -> S::F) {
    assert_eq!(x.len(), y.len(), "input and output of a map");
    for at in (0..x.len()).step_by(S::LANES) {
        let lanes = S::LANES.min(x.len() - at);
        // SAFETY: `at + lanes ≤ len` of both slices.
        unsafe { store_first(simd, y.as_mut_ptr().add(at), f(load_first(simd, x.as_ptr().add(at), lanes)), lanes) }
    }
}

/// `x ← f(x)`.
#[inline(always)]
pub(crate) fn update<S: Simd>(simd: S, x: &mut [f32], f: impl Fn(S::F) -> S::F) {
    for at in (0..x.len()).step_by(S::LANES) {
        let lanes = S::LANES.min(x.len() - at);
        // SAFETY: `at + lanes ≤ len`.
        unsafe { store_first(simd, x.as_mut_ptr().add(at), f(load_first(simd, x.as_ptr().add(at), lanes)), lanes) }
    }
}

/// `y ← f(x, y)`.
#[inline(always)]
pub(crate) fn update_with<S: Simd>(simd: S, x: &[f32], y: &mut [f32], f: impl Fn(S::F, S::F) -> S::F) {
    assert_eq!(x.len(), y.len(), "the two inputs of an update");
    for at in (0..x.len()).step_by(S::LANES) {
        let lanes = S::LANES.min(x.len() - at);
        // SAFETY: `at + lanes ≤ len` of both slices.
        unsafe {
            let place = y.as_mut_ptr().add(at);
            let value = f(load_first(simd, x.as_ptr().add(at), lanes), load_first(simd, place, lanes));
            store_first(simd, place, value, lanes);
        }
    }
}

/// The sum that `f(a, b, total)` accumulates: lanes first, then across lanes; the order depends on the set alone.
#[inline(always)]
pub(crate) fn reduce<S: Simd>(simd: S, a: &[f32], b: &[f32], f: impl Fn(S::F, S::F, S::F) -> S::F) -> f32 {
    assert_eq!(a.len(), b.len(), "the two sides of a reduction");
    let mut total = simd.splat(0.0);
    for at in (0..a.len()).step_by(S::LANES) {
        let lanes = S::LANES.min(a.len() - at);
        // SAFETY: `at + lanes ≤ len` of both slices.
        let (a, b) =
            unsafe { (load_first(simd, a.as_ptr().add(at), lanes), load_first(simd, b.as_ptr().add(at), lanes)) };
        total = f(a, b, total);
    }
    simd.sum(total)
}
