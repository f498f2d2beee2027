//! The feature store under good and bad fortune: round trips, stops, damage, growth.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use homonym::audio::AudioInfo;
use homonym::extract::{Extraction, Sink, Summary};
use homonym::frontend::Recipe;
use homonym::random::Random;
use homonym::store::{Encoder, Precision, Spec, Store, Writer};
use homonym::{Error, Monitor, Result};

const BANDS: usize = 8;

/// Catalogue, store and a front end that makes frames up from the name of a file.
struct World {
    folder: tempfile::TempDir,
    extraction: Extraction,
}

impl World {
    fn new(rows: &[&str], precision: Precision) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spec = Spec { recipe: Recipe { bands: BANDS, ..Recipe::default() }, precision };
        let catalogue = folder.path().join("catalogue.csv");
        let out = folder.path().join("store");
        let world = Self { folder, extraction: Extraction { catalogue, out, spec, force: false, report: None } };
        world.list("path,artist,note", rows);
        world
    }

    fn list(&self, header: &str, rows: &[&str]) {
        fs::write(&self.extraction.catalogue, format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    }

    fn out(&self) -> &Path {
        &self.extraction.out
    }

    fn run(&self) -> Result<Summary> {
        self.extraction.run_with(frames_of, &())
    }

    fn store(&self) -> Store {
        Store::open(self.out()).unwrap()
    }

    fn copy_to(&self, name: &str) -> Extraction {
        let out = self.folder.path().join(name);
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).unwrap();
        for (file, bytes) in files(self.out()) {
            fs::write(out.join(file), bytes).unwrap();
        }
        Extraction { out, ..self.extraction.clone() }
    }
}

/// Rows of the catalogue `000`, `001`, …; the numbers say how long the tracks are.
fn rows(count: usize) -> Vec<String> {
    (0..count).map(|track| format!("{track:03}.wav,artist {},\"a, \"\"b\"\"\nc\"", track % 3)).collect()
}

fn borrowed(rows: &[String]) -> Vec<&str> {
    rows.iter().map(String::as_str).collect()
}

/// The frames of the track in `path`; every fourth track has more than one block.
fn frames(path: &Path) -> Vec<f32> {
    let number: u64 = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let mut random = Random::keyed(number, &[]);
    let count = 1 + random.below(50) + if number % 4 == 1 { 5000 } else { 0 };
    (0..count * BANDS).map(|_| (random.uniform() * 100.0) as f32).collect()
}

fn frames_of(path: &Path, sink: &mut Sink<'_>) -> Result<AudioInfo> {
    if path.to_string_lossy().contains("bad") {
        return Err(Error::file(path, "audio", "noise", "leave it out"));
    }
    assert!(!path.to_string_lossy().contains("panic"), "a decoder with a bug");
    let frames = frames(path);
    for piece in frames.chunks(3 * BANDS) {
        sink(piece)?;
    }
    Ok(AudioInfo { seconds: frames.len() as f64 / 100.0, ..AudioInfo::default() })
}

/// The files of a store by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()));
    named.filter(|(name, _)| !name.starts_with('.')).collect()
}

fn stored(store: &Store, track: usize) -> Vec<f32> {
    let frames = store.frames(track).unwrap();
    let mut out = vec![0.0; frames.len() * BANDS];
    frames.copy_to(&mut out);
    out
}

