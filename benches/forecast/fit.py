#!/usr/bin/env python3
"""Fits the weights and margins of src/admission/forecast.rs to runs written down by collect.py, and replays all runs
as forecasts of files that the weights do not know.

Usage: fit.py RUNS.tsv...

A file of which parts are relocated or decompressed holds them a second time. What is expected, in bytes:

    floor + copied + BASE * base + low * min(info, KNEE) + high * max(info - KNEE, 0)
          + (workers - 1) * (worker * min(info, KNEE) + step)

with weights of their own for modules and for files that are linked. One of a hundred runs exceeds the margin. Files that
are left out, all their runs together, tell what weights and margin are worth elsewhere.
"""
import csv
import random
import sys

KNEE = {True: 3 << 20, False: 100 << 20}
START = {True: [2e6, 2.5, 2.0, 0.8, 0.5e6], False: [8e6, 0.5, 0.14, 0.06, 0.5e6]}
BASE = 3.1
FOLDS = 10


def forecast(weights, run):
    floor, low, high, worker, step = weights
    info, knee, more = run["info"], KNEE[run["is_module"]], run["workers"] - 1
    below = min(info, knee)
    return (floor + run["copied"] + BASE * run["base"] + low * below + high * max(info - knee, 0)
            + more * (worker * below + step))


def cost(weights, runs):
    off = [(run["anon"], abs(forecast(weights, run) - run["anon"])) for run in runs]
    return sum(error for _, error in off) / sum(used for used, _ in off) + sum(e / u for u, e in off) / len(off)


def fit(runs, tries=4000):
    dice = random.Random(1)
    weights = START[runs[0]["is_module"]]
    best = cost(weights, runs)
    for _ in range(tries):
        other = [max(0, w * (1 + dice.gauss(0, 0.05))) for w in weights]
        price = cost(other, runs)
        if price < best:
            best, weights = price, other
    return weights


def quantile(ratios):
    """What one of a hundred exceeds."""
    ratios = sorted(ratios)
    return ratios[min(len(ratios), -(-(len(ratios) + 1) * 99 // 100)) - 1]


def spare(used, points):
    """What is added to each forecast, and the factor of it, that reserve least in all for such a margin: small runs
    differ by bytes, large ones in proportion."""
    def tried(more):
        margin = quantile([bytes_ / (point + more) for bytes_, point in zip(used, points)])
        return margin * sum(point + more for point in points), more, margin
    return min(tried(step << 17) for step in range(33))[1:]


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
    weights = fit(some)
    names = ("floor", "low", "high", "worker", "step")
    title = "modules:" if is_module else "linked:"
    print(title, ", ".join(f"{n} {w:.4g}" for n, w in zip(names, weights)))
    used = [run["anon"] for run in some]
    points = [forecast(weights, run) for run in some]
    more, margin = spare(used, points)
    print(f"  {more >> 10} KiB more and a margin of {margin:.3f}")
    show("fitted", some, [margin * (point + more) for point in points])
    files = sorted({run["file"] for run in some})
    tested, points = [], []
    for fold in range(FOLDS):
        out = set(files[fold::FOLDS])
        own = fit([run for run in some if run["file"] not in out], 1500)
        for run in some:
            if run["file"] in out:
                tested.append(run)
                points.append(forecast(own, run))
    show("left out, the same margin", tested, [margin * (point + more) for point in points])
