#!/usr/bin/env python3
"""Exact Ward beside fastcluster, in one run: CPU seconds, medians of turns, answers compared.

usage: ward.py HOMONYM [--sizes 2000,10000,20000] [--alone 100000] [--groups 1000] [--dims 32] [--turns 3] [--threads 1,2]

Points on the sphere around n / 50 centres, noise 0.35, sets in random order. Small groups hold 8 to 170 points each:
fastcluster.linkage; larger sets: fastcluster.linkage_vector, which like homonym needs O(n·d) memory; sets of --alone are
clustered by homonym only. Both read the same points outside the clock; homonym's clock is that of `homonym bench ward
--input`. The two take turns, so that both see the same machine.

Needs fastcluster: python3 -m venv v && v/bin/pip install fastcluster numpy scipy
"""
import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import fastcluster
import numpy as np


def clustered(n, dims, per, rng):
    centres = rng.normal(size=(-(-n // per), dims))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    x = np.repeat(centres, per, axis=0)[:n] + 0.35 * rng.normal(size=(n, dims)) / np.sqrt(dims)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


class Homonym:
    def __init__(self, command, folder, points, groups=None):
        np.save(folder / "points.npy", points)
        self.command = [command, "bench", "ward", "--input", folder / "points.npy", "--rounds", "1", "--json"]
        if groups is not None:
            np.save(folder / "groups.npy", np.array(groups, dtype=np.float64)[:, None])
            self.command += ["--groups", folder / "groups.npy"]

    def __call__(self, threads):
        """CPU seconds, wall seconds and the heights of the last merges."""
        command = [*self.command, "--threads", str(threads)]
        report = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        return report["cpu_seconds"], report["seconds"], np.array(report["top_heights"])


def row(work, homonym, theirs, threads, turns):
    ours, peer = {count: [] for count in threads}, []
    for _ in range(turns):
        for count in threads:
            cpu, wall, tops = homonym(count)
            ours[count].append((cpu, wall))
        if theirs:
            start = time.process_time()
            trees = theirs()
            peer.append(time.process_time() - start)
            assert np.allclose(tops, [tree[-1, 2] for tree in trees], rtol=1e-9, atol=0), "the last merges differ"
    for count in threads:
        cpu, wall = map(median, zip(*ours[count]))
        ratio = f"{median(peer):.3f} | {median(peer) / cpu:.1f}" if theirs else " | "
        print(f"| {work} | {count} | {cpu:.3f} | {wall:.3f} | {ratio} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = lambda text: [int(number) for number in text.split(",") if number]
    parser.add_argument("homonym")
    parser.add_argument("--sizes", type=numbers, default="2000,10000,20000")
    parser.add_argument("--alone", type=numbers, default="100000")
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--dims", type=int, default=32)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=numbers, default="1,2")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"fastcluster {fastcluster.__version__}, d = {options.dims}, medians of {options.turns} turns\n")
    print("| work | threads | homonym, CPU s | wall s | fastcluster, CPU s | ratio of CPU |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if options.groups:
            sizes = rng.integers(8, 171, options.groups)
            x = clustered(int(sizes.sum()), options.dims, 12, rng)
            parts = [part.astype(np.float64) for part in np.split(x, np.cumsum(sizes)[:-1])]
            theirs = lambda: [fastcluster.linkage(part, "ward") for part in parts]
            homonym = Homonym(options.homonym, folder, x, sizes)
            row(f"{options.groups} groups of 8–170", homonym, theirs, options.threads, options.turns)
        for n in options.sizes + options.alone:
            x = rng.permutation(clustered(n, options.dims, 50, rng))
            wide = x.astype(np.float64)
            theirs = lambda: [fastcluster.linkage_vector(wide, "ward")]
            homonym = Homonym(options.homonym, folder, x)
            row(f"{n:,} points", homonym, theirs if n in options.sizes else None, options.threads, options.turns)


if __name__ == "__main__":
    main()
