//! Extraction from a catalogue full of bad files: each is named for what it is, and the good ones do not notice. A part of
//! what `tools/hostile/corpus.py` makes.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hound::{SampleFormat, WavSpec, WavWriter};

/// A mono WAV file of 32-bit floats.
fn wav(path: &Path, rate: u32, samples: impl IntoIterator<Item = f32>) {
    let spec = WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 32, sample_format: SampleFormat::Float };
    let mut writer = WavWriter::create(path, spec).unwrap();
    samples.into_iter().for_each(|sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}

fn tone(rate: u32, seconds: f32, amplitude: f32) -> impl Iterator<Item = f32> + Clone {
    let step = std::f32::consts::TAU * 440.0 / rate as f32;
    (0..(rate as f32 * seconds) as u32).map(move |time| amplitude * (step * time as f32).sin())
}

/// The folder of a test, with good and bad files and the outcome that each must have.
struct Corpus {
    folder: tempfile::TempDir,
    /// Cells of the column `path` and outcomes.
    rows: Vec<(String, &'static str)>,
}

impl Corpus {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), rows: Vec::new() }
    }

    fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.folder.path().join(Path::new(name.as_ref()))
    }

    /// Lists a file and says where it is.
    fn list(&mut self, name: &str, outcome: &'static str) -> PathBuf {
        self.rows.push((name.to_owned(), outcome));
        self.path(name)
    }

    /// Lists a copy of a good file with some of its bytes replaced, or cut off at `length`.
    fn damaged(&mut self, name: &str, outcome: &'static str, length: usize, patches: &[(usize, &[u8])]) {
        let mut bytes = fs::read(self.path("good.wav")).unwrap();
        bytes.truncate(length);
        for (at, patch) in patches {
            bytes[*at..at + patch.len()].copy_from_slice(patch);
        }
        fs::write(self.list(name, outcome), bytes).unwrap();
    }

    fn catalogue(&self, name: &str, rows: impl Iterator<Item = usize>) {
        let mut writer = csv::Writer::from_path(self.path(name)).unwrap();
        writer.write_record(["path", "artist", "title"]).unwrap();
        for row in rows {
            writer.write_record([&self.rows[row].0, "somebody", &format!("number {row}")]).unwrap();
        }
        writer.flush().unwrap();
    }

    fn homonym(&self, arguments: &str) -> Output {
        common::homonym(self.folder.path(), arguments).output().unwrap()
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name)).unwrap()
}

fn sounds(corpus: &mut Corpus) {
    wav(&corpus.list("good.wav", "ok"), 22_050, tone(22_050, 3.1, 0.5));
    for (name, rate) in [("8k.wav", 8000), ("192k.wav", 192_000)] {
        wav(&corpus.list(name, "ok"), rate, tone(rate, 3.1, 0.5));
    }
    wav(&corpus.list("clipped.wav", "clipped"), 22_050, tone(22_050, 3.1, 3.0).map(|sample| sample.clamp(-1.0, 1.0)));
    wav(&corpus.list("offset.wav", "offset"), 22_050, tone(22_050, 3.1, 0.5).map(|sample| sample + 0.3));
    wav(&corpus.list("short.wav", "short"), 22_050, tone(22_050, 1.0, 0.5));
    wav(&corpus.list("one-sample.wav", "too_short"), 22_050, [0.5]);
    wav(&corpus.list("silence.wav", "silent"), 22_050, vec![0.0; 70_000]);
    wav(&corpus.list("constant.wav", "silent"), 22_050, vec![0.5; 70_000]);
    for (name, bad) in [("nan.wav", f32::NAN), ("infinite.wav", f32::INFINITY), ("absurd.wav", 1e30)] {
        let broken = |(time, sample)| if time == 50_000 { bad } else { sample };
        wav(&corpus.list(name, "non_finite"), 22_050, tone(22_050, 3.1, 0.5).enumerate().map(broken));
    }
}

