//! Eight lanes through the `wide` crate: right on every target, fast where the compiler knows vectors.

use wide::{f32x8, f64x4};

use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Portable;

pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Portable)
}

impl Simd for Portable {
    type F = f32x8;
    type Bytes = [u8; 32];
    type Sums = [i16; 16];
    type Wide = f64x4;
    const LANES: usize = 8;
    const REGISTERS: usize = 8; // sixteen of four lanes, on the baselines of both x86-64 and AArch64 or fewer

    #[inline(always)]
    fn splat(self, value: f32) -> f32x8 {
        f32x8::splat(value)
    }
    #[inline(always)]
    fn add(self, a: f32x8, b: f32x8) -> f32x8 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f32x8, b: f32x8) -> f32x8 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f32x8, b: f32x8) -> f32x8 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f32x8, b: f32x8) -> f32x8 {
        a / b
    }
    #[inline(always)]
    fn mul_add(self, a: f32x8, b: f32x8, c: f32x8) -> f32x8 {
        a * b + c
    }
    #[inline(always)]
    fn max(self, a: f32x8, b: f32x8) -> f32x8 {
        a.fast_max(b)
    }
    #[inline(always)]
    fn min(self, a: f32x8, b: f32x8) -> f32x8 {
        a.fast_min(b)
    }
    #[inline(always)]
    fn greater(self, a: f32x8, b: f32x8) -> u32 {
        a.simd_gt(b).to_bitmask()
    }
    #[inline(always)]
    fn select_gt(self, a: f32x8, b: f32x8, x: f32x8, y: f32x8) -> f32x8 {
        a.simd_gt(b).select(x, y)
    }
    #[inline(always)]
    fn round(self, a: f32x8) -> f32x8 {
        f32x8::new(a.to_array().map(f32::round_ties_even))
    }
    #[inline(always)]
    fn unzip(self, a: f32x8, b: f32x8) -> (f32x8, f32x8) {
        let ([a, b, c, d, e, f, g, h], [i, j, k, l, m, n, o, p]) = (a.to_array(), b.to_array());
        (f32x8::new([a, c, e, g, i, k, m, o]), f32x8::new([b, d, f, h, j, l, n, p]))
    }
    #[inline(always)]
    fn reverse(self, a: f32x8) -> f32x8 {
        let [a, b, c, d, e, f, g, h] = a.to_array();
        f32x8::new([h, g, f, e, d, c, b, a])
    }
    #[inline(always)]
    fn sum(self, a: f32x8) -> f32 {
        let [a, b, c, d, e, f, g, h] = a.to_array();
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }
    #[inline(always)]
    fn least(self, a: f32x8) -> f32 {
        a.to_array().into_iter().fold(f32::INFINITY, f32::min)
    }
    #[inline(always)]
    fn split_exponent(self, a: f32x8) -> (f32x8, f32x8) {
        let bits = a.to_array().map(f32::to_bits);
        let exponent = bits.map(|bits| (bits >> 23) as f32 - 127.0);
        let mantissa = bits.map(|bits| f32::from_bits(bits & 0x007F_FFFF | 0x3F80_0000));
        (f32x8::new(exponent), f32x8::new(mantissa))
    }
    #[inline(always)]
    fn pow2(self, n: f32x8) -> f32x8 {
        f32x8::new(n.to_array().map(|n| f32::from_bits(((n as i32 + 127) as u32) << 23)))
    }
    #[inline(always)]
    fn sums(self, pair: i32) -> [i16; 16] {
        std::array::from_fn(|i| (pair >> (16 * (i % 2))) as i16)
    }
    #[inline(always)]
    fn splat_bytes(self, four: i32) -> [u8; 32] {
        let four = four.to_le_bytes();
        std::array::from_fn(|i| four[i % 4])
    }
    #[inline(always)]
    fn add_products(self, sums: [i16; 16], a: [u8; 32], b: [u8; 32]) -> [i16; 16] {
        let product = |i: usize| i16::from(a[i]) * i16::from(b[i] as i8);
        std::array::from_fn(|i| sums[i].wrapping_add(product(2 * i).saturating_add(product(2 * i + 1))))
    }
    #[inline(always)]
    fn sum_pairs(self, sums: [i16; 16]) -> f32x8 {
        f32x8::from(std::array::from_fn::<f32, 8, _>(|i| (i32::from(sums[2 * i]) + i32::from(sums[2 * i + 1])) as f32))
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> [u8; 32] {
        // SAFETY: the caller vouches for 32 bytes.
        unsafe { from.cast::<[u8; 32]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn pick(self, low: *const f32, high: *const f32, index: f32x8) -> f32x8 {
        let mut table = [0.0; 8];
        // SAFETY: the caller vouches for four readable values at each; the table holds both.
        unsafe {
            table.as_mut_ptr().copy_from_nonoverlapping(low, 4);
            table.as_mut_ptr().add(4).copy_from_nonoverlapping(high, 4);
        }
        f32x8::new(index.to_array().map(|index| table[index as usize % 8]))
    }
    #[inline(always)]
    fn splat_wide(self, value: f64) -> f64x4 {
        f64x4::splat(value)
    }
    #[inline(always)]
    fn mul_add_wide(self, a: f64x4, b: f64x4, c: f64x4) -> f64x4 {
        a * b + c
    }
    #[inline(always)]
    unsafe fn load_wide(self, from: *const f64) -> f64x4 {
        // SAFETY: the caller vouches for 4 readable values; an array of f64 is read unaligned.
        f64x4::new(unsafe { from.cast::<[f64; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store_wide(self, to: *mut f64, value: f64x4) {
        // SAFETY: the caller vouches for 4 writable values; an array of f64 is written unaligned.
        unsafe { to.cast::<[f64; 4]>().write_unaligned(value.to_array()) }
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> f32x8 {
        // SAFETY: the caller vouches for 8 readable values; an array of f32 is read unaligned.
        f32x8::new(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: f32x8) {
        // SAFETY: the caller vouches for 8 writable values; an array of f32 is written unaligned.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(value.to_array()) }
    }
    #[inline(always)]
    unsafe fn load_i32(self, from: *const i32) -> f32x8 {
        // SAFETY: the caller vouches for 8 readable numbers.
        f32x8::new(unsafe { from.cast::<[i32; 8]>().read() }.map(|x| x as f32))
    }
    #[inline(always)]
    unsafe fn load_u8(self, from: *const u8) -> f32x8 {
        // SAFETY: the caller vouches for 8 readable bytes.
        f32x8::new(unsafe { from.cast::<[u8; 8]>().read() }.map(f32::from))
    }
    #[inline(always)]
    unsafe fn store_u8(self, to: *mut u8, value: f32x8) {
        // SAFETY: the caller vouches for 8 writable bytes.
        unsafe { to.cast::<[u8; 8]>().write(value.to_array().map(|value| value as u8)) }
    }
}
