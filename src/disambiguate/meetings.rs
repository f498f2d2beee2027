//! What the gate is learned by: new tracks meet a catalogue that knows a part of each artist's work, as they will later.

use super::ball::{Ball, Reach};
use crate::catalogue::groups::Groups;
use crate::eval::protocols::Name;
use crate::matrix::Matrix;
use crate::random::Random;

/// A new track and the artists known under its name.
#[derive(Clone, Debug)]
pub(super) struct Meeting {
    /// How far it is from its own artist's known tracks.
    pub(super) own: Reach,
    /// And from the others'.
    pub(super) others: Vec<Reach>,
}

/// Half of each artist's tracks, drawn at random, are known and the others new; then it is the other way round. An artist
/// with a single track is left out.
pub(super) fn meetings(points: &Matrix<f32>, name: &Name, random: &mut Random) -> Vec<Meeting> {
    let artists = Groups::of(name.rows.iter().copied().zip(name.truth.iter().copied()));
    let halves = |mut rows: Vec<usize>| {
        random.shuffle(&mut rows);
        let rest = rows.split_off(rows.len() / 2);
        [rows, rest]
    };
    let halves: Vec<[Vec<usize>; 2]> = artists.members.into_iter().filter(|rows| rows.len() > 1).map(halves).collect();
    let mut meetings = Vec::new();
    for known in 0..2 {
        let balls: Vec<Ball> = halves.iter().map(|halves| Ball::around(points, &halves[known])).collect();
        for (artist, halves) in halves.iter().enumerate() {
            for &row in &halves[1 - known] {
                let reach = |artist: usize| balls[artist].reach(points.row(row));
                let others = (0..balls.len()).filter(|&other| other != artist);
                meetings.push(Meeting { own: reach(artist), others: others.map(reach).collect() });
            }
        }
    }
    meetings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_track_meets_the_other_half_of_its_artist_and_a_half_of_each_other() {
        // Artists of four, three and one track; powers of two say which tracks a mean was taken of.
        let points = Matrix::new(8, 1, (0..8).map(|row| f32::from(1u16 << row)).collect());
        let truth = vec![0, 0, 1, 0, 1, 0, 1, 2];
        let name = Name { rows: (0..8).collect(), truth, artists: 3, ..Name::default() };
        let meetings = meetings(&points, &name, &mut Random::keyed(1, &[]));
        let mut sizes: Vec<[f64; 2]> =
            meetings.iter().map(|meeting| [meeting.own.tracks, meeting.others[0].tracks]).collect();
        sizes.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert!(meetings.iter().all(|meeting| meeting.others.len() == 1));
        // A track of the pair of three meets the single one, which meets the pair; those of four meet two each.
        let own = |tracks: f64| sizes.iter().filter(|sizes| sizes[0] == tracks).count();
        assert_eq!((meetings.len(), own(1.0), own(2.0)), (7, 2, 5));
        assert!(meetings.iter().all(|meeting| meeting.own.distance > 0.0), "no track meets itself");
    }
}
