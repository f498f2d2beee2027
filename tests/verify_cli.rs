//! `homonym verify` on sound and damaged files: of every format, every flipped bit and every cut is noticed or harmless,
//! which means that the file reads as before.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use homonym::audio::AudioInfo;
use homonym::catalogue::table::Table;
use homonym::disambiguate::{Calibration, Labels, calibrate, read_decisions};
use homonym::eval::protocols::Options;
use homonym::extract::{Extraction, Sink};
use homonym::frontend::Recipe;
use homonym::linear::{self, LinearMap, fit, method};
use homonym::matrix::Matrix;
use homonym::models::{
    Arithmetic, FORMAT, HeadSpec, Header, MetricCnnSpec, Model, NetworkSpec, Standardisation, TrackMap, TrackVector,
};
use homonym::store::embeddings::{Embeddings, Origin};
use homonym::store::{Precision, Spec, Store, npy};
use homonym::{Error, Result};

/// A prime step through long files.
const STEP: usize = 97;

/// Damages the file `path` in every way: each of its bits flipped, and each length it can be cut to; where it is longer than
/// `every` bytes, one bit of each byte and each length up to there, and of every 97th behind. `read` must fail or give what
/// it gave before.
fn damage<T: PartialEq>(path: &Path, every: usize, read: impl Fn() -> Result<T>) {
    let sound = fs::read(path).unwrap();
    let whole = read().unwrap();
    let mut passed = 0;
    let mut check = |bytes: &[u8], what: &str| {
        fs::write(path, bytes).unwrap();
        match read() {
            Ok(value) if value == whole => passed += 1,
            Ok(_) => panic!("{}: {what} passes and changes what it holds", path.display()),
            Err(error) => says_what_and_where(&error, what),
        }
    };
    let places = || (0..sound.len()).filter(|place| *place < every || place % STEP == 0);
    let mut bytes = sound.clone();
    for place in places() {
        for bit in if sound.len() <= every { 0..8 } else { place % 8..place % 8 + 1 } {
            bytes[place] ^= 1 << bit;
            check(&bytes, &format!("bit {bit} of byte {place}"));
            bytes[place] = sound[place];
        }
    }
    places().for_each(|length| check(&sound[..length], &format!("the first {length} bytes")));
    fs::write(path, &sound).unwrap();
    println!("{}: {} bytes, {passed} changes harmless, the others refused", path.display(), sound.len());
}

fn says_what_and_where(error: &Error, what: &str) {
    match error {
        Error::Input { subject, expected, found, advice } => {
            assert!([subject, expected, found, advice].iter().all(|part| !part.is_empty()), "{what}: {error}");
        }
        Error::Io { .. } => {}
        other => panic!("{what}: {other}"),
    }
}

/// Frames made up from the length of a name.
fn frames_of(path: &Path, sink: &mut Sink<'_>) -> Result<AudioInfo> {
    let rows = path.file_stem().unwrap().len();
    (0..rows).try_for_each(|row| sink(&[row as f32, 0.5]))?;
    Ok(AudioInfo { seconds: rows as f64, ..AudioInfo::default() })
}

/// A store of three tracks, one of which failed.
fn store(folder: &Path) -> PathBuf {
    let catalogue = folder.join("c.csv");
    fs::write(&catalogue, "path,artist\na.wav,x\nbbb.wav,\"y, z\"\ncc.wav,\n").unwrap();
    let spec = Spec { recipe: Recipe { bands: 2, ..Recipe::default() }, precision: Precision::F16 };
    let out = folder.join("store");
    Extraction { catalogue, out: out.clone(), spec, force: false, report: None }.run_with(frames_of, &()).unwrap();
    out
}

#[test]
fn stores() {
    let folder = tempfile::tempdir().unwrap();
    let out = store(folder.path());
    let read = || {
        let store = Store::open(&out)?;
        store.verify(&())?;
        if !store.is_complete() {
            return Err(Error::file(&out, "all tracks", store.len(), "run extract again"));
        }
        let frames = (0..store.len()).map(|track| {
            let frames = store.frames(track)?;
            let mut values = vec![0.0; frames.len() * store.bands()];
            frames.copy_to(&mut values);
            Ok((values, store.seconds(track).to_bits()))
        });
        let frames = frames.collect::<Result<Vec<_>>>()?;
        Ok((frames, store.table()?.clone(), store.catalogue().to_path_buf(), store.recipe().clone(), store.failed()))
    };
    for name in ["store.json", "frames.bin", "blocks.bin", "index.bin", "tracks.csv"] {
        damage(&out.join(name), usize::MAX, read);
    }
}

