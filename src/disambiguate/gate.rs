//! New tracks against a catalogue that has been split: do they sound like the artist they are credited to, like another
//! artist of that name, or like nobody known?

use std::collections::HashMap;

use serde::Serialize;

use super::ball::{Ball, distance};
use super::calibration::Calibration;
use super::levels::{ERRORS, Level, share};
use crate::catalogue::groups::Groups;
use crate::matrix::Matrix;
use crate::{Error, Result};

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
    /// For tracks credited to a name alone, and to an artist of it.
    levels: [Level; 2],
    artists: HashMap<&'a str, Vec<Artist>>,
}

struct Artist {
    cluster: usize,
    rows: Vec<usize>,
    ball: Ball,
}

impl<'a> Gate<'a> {
    /// The artists that rows of `points` are split into: (row, name, cluster); and the error rate to decide by.
    ///
    /// # Errors
    /// An error rate that is not one of [`ERRORS`].
    pub fn new(
        points: &'a Matrix<f32>,
        labels: impl Iterator<Item = (usize, &'a str, usize)>,
        calibration: &'a Calibration,
        error: f64,
    ) -> Result<Self> {
        let level = |is_artist_known| {
            calibration.gate.at(error, is_artist_known).copied().ok_or_else(|| {
                let known = ERRORS.map(|error| error.to_string()).join(", ");
                Error::setting("--error", format!("must be one that the calibration knows ({known}), not {error}"))
            })
        };
        let levels = [level(false)?, level(true)?];
        let groups = Groups::of(labels.map(|(row, name, cluster)| (row, (name, cluster))));
        let mut artists: HashMap<&str, Vec<Artist>> = HashMap::new();
        for ((name, cluster), rows) in groups.keys.into_iter().zip(groups.members) {
            let ball = Ball::around(points, &rows);
            artists.entry(name).or_default().push(Artist { cluster, rows, ball });
        }
        Ok(Self { points, calibration, levels, artists })
    }

    /// What decides about tracks that are credited to an artist of a name, or to a name alone.
    pub fn level(&self, is_artist_known: bool) -> &Level {
        &self.levels[usize::from(is_artist_known)]
    }

    /// Judges a track by its point.
    ///
    /// The probabilities are `o_i / (1 + Σ o)` for the odds o of every artist of the name, 1 standing for nobody. The verdict
    /// is that of the [level](Level) for the error rate.
    pub fn judge(&self, point: &[f32], credit: Credit) -> Judgement {
        let Some(artists) = self.artists.get(credit.name) else {
            return Judgement::held(format!("the catalogue has no tracks under `{}`", credit.name));
        };
        if let Some(cluster) = credit.cluster
            && !artists.iter().any(|artist| artist.cluster == cluster)
        {
            return Judgement::held(format!("the catalogue has no artist {cluster} under this name"));
        }
        let odds: Vec<f64> = artists.iter().map(|artist| self.odds(artist, point)).collect();
        let all: f64 = odds.iter().sum();
        let is_credited = |artist: &Artist| credit.cluster.is_none_or(|cluster| cluster == artist.cluster);
        let theirs = artists.iter().zip(&odds).filter(|(artist, _)| is_credited(artist)).map(|(_, odds)| odds);
        let (credited, nobody) = (share(theirs.sum(), all), share(1.0, all));
        let another = (1.0 - credited - nobody).max(0.0);
        let best = (0..odds.len()).max_by(|&a, &b| odds[a].total_cmp(&odds[b])).map(|best| artists[best].cluster);
        let rows = artists.iter().flat_map(|artist| &artist.rows);
        let distances = rows.map(|&row| (row, distance(self.points.row(row), point)));
        let nearest = distances.min_by(|a, b| a.1.total_cmp(&b.1));
        let Level { accept, reject, .. } = *self.level(credit.cluster.is_some());
        let (verdict, reason) = if credited > accept {
            (Verdict::Accept, format!("sounds like the credited artist ({credited:.2}; accepted above {accept:.2})"))
        } else if credited >= reject {
            let parts = format!("credited {credited:.2}, another {another:.2}, nobody known {nobody:.2}");
            (Verdict::Hold, format!("not clear: {parts}; accepted above {accept:.2}, rejected below {reject:.2}"))
        } else {
            let sounds = match best.filter(|_| another > nobody) {
                Some(best) => format!("sounds like artist {best} of this name ({another:.2})"),
                None => format!("sounds like no known artist of this name ({nobody:.2})"),
            };
            (
                Verdict::Reject,
                format!("{sounds}, not like the credited one ({credited:.2}; rejected below {reject:.2})"),
            )
        };
        Judgement { verdict, reason, cluster: best, credited, another, nobody, nearest }
    }

    fn odds(&self, artist: &Artist, point: &[f32]) -> f64 {
        self.calibration.membership.odds(artist.ball.reach(point))
    }
}

impl Judgement {
    /// There is nothing to compare with.
    fn held(reason: String) -> Self {
        let (verdict, cluster, nearest) = (Verdict::Hold, None, None);
        Self { verdict, reason, cluster, credited: 0.0, another: 0.0, nobody: 1.0, nearest }
    }
}
