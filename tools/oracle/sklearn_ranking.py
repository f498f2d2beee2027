"""Golden nDCG, average precision and recall from scikit-learn: tests/golden/ranking.json.

Run from the root of the repository:  python tools/oracle/sklearn_ranking.py
"""

import json
import pathlib
import platform

import numpy as np
import sklearn
from sklearn.metrics import average_precision_score, ndcg_score, recall_score

rng = np.random.default_rng(2020)


def case(items, relevant, depth):
    """Random answers; scikit-learn's average precision knows no depth, so it is only that of whole lists."""
    answers = rng.permutation(items)
    wanted = rng.choice(items, relevant, replace=False)
    gains = np.zeros(items)
    gains[wanted] = np.arange(relevant, 0, -1)
    scores = np.empty(items)
    scores[answers] = np.arange(items, 0, -1)
    listed = np.isin(np.arange(items), answers[:depth])
    out = dict(depth=depth, relevant=wanted.tolist(), answers=answers.tolist())
    out["ndcg"] = float(ndcg_score([gains], [scores], k=depth))
    out["recall"] = float(recall_score(gains > 0, listed))
    if depth >= items:
        out["average_precision"] = float(average_precision_score(gains > 0, scores))
    return out


sizes = [(20, 5, 20), (25, 5, 20), (60, 5, 20), (60, 5, 20), (200, 5, 20), (30, 1, 30), (30, 12, 30), (30, 12, 8), (8, 3, 8)]
versions = {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__}
out = {"versions": versions, "cases": [case(*size) for size in sizes]}
pathlib.Path("tests/golden/ranking.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