#[test]
fn models() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let network = NetworkSpec::MetricCnn(MetricCnnSpec { dims: 1, ..MetricCnnSpec::default() });
    let front_end = Recipe { bands: 18, ..Recipe::default() };
    let header = Header {
        format: FORMAT,
        network: network.clone(),
        front_end,
        frames: 18,
        track: TrackVector::default(),
        notions: Vec::new(),
        head: Some(HeadSpec::Pair { hidden: 2 }),
        kinds: None,
        step: 7,
        training: serde_json::json!({ "config": { "steps": 7 }, "loss": 0.1 }),
    };
    let input = Standardisation::identity(18);
    let built = network.build(18, 18, input.clone()).unwrap();
    let (params, output) = (built.params().initial(1), TrackMap::identity(1));
    let head = HeadSpec::Pair { hidden: 2 }.params(1).initial(2);
    Model { header, input, output, params, head, arithmetic: Arithmetic::F32 }
        .save(&path, &[("more", &[1.0])])
        .unwrap();
    Model::verify(&path).unwrap();
    damage(&path, 2048, || Model::open(&path));
}

/// A map of three values to two.
fn map(folder: &Path) -> PathBuf {
    let path = folder.join("map.safetensors");
    let points = Matrix::new(4, 3, vec![0.0, 1.0, 2.0, 3.0, 5.0, 4.0, 7.0, 7.0, 1.0, 2.0, 8.0, 3.0]);
    let options = linear::Options { dims: Some(2), ..linear::Options::default() };
    fit(method("pca").unwrap(), &points, None, &options, &()).unwrap().0.save(&path).unwrap();
    path
}

#[test]
fn maps() {
    let folder = tempfile::tempdir().unwrap();
    let path = map(folder.path());
    LinearMap::verify(&path).unwrap();
    damage(&path, usize::MAX, || LinearMap::open(&path));
}

#[test]
fn embeddings() {
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("v1.2");
    let rows = ["a.ogg", "b\n.ogg"].map(|path| vec![path.to_owned(), "x".to_owned()]).to_vec();
    let table = Table { columns: vec!["path".into(), "artist".into()], rows };
    let rest = serde_json::Map::from_iter([("segments".to_owned(), 10.into())]);
    let origin = Origin { model: "m1".into(), frontend: "f1".into(), rest };
    let points = Matrix::new(2, 2, vec![1.0, 0.0, 0.6, 0.8]);
    Embeddings { points, table, origin: Some(origin) }.write(&prefix).unwrap();
    for ending in ["npy", "csv", "json"] {
        let file = folder.path().join(format!("v1.2.{ending}"));
        damage(&file, usize::MAX, || Embeddings::verify(&prefix).and_then(|()| Embeddings::open(&prefix)));
    }
}

#[test]
fn calibrations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.json");
    // Six artists of four tracks each, loosely around places of their own.
    let place = |track: usize| [(track % 6) as f32 + 0.1 * (track as f32).sin(), (track as f32 * 0.7).cos()];
    let table = Table {
        columns: vec!["artist".to_owned()],
        rows: (0..24).map(|track| vec![format!("artist {}", track % 6)]).collect(),
    };
    let points = Matrix::new(24, 2, (0..24).flat_map(place).collect());
    let embeddings = Embeddings { points, table, origin: None };
    let options = Options { folds: 2, repeats: 2, ..Options::default() };
    calibrate(&embeddings, &options, &()).unwrap().write(&path).unwrap();
    damage(&path, 2048, || Calibration::verify(&path).and_then(|()| Calibration::open(&path)));
}

