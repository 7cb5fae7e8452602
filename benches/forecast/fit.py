#!/usr/bin/env python3
"""Fits the weights and margins of src/admission/forecast.rs to runs written down by collect.py, and replays all runs
as forecasts of files that the weights do not know.

Usage: fit.py RUNS.tsv...

A file of which parts are relocated or decompressed holds them a second time. What is expected, in bytes:

    floor + copied + BASE * base + first * A + next * B + rest * C
          + (workers - 1) * (worker_first * A + worker_next * B + step)

where A, B, C are the bytes of .debug_info up to the first of two knees, up to the second, and the others,
with weights of their own for modules and for files that are linked. Those are best with which least is reserved in all
if the margin is such that one of a hundred runs exceeds it. Kernels that are left out, all their runs together, tell
what weights and margin are worth elsewhere.
"""
import csv
import os
import random
import sys

KNEES = {True: (640 << 10, 3 << 20), False: (0, 100 << 20)}
START = {True: [2.8e6, 4.85, 2.6, 0.015, 3.8, 2.5, 3.3e4], False: [14e6, 0, 0.38, 0.18, 0, 0.03, 3e5]}
BASE = 3.1


def forecast(weights, run):
    floor, first, next_, rest, worker_first, worker_next, step = weights
    info, (knee, next_knee), more = run["info"], KNEES[run["is_module"]], run["workers"] - 1
    a, c = min(info, knee), max(info - next_knee, 0)
    b = info - a - c
    return (floor + run["copied"] + BASE * run["base"] + first * a + next_ * b + rest * c
            + more * (worker_first * a + worker_next * b + step))


def quantile(ratios):
    """What one of a hundred exceeds."""
    ratios = sorted(ratios)
    return ratios[min(len(ratios), -(-(len(ratios) + 1) * 99 // 100)) - 1]


def margin(weights, runs):
    """What one of a hundred exceeds, times what is expected."""
    return quantile([run["anon"] / forecast(weights, run) for run in runs])


def cost(weights, runs):
    return margin(weights, runs) * sum(forecast(weights, run) for run in runs)


def fit(runs, weights, tries):
    dice = random.Random(1)
    best = cost(weights, runs)
    for turn in range(tries):
        spread = 0.1 if turn < tries / 2 else 0.02
        other = [w * max(0, 1 + dice.gauss(0, spread)) for w in weights]
        price = cost(other, runs)
        if price < best:
            best, weights = price, other
    return weights


def show(title, runs, reserved):
    short = [max(0, run["anon"] - bytes_) for run, bytes_ in zip(runs, reserved)]
    missed = sum(s > 0 for s in short)
    print(f"  {title}: {missed} of {len(runs)} took more ({missed / len(runs):.1%}), by {max(short) / 2**20:.1f} MiB at",
          f"most; reserved / used {sum(reserved) / sum(run['anon'] for run in runs):.3f} by bytes")


runs = []
for path in sys.argv[1:]:
    for line in csv.DictReader(open(path), delimiter="\t"):
        run = {key: int(line[key]) for key in ("base", "workers", "info", "copied", "anon")}
        run["file"], run["is_module"] = line["file"], line["file"].endswith(".ko")
        runs.append(run)
for is_module in (False, True):
    some = [run for run in runs if run["is_module"] == is_module]
    if not some:
        continue
    weights = fit(some, START[is_module], 8000)
    names = ("floor", "first", "next", "rest", "worker_first", "worker_next", "step")
    title = "modules:" if is_module else "linked:"
    print(title, ", ".join(f"{n} {w:.4g}" for n, w in zip(names, weights)))
    factor = margin(weights, some)
    print(f"  a margin of {factor:.3f}")
    show("fitted", some, [factor * forecast(weights, run) for run in some])

    def kernel(run):
        # Of the files that are linked each is one. What was encoded with a base and without belongs to one kernel.
        where = os.path.dirname(run["file"])
        return where.replace("base", "modules") if is_module else run["file"]
    tested, reserved = [], []
    for out in sorted({kernel(run) for run in some}):
        others = [run for run in some if kernel(run) != out]
        own = fit(others, weights, 1000)
        factor = margin(own, others)
        for run in some:
            if kernel(run) == out:
                tested.append(run)
                reserved.append(factor * forecast(own, run))
    for more in (1, 1.02, 1.05):
        show(f"left out, {more} times the margin", tested, [more * bytes_ for bytes_ in reserved])
