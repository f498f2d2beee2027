//! Search: do points of another kind (prototypes, mapped words) find the tracks that belong to them, and tracks those?

use std::collections::HashMap;
use std::fmt;

use homonym_kernels::{Isa, normalise};
use rayon::prelude::*;
use serde::Serialize;

use super::retrieval::{DEPTHS, Found, rank};
use super::spread::{Spread, bootstrap, summary};
use super::{Options, repeated};
use crate::catalogue::groups::tags;
use crate::catalogue::list::keys;
use crate::matrix::Matrix;
use crate::monitor::Monitor;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// How well items and tracks find each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Search {
    /// Items (tags, artists, words) as queries among the tracks.
    pub tracks_of_item: Direction,
    /// Tracks as queries among the items.
    pub items_of_track: Direction,
    /// Mean over the items of the area under the ROC curve: of the share of pairs of a right and a wrong track in which the
    /// right one is nearer.
    pub area: f64,
    /// Items without a track.
    pub items_left_out: usize,
    /// Tracks without a value in the column.
    pub tracks_left_out: usize,
    /// The options used.
    pub options: Options,
}

/// One kind of query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Direction {
    /// Queries with both right and wrong answers.
    pub queries: usize,
    /// Share of the queries with a right answer among the 1, 2, 4 and 8 nearest.
    pub recall: [f64; DEPTHS.len()],
    /// Mean over the queries of the average precision.
    pub mean_average_precision: f64,
    /// Its uncertainty, by bootstrap over the queries.
    pub spread: Spread,
}

/// Ranks all tracks with a value by their angle to each item, and all items by theirs to each track: prototypes are directions,
/// and not all embeddings lie on the sphere. A track belongs to the items named in its cell of the artist column: the cell as a
/// whole, or its parts between `;`.
///
/// # Errors
/// Options that cannot be used, items of another model or another size, and items and tracks that do not belong together.
pub fn run(embeddings: &Embeddings, options: &Options, monitor: &dyn Monitor) -> Result<Search> {
    let Some(path) = &options.against else {
        return Err(Error::setting("against", "search needs the points to search among, such as prototypes"));
    };
    let items = Embeddings::open(path)?;
    let refuse = |expected: String, found: String| {
        Err(Error::file(path, expected, found, "make prototypes of these embeddings, or map vectors by their model"))
    };
    if items.points.cols != embeddings.points.cols {
        return refuse(
            format!("points of {} values, as the tracks have", embeddings.points.cols),
            items.points.cols.to_string(),
        );
    }
    if let (Some(ours), Some(theirs)) = (&embeddings.origin, &items.origin)
        && ours.model != theirs.model
    {
        return refuse(format!("points of model {}", ours.model), theirs.model.clone());
    }
    let numbers: HashMap<&str, usize> =
        keys(&items.table, path)?.into_iter().enumerate().map(|(item, name)| (name, item)).collect();
    let column = embeddings.table.require(&options.artist_column, "artist column")?;
    let of_cell = |cell: &str| match numbers.get(cell) {
        Some(&item) => vec![item],
        None => tags(cell).filter_map(|tag| numbers.get(tag).copied()).collect(),
    };
    let cells = embeddings.table.values(column).enumerate().filter(|(_, cell)| !cell.is_empty());
    let (tracks, wanted): (Vec<usize>, Vec<Vec<usize>>) = cells.map(|(row, cell)| (row, of_cell(cell))).unzip();
    let is_right = |item: usize, track: usize| wanted[track].contains(&item);
    let (item_units, track_units) = (units(&items.points), units(&embeddings.points));
    let distance = |item: usize, track: usize| {
        let pairs = item_units.row(item).iter().zip(track_units.row(tracks[track]));
        -pairs.map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>()
    };
    let once = |_| {
        let answer = |item, track| (distance(item, track), is_right(item, track));
        let of_item = |item| rank((0..tracks.len()).map(|track| answer(item, track)).collect());
        let of_track = |track| rank((0..items.points.rows).map(|item| answer(item, track)).collect());
        Ok((
            (0..items.points.rows).into_par_iter().filter_map(of_item).collect::<Vec<Found>>(),
            (0..tracks.len()).into_par_iter().filter_map(of_track).collect::<Vec<Found>>(),
        ))
    };
    let (of_items, of_tracks) = repeated(&Options { repeats: 1, ..options.clone() }, monitor, once)?.swap_remove(0);
    if of_items.is_empty() || of_tracks.is_empty() {
        let expected = format!("names of what stands in the tracks' column `{}`", options.artist_column);
        return refuse(expected, "none with both tracks that belong to it and others".to_owned());
    }
    Ok(Search {
        area: of_items.iter().map(|found| found.area).sum::<f64>() / of_items.len() as f64,
        items_left_out: items.points.rows - of_items.len(),
        tracks_left_out: embeddings.points.rows - tracks.len(),
        tracks_of_item: Direction::of(&of_items, options),
        items_of_track: Direction::of(&of_tracks, options),
        options: options.clone(),
    })
}

/// Every row with length 1; one at the origin stays there.
fn units(points: &Matrix<f32>) -> Matrix<f32> {
    let mut units = points.clone();
    for row in units.data.chunks_exact_mut(points.cols.max(1)) {
        normalise(Isa::PORTABLE, row);
    }
    units
}

impl Direction {
    fn of(found: &[Found], options: &Options) -> Self {
        let share = |of: &dyn Fn(&Found) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        let estimate = bootstrap(found.len(), options, 0, |counts| {
            counts.iter().zip(found).map(|(count, found)| count * found.average_precision).sum::<f64>()
                / counts.iter().sum::<f64>()
        });
        Self {
            queries: found.len(),
            recall: DEPTHS.map(|depth| share(&|found| f64::from(u8::from(found.first < depth)))),
            mean_average_precision: share(&|found| found.average_precision),
            spread: summary(&[estimate]).1,
        }
    }
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, Direction { queries, recall, mean_average_precision, spread }) in
            [("tracks of an item", &self.tracks_of_item), ("items of a track", &self.items_of_track)]
        {
            write!(f, "{name}: mean average precision {mean_average_precision:.4} {spread} on {queries} queries")?;
            DEPTHS.iter().zip(recall).try_for_each(|(depth, recall)| write!(f, ", recall at {depth} {recall:.4}"))?;
            writeln!(f)?;
        }
        writeln!(f, "area under the ROC curve {:.4}, mean over items", self.area)?;
        match (self.items_left_out, self.tracks_left_out) {
            (0, 0) => Ok(()),
            (items, tracks) => writeln!(f, "left out: {items} items without tracks, {tracks} tracks without a value"),
        }
    }
}