#[test]
fn frames_come_back_as_they_went_in() {
    let rows = rows(10);
    for precision in [Precision::F16, Precision::F32] {
        let world = World::new(&borrowed(&rows), precision);
        let summary = world.run().unwrap();
        let store = world.store();
        assert_eq!((store.len(), store.bands(), store.is_complete()), (10, BANDS, true));
        for track in 0..10 {
            let expected = frames(Path::new(&format!("{track:03}.wav")));
            assert_eq!(store.rows(track) * BANDS, expected.len());
            for (found, expected) in stored(&store, track).into_iter().zip(expected) {
                match precision {
                    Precision::F32 => assert_eq!(found, expected),
                    Precision::F16 => assert!((found - expected).abs() <= expected * 4.9e-4 + 1e-7),
                }
            }
        }
        let slice = store.frames(1).unwrap().slice(4090..4100);
        let mut part = vec![0.0; 10 * BANDS];
        slice.copy_to(&mut part);
        assert_eq!(part, stored(&store, 1)[4090 * BANDS..4100 * BANDS]);
        assert_eq!(summary.frames as usize, (0..10).map(|track| store.rows(track)).sum::<usize>());
        assert_eq!(store.table().unwrap().rows[3][2], "a, \"b\"\nc");
        store.verify(&()).unwrap();
    }
}

#[test]
fn loud_values_saturate_and_broken_ones_are_refused() {
    let spec = Spec { recipe: Recipe { bands: 2, ..Recipe::default() }, precision: Precision::F16 };
    let folder = tempfile::tempdir().unwrap();
    let columns = ["path".to_owned()];
    let (mut writer, _) = Writer::open(folder.path(), &spec, Path::new("c.csv"), &columns, &()).unwrap();
    let mut encoder = Encoder::new(&spec, folder.path());
    encoder.push(&[1e9, 65504.0, 65519.9, -1e9]).unwrap();
    writer.push(encoder.finish().unwrap(), &["a".into()], 1.0).unwrap();
    writer.finish(&[]).unwrap();
    let mut out = [0.0; 4];
    Store::open(folder.path()).unwrap().frames(0).unwrap().copy_to(&mut out);
    assert_eq!(out, [65504.0, 65504.0, 65504.0, -65504.0]);

    let encoder = || Encoder::new(&spec, folder.path());
    assert!(encoder().push(&[1.0, f32::NAN]).unwrap_err().to_string().contains("NaN"));
    assert!(encoder().push(&[1.0, f32::INFINITY]).is_err());
    assert!(encoder().push(&[1.0]).is_err(), "half a frame");
    assert!(encoder().finish().is_err(), "no frame");
}

/// NumPy reads these files by the description in `homonym::store`; here are its numbers, byte by byte.
#[test]
fn the_layout_is_the_documented_one() {
    let spec = Spec { recipe: Recipe { bands: 2, ..Recipe::default() }, precision: Precision::F16 };
    let folder = tempfile::tempdir().unwrap();
    let columns = ["path".to_owned(), "artist".to_owned()];
    let (mut writer, _) = Writer::open(folder.path(), &spec, Path::new("c.csv"), &columns, &()).unwrap();
    for (name, rows) in [("a", 4097), ("b", 1)] {
        let mut encoder = Encoder::new(&spec, folder.path());
        encoder.push(&[1.0, -2.0].repeat(rows)).unwrap();
        writer.push(encoder.finish().unwrap(), &[name.into(), "x".into()], rows as f64 / 2.0).unwrap();
    }
    writer.finish(&[]).unwrap();
    let files = files(folder.path());

    let frame = [0x00, 0x3c, 0x00, 0xc0]; // 1 and -2 in half precision
    assert_eq!(files["frames.bin"], frame.repeat(4098));
    let block = crc32fast::hash(&frame.repeat(4096));
    let single = crc32fast::hash(&frame);
    assert_eq!(files["blocks.bin"], [block, single, single].map(u32::to_le_bytes).concat());
    assert_eq!(files["tracks.csv"], b"path,artist\na,x\nb,x\n");

    let index = &files["index.bin"];
    let sealed = |content: Vec<u8>| [content.clone(), crc32fast::hash(&content).to_le_bytes().to_vec()].concat();
    let numbers = [1, 2, 2, 4096, crc32fast::hash(spec.recipe.hash().as_bytes()), 0, 0].map(u32::to_le_bytes);
    assert_eq!(index[..40], sealed([b"homostor".to_vec(), numbers.concat()].concat()));
    let record = |first_row: u64, rows: u64, first_block: u64, key: &str| {
        let seconds = (rows as f64 / 2.0).to_le_bytes();
        let places = [first_row, rows, first_block].map(u64::to_le_bytes).concat();
        let key = crc32fast::hash(key.as_bytes()).to_le_bytes();
        sealed([places, seconds.to_vec(), key.to_vec()].concat())
    };
    assert_eq!(index[40..80], record(0, 4097, 0, "a"));
    assert_eq!(index[80..], record(4097, 1, 2, "b"));
}

