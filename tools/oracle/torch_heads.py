"""Golden trajectories from PyTorch of a network with a head: six updates in float64 by plain gradient descent, whose steps are
the gradients. Triplet MatchNet's tower and distance of pairs: tests/golden/match.json. The same tower with one for given
vectors: tests/golden/towers.json; by the losses that need nothing drawn at random: tests/golden/NAME.json.

Inputs and initial weights follow from the generator in lcg.py. Run from the root of the repository:
python tools/oracle/torch_heads.py
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
ARTISTS, PER_ARTIST, STEPS = 3, 3, 6
GAIN, SCALE, SHIFT = 1e4, 0.5, -3.5
WIDTH, MARGIN = 5, 0.4
# A vector for each of four artists, and whose segments and vectors meet in each step.
VECTORS = np.array([[(3 * row + 2 * at * at) % 7 - 3 for at in range(WIDTH)] for row in range(4)]) / 4
PAIRS = [[0, 1], [2, 3], [1, 2], [3, 0], [0, 2], [1, 3]]


def initial_params(lcg, head):
    """[(name, array in the engine's layout)]: the network's, then those of a head (name, shape, limit of the weights)."""
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
    for name, shape, limit in head:
        params.append((name, (lcg.symmetric(math.prod(shape), limit) if limit else np.zeros(shape, np.float32)).reshape(shape)))
    return params


def layer(name, inputs, outputs):
    """A dense layer of a head."""
    return [(f"{name}.weight", (inputs, outputs), math.sqrt(6 / (inputs + outputs))), (f"{name}.bias", (outputs,), 0)]


def batch(lcg, artists):
    """A segment for each of the artists."""
    rows = []
    for artist in artists:
        u = lcg.uniform(FRAMES * BANDS).reshape(FRAMES, BANDS)
        shape = 1 + (np.arange(BANDS) * (artist + 2)) % 8
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


def match_loss(params, x, _):
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


def towers_loss(params, x, artists):
    """Both ways, the mean over the triplets within the margin. Two segments and their two vectors: whatever is drawn at random
    where there are more, each anchor has one positive and one negative here."""
    words = torch.tensor(VECTORS[artists], dtype=torch.float64) @ params["vectors.weight"] + params["vectors.bias"]
    cosine = tower(params, x) @ F.normalize(torch.tanh(words), dim=1).T
    total = 0
    for c in (cosine, cosine.T):
        violations = MARGIN - c.diagonal() + c.flip(1).diagonal()
        kept = violations[violations > 0]
        total = total + (kept.mean() if len(kept) else 0)
    return total


ARTIST = torch.arange(ARTISTS * PER_ARTIST) // PER_ARTIST
SAME = ARTIST[:, None] == ARTIST[None, :]
SELF = torch.eye(len(ARTIST), dtype=bool)


def contrastive_loss(params, x, _, margin=1.5):
    points = tower(params, x)
    squares = (points[:, None] - points[None, :]).square().sum(-1)
    upper = torch.ones_like(SAME).triu(1)
    far = (margin - squares[upper & ~SAME].sqrt()).clamp(min=0).square()
    return 0.5 * squares[upper & SAME].mean() + 0.5 * far.mean()


def nt_xent_loss(params, x, _, temperature=0.4):
    points = tower(params, x)
    logits = (points @ points.T / temperature).masked_fill(SELF, -torch.inf)
    return -F.log_softmax(logits, 1)[SAME & ~SELF].mean()


def prototypical_loss(params, x, _, shots=2):
    episodes = tower(params, x).reshape(ARTISTS, PER_ARTIST, DIMS)
    queries = episodes[:, shots:].reshape(-1, DIMS)
    squares = (queries[:, None] - episodes[:, :shots].mean(1)[None, :]).square().sum(-1)
    return F.cross_entropy(-squares, torch.arange(ARTISTS).repeat_interleave(PER_ARTIST - shots))


def siamese_loss(params, x, _, margin=0.4):
    """Three tuples: anchor, positive, negative."""
    anchor, positive, negative = tower(params, x).reshape(-1, 3, DIMS).transpose(0, 1)
    return (margin - (anchor * positive).sum(1) + (anchor * negative).sum(1)).clamp(min=0).mean()


def classification_loss(params, x, artists):
    logits = tower(params, x) @ params["classifier.weight"] + params["classifier.bias"]
    return F.cross_entropy(logits, torch.tensor(artists))


def normalised_loss(params, x, artists, temperature=0.3):
    logits = tower(params, x) @ F.normalize(params["classifier.centroids"], dim=1).T / temperature
    return F.cross_entropy(logits, torch.tensor(artists))


def trajectory(head, loss_of, batches, rate):
    """Losses and final parameters; the generator begins anew."""
    lcg = Lcg(4)
    start = initial_params(lcg, head)
    params = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in start}
    losses = []
    for artists in batches:
        loss = loss_of(params, torch.tensor(batch(lcg, artists), dtype=torch.float64), artists)
        grads = torch.autograd.grad(loss, list(params.values()))
        with torch.no_grad():
            for w, g in zip(params.values(), grads):
                w.sub_(rate * g)
        losses.append(loss.item())
    print(losses)
    return {
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
        "losses": losses,
        "params": {name: [float(np.float32(x)) for x in value.detach().numpy().ravel()] for name, value in params.items()},
    }


def write(name, golden):
    pathlib.Path(f"tests/golden/{name}.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


pair = layer("pair.hidden", 2 * DIMS, HIDDEN) + layer("pair.out", HIDDEN, 1)
everyone = [row // PER_ARTIST for row in range(ARTISTS * PER_ARTIST)]
write("match", trajectory(pair, match_loss, STEPS * [everyone], 0.05))
write("towers", trajectory(layer("vectors", WIDTH, DIMS), towers_loss, PAIRS, 0.1))
he = math.sqrt(6 / DIMS)
classifier = [("classifier.weight", (DIMS, ARTISTS), he), ("classifier.bias", (ARTISTS,), 0)]
tuples = [0, 0, 1, 1, 1, 2, 2, 2, 0]
for name, head, loss, artists in [
    ("contrastive", [], contrastive_loss, everyone),
    ("nt-xent", [], nt_xent_loss, everyone),
    ("prototypical", [], prototypical_loss, everyone),
    ("siamese", [], siamese_loss, tuples),
    ("classification", classifier, classification_loss, everyone),
    ("normalised-classification", [("classifier.centroids", (ARTISTS, DIMS), he)], normalised_loss, everyone),
]:
    write(name, trajectory(head, loss, STEPS * [artists], 0.1))
