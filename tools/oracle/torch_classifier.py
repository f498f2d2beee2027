"""Golden training trajectories from PyTorch: ten updates of the classifier's network in float64, under softmax cross-entropy
and under the cosine hinge of its siamese variant, with L2 regularisation and SGD with Nesterov momentum and decay.

Inputs and initial weights follow from the generator in lcg.py. Convolutions are padded by hand as TensorFlow's "same"
does, batch normalisation and the optimiser are written out in Keras' form. Writes tests/golden/classifier.json: the
loss (without the L2 term) of every step; for some steps and each parameter the L2 norm of its change so far, the sum of
the change and its product with a fixed vector; the same figures of PyTorch in float32 are how far rounding alone leads.

Run from the root of the repository:  python tools/oracle/torch_classifier.py
"""

import json
import math
import pathlib
import platform

import numpy as np
import torch
import torch.nn.functional as F

from lcg import Lcg

OUT = pathlib.Path("tests/golden/classifier.json")
FRAMES, BANDS, DIMS, ROWS, ARTISTS, STEPS = 160, 12, 24, 12, 3, 10
NEGATIVES, MARGIN = 4, 0.4
SCALE, SHIFT = 1.5, -0.7  # of the map behind the compression
MOMENTUM, EPSILON = 0.99, 1e-3  # batch normalisation
RATES = {"classification": 0.05, "siamese": 0.005}
NESTEROV, DECAY, L2 = 0.9, 1e-2, 1e-3
BLOCKS = [(128, 4, 4), (128, 4, 4), (128, 4, 4), (128, 2, 2), (DIMS, 1, 1)]
MILESTONES = [1, 5, 10]


def kernel(lcg, fan_in, *shape):
    return lcg.symmetric(math.prod(shape), math.sqrt(6.0 / fan_in)).reshape(shape)


def initial_params(lcg, objective):
    """He uniform kernels, gains and variances of 1, zeros: [(name, array in the engine's layout)]."""
    params, inputs = [], BANDS
    for index, (outputs, size, _) in enumerate(BLOCKS, 1):
        params.append((f"block{index}.weight", kernel(lcg, size * inputs, outputs, size, inputs)))
        for name, value in [("bias", 0), ("gain", 1), ("shift", 0), ("mean", 0), ("variance", 1)]:
            params.append((f"block{index}.{name}", np.full(outputs, value, np.float32)))
        inputs = outputs
    if objective == "classification":
        params.append(("classifier.weight", kernel(lcg, DIMS, DIMS, ARTISTS)))
        params.append(("classifier.bias", np.zeros(ARTISTS, np.float32)))
    return params


def batch(lcg):
    """Magnitudes 4u², the bands shaped by the row's artist (its number modulo the artists)."""
    rows = []
    for row in range(ROWS):
        u = lcg.uniform(FRAMES * BANDS).reshape(FRAMES, BANDS)
        shape = 1 + (np.arange(BANDS) * (row % ARTISTS + 2)) % 5
        rows.append(u * u * shape.astype(np.float32))
    return np.stack(rows)


def embed(params, x, statistics):
    x = (SCALE * torch.log10(1 + 10 * x) + SHIFT).transpose(1, 2)  # rows x bands x frames
    for index, (_, size, pool) in enumerate(BLOCKS, 1):
        p = {name: params[f"block{index}.{name}"] for name in ("weight", "bias", "gain", "shift")}
        x = F.pad(x, {4: (1, 2), 2: (0, 1), 1: (0, 0)}[size])
        x = F.conv1d(x, p["weight"].permute(0, 2, 1), p["bias"])
        mean, variance = x.mean(dim=(0, 2)), x.var(dim=(0, 2), unbiased=False)
        statistics[index] = (mean.detach(), variance.detach())
        x = (x - mean[None, :, None]) / torch.sqrt(variance + EPSILON)[None, :, None]
        x = F.relu(x * p["gain"][None, :, None] + p["shift"][None, :, None])
        x = F.max_pool1d(x, pool) if pool > 1 else x
    return x.mean(dim=2)


def loss_of(objective, params, points):
    if objective == "classification":
        logits = points @ params["classifier.weight"] + params["classifier.bias"]
        return F.cross_entropy(logits, torch.arange(ROWS) % ARTISTS)
    tuples = F.normalize(points, dim=1).reshape(-1, 2 + NEGATIVES, DIMS)
    cosines = (tuples[:, :1] * tuples[:, 1:]).sum(dim=2)
    return torch.relu(MARGIN - cosines[:, :1] + cosines[:, 1:]).sum(dim=1).mean()


def trajectory(objective, dtype):
    lcg = Lcg(7)
    fixed = ("mean", "variance")
    params = {name: torch.tensor(value, dtype=dtype) for name, value in initial_params(lcg, objective)}
    trained = [name for name in params if name.split(".")[1] not in fixed]
    for name in trained:
        params[name].requires_grad_(True)
    velocity = {name: torch.zeros_like(params[name]) for name in trained}
    snapshot = lambda: {name: value.detach().double().numpy().copy() for name, value in params.items()}
    losses, states = [], [snapshot()]
    for step in range(STEPS):
        statistics = {}
        loss = loss_of(objective, params, embed(params, torch.tensor(batch(lcg), dtype=dtype), statistics))
        penalty = L2 * sum((params[name] ** 2).sum() for name in trained if name.endswith("weight"))
        grads = torch.autograd.grad(loss + penalty, [params[name] for name in trained])
        rate = RATES[objective] / (1 + DECAY * step)
        with torch.no_grad():
            for name, g in zip(trained, grads):
                velocity[name].mul_(NESTEROV).sub_(rate * g)
                params[name].add_(NESTEROV * velocity[name] - rate * g)
            for index, (mean, variance) in statistics.items():
                params[f"block{index}.mean"].mul_(MOMENTUM).add_((1 - MOMENTUM) * mean)
                params[f"block{index}.variance"].mul_(MOMENTUM).add_((1 - MOMENTUM) * variance)
        losses.append(float(loss.detach()))
        states.append(snapshot())
    return losses, states


def figures(states):
    def of(name, step):
        change = (states[step][name] - states[0][name]).ravel()
        probe = np.cos(1.0 + np.arange(change.size))
        return [float(np.linalg.norm(change)), float(change.sum()), float(change @ probe)]

    return {step: {name: of(name, step) for name in states[0]} for step in MILESTONES}


report = {"versions": f"Python {platform.python_version()}, NumPy {np.__version__}, PyTorch {torch.__version__.split('+')[0]}"}
for objective in ("classification", "siamese"):
    losses, states = trajectory(objective, torch.float64)
    single_losses, single = trajectory(objective, torch.float32)
    report[objective] = {
        "losses": losses,
        "milestones": figures(states),
        "float32": {"losses": single_losses, "milestones": figures(single)},
    }
    print(objective, losses)
    print("float32", single_losses)
OUT.write_text(json.dumps(report, indent=1) + "\n")
