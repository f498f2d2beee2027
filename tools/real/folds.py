#!/usr/bin/env python3
"""Deal the artists of a catalogue into folds, the same number of each stratum to each: adds a column `fold`.

usage: folds.py CATALOGUE.csv OUT.csv FOLDS [STRATUM_COLUMN]

Paths are rewritten so that they hold from OUT.csv's folder.
"""
import csv
import hashlib
import os
import sys


def main(catalogue, out, folds, stratum="source"):
    folds = int(folds)
    rows = list(csv.DictReader(open(catalogue, newline="", encoding="utf-8")))
    strata = {}
    for row in rows:
        strata.setdefault(row.get(stratum, ""), set()).add(row["artist"])
    fold = {}
    dealt = 0
    for _, artists in sorted(strata.items()):
        for artist in sorted(artists, key=lambda name: hashlib.sha256(name.encode()).digest()):
            fold[artist] = dealt % folds
            dealt += 1
    source, target = os.path.dirname(os.path.abspath(catalogue)), os.path.dirname(os.path.abspath(out))
    with open(out, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], "fold"])
        writer.writeheader()
        for row in rows:
            row["path"] = os.path.relpath(os.path.join(source, row["path"]), target)
            writer.writerow({**row, "fold": fold[row["artist"]]})


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
