#!/usr/bin/env python3
"""Exact Ward beside fastcluster, in one run: CPU seconds, medians, answers compared.

usage: ward.py HOMONYM [--sizes 2000,10000,20000] [--groups 1000] [--dims 32] [--rounds 3] [--threads 1]

Points on the sphere around n / 50 centres, noise 0.35. Small groups hold 8 to 170 points each: fastcluster.linkage; larger
sets: fastcluster.linkage_vector, which like homonym needs O(n·d) memory. Both read the same points from memory or a file
outside the clock; homonym's clock is that of `homonym bench ward --input`. Needs NumPy and fastcluster.
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


def seconds(rounds, job):
    times = []
    for _ in range(rounds):
        start = time.process_time()
        result = job()
        times.append(time.process_time() - start)
    return median(times), result


def ours(homonym, folder, points, groups, rounds, threads):
    """CPU seconds and the heights of the last merges."""
    np.save(folder / "points.npy", points)
    command = [homonym, "bench", "ward", "--input", folder / "points.npy", "--rounds", str(rounds), "--threads", str(threads), "--json"]
    if groups is not None:
        np.save(folder / "groups.npy", np.array(groups, dtype=np.float64)[:, None])
        command += ["--groups", folder / "groups.npy"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return report["cpu_seconds"], report["seconds"], np.array(report["top_heights"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym")
    parser.add_argument("--sizes", default="2000,10000,20000")
    parser.add_argument("--groups", type=int, default=1000)
    parser.add_argument("--dims", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print(f"fastcluster {fastcluster.__version__}, d = {options.dims}, {options.threads} threads of homonym, medians of {options.rounds}\n")
    print("| work | homonym, CPU s | wall s | fastcluster, CPU s | ratio of CPU |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        sizes = rng.integers(8, 171, options.groups)
        x = clustered(int(sizes.sum()), options.dims, 12, rng)
        parts = [part.astype(np.float64) for part in np.split(x, np.cumsum(sizes)[:-1])]
        row(f"{options.groups} groups of 8–170", options, folder, x, sizes, lambda: [fastcluster.linkage(part, "ward") for part in parts])
        for n in map(int, options.sizes.split(",")):
            x = clustered(n, options.dims, 50, rng)
            wide = x.astype(np.float64)
            row(f"{n:,} points", options, folder, x, None, lambda: [fastcluster.linkage_vector(wide, "ward")])


def row(work, options, folder, points, groups, theirs):
    cpu, wall, tops = ours(options.homonym, folder, points, groups, options.rounds, options.threads)
    their_cpu, trees = seconds(options.rounds, theirs)
    their_tops = np.array([tree[-1, 2] for tree in trees])
    assert np.allclose(tops, their_tops, rtol=1e-9, atol=0), "the last merges differ"
    print(f"| {work} | {cpu:.3f} | {wall:.3f} | {their_cpu:.3f} | {their_cpu / cpu:.1f} |", flush=True)


if __name__ == "__main__":
    main()
