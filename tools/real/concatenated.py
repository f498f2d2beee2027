#!/usr/bin/env python3
"""Judge concatenated embeddings of an experiment's networks, with and without PCA: a table of docs/results.md.

usage: concatenated.py HOMONYM EXPERIMENT WORK

EXPERIMENT is the folder of a finished `homonym experiment tools/real/voices-balance-and-tags.toml`; WORK a folder for
embeddings. Each seed's networks are judged by the artists that they have not heard.
"""
import csv
import json
import os
import subprocess
import sys
from statistics import mean, stdev

NETWORKS = {"ml": "unbalanced-ml", "joint": "unbalanced-joint", "cl": "unbalanced-a-cl"}
JOINED = [["ml"], ["joint"], ["cl"], ["ml", "cl"], ["ml", "joint"], ["ml", "joint", "cl"]]
DIMS = 32
SEEDS = (0, 1, 2)
STUDENT = 4.303  # 97.5 % of Student's distribution with two degrees of freedom


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def front_end(path):
    """The recipe of a store, or of a model."""
    if path.endswith(".safetensors"):
        with open(path, "rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        return json.loads(header["__metadata__"]["homonym"])["front_end"]
    return json.load(open(os.path.join(path, "store.json")))["recipe"]


def embed(homonym, experiment, work, name, seed):
    """The embeddings of a network, with a column that says whom it has heard."""
    prefix = os.path.join(work, f"{name}-{seed}")
    if not os.path.exists(prefix + ".npy"):
        heard = set()
        for part in ("train", "validation"):
            with open(os.path.join(experiment, "datasets", f"unbalanced-s{seed}", f"{part}.csv"), newline="") as file:
                heard |= {row["artist"] for row in csv.DictReader(file)}
        model = os.path.join(experiment, "models", f"{NETWORKS[name]}-s{seed}.safetensors")
        stores = (entry.path for entry in os.scandir(os.path.join(experiment, "stores")) if entry.is_dir())
        store = next(store for store in stores if front_end(store) == front_end(model))
        run(homonym, "embed", store, "--model", model, "--out", prefix)
        rows = list(csv.DictReader(open(prefix + ".csv", newline="")))
        with open(prefix + ".csv", "w", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0], "side"])
            writer.writeheader()
            writer.writerows({**row, "side": "heard" if row["artist"] in heard else "unheard"} for row in rows)
    return prefix


def judge(homonym, prefix, seed):
    def evaluate(protocol, *more):
        return json.loads(run(homonym, "evaluate", protocol, prefix, "--json", "--where", "side=unheard", "--within", "source",
                              "--repeats", 10, "--seed", seed, *more))
    names, pairs, models = (evaluate(protocol) for protocol in ("clustering", "verification", "classification"))
    across = evaluate("clustering", "--across", "album")
    return [pairs["eer"], models["accuracy"], names["ami"], names["ari"], across["ami"]]


def main(homonym, experiment, work):
    os.makedirs(work, exist_ok=True)
    print("| vectors | EER | accuracy | AMI | ARI | AMI across albums |\n|---|---|---|---|---|---|")
    for names in JOINED:
        scores = {}
        for seed in SEEDS:
            parts = [embed(homonym, experiment, work, name, seed) for name in names]
            whole = parts[0] if len(parts) == 1 else os.path.join(work, f"{'+'.join(names)}-{seed}")
            if len(parts) > 1:
                run(homonym, "combine", *parts, "--out", whole)
                reduced = f"{whole}-{DIMS}"
                run(homonym, "fit", "pca", whole, "--raw", "--dims", DIMS, "--where", "side=heard", "--out",
                    reduced + ".safetensors")
                run(homonym, "transform", reduced + ".safetensors", whole, "--out", reduced)
                scores.setdefault(f"… {DIMS} values", []).append(judge(homonym, reduced, seed))
            scores.setdefault(" and ".join(f"`{name}`" for name in names), []).append(judge(homonym, whole, seed))
        for label, seeds in reversed(scores.items()):
            cells = [f"{mean(x):.3f} ± {STUDENT * stdev(x) / len(x) ** 0.5:.3f}" for x in zip(*seeds)]
            print(f"| {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
