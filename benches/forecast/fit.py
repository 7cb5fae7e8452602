#!/usr/bin/env python3
"""Fits the weights and margins of src/admission/forecast.rs to runs written down by collect.py, and replays all runs
as forecasts of kernels that the weights do not know.

Usage: fit.py RUNS.tsv...

The formula is that of `Features::point`: modules have no table of which the output is made, the largest unit of files
that are linked does not matter, and the room that a worker makes at once is the same for both. Those weights are best with
which least is reserved in all if nothing takes more; a high power of the ratios stands for their largest, so that
there is a slope to go down.

Kernels that are left out, all their runs together, tell what weights are worth elsewhere: the margin is such that of
those runs, too, one of a hundred exceeds it.
"""
import csv
import math
import os
import random
import sys

BYTES_PER_TYPE, MOST_TYPES, FIRST = 80, 1 << 15, 1 << 18
POWER = 30
# In the order in which they are fitted: linked files take the room of the modules.
MODULE = {"floor": 1.2e6, "type": 95.0, "place": 47.0, "base": 2.3, "worker_all": 0.013, "worker_one": 1.2,
          "worker_first": 8.0, "walk_one": 6.0}
LINKED = {"floor": 8.6e6, "worker_all": 0.014, "walk_all": 0.15, "table_all": 0.095, "table_unit": 1.5e4, "join": 5e6}


def forecast(weights, run):
    w, info, workers = weights.get, run["info"], run["workers"]
    room = w("type") * run["types"] + w("place") * run["places"]
    one = room + w("worker_all", 0) * info + w("worker_one", 0) * run["largest"]
    one += w("worker_first", 0) * min(run["largest"], FIRST)
    walk = min(workers, run["units"]) * one + w("walk_all", 0) * info + w("walk_one", 0) * run["largest"]
    table = w("table_all", 0) * info + w("table_unit", 0) * run["units"] + (w("join", 0) if workers > 1 else 0)
    return w("floor") + max(walk, table) + run["copied"] + w("base") * run["base"]


def quantile(ratios):
    """What one of a hundred exceeds."""
    ratios = sorted(ratios)
    return ratios[min(len(ratios), -(-(len(ratios) + 1) * 99 // 100)) - 1]


def margin(weights, runs):
    """What one of a hundred exceeds, times what is expected."""
    return quantile([run["anon"] / forecast(weights, run) for run in runs])


def cost(weights, runs):
    bytes_ = [forecast(weights, run) for run in runs]
    ratios = sum((run["anon"] / b) ** POWER for run, b in zip(runs, bytes_)) / len(runs)
    return ratios ** (1 / POWER) * sum(bytes_)


def fit(runs, weights, free, tries):
    """Steps in any direction, as long as those that help are."""
    dice, step, best = random.Random(1), 0.2, cost(weights, runs)
    for turn in range(1, tries + 1):
        moved = [name for name in free if dice.random() < 0.3]
        other = weights | {name: weights[name] * math.exp(step * dice.gauss(0, 1)) for name in moved}
        price = cost(other, runs)
        is_better = price < best
        if is_better:
            best, weights = price, other
        step = 0.1 if turn % 500 == 0 else min(0.5, step * 1.5) if is_better else max(1e-4, step * 0.97)
    return weights


def show(title, runs, reserved):
    short = [max(0, run["anon"] - bytes_) for run, bytes_ in zip(runs, reserved)]
    missed = sum(s > 0 for s in short)
    print(f"  {title}: {missed} of {len(runs)} took more ({missed / len(runs):.1%}), by {max(short) / 2**20:.1f} MiB at",
          f"most; reserved / used {sum(reserved) / sum(run['anon'] for run in runs):.3f} by bytes", flush=True)


def read(path):
    for line in csv.DictReader(open(path), delimiter="\t"):
        run = {key: int(value) for key, value in line.items() if key != "file"}
        run["file"], run["is_module"] = line["file"], line["file"].endswith(".ko")
        run["types"] = min(run["info"] // BYTES_PER_TYPE, MOST_TYPES)
        run["places"] = 1 << max(0, run["types"] * 8 // 7 - 1).bit_length()
        yield run


def kernel(run):
    # Of the files that are linked each is one. What was encoded with a base and without belongs to one kernel.
    return os.path.dirname(run["file"]).removesuffix("-base") if run["is_module"] else run["file"]


runs = [run for path in sys.argv[1:] for run in read(path)]
known = MODULE
for is_module, start, tries in ((True, MODULE, 3000), (False, LINKED, 8000)):
    some = [run for run in runs if run["is_module"] == is_module]
    if not some:
        continue
    weights = fit(some, known | start, start, tries)
    print("modules:" if is_module else "linked:", ", ".join(f"{name} {weights[name]:.4g}" for name in start))
    factor = margin(weights, some)
    show(f"fitted, a margin of {factor:.3f}", some, [factor * forecast(weights, run) for run in some])
    left_out = []
    for out in sorted({kernel(run) for run in some}):
        others = [run for run in some if kernel(run) != out]
        own = fit(others, weights, start, tries // 3)
        own_factor = margin(own, others)
        left_out += [(run, own_factor * forecast(own, run)) for run in some if kernel(run) == out]
    tested, reserved = zip(*left_out)
    show("left out", tested, reserved)
    more = max(1, quantile([run["anon"] / bytes_ for run, bytes_ in left_out]))
    show(f"left out, {more:.3f} times the margin", tested, [more * bytes_ for bytes_ in reserved])
    factor *= more
    show(f"fitted, a margin of {factor:.3f}", some, [factor * forecast(weights, run) for run in some])
    for workers in (1, 2, 4, 8):
        of = [run for run in some if run["workers"] == workers]
        show(f"  on {workers}", of, [factor * forecast(weights, run) for run in of])
    known = {"type": weights["type"], "place": weights["place"], "base": weights["base"]} if is_module else known
