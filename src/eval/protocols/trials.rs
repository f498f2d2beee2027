//! Test tracks against artist models: the ground that classification and verification share.

use rayon::prelude::*;

use super::tracks::Artist;
use super::{Options, Purpose};
use crate::matrix::Matrix;
use crate::random::Random;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// One test track.
pub(super) struct Trial {
    /// Its artist's place in the list of artists.
    pub(super) artist: usize,
    /// Euclidean distance to the model of its artist.
    pub(super) genuine: f64,
    /// Distances to the models of all others it is compared with; at least one.
    pub(super) others: Vec<f64>,
}

/// All tests of one repeat.
pub(super) struct Trials {
    pub(super) trials: Vec<Trial>,
    /// Tests left out: no track of another `across` value to make their artist's model of, or no value of their own.
    pub(super) without_model: usize,
    /// Tests left out: no other artist within their group.
    pub(super) without_others: usize,
}

/// Deals every artist's tracks into model and test, and measures all distances. A model is the mean of its tracks.
pub(super) fn draw(embeddings: &Embeddings, artists: &[Artist], options: &Options, repeat: u64) -> Result<Trials> {
    let across = options.across.as_ref().map(|name| embeddings.table.require(name, "--across")).transpose()?;
    let points = &embeddings.points;
    let parts = options.part_column.as_ref().map(|name| embeddings.table.require(name, "--part-column")).transpose()?;
    let deal = |(number, artist): (usize, &Artist)| match parts {
        Some(column) => {
            let rows = |part: &str| {
                let is_part = |row: &&usize| embeddings.table.rows[**row][column] == part;
                artist.rows.iter().filter(is_part).copied().collect()
            };
            (rows("model"), rows("test"))
        }
        None => deal(artist, number, options, repeat),
    };
    let dealt: Vec<(Vec<usize>, Vec<usize>)> = artists.iter().enumerate().map(deal).collect();
    let models: Vec<Vec<f64>> = dealt.iter().map(|(model, _)| mean(points, model)).collect();
    let tests: Vec<(usize, usize)> =
        dealt.iter().enumerate().flat_map(|(artist, (_, tests))| tests.iter().map(move |&row| (artist, row))).collect();
    let measured: Vec<Option<Trial>> = tests
        .par_iter()
        .map(|&(artist, row)| {
            let value = |row: usize| across.map_or("", |column| embeddings.table.rows[row][column].as_str());
            let usable = |&other: &usize| across.is_none() || (!value(other).is_empty() && value(other) != value(row));
            let own: Vec<usize> = dealt[artist].0.iter().copied().filter(usable).collect();
            if own.is_empty() || (across.is_some() && value(row).is_empty()) {
                return None;
            }
            let is_other = |other: &usize| {
                *other != artist && artists[*other].group == artists[artist].group && !dealt[*other].0.is_empty()
            };
            let others = (0..artists.len()).filter(is_other).map(|other| distance(points.row(row), &models[other]));
            Some(Trial { artist, genuine: distance(points.row(row), &mean(points, &own)), others: others.collect() })
        })
        .collect();
    let without_model = measured.iter().filter(|trial| trial.is_none()).count();
    let (trials, alone): (Vec<_>, Vec<_>) = measured.into_iter().flatten().partition(|trial| !trial.others.is_empty());
    if trials.is_empty() {
        let found =
            format!("{without_model} without a model of their artist and {} without other artists", alone.len());
        return Err(Error::input("the embeddings to evaluate", "tests", found, "loosen --within, --across or --where"));
    }
    Ok(Trials { trials, without_model, without_others: alone.len() })
}

/// Tracks that an artist must have.
pub(super) fn least_tracks(options: &Options) -> usize {
    options.tracks.map_or(2, |(model, test)| model + test)
}

/// Splits an artist's rows at random into model and test, at least one each.
fn deal(artist: &Artist, number: usize, options: &Options, repeat: u64) -> (Vec<usize>, Vec<usize>) {
    let mut rows = artist.rows.clone();
    Random::keyed(options.seed, &[Purpose::Models as u64, repeat, number as u64]).shuffle(&mut rows);
    if let Some((model, test)) = options.tracks {
        rows.truncate(model + test);
        return (rows[..model].to_vec(), rows[model..].to_vec());
    }
    let share = (options.model_share * rows.len() as f64).round() as usize;
    let tests = rows.split_off(share.clamp(1, rows.len() - 1));
    (rows, tests)
}

fn mean(points: &Matrix<f32>, rows: &[usize]) -> Vec<f64> {
    let mut sum = vec![0.0; points.cols];
    for &row in rows {
        sum.iter_mut().zip(points.row(row)).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    sum.iter_mut().for_each(|sum| *sum /= rows.len() as f64);
    sum
}

fn distance(point: &[f32], model: &[f64]) -> f64 {
    point.iter().zip(model).map(|(&x, y)| (f64::from(x) - y).powi(2)).sum::<f64>().sqrt()
}
