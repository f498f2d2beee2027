//! The catalogue on disk, laid out as a user's would be: `catalogue.csv` and `audio/*.wav`.

use std::fs;
use std::path::Path;

use hound::{SampleFormat, WavSpec, WavWriter};
use rayon::prelude::*;

use super::SAMPLE_RATE;
use super::artist::Artist;
use super::draw::Draw as _;
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
            write_wav(&folder.join(&path), &artist.record(self.seconds, random))?;
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

/// Writes samples within ±1 in 16 bits. The catalogue is written last: it never lists half a file.
fn write_wav(path: &Path, samples: &[f32]) -> Result<()> {
    let format =
        WavSpec { channels: 1, sample_rate: SAMPLE_RATE as u32, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let write = || {
        let mut writer = WavWriter::create(path, format)?;
        for sample in samples {
            writer.write_sample((sample * f32::from(i16::MAX)).round() as i16)?;
        }
        writer.finalize()
    };
    write().map_err(|error| match error {
        hound::Error::IoError(error) => Error::io(path)(error),
        error => Error::Failed(format!("{}: {error}", path.display())),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio;

    const SMALL: Catalogue = Catalogue { training_artists: 3, shared_names: 2, tracks: 3, seconds: 3.0 };

    fn written(seed: u64, threads: usize) -> (tempfile::TempDir, Table) {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let table = pool.install(|| SMALL.write(folder.path(), seed, &())).unwrap();
        (folder, table)
    }

    #[test]
    fn the_seed_alone_decides_every_byte() {
        let ((first, table), (again, _), (other, _)) = (written(1, 1), written(1, 3), written(2, 1));
        let bytes = |folder: &tempfile::TempDir, path: &str| fs::read(folder.path().join(path)).unwrap();
        assert_eq!(table.rows.len(), (3 + SMALL.unseen_artists()) * 3);
        for path in table.rows.iter().map(|row| row[0].as_str()).chain(["catalogue.csv"]) {
            assert_eq!(bytes(&first, path), bytes(&again, path), "{path}");
            assert_ne!(bytes(&first, path), bytes(&other, path), "{path}");
        }
    }

    #[test]
    fn recordings_are_audible_different_and_never_clip() {
        let (folder, table) = written(3, 2);
        let mut seen = std::collections::HashSet::new();
        for row in &table.rows {
            let (samples, info) = audio::load(&folder.path().join(&row[0]), SAMPLE_RATE as u32).unwrap();
            assert_eq!((info.codec.as_str(), info.seconds), ("pcm 16-bit", 3.0));
            let peak = samples.iter().fold(0.0f32, |peak, x| peak.max(x.abs()));
            let level = (samples.iter().map(|x| x * x).sum::<f32>() / samples.len() as f32).sqrt();
            assert!((0.05..0.96).contains(&peak), "{}: peak {peak}", row[0]);
            assert!(level > 0.02 * peak, "{}: level {level} at peak {peak}", row[0]);
            assert!(seen.insert(samples.iter().map(|x| x.to_bits()).collect::<Vec<_>>()), "{} is a copy", row[0]);
        }
    }

    #[test]
    fn names_are_shared_among_the_unseen_only() {
        let entries = Catalogue { training_artists: 50, shared_names: 7, ..SMALL }.entries(4);
        let artists: std::collections::HashSet<_> = entries.iter().map(|entry| &entry.artist).collect();
        assert_eq!(artists.len(), entries.len());
        for entry in &entries {
            let sharing = entries.iter().filter(|other| other.name == entry.name).count();
            let expected = if entry.split == "train" { 1..=1 } else { 2..=4 };
            assert!(expected.contains(&sharing), "{} is shared by {sharing}", entry.name);
        }
    }
}
