//! `homonym explain`: why a name was split as it was.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome, console};
use crate::catalogue::list::keys;
use crate::cluster::linkage;
use crate::disambiguate::{Columns, Explanation, Label, Labels, explain};
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Say why a name was split as it was: nearest tracks across the borders, doubtful tracks, albums, duets.
#[derive(clap::Args)]
pub(super) struct Explain {
    /// The embeddings: PREFIX.npy and PREFIX.csv.
    prefix: PathBuf,
    /// Labels, as `split` wrote them.
    #[arg(long, value_name = "LABELS.csv")]
    labels: PathBuf,
    /// The name.
    #[arg(long)]
    name: String,
}

/// The result: `homonym.explain/1`.
#[derive(Serialize)]
struct Summary<'a> {
    name: &'a str,
    /// What the places in the explanation mean.
    tracks: Vec<&'a str>,
    clusters: Vec<usize>,
    confidence: Vec<f64>,
    /// Empty where the labels do not say.
    stability: Vec<f64>,
    #[serde(flatten)]
    explanation: Explanation,
}

impl Explain {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let embeddings = Embeddings::open(&self.prefix)?;
        let labels = Labels::read(&self.labels)?;
        let by_track = labels.by_track();
        let keys = keys(&embeddings.table, &self.prefix)?;
        let (mut rows, mut found): (Vec<usize>, Vec<&Label>) = (Vec::new(), Vec::new());
        for (row, key) in keys.iter().enumerate() {
            if let Some(label) = by_track.get(key).filter(|label| label.name == self.name) {
                rows.push(row);
                found.push(label);
            }
        }
        if rows.is_empty() {
            return Err(Error::setting("--name", format!("no labelled track is under `{}`", self.name)));
        }
        let table = &embeddings.table;
        let clusters: Vec<usize> = found.iter().map(|label| label.cluster).collect();
        let tree = linkage(&embeddings.points.select(&rows), console)?;
        let explanation = explain(&embeddings.points, table, Columns::of(table), &rows, &tree, &clusters);
        let summary = Summary {
            name: &self.name,
            tracks: rows.iter().map(|&row| keys[row]).collect(),
            clusters,
            confidence: found.iter().map(|label| label.confidence).collect(),
            stability: found.iter().filter_map(|label| label.stability).collect(),
            explanation,
        };
        console.result("homonym.explain/1", &summary, || summary.text())?;
        Ok(Outcome::Done)
    }
}

impl Summary<'_> {
    fn text(&self) -> String {
        let track = |place: usize| {
            let stability =
                self.stability.get(place).map_or(String::new(), |stability| format!(", {stability:.2} stable"));
            let (track, cluster, confidence) = (self.tracks[place], self.clusters[place], self.confidence[place]);
            format!("{track} (artist {cluster}, {confidence:.2} sure{stability})")
        };
        let Explanation { made, not_made, medoids, .. } = &self.explanation;
        let mut lines = vec![format!("{}: {} tracks of {} artists", self.name, self.tracks.len(), medoids.len())];
        lines.extend(made.map(|made| format!("highest merge within an artist: {made:.4}")));
        lines.extend(not_made.map(|not_made| format!("lowest merge that would join two: {not_made:.4}")));
        for (cluster, medoid) in &self.explanation.medoids {
            lines.push(format!("typical of artist {cluster}: {}", self.tracks[*medoid]));
        }
        for across in &self.explanation.across {
            let [one, other] = across.tracks.map(track);
            lines.push(format!("nearest across a border, {:.4} apart: {one}, {other}", across.distance));
        }
        for &place in &self.explanation.border {
            lines.push(format!("near the border: {}", track(place)));
        }
        for album in &self.explanation.albums {
            let parts = album.clusters.iter().map(|(cluster, tracks)| format!("{tracks} of artist {cluster}"));
            let carries = if album.carries { "; it is all that one artist has" } else { "" };
            lines.push(format!("album `{}`: {}{carries}", album.album, parts.collect::<Vec<_>>().join(", ")));
        }
        for &place in &self.explanation.several_artists {
            lines.push(format!("several artists by its title: {}", track(place)));
        }
        lines.iter().map(|line| console::name(line)).collect::<Vec<_>>().join("\n")
    }
}
