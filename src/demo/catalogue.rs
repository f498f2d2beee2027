//! The catalogue on disk, laid out as a user's would be: `catalogue.csv` and `audio/*.wav`.

use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::artist::Artist;
use super::draw::Draw as _;
use super::wav;
use crate::catalogue::table::Table;
use crate::random::Random;
use crate::{Error, Monitor, Result};

/// Columns of `catalogue.csv`. `artist` is the truth, `name` what the sleeve says: several artists may share it.
const COLUMNS: [&str; 6] = ["path", "artist", "name", "album", "title", "split"];
/// Tracks of an album.
const ALBUM: usize = 4;
/// Purposes of random streams.
const NAMES: u64 = 1;
const ARTIST: u64 = 2;
const TRACK: u64 = 3;

/// How large a catalogue is to be.
#[derive(Clone, Copy, Debug)]
pub struct Catalogue {
    /// Artists to train on, each with a name of its own.
    pub training_artists: usize,
    /// Names that 2, 3 or 4 artists share, none of them among the former.
    pub shared_names: usize,
    /// Tracks of an artist.
    pub tracks: usize,
    /// Length of a track.
    pub seconds: f64,
}

/// Someone in the catalogue.
struct Entry {
    artist: String,
    name: String,
    split: &'static str,
}

impl Catalogue {
    /// How many artists share the shared names.
    pub fn unseen_artists(&self) -> usize {
        (0..self.shared_names).map(sharing).sum()
    }

    /// Makes the artists, records their tracks and writes everything into `folder`. The same seed makes the same files.
    ///
    /// # Errors
    /// A folder that cannot be written, or [`Error::Interrupted`].
    pub fn write(&self, folder: &Path, seed: u64, monitor: &dyn Monitor) -> Result<Table> {
        let entries = self.entries(seed);
        let audio = folder.join("audio");
        fs::create_dir_all(&audio).map_err(Error::io(&audio))?;
        monitor.begin("recording", Some((entries.len() * self.tracks) as u64));
        let rows: Vec<Vec<Vec<String>>> = entries
            .par_iter()
            .enumerate()
            .map(|(number, entry)| self.record(folder, seed, number, entry, monitor))
            .collect::<Result<_>>()?;
        monitor.end();
        let table = Table { columns: COLUMNS.map(str::to_owned).to_vec(), rows: rows.concat() };
        table.write(&folder.join("catalogue.csv"))?;
        Ok(table)
    }

    /// Records the tracks of an artist; their rows of the table.
    fn record(
        &self,
        folder: &Path,
        seed: u64,
        number: usize,
        entry: &Entry,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Vec<String>>> {
        let artist = Artist::draw(&mut Random::keyed(seed, &[ARTIST, number as u64]));
        let mut rows = Vec::with_capacity(self.tracks);
        for track in 0..self.tracks {
            if monitor.interrupted() {
                return Err(Error::Interrupted("stopped while recording; run the demo again to begin anew".to_owned()));
            }
            let random = &mut Random::keyed(seed, &[TRACK, number as u64, track as u64]);
            let title = format!("{} {}", word(random), word(random));
            let path = format!("audio/{:04}.wav", number * self.tracks + track + 1);
            wav::write(&folder.join(&path), &artist.record(self.seconds, random))?;
            let album = format!("Album {}", track / ALBUM + 1);
            rows.push(vec![path, entry.artist.clone(), entry.name.clone(), album, title, entry.split.to_owned()]);
            monitor.advance(1);
        }
        Ok(rows)
    }

    fn entries(&self, seed: u64) -> Vec<Entry> {
        let random = &mut Random::keyed(seed, &[NAMES]);
        let mut names = names(self.training_artists + self.shared_names, random).into_iter();
        let own = |name: String| Entry { artist: name.clone(), name, split: "train" };
        let mut entries: Vec<Entry> = names.by_ref().take(self.training_artists).map(own).collect();
        for (place, name) in names.enumerate() {
            entries.extend((1..=sharing(place)).map(|number| Entry {
                artist: format!("{name} ({number})"),
                name: name.clone(),
                split: "unseen",
            }));
        }
        entries
    }
}

/// Artists who share the name at a place.
fn sharing(place: usize) -> usize {
    2 + place % 3
}

const BEGINNINGS: [&str; 16] =
    ["Ba", "Co", "Da", "Eri", "Fa", "Gli", "Hu", "Ju", "Ka", "Lo", "Mi", "No", "Ori", "Pe", "Sa", "Ti"];
const ENDINGS: [&str; 16] =
    ["bel", "da", "fen", "gro", "ka", "lan", "mar", "na", "po", "ra", "rin", "sol", "ta", "ver", "vin", "zu"];

fn word(random: &mut Random) -> String {
    [random.pick(&BEGINNINGS), random.pick(&ENDINGS)].concat()
}

/// Different names of two words.
fn names(count: usize, random: &mut Random) -> Vec<String> {
    let words = BEGINNINGS.len() * ENDINGS.len();
    let word = |number: usize| [BEGINNINGS[number / ENDINGS.len()], ENDINGS[number % ENDINGS.len()]].concat();
    let numbers = random.sample(words * words, count);
    numbers.into_iter().map(|number| format!("{} {}", word(number / words), word(number % words))).collect()
}
