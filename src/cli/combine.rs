//! `homonym combine`: several embeddings of the same tracks as one.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::catalogue::list;
use crate::matrix::Matrix;
use crate::store::embeddings::{Embeddings, Origin};
use crate::{Error, Result};

/// Put embeddings of the same tracks side by side, each projected onto the sphere.
///
/// `homonym fit pca` and `transform` then reduce them to fewer values.
#[derive(clap::Args)]
pub(super) struct Combine {
    /// The embeddings: PREFIX.npy and PREFIX.csv, at least two. The first one's tracks and columns are kept.
    #[arg(num_args = 2.., required = true, value_name = "PREFIX")]
    prefixes: Vec<PathBuf>,
    /// Where to write.
    #[arg(long, short, value_name = "PREFIX")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Summary {
    tracks: usize,
    dims: usize,
}

impl Combine {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let parts: Vec<Embeddings> =
            self.prefixes.iter().map(|prefix| Embeddings::open(prefix)).collect::<Result<_>>()?;
        let points = self.beside(&parts)?;
        let summary = Summary { tracks: points.rows, dims: points.cols };
        Embeddings::new(points, parts[0].table.clone(), self.origin(&parts), &self.out)?.write(&self.out)?;
        console.result("homonym.combine/1", &summary, || {
            format!("{}.npy: {} tracks × {}", self.out.display(), summary.tracks, summary.dims)
        })?;
        Ok(Outcome::Done)
    }

    /// All vectors of a track in a row, each of length 1.
    fn beside(&self, parts: &[Embeddings]) -> Result<Matrix<f32>> {
        let mut rows: Vec<Vec<f32>> = vec![Vec::new(); parts[0].points.rows];
        for (part, prefix) in parts.iter().zip(&self.prefixes) {
            let places = list::find(&parts[0].table, &self.prefixes[0], &part.table, prefix)?;
            for (row, place) in rows.iter_mut().zip(places) {
                let place = place.ok_or_else(|| {
                    let expected = format!("the tracks of {}", self.prefixes[0].display());
                    Error::file(prefix, expected, "only some of them", "embed the same tracks with both models")
                })?;
                let start = row.len();
                row.extend(part.points.row(place));
                homonym_kernels::normalise(homonym_kernels::Isa::PORTABLE, &mut row[start..]);
            }
        }
        let cols = rows.first().map_or(0, Vec::len);
        Ok(Matrix::new(rows.len(), cols, rows.concat()))
    }

    /// What made the parts, where all say so.
    fn origin(&self, parts: &[Embeddings]) -> Option<Origin> {
        let origins: Vec<&Origin> = parts.iter().filter_map(|part| part.origin.as_ref()).collect();
        let join = |part: fn(&Origin) -> &str| origins.iter().map(|origin| part(origin)).collect::<Vec<_>>().join("+");
        (origins.len() == parts.len()).then(|| Origin {
            model: join(|origin| &origin.model),
            frontend: join(|origin| &origin.frontend),
            rest: serde_json::Map::new(),
        })
    }
}
