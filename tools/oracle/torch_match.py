"""Golden trajectory of Triplet MatchNet from PyTorch: six updates of tower and pair head in float64 by plain gradient
descent, whose steps are the gradients: tests/golden/match.json.

Inputs and initial weights follow from the generator in lcg.py. Run from the root of the repository:
python tools/oracle/torch_match.py
"""

import json
import math
import pathlib
import platform

import numpy as np
import torch
import torch.nn.functional as F

from lcg import Lcg

FRAMES, BANDS, CHANNELS, BLOCKS, DIMS, HIDDEN = 19, 6, 5, 2, 4, 6
ARTISTS, PER_ARTIST, STEPS, RATE = 3, 3, 6, 0.05
GAIN, SCALE, SHIFT = 1e4, 0.5, -3.5


def initial_params(lcg):
    """[(name, array in the engine's layout)]: the network's, then the head's."""
    params = []

    def add(name, shape, limit):
        params.append((f"{name}.weight", lcg.symmetric(math.prod(shape), limit).reshape(shape)))
        params.append((f"{name}.bias", np.zeros(shape[0] if len(shape) == 3 else shape[1], np.float32)))

    glorot = lambda inputs, outputs: math.sqrt(6 / (inputs + outputs))
    add("stem", (CHANNELS, 3, BANDS), math.sqrt(6 / (3 * BANDS)))
    for block in range(1, BLOCKS + 1):
        add(f"block{block}.first", (CHANNELS, 3, CHANNELS), math.sqrt(6 / (3 * CHANNELS)))
        add(f"block{block}.second", (CHANNELS, 3, CHANNELS), glorot(3 * CHANNELS, 3 * CHANNELS))
    add("dense", (CHANNELS, DIMS), glorot(CHANNELS, DIMS))
    add("pair.hidden", (2 * DIMS, HIDDEN), glorot(2 * DIMS, HIDDEN))
    add("pair.out", (HIDDEN, 1), glorot(HIDDEN, 1))
    return params


def batch(lcg):
    rows = []
    for row in range(ARTISTS * PER_ARTIST):
        u = lcg.uniform(FRAMES * BANDS).reshape(FRAMES, BANDS)
        shape = 1 + (np.arange(BANDS) * (row // PER_ARTIST + 2)) % 8
        rows.append(u * u * shape.astype(np.float32) * np.float32(0.125))
    return np.stack(rows)


def tower(params, x):
    conv = lambda name, x: F.conv1d(x, params[f"{name}.weight"].permute(0, 2, 1), params[f"{name}.bias"], padding=1)
    x = F.relu(conv("stem", (SCALE * torch.log1p(GAIN * x) + SHIFT).transpose(1, 2)))
    for block in range(1, BLOCKS + 1):
        x = F.max_pool1d(x, 2)
        x = F.relu(x + conv(f"block{block}.second", F.relu(conv(f"block{block}.first", x))))
    return F.normalize(torch.tanh(x.mean(2) @ params["dense.weight"] + params["dense.bias"]), dim=1)


def distance(params, x, y):
    hidden = F.relu(torch.cat([(x - y).abs(), x * y], -1) @ params["pair.hidden.weight"] + params["pair.hidden.bias"])
    return torch.sigmoid(hidden @ params["pair.out.weight"] + params["pair.out.bias"])[..., 0]


def loss_of(params, x):
    points = tower(params, x)
    d = distance(params, points[:, None], points[None, :])
    artist = torch.arange(len(points)) // PER_ARTIST
    total = 0
    for anchor in range(len(points)):
        positive = d[anchor, (artist == artist[anchor]) & (torch.arange(len(points)) != anchor)]
        negative = d[anchor, artist != artist[anchor]]
        psi = F.relu(positive.max() - negative).mean()
        phi = -(torch.log(1 - positive)[:, None] + torch.log(negative)[None, :]).mean()
        total = total + psi + phi
    return total / len(points)


lcg = Lcg(4)
params = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in initial_params(lcg)}
losses = []
for _ in range(STEPS):
    loss = loss_of(params, torch.tensor(batch(lcg), dtype=torch.float64))
    grads = torch.autograd.grad(loss, list(params.values()))
    with torch.no_grad():
        for w, g in zip(params.values(), grads):
            w.sub_(RATE * g)
    losses.append(loss.item())
print(losses)
out = {
    "versions": {"python": platform.python_version(), "torch": torch.__version__},
    "losses": losses,
    "params": {name: [float(np.float32(x)) for x in value.detach().numpy().ravel()] for name, value in params.items()},
}
pathlib.Path("tests/golden/match.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
