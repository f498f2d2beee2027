#!/usr/bin/env python3
"""The paper's network in PyTorch beside `homonym bench network`, in one run: batch 96, 9 s, ratios of medians.

usage: torch_network.py HOMONYM [--threads 1,2] [--rounds 5] [--turns 3]

The two take turns, so that both see the same machine. PyTorch works on ready tensors in its faster layout (channels_last);
its training step is forward, triplet loss over 144 given triplets, backward and RMSProp. homonym's forward pass and training
step draw the segments from a mapped store, and the step mines its triplets. Rows by instruction set: what the CPU has, and
AVX2 where it has more (both sides limited alike). Where the CPU has instructions for bf16, PyTorch's autocast is a peer, too;
homonym's own bf16 needs AMX. Before anything is timed, both embed the same nine seconds with the same weights, and must
agree.

Needs PyTorch 2: python3 -m venv v && v/bin/pip install torch numpy
"""
import argparse
import json
import os
import random
import resource
import struct
import subprocess
import sys
import tempfile
import time
import wave
from statistics import median

BATCH, FRAMES, BANDS = 96, 388, 128
# For both sides alike: homonym, ATen's own kernels and oneDNN.
LIMITS = {"best": {}, "avx2": {"HOMONYM_ISA": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}}


def new_network():
    import torch
    import torch.nn.functional as F

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolutions = torch.nn.ModuleList(
                torch.nn.Conv2d(a, b, 3, padding=1) for a, b in ((1, 16), (16, 32), (32, 64)))
            self.dense = torch.nn.Linear(448, 32)

        def forward(self, x):
            x = torch.log1p(1e4 * x)
            for convolution, pool in zip(self.convolutions, (2, 3, 3)):
                x = F.max_pool2d(F.relu(convolution(x)), pool)
            x = x.mean(dim=2).flatten(1)
            return F.normalize(torch.tanh(self.dense(x)), dim=1)

    return Network().to(memory_format=torch.channels_last)


