#!/usr/bin/env python3
"""Takes the power away from homonym, fills its disk, forbids it to write and runs it twice at once, and compares what it
ends with to an undisturbed run, byte for byte. Standard library only; Linux.

    survive.py kill     --homonym target/release/homonym --work DIR [--kills 200] [--seed 1] [--jobs extract,train,...]
    survive.py full     ...   a tmpfs that is too small, then large enough (needs root, to mount)
    survive.py readonly ...   a file system that cannot be written (needs root, to mount)
    survive.py twice    ...   two processes at the same work

The work is small (a fraction of a second of CPU each), on music that is made in DIR first: chords in noise.
"""

import argparse
import array
import csv
import json
import math
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
import wave
from pathlib import Path

# The checksum of a cell is one of its times, too.
TIMES = {"train_seconds", "train_minutes", "training_minutes", "seconds", "samples_per_s", "minutes", "done_before", "crc32"}

TRAINING = """segment = 1.5
[network]
dims = 16
[batch]
artists = 6
samples = 2
[validation]
share = 0.2
every = 4
"""

EXPERIMENT = """catalogue = "../music/catalogue.csv"
folds = 2
name_folds = 2
seeds = [0]
repeats = 1
baselines = ["mel"]
untrained = false
training = { steps = 5, validation = { share = 0.0, every = 2 } }
[systems.ml]
preset = "paper"
training = { segment = 1.5, network = { dims = 8 }, batch = { artists = 4, samples = 2 } }
[[cells]]
dataset = "msd-small"
options = { train_tracks = 4, validation_tracks = 2, excerpt = 3.0 }
systems = ["ml"]
artists = [3, 4]
"""


class Job:
    """A command, how it goes on after a stop, and what it writes below `run/`."""

    def __init__(self, command, go_on=None, before=None):
        self.command, self.before = command.split(), before
        self.go_on = go_on.split() if go_on else self.command


JOBS = {
    "extract": Job("extract input/music/catalogue.csv --out run/store"),
    "replace": Job("extract input/music/catalogue.csv --out run/store --force", before="input/old"),
    "train": Job(
        "train input/store --preset paper --config input/train.toml --steps 14 --out run/m.safetensors",
        "train input/store --preset paper --config input/train.toml --steps 14 --out run/m.safetensors --resume",
    ),
    "embed": Job("embed input/store --model input/m.safetensors --out run/points"),
    "cluster": Job(
        "cluster input/points.npy --out run/z.npy --clusters 40 --labels run/labels.csv",
        "cluster input/points.npy --out run/z.npy --clusters 40 --labels run/labels.csv --resume",
    ),
    "experiment": Job("experiment input/plans/small.toml --out run/experiment"),
}


class Bench:
    """The folder of the work."""

    def __init__(self, options):
        self.homonym, self.work = str(Path(options.homonym).resolve()), Path(options.work).resolve()
        self.run_folder = self.work / "run"
        self.make_input()

    def homonym_do(self, arguments, **more):
        return subprocess.run([self.homonym, *arguments], cwd=self.work, capture_output=True, text=True, **more)

    def must(self, arguments):
        done = self.homonym_do(arguments)
        if done.returncode != 0:
            sys.exit(f"{' '.join(arguments)}: exit code {done.returncode}: {done.stderr}")

    def make_input(self):
        folder = self.work / "input"
        if (folder / "ready").exists():
            return
        (folder / "plans").mkdir(parents=True, exist_ok=True)
        write_music(folder / "music")
        (folder / "train.toml").write_text(TRAINING)
        (folder / "plans/small.toml").write_text(EXPERIMENT)
        self.must(["extract", "input/music/catalogue.csv", "--out", "input/store"])
        self.must(["extract", "input/music/catalogue.csv", "--out", "input/old", "--precision", "f32"])
        train = "train input/store --preset paper --config input/train.toml --steps 0 --out input/m.safetensors"
        self.must(train.split())
        write_points(folder / "points.npy", 4_000, 8)
        (folder / "ready").touch()

    def begin(self, job):
        if self.run_folder.is_mount():
            for path in self.run_folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        else:
            shutil.rmtree(self.run_folder, ignore_errors=True)
            self.run_folder.mkdir()
        if job.before:
            shutil.copytree(self.work / job.before, self.run_folder / "store")

    def content(self):
        """Every file below `run/`, hidden ones too, without the times that work took and without lock files."""
        paths = [path for path in self.run_folder.rglob("*") if path.is_file() and path.name != ".lock"]
        return {str(path.relative_to(self.run_folder)): timeless(path) for path in paths}

    def undisturbed(self, job):
        self.begin(job)
        clock = time.monotonic()
        self.must(job.command)
        return self.content(), time.monotonic() - clock


