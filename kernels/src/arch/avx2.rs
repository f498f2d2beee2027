//! AVX2 with FMA: eight lanes, sixteen registers.

use std::arch::x86_64::*;

use super::proven;
use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

pub(crate) fn supported() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// # Safety
/// The CPU must have AVX2 and FMA ([`supported`]).
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

impl Simd for Avx2 {
    type F = __m256;
    type Bytes = __m256i;
    type Sums = __m256i;
    type Wide = __m256d;
    const LANES: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn splat(self, value: f32) -> __m256 {
        proven!(_mm256_set1_ps(value))
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        proven!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        proven!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        proven!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        proven!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        proven!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        proven!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        proven!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn greater(self, a: __m256, b: __m256) -> u32 {
        proven!(_mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) as u32)
    }
    #[inline(always)]
    fn select_gt(self, a: __m256, b: __m256, x: __m256, y: __m256) -> __m256 {
        proven!(_mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        proven!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn unzip(self, a: __m256, b: __m256) -> (__m256, __m256) {
        proven!({
            // Within halves: a0 a2 b0 b2 | a4 a6 b4 b6; then the middle two quarters change places.
            let quarters = |x| _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(x)));
            let (even, odd) = (_mm256_shuffle_ps::<0b10_00_10_00>(a, b), _mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            (quarters(even), quarters(odd))
        })
    }
    #[inline(always)]
    fn reverse(self, a: __m256) -> __m256 {
        proven!(_mm256_permutevar8x32_ps(a, _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0)))
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        proven!({
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn least(self, a: __m256) -> f32 {
        proven!({
            let four = _mm_min_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_min_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn split_exponent(self, a: __m256) -> (__m256, __m256) {
        proven!({
            let bits = _mm256_castps_si256(a);
            let exponent = _mm256_sub_epi32(_mm256_srli_epi32::<23>(bits), _mm256_set1_epi32(127));
            let fraction = _mm256_and_si256(bits, _mm256_set1_epi32(0x007F_FFFF));
            let mantissa = _mm256_or_si256(fraction, _mm256_set1_epi32(0x3F80_0000));
            (_mm256_cvtepi32_ps(exponent), _mm256_castsi256_ps(mantissa))
        })
    }
    #[inline(always)]
    fn pow2(self, n: __m256) -> __m256 {
        proven!({
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
        })
    }
    #[inline(always)]
    fn sums(self, pair: i32) -> __m256i {
        proven!(_mm256_set1_epi32(pair))
    }
    #[inline(always)]
    fn splat_bytes(self, four: i32) -> __m256i {
        proven!(_mm256_set1_epi32(four))
    }
    #[inline(always)]
    fn add_products(self, sums: __m256i, a: __m256i, b: __m256i) -> __m256i {
        proven!(_mm256_add_epi16(sums, _mm256_maddubs_epi16(a, b)))
    }
    #[inline(always)]
    fn sum_pairs(self, sums: __m256i) -> __m256 {
        proven!(_mm256_cvtepi32_ps(_mm256_madd_epi16(sums, _mm256_set1_epi16(1))))
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> __m256i {
        proven!(_mm256_loadu_si256(from.cast()))
    }
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        proven!(_mm_prefetch::<_MM_HINT_T0>(at.cast()))
    }
    #[inline(always)]
    unsafe fn pick(self, low: *const f32, high: *const f32, index: __m256) -> __m256 {
        proven!({
            let table = _mm256_set_m128(_mm_loadu_ps(high), _mm_loadu_ps(low));
            _mm256_permutevar8x32_ps(table, _mm256_cvtps_epi32(index))
        })
    }
    #[inline(always)]
    fn splat_wide(self, value: f64) -> __m256d {
        proven!(_mm256_set1_pd(value))
    }
    #[inline(always)]
    fn mul_add_wide(self, a: __m256d, b: __m256d, c: __m256d) -> __m256d {
        proven!(_mm256_fmadd_pd(a, b, c))
    }
    #[inline(always)]
    unsafe fn load_wide(self, from: *const f64) -> __m256d {
        proven!(_mm256_loadu_pd(from))
    }
    #[inline(always)]
    unsafe fn store_wide(self, to: *mut f64, value: __m256d) {
        proven!(_mm256_storeu_pd(to, value))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        proven!(_mm256_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: __m256) {
        proven!(_mm256_storeu_ps(to, value))
    }
    #[inline(always)]
    unsafe fn load_i32(self, from: *const i32) -> __m256 {
        proven!(_mm256_cvtepi32_ps(_mm256_loadu_si256(from.cast())))
    }
    #[inline(always)]
    unsafe fn load_u8(self, from: *const u8) -> __m256 {
        proven!(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))))
    }
    #[inline(always)]
    unsafe fn store_u8(self, to: *mut u8, value: __m256) {
        proven!({
            let words = _mm256_cvtps_epi32(value);
            let shorts = _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(shorts, shorts));
        })
    }
}
