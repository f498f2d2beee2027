#!/usr/bin/env python3
"""Files and samples to mel spectrograms and constant-Q transforms: homonym beside librosa and PyTorch, in one run, in turns;
medians.

usage: features.py HOMONYM MUSIC [--parts mel,cqt,file,catalogue,memory] [--threads 1,2] [--rounds 5]

HOMONYM is the release build, MUSIC a folder of audio files, of which a few become a stereo track at 44.1 kHz with sound up to
its Nyquist frequency. A peer has as many processes as homonym has threads, each on one thread and warmed up. homonym's times
for catalogues are those of whole processes, from start to the written store. Needs:

    python3 -m venv v && v/bin/pip install librosa==0.11.0 soundfile==0.14.0 torch==2.15.0
"""
import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import librosa
import numpy as np
import soundfile
import torch

RATE, MEL = 22050, dict(n_fft=1024, hop_length=512)
CQT_RATE, CQT = 44100, dict(hop_length=1024, fmin=32.70, n_bins=96)
CODECS = {
    "ogg": dict(format="OGG", subtype="VORBIS"),
    "mp3": dict(format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.4),
    "flac": dict(format="FLAC", subtype="PCM_16"),
}


# What the peers do, in their own processes.


def librosa_mel(samples):
    return librosa.feature.melspectrogram(y=samples, sr=RATE, n_mels=128, **MEL)


def torch_mel(samples):
    window = torch.hann_window(MEL["n_fft"])
    bank = torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=MEL["n_fft"], n_mels=128))
    spectrum = torch.stft(torch.from_numpy(samples), window=window, pad_mode="constant", return_complex=True, **MEL)
    return (bank @ (spectrum.real.square() + spectrum.imag.square())).numpy()


def librosa_cqt(samples):
    return np.abs(librosa.cqt(y=samples, sr=CQT_RATE, **CQT)) ** 2


def librosa_file(path):
    samples, _ = librosa.load(path, sr=RATE)
    return librosa_mel(samples)


def noise(seconds, rate=RATE):
    return np.random.default_rng(0).normal(scale=0.1, size=seconds * rate).astype("f4")


def start_worker():
    torch.set_num_threads(1)
    torch_mel(noise(1)), librosa_mel(noise(1)), librosa_cqt(noise(1, CQT_RATE))
    soxr = librosa.resample(noise(1), orig_sr=2 * RATE, target_sr=RATE)  # loaded at its first use
    assert len(soxr)


def on_noise(job):
    """Seconds for a minute of noise, the transfer of which is not counted."""
    samples = noise(60, CQT_RATE if job == "cqt" else RATE)
    start = time.perf_counter()
    {"librosa": librosa_mel, "torch": torch_mel, "cqt": librosa_cqt}[job](samples)
    return time.perf_counter() - start


def on_files(paths):
    for path in paths:
        librosa_file(path)


# The table.

# A process has at least the peak memory of the one that started it, so a small one starts homonym.
LAUNCH = """
import os, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)
print(time.perf_counter() - start, usage.ru_maxrss, file=sys.stderr)
sys.exit(status != 0)
"""