def write_music(folder, artists=10, tracks=6, seconds=12):
    """Each artist has a chord of its own, each track noise of its own."""
    folder.mkdir(exist_ok=True)
    draw, rate = random.Random(4), 22_050
    with open(folder / "catalogue.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "artist", "album"])
        for artist in range(artists):
            steps = [math.tau * 150 * (artist + 1) * ratio / rate for ratio in (1, 2.5)]
            chord = [2500 * sum(math.sin(step * time) for step in steps) for time in range(seconds * rate)]
            for track in range(tracks):
                noise = [draw.uniform(-3000, 3000) for _ in range(1009)]
                samples = array.array("h", (int(x + noise[at % 1009]) for at, x in enumerate(chord)))
                name = f"{artist}-{track}.wav"
                with wave.open(str(folder / name), "wb") as out:
                    out.setparams((1, 2, rate, 0, "NONE", ""))
                    out.writeframes(samples.tobytes())
                rows.writerow([name, f"artist {artist}", f"album {track // 2}"])


def write_points(path, rows, dims):
    draw = random.Random(5)
    centres = [[draw.gauss(0, 3) for _ in range(dims)] for _ in range(300)]
    values = [x + draw.gauss(0, 1) for _ in range(rows) for x in draw.choice(centres)]
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dims}), }}".ljust(117) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header.encode() + struct.pack(f"<{len(values)}f", *values))


def timeless(path):
    """The bytes of a file, but for the times that it tells of."""

    def strip(value):
        if isinstance(value, dict):
            return {key: strip(inner) for key, inner in value.items() if key not in TIMES}
        return [strip(inner) for inner in value] if isinstance(value, list) else value

    data = path.read_bytes()
    if path.name.endswith(".metrics.jsonl"):
        return json.dumps([strip(json.loads(line)) for line in data.splitlines()])
    if path.suffix == ".json" and "experiment" in path.parts:
        return json.dumps(strip(json.loads(data)))
    if path.name == "results.csv":
        rows = list(csv.DictReader(data.decode().splitlines()))
        return json.dumps([strip(row) for row in rows])
    if path.name == "report.html":
        return re.sub(rb"[0-9.]+ minutes of training|training_minutes[^,}]*", b"", data)
    return data


def differences(found, expected):
    names = sorted(found.keys() | expected.keys())
    return [name for name in names if found.get(name) != expected.get(name)]


def kill(bench, options):
    """Chains of runs, each killed at a random moment and gone on from, until enough kills have hit a living process."""
    wrong = 0
    print("| job | undisturbed, s | SIGKILLs | before the first output | SIGINTs | finished chains | differing |")
    print("|---|---|---|---|---|---|---|")
    for name in options.jobs:
        job, draw = JOBS[name], random.Random(f"{options.seed} {name}")
        expected, seconds = bench.undisturbed(job)
        kills = stops = chains = bad = early = 0
        while kills < options.kills:
            bench.begin(job)
            arguments = job.command
            for _ in range(draw.randint(1, 6)):
                how = signal.SIGINT if draw.random() < 0.2 else signal.SIGKILL
                code, told = stopped(bench, arguments, draw.uniform(0, 1.05 * seconds), how)
                if is_over(code, told):
                    break
                if how == signal.SIGINT and code not in (130, -signal.SIGINT):
                    bad += 1
                    print(f"{name}: SIGINT ends in {code}: {told}", file=sys.stderr)
                kills += code == -signal.SIGKILL
                stops += how == signal.SIGINT and code == 130
                early += code == -signal.SIGKILL and not bench.content()
                arguments = job.go_on
            else:
                done = bench.homonym_do(arguments)
                if not is_over(done.returncode, done.stderr):
                    bad += 1
                    print(f"{name}: goes on to exit code {done.returncode}: {done.stderr}", file=sys.stderr)
            chains += 1
            unequal = differences(bench.content(), expected)
            if unequal:
                bad += 1
                shutil.copytree(bench.run_folder, bench.work / f"bad-{name}-{bad}", dirs_exist_ok=True)
                print(f"{name}, chain {chains}: {unequal} differ", file=sys.stderr)
        print(f"| {name} | {seconds:.1f} | {kills} | {early} | {stops} | {chains} | {bad} |", flush=True)
        wrong += bad
    return wrong


def is_over(code, told):
    """Whether a run ended as one does that nobody stops, or found that one killed on its last steps had."""
    return code == 0 or (code == 2 and "is complete" in told)


