#!/usr/bin/env python3
"""Encodes files on several numbers of workers and writes down what memory that took.

Usage: collect.py BTFGEN FILE... > runs.tsv
       collect.py BTFGEN --base VMLINUX FILE... > runs.tsv

Columns: file, size of the base's BTF, workers, size of .debug_info, the sum of the other debug sections, highest
anonymous memory. All sizes in bytes, of what is in the file when decompressed.
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


def sections(path):
    """Sizes of debug sections by name, decompressed ones as the headers tell."""
    sizes = {}
    for line in subprocess.run(["readelf", "-SW", path], capture_output=True, text=True).stdout.splitlines():
        words = line.split("]", 1)[-1].split()
        if words and words[0].startswith(".debug_") and len(words) > 4:
            sizes[words[0]] = sizes.get(words[0], 0) + int(words[4], 16)
    return sizes


print("file\tbase\tworkers\tinfo\tother\tanon")
for path in args:
    sizes = sections(path)
    estimate = subprocess.run([btfgen, "estimate", "--json", *base, path], capture_output=True, text=True).stdout
    base_size = json.loads(estimate)["features"]["base_bytes"] if estimate else 0
    info = sizes.pop(".debug_info", 0)
    for workers in (1, 2, 4):
        with tempfile.TemporaryDirectory() as where:
            stats = os.path.join(where, "stats")
            run = [btfgen, *base, "-q", "-j", str(workers), path, "-o", os.path.join(where, "btf"), "--stats", stats]
            if subprocess.run(run).returncode != 0:
                continue
            report = json.load(open(stats))
        anon = report["memory"]["anon_bytes"]
        info = report["input"]["debug_info_bytes"] or info
        name = os.path.basename(os.path.dirname(path)) + "/" + os.path.basename(path)
        print(name, base_size, workers, info, sum(sizes.values()), anon, sep="\t", flush=True)
