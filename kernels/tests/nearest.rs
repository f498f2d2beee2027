//! The nearest neighbours on every instruction set that this CPU has, against their f64 definition.

#[allow(unreachable_pub, dead_code)] // modules of the tests, not interfaces
mod naive;
#[allow(unreachable_pub)]
mod sets;

use homonym_kernels::*;
use naive::Values;
use sets::each_isa;

/// Points in `dims` dimensions around a few centres, far from the origin, with an outlier and a pair of equal points.
fn weighted_points(count: usize, dims: usize) -> (Vec<f64>, Vec<f64>) {
    let mut values = Values::new((count * 3 + dims) as u64);
    let centres: Vec<f32> = values.take(5 * dims);
    let mut coordinates: Vec<f64> = (0..count * dims)
        .map(|at| 7.0 + f64::from(centres[at / dims % 5 * dims + at % dims]) + 0.1 * f64::from(values.next()))
        .collect();
    coordinates[0] += 300.0;
    coordinates.copy_within(dims..2 * dims, (count - 1) * dims);
    let weights = (0..count).map(|_| f64::from((values.next() * 8.0) as i32).abs().exp2().floor().max(1.0));
    (coordinates, weights.collect())
}

/// All squared Ward distances from one point, by definition, with the places they lead to; nearest first.
fn neighbours(coordinates: &[f64], weights: &[f64], of: usize, label: impl Fn(usize) -> usize) -> Vec<(f64, usize)> {
    let dims = coordinates.len() / weights.len();
    let squared = |to: usize| {
        let sum: f64 = (0..dims).map(|k| (coordinates[of * dims + k] - coordinates[to * dims + k]).powi(2)).sum();
        2.0 / (1.0 / weights[of] + 1.0 / weights[to]) * sum
    };
    let mut all: Vec<(f64, usize)> =
        (0..weights.len()).filter(|&to| label(to) != label(of)).map(|to| (squared(to), to)).collect();
    all.sort_by(|a, b| a.partial_cmp(b).unwrap());
    all
}

#[test]
fn neighbours_match_their_definition() {
    each_isa(|isa| {
        for (count, dims) in [(3, 1), (50, 3), (96, 32), (145, 7), (200, 256), (1030, 33), (2060, 16)] {
            let (coordinates, weights) = weighted_points(count, dims);
            let mut points = WeightedPoints::default();
            points.refill(isa, dims, coordinates.iter().copied(), weights.iter().copied());
            let queries: Vec<u32> = (0..count as u32).step_by(1 + count / 60).chain([count as u32 - 1]).collect();
            let labels: Vec<u32> = (0..count as u32).map(|place| place % 3).collect();
            for (k, labels) in [(1, None), (4, None), (4, Some(&labels[..])), (count + 2, None)] {
                let mut found = vec![Neighbour::NONE; k * queries.len()];
                points.nearest(isa, &queries, 0..count, labels, &mut found);
                for (&query, found) in queries.iter().zip(found.chunks(k)) {
                    let label = |place: usize| labels.map_or(place, |labels| labels[place] as usize);
                    let want = neighbours(&coordinates, &weights, query as usize, label);
                    for (rank, got) in found.iter().enumerate() {
                        let Some(want) = want.get(rank) else {
                            assert_eq!(*got, Neighbour::NONE, "{isa} {count} {dims}: there are no more");
                            continue;
                        };
                        let close = (got.squared - want.0).abs() <= 1e-12 * want.0;
                        assert!(close, "{isa} {count} {dims}, rank {rank} of {query}: {got:?} for {want:?}");
                    }
                }
            }
        }
    });
}

