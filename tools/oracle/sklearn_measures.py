"""Golden ARI, AMI and EER from scikit-learn: tests/golden/measures.json.

Run from the root of the repository:  python tools/oracle/sklearn_measures.py
"""

import json
import pathlib
import platform

import numpy as np
import scipy
import sklearn
from scipy.optimize import brentq
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, roc_curve

rng = np.random.default_rng(20180923)


def agreement(truth, labels):
    truth, labels = [np.asarray(x, dtype=int).tolist() for x in (truth, labels)]
    return {
        "truth": truth,
        "labels": labels,
        "ari": float(adjusted_rand_score(truth, labels)),
        "ami": float(adjusted_mutual_info_score(truth, labels)),
    }


def eer(genuine, impostors):
    """Distances; the crossing of the piecewise linear ROC with the line FNR = FPR."""
    truth = np.r_[np.ones(len(genuine)), np.zeros(len(impostors))]
    fpr, tpr, _ = roc_curve(truth, -np.r_[genuine, impostors], drop_intermediate=False)
    rate = brentq(lambda x: 1 - x - np.interp(x, fpr, tpr), 0, 1, xtol=1e-14, rtol=1e-14)
    return {"genuine": list(map(float, genuine)), "impostors": list(map(float, impostors)), "eer": float(rate)}


noisy = rng.integers(4, size=400)
agreements = [
    agreement([0], [5]),
    agreement([0, 0], [0, 0]),
    agreement([0, 0], [0, 1]),
    agreement([0, 1], [0, 0]),
    agreement([0, 1], [1, 0]),
    agreement(range(9), range(9)),
    agreement(range(9), [0] * 9),
    agreement([0] * 9, range(9)),
    agreement([0, 0, 0, 1, 1, 1, 2, 2], range(8)),
    agreement([0, 0, 1, 1], [0, 1, 0, 1]),
    agreement([0, 0, 1, 1, 2], [3, 3, 1, 1, 0]),
    agreement([0, 0, 1, 2], [0, 0, 1, 1]),
    agreement(noisy, np.where(rng.uniform(size=400) < 0.3, rng.integers(6, size=400), noisy)),
    agreement(rng.integers(3, size=500), rng.integers(5, size=500)),
    agreement(rng.integers(40, size=300), rng.integers(150, size=300)),
    agreement(np.arange(2000) // 1000, (np.arange(2000) + 100) // 700),
]
rates = [
    eer([0.1, 0.2], [0.3, 0.4]),
    eer([0.3, 0.4], [0.1, 0.2]),
    eer([0.5], [0.5]),
    eer([0.1, 0.5, 0.5], [0.5, 0.5, 0.9, 1.0]),
    eer([0.1, 0.2, 0.6], [0.3, 0.5, 0.7, 0.8, 0.9]),
    eer(rng.normal(0.8, 0.2, 60).round(2), rng.normal(1.2, 0.2, 300).round(2)),
    eer(rng.normal(0.8, 0.2, 201), rng.normal(1.2, 0.2, 400)),
]
versions = {
    "python": platform.python_version(),
    "numpy": np.__version__,
    "scipy": scipy.__version__,
    "scikit-learn": sklearn.__version__,
}
out = {"versions": versions, "agreements": agreements, "rates": rates}
pathlib.Path("tests/golden").mkdir(parents=True, exist_ok=True)
pathlib.Path("tests/golden/measures.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
