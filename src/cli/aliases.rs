//! `homonym aliases`: different names, same sound.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome};
use crate::Result;
use crate::catalogue::list::keys;
use crate::catalogue::table::Table;
use crate::disambiguate::{Labels, aliases, artists};
use crate::store::embeddings::Embeddings;

/// Find artists under different names that sound alike: candidates for aliases and misspellings.
///
/// Compares the centroids of all artists of a split catalogue, exactly. The likeness of the names stands beside the distance
/// and does not change the order.
#[derive(clap::Args)]
pub(super) struct Aliases {
    /// The embeddings: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    /// Labels, as `split` wrote them.
    #[arg(long, value_name = "LABELS.csv")]
    labels: PathBuf,
    /// Where to write the candidates, nearest first.
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// Nearest other names looked at for every artist.
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    top: u16,
    /// Leave out artists with fewer tracks.
    #[arg(long, value_name = "N", default_value_t = 2)]
    min_tracks: usize,
}

/// The result: `homonym.aliases/1`.
#[derive(Serialize)]
struct Summary {
    artists: usize,
    candidates: usize,
    seconds: f64,
}

impl Aliases {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let embeddings = Embeddings::open(&self.prefix)?;
        let labels = Labels::read(&self.labels)?;
        let by_track = labels.by_track();
        let clusters: Vec<String> = labels.rows.iter().map(|label| label.cluster.to_string()).collect();
        let cluster: std::collections::HashMap<&str, &str> = labels
            .rows
            .iter()
            .zip(&clusters)
            .map(|(label, cluster)| (label.track.as_str(), cluster.as_str()))
            .collect();
        let keys = keys(&embeddings.table, &self.prefix)?;
        let labelled = keys
            .iter()
            .enumerate()
            .filter_map(|(row, key)| Some((row, by_track.get(key)?.name.as_str(), *cluster.get(key)?)));
        let mut artists = artists(labelled);
        artists.retain(|artist| artist.rows.len() >= self.min_tracks);
        let clock = std::time::Instant::now();
        let found = aliases(&embeddings.points, &artists, usize::from(self.top), console)?;
        let seconds = clock.elapsed().as_secs_f64();
        let columns =
            ["name_a", "cluster_a", "tracks_a", "name_b", "cluster_b", "tracks_b", "distance", "name_likeness"];
        let row = |alias: &crate::disambiguate::Alias| {
            let [a, b] = alias.artists.map(|artist| &artists[artist]);
            let likeness = strsim::jaro_winkler(&a.name.to_lowercase(), &b.name.to_lowercase());
            let side = |artist: &crate::disambiguate::Artist| {
                [artist.name.to_owned(), artist.cluster.to_owned(), artist.rows.len().to_string()]
            };
            let mut row = [side(a), side(b)].concat();
            row.extend([alias.distance, likeness].map(|number| format!("{number:.4}")));
            row
        };
        let table = Table { columns: columns.map(str::to_owned).to_vec(), rows: found.iter().map(row).collect() };
        table.write(&self.out)?;
        let summary = Summary { artists: artists.len(), candidates: found.len(), seconds };
        console.result("homonym.aliases/1", &summary, || {
            let Summary { artists, candidates, seconds } = &summary;
            format!("{}: {candidates} candidates among {artists} artists in {seconds:.1} s", self.out.display())
        })?;
        Ok(Outcome::Done)
    }
}
