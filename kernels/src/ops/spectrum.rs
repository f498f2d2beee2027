//! The end of a spectrogram: from a Fourier transform to bins, to power, and to weighted sums over bands of bins.
//!
//! ```text
//! n real samples x, M = n/2, Z = transform of the M complex values x[2j] + i·x[2j+1]
//! E[k] = (Z[k] + conj Z[M−k]) / 2                   transform of the even samples
//! O[k] = (Z[k] − conj Z[M−k]) / 2i                  and of the odd ones
//! X[k] = E[k] + W[k]·O[k],  W[k] = e^{−2πik/n}      X[M−k] = conj(E[k] − W[k]·O[k])
//! power[k] = |X[k]|²
//! band[b] = Σ weight[b, j] · power[first[b] + j]
//! ```
//!
//! 1. A bin and its mirror image share E and O; for powers X itself is never stored. The halves are left out of E and O and come in
//!    as a quarter of the power.
//! 2. Powers are squares of X and not |E|² + |O|² ± 2·Re(E·conj(W·O)), which cancels where a quiet bin mirrors a loud one.
//! 3. The rows of bands are padded with zeros to whole vectors of any set, so sums have no ragged end.
//!
//! Given up: transforming several frames at once, one a lane, needs no shuffles at all, but an own transform.

use std::f64::consts::TAU;

use crate::isa::Isa;
use crate::simd::{self, Kernel, MAX_LANES, Simd};

/// The factors W of [`power_spectrum`] and [`spectrum`] for one length.
pub struct HalfTransform {
    n: usize,
    /// cos 2πk/n and sin 2πk/n for k in 0..=n/4.
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl HalfTransform {
    /// For `n` real samples; `n` is even and not 0.
    pub fn new(n: usize) -> Self {
        assert!(n > 0 && n.is_multiple_of(2), "an even number of samples");
        let angles = || (0..=n / 4).map(|k| TAU * k as f64 / n as f64);
        Self { n, cos: angles().map(|a| a.cos() as f32).collect(), sin: angles().map(|a| a.sin() as f32).collect() }
    }

    fn check(&self, z: &[[f32; 2]]) {
        assert_eq!(z.len(), self.n / 2, "half as many complex values as samples");
    }
}

/// `power[k] = |X[k]|²`, k in 0..=n/2, of `n` real samples x from `z`, the transform (real, imaginary part) of the n/2
/// values `x[2j] + i·x[2j + 1]`.
pub fn power_spectrum(isa: Isa, half: &HalfTransform, z: &[[f32; 2]], power: &mut [f32]) {
    assert_eq!(power.len(), half.n / 2 + 1, "n/2 + 1 bins");
    half.check(z);
    isa.run(Unpack { half, z, bins: Powers(power) });
}

/// The bins `X[k] = re[k] + i·im[k]`, k in 0..=n/2, of `n` real samples from `z` as in [`power_spectrum`].
pub fn spectrum(isa: Isa, half: &HalfTransform, z: &[[f32; 2]], re: &mut [f32], im: &mut [f32]) {
    assert!(re.len() == half.n / 2 + 1 && im.len() == re.len(), "n/2 + 1 bins");
    half.check(z);
    isa.run(Unpack { half, z, bins: Parts { re, im } });
}

/// What becomes of the bins.
trait Bins {
    /// Takes the first `count ≤ LANES` of the bins from `at` on, times two.
    ///
    /// # Safety
    /// `at + count` must not exceed n/2 + 1.
    unsafe fn put<S: Simd>(&mut self, simd: S, at: usize, twice: (S::F, S::F), count: usize);
}

struct Powers<'a>(&'a mut [f32]);

impl Bins for Powers<'_> {
    #[inline(always)]
    unsafe fn put<S: Simd>(&mut self, simd: S, at: usize, (re, im): (S::F, S::F), count: usize) {
        let power = simd.mul(simd.splat(0.25), simd.mul_add(re, re, simd.mul(im, im)));
        // SAFETY: there are n/2 + 1 powers, and the caller goes no further.
        unsafe { simd::store_first(simd, self.0.as_mut_ptr().add(at), power, count) }
    }
}

struct Parts<'a> {
    re: &'a mut [f32],
    im: &'a mut [f32],
}

impl Bins for Parts<'_> {
    #[inline(always)]
    unsafe fn put<S: Simd>(&mut self, simd: S, at: usize, (re, im): (S::F, S::F), count: usize) {
        let half = simd.splat(0.5);
        // SAFETY: there are n/2 + 1 values of each, and the caller goes no further.
        unsafe {
            simd::store_first(simd, self.re.as_mut_ptr().add(at), simd.mul(half, re), count);
            simd::store_first(simd, self.im.as_mut_ptr().add(at), simd.mul(half, im), count);
        }
    }
}

struct Unpack<'a, B> {
    half: &'a HalfTransform,
    z: &'a [[f32; 2]],
    bins: B,
}

