//! `homonym combine`: several embeddings of the same tracks as one.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::json;

use super::{Console, Outcome};
use crate::catalogue::filter::{Filter, matching};
use crate::catalogue::list;
use crate::linear::Pca;
use crate::matrix::Matrix;
use crate::store::embeddings::{Embeddings, Origin};
use crate::{Error, Result};

/// Put embeddings of the same tracks side by side, each projected onto the sphere, and reduce them by PCA where asked to.
#[derive(clap::Args)]
pub(super) struct Combine {
    /// The embeddings: PREFIX.npy and PREFIX.csv, at least two. The first one's tracks and columns are kept.
    #[arg(num_args = 2.., required = true, value_name = "PREFIX")]
    prefixes: Vec<PathBuf>,
    /// Where to write.
    #[arg(long, short, value_name = "PREFIX")]
    out: PathBuf,
    /// Keep this many principal components.
    #[arg(long, value_name = "K")]
    dims: Option<usize>,
    /// Fit the components to rows where a column has a value (or has not), such as training tracks; may be repeated.
    #[arg(long = "fit-where", value_name = "COLUMN[!]=VALUE", requires = "dims")]
    filters: Vec<Filter>,
}

#[derive(Serialize)]
struct Summary {
    tracks: usize,
    dims: usize,
    /// Share of the variance that the components carry, of the rows they were fitted to.
    variance: Option<f64>,
}

impl Combine {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let parts: Vec<Embeddings> =
            self.prefixes.iter().map(|prefix| Embeddings::open(prefix)).collect::<Result<_>>()?;
        let mut points = self.beside(&parts)?;
        let mut variance = None;
        if let Some(dims) = self.dims {
            let fitted = points.select(&matching(&parts[0].table, &self.filters)?);
            let pca = Pca::fit(&fitted, dims)?;
            variance = Some(pca.variances().iter().sum::<f64>() / total_variance(&fitted));
            points = pca.transform(&points);
        }
        let summary = Summary { tracks: points.rows, dims: points.cols, variance };
        Embeddings::new(points, parts[0].table.clone(), self.origin(&parts), &self.out)?.write(&self.out)?;
        console.result("homonym.combine/1", &summary, || {
            let carried = variance.map_or(String::new(), |share| format!(", {:.1} % of the variance", 100.0 * share));
            format!("{}.npy: {} tracks × {}{carried}", self.out.display(), summary.tracks, summary.dims)
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
            rest: [("components".to_owned(), json!(self.dims))].into_iter().collect(),
        })
    }
}

fn total_variance(points: &Matrix<f32>) -> f64 {
    let column = |at: usize| points.iter_rows().map(move |row| f64::from(row[at]));
    let variance = |at: usize| {
        let mean = column(at).sum::<f64>() / points.rows as f64;
        column(at).map(|x| (x - mean).powi(2)).sum::<f64>() / (points.rows - 1) as f64
    };
    (0..points.cols).map(variance).sum()
}
