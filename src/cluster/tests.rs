//! Ward against a naive oracle that knows only the definition: the cost of a cluster is the sum of squared distances
//! to its mean, and every merge must be one that adds least.

use std::path::Path;

use homonym_kernels::Isa;

use super::{
    Checkpoint, Dendrogram, Scratch, linkage, linkage_resumable, linkage_weighted, linkage_with, rounds::Rounds,
};
use crate::matrix::Matrix;
use crate::random::Random;
use crate::store::npy;

/// Sum of squared distances of `members` to their mean, from scratch.
fn cost(points: &Matrix<f64>, members: &[usize]) -> f64 {
    let column = |i: usize| {
        let values: Vec<f64> = members.iter().map(|&row| points.data[row * points.cols + i]).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
    };
    (0..points.cols).map(column).sum()
}

/// `√(2·Δcost)` of merging two member lists.
fn ward(points: &Matrix<f64>, a: &[usize], b: &[usize]) -> f64 {
    let added = cost(points, &[a, b].concat()) - cost(points, a) - cost(points, b);
    (2.0 * added.max(0.0)).sqrt()
}

/// Replays the merges: each must join two living clusters at their Ward distance, and no pair may be nearer.
fn check_greedy(points: &Matrix<f64>, tree: &Dendrogram, tolerance: f64) {
    let mut nodes: Vec<Option<Vec<usize>>> = (0..points.rows).map(|row| Some(vec![row])).collect();
    let mut last = 0.0;
    assert_eq!(tree.merges().len(), points.rows.saturating_sub(1));
    for merge in tree.merges() {
        let living: Vec<&Vec<usize>> = nodes.iter().flatten().collect();
        let pairs = (0..living.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let least = pairs.map(|(a, b)| ward(points, living[a], living[b])).fold(f64::INFINITY, f64::min);
        let left = nodes[merge.left].take().expect("merged once");
        let right = nodes[merge.right].take().expect("merged once");
        let own = ward(points, &left, &right);
        assert!((merge.height - own).abs() <= tolerance, "height {} is {own}", merge.height);
        assert!(own <= least + tolerance, "merged at {own} while {least} was possible");
        assert!(merge.left < merge.right && merge.height >= last && merge.size == left.len() + right.len());
        last = merge.height;
        nodes.push(Some([left, right].concat()));
    }
}

/// As [`linkage`] does for large sets.
fn by_rounds(points: &Matrix<f64>) -> Dendrogram {
    let (isa, weights) = (Isa::chosen().unwrap(), vec![1.0; points.rows]);
    let found = Rounds::of(isa, points.cols, points.data.clone(), &weights, &()).unwrap().run(None, &()).unwrap();
    let mut tree = Dendrogram::default();
    tree.rebuild(points.rows, &found, &mut Vec::new(), &mut Vec::new());
    tree
}

fn drawn(seed: u64, rows: usize, cols: usize, mut value: impl FnMut(&mut Random) -> f64) -> Matrix<f64> {
    let mut random = Random::keyed(seed, &[rows as u64, cols as u64]);
    Matrix::new(rows, cols, (0..rows * cols).map(|_| value(&mut random)).collect())
}

#[test]
fn every_merge_is_a_true_minimum() {
    for seed in 0..12 {
        for (rows, cols) in [(0, 2), (1, 2), (2, 1), (3, 3), (9, 2), (24, 11)] {
            let points = drawn(seed, rows, cols, Random::normal);
            check_greedy(&points, &linkage(&points, &()).unwrap(), 1e-9);
            check_greedy(&points, &by_rounds(&points), 1e-9);
        }
    }
}

#[test]
fn ties_and_duplicates_are_merged_greedily_too() {
    for seed in 0..30 {
        for cols in [0, 1, 2, 3] {
            let points = drawn(seed, 20, cols, |random| random.below(3) as f64 * 0.1);
            check_greedy(&points, &linkage(&points, &()).unwrap(), 1e-7);
            check_greedy(&points, &by_rounds(&points), 1e-7);
        }
    }
}

#[test]
fn chain_and_rounds_build_the_same_tree() {
    // The golden sets, whose trees are proven to be SciPy's, are too small for rounds to be chosen.
    let golden = |name| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ward");
        npy::read(&folder.join(format!("{name}.npy"))).unwrap()
    };
    let names = ["uniform170x2", "sphere170x32", "sphere60x256", "sphere1000x8", "exponential40", "outlier"];
    let sizes = [(700, 17), (1800, 3), (1500, 40)];
    let normal = sizes.map(|(rows, cols)| drawn(5, rows, cols, Random::normal));
    for points in normal.into_iter().chain(names.map(golden)) {
        let (chain, rounds) = (linkage(&points, &()).unwrap(), by_rounds(&points));
        for (a, b) in chain.merges().iter().zip(rounds.merges()) {
            assert_eq!((a.left, a.right, a.size), (b.left, b.right, b.size));
            assert!((a.height - b.height).abs() <= 1e-12 * b.height, "{} {}", a.height, b.height);
        }
    }
}