def check(homonym):
    """The largest difference between the two embeddings of one clip under homonym's initial weights."""
    import numpy as np
    import torch

    with tempfile.TemporaryDirectory() as folder:
        at = lambda name: os.path.join(folder, name)
        noise = random.Random(0)
        for name in ("a.wav", "b.wav"):
            with wave.open(at(name), "wb") as file:
                file.setparams((1, 2, 22050, 0, "NONE", ""))
                file.writeframes(struct.pack("<198450h", *(int(noise.gauss(0, 3000)) for _ in range(198450))))
        with open(at("catalogue.csv"), "w") as file:
            file.write("path,artist\na.wav,a\nb.wav,b\n")
        for command in (["mel", at("a.wav"), "--out", at("mel.npy")],
                        ["extract", at("catalogue.csv"), "--out", at("store"), "--precision", "f32"],
                        ["train", at("store"), "--preset", "paper", "--steps", "0", "--out", at("model.safetensors")],
                        ["embed", at("store"), "--model", at("model.safetensors"), "--out", at("tracks")]):
            run([homonym, *command, "--json"], {})
        mel, ours = np.load(at("mel.npy")), np.load(at("tracks.npy"))[0]
        with open(at("model.safetensors"), "rb") as file:
            header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
            values = file.read()
    weights = {name: torch.tensor(np.frombuffer(values[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"]))
               for name, entry in header.items() if name != "__metadata__"}
    network = new_network()
    with torch.no_grad():
        for index, convolution in enumerate(network.convolutions, 1):
            convolution.weight.copy_(weights[f"conv{index}.weight"].permute(0, 3, 1, 2))
            convolution.bias.copy_(weights[f"conv{index}.bias"])
        # homonym's features are bands x channels, PyTorch's channels x bands.
        network.dense.weight.copy_(weights["dense.weight"].reshape(7, 64, 32).permute(2, 1, 0).reshape(32, 448))
        network.dense.bias.copy_(weights["dense.bias"])
        theirs = network(torch.tensor(mel)[None, None])[0].numpy()
    return float(np.abs(ours - theirs).max())


def torch_side(threads, rounds):
    """Runs in a process of its own: the limits are read when PyTorch loads."""
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = new_network()
    optimizer = torch.optim.RMSprop(network.parameters(), lr=1e-3, alpha=0.9, eps=1e-8)
    x = torch.exp(2 * torch.randn(BATCH, 1, FRAMES, BANDS) - 5).to(memory_format=torch.channels_last)
    anchor, positive = torch.combinations(torch.arange(4)).repeat(24, 1).add(
        torch.arange(24).repeat_interleave(6)[:, None] * 4).T
    negative = (anchor + 4 * torch.randint(1, 24, anchor.shape)) % BATCH

    def forward():
        with torch.no_grad():
            network(x)

    def train():
        optimizer.zero_grad()
        y = network(x).float()
        apart = (y[anchor] - y[positive]).pow(2).sum(1) - (y[anchor] - y[negative]).pow(2).sum(1)
        F.relu(apart + 0.2).mean().backward()
        optimizer.step()

    def rate(job):
        job()
        seconds = []
        for _ in range(rounds):
            start = time.perf_counter()
            job()
            seconds.append(time.perf_counter() - start)
        return BATCH / median(seconds)

    report = {"version": torch.__version__, "forward": rate(forward), "train": rate(train)}
    report["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if cpu_has("avx512_bf16", "amx_bf16"):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            report |= {"forward_bf16": rate(forward), "train_bf16": rate(train)}
    print(json.dumps(report))


def cpu_has(*flags):
    with open("/proc/cpuinfo") as file:
        return not set(flags).isdisjoint(file.read().split())


def run(command, limits):
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | limits)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def compare(homonym, limits, threads, options):
    ours, theirs, ours_bf16 = [], [], []
    common = ["--threads", str(threads), "--rounds", str(options.rounds)]
    for _ in range(options.turns):
        ours.append(run([homonym, "bench", "network", *common, "--json"], limits))
        theirs.append(run([sys.executable, __file__, homonym, *common, "--torch-side"], limits))
        if not limits and cpu_has("amx_bf16"):
            ours_bf16.append(run([homonym, "bench", "network", *common, "--json", "--arithmetic", "bf16"], limits))
    middle = lambda reports, key: median(report[key] for report in reports)
    isa = ours[0]["isa"]
    rows = [("forward, f32", ours, "forward_samples_per_s", "forward"),
            ("training step, f32", ours, "train_samples_per_s", "train")]
    if "forward_bf16" in theirs[0]:
        rows += [("forward, f32 beside bf16", ours, "forward_samples_per_s", "forward_bf16"),
                 ("training step, f32 beside bf16", ours, "train_samples_per_s", "train_bf16")]
    if ours_bf16:
        rows += [("forward, bf16", ours_bf16, "forward_samples_per_s", "forward_bf16")]
    for work, reports, key, peer in rows:
        a, b = middle(reports, key), middle(theirs, peer)
        print(f"| {work} | {isa} | {threads} | {a:.0f} | {b:.0f} | {a / b:.1f} |", flush=True)
    a, b = middle(ours, "peak_memory_bytes") / 1e6, middle(theirs, "memory") / 1e6
    print(f"| peak memory, MB | {isa} | {threads} | {a:.0f} | {b:.0f} | 1/{b / a:.1f} |", flush=True)
    whole, passes = middle(ours, "train_samples_per_s"), middle(ours, "passes_samples_per_s")
    print(f"| training step over its passes alone | {isa} | {threads} | {whole:.0f} | {passes:.0f} | {whole / passes:.2f} |",
          flush=True)
    return ours


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--torch-side", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    threads = [int(count) for count in options.threads.split(",")]
    if options.torch_side:
        return torch_side(threads[0], options.rounds)
    import torch
    difference = check(options.homonym)
    if difference > 1e-5:
        sys.exit(f"the embeddings of the two differ by {difference}")
    print(f"the embeddings of the two differ by {difference:.1e}\n")
    print(f"PyTorch {torch.__version__}; samples per second, medians of {options.turns} turns of {options.rounds} rounds\n")
    print("| work | set | threads | homonym | PyTorch | ratio |\n|---|---|---|---|---|---|")
    best = run([options.homonym, "info", "--json"], {})
    for name, limits in LIMITS.items():
        if name == "avx2" and best["isa"] in ("portable", "avx2"):
            continue  # the same again
        rates = {count: compare(options.homonym, limits, count, options) for count in threads}
        if len(threads) > 1:
            first, last = threads[0], threads[-1]
            for key in ("forward_samples_per_s", "train_samples_per_s"):
                scale = median(r[key] for r in rates[last]) / median(r[key] for r in rates[first])
                print(f"| {key.split('_')[0]}: {last} threads over {first} | {rates[first][0]['isa']} | | | | {scale:.2f} |")


if __name__ == "__main__":
    main()