#[test]
fn bytes_do_not_depend_on_the_thread_count() {
    let mut rows = rows(30);
    rows.insert(7, "bad.wav,x,".into());
    let bytes = [1, 2, 8].map(|threads| {
        let world = World::new(&borrowed(&rows), Precision::F16);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| world.run()).unwrap();
        let mut files = files(world.out());
        for name in ["store.json", "failures.csv"] {
            // They name the temporary folder of this run.
            let text = String::from_utf8(files[name].clone()).unwrap();
            let text = text.replace(world.folder.path().to_str().unwrap(), "");
            let lines = text.lines().filter(|line| !line.contains("\"crc32\"")); // of the folder's name, too
            files.insert(name.into(), lines.collect::<Vec<_>>().join("\n").into_bytes());
        }
        files
    });
    assert_eq!(bytes[0].len(), 6);
    assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2]);
}

/// Asks to stop after some tracks.
struct StopAfter(AtomicUsize);

impl Monitor for StopAfter {
    fn advance(&self, _: u64) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
    }
    fn interrupted(&self) -> bool {
        self.0.load(Ordering::SeqCst) == 0
    }
}

#[test]
fn an_interrupted_store_opens_and_continues_to_the_same_bytes() {
    let rows = rows(20);
    let world = World::new(&borrowed(&rows), Precision::F16);
    world.run().unwrap();
    let whole = files(world.out());
    for stop in [0, 1, 5, 12] {
        fs::remove_dir_all(world.out()).unwrap();
        let outcome = world.extraction.run_with(frames_of, &StopAfter(AtomicUsize::new(stop)));
        assert!(matches!(outcome, Err(Error::Interrupted(_))), "{outcome:?}");
        let store = world.store();
        assert!(!store.is_complete() && store.len() >= stop && store.len() < 20);
        assert_eq!(store.planned(), 20);
        store.verify(&()).unwrap();
        let held = store.len();
        assert_eq!(world.run().unwrap().added, 20 - held);
        assert!(files(world.out()) == whole, "stopped after {stop}");
    }
}

#[test]
fn a_store_cut_anywhere_is_repaired_to_the_same_bytes() {
    let rows = rows(12);
    let world = World::new(&borrowed(&rows), Precision::F32);
    world.run().unwrap();
    let whole = files(world.out());
    let mut random = Random::keyed(11, &[]);
    for name in ["frames.bin", "blocks.bin", "index.bin", "tracks.csv"] {
        let length = whole[name].len();
        for keep in (0..25).map(|_| random.below(length)).chain([0, length - 1]) {
            let broken = world.copy_to("broken");
            fs::write(broken.out.join(name), &whole[name][..keep]).unwrap();
            let opened = Store::open(&broken.out).and_then(|store| store.table().map(|_| store.is_complete()));
            match opened {
                Ok(complete) => assert!(name == "index.bin" && !complete, "{name} cut to {keep} bytes opens"),
                Err(error) => assert!(error.to_string().contains(name), "{error}"),
            }
            broken.run_with(frames_of, &()).unwrap();
            assert!(files(&broken.out) == whole, "{name} cut to {keep} bytes");
        }
    }
}

