#!/usr/bin/env python3
"""Does what `homonym calibrate` promises hold for artists that nobody has learned from? Prints the tables of docs/disambiguation.md.

usage: workflow.py HOMONYM DATA WORK [--sets voices,open] [--draws 10] [--train "more arguments of homonym train"]
                   [--calibrate "and of homonym calibrate"]

HOMONYM is the binary, DATA a folder with SET/catalogue.csv, WORK a folder for stores, models and embeddings. Of each set half
the artists train a model. In every draw the others are dealt anew: half of them calibrate it, by the rest it is judged: their
tracks are put under names of two to four artists, split, and checked as releases. What was promised is the mean over draws, what
was found is counted over all. What WORK holds already is not done again. Needs NumPy.
"""
import argparse
import csv
import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter, defaultdict

import numpy as np

ERRORS = ["0.05", "0.1", "0.2"]


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def deal(catalogue, out):
    """Half the artists of each source to train."""
    rows = read(catalogue)
    strata = defaultdict(set)
    for row in rows:
        strata[row["source"]].add(row["artist"])
    part = {}
    for _, artists in sorted(strata.items()):
        for artist in sorted(artists, key=lambda name: hashlib.sha256(name.encode()).digest()):
            part[artist] = ["train", "new"][len(part) % 2]
    folder = os.path.dirname(os.path.abspath(catalogue))
    write(out, [{**row, "path": os.path.join(folder, row["path"]), "part": part[row["artist"]]} for row in rows])


def by_source(rows, chance):
    """The artists of each source in random order, with more than one track each."""
    artists = defaultdict(lambda: defaultdict(int))
    for row in rows:
        artists[row["source"]][row["artist"]] += 1
    for source, tracks in sorted(artists.items()):
        order = sorted(artist for artist, count in tracks.items() if count > 1)
        chance.shuffle(order)
        yield source, order


def names(rows, draw):
    """A name of two to four artists of one source for each row; none for the artists that are left over."""
    chance, name = random.Random(draw), {}
    for source, rest in by_source(rows, chance):
        while len(rest) > 1:
            size = chance.randint(2, 4)
            for artist in rest[:size]:
                name[artist] = f"{source} {len(rest)}"
            rest = rest[size:]
    return [name.get(row["artist"], "") for row in rows]


def most(values):
    """The most frequent, of equals the first."""
    counts = Counter(values)
    return max(counts, key=counts.get)


def right(truth, cluster):
    """Whether each track is in the cluster that is mostly its artist's and has most of its artist's tracks."""
    artist = {c: most([t for t, d in zip(truth, cluster) if d == c]) for c in set(cluster)}
    home = {a: most([c for t, c in zip(truth, cluster) if t == a]) for a in set(truth)}
    return [artist[c] == t and home[t] == c for t, c in zip(truth, cluster)]


class Study:
    """A set under one deal after the other."""

    def __init__(self, options, name):
        self.homonym, self.options, self.name = options.homonym, options, name
        self.prefix = os.path.join(options.work, name)
        self.prepare(options)
        self.all_rows, self.all_points = read(self.prefix + "-new.csv"), np.load(self.prefix + "-new.npy")
        self.calibration = self.prefix + ".calibration.json"

    def prepare(self, options):
        catalogue, store, model = self.prefix + ".csv", self.prefix + "-store", self.prefix + ".safetensors"
        if not os.path.exists(catalogue):
            deal(os.path.join(options.data, self.name, "catalogue.csv"), catalogue)
        if not os.path.exists(store):
            run(self.homonym, "extract", catalogue, "--out", store)
        if not os.path.exists(model):
            run(self.homonym, "train", store, "--out", model, "--where", "part=train", *options.train.split())
        if not os.path.exists(self.prefix + "-new.npy"):
            run(self.homonym, "embed", store, "--model", model, "--where", "part=new", "--out", self.prefix + "-new")

    def deal(self, draw):
        """Calibrates by half of the artists, leaves the others to judge by, and returns what is promised."""
        known = {artist for _, order in by_source(self.all_rows, random.Random(1000 + draw)) for artist in order[::2]}
        self.rows, self.points = self.all_rows, self.all_points
        places = [place for place, row in enumerate(self.rows) if row["artist"] in known]
        prefix = self.embeddings("-known", places, [self.rows[place] for place in places])
        done = run(self.homonym, "calibrate", prefix, "--model", self.prefix + ".safetensors", "--within", "source", "--json",
                   *self.options.calibrate.split())
        places = [place for place, row in enumerate(self.rows) if row["artist"] not in known]
        self.rows, self.points = [self.rows[place] for place in places], self.points[places]
        return json.loads(done)

    def embeddings(self, suffix, places, rows):
        prefix = self.prefix + suffix
        write(prefix + ".csv", rows)
        np.save(prefix + ".npy", self.points[places])
        with open(self.prefix + "-new.json") as origin, open(prefix + ".json", "w") as copy:
            copy.write(origin.read())
        return prefix

    def split(self, draw):
        """(name, artist, cluster, confidence) of every track of a draw."""
        shown = names(self.rows, draw)
        places = [place for place, name in enumerate(shown) if name]
        prefix = self.embeddings("-draw", places, [{**self.rows[place], "shown": shown[place]} for place in places])
        run(self.homonym, "split", prefix, "--calibration", self.calibration, "--name-column", "shown",
            "--out", prefix + ".labels.csv")
        labels = read(prefix + ".labels.csv")
        return [(shown[place], self.rows[place]["artist"], label["cluster"], float(label["confidence"]))
                for place, label in zip(places, labels)]

    def splits(self, draw, pairs, judged):
        """Adds pairs of tracks that are right, wrongly merged and wrongly parted, and (confidence, right) of tracks."""
        by_name = defaultdict(list)
        for track in self.split(draw):
            by_name[track[0]].append(track[1:])
        for tracks in by_name.values():
            for one in range(len(tracks)):
                for other in range(one):
                    artist, cluster = tracks[one][0] == tracks[other][0], tracks[one][1] == tracks[other][1]
                    if artist or cluster:
                        pairs["right" if artist and cluster else "merged" if cluster else "parted"] += 1
            truth, cluster, confidence = zip(*tracks)
            judged += zip(confidence, right(truth, cluster))

    def checks(self, draw, counts):
        """Adds verdicts by error rate and whose track it was."""
        shown, chance = names(self.rows, draw), random.Random(draw)
        artists = defaultdict(lambda: defaultdict(list))
        for place, name in enumerate(shown):
            if name:
                artists[name][self.rows[place]["artist"]].append(place)
        catalogue, release = [], []
        for name, by_artist in artists.items():
            for number, places in enumerate(by_artist.values(), 1):
                chance.shuffle(places)
                old = max(1, round(.6 * len(places)))
                catalogue += [(place, name, number) for place in places[:old]]
                release += [(place, name, number, len(by_artist)) for place in places[old:]]
        places = [place for place, _, _ in catalogue]
        against = self.embeddings("-catalogue", places, [self.rows[place] for place in places])
        other = lambda number, of: chance.choice([n for n in range(1, of + 1) if n != number])
        self.check(counts, "own", against, catalogue, release, lambda number, of: number)
        self.check(counts, "another's", against, catalogue, release, other)
        for gone in range(1, 5):
            known = [entry for entry in catalogue if entry[2] != gone]
            self.check(counts, "nobody's", against, known, [track for track in release if track[2] == gone], other)

    def check(self, counts, whose, against, known, release, credit):
        if not release:
            return
        labels = self.prefix + "-catalogue.labels.csv"
        write(labels, [{"track_id": self.rows[place]["path"], "name": name, "cluster": number} for place, name, number in known])
        rows = [{**self.rows[place], "shown": name, "credited": credit(number, of)} for place, name, number, of in release]
        prefix = self.embeddings("-release", [place for place, *_ in release], rows)
        for error in ERRORS:
            found = json.loads(run(self.homonym, "check", prefix, "--against", against, "--labels", labels, "--calibration",
                                   self.calibration, "--name-column", "shown", "--cluster-column", "credited", "--error", error,
                                   "--json"))
            counts[error, whose].update(track["verdict"] for track in found["tracks"])