fn lies(corpus: &mut Corpus) {
    // Places in the header that hound writes: WAVE_FORMAT_EXTENSIBLE, 60 bytes before the sound's length.
    let whole = fs::read(corpus.path("good.wav")).unwrap();
    let length = whole.windows(4).position(|bytes| bytes == b"data").unwrap() + 4;
    corpus.damaged("half.wav", "truncated", whole.len() / 2, &[]);
    corpus.damaged("header.wav", "truncated", length - 4, &[]);
    corpus.damaged("no-sound.wav", "no_samples", whole.len(), &[(length, &[0; 4])]);
    corpus.damaged("claims-1-GB.wav", "truncated", whole.len(), &[(length, &(1_u32 << 30).to_le_bytes())]);
    corpus.damaged("0-Hz.wav", "bad_rate", whole.len(), &[(24, &[0; 8])]);
    corpus.damaged(
        "767999-Hz.wav",
        "bad_rate",
        whole.len(),
        &[(24, &767_999_u32.to_le_bytes()), (28, &(4 * 767_999_u32).to_le_bytes())],
    );
    corpus.damaged("deaf.wav", "damaged", whole.len(), &[(22, &[0; 2])]);
    fs::write(corpus.list("empty.wav", "empty"), b"").unwrap();
    fs::write(corpus.list("text.mp3", "not_audio"), b"Dear listener, this is no sound at all.".repeat(50)).unwrap();
    fs::write(corpus.list("adpcm.wav", "unsupported"), fixture("adpcm.wav")).unwrap();
    #[cfg(feature = "codecs")]
    coded(corpus);
}

#[cfg(feature = "codecs")]
fn coded(corpus: &mut Corpus) {
    fs::write(corpus.list("flac-named.wav", "short"), fixture("mono.flac")).unwrap();
    // A picture of 2 MB: seven bits of size a byte.
    let size = 2_000_000_u32;
    let bits = [21, 14, 7, 0].map(|shift| (size >> shift & 0x7F) as u8);
    let tag = [b"ID3\x03\0\0", &bits[..], &vec![0; size as usize]].concat();
    fs::write(corpus.list("picture.mp3", "short"), [tag, fixture("mono-vbr.mp3")].concat()).unwrap();
    fs::write(corpus.list("aiff.aiff", "unsupported"), fixture("mono.aiff")).unwrap();
    let flac = fixture("mono.flac");
    fs::write(corpus.list("cut.flac", "truncated"), &flac[..flac.len() / 2]).unwrap();
    let mut days = flac.clone();
    days[21..26].fill(0xFF); // all 36 bits of the number of samples
    fs::write(corpus.list("days.flac", "too_long"), days).unwrap();
    let m4a = fixture("stereo.m4a");
    fs::write(corpus.list("cut.m4a", "damaged"), &m4a[..m4a.len() / 2]).unwrap();
}

fn no_files(corpus: &mut Corpus) {
    fs::create_dir(corpus.list("folder.wav", "not_a_file")).unwrap();
    let pipe = corpus.list("pipe.wav", "not_a_file");
    assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", corpus.list("device.wav", "not_a_file")).unwrap();
    std::os::unix::fs::symlink("gone", corpus.list("dangling.wav", "missing")).unwrap();
    std::os::unix::fs::symlink("loop.wav", corpus.list("loop.wav", "unreadable")).unwrap();
    corpus.list("nowhere.wav", "missing");
    corpus.list("nul\0.wav", "unreadable");
}

fn names(corpus: &mut Corpus) {
    let good = corpus.path("good.wav");
    for name in ["two\nlines.wav", "quo\"te,comma.wav", "=cmd.wav", "\u{1b}[2J.wav", "\u{202e}vaw.ogg", "日本.wav"] {
        fs::copy(&good, corpus.list(name, "ok")).unwrap();
    }
    fs::copy(&good, corpus.path(OsStr::from_bytes(b"caf\xE9.wav"))).unwrap();
    corpus.list("file:caf%E9.wav", "ok");
    for name in ["gone\nhomonym: all done.wav", "gone\u{1b}[2J\u{202e}.wav"] {
        corpus.list(name, "missing");
    }
}