#[test]
fn neighbours_are_found_at_the_limits_of_bytes() {
    each_isa(|isa| {
        for (count, dims) in [(2050, 16), (2100, 34), (2048, 64), (2048, 300)] {
            // Where sums of two products are as large as they come: points at the corners of squares, and a little noise.
            let mut values = Values::new(dims as u64);
            let mut coordinates: Vec<f64> = (0..count * dims).map(|_| 0.003 * f64::from(values.next())).collect();
            for (at, point) in coordinates.chunks_exact_mut(dims).enumerate() {
                point[at % (dims / 2) * 2] += f64::from(values.next().signum());
                point[at % (dims / 2) * 2 + 1] += f64::from(values.next().signum());
            }
            let weights: Vec<f64> = (0..count).map(|at| [1.0, 1.0, 30.0][at % 3]).collect();
            let mut points = WeightedPoints::default();
            points.refill(isa, dims, coordinates.iter().copied(), weights.iter().copied());
            let queries: Vec<u32> = (0..count as u32).step_by(23).collect();
            let mut found = vec![Neighbour::NONE; 4 * queries.len()];
            points.nearest(isa, &queries, 0..count, None, &mut found);
            for (&query, found) in queries.iter().zip(found.chunks(4)) {
                let want = neighbours(&coordinates, &weights, query as usize, |place| place);
                for (got, want) in found.iter().zip(want) {
                    assert!(
                        (got.squared - want.0).abs() <= 1e-12 * want.0,
                        "{isa} {dims}, {query}: {got:?} for {want:?}"
                    );
                }
            }
        }
    });
}

#[test]
fn neighbours_are_those_that_merges_leave() {
    each_isa(|isa| {
        let dims = 20;
        let (mut coordinates, mut weights) = weighted_points(4500, dims);
        let mut points = WeightedPoints::default();
        points.refill(isa, dims, coordinates.iter().copied(), weights.iter().copied());
        // The last rounds leave too few for bytes.
        for round in 0..4 {
            let mut living = vec![true; weights.len()];
            for keep in (0..weights.len() - 3).step_by(3) {
                let gone = keep + 1 + round % 2;
                let (a, b) = (weights[keep], weights[gone]);
                for k in 0..dims {
                    let (x, y) = (coordinates[keep * dims + k], coordinates[gone * dims + k]);
                    coordinates[keep * dims + k] = (a * x + b * y) / (a + b);
                }
                weights[keep] = a + b;
                living[gone] = false;
                points.merge(isa, keep, gone);
            }
            let places: Vec<usize> = (0..weights.len()).filter(|&place| living[place]).collect();
            coordinates = places.iter().flat_map(|&at| coordinates[at * dims..(at + 1) * dims].to_vec()).collect();
            weights = places.iter().map(|&place| weights[place]).collect();
            let chosen: Vec<usize> = (0..places.len()).step_by(31).collect();
            let check = |points: &WeightedPoints, place: &dyn Fn(usize) -> usize| {
                let queries: Vec<u32> = chosen.iter().map(|&at| place(at) as u32).collect();
                let mut found = vec![Neighbour::NONE; 3 * queries.len()];
                points.nearest(isa, &queries, 0..points.len(), None, &mut found);
                for (&at, found) in chosen.iter().zip(found.chunks(3)) {
                    let want = neighbours(&coordinates, &weights, at, |place| place);
                    for (got, want) in found.iter().zip(want) {
                        let close = (got.squared - want.0).abs() <= 1e-10 * want.0;
                        assert!(close, "{isa} round {round}, {at}: {got:?} for {want:?}");
                    }
                }
            };
            check(&points, &|at| places[at]);
            points.retain(isa, |place| living[place]);
            assert_eq!(points.len(), places.len());
            check(&points, &|at| at);
        }
    });
}

