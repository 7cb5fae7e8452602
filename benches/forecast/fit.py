#!/usr/bin/env python3
"""Fits the weights of src/admission/forecast.rs to runs written down by collect.py, and tests them on files
that were left out, all runs of a file together.

Usage: fit.py RUNS.tsv...

A file whose name ends in .ko was relocated, so held a second time. The model, in bytes:

    floor + copied + low * min(info, KNEE) + high * max(info - KNEE, 0)
          + (workers - 1) * (worker * min(info, KNEE) + step)

with weights of its own for files that are relocated and for those that are linked. A forecast that is too small is
worse than one that is too large: the search looks for the least sum that covers every run with 5 % to spare.
"""
import csv
import random
import sys

KNEE = {True: 3 << 20, False: 100 << 20}
START = {True: [2e6, 0.5, 0.3, 0.5, 0.5e6], False: [8e6, 0.36, 0.2, 0.06, 0.5e6]}
SPARE = 1.05
FOLDS = 10


def forecast(weights, run):
    floor, low, high, worker, step = weights
    info, knee, more = run["info"], KNEE[run["copied"] > 0], run["workers"] - 1
    below = min(info, knee)
    return floor + run["copied"] + low * below + high * max(info - knee, 0) + more * (worker * below + step)


def cost(weights, runs):
    used = reserved = relative = short = 0
    for run in runs:
        bytes_ = forecast(weights, run)
        used += run["anon"]
        reserved += bytes_
        relative += bytes_ / run["anon"]
        short += max(0, SPARE - bytes_ / run["anon"])
    return reserved / used + 0.3 * relative / len(runs) + 10 * short


def fit(runs, tries=6000):
    dice = random.Random(1)
    weights = START[runs[0]["copied"] > 0]
    best = cost(weights, runs)
    for _ in range(tries):
        other = [max(0, w * (1 + dice.gauss(0, 0.05))) for w in weights]
        price = cost(other, runs)
        if price < best:
            best, weights = price, other
    return weights


def show(title, ratios, runs, forecasts):
    ratios = sorted(ratios)
    covered = sum(r >= 1 for r in ratios) / len(ratios)
    print(f"  {title}: covered {covered:.1%}, reserved / used {sum(forecasts) / sum(r['anon'] for r in runs):.2f} by bytes,",
          f"{ratios[0]:.2f} to {ratios[-1]:.2f}, worst shortfall",
          f"{max(0, max(r['anon'] - f for r, f in zip(runs, forecasts))) / 2**20:.1f} MiB")


runs = []
for path in sys.argv[1:]:
    for line in csv.DictReader(open(path), delimiter="\t"):
        run = {key: int(line[key]) for key in ("base", "workers", "info", "other", "anon")}
        # The other sections that are relocated are small beside .debug_info.
        run["copied"] = round(1.08 * run["info"]) if line["file"].endswith(".ko") else 0
        run["file"] = line["file"]
        runs.append(run)
for copied in (False, True):
    some = [r for r in runs if (r["copied"] > 0) == copied]
    if not some:
        continue
    weights = fit(some)
    names = ("floor", "low", "high", "worker", "step")
    print("modules:" if copied else "linked:", ", ".join(f"{n} {w:.4g}" for n, w in zip(names, weights)))
    all_ = [forecast(weights, r) for r in some]
    show("fitted", [f / r["anon"] for f, r in zip(all_, some)], some, all_)
    files = sorted({r["file"] for r in some})
    tested, forecasts = [], []
    for fold in range(FOLDS):
        out = set(files[fold::FOLDS])
        weights = fit([r for r in some if r["file"] not in out], 2000)
        for run in some:
            if run["file"] in out:
                tested.append(run)
                forecasts.append(forecast(weights, run))
    show("left out", [f / r["anon"] for f, r in zip(forecasts, tested)], tested, forecasts)
