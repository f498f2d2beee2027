//! The levels at which the gate accepts and rejects, chosen by the errors that they bring on names whose artists are known.

use serde::{Deserialize, Serialize};

use super::logistic::{logistic, logit};
use super::meetings::Meeting;
use super::membership::Membership;

/// The error rates that levels are kept for.
pub const ERRORS: [f64; 5] = [0.01, 0.02, 0.05, 0.1, 0.2];

/// Where the gate accepts and rejects, and what that brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Levels {
    /// For tracks credited to an artist of a name, one for each of [`ERRORS`].
    pub artist: Vec<Level>,
    /// For tracks credited to a name alone: any of its artists will do.
    pub name: Vec<Level>,
}

/// Accepts above one level of the probability that a track is the credited artist's, and rejects below another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// The share of others' tracks accepted, and of own tracks rejected, that was aimed at.
    pub error: f64,
    /// Accepted above.
    pub accept: f64,
    /// Rejected below.
    pub reject: f64,
    /// What became of the artist's own tracks.
    pub own: Shares,
    /// Of tracks of another artist of the name; none where only a name is credited.
    pub another: Option<Shares>,
    /// Of tracks of nobody known under the name.
    pub nobody: Shares,
}

/// What became of some tracks, on names not learned from; the rest was held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Accepted.
    pub accepted: f64,
    /// Rejected.
    pub rejected: f64,
}

/// Whose track it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    Own,
    Another,
    Nobody,
}

/// A track credited to someone, and how likely it was said to be theirs.
#[derive(Clone, Copy, Debug)]
struct Trial {
    whose: Whose,
    score: f64,
}

/// Tracks credited to an artist of a name, and to a name alone.
#[derive(Debug, Default)]
struct Trials {
    artist: Vec<Trial>,
    name: Vec<Trial>,
}

/// The share of each artist's odds in all of them, and 1 for nobody.
pub(super) fn share(odds: f64, all: f64) -> f64 {
    odds / (1.0 + all)
}

impl Trials {
    /// Credits every new track to its artist, to every other one, and to these with its own artist unknown.
    fn of<'a>(meetings: impl Iterator<Item = &'a Meeting>, membership: &Membership) -> Self {
        let mut trials = Self::default();
        for meeting in meetings {
            let own = membership.odds(meeting.own);
            let others: Vec<f64> = meeting.others.iter().map(|&reach| membership.odds(reach)).collect();
            let rest: f64 = others.iter().sum();
            let mut credit = |whose, score| trials.artist.push(Trial { whose, score });
            credit(Whose::Own, share(own, own + rest));
            others.iter().for_each(|&odds| credit(Whose::Another, share(odds, own + rest)));
            others.iter().for_each(|&odds| credit(Whose::Nobody, share(odds, rest)));
            let mut credit = |whose, score| trials.name.push(Trial { whose, score });
            credit(Whose::Own, share(own + rest, own + rest));
            credit(Whose::Nobody, share(rest, rest));
        }
        trials
    }
}

impl Levels {
    /// Chooses by the meetings of all folds of all repeats, as `membership`, which was learned from them, scores them. What that
    /// brings is counted fold by fold, with membership and levels learned from the other folds of its repeat.
    pub(super) fn choose(repeats: &[Vec<Vec<Meeting>>], membership: &Membership) -> Self {
        let mut artist = [Counts::default(); ERRORS.len()];
        let mut name = artist;
        for folds in repeats {
            for (number, fold) in folds.iter().enumerate() {
                let others =
                    || folds.iter().enumerate().filter(|(other, _)| *other != number).flat_map(|(_, fold)| fold);
                let membership = Membership::learn(others());
                let (learned, judged) = (Trials::of(others(), &membership), Trials::of(fold.iter(), &membership));
                count(&mut artist, &learned.artist, &judged.artist);
                count(&mut name, &learned.name, &judged.name);
            }
        }
        let all = Trials::of(repeats.iter().flatten().flatten(), membership);
        Self { artist: levels(&all.artist, artist), name: levels(&all.name, name) }
    }

    /// The level for an error rate; none where it is not one of [`ERRORS`].
    pub fn at(&self, error: f64, is_artist_known: bool) -> Option<&Level> {
        let levels = if is_artist_known { &self.artist } else { &self.name };
        levels.iter().find(|level| level.error == error)
    }
}

/// Counts what levels chosen by some trials do to others, for each error rate.
fn count(counts: &mut [Counts; ERRORS.len()], learned: &[Trial], judged: &[Trial]) {
    let scores = Scores::of(learned);
    for (&error, counts) in ERRORS.iter().zip(counts) {
        let (accept, reject) = scores.levels(error);
        judged.iter().for_each(|trial| counts.add(trial, accept, reject));
    }
}

fn levels(trials: &[Trial], counts: [Counts; ERRORS.len()]) -> Vec<Level> {
    let scores = Scores::of(trials);
    let level = |(&error, counts): (&f64, Counts)| {
        let (accept, reject) = scores.levels(error);
        let [own, another, nobody] = counts.shares();
        Level { error, accept, reject, own: own.unwrap_or_default(), another, nobody: nobody.unwrap_or_default() }
    };
    ERRORS.iter().zip(counts).map(level).collect()
}