impl<B: Bins> Kernel for Unpack<'_, B> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { half, z, mut bins } = self;
        let m = z.len();
        let [re, im] = z[0];
        for (at, value) in [(0, re + im), (m, re - im)] {
            // SAFETY: bins 0 and n/2.
            unsafe { bins.put(simd, at, (simd.splat(2.0 * value), simd.splat(0.0)), 1) }
        }
        let mut k = 1;
        while k + S::LANES <= m / 2 + 1 {
            // The vectors cover bins k..k + LANES ≤ m/2 + 1 and their mirror images from `mirror` on.
            let mirror = m + 1 - k - S::LANES;
            // SAFETY: k + LANES ≤ m/2 + 1 ≤ m for m ≥ LANES, so both runs of z and of bins lie in 1..m, and the
            // factors, m/2 + 1 of each, reach as far.
            unsafe {
                let (a, b) = (load(simd, z.as_ptr().add(k)), load(simd, z.as_ptr().add(mirror)));
                let b = (simd.reverse(b.0), simd.reverse(b.1));
                let (cos, sin) = (simd.load(half.cos.as_ptr().add(k)), simd.load(half.sin.as_ptr().add(k)));
                let [low, high] = pair(simd, a, b, cos, sin);
                bins.put(simd, k, low, S::LANES);
                bins.put(simd, mirror, (simd.reverse(high.0), simd.reverse(high.1)), S::LANES);
            }
            k += S::LANES;
        }
        for k in k..=m / 2 {
            let ([a, ai], [b, bi]) = (z[k], z[m - k]);
            let (a, b) = ((simd.splat(a), simd.splat(ai)), (simd.splat(b), simd.splat(bi)));
            let [low, high] = pair(simd, a, b, simd.splat(half.cos[k]), simd.splat(half.sin[k]));
            // SAFETY: both bins lie in 1..m.
            unsafe {
                bins.put(simd, k, low, 1);
                bins.put(simd, m - k, high, 1);
            }
        }
    }
}

/// The real and the imaginary parts of `LANES` complex values.
///
/// # Safety
/// `from` must be valid for reading as many.
#[inline(always)]
unsafe fn load<S: Simd>(simd: S, from: *const [f32; 2]) -> (S::F, S::F) {
    let from = from.cast::<f32>();
    // SAFETY: `LANES` pairs are twice as many values.
    unsafe { simd.unzip(simd.load(from), simd.load(from.add(S::LANES))) }
}

/// Twice a bin and its mirror image, from their values `a` and `b` of the half transform.
#[inline(always)]
fn pair<S: Simd>(simd: S, a: (S::F, S::F), b: (S::F, S::F), cos: S::F, sin: S::F) -> [(S::F, S::F); 2] {
    let even = (simd.add(a.0, b.0), simd.sub(a.1, b.1));
    let odd = (simd.add(a.1, b.1), simd.sub(b.0, a.0));
    let turned = (simd.mul_add(cos, odd.0, simd.mul(sin, odd.1)), simd.sub(simd.mul(cos, odd.1), simd.mul(sin, odd.0)));
    let low = (simd.add(even.0, turned.0), simd.add(even.1, turned.1));
    [low, (simd.sub(even.0, turned.0), simd.sub(turned.1, even.1))]
}

/// Bands of bins with weights.
pub struct Bands {
    /// Of each band: the first bin, and how many.
    spans: Vec<(usize, usize)>,
    /// The weights of all bands one after the other, each padded with zeros.
    weights: Vec<f32>,
    /// How many values [`band_sums`] reads.
    reach: usize,
}

impl Bands {
    /// From every band's first bin and weights.
    pub fn new(bands: impl IntoIterator<Item = (usize, Vec<f32>)>) -> Self {
        let mut all = Self { spans: Vec::new(), weights: Vec::new(), reach: 0 };
        for (first, weights) in bands {
            all.spans.push((first, weights.len()));
            all.weights.extend(&weights);
            all.weights.resize(all.weights.len().next_multiple_of(MAX_LANES), 0.0);
            all.reach = all.reach.max(first + weights.len().next_multiple_of(MAX_LANES));
        }
        all
    }

    /// How many bands.
    pub fn count(&self) -> usize {
        self.spans.len()
    }

    /// The least length of the input of [`band_sums`]: bins that no band weighs may follow, but must be finite.
    pub fn reach(&self) -> usize {
        self.reach
    }
}

/// `sums[b] = Σ weight[b, j] · bins[first[b] + j]`; `bins` holds [`Bands::reach`] values or more.
pub fn band_sums(isa: Isa, bands: &Bands, bins: &[f32], sums: &mut [f32]) {
    assert!(bins.len() >= bands.reach, "bins as far as the bands reach");
    assert_eq!(sums.len(), bands.count(), "a sum for each band");
    isa.run(BandSums { bands, bins, sums });
}

struct BandSums<'a> {
    bands: &'a Bands,
    bins: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for BandSums<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut weights = self.bands.weights.as_ptr();
        for (&(first, count), sum) in self.bands.spans.iter().zip(self.sums) {
            let mut total = simd.splat(0.0);
            for at in (0..count).step_by(S::LANES) {
                // SAFETY: `Bands::new` has padded the weights of each band to whole vectors, and `bins` reaches as far.
                unsafe {
                    let bins = simd.load(self.bins.as_ptr().add(first + at));
                    total = simd.mul_add(simd.load(weights.add(at)), bins, total);
                }
            }
            *sum = simd.sum(total);
            // SAFETY: the weights of the next band, or the end of the last.
            weights = unsafe { weights.add(count.next_multiple_of(MAX_LANES)) };
        }
    }
}
