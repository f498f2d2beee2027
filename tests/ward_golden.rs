//! Ward trees equal SciPy's (made by tools/oracle/scipy_ward.py).

use std::path::Path;

use homonym::cluster::linkage;
use homonym::matrix::Matrix;
use homonym::store::npy;

/// Heights may differ by rounding only. SciPy updates distances where we may use centroids.
const TOLERANCE: f64 = 1e-11;

fn check(name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/ward");
    let points: Matrix<f64> = npy::read(&folder.join(format!("{name}.npy"))).unwrap();
    let expected: Matrix<f64> = npy::read(&folder.join(format!("{name}.z.npy"))).unwrap();
    let tree = linkage(&points, &()).unwrap();
    let z = tree.to_scipy();
    assert_eq!((z.rows, z.cols), (points.rows - 1, 4));
    for (row, (own, scipy)) in z.iter_rows().zip(expected.iter_rows()).enumerate() {
        assert_eq!((own[0], own[1], own[3]), (scipy[0], scipy[1], scipy[3]), "{name}, merge {row}");
        assert!((own[2] - scipy[2]).abs() <= TOLERANCE * scipy[2], "{name}, merge {row}: {} {}", own[2], scipy[2]);
    }
    let cut = std::fs::read_to_string(folder.join(format!("{name}.cut.csv"))).unwrap();
    let mut lines = cut.lines();
    let distance: f64 = lines.next().unwrap().parse().unwrap();
    let scipy: Vec<&str> = lines.collect();
    let own = tree.cut(distance);
    assert_eq!(first_appearance(&scipy), own, "{name}: flat clusters at {distance}");
}

/// Labels replaced by the place where they first appear, then by the rank of that place.
fn first_appearance(labels: &[&str]) -> Vec<usize> {
    let first = |label| labels.iter().position(|other| other == label).unwrap();
    let mut places: Vec<usize> = labels.iter().map(first).collect();
    let mut distinct = places.clone();
    distinct.sort_unstable();
    distinct.dedup();
    places.iter_mut().for_each(|place| *place = distinct.binary_search(place).unwrap());
    places
}

macro_rules! trees {
    ($($test:ident: $name:literal,)*) => { $(#[test] fn $test() { check($name) })* };
}

trees! {
    a_pair: "pair",
    three_points: "three",
    ten_on_a_line: "line10",
    uniform_in_a_square: "uniform170x2",
    unit_sphere_32: "sphere170x32",
    unit_sphere_256: "sphere60x256",
    a_thousand_in_the_plane: "normal1000x2",
    a_thousand_on_the_sphere: "sphere1000x8",
    exponential_gaps: "exponential40",
    an_outlier_at_a_million: "outlier",
}
