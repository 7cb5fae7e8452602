#!/usr/bin/env python3
"""Encodes files on several numbers of workers and writes down what memory that took.

Usage: collect.py BTFGEN FILE... > runs.tsv
       collect.py BTFGEN --base VMLINUX FILE... > runs.tsv

Columns: file, and what the forecast knows of it: the size of the base's BTF, workers, sizes of .debug_info and of
what is relocated or decompressed; then the highest anonymous memory. All sizes in bytes.
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


print("file\tbase\tworkers\tinfo\tcopied\tanon")
for path in args:
    estimate = subprocess.run([btfgen, "estimate", "--json", *base, path], capture_output=True, text=True)
    if estimate.returncode != 0:
        continue
    known = json.loads(estimate.stdout)["features"]
    for workers in (1, 2, 4):
        with tempfile.TemporaryDirectory() as where:
            stats = os.path.join(where, "stats")
            run = [btfgen, *base, "-q", "-j", str(workers), path, "-o", os.path.join(where, "btf"), "--stats", stats]
            if subprocess.run(run, env=dict(os.environ, BTFGEN_ADMISSION="off")).returncode != 0:
                continue
            anon = json.load(open(stats))["memory"]["anon_bytes"]
        name = os.path.basename(os.path.dirname(path)) + "/" + os.path.basename(path)
        print(name, known["base_bytes"], workers, known["info_bytes"], known["copied_bytes"], anon, sep="\t", flush=True)
