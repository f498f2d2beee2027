//! Clustering: the tracks under a shared name are split by Ward into artists, nobody knows how many.

use std::fmt;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::names::{Name, NamesLeftOut, names};
use super::spread::{Estimate, Spread, bootstrap, summary};
use super::threshold::{Curve, Objective, best};
use super::{Options, Purpose, repeated};
use crate::catalogue::groups::numbered;
use crate::catalogue::table::Table;
use crate::cluster::{Dendrogram, Scratch, linkage_with};
use crate::eval::measures::{Pairs, adjusted_mutual_information, adjusted_rand_index, pairs};
use crate::monitor::Monitor;
use crate::random::Random;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// How well names were split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Clustering {
    /// Adjusted mutual information, mean over names; each is tested once a repeat.
    pub ami: f64,
    /// Its uncertainty, by bootstrap over names.
    pub ami_spread: Spread,
    /// Adjusted Rand index, mean over names.
    pub ari: f64,
    /// Its uncertainty, by bootstrap over names.
    pub ari_spread: Spread,
    /// Of all pairs of tracks put together, the share that are one artist's.
    pub precision: f64,
    /// Its uncertainty, by bootstrap over names.
    pub precision_spread: Spread,
    /// Of all pairs of tracks of one artist, the share put together.
    pub recall: f64,
    /// Its uncertainty, by bootstrap over names.
    pub recall_spread: Spread,
    /// Mean over folds and repeats of the distances chosen on the development names.
    pub threshold: f64,
    /// Names tested.
    pub names: usize,
    /// Artists under them, counted once for each name.
    pub artists: usize,
    /// Tracks under them.
    pub tracks: usize,
    /// What was left out.
    pub left_out: NamesLeftOut,
    /// The folds of all repeats.
    pub folds: Vec<FoldResult>,
    /// The names of all repeats.
    pub per_name: Vec<NameResult>,
    /// The options used.
    pub options: Options,
}

/// One fold of one repeat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FoldResult {
    /// Number of the repeat, from 0.
    pub repeat: u64,
    /// Number of the fold, from 0.
    pub fold: usize,
    /// The distance chosen on the names of all other folds.
    pub threshold: f64,
    /// The mean score it has there: AMI, or the negative cost.
    pub development_score: f64,
    /// Names tested in this fold.
    pub names: usize,
    /// Their mean AMI.
    pub ami: f64,
    /// Their mean ARI.
    pub ari: f64,
}

/// One name of one repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NameResult {
    /// Number of the repeat, from 0.
    pub repeat: u64,
    /// The fold it was tested in, from 0.
    pub fold: usize,
    /// The name; of a made one, its artists.
    pub name: String,
    /// True number of artists.
    pub artists: usize,
    /// Number of tracks.
    pub tracks: usize,
    /// Clusters found.
    pub clusters: usize,
    /// Adjusted mutual information.
    pub ami: f64,
    /// Adjusted Rand index.
    pub ari: f64,
    /// Pairs of its tracks.
    pub pairs: Pairs,
}

/// All that one repeat found.
struct Repeat {
    ami: Estimate,
    ari: Estimate,
    precision: Estimate,
    recall: Estimate,
    left_out: NamesLeftOut,
    folds: Vec<FoldResult>,
    names: Vec<NameResult>,
}

