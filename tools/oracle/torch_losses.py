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


# Anchor, positive, negative; judged by values 1 and 2 alone.
triplets = torch.tensor([[0, 1, 3], [1, 2, 6], [4, 5, 9], [9, 10, 0], [2, 0, 11]])


def masked(x, margin=0.7):
    mask = torch.zeros(DIMS, dtype=x.dtype)
    mask[1:3] = 1
    return F.triplet_margin_with_distance_loss(
        *(x[triplets[:, at]] * mask for at in range(3)), margin=margin,
        distance_function=lambda a, b: (a - b).square().sum(-1))


# Anchors among the points, positives and negatives among the centroids.
across = torch.tensor([[0, 1, 3], [1, 2, 5], [4, 5, 0], [9, 3, 0], [2, 0, 4], [11, 1, 2]])


def cosine_triplets(x, c, margin=0.4):
    cosine = F.normalize(x) @ F.normalize(c).T
    anchor, positive, negative = across.T
    return (margin - cosine[anchor, positive] + cosine[anchor, negative]).clamp(min=0).mean()


# Of three anchors: logits of the distances of positives, then of negatives.
logits = draw(14)
sizes = [(2, 3), (1, 4), (3, 1)]


def match(z):
    d, at, total = torch.sigmoid(z), 0, 0
    for near, far in sizes:
        positive, negative = d[at:at + near], d[at + near:at + near + far]
        at += near + far
        psi = (positive.max() - negative).clamp(min=0).mean()
        phi = -(torch.log(1 - positive)[:, None] + torch.log(negative)[None, :]).mean()
        total = total + psi + phi
    return total / len(sizes)


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
    "triplets": triplets.tolist(), "masks": golden(masked, points),
    "across": across.tolist(), "two-towers": golden(cosine_triplets, points, centroids),
    "logits": logits.tolist(), "sizes": sizes, "match-net": golden(match, logits),
}
pathlib.Path("tests/golden/losses.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