/// Scores by whose the track was, ascending.
struct Scores([Vec<f64>; 3]);

impl Scores {
    fn of(trials: &[Trial]) -> Self {
        let mut scores: [Vec<f64>; 3] = Default::default();
        trials.iter().for_each(|trial| scores[trial.whose as usize].push(trial.score));
        scores.iter_mut().for_each(|scores| scores.sort_unstable_by(f64::total_cmp));
        Self(scores)
    }

    /// The level that at most a share `error` of each kind of others exceeds, and that which at most such a share of own tracks
    /// stays below. Where nobody would be held between the two, both are the middle.
    fn levels(&self, error: f64) -> (f64, f64) {
        let [own, others @ ..] = &self.0;
        let left_out = |scores: &[f64]| (error * scores.len() as f64) as usize;
        let highest = |scores: &Vec<f64>| scores.len().checked_sub(1 + left_out(scores)).map(|place| scores[place]);
        let accept = others.iter().filter_map(highest).fold(0.0, f64::max);
        let reject = own.get(left_out(own)).copied().unwrap_or(0.0);
        if accept >= reject {
            return (accept, reject);
        }
        let middle =
            |a: f64, b: f64| logistic(0.5 * (logit(a.clamp(1e-12, 1.0 - 1e-12)) + logit(b.clamp(1e-12, 1.0 - 1e-12))));
        let middle = middle(accept, reject);
        (middle, middle)
    }
}

/// Tracks by whose they were: all, accepted, rejected.
#[derive(Clone, Copy, Default)]
struct Counts([[usize; 3]; 3]);

impl Counts {
    fn add(&mut self, trial: &Trial, accept: f64, reject: f64) {
        let [all, accepted, rejected] = &mut self.0[trial.whose as usize];
        *all += 1;
        *accepted += usize::from(trial.score > accept);
        *rejected += usize::from(trial.score < reject);
    }

    fn shares(&self) -> [Option<Shares>; 3] {
        self.0.map(|[all, accepted, rejected]| {
            let share = |count: usize| count as f64 / all as f64;
            (all > 0).then(|| Shares { accepted: share(accepted), rejected: share(rejected) })
        })
    }
}

impl Level {
    /// What it brings, in words.
    pub fn describe(&self) -> String {
        let share = |whose: &str, Shares { accepted, rejected }: Shares| {
            format!("of {whose} {:.1} % accepted, {:.1} % rejected", 100.0 * accepted, 100.0 * rejected)
        };
        let mut parts = vec![share("own tracks", self.own)];
        parts.extend(self.another.map(|another| share("another artist's", another)));
        parts.push(share("nobody's known", self.nobody));
        parts.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn trials(seed: u64, apart: f64) -> Vec<Trial> {
        let mut random = Random::keyed(seed, &[]);
        let trial = |number: usize| {
            let whose = [Whose::Own, Whose::Another, Whose::Nobody][number % 3];
            let mean = if whose == Whose::Own { apart } else { 0.0 };
            Trial { whose, score: logistic(mean + random.normal()) }
        };
        (0..30_000).map(trial).collect()
    }

    /// Levels chosen by some trials, with what they did to others.
    fn judged(learned: &[Trial], others: &[Trial]) -> Vec<Level> {
        let mut counts = [Counts::default(); ERRORS.len()];
        count(&mut counts, learned, others);
        levels(learned, counts)
    }

    #[test]
    fn levels_keep_the_error_asked_for_on_tracks_not_seen() {
        let (learned, new) = (trials(1, 1.0), trials(2, 1.0));
        for level in judged(&learned, &trials(5, 1.0)) {
            let mut counts = Counts::default();
            new.iter().for_each(|trial| counts.add(trial, level.accept, level.reject));
            let [own, another, nobody] = counts.shares().map(Option::unwrap);
            let close =
                |found: f64, stated: f64, by| assert!((found - stated).abs() < by, "{found} {stated} {level:?}");
            close(another.accepted.max(nobody.accepted), level.error, 0.012);
            close(own.rejected, level.error, 0.012);
            // A level that is off by its own sampling error moves these by more than twice as much: three deviations.
            close(own.accepted, level.own.accepted, 0.035);
            close(nobody.rejected, level.nobody.rejected, 0.035);
            assert!(level.accept >= level.reject);
        }
    }

    #[test]
    fn what_is_told_apart_is_not_held() {
        let level = judged(&trials(3, 9.0), &trials(6, 9.0))[2];
        assert_eq!(level.accept, level.reject);
        assert!(level.own.accepted > 0.99 && level.nobody.rejected > 0.99 && level.another.unwrap().accepted < 0.01);
        // What cannot be told apart is held, but for the errors allowed.
        let level = judged(&trials(4, 0.0), &trials(7, 0.0))[2];
        assert!(level.own.accepted < 0.07 && level.own.rejected < 0.07 && level.nobody.rejected < 0.07, "{level:?}");
    }
}