#[test]
fn large_ties_end_and_do_not_depend_on_the_thread_count() {
    let points = drawn(2, 3000, 40, |random| random.below(2) as f64 * 0.1);
    let with_threads = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| linkage(&points, &()).unwrap())
    };
    assert_eq!(with_threads(1), with_threads(3));
}

#[test]
fn a_cut_joins_what_lies_at_its_height() {
    let tree = linkage(&Matrix::new(5, 1, vec![0.0f32, 10.0, 1.0, 11.0, 50.0]), &()).unwrap();
    assert_eq!(tree.cut(0.99), [0, 1, 2, 3, 4]);
    assert_eq!(tree.cut(1.0), [0, 1, 0, 1, 2]);
    assert_eq!(tree.cut(f64::INFINITY), [0; 5]);
    assert_eq!(tree.cut(-1.0), [0, 1, 2, 3, 4]);
    assert_eq!(tree.cut_count(3), [0, 1, 0, 1, 2]);
    assert_eq!((tree.cut_count(0), tree.cut_count(9)), (vec![0; 5], vec![0, 1, 2, 3, 4]));
    let empty = linkage(&Matrix::<f64>::new(0, 3, vec![]), &()).unwrap();
    assert_eq!((empty.cut(1.0), empty.cut_count(2)), (vec![], vec![]));
}

#[test]
fn a_cut_keeps_apart_what_must_be() {
    let tree = linkage(&Matrix::new(6, 1, vec![0.0f32, 1.0, 2.5, 10.0, 11.0, 50.0]), &()).unwrap();
    assert_eq!(tree.cut_apart(4.0, &[]), [0, 0, 0, 1, 1, 2]);
    assert_eq!(tree.cut_apart(4.0, &[[0, 2]]), [0, 0, 1, 2, 2, 3]);
    assert_eq!(tree.cut_apart(4.0, &[[1, 0], [5, 3]]), [0, 1, 2, 3, 3, 4]);
    assert_eq!(tree.cut_apart(1e9, &[[4, 0]]), [0, 0, 0, 1, 1, 2]);
}

#[test]
fn weighted_leaves_are_clusters_that_exist() {
    let points = drawn(4, 40, 3, Random::normal);
    let tree = linkage(&points, &()).unwrap();
    // The clusters left after 25 merges, as leaves: the rest of the tree has the same heights.
    let labels = tree.cut_count(15);
    let (mut centroids, mut weights) = (Matrix::new(15, 3, vec![0.0; 45]), vec![0.0; 15]);
    for (row, &label) in labels.iter().enumerate() {
        weights[label] += 1.0;
        (0..3).for_each(|k| centroids.data[label * 3 + k] += points.data[row * 3 + k]);
    }
    (0..45).for_each(|at| centroids.data[at] /= weights[at / 3]);
    let mut scratch = Scratch::default();
    let rest = linkage_weighted(&mut scratch, &centroids, &weights, &()).unwrap();
    for (own, whole) in rest.merges().iter().zip(&tree.merges()[25..]) {
        assert!((own.height - whole.height).abs() < 1e-12, "{own:?} {whole:?}");
    }
}

#[test]
fn scratch_leaves_no_trace() {
    let mut scratch = Scratch::default();
    for rows in [30, 3, 0, 1, 12] {
        let points = drawn(rows as u64, rows, 4, Random::normal);
        let tree = linkage_with(&mut scratch, points.iter_rows(), &()).unwrap();
        assert_eq!(*tree, linkage(&points, &()).unwrap());
    }
}

#[test]
fn what_cannot_be_squared_is_refused() {
    for bad in [f64::NAN, f64::INFINITY, -1e200] {
        let error = linkage(&Matrix::new(2, 2, vec![0.0, 1.0, bad, 0.0]), &()).unwrap_err().to_string();
        assert!(error.contains("row 1"), "{error}");
    }
    assert!(linkage_with(&mut Scratch::default(), [&[1.0][..], &[1.0, 2.0]], &()).is_err());
    assert!(linkage(&Matrix::new(3, 1, vec![1e150, -1e150, 0.0]), &()).is_ok());
}

