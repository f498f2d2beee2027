//! The front ends against librosa, against arithmetic, and against themselves.

use std::f64::consts::TAU;

use homonym::frontend::{FRONT_ENDS, Recipe};
use homonym::random::Random;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    samples: usize,
    frames: usize,
    recipe: Recipe,
}

/// The signal of tools/oracle/librosa_mel.py.
fn golden_signal(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let sample = |at: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let noise = i64::from(state >> 16) - 32_768;
        let mixed = noise.div_euclid(8) + (at as i64 * 137) % 8192 - 4096;
        if (4000..5500).contains(&at) { 0.0 } else { mixed as f32 / 32_768.0 }
    };
    (0..count).map(sample).collect()
}

fn noise(count: usize) -> Vec<f32> {
    let mut random = Random::keyed(1, &[]);
    (0..count).map(|_| random.normal() as f32 * 0.1).collect()
}

/// All frames of a signal pushed in pieces whose sizes `piece` gives.
fn frames_in_pieces(recipe: &Recipe, mut samples: &[f32], mut piece: impl FnMut() -> usize) -> Vec<f32> {
    let mut stream = recipe.stream().unwrap();
    let mut frames = Vec::new();
    while !samples.is_empty() {
        let (now, later) = samples.split_at(piece().min(samples.len()));
        stream.push(now, &mut frames);
        samples = later;
    }
    stream.finish(&mut frames);
    frames
}

fn frames_of(recipe: &Recipe, samples: &[f32]) -> Vec<f32> {
    frames_in_pieces(recipe, samples, || usize::MAX)
}

#[test]
fn every_value_is_librosas() {
    let golden: Golden = serde_json::from_str(include_str!("golden/mel.json")).unwrap();
    let mut expected = include_bytes!("golden/mel.f32").as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
    let mut worst = 0.0_f32;
    for Case { samples, frames, recipe } in golden.cases {
        let expected: Vec<f32> = expected.by_ref().take(frames * recipe.bands).collect();
        let ours = frames_of(&recipe, &golden_signal(samples));
        assert_eq!(ours.len(), expected.len(), "{samples} samples of {recipe:?}");
        let peak = expected.iter().fold(0.0_f32, |peak, value| peak.max(*value));
        let far = ours.iter().zip(&expected).fold(0.0_f32, |far, (ours, theirs)| far.max((ours - theirs).abs()));
        assert!(far <= 1e-6 * peak, "{samples} samples of {recipe:?}: {} of the peak", far / peak);
        worst = worst.max(far / peak);
    }
    println!("largest difference: {worst:e} of the clip's peak");
    assert_eq!(expected.next(), None, "goldens left over");
}

/// librosa without sparse windows, where its resampling has no end of a clip to ring over, and librosa as it comes. The bounds
/// are of the clip's norm of magnitudes; measured 2.4e-5, and 1.7e-2 of a clip that is cut off at both ends.
#[test]
fn constant_q_is_librosas_but_for_its_shortcuts() {
    #[derive(Deserialize)]
    struct CqtGolden {
        cases: Vec<CqtCase>,
    }
    #[derive(Deserialize)]
    struct CqtCase {
        samples: usize,
        silence: usize,
        sparsity: f64,
        frames: usize,
        recipe: Recipe,
    }
    let golden: CqtGolden = serde_json::from_str(include_str!("golden/cqt.json")).unwrap();
    let mut expected = include_bytes!("golden/cqt.f32").as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
    for CqtCase { samples, silence, sparsity, frames, recipe } in golden.cases {
        let still = vec![0.0; silence];
        let ours = frames_of(&recipe, &[&still[..], &golden_signal(samples), &still].concat());
        let expected: Vec<f32> = expected.by_ref().take(frames * recipe.bands).collect();
        assert_eq!(ours.len(), expected.len(), "{samples} samples of {recipe:?}");
        let magnitude = |value: f32| f64::from(value).powf(1.0 / recipe.power);
        let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
        let mut differences = ours.iter().zip(&expected).map(|(&a, &b)| magnitude(a) - magnitude(b));
        let far = norm(&mut differences) / norm(&mut expected.iter().map(|&value| magnitude(value)));
        println!("{samples} samples, {silence} of silence, sparsity {sparsity}: {far:.1e}");
        assert!(far < if sparsity == 0.0 { 1e-4 } else { 3e-2 }, "{far:e}: {samples} samples of {recipe:?}");
    }
    assert_eq!(expected.next(), None, "goldens left over");
}

