#!/usr/bin/env python3
"""The paper's network in PyTorch beside `homonym bench network`, in one run: batch 96, 9 s, medians.

usage: torch_network.py HOMONYM [--threads 1,2] [--rounds 5]

PyTorch works on ready tensors in channels_last; its training step is forward, triplet loss over 144 given triplets, backward
and RMSProp. homonym's also mines its triplets. Needs PyTorch 2.
"""
import argparse
import json
import subprocess
import time
from statistics import median

import torch
import torch.nn.functional as F

BATCH, FRAMES, BANDS = 96, 388, 128


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


def rate(rounds, job):
    job()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        job()
        seconds.append(time.perf_counter() - start)
    return BATCH / median(seconds)


def torch_rates(threads, rounds):
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = Network().to(memory_format=torch.channels_last)
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
        y = network(x)
        apart = (y[anchor] - y[positive]).pow(2).sum(1) - (y[anchor] - y[negative]).pow(2).sum(1)
        F.relu(apart + 0.2).mean().backward()
        optimizer.step()

    return rate(rounds, forward), rate(rounds, train)


def homonym_rates(homonym, threads, rounds):
    command = [homonym, "bench", "network", "--threads", str(threads), "--rounds", str(rounds), "--json"]
    report = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return report["forward_samples_per_s"], report["train_samples_per_s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("homonym")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"PyTorch {torch.__version__}, samples per second\n")
    print("| work | threads | homonym | PyTorch | ratio |\n|---|---|---|---|---|")
    for threads in map(int, options.threads.split(",")):
        ours = homonym_rates(options.homonym, threads, options.rounds)
        theirs = torch_rates(threads, options.rounds)
        for work, a, b in zip(("forward", "training step"), ours, theirs):
            print(f"| {work}, f32 | {threads} | {a:.0f} | {b:.0f} | {a / b:.1f} |", flush=True)


if __name__ == "__main__":
    main()