class Bench:
    def __init__(self, options, folder):
        self.homonym, self.rounds, self.folder = options.homonym, options.rounds, folder
        self.threads = [int(threads) for threads in options.threads.split(",")]
        self.track = track(options.music)
        print("| work | threads | homonym | peer | ratio | homonym's memory, MB |\n|---|---|---|---|---|---|")

    def pool(self, threads):
        pool = ProcessPoolExecutor(threads, get_context("spawn"), start_worker)
        list(pool.map(on_noise, ["librosa", "torch"] * threads))
        return pool

    def in_turns(self, *jobs):
        """The median seconds of every job, all of them taking turns."""
        seconds = [[job() for job in jobs] for _ in range(self.rounds)]
        return [median(of_job) for of_job in zip(*seconds)]

    def row(self, work, threads, audio, ours, theirs=None, memory=None):
        peer = f"{audio / theirs:.0f} | {theirs / ours:.2f}" if theirs else "|"
        print(f"| {work} | {threads} | {audio / ours:.0f} | {peer} | {memory or ''} |", flush=True)

    def run(self, *arguments):
        """Seconds and peak memory in MB of a homonym process."""
        command = [sys.executable, "-S", "-c", LAUNCH, self.homonym, *map(str, arguments), "--quiet"]
        seconds, kilobytes = subprocess.run(command, capture_output=True, text=True, check=True).stderr.split()
        return float(seconds), int(kilobytes) / 1024

    def mel_of_file(self, path):
        out = self.folder / "mel.npy"
        self.run("mel", path, "--out", out, "--threads", 1)
        return np.load(out).T

    def bench(self, part, threads, *arguments):
        """Seconds for a signal in every thread."""
        command = [self.homonym, "bench", part, "--threads", threads, "--rounds", 3, "--json", *arguments]
        report = json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)
        return report["audio_seconds"] / report["audio_seconds_per_s"]

    def mel(self):
        path = self.folder / "noise.wav"
        soundfile.write(path, noise(60), RATE, subtype="FLOAT")
        ours, theirs, torchs = self.mel_of_file(path), librosa_mel(noise(60)), torch_mel(noise(60))
        for peer in theirs, torchs:
            assert np.abs(ours - peer).max() <= 1e-6 * peer.max()
        for threads in self.threads:
            with self.pool(threads) as pool:
                def peer(job):
                    return max(pool.map(on_noise, [job] * threads))
                ours, *peers = self.in_turns(
                    lambda: self.bench("mel", threads), lambda: peer("librosa"), lambda: peer("torch"))
            for name, theirs in zip(("librosa", "torch.stft, product"), peers):
                self.row(f"samples to mel, {name}", threads, 60 * threads, ours, theirs)

    def cqt(self):
        for threads in self.threads:
            with self.pool(threads) as pool:
                ours, theirs = self.in_turns(
                    lambda: self.bench("cqt", threads), lambda: max(pool.map(on_noise, ["cqt"] * threads)))
            self.row("samples to constant Q, librosa", threads, 60 * threads, ours, theirs)

    def file(self):
        """One file on one thread."""
        with self.pool(1) as pool:
            for codec, encoding in CODECS.items():
                path = self.folder / f"track.{codec}"
                write(path, self.track, encoding)
                agree(self.mel_of_file(path), librosa_file(path))
                ours, theirs = self.in_turns(
                    lambda: self.bench("mel", 1, "--audio", path),
                    lambda: seconds_of(lambda: pool.submit(on_files, [path]).result()))
                self.row(f"{codec} to mel, 44.1 kHz stereo", 1, len(self.track) / 44100, ours, theirs)

    def catalogue(self):
        """A dozen whole tracks."""
        for threads in self.threads:
            audio, paths, extract = self.extraction(self.track, 12, threads)
            with self.pool(threads) as pool:
                def peer():
                    return seconds_of(lambda: list(pool.map(on_files, [[path] for path in paths])))
                memory = []
                def homonym():
                    seconds, peak = extract()
                    memory.append(peak)
                    return seconds
                ours, theirs = self.in_turns(homonym, peer)
            self.row("12 tracks to a store", threads, audio, ours, theirs, round(max(memory)))

    def memory(self):
        """Clips of half a minute; once each."""
        for count in (100, 1000):
            for threads in self.threads:
                audio, _, extract = self.extraction(self.track[:30 * 44100], count, threads)
                seconds, peak = extract()
                self.row(f"{count} clips of 30 s to a store", threads, audio, seconds, memory=round(peak))

    def extraction(self, sound, count, threads):
        """Seconds of audio, the paths and the extraction of a catalogue of links to the sound in every codec."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        paths = [folder / f"{number}.{codec}" for number, codec in zip(range(count), list(CODECS) * count)]
        for path, (codec, encoding) in zip(paths, CODECS.items()):
            write(path, sound, encoding)
        for number, path in enumerate(paths[3:], 3):
            path.symlink_to(paths[number % 3])
        with open(folder / "catalogue.csv", "w", newline="") as file:
            csv.writer(file).writerows([("path", "artist"), *((path.name, "someone") for path in paths)])
        command = ("extract", folder / "catalogue.csv", "--out", folder / "store", "--force", "--threads", threads)
        return count * len(sound) / 44100, paths, lambda: self.run(*command)


def seconds_of(job):
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def track(music, seconds=180):
    """Stereo of two mixed rows of files, their samples taken as they are for 44.1 kHz: sound over the whole band."""
    files = sorted(path for path in Path(music).iterdir() if path.suffix[1:].upper() in soundfile.available_formats())
    sides = []
    for side in range(2):
        row = [soundfile.read(path, dtype="f4", always_2d=True)[0].mean(1) for path in files[side::len(files) // 40 or 2][:30]]
        sides.append(np.concatenate(row)[:seconds * 44100])
    length = min(map(len, sides))
    a, b = sides[0][:length], sides[1][:length]
    stereo = np.stack([0.7 * a + 0.3 * b, 0.7 * a - 0.3 * b], axis=1)
    return 0.9 / np.abs(stereo).max() * stereo


def write(path, sound, encoding):
    with soundfile.SoundFile(path, "w", 44100, 2, **encoding) as file:
        for second in range(0, len(sound), 44100):  # libsndfile overflows its stack on a long Vorbis write
            file.write(sound[second:second + 44100])


def agree(ours, theirs):
    """Two decoders and two resamplers: the same frames, the same power up to 10 kHz within a thousandth."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    low = librosa.mel_frequencies(130, fmax=RATE / 2)[2:] < 10000
    error = np.linalg.norm(ours[low] - theirs[low]) / np.linalg.norm(theirs[low])
    assert error < 1e-3, error


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym")
    parser.add_argument("music")
    parser.add_argument("--parts", default="mel,cqt,file,catalogue,memory")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"librosa {librosa.__version__}, soundfile {soundfile.__version__} ({soundfile.__libsndfile_version__}), "
          f"PyTorch {torch.__version__}, NumPy {np.__version__}; seconds of audio per second\n")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, Path(folder))
        for part in options.parts.split(","):
            {"mel": bench.mel, "cqt": bench.cqt, "file": bench.file, "catalogue": bench.catalogue, "memory": bench.memory}[part]()


if __name__ == "__main__":
    sys.exit(main())
