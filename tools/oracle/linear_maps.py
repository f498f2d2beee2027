"""Golden linear maps: tests/golden/linear.json, from scikit-learn (PCA, LDA, NCA), SciPy (LDA with shrinkage) and metric-learn
(LMNN). metric-learn 0.7.0 does not run on scikit-learn 1.6 and later, so this script has a virtual environment of its own:

python3 -m venv v && v/bin/pip install metric-learn==0.7.0 scikit-learn==1.5.2 numpy==2.2.6 scipy==1.17.1
Run from the root of the repository:  v/bin/python tools/oracle/linear_maps.py
"""

import json
import pathlib
import platform

import metric_learn
import numpy as np
import scipy
import sklearn
from scipy.linalg import eigh
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(2020)
DIMS, SIZES = 6, (30, 25, 12, 8)
labels = np.repeat(np.arange(len(SIZES)), SIZES)
rng.shuffle(labels)
centres = 1.5 * rng.normal(size=(len(SIZES), DIMS))
mix = rng.normal(size=(DIMS, DIMS))
raw = ((centres[labels] + rng.normal(size=(len(labels), DIMS))) @ mix * [1, 10, 0.1, 3, 1, 5] + [0, 100, 0, -5, 1, 2]).astype(np.float32)
x = StandardScaler().fit_transform(raw.astype(np.float64))


def pca():
    plain, white = PCA(3).fit(x), PCA(3, whiten=True).fit(x)
    return {"mapped": plain.transform(x), "whitened": white.transform(x), "share": plain.explained_variance_ratio_.sum(),
            "raw": PCA(2).fit_transform(raw.astype(np.float64))}


def lda(share=0.3):
    """With shrinkage by its definition: largest scatter of means against (1 - s)·W + s·tr(W)/d·1."""
    plain = LinearDiscriminantAnalysis(solver="svd").fit(x, labels)
    means = np.array([x[labels == c].mean(0) for c in range(len(SIZES))])
    centred = x - means[labels]
    within = centred.T @ centred / (len(x) - len(SIZES))
    within = (1 - share) * within + share * np.trace(within) / DIMS * np.eye(DIMS)
    between = means.T @ np.diag(SIZES) @ means / len(x)
    vectors = eigh(between, within)[1][:, ::-1][:, : len(SIZES) - 1]
    return {"mapped": plain.transform(x), "shrinkage": share, "shrunk": x @ vectors}


def nca(maps):
    """Mean 1 - p of a point and its gradient at some maps, and where scikit-learn's own descent ends."""
    model = NeighborhoodComponentsAnalysis()
    model.n_iter_ = 0
    same = labels[:, None] == labels[None, :]
    at = [model._loss_grad_lbfgs(m.ravel(), x, same, 1.0) for m in maps]
    ends = []
    for dims in (DIMS, 2):
        fitted = NeighborhoodComponentsAnalysis(dims, max_iter=200, random_state=0).fit(x, labels)
        ends.append(1 - model._loss_grad_lbfgs(fitted.components_.ravel(), x, same, 1.0)[0] / len(x))
    return {"losses": [1 - value / len(x) for value, _ in at], "gradients": [-g / len(x) for _, g in at], "ends": ends}


def lmnn(maps, k=3):
    model = metric_learn.LMNN(n_neighbors=k)
    model.labels_ = np.arange(len(SIZES))
    targets = model._select_targets(x, labels)
    pull = metric_learn.lmnn._sum_outer_products(x, targets.flatten(), np.repeat(np.arange(len(x)), k))
    loss = lambda m: model._loss_grad(x, m, pull, k, 0.5, targets, labels)
    at = [loss(m) for m in maps]
    fitted = metric_learn.LMNN(n_neighbors=k, learn_rate=1e-4, max_iter=5000, convergence_tol=1e-6).fit(x, labels)
    return {"losses": [value / len(x) for _, value, _ in at], "gradients": [g.ravel() / len(x) for g, _, _ in at],
            "ends": [loss(fitted.components_)[1] / len(x)]}


def plain(value):
    if isinstance(value, dict):
        return {key: plain(value) for key, value in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(value) for value in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


maps = [np.eye(DIMS), 0.5 * rng.normal(size=(DIMS, DIMS)), 0.7 * rng.normal(size=(2, DIMS))]
versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__, "metric-learn": "0.7.0"}
out = {"versions": versions, "points": raw, "labels": labels, "maps": maps, "pca": pca(), "lda": lda(), "nca": nca(maps),
       "lmnn": lmnn(maps)}
pathlib.Path("tests/golden/linear.json").write_text(json.dumps(plain(out), separators=(",", ":")) + "\n")
