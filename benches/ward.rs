//! Exact Ward: a hundred small groups, and sets on both sides of the change from chain to rounds. On the instruction set that
//! `HOMONYM_ISA` names and as many threads as `RAYON_NUM_THREADS` says. Throughput is in points.
#![allow(missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use homonym::cluster::{Scratch, linkage_with};
use homonym::matrix::Matrix;
use homonym::random::Random;

const DIMS: usize = 32;

/// Points around centres of `per` points each.
fn clustered(count: usize, per: usize) -> Matrix<f32> {
    let mut random = Random::keyed(0, &[]);
    let centres: Vec<f64> = (0..count.div_ceil(per) * DIMS).map(|_| random.normal()).collect();
    let value = |at: usize| (centres[at / DIMS / per * DIMS + at % DIMS] + 0.35 * random.normal()) as f32;
    Matrix::new(count, DIMS, (0..count * DIMS).map(value).collect())
}

/// Half the squared heights add up to the sum of squared distances to the mean.
fn check(scratch: &mut Scratch, points: &Matrix<f32>) {
    let tree = linkage_with(scratch, points.iter_rows(), &()).unwrap();
    let heights: f64 = tree.merges().iter().map(|merge| merge.height * merge.height / 2.0).sum();
    let column = |k: usize| (0..points.rows).map(move |row| f64::from(points.row(row)[k]));
    let about = |k: usize| {
        let mean = column(k).sum::<f64>() / points.rows as f64;
        column(k).map(|x| (x - mean).powi(2)).sum::<f64>()
    };
    let total: f64 = (0..DIMS).map(about).sum();
    assert!((heights - total).abs() < 1e-9 * total, "{heights} for {total}");
}

fn ward(criterion: &mut Criterion) {
    let isa = homonym_kernels::Isa::chosen().unwrap();
    let mut group = criterion.benchmark_group(format!("ward/{isa}/{} threads", rayon::current_num_threads()));
    group.sample_size(10);
    let mut scratch = Scratch::default();
    let sizes: Vec<usize> = (0..100).map(|number| 8 + number * 37 % 163).collect();
    let points = clustered(sizes.iter().sum(), 12);
    group.throughput(Throughput::Elements(points.rows as u64));
    group.bench_function("100 groups of 8 to 170", |bench| {
        bench.iter(|| {
            let mut start = 0;
            for &size in &sizes {
                linkage_with(&mut scratch, (start..start + size).map(|row| points.row(row)), &()).unwrap();
                start += size;
            }
        });
    });
    for count in [2_000, 10_000] {
        let points = clustered(count, 50);
        check(&mut scratch, &points);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} points"), |bench| {
            bench.iter(|| linkage_with(&mut scratch, points.iter_rows(), &()).unwrap().points());
        });
    }
}

criterion_group!(benches, ward);
criterion_main!(benches);
