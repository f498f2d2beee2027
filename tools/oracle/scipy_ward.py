"""Golden Ward trees from SciPy: tests/golden/ward/NAME.npy holds the points, NAME.z.npy SciPy's linkage of them and
NAME.cut.csv flat clusters (one line a point: cluster, after a first line with the distance of the cut).

Run from the root of the repository:  python tools/oracle/scipy_ward.py
"""

import pathlib
import platform

import numpy as np
import scipy
from scipy.cluster.hierarchy import fcluster, linkage

FOLDER = pathlib.Path("tests/golden/ward")
rng = np.random.default_rng(20180923)


def sphere(n, d):
    """Directions around n/12 centres."""
    centres = rng.normal(size=(max(1, n // 12), d))
    x = centres[rng.integers(len(centres), size=n)] + 0.35 * rng.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


sets = {
    "pair": np.array([[0.0, 0.0], [3.0, 4.0]]),
    "three": rng.normal(size=(3, 2)),
    "line10": rng.uniform(size=(10, 1)),
    "uniform170x2": rng.uniform(size=(170, 2)),
    "sphere170x32": sphere(170, 32).astype(np.float32),
    "sphere60x256": sphere(60, 256).astype(np.float32),
    "normal1000x2": rng.normal(size=(1000, 2)),
    "sphere1000x8": sphere(1000, 8).astype(np.float32),
    # Gaps double from 1e-9 up: the smallest heights are lost by any centring or any f32.
    "exponential40": (1e-9 * 2.0 ** np.arange(40))[:, None],
    "outlier": np.vstack([rng.normal(size=(50, 3)), [[1e6, 0, 0]]]),
}

FOLDER.mkdir(parents=True, exist_ok=True)
for name, points in sets.items():
    z = linkage(points.astype(np.float64), "ward")
    assert len(np.unique(z[:, 2])) == len(z), f"{name}: ties would make the tree ambiguous"
    heights = [*z[:, 2], 2 * z[-1, 2]]
    middle = len(z) // 2
    cut = float(heights[middle] + heights[middle + 1]) / 2  # between two heights: rounding must not decide
    np.save(FOLDER / f"{name}.npy", points)
    np.save(FOLDER / f"{name}.z.npy", z)
    labels = fcluster(z, cut, "distance")
    (FOLDER / f"{name}.cut.csv").write_text("\n".join([repr(cut), *map(str, labels)]) + "\n")

versions = f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}\n"
(FOLDER / "VERSIONS.txt").write_text(versions)
