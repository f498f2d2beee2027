//! `homonym cluster`: Ward on any points.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::catalogue::table::Table;
use crate::cluster::{Checkpoint, Dendrogram, linkage_resumable};
use crate::monitor::Monitor as _;
use crate::output::{Output, beside};
use crate::store::npy;
use crate::{Error, Result};

/// Cluster points by Ward's method and write the tree as SciPy does.
#[derive(clap::Args)]
pub(crate) struct Cluster {
    /// The points: a NumPy matrix of floats, one row a point.
    points: PathBuf,
    /// Where to write the tree: SciPy's linkage matrix Z, (n - 1) x 4 f64.
    #[arg(long, value_name = "Z.npy")]
    out: PathBuf,
    /// Cut the tree at this distance: merges up to it are made.
    #[arg(long, value_name = "T", requires = "labels", conflicts_with = "clusters")]
    distance: Option<f64>,
    /// Cut the tree so that this many clusters are left.
    #[arg(long, value_name = "K", requires = "labels")]
    clusters: Option<usize>,
    /// Where to write the flat clusters: columns `row` (from 0) and `cluster` (from 1, by first appearance).
    #[arg(long, value_name = "L.csv")]
    labels: Option<PathBuf>,
    /// Go on from the checkpoint that an interrupted run left beside the output.
    #[arg(long)]
    resume: bool,
}

/// The result: `homonym.cluster/1`.
#[derive(Serialize)]
struct Summary {
    points: usize,
    dimensions: usize,
    /// Height of the last merge; null for fewer than two points.
    top_height: Option<f64>,
    /// Number of flat clusters; null where none were asked for.
    clusters: Option<usize>,
}

impl Cluster {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        if self.labels.is_some() && self.distance.is_none() && self.clusters.is_none() {
            return Err(Error::setting("--labels", "needs --distance or --clusters to know where to cut"));
        }
        if self.distance.is_some_and(|distance| distance.is_nan() || distance < 0.0) {
            return Err(Error::setting("--distance", "must be zero or more"));
        }
        let points = npy::read_finite::<f64>(&self.points)?;
        if let Some(count) = self.clusters.filter(|count| !(1..=points.rows).contains(count)) {
            let problem = format!("{count} clusters cannot be made of {} points", points.rows);
            return Err(Error::setting("--clusters", problem));
        }
        let output = Output::create(&self.out)?;
        console.begin("cluster", Some(points.rows.saturating_sub(1) as u64));
        let checkpoint = Checkpoint::new(beside(&self.out, ".checkpoint"), self.resume);
        let tree = linkage_resumable(&points, &checkpoint, console);
        console.end();
        let tree = tree?;
        npy::fill(output, &tree.to_scipy())?.commit()?;
        let clusters = self.write_labels(&tree)?;
        checkpoint.remove()?;
        let top_height = tree.merges().last().map(|merge| merge.height);
        let summary = Summary { points: points.rows, dimensions: points.cols, top_height, clusters };
        console.remark(&format!("wrote {}", self.out.display()));
        console.result("homonym.cluster/1", &summary, || summary.text())?;
        Ok(Outcome::Done)
    }

    /// Writes the flat clusters where asked for and says how many there are.
    fn write_labels(&self, tree: &Dendrogram) -> Result<Option<usize>> {
        let Some(path) = &self.labels else { return Ok(None) };
        let labels = match (self.distance, self.clusters) {
            (Some(distance), _) => tree.cut(distance),
            (None, count) => tree.cut_count(count.unwrap_or(1)),
        };
        let rows = labels.iter().enumerate().map(|(row, label)| vec![row.to_string(), (label + 1).to_string()]);
        let table = Table { columns: vec!["row".to_owned(), "cluster".to_owned()], rows: rows.collect() };
        table.write(path)?;
        Ok(Some(labels.iter().max().map_or(0, |last| last + 1)))
    }
}

impl Summary {
    fn text(&self) -> String {
        let mut text = format!("{} points of {} dimensions", self.points, self.dimensions);
        if let Some(height) = self.top_height {
            text += &format!(", last merge at {height:.6}");
        }
        if let Some(clusters) = self.clusters {
            text += &format!(", {clusters} clusters");
        }
        text
    }
}
