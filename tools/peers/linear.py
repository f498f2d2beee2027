#!/usr/bin/env python3
"""Linear metric learning beside scikit-learn (PCA, LDA, NCA) and metric-learn (LMNN), in one run: accuracy and CPU seconds.

usage: linear.py HOMONYM [--nsynth FOLDER] [--sizes 3000x50] [--methods pca,lda,nca,lmnn] [--rounds 3]
                 [--peer-pairs 5000] [--venv FOLDER | --here]

Data: the tutorial's 33 features of instrument sounds (FOLDER holds nsynth_{train,valid,test}.csv; train and valid are learnt
from), and synthetic points: 20 classes that differ in 8 directions of many. All methods learn from standardised values;
accuracy is that of the nearest neighbour of the test points among the training points, by scikit-learn for both sides.
The clock of the peers is the CPU time of `fit` alone, in a process that has everything loaded, of values that are standardised
already. That of homonym is the CPU time of the whole command: start, reading, standardising, fit, writing; the ratio is of
these two. Beside it, how long its fit took by itself (as `--json` says: a clock on the wall, which other work slows down).
The NCA and LMNN of the peers hold a matrix of all pairs, or many of them: above --peer-pairs rows they are left out.

metric-learn 0.7.0 needs scikit-learn below 1.6: the script makes a virtual environment of its own (in --venv, default
~/.cache/homonym-peers-linear) and runs in it; --here runs with the interpreter that started it.
"""
import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from statistics import median

PINS = ["metric-learn==0.7.0", "scikit-learn==1.5.2", "numpy==2.2.6", "scipy==1.17.1"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym")
    parser.add_argument("--nsynth", type=Path)
    parser.add_argument("--sizes", default="3000x50")
    parser.add_argument("--methods", default="pca,lda,nca,lmnn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-pairs", type=int, default=5000)
    parser.add_argument("--venv", type=Path, default=Path.home() / ".cache/homonym-peers-linear")
    parser.add_argument("--here", action="store_true")
    return parser.parse_args()


def move_into(folder):
    python = folder / "bin/python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PINS], check=True)
    os.execv(python, [str(python), *sys.argv, "--here"])


def nsynth(folder):
    import numpy as np

    def part(name):
        rows = list(csv.reader(open(folder / f"nsynth_{name}.csv", newline="")))[1:]
        return np.array([[float(x) for x in row[1:-1]] for row in rows], np.float32), [row[-1] for row in rows]

    (x, y), (x2, y2) = part("train"), part("valid")
    return np.vstack([x, x2]), np.array(y + y2), *map(np.array, part("test"))


def synthetic(n, d, classes=20, told=8, tests=1000):
    import numpy as np

    rng = np.random.default_rng(0)
    centres, mix = 1.6 * rng.normal(size=(classes, told)), rng.normal(size=(d, d))
    labels = rng.integers(classes, size=n + tests)
    x = rng.normal(size=(n + tests, d))
    x[:, :told] += centres[labels]
    x, y = (x @ mix).astype(np.float32), np.array([f"class {label}" for label in labels])
    return x[:n], y[:n], x[n:], y[n:]


def run(*command):
    """CPU seconds of a command and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, printed


def write(prefix, x, y):
    import numpy as np

    np.save(f"{prefix}.npy", x)
    Path(f"{prefix}.csv").write_text("path,artist\n" + "".join(f"{i},{name}\n" for i, name in enumerate(y)))


def peers():
    from metric_learn import LMNN
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.neighbors import NeighborhoodComponentsAnalysis

    return {"pca": PCA, "lda": LinearDiscriminantAnalysis, "nca": NeighborhoodComponentsAnalysis, "lmnn": LMNN}


def compare(what, options, folder, data):
    import numpy as np
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.preprocessing import StandardScaler

    x, y, x_test, y_test = data
    accuracy = lambda a, b: KNeighborsClassifier(1, algorithm="brute").fit(a, y).score(b, y_test)
    scaler = StandardScaler().fit(x)
    wide, wide_test = scaler.transform(x).astype(np.float64), scaler.transform(x_test).astype(np.float64)
    write(folder / "train", x, y)
    write(folder / "test", x_test, y_test)
    print(f"| {what}, plain | {accuracy(wide, wide_test):.3f} | | | | | |", flush=True)
    for name in options.methods.split(","):
        ours, alone, theirs, model = [], [], [], None
        for _ in range(options.rounds):
            paths = (name, folder / "train", "--out", folder / "map.safetensors")
            seconds, printed = run(options.homonym, "fit", *paths, "--force", "--threads", 1, "--json")
            ours.append(seconds)
            alone.append(json.loads(printed)["seconds"])
            known = len(x) <= options.peer_pairs or name in ("pca", "lda")
            if known and (not theirs or theirs[0] < 20):  # what takes long is timed once
                model, start = peers()[name](), time.process_time()
                model.fit(wide, y)
                theirs.append(time.process_time() - start)
        mapped = []
        for part in ("train", "test"):
            run(options.homonym, "transform", folder / "map.safetensors", folder / part, "--out", folder / "mapped")
            mapped.append(np.load(folder / "mapped.npy"))
        own, other, peer, ratio = accuracy(*mapped), "", "", ""
        if theirs:
            other = f"{accuracy(model.transform(wide), model.transform(wide_test)):.3f}"
            peer, ratio = f"{median(theirs):.3f}", f"{median(theirs) / median(ours):.1f}"
        print(f"| {what}, {name} | {own:.3f} | {other} | {median(ours):.3f} | {median(alone):.3f} | {peer} | {ratio} |", flush=True)


def main(options):
    import metric_learn
    import sklearn

    print(f"scikit-learn {sklearn.__version__}, metric-learn {metric_learn.__version__}, one thread, medians of {options.rounds}\n")
    print("| data, method | 1-NN, homonym | 1-NN, peer | homonym, CPU s of the command | its fit, s | peer's fit, CPU s | ratio |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if options.nsynth:
            compare("instruments 1200 × 33", options, folder, nsynth(options.nsynth))
        for size in filter(None, options.sizes.split(",")):
            n, d = map(int, size.split("x"))
            compare(f"synthetic {n} × {d}", options, folder, synthetic(n, d))


if __name__ == "__main__":
    # Peers get one thread, as homonym does; this must be said before NumPy is loaded.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    chosen = arguments()
    if not chosen.here:
        move_into(chosen.venv)
    main(chosen)
