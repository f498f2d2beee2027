#!/usr/bin/env python3
"""Makes catalogues of many short tracks on the fly and measures whether time grows with their number and memory does not.
Standard library only; Linux.

    load.py tracks --homonym target/release/homonym --work DIR [--counts 1000,10000,100000]
    load.py store  --homonym ... --work DIR [--tracks 1000000]    a store made here, byte by byte as documented, is opened
                                                                  and trained on: how much of it is read?

Needs 30 kB of disk a track for the first, 7 kB for the second; removes what it made.
"""

import argparse
import csv
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

SETTINGS = """segment = 0.6
[network]
dims = 16
[batch]
artists = 12
samples = 3
[validation]
share = 0.0
every = 1000
"""
RATE, SAMPLES = 22_050, 15_400  # 0.7 s
FRAMES, BANDS, BLOCK = 26, 128, 4096


class Measured:
    """A finished process: seconds, peaks of memory in MB, MB read from the disk."""

    def __init__(self, command, cwd):
        clock = time.monotonic()
        process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.anonymous, self.read = 0, 0
        watcher = threading.Thread(target=self.watch, args=(process.pid,), daemon=True)
        watcher.start()
        self.out, errors = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        self.wall = time.monotonic() - clock
        self.user, self.system = usage.ru_utime, usage.ru_stime
        self.resident, self.faults = usage.ru_maxrss / 1024, usage.ru_majflt
        self.code = os.waitstatus_to_exitcode(status)
        if self.code != 0:
            sys.exit(f"{command}: exit code {self.code}: {errors[-2000:]}")

    def watch(self, pid):
        """Of resident memory, what is not a mapped file: the kernel keeps no peak of it."""
        try:
            while True:
                status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
                self.anonymous = max(self.anonymous, int(status["RssAnon"].split()[0]) / 1024)
                io = dict(line.split(":") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
                self.read = max(self.read, int(io["read_bytes"]) / 1e6)
                time.sleep(0.02)
        except (OSError, KeyError, ValueError):
            return


def write_tracks(folder, first, last):
    """White noise, none like another; a thousand files a folder, ten tracks an artist."""
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 2 * SAMPLES, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", 2 * SAMPLES)
    for track in range(first, last):
        path = folder / f"{track // 1000:04}" / f"{track:07}.wav"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(header + os.urandom(2 * SAMPLES))


def write_catalogue(path, count):
    with open(path, "w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["path", "artist", "title"])
        out.writerows([f"audio/{track // 1000:04}/{track:07}.wav", f"artist {track // 10}", f"title {track}"] for track in range(count))


def tracks(homonym, work, options):
    (work / "small.toml").write_text(SETTINGS)
    print("| tracks | step | wall, s | CPU user, s | system, s | user a track, ms | peak RSS, MB | of it not mapped files, MB |")
    print("|---|---|---|---|---|---|---|---|")

    def measure(count, name, arguments):
        run = Measured([homonym, *arguments, "--quiet"], work)
        print(f"| {count} | {name} | {run.wall:.1f} | {run.user:.1f} | {run.system:.1f} | {1000 * run.user / count:.3f} | {run.resident:.0f} | {run.anonymous:.0f} |", flush=True)

    made = 0
    for count in options.counts:
        write_tracks(work / "audio", made, count)
        made = count
        write_catalogue(work / f"c{count}.csv", count)
        measure(count, "extract", ["extract", f"c{count}.csv", "--out", f"s{count}"])
        measure(count, "extract again, nothing to do", ["extract", f"c{count}.csv", "--out", f"s{count}"])
        measure(count, "embed by statistics", ["embed", f"s{count}", "--statistics", "--out", f"p{count}"])
    train = ["train", f"s{options.counts[0]}", "--preset", "paper", "--config", "small.toml", "--steps", "0", "--out", "m.safetensors"]
    Measured([homonym, *train], work)
    for count in options.counts:
        measure(count, "embed by a network", ["embed", f"s{count}", "--model", "m.safetensors", "--out", f"p{count}"])


def sealed(content):
    return content + struct.pack("<I", zlib.crc32(content))


def write_store(homonym, work, count):
    """A store of `count` tracks of one length, by the description in `homonym::store::features` alone."""
    write_tracks(work / "audio", 0, 1)
    write_catalogue(work / "one.csv", 1)
    Measured([homonym, "extract", "one.csv", "--out", "one"], work)
    info = json.loads((work / "one/store.json").read_text())
    store = work / "million"
    store.mkdir(exist_ok=True)
    draw = random.Random(1)
    values = [struct.pack("<e", draw.random() * 40) for _ in range(4096)]
    pool = [b"".join(draw.choices(values, k=FRAMES * BANDS)) for _ in range(1000)]
    checks = [struct.pack("<I", zlib.crc32(frames)) for frames in pool]
    recipe = zlib.crc32(info["recipe_hash"].encode())
    with open(store / "frames.bin", "wb") as frames, open(store / "blocks.bin", "wb") as blocks:
        for first in range(0, count, len(pool)):
            frames.writelines(pool[: count - first])
            blocks.writelines(checks[: count - first])
    with open(store / "index.bin", "wb") as index, open(store / "tracks.csv", "w") as rows:
        index.write(sealed(struct.pack("<8sIIIIIII", b"homostor", 1, BANDS, 2, BLOCK, recipe, 0, 0)))
        rows.write("path,artist,title\n")
        for track in range(count):
            path = f"{track}.wav"
            key = zlib.crc32(path.encode())
            index.write(sealed(struct.pack("<QQQdI", track * FRAMES, FRAMES, track, 0.6, key)))
            rows.write(f"{path},artist {track // 10},title {track}\n")
    info.pop("crc32")  # a person may change it so
    info["planned"] = count
    (store / "store.json").write_text(json.dumps(info))
    return store


def forget(folder):
    """Asks the system to drop its copies of the files in memory."""
    for path in folder.iterdir():
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def store(homonym, work, options):
    (work / "small.toml").write_text(SETTINGS)
    folder = write_store(homonym, work, options.tracks)
    sizes = {path.name: path.stat().st_size / 1e6 for path in folder.iterdir()}
    print(", ".join(f"{name} {size:.0f} MB" for name, size in sorted(sizes.items())))
    print("| | wall, s | CPU, s | read, MB | peak RSS, MB | of it not mapped files, MB |\n|---|---|---|---|---|---|")
    train = ["train", folder.name, "--preset", "paper", "--config", "small.toml", "--out", "t.safetensors", "--force"]
    for name, arguments in [
        ("inspect", ["inspect", folder.name]),
        ("train, 0 steps", [*train, "--steps", "0"]),
        ("train, 20 steps", [*train, "--steps", "20"]),
    ]:
        forget(folder)
        run = Measured([homonym, *arguments, "--quiet"], work)
        print(f"| {name} | {run.wall:.2f} | {run.user + run.system:.2f} | {run.read:.0f} | {run.resident:.0f} | {run.anonymous:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["tracks", "store"])
    parser.add_argument("--homonym", default="target/release/homonym")
    parser.add_argument("--work", required=True)
    parser.add_argument("--counts", type=lambda text: [int(part) for part in text.split(",")], default=[1000, 10_000, 100_000])
    parser.add_argument("--tracks", type=int, default=1_000_000)
    options = parser.parse_args()
    work = Path(options.work).resolve() / "load"
    work.mkdir(parents=True, exist_ok=True)
    try:
        {"tracks": tracks, "store": store}[options.what](str(Path(options.homonym).resolve()), work, options)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
