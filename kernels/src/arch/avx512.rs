//! AVX-512 (F, BW, DQ, VL): sixteen lanes, thirty-two registers.

use std::arch::x86_64::*;

use super::proven;
use crate::simd::{Kernel, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

pub(crate) fn supported() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// # Safety
/// The CPU must have AVX-512 F, BW, DQ and VL ([`supported`]).
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

impl Simd for Avx512 {
    type F = __m512;
    type Bytes = __m512i;
    type Sums = __m512i;
    type Wide = __m512d;
    const LANES: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        proven!(_mm512_set1_ps(value))
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        proven!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        proven!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        proven!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        proven!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        proven!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        proven!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        proven!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn greater(self, a: __m512, b: __m512) -> u32 {
        proven!(u32::from(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b)))
    }
    #[inline(always)]
    fn select_gt(self, a: __m512, b: __m512, x: __m512, y: __m512) -> __m512 {
        proven!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), y, x))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        proven!(_mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn unzip(self, a: __m512, b: __m512) -> (__m512, __m512) {
        proven!({
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            (_mm512_permutex2var_ps(a, even, b), _mm512_permutex2var_ps(a, odd, b))
        })
    }
    #[inline(always)]
    fn reverse(self, a: __m512) -> __m512 {
        proven!(_mm512_permutexvar_ps(_mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), a))
    }
    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        proven!({
            let eight = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a));
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn least(self, a: __m512) -> f32 {
        proven!(_mm512_reduce_min_ps(a))
    }
    #[inline(always)]
    fn split_exponent(self, a: __m512) -> (__m512, __m512) {
        proven!((_mm512_getexp_ps(a), _mm512_getmant_ps::<_MM_MANT_NORM_1_2, _MM_MANT_SIGN_SRC>(a)))
    }
    #[inline(always)]
    fn pow2(self, n: __m512) -> __m512 {
        proven!(_mm512_scalef_ps(_mm512_set1_ps(1.0), n))
    }
    #[inline(always)]
    fn sums(self, pair: i32) -> __m512i {
        proven!(_mm512_set1_epi32(pair))
    }
    #[inline(always)]
    fn splat_bytes(self, four: i32) -> __m512i {
        proven!(_mm512_set1_epi32(four))
    }
    #[inline(always)]
    fn add_products(self, sums: __m512i, a: __m512i, b: __m512i) -> __m512i {
        proven!(_mm512_add_epi16(sums, _mm512_maddubs_epi16(a, b)))
    }
    #[inline(always)]
    fn sum_pairs(self, sums: __m512i) -> __m512 {
        proven!(_mm512_cvtepi32_ps(_mm512_madd_epi16(sums, _mm512_set1_epi16(1))))
    }
    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> __m512i {
        proven!(_mm512_loadu_si512(from.cast()))
    }
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        proven!(_mm_prefetch::<_MM_HINT_T0>(at.cast()))
    }
    #[inline(always)]
    unsafe fn pick(self, low: *const f32, high: *const f32, index: __m512) -> __m512 {
        proven!({
            let table = _mm512_broadcast_f32x8(_mm256_set_m128(_mm_loadu_ps(high), _mm_loadu_ps(low)));
            _mm512_permutexvar_ps(_mm512_cvtps_epi32(index), table)
        })
    }
    #[inline(always)]
    fn splat_wide(self, value: f64) -> __m512d {
        proven!(_mm512_set1_pd(value))
    }
    #[inline(always)]
    fn mul_add_wide(self, a: __m512d, b: __m512d, c: __m512d) -> __m512d {
        proven!(_mm512_fmadd_pd(a, b, c))
    }
    #[inline(always)]
    unsafe fn load_wide(self, from: *const f64) -> __m512d {
        proven!(_mm512_loadu_pd(from))
    }
    #[inline(always)]
    unsafe fn store_wide(self, to: *mut f64, value: __m512d) {
        proven!(_mm512_storeu_pd(to, value))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        proven!(_mm512_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: __m512) {
        proven!(_mm512_storeu_ps(to, value))
    }
    #[inline(always)]
    unsafe fn load_i32(self, from: *const i32) -> __m512 {
        proven!(_mm512_cvtepi32_ps(_mm512_loadu_epi32(from)))
    }
    #[inline(always)]
    unsafe fn load_u8(self, from: *const u8) -> __m512 {
        proven!(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast()))))
    }
    #[inline(always)]
    unsafe fn store_u8(self, to: *mut u8, value: __m512) {
        proven!(_mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(value))))
    }
}