#[test]
fn bad_files_are_named_and_good_ones_do_not_notice() {
    let mut corpus = Corpus::new();
    for part in [sounds, lies, no_files, names] {
        part(&mut corpus);
    }
    corpus.catalogue("all.csv", 0..corpus.rows.len());
    let run = corpus.homonym("extract all.csv --out all --report health.csv");
    let told = common::told(&run);
    assert_eq!(run.status.code(), Some(3), "{told}");
    assert!(!told.chars().any(|character| character.is_control() && character != '\n' || character == '\u{202e}'));
    assert!(!told.lines().any(|line| line.starts_with("homonym: all done")), "a name passes for a message: {told}");

    let mut report = csv::Reader::from_path(corpus.path("health.csv")).unwrap();
    let rows: Vec<BTreeMap<String, String>> = report.deserialize().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), corpus.rows.len(), "a row for every listed track");
    for (row, (cell, outcome)) in rows.iter().zip(&corpus.rows) {
        assert_eq!((&row["path"], row["outcome"].as_str()), (cell, *outcome), "{}", row["detail"]);
        assert!(row["took"].parse::<f64>().unwrap() < 10.0, "{cell} took {} s", row["took"]);
        assert_eq!(row["detail"].is_empty(), *outcome == "ok", "{cell}: {}", row["detail"]);
    }
    let (good, health) = (&rows[0], homonym::audio::HEALTH);
    assert!((good["seconds"].parse::<f64>().unwrap() - 3.1).abs() < 1e-3);
    assert_eq!((good["sample_rate"].as_str(), good["channels"].as_str()), ("22050", "1"));
    assert_eq!(good["bytes"], fs::metadata(corpus.path("good.wav")).unwrap().len().to_string());

    let left_out = |name: &str| health.iter().find(|row| row.name == name).unwrap().left_out;
    corpus.catalogue("good.csv", (0..corpus.rows.len()).filter(|&row| !left_out(corpus.rows[row].1)));
    let run = corpus.homonym("extract good.csv --out good");
    assert_eq!(run.status.code(), Some(0), "{}", common::told(&run));
    for name in ["frames.bin", "blocks.bin", "index.bin", "tracks.csv"] {
        let [all, good] = ["all", "good"].map(|store| fs::read(corpus.path(store).join(name)).unwrap());
        assert!(all == good, "{name} is another without the bad files");
    }
    assert_eq!(corpus.homonym("verify all").status.code(), Some(0));

    // The second time, what is in the store is not read again, and what failed is.
    let run = corpus.homonym("extract all.csv --out all --report again.jsonl");
    assert_eq!(run.status.code(), Some(3));
    let again = fs::read_to_string(corpus.path("again.jsonl")).unwrap();
    let again: Vec<serde_json::Value> = again.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (row, (cell, outcome)) in again.iter().zip(&corpus.rows) {
        let expected = if left_out(outcome) { outcome } else { "stored" };
        assert_eq!((row["path"].as_str(), row["outcome"].as_str()), (Some(cell.as_str()), Some(expected)));
    }
}

#[test]
fn tables_as_they_are_found() {
    let corpus = Corpus::new();
    wav(&corpus.path("a.wav"), 22_050, tone(22_050, 3.1, 0.5));
    let cases: [(&[u8], i32, &str); 10] = [
        (b"\xEF\xBB\xBFpath,artist\r\na.wav,x\r\n", 0, ""),
        (b"path,artist,title\na.wav,x,\"one\ntwo\"\n", 0, ""),
        (b"path,artist\n", 0, ""),
        (b"path,artist\na.wav,x\na.wav,y\n", 1, "every track once"),
        (b"track_id,path,artist\n1,a.wav,x\n1,b.wav,y\n", 1, "every track once"),
        (b"file,artist\na.wav,x\n", 1, "a column \"path\""),
        (b"path,name\na.wav,x\n", 1, "a column \"artist\""),
        (b"path,artist\na.wav\n", 1, "line 2"),
        (b"path,artist\ncaf\xE9.wav,x\n", 1, "line 2"),
        (b"", 1, "an empty file"),
    ];
    for (number, (text, code, says)) in cases.iter().enumerate() {
        fs::write(corpus.path("c.csv"), text).unwrap();
        let run = corpus.homonym(&format!("extract c.csv --out store{number}"));
        let told = common::told(&run);
        assert_eq!(run.status.code(), Some(*code), "{told}");
        assert!(told.contains(says), "{told}");
    }
}