#[test]
fn an_interrupt_stops_the_work() {
    struct Impatient;
    impl crate::Monitor for Impatient {
        fn interrupted(&self) -> bool {
            true
        }
    }
    let points = drawn(1, 300, 2, Random::normal);
    assert!(matches!(linkage(&points, &Impatient), Err(crate::Error::Interrupted(_))));
}

/// Stops when it was asked so many times more.
struct Patience(std::sync::atomic::AtomicUsize);

impl crate::Monitor for Patience {
    fn interrupted(&self) -> bool {
        self.0.fetch_sub(1, std::sync::atomic::Ordering::Relaxed) == 0
    }
}

#[test]
fn a_stop_does_not_change_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.checkpoint");
    let mut points = drawn(6, 2600, 5, Random::normal);
    points.data.copy_within(0..50, 500); // some are equal
    let whole = linkage(&points, &()).unwrap();
    // In the first search, when only equal points are merged; among the merges; at last here and there up to the end.
    for patience in [12, 30] {
        let monitor = Patience(patience.into());
        let stopped = linkage_resumable(&points, &Checkpoint::new(path.clone(), false), &monitor).unwrap_err();
        assert!(stopped.to_string().contains("--resume") && path.exists(), "{stopped}");
        assert_eq!(stopped.to_string().contains("after 10 of"), patience == 12, "{stopped}");
        let kept = std::fs::read(&path).unwrap();
        let other = drawn(7, 2600, 5, Random::normal);
        let refused = linkage_resumable(&other, &Checkpoint::new(path.clone(), true), &()).unwrap_err().to_string();
        assert!(refused.contains("other points"), "{refused}");
        std::fs::write(&path, &kept[1..]).unwrap();
        assert!(linkage_resumable(&points, &Checkpoint::new(path.clone(), true), &()).is_err());
        std::fs::write(&path, kept).unwrap();
        let kept = Checkpoint::new(path.clone(), true);
        assert_eq!(linkage_resumable(&points, &kept, &()).unwrap(), whole);
        assert!(path.exists(), "the tree is not written yet");
        kept.remove().unwrap();
        assert!(!path.exists());
    }
    let tree = loop {
        match linkage_resumable(&points, &Checkpoint::new(path.clone(), true), &Patience(7.into())) {
            Err(crate::Error::Interrupted(_)) => {}
            end => break end.unwrap(),
        }
    };
    assert_eq!(tree, whole);
}

#[test]
fn a_checkpoint_that_makes_no_sense_is_refused_though_its_checksum_fits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.checkpoint");
    let points = drawn(8, 2100, 3, Random::normal);
    let stopped = linkage_resumable(&points, &Checkpoint::new(path.clone(), false), &Patience(30.into()));
    assert!(stopped.is_err());
    let sound = std::fs::read(&path).unwrap();
    let number = |at: usize| u64::from_le_bytes(sound[at..at + 8].try_into().unwrap());
    // Bytes: mark and points 0..24, turn, numbers of merges, of clusters, of those that changed, then all of these.
    let (turn, [merges, living, changed]) = (24, [32, 40, 48].map(|at| number(at) as usize));
    assert!(merges > 10 && living > 100 && changed > 0);
    let (known, behind) = (56 + 24 * merges, 56 + 24 * merges + 136 * living);
    let refused = |at: usize, value: u64| {
        let mut bytes = sound[..sound.len() - 8].to_vec();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        bytes.extend(u64::from(crc32fast::hash(&bytes)).to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        linkage_resumable(&points, &Checkpoint::new(path.clone(), true), &()).err().map(|error| error.to_string())
    };
    assert_eq!(refused(turn, number(turn)), None, "unchanged");
    let (beyond, nan) = (u64::from(u32::MAX) - 1, f64::NAN.to_bits());
    for (at, value, says) in [
        (turn, 0, "merges before all were compared"),
        (40, living as u64 - 1, "another state"),
        (40, 1 << 60, "a shorter file"),
        (56, number(64), "what does not exist"),
        (56, beyond, "what does not exist"),
        (known, nan, "neighbours that do not exist"),
        (known + 8, nan, "neighbours that do not exist"),
        (known + 16, beyond, "neighbours that do not exist"),
        (behind, beyond, "another state"),
    ] {
        let error = refused(at, value).unwrap();
        assert!(error.contains("z.checkpoint: expected a checkpoint") && error.contains(says), "byte {at}: {error}");
    }
}
