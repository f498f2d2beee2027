#!/usr/bin/env python3
"""Train and judge on real data by artists kept out; print the table of docs/results.md.

usage: results.py HOMONYM DATA WORK [--sets open,voices] [--presets paper,best] [--seeds 0,1] [--folds 3]

HOMONYM is the binary, DATA a folder with SET/catalogue.csv, WORK a folder for stores, models and embeddings. The artists of a
set are dealt into folds; each fold is judged by models trained on the others. What WORK holds already is not done again.
Needs NumPy, SciPy and scikit-learn for the LDA baseline.
"""
import argparse
import json
import os
import subprocess
import sys
from statistics import mean, stdev

HERE = os.path.dirname(os.path.abspath(__file__))
# How each set is trained and judged beside its preset: voices are too short for 9 s.
TRAIN = {("open", "paper"): ["--tag-column", "source"], ("open", "best"): ["--tag-column", "source"],
         ("voices", "paper"): ["--segment", "3"]}
ACROSS = {"open": [], "voices": ["--across", "album"]}


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


class Study:
    def __init__(self, options):
        self.homonym, self.data, self.work = options.homonym, options.data, options.work
        self.folds = options.folds
        os.makedirs(self.work, exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.work, "-".join(map(str, parts)))

    def store(self, name):
        catalogue, store = self.path(name) + ".csv", self.path(name, "store")
        if not os.path.exists(store):
            run(sys.executable, os.path.join(HERE, "folds.py"), os.path.join(self.data, name, "catalogue.csv"),
                catalogue, self.folds)
            run(self.homonym, "extract", catalogue, "--out", store)
        return store

    def judge(self, name, prefix, fold):
        judged = prefix + f".fold{fold}.json"
        if not os.path.exists(judged):
            common = [prefix, "--json", "--where", f"fold={fold}", "--within", "source"]
            report = {}
            for protocol, more in (("clustering", ["--repeats", "20"]),
                                   ("verification", ["--repeats", "5", *ACROSS[name]]),
                                   ("classification", ["--repeats", "5", *ACROSS[name]])):
                report.update(json.loads(run(self.homonym, "evaluate", protocol, *common, *more)))
            json.dump({key: report[key] for key in ("ami", "ari", "eer", "accuracy")}, open(judged, "w"))
        return json.load(open(judged))

    def statistics(self, name):
        prefix = self.path(name, "statistics")
        if not os.path.exists(prefix + ".npy"):
            run(self.homonym, "embed", self.store(name), "--statistics", "--out", prefix)
        return [self.judge(name, prefix, fold) for fold in range(self.folds)]

    def lda(self, name):
        reports = []
        for fold in range(self.folds):
            prefix = self.path(name, "lda", fold)
            if not os.path.exists(prefix + ".npy"):
                run(sys.executable, os.path.join(HERE, "lda.py"), self.store(name), prefix, f"fold={fold}")
            reports.append(self.judge(name, prefix, fold))
        return reports

    def network(self, name, preset, seed, steps=None):
        """Reports of one seed, fold by fold, and the share of active triplets at the end of training."""
        reports, active, minutes = [], [], 0.0
        for fold in range(self.folds):
            stem = self.path(name, preset, "untrained" if steps == 0 else "trained", seed, fold)
            model, prefix = stem + ".safetensors", stem + "-tracks"
            if not os.path.exists(prefix + ".npy"):
                limit = [] if steps is None else ["--steps", steps]
                run(self.homonym, "train", self.store(name), "--out", model, "--force", "--preset", preset, "--seed", seed,
                    "--where", f"fold!={fold}", *TRAIN.get((name, preset), []), *limit)
                run(self.homonym, "embed", self.store(name), "--model", model, "--out", prefix)
            reports.append(self.judge(name, prefix, fold))
            lines = [json.loads(line) for line in open(stem + ".metrics.jsonl")]
            active += [line["active"] for line in lines if line["event"] == "step"][-100:]
            minutes += max((line["minutes"] for line in lines if line["event"] == "evaluation"), default=0.0)
        return reports, active, minutes


def row(label, seeds, active=None, minutes=None):
    """A line of the table: the mean over folds and seeds, ± the deviation of a seed's mean where there are several."""
    cells = []
    for key in ("ami", "ari", "eer", "accuracy"):
        means = [mean(report[key] for report in reports) for reports in seeds]
        spread = f" ± {stdev(means):.3f}" if len(means) > 1 else ""
        cells.append(f"{mean(means):.3f}{spread}")
    cells.append("" if not active else f"{mean(active):.2f}")
    cells.append("" if minutes is None else f"{minutes:.1f}")
    print(f"| {label} | {' | '.join(cells)} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym")
    parser.add_argument("data")
    parser.add_argument("work")
    parser.add_argument("--sets", default="open,voices")
    parser.add_argument("--presets", default="paper,best")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--folds", type=int, default=3)
    options = parser.parse_args()
    study = Study(options)
    seeds = [int(seed) for seed in options.seeds.split(",")]
    for name in options.sets.split(","):
        print(f"\n### {name}\n\n| vectors | AMI | ARI | EER | accuracy | active triplets | minutes a run |\n|---|---|---|---|---|---|---|")
        row("log-mel mean and deviation", [study.statistics(name)])
        row("richer statistics, LDA", [study.lda(name)])
        for preset in options.presets.split(","):
            row(f"`{preset}`, untrained", [study.network(name, preset, seed, steps=0)[0] for seed in seeds])
            runs = [study.network(name, preset, seed) for seed in seeds]
            active = [share for _, shares, _ in runs for share in shares]
            minutes = mean(minutes for _, _, minutes in runs) / options.folds
            row(f"`{preset}`, trained", [reports for reports, _, _ in runs], active, minutes)


if __name__ == "__main__":
    main()
