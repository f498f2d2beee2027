#!/usr/bin/env python3
"""The systems of docs/systems.md on music with composers and tags, one small run each.

usage: systems.py HOMONYM STORE FOLDER [--steps 300] [--comparisons 600]

STORE holds tracks with the columns path, artist, genre (tags apart by `;`) and source; only rows of `source=modules` are used.
Every fourth artist is unseen in training; of every artist, every fourth track is a test.

deep        each loss with the network of `best` and as many steps, and the presets without labels, on unseen artists
prototypes  of artists and of tags, made of model tracks, searched by test tracks: plain statistics, and a trained network
masks       artist, format (first tag) and size of the samples (last tag), each in its part of the embedding, on unseen artists
towers      a vector for each tag (its kind, and log2 of its number of channels); the tags 6ch, 10ch, 14ch and mid are unseen
matchnet    comparisons made of artists: anchor and positive by one, negative by another; 5-fold cross-validation
"""
import argparse
import csv
import json
import random
import subprocess
from pathlib import Path

import numpy as np

DEEP = ["triplet", "siamese", "contrastive", "classification", "normalised-classification", "prototypical", "nt-xent", "joint"]
UNLABELLED = ["instances", "proximity"]
UNSEEN_TAGS = {"6ch", "10ch", "14ch", "mid"}


def write(path, rows):
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)


