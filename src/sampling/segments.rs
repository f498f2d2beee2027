//! Segments: views of a fixed number of frames into the frames of a track.

use crate::random::Random;
use crate::store::Frames;

/// The first frames of `count` segments spread evenly over a track: the first segment begins the track, the last one
/// ends it, as `np.linspace(0, track_frames - segment_frames, count).round()`.
///
/// A track no longer than a segment has only one place for it: every start is 0.
pub fn linear_starts(track_frames: usize, segment_frames: usize, count: usize) -> Vec<usize> {
    let last = track_frames.saturating_sub(segment_frames);
    let gaps = count.saturating_sub(1).max(1);
    (0..count).map(|place| ((place * last) as f64 / gaps as f64).round_ties_even() as usize).collect()
}

/// The first frame of a segment drawn uniformly from all places where it lies within the track; 0 when the track is no
/// longer than the segment.
pub fn random_start(track_frames: usize, segment_frames: usize, random: &mut Random) -> usize {
    random.below(track_frames.saturating_sub(segment_frames) + 1)
}

/// Fills `out` (segment frames × bands, row-major) with the frames of a track from `start` on.
///
/// Where the track ends before the segment is full, it is repeated from its beginning (what librosa and NumPy call
/// `wrap` padding): zeros would teach a network to recognise short tracks by their silence.
///
/// # Panics
/// When the track has no frames or `out` does not hold whole frames; the store admits no track without frames.
pub fn read_segment(frames: Frames<'_>, start: usize, out: &mut [f32]) {
    assert!(
        !frames.is_empty() && out.len().is_multiple_of(frames.bands()),
        "segments are whole frames of a track that has some"
    );
    let bands = frames.bands();
    let mut position = start % frames.len();
    let mut rest = out;
    while !rest.is_empty() {
        let count = (rest.len() / bands).min(frames.len() - position);
        let (run, later) = rest.split_at_mut(count * bands);
        let part = frames.slice(position..position + count);
        part.prefetch();
        part.copy_to(run);
        (rest, position) = (later, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::{linear_starts, random_start, read_segment};
    use crate::random::Random;
    use crate::store::Frames;

    #[test]
    fn linear_starts_are_those_of_numpy() {
        assert_eq!(linear_starts(1000, 388, 10), [0, 68, 136, 204, 272, 340, 408, 476, 544, 612]);
        assert_eq!(linear_starts(7, 2, 3), [0, 2, 5]); // 2.5 rounds to even
        assert_eq!(linear_starts(400, 388, 1), [0]);
        assert_eq!(linear_starts(388, 388, 3), [0, 0, 0]);
        assert_eq!(linear_starts(10, 388, 2), [0, 0]);
        assert!(linear_starts(400, 388, 0).is_empty());
    }

    #[test]
    fn random_starts_cover_every_place_and_no_other() {
        let mut random = Random::keyed(1, &[]);
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[random_start(13, 10, &mut random)] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(random_start(10, 10, &mut random), 0);
        assert_eq!(random_start(3, 10, &mut random), 0);
    }

    #[test]
    fn segments_are_views_and_short_tracks_repeat() {
        let values: Vec<f32> = (0..10).map(|value| value as f32).collect();
        let frames = Frames::from_f32(&values, 2);
        let mut out = [0.0; 6];
        read_segment(frames, 1, &mut out);
        assert_eq!(out, [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let mut long = [0.0; 24];
        read_segment(frames, 0, &mut long);
        assert_eq!(long[..10], values);
        assert_eq!(long[10..20], values);
        assert_eq!(long[20..], values[..4]);
    }
}
