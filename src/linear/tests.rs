//! Losses against naive `f64` ones that share no line with them, maps against scikit-learn, SciPy and metric-learn (made by
//! tools/oracle/linear_maps.py), and what users can do wrong.

use std::path::Path;

use homonym_kernels::Isa;
use serde_json::Value;

use super::learn::Problem;
use super::*;
use crate::random::Random;

type Rows = Vec<Vec<f64>>;

/// The loss of a method by its definition.
type Naive = fn(&Rows, &[usize], &Rows) -> f64;

fn squared(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

fn mapped(x: &Rows, map: &Rows) -> Rows {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    x.iter().map(|x| map.iter().map(|row| dot(row, x)).collect()).collect()
}

fn naive_nca(x: &Rows, class: &[usize], map: &Rows) -> f64 {
    let y = mapped(x, map);
    let stray = |i: usize| {
        let weight = |j: usize| if i == j { 0.0 } else { (-squared(&y[i], &y[j])).exp() };
        let of = |own: bool| (0..y.len()).filter(|&j| !own || class[i] == class[j]).map(weight).sum::<f64>();
        1.0 - of(true) / of(false)
    };
    (0..y.len()).map(stray).sum::<f64>() / y.len() as f64
}

fn naive_lmnn(x: &Rows, class: &[usize], map: &Rows) -> f64 {
    let y = mapped(x, map);
    let mut loss = 0.0;
    for i in 0..y.len() {
        let mut own: Vec<usize> = (0..y.len()).filter(|&j| j != i && class[i] == class[j]).collect();
        own.sort_by(|&a, &b| squared(&x[i], &x[a]).total_cmp(&squared(&x[i], &x[b])));
        for &target in own.iter().take(3) {
            let to_target = squared(&y[i], &y[target]);
            loss += 0.5 * to_target;
            for other in (0..y.len()).filter(|&j| class[i] != class[j]) {
                loss += 0.5 * (1.0 + to_target - squared(&y[i], &y[other])).max(0.0);
            }
        }
    }
    loss / y.len() as f64
}

/// Points in classes of the given sizes, class by class.
fn data(sizes: &[usize], dims: usize, seed: u64) -> Data {
    let mut random = Random::keyed(seed, &[]);
    let class: Vec<usize> = sizes.iter().enumerate().flat_map(|(class, &size)| vec![class; size]).collect();
    let centres: Vec<f64> = (0..sizes.len() * dims).map(|_| random.normal()).collect();
    let values = class.iter().flat_map(|&class| centres[class * dims..(class + 1) * dims].to_vec());
    let values: Vec<f32> = values.map(|centre| (centre + random.normal()) as f32).collect();
    Data { x: Matrix::new(class.len(), dims, values), class }
}

fn wide(x: &Matrix<f32>) -> Rows {
    x.iter_rows().map(|row| row.iter().copied().map(f64::from).collect()).collect()
}

/// Value and gradient of the engine for NCA, or LMNN.
fn evaluate(name: &str, data: &Data, map: &[f64]) -> (f64, Vec<f64>) {
    let isa = Isa::chosen().unwrap();
    let all: Vec<usize> = (0..data.x.rows).collect();
    let targets = lmnn::targets(data, 3, isa);
    let problem = match name {
        "nca" => Problem { data, loss: &move |row| nca::stray(isa, row), targets: None, tolerance: 0.0 },
        _ => Problem { data, loss: &move |row| lmnn::margin(isa, row), targets: Some((&targets, 3)), tolerance: 0.0 },
    };
    problem.sample(&all).evaluate(isa, problem.loss, map)
}

#[test]
fn losses_and_gradients_are_those_of_the_definitions() {
    // More rows than a block; a class smaller than its targets are many, and one of a single point.
    let data = data(&[120, 70, 3, 1], 5, 1);
    let (x, mut random) = (wide(&data.x), Random::keyed(2, &[]));
    for (name, naive) in [("nca", naive_nca as Naive), ("lmnn", naive_lmnn as Naive)] {
        for dims in [5, 2, 7] {
            let map: Vec<f64> = (0..dims * 5).map(|_| 0.6 * random.normal()).collect();
            let value = |map: &[f64]| naive(&x, &data.class, &map.chunks(5).map(<[f64]>::to_vec).collect());
            let (loss, gradient) = evaluate(name, &data, &map);
            let want = value(&map);
            assert!((loss - want).abs() < 1e-5 * want, "{name} {dims}: {loss} {want}");
            let step = 1e-5;
            let slopes: Vec<f64> = (0..map.len())
                .map(|at| {
                    let [mut above, mut below] = [map.clone(), map.clone()];
                    above[at] += step;
                    below[at] -= step;
                    (value(&above) - value(&below)) / (2.0 * step)
                })
                .collect();
            let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let difference: Vec<f64> = gradient.iter().zip(&slopes).map(|(own, slope)| own - slope).collect();
            let error = norm(&difference) / norm(&slopes);
            assert!(error < 1e-4, "{name} {dims}: relative error {error:e}");
        }
    }
}

#[test]
fn classes_are_evened_as_far_as_points_tell() {
    let mut spread = data(&[400, 300, 200], 4, 3);
    for row in spread.x.data.chunks_exact_mut(4) {
        row.iter_mut().zip([1.0, 1.5, 2.0, 3.0]).for_each(|(x, scale)| *x *= scale);
        row[0] += row[3];
    }
    let map: Rows = lda::evened(&spread).unwrap().unwrap().iter_rows().map(<[f64]>::to_vec).collect();
    let mut y = mapped(&wide(&spread.x), &map);
    for class in spread.classes() {
        for col in 0..4 {
            let mean = y[class.clone()].iter().map(|y| y[col]).sum::<f64>() / class.len() as f64;
            y[class.clone()].iter_mut().for_each(|y| y[col] -= mean);
        }
    }
    for (a, b) in (0..4).flat_map(|a| (0..=a).map(move |b| (a, b))) {
        let covariance = y.iter().map(|y| y[a] * y[b]).sum::<f64>() / 897.0;
        let want = f64::from(u8::from(a == b));
        // 4 values and 897 points to know their spread by: a shrinkage of 4/901.
        assert!((covariance - want).abs() < if a == b { 0.1 } else { 1e-5 }, "{a} {b}: {covariance}");
    }
    let few = lda::evened(&data(&[2, 2], 6, 3)).unwrap().unwrap();
    assert!(few.rows == 6 && few.data.iter().all(|x| x.abs() < 100.0), "two differences tell little: {few:?}");
    assert!(lda::evened(&data(&[1; 9], 4, 3)).unwrap().is_none(), "one point in each class");
    let alike = data(&[1, 1], 5, 3);
    let alike = Data { x: alike.x.select(&[0, 0, 0, 1, 1]), class: vec![0, 0, 0, 1, 1] };
    assert!(lda::evened(&alike).unwrap().is_none(), "the same point several times");
}

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/linear.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn rows(value: &Value) -> Rows {
    value.as_array().unwrap().iter().map(numbers).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The golden points, their classes as text, and the map that a method learns from them.
fn fit_golden(golden: &Value, name: &str, options: &Options) -> (Matrix<f32>, Report) {
    let points = rows(&golden["points"]);
    let points = Matrix::new(points.len(), points[0].len(), points.concat().iter().map(|&x| x as f32).collect());
    let classes: Vec<String> = numbers(&golden["labels"]).iter().map(f64::to_string).collect();
    let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
    let (map, report) = fit(method(name).unwrap(), &points, Some(&classes), options, &()).unwrap();
    (map.apply(&points, Path::new("points")).unwrap(), report)
}

/// Columns are the same up to their sign.
fn assert_same(own: &Matrix<f32>, want: &Value, what: &str) {
    let want = rows(want);
    assert_eq!((own.rows, own.cols), (want.len(), want[0].len()), "{what}");
    for col in 0..own.cols {
        let size = want.iter().map(|row| row[col].abs()).fold(0.0, f64::max);
        let error = |sign: f64| {
            own.iter_rows()
                .zip(&want)
                .map(|(own, want)| (f64::from(own[col]) - sign * want[col]).abs())
                .fold(0.0, f64::max)
        };
        let error = error(1.0).min(error(-1.0));
        // Discriminants divide by deviations down to 4e-3; points are f32.
        assert!(error < 1e-4 * size, "{what}, column {col}: {error:e} of {size}");
    }
}

#[test]
fn components_and_discriminants_are_those_of_scikit_learn() {
    let golden = golden();
    let pca = |options: Options| fit_golden(&golden, "pca", &options);
    let (own, report) = pca(Options { dims: Some(3), ..Options::default() });
    assert_same(&own, &golden["pca"]["mapped"], "PCA");
    assert!((report.variance.unwrap() - golden["pca"]["share"].as_f64().unwrap()).abs() < 1e-6);
    let own = pca(Options { dims: Some(3), whiten: true, ..Options::default() }).0;
    assert_same(&own, &golden["pca"]["whitened"], "whitened PCA");
    let own = pca(Options { dims: Some(2), raw: true, ..Options::default() }).0;
    assert_same(&own, &golden["pca"]["raw"], "raw PCA");
    let (own, report) = fit_golden(&golden, "lda", &Options::default());
    assert_same(&own, &golden["lda"]["mapped"], "LDA");
    assert_eq!((report.classes, report.dims), (Some(4), 3));
    assert!((report.variance.unwrap() - 1.0).abs() < 1e-9, "three directions hold four means");
    let shrinkage = golden["lda"]["shrinkage"].as_f64().unwrap();
    let own = fit_golden(&golden, "lda", &Options { shrinkage, ..Options::default() }).0;
    assert_same(&own, &golden["lda"]["shrunk"], "LDA with shrinkage");
}

#[test]
fn losses_are_those_of_scikit_learn_and_metric_learn_and_end_as_low() {
    let golden = golden();
    let points = rows(&golden["points"]);
    let labels = numbers(&golden["labels"]);
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by_key(|&row| labels[row] as usize);
    let mut x = Matrix::new(points.len(), points[0].len(), points.concat().iter().map(|&x| x as f32).collect());
    let map = standardisation(&x, false);
    x.data.chunks_exact_mut(x.cols).for_each(|row| map.apply(row));
    let data = Data { x: x.select(&order), class: order.iter().map(|&row| labels[row] as usize).collect() };
    for name in ["nca", "lmnn"] {
        let (maps, golden) = (golden["maps"].as_array().unwrap(), &golden[name]);
        let losses = numbers(&golden["losses"]);
        for ((map, want), gradient) in maps.iter().zip(losses).zip(rows(&golden["gradients"])) {
            let (loss, own) = evaluate(name, &data, &rows(map).concat());
            assert!((loss - want).abs() < 2e-5 * want, "{name}: {loss} {want}");
            let size = gradient.iter().map(|x| x.abs()).fold(0.0, f64::max);
            let error = own.iter().zip(&gradient).map(|(own, want)| (own - want).abs()).fold(0.0, f64::max);
            assert!(error < 1e-4 * size, "{name}: {error:e} of {size}");
        }
        for (end, dims) in numbers(&golden["ends"]).into_iter().zip([6, 2]) {
            let report = fit_golden(&self::golden(), name, &Options { dims: Some(dims), ..Options::default() }).1;
            let descent = report.descent.unwrap();
            assert!(descent.after < descent.before);
            // Thousands of steps of metric-learn against some dozens.
            assert!(descent.after < end * 1.02 + 1e-3, "{name}, {dims}: {} where others end at {end}", descent.after);
        }
    }
}

/// Share of the rows whose nearest other row is of their class.
fn nearest_right(points: &Matrix<f32>, class: &[usize]) -> f64 {
    let x = wide(points);
    let nearest = |i: usize| {
        let others = (0..x.len()).filter(|&j| j != i);
        others.min_by(|&a, &b| squared(&x[i], &x[a]).total_cmp(&squared(&x[i], &x[b]))).unwrap()
    };
    (0..x.len()).filter(|&i| class[nearest(i)] == class[i]).count() as f64 / x.len() as f64
}

/// 40 classes of 15 in 4 values that tell, beside 12 that are noise.
fn buried() -> (Matrix<f32>, Vec<usize>) {
    let mut random = Random::keyed(6, &[]);
    let centres: Vec<f64> = (0..40 * 4).map(|_| 4.0 * random.normal()).collect();
    let class: Vec<usize> = (0..600).map(|row| row / 15).collect();
    let mut values = Vec::new();
    for class in &class {
        values.extend(centres[class * 4..class * 4 + 4].iter().map(|centre| (centre + random.normal()) as f32));
        values.extend((0..12).map(|_| random.normal() as f32));
    }
    (Matrix::new(600, 16, values), class)
}

#[test]
fn every_method_maps_keeps_and_reads_back_the_same_whatever_the_thread_count() {
    let (points, class) = buried();
    let names: Vec<String> = class.iter().map(usize::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.safetensors");
    let plain = nearest_right(&points, &class);
    for method in &METHODS {
        for options in [
            Options { dims: Some(4), iterations: 20, ..Options::default() },
            Options { dims: Some(4), iterations: 20, batch: 250, ..Options::default() },
        ] {
            let with_threads = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| fit(method, &points, Some(&names), &options, &()).unwrap())
            };
            let (map, report) = with_threads(1);
            assert_eq!((&map, &report), (&with_threads(3).0, &report), "{}", method.name);
            map.save(&path).unwrap();
            assert_eq!(LinearMap::open(&path).unwrap(), map);
            assert!(LinearMap::is_at(&path) && report.values == 16 && report.classes.is_some() == method.supervised);
            let mapped = map.apply(&points, &path).unwrap();
            assert_eq!((mapped.rows, mapped.cols), (600, report.dims));
            let right = nearest_right(&mapped, &class);
            println!("{} {options:?}: {right}, plain {plain}", method.name);
            assert_eq!(right > plain + 0.05, method.supervised, "{}: {right}, plain {plain}", method.name);
        }
    }
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let points = Matrix::new(4, 2, vec![0.0, 1.0, 2.0, 3.0, 5.0, 4.0, 7.0, 7.0]);
    let two = ["a", "a", "b", "b"];
    let refused = |name: &str, classes: &[&str], options: Options| {
        fit(method(name).unwrap(), &points, Some(classes), &options, &()).unwrap_err().to_string()
    };
    assert!(refused("lda", &["a"; 4], Options::default()).contains("at least two classes"));
    assert!(refused("lda", &["a", "b", "c", "d"], Options::default()).contains("one point in each"));
    for (name, options, says) in [
        ("pca", Options { dims: Some(3), ..Options::default() }, "3 is more than the 2"),
        ("lda", Options { dims: Some(2), ..Options::default() }, "2 is more than the 1"),
        ("nca", Options { dims: Some(0), ..Options::default() }, "at least 1"),
        ("lda", Options { shrinkage: 1.5, ..Options::default() }, "shrinkage"),
        ("lmnn", Options { neighbours: 0, ..Options::default() }, "neighbours"),
        ("nca", Options { iterations: 0, ..Options::default() }, "iterations"),
        ("nca", Options { batch: 2, ..Options::default() }, "batch"),
    ] {
        let error = refused(name, &two, options);
        assert!(error.contains(says), "{name}: {error}");
    }
    assert!(method("qda").err().unwrap().to_string().contains("pca, lda, nca, lmnn"));
    let flat = Matrix::new(3, 2, vec![1.0, 0.0, 2.0, 0.0, 4.0, 0.0]);
    let whiten = Options { whiten: true, ..Options::default() };
    let error = fit(&METHODS[0], &flat, None, &whiten, &()).unwrap_err().to_string();
    assert!(error.contains("only 1 components"), "{error}");
    let map = fit(&METHODS[0], &points, None, &Options::default(), &()).unwrap().0;
    let error = map.apply(&Matrix::new(1, 3, vec![0.0; 3]), Path::new("x.npy")).unwrap_err().to_string();
    assert!(error.contains("x.npy") && error.contains("2 values") && error.contains("found 3"), "{error}");
}
