//! New tracks against a catalogue that has been split: do they sound like the artist they are credited to, like another
//! artist of that name, or like nobody known?

use std::collections::HashMap;

use serde::Serialize;

use super::SURE;
use super::ball::{Ball, distance};
use super::calibration::Calibration;
use crate::catalogue::groups::Groups;
use crate::matrix::Matrix;

/// A track and whom it is credited to.
#[derive(Clone, Copy, Debug)]
pub struct Credit<'a> {
    /// The name.
    pub name: &'a str,
    /// The artist of that name, where the release says; else any.
    pub cluster: Option<usize>,
}

/// What to do with a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It sounds like whom it is credited to.
    Accept,
    /// Someone should listen.
    Hold,
    /// It sounds like another artist of that name, or like none of them.
    Reject,
}

/// A judged track.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// What to do.
    pub verdict: Verdict,
    /// Why, in words.
    pub reason: String,
    /// The artist of the name that it sounds most like.
    pub cluster: Option<usize>,
    /// Probability that it is the credited artist's.
    pub credited: f64,
    /// Probability that it is another known artist's of the name.
    pub another: f64,
    /// Probability that it is none of theirs.
    pub nobody: f64,
    /// The nearest track of the name, as a row of the catalogue, and its distance.
    pub nearest: Option<(usize, f64)>,
}

/// The artists of a catalogue, by name.
pub struct Gate<'a> {
    points: &'a Matrix<f32>,
    calibration: &'a Calibration,
    artists: HashMap<&'a str, Vec<Artist>>,
}

struct Artist {
    cluster: usize,
    rows: Vec<usize>,
    ball: Ball,
}

impl<'a> Gate<'a> {
    /// The artists that rows of `points` are split into: (row, name, cluster).
    pub fn new(
        points: &'a Matrix<f32>,
        labels: impl Iterator<Item = (usize, &'a str, usize)>,
        calibration: &'a Calibration,
    ) -> Self {
        let groups = Groups::of(labels.map(|(row, name, cluster)| (row, (name, cluster))));
        let mut artists: HashMap<&str, Vec<Artist>> = HashMap::new();
        for ((name, cluster), rows) in groups.keys.into_iter().zip(groups.members) {
            let ball = Ball::around(points, &rows);
            artists.entry(name).or_default().push(Artist { cluster, rows, ball });
        }
        Self { points, calibration, artists }
    }

    /// Judges a track by its point.
    ///
    /// The probabilities are `o_i / (1 + Σ o)` for the odds o of every artist of the name, 1 standing for nobody. A verdict
    /// needs the [level of certainty](super::SURE).
    pub fn judge(&self, point: &[f32], credit: Credit) -> Judgement {
        let Some(artists) = self.artists.get(credit.name) else {
            return Judgement {
                verdict: Verdict::Hold,
                reason: format!("the catalogue has no tracks under `{}`", credit.name),
                cluster: None,
                credited: 0.0,
                another: 0.0,
                nobody: 1.0,
                nearest: None,
            };
        };
        let odds: Vec<f64> = artists.iter().map(|artist| self.odds(artist, point)).collect();
        let all = 1.0 + odds.iter().sum::<f64>();
        let is_credited = |artist: &Artist| credit.cluster.is_none_or(|cluster| cluster == artist.cluster);
        let credited = artists.iter().zip(&odds).filter(|(artist, _)| is_credited(artist)).map(|(_, odds)| odds / all);
        let credited: f64 = credited.sum();
        let nobody = 1.0 / all;
        let another = (1.0 - credited - nobody).max(0.0);
        let best = (0..odds.len()).max_by(|&a, &b| odds[a].total_cmp(&odds[b])).map(|best| artists[best].cluster);
        let rows = artists.iter().flat_map(|artist| &artist.rows);
        let distances = rows.map(|&row| (row, distance(self.points.row(row), point)));
        let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1));
        let (verdict, reason) = match credit.cluster {
            Some(cluster) if !artists.iter().any(|artist| artist.cluster == cluster) => {
                (Verdict::Hold, format!("the catalogue has no artist {cluster} under this name"))
            }
            _ if credited >= SURE => (Verdict::Accept, format!("sounds like the credited artist ({credited:.2})")),
            _ if another >= SURE => {
                (Verdict::Reject, format!("sounds like artist {} of this name ({another:.2})", best.unwrap_or(0)))
            }
            _ if nobody >= SURE => (Verdict::Reject, format!("sounds like no known artist of this name ({nobody:.2})")),
            _ => {
                let parts = format!("credited {credited:.2}, another {another:.2}, nobody known {nobody:.2}");
                (Verdict::Hold, format!("not clear: {parts}"))
            }
        };
        Judgement { verdict, reason, cluster: best, credited, another, nobody, nearest }
    }
}

impl Gate<'_> {
    fn odds(&self, artist: &Artist, point: &[f32]) -> f64 {
        let reach = artist.ball.reach(point);
        self.calibration.membership.odds(reach.distance, reach.spread)
    }
}
