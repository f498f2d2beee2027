#!/usr/bin/env python3
"""The strongest baseline without a network: LDA on rich statistics of the log-mel frames of a feature store.

usage: lda.py STORE OUT_PREFIX TEST_COLUMN=VALUE

Per track: mean and deviation of 128 log-mel bands, of 20 cepstra and of their differences, and the spectrum of the
onset strength (how strongly the music pulses at which tempo). Standardised, reduced by PCA to what carries 99 % of the
variance, then LDA; all three are fitted on the rows that do NOT match TEST_COLUMN=VALUE. Writes all rows.
"""
import csv
import json
import os
import shutil
import sys

import numpy as np
from scipy.fft import dct
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.preprocessing import StandardScaler


def tracks(store):
    info = json.load(open(os.path.join(store, "store.json")))
    dtype = {"f16": "<f2", "f32": "<f4"}[info["precision"]]
    frames = np.memmap(os.path.join(store, "frames.bin"), dtype, "r").reshape(-1, info["recipe"]["bands"])
    record = np.dtype([("first_row", "<u8"), ("rows", "<u8"), ("first_block", "<u8"), ("seconds", "<f8"),
                       ("key", "<u4"), ("crc", "<u4")])
    for entry in np.memmap(os.path.join(store, "index.bin"), record, "r", offset=40):
        yield frames[entry["first_row"]:][:entry["rows"]].astype(np.float32)


def statistics(mel):
    level = np.log1p(1e4 * mel)
    cepstra = dct(level, norm="ortho")[:, :20]
    change = np.diff(cepstra, axis=0)
    onset = np.maximum(np.diff(level, axis=0), 0).mean(axis=1)
    onset = onset - onset.mean()
    pulse = np.abs(np.fft.rfft(onset * np.hanning(len(onset)), 1024))[1:257].reshape(32, 8).mean(axis=1)
    return np.concatenate([level.mean(0), level.std(0), cepstra.mean(0), cepstra.std(0), change.std(0),
                           np.log1p(pulse)])


def main(store, out, condition):
    column, value = condition.split("=", 1)
    rows = list(csv.DictReader(open(os.path.join(store, "tracks.csv"), newline="", encoding="utf-8")))
    known = np.array([row[column] != value for row in rows])
    artists = np.array([row["artist"] for row in rows])
    x = np.array([statistics(mel) for mel in tracks(store)])
    for step in (StandardScaler(), PCA(0.99), LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")):
        step.fit(x[known], artists[known])
        x = step.transform(x)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    np.save(out + ".npy", x.astype(np.float32))
    shutil.copy(os.path.join(store, "tracks.csv"), out + ".csv")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
