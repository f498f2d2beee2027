"""Golden updates of the networks of learning to rank from PyTorch in float64: narrow versions of the three designs, the
triplet loss or binary cross-entropy, Adam.

Inputs and initial weights follow from a linear congruential generator that tests/rank_networks.rs has too. Writes to
tests/golden/rank:

DESIGN.gradient.npy   the gradient of the first update, flat, in the order of the engine (convolutions as outputs x 3 x 3 x
                      inputs, dense as inputs x outputs), float64 rounded to float32
updates.json          for each DESIGN the loss before every update and the embeddings after the last

Run from the root of the repository:  python tools/oracle/torch_rank.py
"""

import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

FOLDER = pathlib.Path("tests/golden/rank")
WIDE = [(128, (4, 2)), (256, (4, 2)), (512, (4, 2)), (1024, (3, 3)), (2048, (2, 4))]
LONG = [(64, (2, 2)), (128, (2, 2)), (256, (2, 2)), (512, (2, 2)), (1024, (1, 6))]
DESIGNS = {"at": (WIDE, 64, 384), "tl": (WIDE, 64, 384), "tl-autopool": (LONG, 32, 80)}  # blocks, 1 / width, frames
BANDS, DIMS, ROWS, STEPS, MARGIN, GAIN, SCALE, SHIFT = 96, 6, 5, 5, 0.5, 1e4, 0.5, -3.5
ADAM = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-7)


class Lcg:
    """Numerical Recipes' generator; `uniform` gives its upper 24 bits as a fraction, exact in float32."""

    def __init__(self, state):
        self.state = state

    def uniform(self, count):
        values = np.empty(count)
        for place in range(count):
            self.state = (1664525 * self.state + 1013904223) % 2**32
            values[place] = (self.state >> 8) * 2.0**-24
        return values


def initial(lcg, blocks, narrower):
    """Glorot uniform weights, zero biases, exponents of the auto-pooling around zero: [(name, array)]."""
    params, inputs = [], 1
    for number, (channels, _) in enumerate(blocks, 1):
        outputs = channels // narrower
        limit = math.sqrt(6 / (9 * inputs + 9 * outputs))
        weight = (2 * lcg.uniform(outputs * 9 * inputs) - 1) * limit
        params += [(f"conv{number}.weight", weight.reshape(outputs, 3, 3, inputs)), ("bias", np.zeros(outputs))]
        inputs = outputs
    weight = (2 * lcg.uniform(inputs * DIMS) - 1) * math.sqrt(6 / (inputs + DIMS))
    params += [("dense.weight", weight.reshape(inputs, DIMS)), ("dense.bias", np.zeros(DIMS))]
    if blocks is LONG:
        params.append(("autopool.alpha", 2 * lcg.uniform(DIMS) - 1))
    return [torch.tensor(value.astype(np.float32).astype(np.float64), requires_grad=True) for _, value in params]


def embed(params, design, segments):
    blocks = DESIGNS[design][0]
    x = (torch.log1p(GAIN * segments) * SCALE + SHIFT)[:, None]  # rows, channel, frames, bands
    for (_, pool), weight, bias in zip(blocks, params[0::2], params[1::2]):
        x = F.max_pool2d(F.relu(F.conv2d(x, weight.permute(0, 3, 1, 2), bias, padding=1)), pool)
    x = x[..., 0].transpose(1, 2) @ params[10] + params[11]  # rows, times, dims
    if design == "tl-autopool":
        x = (x * torch.softmax(params[12] * x, 1)).sum(1)
    else:
        x = x[:, 0]
    return torch.sigmoid(x) if design == "at" else F.normalize(x)


def loss_of(design, points, targets):
    """Of an anchor, its positive and negatives; of tags."""
    if design == "at":
        return F.binary_cross_entropy(points, targets, reduction="sum") / ROWS
    to = (points[0] - points).square().sum(1)
    return torch.clamp(to[1] - to[2:] + MARGIN, min=0).mean()


def main():
    FOLDER.mkdir(exist_ok=True)
    report = dict(versions=dict(torch=torch.__version__, numpy=np.__version__))
    for design, (blocks, narrower, frames) in DESIGNS.items():
        lcg = Lcg(7)
        params = initial(lcg, blocks, narrower)
        optimizer = torch.optim.Adam(params, **ADAM)
        losses = []
        for step in range(STEPS + 1):
            shape = 1 + np.arange(BANDS) * np.arange(2, 2 + ROWS)[:, None, None] % 8
            segments = torch.tensor(lcg.uniform(ROWS * frames * BANDS).reshape(ROWS, frames, BANDS) ** 2 * shape / 8)
            segments = segments.float().double()
            targets = torch.tensor((lcg.uniform(ROWS * DIMS) < 0.4).reshape(ROWS, DIMS).astype(float))
            points = embed(params, design, segments)
            if step == STEPS:
                break
            loss = loss_of(design, points, targets)
            optimizer.zero_grad()
            loss.backward()
            if step == 0:
                flat = torch.cat([param.grad.flatten() for param in params]).numpy()
                np.save(FOLDER / f"{design}.gradient.npy", flat.astype(np.float32)[:, None])
            optimizer.step()
            losses.append(loss.item())
        report[design] = dict(losses=losses, embeddings=points.detach().flatten().tolist())
    (FOLDER / "updates.json").write_text(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
