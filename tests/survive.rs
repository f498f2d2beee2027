//! Killed anywhere, refused twice, told to stop, out of room: the work goes on to the same bytes or says why it cannot.
//! `tools/survive` does the same with many more kills.
#![cfg(all(unix, feature = "cli"))]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use homonym::matrix::Matrix;
use homonym::random::Random;
use homonym::store::npy;

use common::{homonym, told, write_chord};

const KILL: i32 = 9;

fn run(folder: &Path, arguments: &str) -> Output {
    homonym(folder, arguments).output().unwrap()
}

fn spawn(folder: &Path, arguments: &str) -> Child {
    homonym(folder, arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn must(folder: &Path, arguments: &str) {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", told(&output));
}

/// Runs, expects exit code 1 and a message that holds all of `says`.
fn fails(folder: &Path, arguments: &str, says: &[&str]) {
    let output = run(folder, arguments);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{arguments}: {told}");
    assert!(says.iter().all(|says| told.contains(says)), "{arguments}: {told}");
}

/// Music, a store, a model and points to work on.
fn world() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut catalogue = "path,artist\n".to_owned();
    for (artist, track) in (0..60).map(|place| (place / 6, place % 6)) {
        let file = path.join(format!("{artist}-{track}.wav"));
        write_chord(&file, 2, 200.0 * (artist + 1) as f64, artist, track);
        catalogue += &format!("{artist}-{track}.wav,artist {artist}\n");
    }
    fs::write(path.join("c.csv"), catalogue).unwrap();
    let small = "segment = 0.8\n[network]\ndims = 8\n[batch]\nartists = 3\nsamples = 2\n[validation]\nshare = 0.34\nevery = 3\n";
    fs::write(path.join("small.toml"), small).unwrap();
    fs::write(path.join("plan.toml"), PLAN).unwrap();
    must(path, "extract c.csv --out store");
    must(path, "train store --preset paper --config small.toml --steps 0 --out model");
    let mut random = Random::keyed(3, &[]);
    let points = Matrix::new(2500, 4, (0..10_000).map(|_| random.normal()).collect());
    npy::write(&path.join("points.npy"), &points).unwrap();
    folder
}

const PLAN: &str = r#"
catalogue = "c.csv"
folds = 2
name_folds = 2
seeds = [0]
repeats = 1
baselines = ["mel"]
untrained = false
[systems.ml]
preset = "paper"
training = { steps = 3, segment = 0.8, network = { dims = 8 }, batch = { artists = 3, samples = 2 }, validation = { share = 0.0, every = 2 } }
[[cells]]
dataset = "msd-small"
options = { train_tracks = 4, validation_tracks = 2, excerpt = 1.5, seconds = 1.0 }
systems = ["ml"]
artists = [2, 3]
"#;

/// A command that writes below `run/`, and how it goes on.
struct Job {
    name: &'static str,
    command: &'static str,
    resume: &'static str,
}

const JOBS: [Job; 6] = [
    Job { name: "extract", command: "extract c.csv --out run/store", resume: "" },
    Job { name: "replace", command: "extract c.csv --out run/store --force", resume: "" },
    Job {
        name: "train",
        command: "train store --preset paper --config small.toml --steps 8 --out run/m.safetensors",
        resume: "--resume",
    },
    Job { name: "embed", command: "embed store --model model --out run/points", resume: "" },
    Job {
        name: "cluster",
        command: "cluster points.npy --out run/z.npy --clusters 9 --labels run/labels.csv",
        resume: "--resume",
    },
    Job { name: "experiment", command: "experiment plan.toml --out run/experiment", resume: "" },
];

impl Job {
    /// An empty `run/`, or one with the store that is to be replaced.
    fn begin(&self, folder: &Path) -> PathBuf {
        let run = folder.join("run");
        let _ = fs::remove_dir_all(&run);
        fs::create_dir(&run).unwrap();
        if self.name == "replace" {
            must(folder, "extract c.csv --out run/store --precision f32");
        }
        run
    }

    fn again(&self) -> String {
        format!("{} {}", self.command, self.resume)
    }

    /// Runs it to its end after a stop. A training that was killed on its last steps says that it is complete.
    fn go_on(&self, folder: &Path) {
        let output = run(folder, &self.again());
        let complete = output.status.code() == Some(2) && told(&output).contains("is complete");
        assert!(output.status.success() || complete, "{}: {}", self.name, told(&output));
    }
}

/// Every file below a folder, hidden ones too, but for locks and for files that tell how long something took.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_string_lossy().into_owned();
        let parent = folder.file_name().unwrap();
        let timed = ["results.json", "results.csv", "card.json", "report.html"].contains(&name.as_str())
            || name.ends_with(".metrics.jsonl")
            || parent == "cells";
        if entry.is_dir() {
            all.extend(files(&entry));
        } else if name != ".lock" {
            all.insert(entry.clone(), if timed { Vec::new() } else { fs::read(&entry).unwrap() });
        }
    }
    all
}