#[test]
fn mutual_neighbours_are_those_of_both_sides() {
    each_isa(|isa| {
        for (count, dims) in [(65, 1), (200, 32), (333, 7), (2100, 16)] {
            let (coordinates, weights) = weighted_points(count, dims);
            let mut points = WeightedPoints::default();
            points.refill(isa, dims, coordinates.into_iter(), weights.into_iter());
            let middle = count / 2 / WeightedPoints::BLOCK * WeightedPoints::BLOCK;
            for sides in [[0..middle, middle..count], [middle..count, 0..middle], [0..64, count / 64 * 64..count]] {
                let k = 3;
                let labels: Vec<u32> = (0..count as u32).map(|place| place % 5).collect();
                let labels = (dims > 7).then_some(&labels[..]);
                let mut found = sides.clone().map(|side| vec![Neighbour::NONE; k * side.len()]);
                let mut expected = found.clone();
                let [one, other] = &mut found;
                points.nearest_mutual(isa, sides.clone(), labels, [one, other]);
                for side in 0..2 {
                    let queries: Vec<u32> = sides[side].clone().map(|place| place as u32).collect();
                    if !queries.is_empty() {
                        points.nearest(isa, &queries, sides[1 - side].clone(), labels, &mut expected[side]);
                    }
                }
                assert_eq!(found, expected, "{isa} {count} {dims} {sides:?}");
                // What is known already changes nothing.
                let [one, other] = &mut found;
                points.nearest_mutual(isa, sides.clone(), labels, [one, other]);
                assert_eq!(found, expected, "{isa} {count} {dims} {sides:?}, again");
            }
        }
    });
}

#[test]
fn candidates_hold_the_nearest_through_all_merges() {
    each_isa(|isa| {
        let mut pairs = WeightedPairs::default();
        for (count, dims, offset) in [(2, 1, 0.0), (49, 5, 0.0), (170, 32, 0.0), (130, 3, 3e8), (100, 0, 0.0)] {
            let (mut coordinates, weights) = weighted_points(count, dims.max(1));
            coordinates.truncate(count * dims);
            let is_even = dims == 32;
            if is_even {
                coordinates[0] -= 300.0;
            }
            coordinates.iter_mut().for_each(|x| *x += offset);
            pairs.refill(isa, dims, &coordinates, &weights);
            let mut clusters: Vec<Option<(Vec<f64>, f64)>> = (0..count)
                .map(|place| Some((coordinates[place * dims..(place + 1) * dims].to_vec(), weights[place])))
                .collect();
            let (mut places, mut several) = (Vec::new(), 0);
            for round in 0..count - 1 {
                let living: Vec<u32> = (0..count as u32).filter(|&place| clusters[place as usize].is_some()).collect();
                assert_eq!(pairs.living(), living);
                let of = living[(round * 7) % living.len()] as usize;
                pairs.candidates(isa, of, &mut places);
                several += usize::from(places.len() > 1);
                let (centroids, sizes): (Vec<&[f64]>, Vec<f64>) =
                    clusters.iter().flatten().map(|(centroid, size)| (&centroid[..], *size)).unzip();
                let of_living = living.binary_search(&(of as u32)).unwrap();
                let want = neighbours(&centroids.concat(), &sizes, of_living, |place| place);
                for &(squared, place) in want.iter().take_while(|(squared, _)| *squared == want[0].0) {
                    let place = living[place];
                    assert!(places.contains(&place), "{isa} {count} {dims}: {places:?} without {place}");
                    let got = pairs.squared(of, place as usize);
                    assert!((got - squared).abs() <= 1e-12 * squared, "{isa} {count} {dims}: {got} for {squared}");
                }
                assert!(places.iter().all(|place| *place as usize != of && living.contains(place)));
                let nearest = living[want[0].1] as usize;
                let squared = pairs.squared(of, nearest);
                assert_eq!(pairs.merge(isa, of, nearest), squared);
                let (gone, b) = clusters[nearest].take().unwrap();
                let (kept, a) = clusters[of].as_mut().unwrap();
                kept.iter_mut().zip(&gone).for_each(|(x, y)| *x += b / (*a + b) * (y - *x));
                *a += b;
            }
            assert_eq!(pairs.living().len(), 1);
            // Without an outlier the filter leaves little to f64, though weights differ a lot.
            assert!(!is_even || several <= count / 4, "{isa} {count} {dims}: {several} times several");
        }
    });
}