/// A crash may leave behind the committed tracks what was written of the next one, and zeros where a page was lost.
#[test]
fn what_is_not_committed_is_cut_off() {
    let rows = rows(12);
    let world = World::new(&borrowed(&rows), Precision::F16);
    world.run().unwrap();
    let whole = files(world.out());
    let garbage = [[0; 100].as_slice(), b"012.wav,arti", b"x,y,\"z\n", &[0xff; 7]];
    for name in ["frames.bin", "blocks.bin", "index.bin", "tracks.csv"] {
        for garbage in garbage {
            let broken = world.copy_to("broken");
            fs::write(broken.out.join(name), [&whole[name], garbage].concat()).unwrap();
            let verified = Store::open(&broken.out).unwrap().verify(&());
            match name {
                // Its checksum is that of the whole file.
                "tracks.csv" => assert!(verified.unwrap_err().to_string().contains(name)),
                _ => verified.unwrap(),
            }
            broken.run_with(frames_of, &()).unwrap();
            assert!(files(&broken.out) == whole, "{name} with {garbage:?}");
        }
    }
}

#[test]
fn verify_finds_every_flipped_byte() {
    let rows = rows(6);
    let world = World::new(&borrowed(&rows), Precision::F16);
    world.run().unwrap();
    let mut random = Random::keyed(5, &[]);
    for name in ["frames.bin", "blocks.bin", "index.bin"] {
        for _ in 0..15 {
            let broken = world.copy_to("broken");
            let path = broken.out.join(name);
            let mut bytes = fs::read(&path).unwrap();
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
            fs::write(&path, bytes).unwrap();
            let found = Store::open(&broken.out).and_then(|store| {
                // A damaged last record looks like a stop before it, and the store says so.
                if store.is_complete() { store.verify(&()) } else { Err(Error::Failed("index.bin".into())) }
            });
            let message = found.expect_err("damage").to_string();
            assert!(message.contains(name) || name == "blocks.bin" && message.contains("frames.bin"), "{message}");
        }
    }
}

#[test]
fn new_rows_are_appended_and_old_ones_updated() {
    let rows = rows(9);
    let world = World::new(&borrowed(&rows[..5]), Precision::F16);
    world.run().unwrap();
    world.list("path,artist,note", &borrowed(&rows));
    let plan = world.extraction.plan().unwrap();
    assert_eq!((plan.listed, plan.stored, plan.to_extract, plan.missing.len()), (9, 5, 4, 4));
    assert_eq!(world.run().unwrap().added, 4);
    let appended = files(world.out());
    fs::remove_dir_all(world.out()).unwrap();
    world.run().unwrap();
    assert!(appended == files(world.out()), "appending gives the store of the whole catalogue");

    let renamed: Vec<String> = rows.iter().map(|row| row.replace("artist 1", "someone else")).collect();
    world.list("path,artist,note", &borrowed(&renamed));
    assert_eq!(world.run().unwrap().added, 0);
    assert_eq!(world.store().table().unwrap().rows[1][1], "someone else");
    world.store().verify(&()).unwrap();

    world.list("path,artist", &["000.wav,x"]);
    assert!(world.run().unwrap_err().to_string().contains("001.wav"), "other columns need all tracks");
    world.list("path,artist,track_id", &["000.wav,x,7"]);
    assert!(world.run().unwrap_err().to_string().contains("track_id"));
}

#[test]
fn failures_are_listed_and_tried_again() {
    let world = World::new(&["000.wav,x,", "bad.wav,x,", "panic.wav,,", "001.wav,x,"], Precision::F16);
    let summary = world.run().unwrap();
    assert_eq!((summary.tracks, summary.failed.len(), summary.without_artist), (2, 2, 1));
    assert!(summary.failed[0].error.contains("leave it out") && summary.failed[1].error.contains("panic"));
    assert!(fs::read_to_string(world.out().join("failures.csv")).unwrap().starts_with("path,error\nbad.wav,"));
    assert!(world.store().is_complete() && world.store().failed() == 2);
    let good = |path: &Path, sink: &mut Sink<'_>| {
        let name = path.to_string_lossy().replace("bad", "002").replace("panic", "003");
        frames_of(Path::new(&name), sink)
    };
    assert_eq!(world.extraction.run_with(good, &()).unwrap().added, 2);
    assert!(!world.out().join("failures.csv").exists());
    assert_eq!(world.store().failed(), 0);
    assert_eq!(world.store().table().unwrap().rows[2][0], "bad.wav");
}

