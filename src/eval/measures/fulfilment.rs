//! How many comparisons a distance fulfils.

/// The share of triplets (anchor, positive, negative) in which the anchor is nearer to the positive than to the negative: the
/// constraint fulfilment rate (Lu et al. 2017). A tie is not fulfilled. `None` without triplets.
pub fn fulfilment(triplets: &[[usize; 3]], distance: impl Fn(usize, usize) -> f64) -> Option<f64> {
    let fulfilled =
        |&&[anchor, positive, negative]: &&[usize; 3]| distance(anchor, positive) < distance(anchor, negative);
    (!triplets.is_empty()).then(|| triplets.iter().filter(fulfilled).count() as f64 / triplets.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::fulfilment;

    #[test]
    fn nearer_positives_are_counted_and_ties_are_not() {
        let places = [0.0f64, 1.0, 3.0, -1.0];
        let distance = |a: usize, b: usize| (places[a] - places[b]).abs();
        assert_eq!(fulfilment(&[[0, 1, 2], [2, 1, 0], [0, 2, 1], [0, 1, 3]], distance), Some(0.5));
        assert_eq!(fulfilment(&[], distance), None);
    }
}
