//! A point that goes round a circle: sines without computing sines.

/// Sine and cosine of `phase`, `phase + turn`, `phase + 2·turn` and so on, by turning a pointer.
pub(super) fn circle(phase: f64, turn: f64) -> impl Iterator<Item = (f64, f64)> {
    let (sin, cos) = turn.sin_cos();
    let turned = move |&(y, x): &(f64, f64)| Some((y * cos + x * sin, x * cos - y * sin));
    std::iter::successors(Some(phase.sin_cos()), turned)
}

#[cfg(test)]
mod tests {
    use super::circle;

    #[test]
    fn the_pointer_keeps_to_sine_and_cosine() {
        for (place, (sin, cos)) in circle(0.3, 0.7).take(300_000).enumerate().step_by(9999) {
            let angle = 0.3 + 0.7 * place as f64;
            assert!((sin - angle.sin()).abs() < 1e-8 && (cos - angle.cos()).abs() < 1e-8, "{place}");
        }
    }
}