def stopped(bench, arguments, after, how):
    """Runs, sends a signal after some seconds, and returns how the process ended and what it told."""
    process = subprocess.Popen(
        [bench.homonym, *arguments], cwd=bench.work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        told = process.communicate(timeout=after)[1]
    except subprocess.TimeoutExpired:
        process.send_signal(how)
        told = process.communicate()[1]
    return process.returncode, told


def mounted(bench, option):
    subprocess.run(["mount", "-t", "tmpfs", "-o", option, "none", bench.run_folder], check=True)


def full(bench, options):
    """Each job on a tmpfs of too few bytes at many sizes; then with room, to the same bytes."""
    wrong = 0
    for name in options.jobs:
        job = JOBS[name]
        expected, _ = bench.undisturbed(job)
        size = lambda: sum(path.stat().st_size for path in bench.run_folder.rglob("*") if path.is_file())
        need, room = size(), 8 * size() + (64 << 20)
        shutil.rmtree(bench.run_folder)
        bench.run_folder.mkdir()
        mounted(bench, f"size={room}")
        told = set()
        try:
            for share in [0.02, 0.1, 0.3, 0.5, 0.7, 0.9]:
                bench.begin(job)
                before = bench.content()
                resized(bench, max(int(size() + share * need), 4096))  # 0 is no limit
                done = bench.homonym_do(job.command)
                told.update(line for line in done.stderr.splitlines() if "No space" in line)
                said = "No space left" in done.stderr and done.returncode in (1, 3)  # 3: cells of an experiment
                spared = not differences({name: bench.content().get(name) for name in before}, before)
                resized(bench, room)
                again = bench.homonym_do(job.go_on)
                unequal = differences(bench.content(), expected)
                went_on = is_over(again.returncode, again.stderr)
                if not (said and spared and went_on) or unequal:
                    wrong += 1
                    print(f"{name} with {share} of the room: exit code {done.returncode}: {done.stderr[-500:]}")
                    print(f"    what was before intact: {spared}; then exit code {again.returncode}, {unequal} differ: {again.stderr}")
        finally:
            subprocess.run(["umount", bench.run_folder], check=True)
        print(f"{name}:", *sorted(told), sep="\n    ", flush=True)
    return wrong


def resized(bench, size):
    subprocess.run(["mount", "-o", f"remount,size={size // 4096 * 4096}", bench.run_folder], check=True)


def readonly(bench, options):
    """Each job begins, is stopped, and is told to go on where nothing can be written."""
    wrong = 0
    for name in options.jobs:
        job = JOBS[name]
        expected, seconds = bench.undisturbed(job)
        shutil.rmtree(bench.run_folder)
        bench.run_folder.mkdir()
        mounted(bench, "size=512m")
        try:
            for begun in [False, True]:
                bench.begin(job)
                if begun:
                    stopped(bench, job.command, 0.6 * seconds, signal.SIGINT)
                before = bench.content()
                subprocess.run(["mount", "-o", "remount,ro", bench.run_folder], check=True)
                clock = time.monotonic()
                done = bench.homonym_do(job.go_on if begun else job.command)
                told = done.stderr.strip().splitlines()[-1] if done.stderr else ""
                print(f"{name}: exit code {done.returncode} after {time.monotonic() - clock:.1f} s: {told}")
                wrong += done.returncode != 1 or "Read-only" not in told or bool(differences(bench.content(), before))
                subprocess.run(["mount", "-o", "remount,rw", bench.run_folder], check=True)
                again = bench.homonym_do(job.go_on)
                unequal = differences(bench.content(), expected)
                wrong += again.returncode != 0 or bool(unequal)
                if again.returncode != 0 or unequal:
                    print(f"{name}: then exit code {again.returncode}, {unequal} differ: {again.stderr}")
        finally:
            subprocess.run(["umount", bench.run_folder], check=True)
    return wrong


def twice(bench, options):
    """While a job runs, the same job once more: refused, and the first ends as if nothing had been."""
    wrong = 0
    for name in options.jobs:
        job = JOBS[name]
        expected, seconds = bench.undisturbed(job)
        bench.begin(job)
        first = subprocess.Popen([bench.homonym, *job.command], cwd=bench.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.5 * seconds)
        second = bench.homonym_do(job.go_on)
        told = second.stderr.strip().splitlines()[-1] if second.stderr else ""
        first.wait()
        unequal = differences(bench.content(), expected)
        print(f"{name}: {second.returncode}: {told}")
        if second.returncode != 1 or "another process" not in told or first.returncode != 0 or unequal:
            wrong += 1
            print(f"{name}: the first ends with {first.returncode}, {unequal} differ")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["kill", "full", "readonly", "twice"])
    parser.add_argument("--homonym", default="target/release/homonym")
    parser.add_argument("--work", required=True)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=lambda text: text.split(","), default=list(JOBS))
    options = parser.parse_args()
    wrong = {"kill": kill, "full": full, "readonly": readonly, "twice": twice}[options.what](Bench(options), options)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