#[test]
fn doubtful_catalogues_are_refused() {
    let world = World::new(&["000.wav,x,", "001.wav,x,", "000.wav,y,"], Precision::F16);
    assert!(world.run().unwrap_err().to_string().contains("rows 1 and 3"));
    world.list("path,artist,track_id", &["000.wav,x,1", "001.wav,x,1"]);
    assert!(world.run().unwrap_err().to_string().contains("rows 1 and 2"));
    world.list("path,artist", &["000.wav,x", ",y"]);
    assert!(world.run().unwrap_err().to_string().contains("row 2"));
    for (header, missing) in [("file,artist", "path"), ("path,name", "artist")] {
        world.list(header, &["000.wav,x"]);
        assert!(world.run().unwrap_err().to_string().contains(&format!("a column \"{missing}\"")));
    }
    assert!(!world.out().exists());
}

#[test]
fn other_recipes_other_writers_and_other_folders_are_refused() {
    let rows = rows(3);
    let world = World::new(&borrowed(&rows), Precision::F16);
    world.run().unwrap();
    let mut other = world.extraction.clone();
    other.spec.precision = Precision::F32;
    assert!(other.run_with(frames_of, &()).unwrap_err().to_string().contains("--force"));
    other.spec = Spec { recipe: Recipe { bands: 4, ..Recipe::default() }, ..world.extraction.spec.clone() };
    assert!(other.run_with(frames_of, &()).unwrap_err().to_string().contains(&other.spec.recipe.hash()));

    let columns = ["path", "artist", "note"].map(str::to_owned);
    let catalogue = &world.extraction.catalogue;
    let writer = Writer::open(world.out(), &world.extraction.spec, catalogue, &columns, &()).unwrap();
    assert!(world.run().unwrap_err().to_string().contains("another process"));
    drop(writer);
    world.run().unwrap();

    let foreign = Extraction { out: world.folder.path().to_path_buf(), ..world.extraction.clone() };
    assert!(foreign.run_with(frames_of, &()).unwrap_err().to_string().contains("empty folder"));
    let forced = Extraction { force: true, ..foreign };
    assert!(forced.run_with(frames_of, &()).unwrap_err().to_string().contains("nothing but a store"));
    assert!(catalogue.exists());
}