/// Measured up to 1.7e-5: what the transforms of windows leave out.
const DEFINITION: f64 = 3e-5;

/// The definition, sample by sample in f64, at the full rate.
fn constant_q(recipe: &Recipe, samples: &[f32], frame: usize, band: usize) -> f64 {
    let per_octave = (recipe.bands as f64 / (recipe.fmax / recipe.fmin).log2()).round();
    let hertz = recipe.fmin * 2f64.powf(band as f64 / per_octave);
    let ratio = 2f64.powf(2.0 / per_octave);
    let length = (ratio + 1.0) / (ratio - 1.0) * f64::from(recipe.sample_rate) / hertz;
    // So many samples of the octave's rate on each side of the one in the middle; the first is where the window is 0.
    let step = 2f64.powi(((recipe.bands - 1 - band) as f64 / per_octave) as i32);
    let side = (length / step / 2.0).floor();
    let (width, begin) = ((2.0 * side + 1.0) * step, -(side + 1.0) * step);
    let (mut re, mut im, mut weights) = (0.0, 0.0, 0.0);
    for at in 0..width as i64 {
        let weight = (1.0 - (TAU * at as f64 / width).cos()) / 2.0;
        let time = at + begin as i64;
        weights += weight;
        let sample = usize::try_from((frame * recipe.hop) as i64 - time).ok().and_then(|place| samples.get(place));
        let sample = f64::from(*sample.unwrap_or(&0.0));
        let angle = TAU * hertz * time as f64 / f64::from(recipe.sample_rate);
        (re, im) = (re + weight * sample * angle.cos(), im + weight * sample * angle.sin());
    }
    (length.sqrt() / weights * re.hypot(im)).powf(recipe.power)
}

#[test]
fn constant_q_is_its_definition() {
    let small = Recipe { n_fft: 8192, hop: 256, bands: 36, fmin: 500.0, fmax: 4000.0, power: 1.0, ..Recipe::cqt() };
    for (recipe, count) in [(Recipe::cqt(), 100_000), (small, 20_000)] {
        let samples = golden_signal(count);
        let frames = frames_of(&recipe, &samples);
        let peak = f64::from(frames.iter().fold(0.0_f32, |peak, value| peak.max(*value)));
        let mut far = 0.0_f64;
        for (number, frame) in frames.chunks_exact(recipe.bands).enumerate().step_by(9) {
            for band in (0..recipe.bands).step_by(5) {
                far = far.max((f64::from(frame[band]) - constant_q(&recipe, &samples, number, band)).abs());
            }
        }
        println!("largest difference: {:e} of the clip's peak", far / peak);
        assert!(far < DEFINITION * peak, "{} of the peak, {recipe:?}", far / peak);
    }
}

/// Recipes of every front end.
fn recipes() -> Vec<Recipe> {
    let mel =
        [(1024, 512), (512, 700), (1000, 1)].map(|(n_fft, hop)| Recipe { n_fft, hop, bands: 40, ..Recipe::default() });
    let cqt = [(8192, 512), (4096, 256)].map(|(n_fft, hop)| Recipe {
        n_fft,
        hop,
        bands: 48,
        fmin: 500.0,
        fmax: 8000.0,
        ..Recipe::cqt()
    });
    mel.into_iter().chain(cqt).collect()
}

#[test]
fn pieces_do_not_change_a_bit() {
    let samples = noise(50_000);
    assert!(FRONT_ENDS.iter().all(|front_end| recipes().iter().any(|recipe| recipe.kind == front_end.kind)));
    for recipe in recipes() {
        let samples = &samples[..samples.len().min(recipe.hop * 200)];
        let whole = frames_of(&recipe, samples);
        assert_eq!(whole.len() / recipe.bands, 1 + samples.len() / recipe.hop);
        for most in [1, 7, 513, 5000, 40_000] {
            let mut random = Random::keyed(most as u64, &[]);
            let pieces = frames_in_pieces(&recipe, samples, || 1 + random.below(most));
            assert_eq!(whole, pieces, "pieces up to {most}, {recipe:?}");
        }
    }
}

