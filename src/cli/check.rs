//! `homonym check`: new tracks against a catalogue that has been split.

use std::path::PathBuf;

use serde::Serialize;

use super::{Console, Outcome, console};
use crate::catalogue::list::keys;
use crate::catalogue::table::Table;
use crate::disambiguate::{Calibration, Credit, Gate, Judgement, Labels, Level, Verdict};
use crate::store::embeddings::Embeddings;
use crate::{Error, Result};

/// Check new tracks against a catalogue: do they sound like the artist they are credited to?
///
/// Accepts what does, rejects what sounds like another artist of the name or like none of them, holds what is not clear or
/// not known; with reasons. The levels are those of the calibration for an error rate: at most such a share of others' tracks
/// is accepted, and of own tracks rejected.
#[derive(clap::Args)]
pub(super) struct Check {
    /// Embeddings of the new tracks, by the catalogue's model.
    release: PathBuf,
    /// Embeddings of the catalogue.
    #[arg(long, value_name = "PREFIX")]
    against: PathBuf,
    /// Labels of the catalogue, as `split` wrote them.
    #[arg(long, value_name = "LABELS.csv")]
    labels: PathBuf,
    /// What the distances mean, as `calibrate` wrote it.
    #[arg(long, value_name = "FILE.json")]
    calibration: PathBuf,
    /// The column of the release with the name credited.
    #[arg(long, value_name = "COLUMN", default_value = "artist")]
    name_column: String,
    /// The column of the release with the artist of that name (the cluster); empty means any.
    #[arg(long, value_name = "COLUMN")]
    cluster_column: Option<String>,
    /// The share of errors to allow: 0.01, 0.02, 0.05, 0.1 or 0.2. The fewer, the more tracks are held.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    error: f64,
    /// Where to write a row a track [default: only print].
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A track and what was found.
#[derive(Serialize)]
struct Checked<'a> {
    track_id: &'a str,
    name: &'a str,
    nearest_track: Option<&'a str>,
    #[serde(flatten)]
    judgement: Judgement,
}

/// The result: `homonym.check/1`.
#[derive(Serialize)]
struct Summary<'a> {
    accepted: usize,
    held: usize,
    rejected: usize,
    /// What decided, and what it brings on labelled names: for credits to an artist of a name, and to a name alone.
    artist_level: Level,
    name_level: Level,
    tracks: Vec<Checked<'a>>,
}

impl Check {
    pub(super) fn run(self, console: &Console) -> Result<Outcome> {
        let (release, catalogue) = (Embeddings::open(&self.release)?, Embeddings::open(&self.against)?);
        let calibration = Calibration::open(&self.calibration)?;
        calibration.check(&release, &self.release)?;
        calibration.check(&catalogue, &self.against)?;
        if release.points.cols != catalogue.points.cols {
            let expected = format!("points of {} values, as the catalogue's", catalogue.points.cols);
            let advice = "embed both with one model";
            return Err(Error::file(&self.release, expected, release.points.cols, advice));
        }
        let labels = Labels::read(&self.labels)?;
        let by_track = labels.by_track();
        let known = keys(&catalogue.table, &self.against)?;
        let artists = known.iter().enumerate().filter_map(|(row, key)| {
            let label = by_track.get(key)?;
            Some((row, label.name.as_str(), label.cluster))
        });
        let gate = Gate::new(&catalogue.points, artists, &calibration, self.error)?;
        let name = release.table.require(&self.name_column, "--name-column")?;
        let cluster = self.cluster_column.as_ref().map(|column| release.table.require(column, "--cluster-column"));
        let cluster = cluster.transpose()?;
        let mut tracks = Vec::new();
        for (row, track_id) in keys(&release.table, &self.release)?.into_iter().enumerate() {
            let cells = &release.table.rows[row];
            let credited = cluster.map(|column| cells[column].as_str()).filter(|cell| !cell.is_empty());
            let credited = credited.map(|cell| {
                let refuse = |_| Error::file(&self.release, "a number as cluster", format!("`{cell}`"), "correct it");
                cell.parse::<usize>().map_err(refuse)
            });
            let credit = Credit { name: &cells[name], cluster: credited.transpose()? };
            let judgement = gate.judge(release.points.row(row), credit);
            let nearest_track = judgement.nearest.map(|(row, _)| known[row]);
            tracks.push(Checked { track_id, name: &cells[name], nearest_track, judgement });
        }
        let count = |verdict| tracks.iter().filter(|track| track.judgement.verdict == verdict).count();
        let summary = Summary {
            accepted: count(Verdict::Accept),
            held: count(Verdict::Hold),
            rejected: count(Verdict::Reject),
            artist_level: *gate.level(true),
            name_level: *gate.level(false),
            tracks,
        };
        if let Some(out) = &self.out {
            summary.table().write(out)?;
            console.remark(&format!("wrote {}", out.display()));
        }
        console.result("homonym.check/1", &summary, || summary.text())?;
        Ok(Outcome::Done)
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Hold => "hold",
        Verdict::Reject => "reject",
    }
}

impl Summary<'_> {
    fn table(&self) -> Table {
        let columns = [
            "track_id",
            "name",
            "verdict",
            "reason",
            "cluster",
            "credited",
            "another",
            "nobody",
            "nearest_track",
            "distance",
        ];
        let row = |track: &Checked| {
            let Judgement { verdict, reason, cluster, credited, another, nobody, nearest } = &track.judgement;
            let mut row =
                vec![track.track_id.to_owned(), track.name.to_owned(), word(*verdict).to_owned(), reason.clone()];
            row.push(cluster.map_or(String::new(), |cluster| cluster.to_string()));
            row.extend([credited, another, nobody].map(|probability| format!("{probability:.4}")));
            row.push(track.nearest_track.unwrap_or_default().to_owned());
            row.push(nearest.map_or(String::new(), |(_, distance)| format!("{distance:.4}")));
            row
        };
        Table { columns: columns.map(str::to_owned).to_vec(), rows: self.tracks.iter().map(row).collect() }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for Checked { track_id, name, judgement, .. } in &self.tracks {
            let line = format!("{:<7} {track_id} ({name}): {}", word(judgement.verdict), judgement.reason);
            text += &format!("{}\n", console::name(&line));
        }
        text += &format!("{} accepted, {} held, {} rejected", self.accepted, self.held, self.rejected);
        for (credit, level) in [("an artist of a name", self.artist_level), ("a name alone", self.name_level)] {
            text += &format!("\non labelled names, credited to {credit}: {}", level.describe());
        }
        text
    }
}