/// Formats without a checksum: nothing panics, and what cannot be read says why. Their values are not guarded.
#[test]
fn texts_and_matrices() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let labels = write("l.csv", b"track_id,name,cluster,confidence\na,\"n, m\",1,0.5\nb,n,2,1\n");
    damage(&labels, usize::MAX, || Labels::read(&labels).and_then(|labels| labels.check(&labels_path(&folder))));
    let decisions = write("d.jsonl", b"{\"decision\":\"lock\",\"name\":\"n\",\"clusters\":[[\"a\"],[\"b\"]]}\n");
    damage(&decisions, usize::MAX, || read_decisions(&decisions).map(drop));
    let table = write("t.jsonl", b"{\"path\":\"a\",\"year\":1999}\n");
    damage(&table, usize::MAX, || Table::read(&table).map(drop));
    let matrix = folder.path().join("x.npy");
    npy::write(&matrix, &Matrix::new(2, 2, vec![1.0f32, 0.5, -1.0, 3.0])).unwrap();
    // The shape is guarded by the length, values are not.
    damage(&matrix, usize::MAX, || npy::read::<f32>(&matrix).map(|matrix| matrix.data.len()));
}

fn labels_path(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("l.csv")
}

fn verify(path: &Path) -> (Option<i32>, String) {
    let output = common::homonym(path.parent().unwrap(), "verify").arg(path).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn the_command_knows_every_kind() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let out = store(folder);
    let sound = |path: &Path, kind: &str| {
        let (code, told) = verify(path);
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains(kind), "{told}");
    };
    let damaged = |path: &Path, says: &str| {
        let (code, told) = verify(path);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(says), "{told}");
    };
    sound(&out, "a feature store");
    let mut frames = fs::read(out.join("frames.bin")).unwrap();
    frames[5] ^= 1;
    fs::write(out.join("frames.bin"), &frames).unwrap();
    damaged(&out, "frames.bin: expected checksum");
    frames[5] ^= 1;
    fs::write(out.join("frames.bin"), &frames).unwrap();
    let index = fs::read(out.join("index.bin")).unwrap();
    fs::write(out.join("index.bin"), &index[..index.len() - 40]).unwrap();
    damaged(&out, "found 2 tracks; run extract again");
    let map = map(folder);
    sound(&map, "a linear map (.safetensors), sound: every value is covered by a checksum");
    let whole = fs::read(&map).unwrap();
    fs::write(&map, &whole[..whole.len() - 3]).unwrap();
    damaged(&map, "a map that `homonym fit` made");
    // Without the checksum, as older versions wrote them.
    let at = whole.windows(10).position(|bytes| bytes == b"\"checksum\"").unwrap();
    fs::write(&map, [&whole[..at], b"\"another1\"", &whole[at + 10..]].concat()).unwrap();
    damaged(&map, "a tensor `checksum`, found none; fit it again");
    LinearMap::open(&map).unwrap();

    for (name, text, kind) in [
        ("l.csv", "track_id,name,cluster\na,n,1\nb,n,2\n", "labels"),
        ("t.tsv", "path\ttitle\na\tb\n", "another table"),
        ("d.jsonl", "{\"decision\":\"skip\",\"name\":\"n\"}\n", "decisions"),
        ("c.toml", "steps = 7\n", "a configuration"),
        (
            "p.toml",
            "catalogue = \"c.csv\"\nseeds = [1]\n[[cells]]\ndataset = \"balanced\"\nsystems = [\"ml\"]\n",
            "plan",
        ),
    ] {
        fs::write(folder.join(name), text).unwrap();
        sound(&folder.join(name), kind);
    }
    for (name, text, says) in [
        ("l.csv", "track_id,name,cluster\na,n,1\na,n,2\n", "\"a\" again in data row 2"),
        ("l.csv", "track_id,name,cluster\na,n,0\n", "cluster 0"),
        ("d.jsonl", "{\"decision\":\"leave\",\"name\":\"n\"}\n", "line 1"),
        ("c.toml", "stepz = 7\n", "stepz"),
        ("c.toml", "margin = 7.0\n", "margin: must be within"),
        ("m.safetensors", "", "a model that homonym trained"),
        ("c.json", "{}", "a calibration"),
        ("x.npy", "", "the header of an .npy file"),
        ("x.bin", "", "something else"),
    ] {
        fs::write(folder.join(name), text).unwrap();
        damaged(&folder.join(name), says);
    }
    damaged(&folder.join("nowhere"), "found nothing");
}