#[test]
fn force_replaces_the_store_only_when_the_new_one_is_complete() {
    let rows = rows(8);
    let world = World::new(&borrowed(&rows), Precision::F16);
    world.run().unwrap();
    let old = files(world.out());
    let mut forced = Extraction { force: true, ..world.extraction.clone() };
    forced.spec.precision = Precision::F32;
    let outcome = forced.run_with(frames_of, &StopAfter(AtomicUsize::new(3)));
    assert!(outcome.unwrap_err().to_string().contains("as it was"));
    assert!(files(world.out()) == old);
    assert_eq!(forced.run_with(frames_of, &()).unwrap().added, 8);
    assert_eq!(world.store().precision(), Precision::F32);
    world.store().verify(&()).unwrap();
    let left: Vec<PathBuf> = fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn damaged_heads_are_refused_by_name() {
    let rows = rows(3);
    let world = World::new(&borrowed(&rows), Precision::F16);
    world.run().unwrap();
    let manifest = String::from_utf8(files(world.out())["store.json"].clone()).unwrap();
    let refused = |name: &str, bytes: &[u8], says: &str| {
        let broken = world.copy_to("broken");
        fs::write(broken.out.join(name), bytes).unwrap();
        for outcome in [Store::open(&broken.out).map(drop), broken.run_with(frames_of, &()).map(drop)] {
            let message = outcome.expect_err(says).to_string();
            assert!(message.contains(name) && message.contains(says), "{message}");
        }
    };
    let index = files(world.out())["index.bin"].clone();
    refused("index.bin", &[b"notstore", &index[8..]].concat(), "notstore");
    refused("index.bin", &[&index[..8], &[2], &index[9..]].concat(), "version 2");
    refused("index.bin", &[&index[..12], &[99], &index[13..]].concat(), "byte 12");
    refused("store.json", b"{}", "no \"format\"");
    refused("store.json", b"", "EOF");
    refused("store.json", manifest.replace("store/1", "store/2").as_bytes(), "homonym.store/2");
    refused("store.json", manifest.replace("\"bands\": 8", "\"bands\": 9").as_bytes(), "hash");

    let torn = b"path,artist,note\n000.wav,x\n001.wav,y,z\n002.wav,y,z\n";
    let broken = world.copy_to("broken");
    fs::write(broken.out.join("tracks.csv"), torn).unwrap();
    let message = broken.run_with(frames_of, &()).unwrap_err().to_string();
    assert!(message.contains("data row 1"), "an editor's slip costs no features: {message}");

    let moved = String::from_utf8(files(world.out())["tracks.csv"].clone()).unwrap().replace("001.wav", "009.wav");
    let broken = world.copy_to("broken");
    fs::write(broken.out.join("tracks.csv"), moved).unwrap();
    let message = Store::open(&broken.out).unwrap().verify(&()).unwrap_err().to_string();
    assert!(message.contains("tracks.csv") && message.contains("009.wav"), "{message}");
}

#[test]
fn long_tracks_wait_on_the_disk() {
    let spec = Spec { recipe: Recipe { bands: 128, ..Recipe::default() }, precision: Precision::F32 };
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = Writer::open(folder.path(), &spec, Path::new("c.csv"), &["path".to_owned()], &()).unwrap();
    let mut encoder = Encoder::new(&spec, folder.path());
    let rows = 70_000; // 36 MB
    for row in 0..rows {
        encoder.push(&[row as f32; 128]).unwrap();
    }
    writer.push(encoder.finish().unwrap(), &["a".into()], 1.0).unwrap();
    writer.finish(&[]).unwrap();
    let store = Store::open(folder.path()).unwrap();
    store.verify(&()).unwrap();
    let mut out = vec![0.0; rows * 128];
    store.frames(0).unwrap().copy_to(&mut out);
    assert!(out.chunks(128).enumerate().all(|(row, values)| values.iter().all(|&value| value == row as f32)));
}

/// A million tracks of one frame: opening must not look at each of them.
#[test]
fn a_million_tracks_open_in_milliseconds() {
    let spec = Spec { recipe: Recipe { bands: 1, ..Recipe::default() }, precision: Precision::F16 };
    let folder = tempfile::tempdir().unwrap();
    let (mut writer, _) = Writer::open(folder.path(), &spec, Path::new("c.csv"), &["path".to_owned()], &()).unwrap();
    for track in 0..1_000_000 {
        let mut encoder = Encoder::new(&spec, folder.path());
        encoder.push(&[1.0]).unwrap();
        writer.push(encoder.finish().unwrap(), &[format!("{track}.wav")], 1.0).unwrap();
    }
    writer.finish(&[]).unwrap();
    let begin = std::time::Instant::now();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!((store.len(), store.frames(999_999).unwrap().len()), (1_000_000, 1));
    let opened = begin.elapsed();
    println!("opened a million tracks in {opened:?}");
    assert!(opened.as_millis() < 50, "{opened:?}");
}
