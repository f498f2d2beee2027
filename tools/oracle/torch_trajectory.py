"""Golden training trajectories from PyTorch: ten updates of the paper's network in float64, for both readings of the
temporal pooling, without dropout.

Inputs, initial weights and triplets follow from the generator in lcg.py. RMSProp is written out in Keras' form, with
epsilon outside of the root. Writes to tests/golden/trajectory:

NAME.params.npy     all parameters after the last update, flat, in the order of the engine (convolutions as outputs x 3 x
                    3 x inputs, dense as inputs x outputs), float64 rounded to float32
trajectories.json   for each NAME the loss of every step; for some steps the L2 norm of each parameter's change so far and
                    its sum; and how far PyTorch itself is from all this in float32

Run from the root of the repository:  python tools/oracle/torch_trajectory.py
"""

import json
import math
import pathlib
import platform

import numpy as np
import torch
import torch.nn.functional as F

from lcg import Lcg

FOLDER = pathlib.Path("tests/golden/trajectory")
FRAMES, BANDS, DIMS = 60, 40, 16
ARTISTS, PER_ARTIST, STEPS, MARGIN = 4, 3, 10, 0.2
GAIN, SCALE, SHIFT = 1e4, 0.5, -3.5  # of the compression, and of the map behind it
LEARNING_RATE, RHO, EPSILON = 1e-4, 0.9, 1e-8
CHANNELS, POOLS = [1, 16, 32, 64], [2, 3, 3]
MILESTONES = [1, 5, 10]


def initial_params(lcg, features):
    """Glorot uniform weights, zero biases: [(name, array in the engine's layout)]."""
    params = []
    for layer, (inputs, outputs) in enumerate(zip(CHANNELS, CHANNELS[1:]), 1):
        weight = lcg.symmetric(outputs * 9 * inputs, math.sqrt(6.0 / (9 * inputs + 9 * outputs)))
        params.append((f"conv{layer}.weight", weight.reshape(outputs, 3, 3, inputs)))
        params.append((f"conv{layer}.bias", np.zeros(outputs, np.float32)))
    weight = lcg.symmetric(features * DIMS, math.sqrt(6.0 / (features + DIMS)))
    params.append(("dense.weight", weight.reshape(features, DIMS)))
    params.append(("dense.bias", np.zeros(DIMS, np.float32)))
    return params


def batch(lcg):
    """Segments (artist by artist) of power u², its bands shaped by the artist, and one triplet for each positive pair."""
    segments = []
    for row in range(ARTISTS * PER_ARTIST):
        u = lcg.uniform(FRAMES * BANDS).reshape(FRAMES, BANDS)
        shape = 1 + (np.arange(BANDS) * (row // PER_ARTIST + 2)) % 8
        segments.append(u * u * shape.astype(np.float32) * np.float32(0.125))
    triplets = []
    for anchor in range(ARTISTS * PER_ARTIST):
        artist = anchor // PER_ARTIST
        for positive in range(anchor + 1, (artist + 1) * PER_ARTIST):
            other = (artist + 1 + lcg.below(ARTISTS - 1)) % ARTISTS
            triplets.append([anchor, positive, other * PER_ARTIST + lcg.below(PER_ARTIST)])
    return np.stack(segments), triplets


def embed(params, x, pooling):
    x = (SCALE * torch.log1p(GAIN * x) + SHIFT)[:, None]
    for layer, pool in enumerate(POOLS, 1):
        weight = params[f"conv{layer}.weight"].permute(0, 3, 1, 2)
        x = F.max_pool2d(F.relu(F.conv2d(x, weight, params[f"conv{layer}.bias"], padding="same")), pool)
    if pooling == "over_time":  # rows x channels x frames x bands -> rows x (bands x channels)
        x = x.mean(dim=2).transpose(1, 2).flatten(1)
    else:  # -> rows x (frames x bands)
        x = x.mean(dim=1).flatten(1)
    return F.normalize(torch.tanh(x @ params["dense.weight"] + params["dense.bias"]), dim=1)


def trajectory(pooling, features, dtype):
    """The loss of each step, and all parameters before the first and after each update."""
    lcg = Lcg(1)
    params = {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in initial_params(lcg, features)}
    squares = {name: torch.zeros_like(value) for name, value in params.items()}
    losses, states = [], [{name: value.detach().numpy().copy() for name, value in params.items()}]
    for _ in range(STEPS):
        segments, triplets = batch(lcg)
        points = embed(params, torch.tensor(segments, dtype=dtype), pooling)
        a, p, n = (points[list(rows)] for rows in zip(*triplets))
        loss = torch.relu(((a - p) ** 2).sum(1) - ((a - n) ** 2).sum(1) + MARGIN).mean()
        grads = torch.autograd.grad(loss, list(params.values()))
        with torch.no_grad():
            for (name, w), g in zip(params.items(), grads):
                squares[name].mul_(RHO).add_((1 - RHO) * g * g)
                w.sub_(LEARNING_RATE * g / (squares[name].sqrt() + EPSILON))
        losses.append(float(loss.detach()))
        states.append({name: value.detach().numpy().copy() for name, value in params.items()})
    return losses, states


def flat(state):
    return np.concatenate([value.ravel() for value in state.values()]).astype(np.float64)


FOLDER.mkdir(parents=True, exist_ok=True)
report = {"versions": f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__.split('+')[0]}"}
rows, cols = FRAMES // 2 // 3 // 3, BANDS // 2 // 3 // 3
for pooling, features in [("over_time", cols * CHANNELS[-1]), ("over_channels", rows * cols)]:
    losses, states = trajectory(pooling, features, torch.float64)
    single_losses, single = trajectory(pooling, features, torch.float32)
    change = lambda step: {name: states[step][name] - states[0][name] for name in states[0]}
    start, end, own = flat(states[0]), flat(states[-1]), flat(single[-1])
    np.save(FOLDER / f"{pooling}.params.npy", end.astype(np.float32))
    report[pooling] = {
        "losses": losses,
        "milestones": {
            step: {name: [float(np.linalg.norm(by)), float(by.sum())] for name, by in change(step).items()}
            for step in MILESTONES
        },
        "float32": {
            "loss": max(abs(s - d) / d for s, d in zip(single_losses, losses)),
            "params": float(np.linalg.norm(own - end) / np.linalg.norm(end)),
            "change": float(np.linalg.norm(own - end) / np.linalg.norm(end - start)),
        },
    }
    print(pooling, losses, report[pooling]["float32"])
(FOLDER / "trajectories.json").write_text(json.dumps(report, indent=1) + "\n")
