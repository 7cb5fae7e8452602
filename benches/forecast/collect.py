#!/usr/bin/env python3
"""Encodes files on several numbers of workers and writes down what memory that took.

Usage: collect.py BTFGEN FILE... > runs.tsv
       collect.py BTFGEN --base VMLINUX FILE... > runs.tsv

Columns: file, and what the forecast knows of it: the size of the base's BTF, workers, sizes of .debug_info and of
what is relocated, decompressed or held, the units and the size of the largest; then the highest anonymous memory.
All sizes in bytes. Units in Rust are left out, as kernels ask for.
"""
import json
import os
import subprocess
import sys
import tempfile

args = sys.argv[1:]
btfgen, args = args[0], args[1:]
base = []
if args[0] == "--base":
    base, args = ["--base", args[1]], args[2:]
off = dict(os.environ, BTFGEN_ADMISSION="off", BTFGEN_HISTORY="off")

print("file\tbase\tworkers\tinfo\tcopied\tunits\tlargest\tanon")
for path in args:
    estimate = subprocess.run([btfgen, "estimate", "--json", *base, path], capture_output=True, text=True)
    if estimate.returncode != 0:
        continue
    known = json.loads(estimate.stdout)["features"]
    name = os.path.basename(os.path.dirname(path)) + "/" + os.path.basename(path)
    had = set()
    for workers in (1, 2, 4, 8):
        with tempfile.TemporaryDirectory() as where:
            stats = os.path.join(where, "stats")
            run = [btfgen, *base, "-q", "-j", str(workers), "--lang-exclude", "rust", path]
            run += ["-o", os.path.join(where, "btf"), "--stats", stats]
            if subprocess.run(run, env=off).returncode != 0:
                continue
            figures = json.load(open(stats))
        # No more than have work.
        workers, anon = figures["jobs"], figures["memory"]["anon_bytes"]
        if workers in had:
            continue
        had.add(workers)
        print(name, known["base_bytes"], workers, known["info_bytes"], known["copied_bytes"], known["units"],
              known["largest_unit_bytes"], anon, sep="\t", flush=True)