def percent(part, whole):
    return f"{100 * part / whole:.0f} %" if whole else "–"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym")
    parser.add_argument("data")
    parser.add_argument("work")
    parser.add_argument("--sets", default="voices,open")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--train", default="")
    parser.add_argument("--calibrate", default="")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    for name in options.sets.split(","):
        study, promises = Study(options, name), []
        pairs, judged, counts = Counter(), [], defaultdict(Counter)
        for draw in range(options.draws):
            promises.append(study.deal(draw))
            study.splits(draw, pairs, judged)
            study.checks(draw, counts)
        report(name, promises, pairs, judged, counts)


def report(name, promises, pairs, judged, counts):
    mean = lambda part: np.mean([part(promised) for promised in promises], axis=0)
    print(f"### {name}\n\n| | promised (95 %) | found |\n|---|---|---|")
    for what, missed in (("precision", "merged"), ("recall", "parted")):
        found = pairs["right"] / max(1, pairs["right"] + pairs[missed])
        low, high = mean(lambda promised: promised[what]["interval"])
        print(f"| {what} of pairs | {mean(lambda p: p[what]['value']):.2f} ({low:.2f} to {high:.2f}) | {found:.2f} |")
    sure = [is_right for confidence, is_right in judged if confidence >= .8]
    reliability = lambda key: np.array([promised["placement"]["reliability"][key] for promised in promises])
    share = reliability("sure")
    print(f"| tracks that are sure | {percent(share.mean(), 1)} | {percent(len(sure), len(judged))} |")
    print(f"| of these, right | {percent(share @ reliability('sure_right'), share.sum())} | {percent(sum(sure), len(sure))} |")
    print("\n| confidence said | tracks | mean | right |\n|---|---|---|---|")
    for low in (0, .2, .4, .6, .8, .9):
        high = {.8: .9, .9: 1.01}.get(low, low + .2)
        here = [(confidence, is_right) for confidence, is_right in judged if low <= confidence < high]
        said = f"{np.mean([confidence for confidence, _ in here]):.2f}" if here else "–"
        print(f"| {low:.1f} to {min(high, 1):.1f} | {len(here)} | {said} | {percent(sum(r for _, r in here), len(here))} |")
    print("\n| error allowed | whose track | accepted: promised | found | rejected: promised | found | held: found |")
    print("|---|---|---|---|---|---|---|")
    for error in ERRORS:
        for whose, key in (("own", "own"), ("another's", "another"), ("nobody's", "nobody")):
            level = lambda verdict: mean(lambda promised: next(
                level for level in promised["gate"]["artist"] if f"{level['error']:g}" == error)[key][verdict])
            found, total = counts[error, whose], sum(counts[error, whose].values())
            print(f"| {error} | {whose} | {percent(level('accepted'), 1)} | {percent(found['accept'], total)} | "
                  f"{percent(level('rejected'), 1)} | {percent(found['reject'], total)} | {percent(found['hold'], total)} |")
    print()


if __name__ == "__main__":
    main()
