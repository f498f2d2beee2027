//! `homonym fit`: a linear map learnt from points.

use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, PossibleValuesParser};
use serde::Serialize;
use serde_json::json;

use super::{Console, Outcome};
use crate::catalogue::filter::{Filter, matching};
use crate::linear::{self, METHODS, Method, Options, Report};
use crate::monitor::Monitor as _;
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Learn a linear map from embeddings or any points: PCA, LDA, NCA or LMNN.
///
/// Every value is first brought to mean 0 and deviation 1; that is part of the map. `transform` and `embed --linear` apply
/// it.
#[derive(clap::Args)]
pub(super) struct Fit {
    /// The method.
    #[arg(value_parser = method_names())]
    method: String,
    /// The points: PREFIX.npy and PREFIX.csv, or a matrix X.npy alone.
    #[arg(value_name = "PREFIX|X.npy")]
    points: PathBuf,
    /// Where to write the map.
    #[arg(long, short, value_name = "MAP.safetensors")]
    out: PathBuf,
    /// The column with the classes (all but pca); rows without a value are left out.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    class_column: String,
    /// Learn from rows where a column has a value (or has not); may be repeated.
    #[arg(long = "where", value_name = "COLUMN[!]=VALUE")]
    filters: Vec<Filter>,
    /// Values of a mapped point [default: all that the method gives; of lda one less than classes].
    #[arg(long, value_name = "K")]
    dims: Option<usize>,
    /// Only centre the values, do not scale them to deviation 1.
    #[arg(long)]
    raw: bool,
    /// Divide components by their deviation (pca).
    #[arg(long)]
    whiten: bool,
    /// Share of a ball in the spread within classes, against more values than the points can tell of (lda) [default: 0].
    #[arg(long, value_name = "SHARE")]
    shrinkage: Option<f64>,
    /// Neighbours of its class that each point is to have near it (lmnn) [default: 3].
    #[arg(long, value_name = "K")]
    neighbours: Option<usize>,
    /// Passes over the points at most, or batches (nca, lmnn) [default: 200].
    #[arg(long, value_name = "N")]
    iterations: Option<usize>,
    /// Points of a batch; no more are learnt from as a whole (nca, lmnn) [default: 4096].
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// What random batches depend on (nca, lmnn) [default: 0].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Replace an existing map.
    #[arg(long)]
    force: bool,
}

/// The result: `homonym.fit/1`.
#[derive(Serialize)]
struct Summary<'a> {
    map: &'a Path,
    map_hash: String,
    method: &'a str,
    /// Rows without a class.
    rows_left_out: usize,
    seconds: f64,
    #[serde(flatten)]
    report: &'a Report,
}

fn method_names() -> PossibleValuesParser {
    METHODS.iter().map(|method| PossibleValue::new(method.name).help(method.help)).into()
}

impl Fit {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let method = linear::method(&self.method)?;
        self.check_options(method)?;
        if self.out.exists() && !self.force {
            return Err(Error::setting("--out", format!("{} exists; --force replaces it", self.out.display())));
        }
        let embeddings = Embeddings::open(&self.points)?;
        let mut rows = matching(&embeddings.table, &self.filters)?;
        let all = rows.len();
        let mut classes = None;
        if method.supervised {
            let column = embeddings.table.require(&self.class_column, "--class-column")?;
            rows.retain(|&row| !embeddings.table.rows[row][column].is_empty());
            classes = Some(rows.iter().map(|&row| embeddings.table.rows[row][column].as_str()).collect::<Vec<_>>());
        }
        let all_rows = rows.len() == embeddings.points.rows;
        let points = if all_rows { embeddings.points } else { embeddings.points.select(&rows) };
        let options = self.options();
        let clock = std::time::Instant::now();
        let (mut map, report) = linear::fit(method, &points, classes.as_deref(), &options, console)?;
        let seconds = clock.elapsed().as_secs_f64();
        map.header.model = embeddings.origin.as_ref().map(|origin| origin.model.clone());
        map.header.fit = json!({ "options": &options, "report": &report });
        map.save(&self.out)?;
        let rows_left_out = all - rows.len();
        if rows_left_out > 0 {
            console.warn(&format!("{rows_left_out} rows without a value in `{}` were left out", self.class_column));
        }
        let summary = Summary {
            map: &self.out,
            map_hash: map.hash()?,
            method: method.name,
            rows_left_out,
            seconds,
            report: &report,
        };
        console.result("homonym.fit/1", &summary, || describe(&summary))?;
        Ok(Outcome::Done)
    }

    /// Refuses options that the method would not read.
    fn check_options(&self, method: &Method) -> Result<()> {
        let given = [
            ("dims", self.dims.is_some()),
            ("whiten", self.whiten),
            ("shrinkage", self.shrinkage.is_some()),
            ("neighbours", self.neighbours.is_some()),
            ("iterations", self.iterations.is_some()),
            ("batch", self.batch.is_some()),
            ("seed", self.seed.is_some()),
        ];
        match given.iter().find(|(name, given)| *given && !method.options.contains(name)) {
            Some((name, _)) => Err(Error::setting(format!("--{name}"), format!("has no meaning for {}", method.name))),
            None => Ok(()),
        }
    }

    fn options(&self) -> Options {
        let default = Options::default();
        Options {
            dims: self.dims,
            raw: self.raw,
            whiten: self.whiten,
            shrinkage: self.shrinkage.unwrap_or(default.shrinkage),
            neighbours: self.neighbours.unwrap_or(default.neighbours),
            iterations: self.iterations.unwrap_or(default.iterations),
            batch: self.batch.unwrap_or(default.batch),
            seed: self.seed.unwrap_or(default.seed),
        }
    }
}

fn describe(summary: &Summary<'_>) -> String {
    let Summary { map, method, seconds, report: Report { rows, classes, values, dims, variance, descent }, .. } =
        summary;
    let classes = classes.map_or(String::new(), |count| format!(" of {count} classes"));
    let how = match (variance, descent) {
        (Some(share), _) => format!("{:.1} % of the variance", 100.0 * share),
        (_, Some(descent)) => {
            let what = if descent.batch.is_some() { "batches" } else { "passes" };
            format!("loss {:.4} to {:.4} in {} {what}", descent.before, descent.after, descent.iterations)
        }
        (None, None) => String::new(),
    };
    format!("{}: {method} of {rows} points{classes}, {values} values to {dims}, {how}, {seconds:.2} s", map.display())
}