#[test]
fn a_stream_serves_one_signal_after_another() {
    recipes().iter().for_each(serves_one_after_another);
}

fn serves_one_after_another(recipe: &Recipe) {
    let (first, second) = (noise(7000), golden_signal(3000));
    let mut stream = recipe.stream().unwrap();
    let mut frames = Vec::new();
    stream.push(&first, &mut frames);
    stream.finish(&mut frames);
    frames.clear();
    stream.push(&second, &mut frames);
    stream.finish(&mut frames);
    assert_eq!(frames, frames_of(recipe, &second), "after finish");
    frames.clear();
    stream.push(&first, &mut Vec::new());
    stream.reset();
    stream.push(&second, &mut frames);
    stream.finish(&mut frames);
    assert_eq!(frames, frames_of(recipe, &second), "after reset");
}

#[test]
fn silence_is_zero_and_twice_as_loud_is_four_times_the_power() {
    for recipe in recipes() {
        assert!(frames_of(&recipe, &[0.0; 5000]).iter().all(|&value| value == 0.0));
        let samples = noise(5000);
        let louder: Vec<f32> = samples.iter().map(|sample| 2.0 * sample).collect();
        let fourfold: Vec<f32> = frames_of(&recipe, &samples).iter().map(|value| 4.0 * value).collect();
        assert_eq!(frames_of(&recipe, &louder), fourfold); // scaling by powers of two is exact
    }
}

/// Parseval: white noise of variance v has the power v·Σw² in every bin, so every band holds that times its weights'
/// sum, which for triangles of unit area in Hz is the inverse of the bin's width.
#[test]
fn white_noise_has_the_power_its_window_lets_through() {
    let recipe = Recipe { bands: 40, ..Recipe::default() };
    let samples = noise(2_000_000);
    let frames = frames_of(&recipe, &samples);
    let variance = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / samples.len() as f64;
    let window_energy = 3.0 / 8.0 * recipe.n_fft as f64;
    let expected = variance * window_energy * recipe.n_fft as f64 / f64::from(recipe.sample_rate);
    let count = frames.len() / recipe.bands;
    for band in 0..recipe.bands {
        let mean = frames.iter().skip(band).step_by(recipe.bands).map(|&x| f64::from(x)).sum::<f64>() / count as f64;
        let bound = if band < 2 { 0.25 } else { 0.1 }; // a triangle of three bins only roughly has unit area
        assert!((mean / expected - 1.0).abs() < bound, "band {band}: {mean} and {expected}");
    }
}

#[test]
fn a_sine_peaks_in_the_band_that_holds_it() {
    let loudest_of = |recipe: &Recipe, hertz: f64| {
        let step = TAU * hertz / f64::from(recipe.sample_rate);
        let sine: Vec<f32> = (0..40 * recipe.hop).map(|i| (step * i as f64).sin() as f32).collect();
        let frames = frames_of(recipe, &sine);
        let middle = &frames[20 * recipe.bands..21 * recipe.bands];
        (0..recipe.bands).max_by(|&a, &b| middle[a].total_cmp(&middle[b])).unwrap()
    };
    let loudest = |hertz| loudest_of(&Recipe::default(), hertz);
    // 1 kHz is 15 mels of 49.9; band i peaks at (i + 1)/129 of the scale.
    assert_eq!(loudest(1000.0), 38);
    assert_eq!(loudest(10_900.0), 127);
    assert!(loudest(100.0) < loudest(440.0));
    // 440 Hz is three octaves and nine semitones above 32.7 Hz.
    assert_eq!(loudest_of(&Recipe::cqt(), 440.0), 45);
    assert_eq!(loudest_of(&Recipe::cqt(), 7902.0), 95);
}