def main(options):
    folder = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    run = lambda *words: json.loads(subprocess.run(
        [str(options.homonym), *map(str, words), "--json", "--quiet"], check=True, stdout=subprocess.PIPE).stdout)
    rows = [row for row in csv.DictReader(open(options.store / "tracks.csv", newline="")) if row["source"] == "modules"]
    artists = sorted({row["artist"] for row in rows})
    seen = {}
    for row in rows:
        tags = row["genre"].split(";")
        row["format"], row["size"] = tags[0], tags[-1]
        row["split"] = "unseen" if artists.index(row["artist"]) % 4 == 3 else "train"
        number = seen[row["artist"]] = seen.get(row["artist"], -1) + 1
        row["part"] = "test" if number % 4 == 3 else "model"
    keep = ["path", "artist", "genre", "format", "size", "split", "part"]
    rows = [{name: row[name] for name in keep} for row in rows]
    train, unseen = ([row for row in rows if row["split"] == part] for part in ("train", "unseen"))
    lists = folder / "lists"
    lists.mkdir(exist_ok=True)
    write(lists / "train.csv", train)
    write(folder / "unseen.csv", unseen)
    write(folder / "all.csv", rows)

    def embedded(name, *how):
        """Embeds all tracks and gives the table the columns made here."""
        run("embed", options.store, "--out", folder / name, "--where", "source=modules", *how)
        columns = {row["path"]: row for row in rows}
        write(folder / f"{name}.csv", [columns[row["path"]] for row in csv.DictReader(open(folder / f"{name}.csv"))])
        return folder / name

    def trained(name, *how):
        run("train", options.store, "--dataset", lists, "--out", folder / f"{name}.safetensors", "--force",
            *(how if "--steps" in how else ["--steps", options.steps, *how]))
        return folder / f"{name}.safetensors"

    def searched(what, tracks, items, column, *where):
        found = run("evaluate", "search", tracks, "--against", items, "--artist-column", column, *where)
        there, back = found["tracks_of_item"], found["items_of_track"]
        print(f"| {what} | {there['queries']} | {there['mean_average_precision']:.3f} | {found['area']:.3f} | "
              f"{back['queries']} | {back['recall'][0]:.3f} |", flush=True)

    statistics = embedded("statistics", "--statistics=mel")
    print("| unseen artists | recall at 1 | MAP |\n|---|---|---|")
    learnt = [(name, ["--objective", name]) for name in DEEP] + [(name, ["--preset", name]) for name in UNLABELLED]
    systems = [("mel statistics", lambda: statistics), ("not trained", lambda: embedded("untrained", "--model", trained("untrained", "--steps", 0)))]
    systems += [(f"`{name}`", lambda name=name, how=how: embedded(name, "--model", trained(name, *how))) for name, how in learnt]
    for name, points in systems:
        found = run("evaluate", "retrieval", points(), "--where", "split=unseen")
        print(f"| {name} | {found['recall'][0]:.3f} | {found['mean_average_precision']:.3f} |", flush=True)

    print("\n| search | items | MAP, tracks of item | ROC area | tracks | right item nearest |\n|---|---|---|---|---|---|")
    systems = [("mel statistics", lambda: statistics),
               (f"network, {options.steps} steps", lambda: embedded("network", "--model", trained("network")))]
    for name, make in systems:
        points = make()
        for what, how, column in [("artists", ["--by", "artist"], "artist"), ("tags", ["--tags", "genre"], "genre")]:
            items = folder / f"{what}-of-{points.name}"
            run("prototypes", points, *how, "--where", "part=model", "--out", items)
            searched(f"prototypes of {what}, {name}", points, items, column, "--where", "part=test")

    tags = sorted({tag for row in rows for tag in row["genre"].split(";")})
    kinds = ["xm", "mod", "it", "s3m", "chip", "mid", "sampled"]
    sizes = {"chip": 0.0, "mid": 0.5, "sampled": 1.0}
    vector = lambda tag: [float(tag.endswith("ch")), np.log2(int(tag[:-2])) / 3 if tag.endswith("ch") else 0.0,
                          float(tag in sizes), sizes.get(tag, 0.0), *(float(tag == kind) for kind in kinds[:4])]
    for name, chosen in [("words", [tag for tag in tags if tag not in UNSEEN_TAGS]), ("unseen-words", sorted(UNSEEN_TAGS))]:
        np.save(folder / f"{name}.npy", np.array([vector(tag) for tag in chosen], np.float32))
        write(folder / f"{name}.csv", [{"track_id": tag} for tag in chosen])
    model = trained("towers", "--vectors", folder / "words", "--tag-column", "genre")
    points = embedded("towers", "--model", model)
    for name, what in [("words", "tags seen in training"), ("unseen-words", "tags never seen")]:
        run("project", folder / name, "--model", model, "--out", folder / f"{name}-mapped")
        searched(f"two towers, {what}, unseen artists", points, folder / f"{name}-mapped", "genre", "--where", "split=unseen")

    print("\n| unseen artists, recall at 1 by | artist | format | size |\n|---|---|---|---|")
    points = embedded("masks", "--model", trained("masks", "--notions", "artist,format,size"))
    notions = ["artist", "format", "size"]
    for notion in notions:
        run("subspace", points, notion, "--out", folder / f"by-{notion}")
    for name, prefix in [("mel statistics", folder / "statistics"), ("whole vector", points), *((f"part of {n}", folder / f"by-{n}") for n in notions)]:
        judge = lambda column: run("evaluate", "retrieval", prefix, "--where", "split=unseen", "--artist-column", column)["recall"][0]
        print(f"| {name} | " + " | ".join(f"{judge(column):.3f}" for column in notions) + " |", flush=True)

    draw = random.Random(0)
    by_artist = {}
    for row in rows:
        by_artist.setdefault(row["artist"], []).append(row["path"])
    names = [name for name, paths in by_artist.items() if len(paths) > 1]
    comparisons = []
    for _ in range(options.comparisons):
        own, other = draw.sample(names, 2)
        anchor, positive = draw.sample(by_artist[own], 2)
        comparisons.append({"anchor": anchor, "positive": positive, "negative": draw.choice(by_artist[other])})
    write(folder / "triplets.csv", comparisons)
    judged = run("constraints", options.store, "--triplets", folder / "triplets.csv", "--folds", 5, "--steps", options.steps, "--out", folder / "folds")
    print(f"\n| {judged['triplets']} comparisons of {judged['tracks']} tracks | fulfilled |\n|---|---|")
    for system in judged["systems"]:
        print(f"| {system['name']} | {100 * system['fulfilment']:.1f} % ± {100 * system['deviation']:.1f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--comparisons", type=int, default=600)
    main(parser.parse_args())
