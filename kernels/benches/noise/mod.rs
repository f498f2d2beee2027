//! What benches compute on.

/// `count` values in [−1, 1) that depend on `seed` alone.
pub fn noise(seed: usize, count: usize) -> Vec<f32> {
    let mut state = seed as u32 * 2 + 1;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}