fn assert_same(found: &BTreeMap<PathBuf, Vec<u8>>, expected: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{what}");
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{what}: {} differs", name.display());
    }
}

/// Sends a signal after a while and waits for the end.
fn stopped(mut child: Child, after: Duration, signal: i32) -> ExitStatus {
    let clock = Instant::now();
    while clock.elapsed() < after {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let _ = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
    child.wait().unwrap()
}

#[test]
fn killed_at_any_moment_it_goes_on_to_the_same_bytes() {
    let world = world();
    let folder = world.path();
    for (number, job) in JOBS.iter().enumerate() {
        let output = job.begin(folder);
        let clock = Instant::now();
        must(folder, job.command);
        let (seconds, whole) = (clock.elapsed().as_secs_f64(), files(&output));
        let mut random = Random::keyed(number as u64, &[]);
        let (mut kills, mut chains) = (0, 0);
        while kills < 12 {
            job.begin(folder);
            for run in 0..3 {
                let arguments = if run == 0 { job.command.to_owned() } else { job.again() };
                let after = Duration::from_secs_f64(random.uniform() * seconds);
                let status = stopped(spawn(folder, &arguments), after, KILL);
                kills += usize::from(status.signal() == Some(KILL));
            }
            job.go_on(folder);
            chains += 1;
            assert_same(&files(&output), &whole, &format!("{}, chain {chains}", job.name));
        }
        println!("{}: {kills} kills in {chains} chains, {seconds:.2} s undisturbed", job.name);
    }
}

#[test]
fn told_to_stop_it_saves_what_it_has_and_exits_with_130() {
    let world = world();
    let folder = world.path();
    for job in &JOBS {
        let output = job.begin(folder);
        let clock = Instant::now();
        must(folder, job.command);
        let (seconds, whole) = (clock.elapsed().as_secs_f64(), files(&output));
        let mut stops = 0;
        for (attempt, signal) in [2, 15].into_iter().cycle().take(20).enumerate() {
            job.begin(folder);
            let after = Duration::from_secs_f64(seconds * (attempt as f64 + 0.5) / 20.0);
            let status = stopped(spawn(folder, job.command), after, signal);
            // Before the handler is there, the signal does what it always did; after the last step, the work is done.
            let early = attempt < 5 && status.signal() == Some(signal);
            assert!(early || matches!(status.code(), Some(0 | 130)), "{} by signal {signal}: {status}", job.name);
            stops += usize::from(status.code() == Some(130));
            job.go_on(folder);
            assert_same(&files(&output), &whole, &format!("{} after signal {signal}", job.name));
        }
        println!("{}: {stops} of 20 were stopped, the others were not yet listening or done", job.name);
    }
}

/// A training run that does not end by itself, once it is at work.
fn endless(folder: &Path) -> Child {
    let settings = fs::read_to_string(folder.join("small.toml")).unwrap().replace("0.34", "0.0");
    fs::write(folder.join("endless.toml"), settings).unwrap();
    let child =
        spawn(folder, "train store --preset paper --config endless.toml --steps 1000000 --out run/m.safetensors");
    let clock = Instant::now();
    while !folder.join("run/m.safetensors").exists() {
        assert!(clock.elapsed() < Duration::from_secs(60), "the training does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn a_second_process_at_the_same_work_is_refused() {
    let world = world();
    let folder = world.path();
    fs::create_dir(folder.join("run")).unwrap();
    let mut first = endless(folder);
    fails(
        folder,
        "train store --preset paper --config small.toml --steps 8 --out run/m.safetensors --force",
        &["m.metrics.jsonl", "another process"],
    );
    first.kill().unwrap();
    first.wait().unwrap();
    let lock = |name: &str| {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(name)).unwrap();
        file.try_lock().unwrap();
        file
    };
    fs::create_dir(folder.join("run/experiment")).unwrap();
    for (held, command, named) in [
        ("store/.lock", "extract c.csv --out store", "store"),
        ("run/.points.npy.tmp", "embed store --model model --out run/points", "points.npy"),
        ("run/.z.npy.tmp", "cluster points.npy --out run/z.npy", "z.npy"),
        ("run/experiment/.lock", "experiment plan.toml --out run/experiment", "experiment"),
    ] {
        let file = lock(held);
        fails(folder, command, &[named, "another process"]);
        drop(file);
        must(folder, command);
    }
}

/// A limit on the size of files ends every write as a full disk does, for everyone and on every file system.
#[test]
fn without_room_it_says_so_and_goes_on_when_there_is_some() {
    let world = world();
    let folder = world.path();
    for job in &JOBS {
        let output = job.begin(folder);
        must(folder, job.command);
        let whole = files(&output);
        // `ulimit -f` counts blocks of 1024 bytes in bash and of 512 in others; either is too few.
        let largest = whole.values().map(Vec::len).max().unwrap() / 1024;
        for limit in [0, 1, largest / 3, largest / 2].into_iter().filter(|&limit| limit == 0 || limit < largest) {
            job.begin(folder);
            let before = files(&output);
            let limited = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" \"$@\"");
            let homonym = env!("CARGO_BIN_EXE_homonym");
            let mut shell = Command::new("sh");
            let shell = shell.current_dir(folder).args(["-c", &limited, homonym]).args(job.command.split_whitespace());
            let ended = shell.output().unwrap();
            // An experiment goes on without the cells that fail.
            let code = ended.status.code();
            assert!(code == Some(1) || job.name == "experiment" && code == Some(3), "{}: {}", job.name, told(&ended));
            assert!(told(&ended).contains("File too large"), "{} with {limit} KiB: {}", job.name, told(&ended));
            if job.name == "replace" {
                assert_same(&files(&output), &before, "the store before");
            }
            job.go_on(folder);
            assert_same(&files(&output), &whole, &format!("{} with {limit} KiB, then room", job.name));
        }
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named_before_the_work() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = world();
    let folder = world.path();
    let closed = folder.join("run");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("probe"), "").is_ok() {
        println!("skipped: folders that cannot be written: this user writes everywhere (tools/survive mounts one)");
        return;
    }
    for job in JOBS.iter().filter(|job| job.name != "replace") {
        fails(folder, job.command, &["run", "Permission denied"]);
        assert_eq!(fs::read_dir(&closed).unwrap().count(), 0, "{}", job.name);
    }
}

#[test]
fn a_store_that_is_cut_short_under_a_reader_is_named() {
    let world = world();
    let folder = world.path();
    fs::create_dir(folder.join("run")).unwrap();
    let reader = endless(folder);
    fs::OpenOptions::new().write(true).open(folder.join("store/frames.bin")).unwrap().set_len(0).unwrap();
    let output = reader.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains("store/frames.bin") && told(&output).contains("SIGBUS"), "{}", told(&output));
    fails(folder, "embed store --model model --out run/points", &["frames.bin", "bytes, as the index says"]);
}
