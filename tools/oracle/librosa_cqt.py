"""Constant-Q transforms by librosa, for tests/frontend.rs.

Run from the project's root: python tools/oracle/librosa_cqt.py
Writes tests/golden/cqt.json (recipes and shapes) and cqt.f32 (the frames of all cases, little-endian, one after the other).

librosa's recursive resampling rings over the ends of a clip, which a clip within silence does not suffer from; `sparsity`
is its share of a window's transform that it leaves out.
"""

import json
import librosa
import numpy as np

from librosa_mel import signal

CQT = dict(kind="cqt", sample_rate=44100, n_fft=1 << 16, hop=1024, bands=96, fmin=32.70, fmax=256 * 32.70, power=2.0)
LIBROSA = dict(sample_rate=22050, hop=512, bands=84, fmin=librosa.note_to_hz("C1"), fmax=128 * librosa.note_to_hz("C1"))
NARROW = dict(sample_rate=22050, n_fft=1 << 14, hop=512, bands=144, fmin=110.0, fmax=7040.0, power=1.0)
CASES = [  # samples, silence on each side, sparsity, and what differs from CQT
    (20000, 30000, 0.0, {}),
    (40000, 0, 0.01, {}),
    (9000, 16000, 0.0, LIBROSA),
    (8000, 8000, 0.0, NARROW),
]


def cqt(count, silence, sparsity, recipe):
    octaves = np.log2(recipe["fmax"] / recipe["fmin"])
    values = librosa.cqt(
        y=np.pad(signal(count), silence),
        sr=recipe["sample_rate"],
        hop_length=recipe["hop"],
        fmin=recipe["fmin"],
        n_bins=recipe["bands"],
        bins_per_octave=round(recipe["bands"] / octaves),
        sparsity=sparsity,
    )
    return (np.abs(values) ** recipe["power"]).T


def main():
    cases, frames = [], []
    for samples, silence, sparsity, difference in CASES:
        recipe = CQT | difference
        frames.append(np.ascontiguousarray(cqt(samples, silence, sparsity, recipe), "<f4"))
        cases.append(dict(samples=samples, silence=silence, sparsity=sparsity, frames=len(frames[-1]), recipe=recipe))
    with open("tests/golden/cqt.json", "w") as file:
        json.dump(dict(versions=dict(librosa=librosa.__version__, numpy=np.__version__), cases=cases), file, indent=1)
    with open("tests/golden/cqt.f32", "wb") as file:
        for rows in frames:
            file.write(rows.tobytes())


if __name__ == "__main__":
    main()
