//! Which parts of a track a dataset uses: columns that a list of tracks carries beside the user's own.

use std::ops::Range;
use std::path::Path;

use super::table::Table;
use crate::{Error, Result};

/// The columns, in the order of [`Samples`].
pub const COLUMNS: [&str; 5] =
    ["sample_seconds", "sample_positions", "sample_draws", "sample_excerpt", "sample_excerpt_seconds"];

/// The samples of a track: `positions` linearly spaced places of `seconds` each, in the whole track or in an excerpt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Samples {
    /// Seconds of a sample.
    pub seconds: f64,
    /// Different places.
    pub positions: usize,
    /// How often the track counts in a pass over the dataset: as many as `positions`, more where samples are repeated.
    pub draws: usize,
    /// The excerpt of the track that samples are taken from, without overlap; the whole track where there is none.
    pub excerpt: Option<Excerpt>,
}

/// A part of a track.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Excerpt {
    /// Where it begins, from 0 (it begins the track) to 1 (it ends the track).
    pub at: f64,
    /// How long it is.
    pub seconds: f64,
}

impl Samples {
    /// `positions` places of `seconds`, each once.
    pub fn linear(seconds: f64, positions: usize) -> Self {
        Self { seconds, positions, draws: positions, excerpt: None }
    }

    /// The cells of the [`COLUMNS`].
    pub fn cells(&self) -> [String; 5] {
        let excerpt =
            |part: fn(Excerpt) -> f64| self.excerpt.map_or(String::new(), |excerpt| part(excerpt).to_string());
        [
            self.seconds.to_string(),
            self.positions.to_string(),
            self.draws.to_string(),
            excerpt(|excerpt| excerpt.at),
            excerpt(|excerpt| excerpt.seconds),
        ]
    }

    /// Those of every row of a list; None where the list has no such columns.
    pub fn of_list(list: &Table, path: &Path) -> Result<Option<Vec<Self>>> {
        let Some(first) = list.column(COLUMNS[0]) else { return Ok(None) };
        let mut columns = [first; 5];
        for (place, name) in columns.iter_mut().zip(COLUMNS) {
            *place = list.column(name).ok_or_else(|| {
                Error::file(
                    path,
                    format!("a column `{name}` beside `{}`", COLUMNS[0]),
                    "none",
                    "make the dataset again",
                )
            })?;
        }
        let read = |(number, row): (usize, &Vec<String>)| {
            Self::parse(columns.map(|column| row[column].as_str())).ok_or_else(|| {
                let found = format!("others in data row {}", number + 1);
                Error::file(path, "positive sample sizes", found, "make the dataset again")
            })
        };
        list.rows.iter().enumerate().map(read).collect::<Result<_>>().map(Some)
    }

    fn parse([seconds, positions, draws, at, length]: [&str; 5]) -> Option<Self> {
        let positive = |text: &str| text.parse().ok().filter(|&x: &f64| x > 0.0 && x.is_finite());
        let excerpt = match (at, length) {
            ("", "") => None,
            _ => {
                Some(Excerpt { at: at.parse().ok().filter(|at| (0.0..=1.0).contains(at))?, seconds: positive(length)? })
            }
        };
        let samples = Self {
            seconds: positive(seconds)?,
            positions: positions.parse().ok()?,
            draws: draws.parse().ok()?,
            excerpt,
        };
        (samples.positions > 0 && samples.draws > 0).then_some(samples)
    }

    /// The frames of sample number `draw` (0..`draws`) in a track of `track_frames`; `frames` tells how many frames some
    /// seconds are. A track shorter than a sample is that sample.
    pub fn place(&self, draw: usize, track_frames: usize, frames: impl Fn(f64) -> usize) -> Range<usize> {
        let within = |length: usize, at: f64| ((track_frames - length) as f64 * at).round() as usize;
        let (start, room) = match self.excerpt {
            Some(Excerpt { at, seconds }) => {
                let length = frames(seconds).min(track_frames);
                (within(length, at), length)
            }
            None => (0, track_frames),
        };
        let size = frames(self.seconds).min(room);
        let positions = match self.excerpt {
            // Neighbours share the frame at their common border, so ten samples of 3 s fill 30 s.
            Some(_) => self.positions.min(room.saturating_sub(1) / size.saturating_sub(1).max(1)).max(1),
            None => self.positions,
        };
        let place = draw % positions;
        let offset = if positions == 1 { 0.0 } else { ((room - size) * place) as f64 / (positions - 1) as f64 };
        let start = start + offset.round() as usize;
        start..start + size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(seconds: f64) -> usize {
        1 + (seconds * 10.0).round() as usize
    }

    #[test]
    fn places_are_linear_and_draws_repeat_them() {
        let samples = Samples { draws: 5, ..Samples::linear(1.0, 3) };
        let places: Vec<_> = (0..5).map(|draw| samples.place(draw, 31, frames)).collect();
        assert_eq!(places, [0..11, 10..21, 20..31, 0..11, 10..21]);
        assert_eq!(samples.place(2, 7, frames), 0..7, "a short track is the sample");
    }

    #[test]
    fn an_excerpt_is_cut_without_overlap() {
        let excerpt = Excerpt { at: 0.5, seconds: 3.0 };
        let samples = Samples { excerpt: Some(excerpt), ..Samples::linear(1.0, 3) };
        let place = |draw, track| samples.place(draw, track, frames);
        assert_eq!([place(0, 131), place(1, 131), place(2, 131)], [50..61, 60..71, 70..81]);
        // 26 frames hold two samples and a half: two places, not three.
        assert_eq!([place(0, 26), place(1, 26), place(2, 26)], [0..11, 15..26, 0..11]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let all = [
            Samples::linear(9.0, 10),
            Samples { draws: 43, excerpt: Some(Excerpt { at: 0.1 + 0.2, seconds: 30.0 }), ..Samples::linear(3.0, 10) },
        ];
        let rows = all.iter().map(|samples| samples.cells().to_vec()).collect();
        let mut table = Table { columns: COLUMNS.map(str::to_owned).to_vec(), rows };
        assert_eq!(Samples::of_list(&table, Path::new("t.csv")).unwrap().unwrap(), all);
        table.rows[1][1] = "0".into();
        assert!(Samples::of_list(&table, Path::new("t.csv")).unwrap_err().to_string().contains("row 2"));
        table.columns[4] = "other".into();
        assert!(Samples::of_list(&table, Path::new("t.csv")).unwrap_err().to_string().contains(COLUMNS[4]));
        assert_eq!(Samples::of_list(&Table::default(), Path::new("t.csv")).unwrap(), None);
    }
}