/// Splits names shared by several artists, with a threshold chosen on other names (see [`Clustering`]).
///
/// # Errors
/// Options that cannot be used, and tables without the columns they name or with too few names.
pub fn run(embeddings: &Embeddings, options: &Options, monitor: &dyn Monitor) -> Result<Clustering> {
    if options.name_column.is_some() && options.within.is_some() {
        return Err(Error::setting("--within", "only for made names; leave it out where --name-column is given"));
    }
    let repeats = repeated(options, monitor, |repeat| once(embeddings, options, repeat))?;
    let (ami, ami_spread) = summary(&repeats.iter().map(|repeat| repeat.ami).collect::<Vec<_>>());
    let (ari, ari_spread) = summary(&repeats.iter().map(|repeat| repeat.ari).collect::<Vec<_>>());
    let (precision, precision_spread) = summary(&repeats.iter().map(|repeat| repeat.precision).collect::<Vec<_>>());
    let (recall, recall_spread) = summary(&repeats.iter().map(|repeat| repeat.recall).collect::<Vec<_>>());
    let mut left_out = repeats[0].left_out.clone();
    repeats[1..].iter().for_each(|repeat| left_out.add_draws(&repeat.left_out));
    let (folds, per_name): (Vec<_>, Vec<_>) = repeats.into_iter().map(|repeat| (repeat.folds, repeat.names)).unzip();
    let (folds, per_name) = (folds.concat(), per_name.concat());
    Ok(Clustering {
        ami,
        ami_spread,
        ari,
        ari_spread,
        precision,
        precision_spread,
        recall,
        recall_spread,
        threshold: folds.iter().map(|fold| fold.threshold).sum::<f64>() / folds.len() as f64,
        names: per_name.len(),
        artists: per_name.iter().map(|name| name.artists).sum(),
        tracks: per_name.iter().map(|name| name.tracks).sum(),
        left_out,
        folds,
        per_name,
        options: options.clone(),
    })
}

fn once(embeddings: &Embeddings, options: &Options, repeat: u64) -> Result<Repeat> {
    let (names, left_out) = names(&embeddings.table, options, repeat)?;
    let (folds, count) = match &options.fold_column {
        Some(_) => numbered(names.iter().map(|name| name.fold.as_str())),
        None => (deal(names.len(), options, repeat), options.folds),
    };
    if names.len() < count || count < 2 {
        let expected = format!("at least {} names with several artists, one a fold", count.max(2));
        let advice = "use fewer folds, or check the name column, --within and --where";
        return Err(Error::input("the embeddings to evaluate", expected, names.len(), advice));
    }
    let trees: Vec<(Dendrogram, Curve)> = names
        .par_iter()
        .map_init(Scratch::default, |scratch, name| grow(scratch, embeddings, name, options.objective))
        .collect::<Result<_>>()?;
    let (mut fold_results, mut name_results) = (Vec::new(), Vec::new());
    for fold in 0..count {
        let development: Vec<&Curve> =
            (0..names.len()).filter(|&name| folds[name] != fold).map(|name| &trees[name].1).collect();
        let (threshold, development_score) = best(&development);
        let tested = (0..names.len()).filter(|&name| folds[name] == fold);
        let tested: Vec<NameResult> =
            tested.map(|name| judge(&names[name], &trees[name].0, threshold, repeat, fold)).collect();
        let (count, ami, ari) = (tested.len(), mean(&tested, |name| name.ami), mean(&tested, |name| name.ari));
        fold_results.push(FoldResult { repeat, fold, threshold, development_score, names: count, ami, ari });
        name_results.extend(tested);
    }
    let estimate = |part: fn(&NameResult) -> f64| {
        let values: Vec<f64> = name_results.iter().map(part).collect();
        let mean = |counts: &[f64]| counts.iter().zip(&values).map(|(n, x)| n * x).sum::<f64>() / values.len() as f64;
        bootstrap(values.len(), options, repeat, mean)
    };
    let (ami, ari) = (estimate(|name| name.ami), estimate(|name| name.ari));
    let share = |of: fn(&Pairs) -> usize| {
        let sum = |counts: &[f64], part: fn(&Pairs) -> usize| {
            counts.iter().zip(&name_results).map(|(n, name)| n * part(&name.pairs) as f64).sum::<f64>()
        };
        let share = |counts: &[f64]| {
            let together = sum(counts, |pairs| pairs.together);
            together / (together + sum(counts, of)).max(f64::MIN_POSITIVE)
        };
        bootstrap(name_results.len(), options, repeat, share)
    };
    let (precision, recall) = (share(|pairs| pairs.merged), share(|pairs| pairs.parted));
    Ok(Repeat { ami, ari, precision, recall, left_out, folds: fold_results, names: name_results })
}

