"""Golden losses and gradients from PyTorch's autograd: tests/golden/losses.json.

Run from the root of the repository:  python tools/oracle/torch_losses.py
"""

import json
import pathlib
import platform

import torch
from torch.nn import functional as F

torch.manual_seed(2020)
GROUPS, SIZE, DIMS, CLASSES = 4, 3, 5, 6
# Values that f32 holds exactly.
draw = lambda *shape: (torch.randn(*shape, dtype=torch.float64) * 256).round() / 256
points, centroids = draw(GROUPS * SIZE, DIMS), draw(CLASSES, DIMS)
classes = torch.randint(CLASSES, (GROUPS * SIZE,))
group = torch.arange(GROUPS * SIZE) // SIZE
same = group[:, None] == group[None, :]
upper = torch.ones_like(same).triu(1).bool()


def contrastive(x, margin=2.5):
    squares = (x[:, None] - x[None, :]).square().sum(-1)
    far = (margin - squares[upper & ~same].sqrt()).clamp(min=0).square()
    return 0.5 * squares[upper & same].mean() + 0.5 * far.mean()


def nt_xent(x, temperature=0.4):
    unit = F.normalize(x)
    logits = (unit @ unit.T / temperature).masked_fill(torch.eye(len(x), dtype=bool), -torch.inf)
    positive = same & ~torch.eye(len(x), dtype=bool)
    return -F.log_softmax(logits, 1)[positive].mean()


def prototypical(x, shots=2):
    episodes = x.reshape(GROUPS, SIZE, DIMS)
    prototypes = episodes[:, :shots].mean(1)
    queries = episodes[:, shots:].reshape(-1, DIMS)
    wanted = torch.arange(GROUPS).repeat_interleave(SIZE - shots)
    return F.cross_entropy(-torch.cdist(queries, prototypes).square(), wanted)


def normalised(x, c, temperature=0.3):
    return F.cross_entropy(F.normalize(x) @ F.normalize(c).T / temperature, classes)


def golden(loss, *inputs):
    inputs = [x.clone().requires_grad_() for x in inputs]
    value = loss(*inputs)
    value.backward()
    return {"loss": value.item(), "gradients": [x.grad.flatten().tolist() for x in inputs]}


out = {
    "versions": {"python": platform.python_version(), "torch": torch.__version__},
    "size": SIZE, "dims": DIMS, "points": points.flatten().tolist(), "centroids": centroids.flatten().tolist(),
    "classes": classes.tolist(),
    "contrastive": golden(contrastive, points), "nt-xent": golden(nt_xent, points),
    "prototypical": golden(prototypical, points), "normalised-classification": golden(normalised, points, centroids),
}
pathlib.Path("tests/golden/losses.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
