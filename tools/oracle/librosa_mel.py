"""Mel spectrograms and mel filters by librosa, for tests/frontend.rs and src/frontend/filterbank.rs.

Run from the project's root: python tools/oracle/librosa_mel.py
Writes tests/golden/mel.json (recipes and shapes), mel.f32 (the frames of all cases, little-endian, one after the other)
and mel_filters.json (two moments of every band).
"""

import json
import librosa
import numpy as np

DEFAULT = dict(kind="mel", sample_rate=22050, n_fft=1024, hop=512, bands=128, fmin=0.0, fmax=11025.0, power=2.0)
CASES = [  # samples, and what differs from the default
    (16421, {}),
    (9037, dict(power=1.0)),
    (8192, dict(power=1.5, bands=20)),
    (7001, dict(sample_rate=16000, n_fft=2048, hop=441, bands=64, fmin=60.0, fmax=7600.0)),
    (5000, dict(n_fft=512, hop=700, bands=40, fmin=300.0)),
    (3000, dict(sample_rate=44100, n_fft=1000, hop=250, bands=30, fmax=22050.0)),
    (700, {}),
    (1, {}),
]


def signal(count):
    """Noise and a sawtooth with a pause in between, in integers, so that every program makes the same floats."""
    noise, state = np.zeros(count, np.int64), 1
    for i in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        noise[i] = (state >> 16) - 2**15
    at = np.arange(count)
    mixed = noise // 8 + (at * 137) % 8192 - 4096
    mixed[(at >= 4000) & (at < 5500)] = 0
    return (mixed / 2**15).astype(np.float32)


def mel(count, recipe):
    return librosa.feature.melspectrogram(
        y=signal(count),
        sr=recipe["sample_rate"],
        n_fft=recipe["n_fft"],
        hop_length=recipe["hop"],
        n_mels=recipe["bands"],
        fmin=recipe["fmin"],
        fmax=recipe["fmax"],
        power=recipe["power"],
        pad_mode="constant",
    ).T


def moments(recipe):
    """The sum of every band's weights and the sum of weight times bin."""
    weights = librosa.filters.mel(
        sr=recipe["sample_rate"], n_fft=recipe["n_fft"], n_mels=recipe["bands"], fmin=recipe["fmin"], fmax=recipe["fmax"]
    ).astype(np.float64)
    return dict(recipe=recipe, sum=weights.sum(1).tolist(), first=(weights @ np.arange(weights.shape[1])).tolist())


def main():
    versions = dict(librosa=librosa.__version__, numpy=np.__version__)
    recipes = [DEFAULT | difference for _, difference in CASES]
    frames = [np.ascontiguousarray(mel(count, recipe), "<f4") for (count, _), recipe in zip(CASES, recipes)]
    cases = [
        dict(samples=count, frames=len(rows), recipe=recipe) for (count, _), recipe, rows in zip(CASES, recipes, frames)
    ]
    with open("tests/golden/mel.json", "w") as file:
        json.dump(dict(versions=versions, cases=cases), file, indent=1)
    with open("tests/golden/mel.f32", "wb") as file:
        for rows in frames:
            file.write(rows.tobytes())
    with open("tests/golden/mel_filters.json", "w") as file:
        json.dump(dict(versions=versions, banks=[moments(recipes[i]) for i in (0, 3, 4)]), file)


if __name__ == "__main__":
    main()