fn grow(
    scratch: &mut Scratch,
    embeddings: &Embeddings,
    name: &Name,
    objective: Objective,
) -> Result<(Dendrogram, Curve)> {
    let points = name.rows.iter().map(|&row| embeddings.points.row(row));
    let tree = linkage_with(scratch, points, &())?.clone();
    let curve = Curve::of(&tree, &name.truth, objective);
    Ok((tree, curve))
}

/// The fold of every name: all folds as large as possible, at random.
fn deal(names: usize, options: &Options, repeat: u64) -> Vec<usize> {
    let mut folds: Vec<usize> = (0..names).map(|name| name % options.folds).collect();
    Random::keyed(options.seed, &[Purpose::Folds as u64, repeat]).shuffle(&mut folds);
    folds
}

fn judge(name: &Name, tree: &Dendrogram, threshold: f64, repeat: u64, fold: usize) -> NameResult {
    let labels = tree.cut(threshold);
    NameResult {
        repeat,
        fold,
        name: name.name.clone(),
        artists: name.artists,
        tracks: name.rows.len(),
        clusters: labels.iter().max().map_or(0, |last| last + 1),
        ami: adjusted_mutual_information(&name.truth, &labels),
        ari: adjusted_rand_index(&name.truth, &labels),
        pairs: pairs(&name.truth, &labels),
    }
}

fn mean(names: &[NameResult], part: fn(&NameResult) -> f64) -> f64 {
    names.iter().map(part).sum::<f64>() / names.len() as f64
}

impl NameResult {
    /// Names as a table, repeat by repeat, the hardest first.
    pub fn table(names: &[Self]) -> Table {
        let columns = ["repeat", "fold", "name", "artists", "tracks", "clusters", "ami", "ari"].map(str::to_owned);
        let row = |name: &Self| {
            let Self { repeat, fold, name, artists, tracks, clusters, ami, ari, .. } = name;
            let numbers = [*artists, *tracks, *clusters].map(|number| number.to_string());
            let mut row = vec![repeat.to_string(), fold.to_string(), name.clone()];
            row.extend(numbers);
            row.extend([ami, ari].map(|measure| format!("{measure:.6}")));
            row
        };
        let mut names: Vec<&Self> = names.iter().collect();
        names.sort_by(|a, b| (a.repeat, a.ami).partial_cmp(&(b.repeat, b.ami)).expect("measures are numbers"));
        Table { columns: columns.to_vec(), rows: names.into_iter().map(row).collect() }
    }
}

impl fmt::Display for Clustering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { names, artists, tracks, threshold, left_out, .. } = self;
        writeln!(f, "AMI {:.4} {}", self.ami, self.ami_spread)?;
        writeln!(f, "ARI {:.4} {}", self.ari, self.ari_spread)?;
        writeln!(f, "pairs put together rightly (precision) {:.4} {}", self.precision, self.precision_spread)?;
        writeln!(f, "pairs found (recall) {:.4} {}", self.recall, self.recall_spread)?;
        writeln!(f, "on {names} names with {artists} artists and {tracks} tracks")?;
        if self.folds.iter().all(|fold| fold.repeat == 0) {
            writeln!(f, "fold  names  distance     AMI     ARI")?;
            for FoldResult { fold, names, threshold, ami, ari, .. } in &self.folds {
                writeln!(f, "{fold:>4}  {names:>5}  {threshold:>8.4}  {ami:>6.3}  {ari:>6.3}")?;
            }
        }
        write!(f, "{left_out}")?;
        write!(f, "distance to cut at, mean over the folds: {threshold:.4}")
    }
}
