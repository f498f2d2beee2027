//! Prototypes: one point for an album, an artist or a tag, to search by and to be found (McFee, Lee and Nam, ISMIR 2020).

use std::path::Path;

use homonym_kernels::{Isa, normalise};

use crate::catalogue::groups::{Groups, tags};
use crate::catalogue::table::Table;
use crate::matrix::Matrix;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// What the tracks of a prototype share.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// The values of these columns.
    Columns(&'a [String]),
    /// One of the tags of a column, whose cells hold several apart by `;`.
    Tags(&'a str),
}

/// The column that says how many tracks a prototype is made of.
const TRACKS: &str = "tracks";
/// Between the values of several columns.
const JOINT: &str = " / ";

/// The mean direction of the tracks of each value, in order of first appearance, on the sphere as tracks are: points among
/// points, in a file as theirs. `track_id` is the value, the columns it comes from and `tracks`, their number, follow. Also
/// says how many tracks have no value.
///
/// # Errors
/// Columns that the table does not have, and values that no track has.
pub fn prototypes(embeddings: &Embeddings, by: By<'_>, subject: &Path) -> Result<(Embeddings, usize)> {
    let Embeddings { points, table, origin } = embeddings;
    let (names, setting) = match by {
        By::Columns(names) => (names.to_vec(), "--by"),
        By::Tags(name) => (vec![name.to_owned()], "--tags"),
    };
    let columns = names.iter().map(|name| table.require(name, setting)).collect::<Result<Vec<usize>>>()?;
    let cells = |row: usize| columns.iter().map(|&column| table.rows[row][column].as_str()).collect::<Vec<_>>();
    let values = |row: usize| match by {
        By::Columns(_) => vec![cells(row)].into_iter().filter(|cells| !cells.contains(&"")).collect(),
        By::Tags(_) => tags(cells(row)[0]).map(|tag| vec![tag]).collect::<Vec<_>>(),
    };
    let values: Vec<Vec<Vec<&str>>> = (0..table.rows.len()).map(values).collect();
    let without = values.iter().filter(|values| values.is_empty()).count();
    let items = values.iter().enumerate().flat_map(|(row, values)| values.iter().map(move |value| (row, &value[..])));
    let groups = Groups::of(items);
    if groups.keys.is_empty() {
        let expected = format!("tracks with a value of {}", names.join(" and "));
        return Err(Error::file(subject, expected, "none", "check the column and the filters"));
    }
    let data: Vec<f32> = groups.members.iter().flat_map(|rows| direction(points, rows)).collect();
    let points = Matrix::new(groups.keys.len(), points.cols, data);
    let table = describe(&names, &groups);
    Ok((Embeddings::new(points, table, origin.clone(), subject)?, without))
}

/// The direction of the mean of the unit vectors of some rows.
fn direction(points: &Matrix<f32>, rows: &[usize]) -> Vec<f32> {
    let mut mean = vec![0.0f64; points.cols];
    for &row in rows {
        let mut unit = points.row(row).to_vec();
        normalise(Isa::PORTABLE, &mut unit);
        mean.iter_mut().zip(unit).for_each(|(sum, x)| *sum += f64::from(x) / rows.len() as f64);
    }
    let mut mean: Vec<f32> = mean.into_iter().map(|x| x as f32).collect();
    normalise(Isa::PORTABLE, &mut mean);
    mean
}

fn describe(names: &[String], groups: &Groups<&[&str]>) -> Table {
    let kept: Vec<usize> = (0..names.len()).filter(|&at| names[at] != "track_id" && names[at] != TRACKS).collect();
    let own = kept.iter().map(|&at| names[at].clone());
    let columns = [vec!["track_id".to_owned()], own.collect(), vec![TRACKS.to_owned()]].concat();
    let row = |(value, members): (&[&str], &Vec<usize>)| {
        let own = kept.iter().map(|&at| value[at].to_owned()).collect();
        [vec![value.join(JOINT)], own, vec![members.len().to_string()]].concat()
    };
    Table { columns, rows: groups.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracks() -> Embeddings {
        let rows = [["a", "One", "x; y"], ["b", "One", "y;y"], ["c", "Two", ""], ["d", "", "y"]];
        let table = Table {
            columns: ["track_id", "album", "genre"].map(str::to_owned).to_vec(),
            rows: rows.map(|row| row.map(str::to_owned).to_vec()).to_vec(),
        };
        let points = Matrix::new(4, 2, vec![1.0, 0.0, 0.0, 5.0, 0.0, -1.0, 3.0, 4.0]);
        Embeddings::new(points, table, None, Path::new("p")).unwrap()
    }

    #[test]
    fn a_prototype_is_the_direction_of_the_mean_of_unit_vectors() {
        let (albums, without) = prototypes(&tracks(), By::Columns(&["album".to_owned()]), Path::new("p")).unwrap();
        assert_eq!(albums.table.columns, ["track_id", "album", "tracks"]);
        assert_eq!(albums.table.rows, [["One", "One", "2"], ["Two", "Two", "1"]]);
        let half = 0.5f32.sqrt();
        let near = |found: &[f32], want: &[f32]| found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(near(&albums.points.data, &[half, half, 0.0, -1.0]), "{:?}", albums.points);
        assert_eq!(without, 1);
        let both = ["album", "track_id"].map(str::to_owned);
        let (both, without) = prototypes(&tracks(), By::Columns(&both), Path::new("p")).unwrap();
        assert_eq!((both.table.columns.len(), both.table.rows[1][0].as_str(), without), (3, "One / b", 1));
    }

    #[test]
    fn a_track_counts_for_each_of_its_tags_once() {
        let (genres, without) = prototypes(&tracks(), By::Tags("genre"), Path::new("p")).unwrap();
        assert_eq!(genres.table.rows, [["x", "x", "1"], ["y", "y", "3"]]);
        assert_eq!(without, 1);
        let missing = prototypes(&tracks(), By::Tags("mood"), Path::new("p")).unwrap_err().to_string();
        assert!(missing.contains("--tags") && missing.contains("genre"), "{missing}");
    }
}
