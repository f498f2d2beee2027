//! What a track looks like without any learning: mean and deviation of its log-mel bands. Every embedding must beat it.

use rayon::prelude::*;

use crate::models::Standardisation;
use crate::store::Store;
use crate::{Monitor, Result};

/// Gain before the logarithm, as in the network's compression.
const GAIN: f64 = 1e4;

/// Mean and deviation over time of `ln(1 + 10⁴·mel)` in each band, every column brought to mean 0 and deviation 1 over
/// the given tracks: rows × 2·bands.
pub fn mel_statistics(store: &Store, rows: &[usize], monitor: &dyn Monitor) -> Result<Vec<f32>> {
    let bands = store.bands();
    let width = 2 * bands;
    let mut points = vec![0.0; rows.len() * width];
    monitor.begin("mel statistics", Some(rows.len() as u64));
    points.par_chunks_exact_mut(width).zip(rows).try_for_each(|(point, &row)| -> Result<()> {
        let frames = store.frames(row)?;
        let mut sums = vec![0.0f64; width];
        let mut frame = vec![0.0; bands];
        for index in 0..frames.len() {
            frames.slice(index..index + 1).copy_to(&mut frame);
            for (band, &power) in frame.iter().enumerate() {
                let level = (GAIN * f64::from(power)).ln_1p();
                sums[band] += level;
                sums[bands + band] += level * level;
            }
        }
        for band in 0..bands {
            let mean = sums[band] / frames.len() as f64;
            let variance = sums[bands + band] / frames.len() as f64 - mean * mean;
            point[band] = mean as f32;
            point[bands + band] = variance.max(0.0).sqrt() as f32;
        }
        monitor.advance(1);
        Ok(())
    })?;
    monitor.end();
    let map = Standardisation::fit(&points, width);
    points.chunks_exact_mut(width).for_each(|point| map.apply(point));
    Ok(points)
}
