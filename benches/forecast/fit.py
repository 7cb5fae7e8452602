#!/usr/bin/env python3
"""Fits the weights of src/admission/forecast.rs to runs written down by collect.py, and tests them on files
that were left out, all runs of a file together.

Usage: fit.py RUNS.tsv...

A file whose name ends in .ko was relocated, so held a second time. The model, in bytes:

    floor + low * min(info, KNEE) + high * max(info - KNEE, 0) + copied + workers * (jobs - 1) * min(info, KNEE)

with weights of its own for files that are relocated and for those that are linked.
"""
import csv
import sys

KNEE = {True: 3 << 20, False: 100 << 20}


def terms(run):
    info, knee = run["info"], KNEE[run["copied"] > 0]
    return [1, min(info, knee), max(info - knee, 0), (run["workers"] - 1) * min(info, knee)]


def solve(rows, values):
    """Least squares of the relative error, by the normal equations."""
    n = len(rows[0])
    matrix = [[sum(r[i] * r[j] / v / v for r, v in zip(rows, values)) for j in range(n)] for i in range(n)]
    right = [sum(r[i] / v for r, v in zip(rows, values)) for i in range(n)]
    for i in range(n):
        pivot = matrix[i][i]
        for j in range(i + 1, n):
            factor = matrix[j][i] / pivot
            matrix[j] = [a - factor * b for a, b in zip(matrix[j], matrix[i])]
            right[j] -= factor * right[i]
    solution = [0.0] * n
    for i in reversed(range(n)):
        rest = sum(matrix[i][j] * solution[j] for j in range(i + 1, n))
        solution[i] = (right[i] - rest) / matrix[i][i]
    return solution


def fit(runs):
    weights = {}
    for copied in (True, False):
        some = [r for r in runs if (r["copied"] > 0) == copied]
        weights[copied] = solve([terms(r) for r in some], [r["anon"] - r["copied"] for r in some]) if some else None
    return weights


def forecast(weights, run):
    return sum(w * t for w, t in zip(weights[run["copied"] > 0], terms(run))) + run["copied"]


runs = []
for path in sys.argv[1:]:
    for line in csv.DictReader(open(path), delimiter="\t"):
        run = {key: int(line[key]) for key in ("base", "workers", "info", "other", "anon")}
        run["copied"] = run["info"] if line["file"].endswith(".ko") else 0
        run["file"] = line["file"]
        runs.append(run)
names = ("floor", "low", "high", "workers")
for copied, weights in fit(runs).items():
    if weights:
        print("modules" if copied else "linked", *(f"{name} {weight:.4f}" for name, weight in zip(names, weights)))
ratios = []
for file in sorted({r["file"] for r in runs}):
    model = fit([r for r in runs if r["file"] != file])
    ratios += [(r["anon"] / forecast(model, r), file, r["workers"]) for r in runs if r["file"] == file]
ratios.sort()
for copied in (True, False):
    some = [r for r in ratios if r[1].endswith(".ko") == copied]
    if some:
        shown = ("%.2f" % some[int(q * (len(some) - 1))][0] for q in (0, 0.1, 0.5, 0.9, 0.99, 1))
        print("modules" if copied else "linked", "left out, used / forecast:", *shown, some[-1])
