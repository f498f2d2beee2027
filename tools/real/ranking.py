#!/usr/bin/env python3
"""Table 2 of learning to rank (Prétet et al. 2020) on a catalogue: the five systems, and two without training.

usage: ranking.py HOMONYM CATALOGUE.csv WORK [--tags TAGS.csv] [--size -small] [--train "--steps 300"] [--similarity cosine]

HOMONYM is the binary, WORK a folder for the store, models and embeddings; what it holds already is not done again. Without
TAGS.csv (`track_id` or `path`, and a column of likelihoods for each tag) tags are made of what the catalogue has: source, genre,
artist, album and words of the titles. A third of the artists is kept for the test; all of its tracks are queries and answers.
`--size ""` trains the networks at their real size.
"""
import argparse
import csv
import hashlib
import json
import os
import re
import shlex
import subprocess

SYSTEMS = {  # name: preset and what differs from it
    "AT": ("tagging", {}),
    "TL neighbours": ("ranking", {"strategy": "neighbours"}),
    "TL random uniform": ("ranking", {"strategy": "uniform"}),
    "TL distance-based": ("ranking", {"strategy": "distance"}),
    "TL Autopool": ("ranking-autopool", {"strategy": "distance"}),
}
MEASURES = {"average_precision": "MAP@20", "recall": "Recall@20", "reciprocal_rank": "RR@20", "ndcg": "nDCG@20"}
FEWEST = 5  # tracks of a tag that is made


def run(*arguments):
    return subprocess.run([str(a) for a in arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def made_tags(row):
    """What a catalogue says of a track, as tags."""
    of = lambda column: [f"{column} {value}" for value in row.get(column, "").split(";") if value]
    words = {f"title {word}" for word in re.findall(r"[a-z]{3,}", row.get("title", "").lower())}
    return set(of("source") + of("genre") + of("artist") + of("album")) | words


def write_tags(catalogue, path, tags, is_test):
    """Two files of likelihoods, of the artists to learn from and of those to judge by; both know the same tags."""
    if tags:
        rows = list(csv.DictReader(open(tags, newline="", encoding="utf-8")))
        names = [name for name in rows[0] if name not in ("track_id", "path")]
        key = lambda row: row.get("track_id") or row["path"]
        known = {key(row): [row[name] for name in names] for row in rows}
    else:
        key = lambda row: row.get("track_id") or row["path"]
        of = {key(row): made_tags(row) for row in catalogue}
        counts = {}
        for tags in of.values():
            for tag in tags:
                counts[tag] = counts.get(tag, 0) + 1
        names = sorted(tag for tag, count in counts.items() if count >= FEWEST)
        known = {track: [int(name in tags) for name in names] for track, tags in of.items()}
    for part, wanted in (("train", False), ("test", True)):
        with open(f"{path}-{part}.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["track_id", *names])
            writer.writerows([key(row), *known[key(row)]] for row in catalogue
                             if is_test(row) == wanted and key(row) in known)
    return len(names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym")
    parser.add_argument("catalogue")
    parser.add_argument("work")
    parser.add_argument("--tags")
    parser.add_argument("--size", default="-small")
    parser.add_argument("--train", default="")
    parser.add_argument("--similarity", default="cosine")
    options = parser.parse_args()
    homonym, work = options.homonym, options.work
    os.makedirs(work, exist_ok=True)
    path = lambda name: os.path.join(work, name)
    catalogue = list(csv.DictReader(open(options.catalogue, newline="", encoding="utf-8")))
    artists = sorted({row["artist"] for row in catalogue}, key=lambda name: hashlib.sha256(name.encode()).digest())
    kept = set(artists[::3])
    tags = write_tags(catalogue, path("tags"), options.tags, lambda row: row["artist"] in kept)
    store = path("store")
    run(homonym, "extract", options.catalogue, "--front-end", "cqt", "--out", store, "--quiet")
    oracle = lambda part: ["--likelihoods", path(f"tags-{part}.csv"), "--similarity", options.similarity]

    def judged(name, model, how=()):
        prefix = path(name)
        if not os.path.exists(prefix + ".npy"):
            run(homonym, "embed", store, *model, "--out", prefix, "--quiet")
        return json.loads(run(homonym, "evaluate", "ranking", prefix, *oracle("test"), *how, "--json"))

    def trained(name, preset, objective, settings):
        model, config = path(name + ".safetensors"), path(name + ".toml")
        if not os.path.exists(model):
            with open(config, "w") as file:
                file.writelines(f'objective.{key} = "{value}"\n' for key, value in objective.items())
            run(homonym, "train", store, "--preset", preset + options.size, "--config", config, *oracle("train"), "--out",
                model, "--resume", "--quiet", *settings)
        return judged(name, ["--model", model], ["--tagged"] if preset == "tagging" else [])

    reports = {"mean and deviation of the bands": judged("statistics", ["--statistics"]),
               "TL, not trained": trained("untrained", "ranking", {}, ["--steps", "0"])}
    for name, (preset, objective) in SYSTEMS.items():
        reports[name] = trained(name.lower().replace(" ", "-"), preset, objective, shlex.split(options.train))
    first = next(iter(reports.values()))
    print(f"{first['queries']} tracks of {len(kept)} artists, {tags} tags; {first['queries_tied']} tracks have more equally "
          f"similar ones than can be relevant; by chance Recall@20 is {min(1, 20 / (first['queries'] - 1)):.3f}\n")
    print("| system | " + " | ".join(MEASURES.values()) + " |\n|---" + "|---" * len(MEASURES) + "|")
    for name, report in reports.items():
        cells = []
        for measure in MEASURES:
            mean, (low, high) = report[measure]["mean"], report[measure]["interval"]
            cells.append(f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f})")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
