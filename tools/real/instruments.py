#!/usr/bin/env python3
"""The tutorial's features of instrument sounds as points: OUT.npy and OUT.csv.

usage: instruments.py FOLDER OUT

FOLDER holds nsynth_{train,valid,test}.csv: a path, 33 features (20 MFCC, 12 chroma, f0) and the instrument of each sound.
The column `part` of OUT.csv is `model` for those to learn from and to be found, `test` for the test sounds. Needs NumPy.
"""
import csv
import sys

import numpy as np


def main(folder, out):
    points, table = [], [["path", "instrument", "part"]]
    for name, part in (("train", "model"), ("valid", "model"), ("test", "test")):
        for row in list(csv.reader(open(f"{folder}/nsynth_{name}.csv", newline="")))[1:]:
            points.append([float(x) for x in row[1:-1]])
            table.append([row[0], row[-1], part])
    np.save(out + ".npy", np.array(points, np.float32))
    csv.writer(open(out + ".csv", "w", newline=""), lineterminator="\n").writerows(table)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
