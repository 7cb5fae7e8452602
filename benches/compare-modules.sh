#!/usr/bin/env bash
# Compares btfgen with the pahole on PATH on modules: compare-modules.sh BASE DIR [REPS], 3 runs of each by default.
#
# BASE is the BTF of the kernel, DIR holds modules (.ko). btfgen encodes all in one run on N workers, pahole is run once
# for each module, N at a time, as kernel builds do; N is the number of CPUs. Runs alternate; the first only warms the
# page cache. Prints medians of wall time and CPU time (user and system), and their ratios.
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
	echo "usage: $0 BASE DIR [REPS]" >&2
	exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cargo build --quiet --release --manifest-path "$here/../Cargo.toml"
btfgen=${BTFGEN:-${CARGO_TARGET_DIR:-$here/../target}/release/btfgen}

exec python3 - "$btfgen" "$1" "$2" "${3:-3}" <<'EOF'
import os, pathlib, resource, shutil, statistics, subprocess, sys, tempfile, time

btfgen, base, directory, reps = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
os.environ["BTFGEN_HISTORY"] = "off"
jobs = len(os.sched_getaffinity(0))
modules = sorted(str(path) for path in pathlib.Path(directory).rglob("*.ko"))
if not modules or not shutil.which("pahole"):
    sys.exit("no modules (*.ko)" if not modules else "no pahole on PATH")


def measured(command, **options):
    """Wall seconds and CPU seconds of a command and all its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    status = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options).returncode
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return status, wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


with tempfile.TemporaryDirectory() as out:
    ours = [btfgen, "modules", "-q", f"-j{jobs}", "--flat-arrays", "--base", base, "-o", f"{out}/btfgen", directory]
    one = f'exec pahole --btf_base="{base}" --btf_encode_detached="{out}/pahole/$(basename "$1").btf" "$1"'
    theirs = ["xargs", "-d", "\n", "-P", str(jobs), "-n1", "sh", "-c", one, "sh"]
    runs, counts = {"btfgen": [], "pahole": []}, {}
    for rep in range(reps + 1):
        for name, command, text in ("btfgen", ours, ""), ("pahole", theirs, "\n".join(modules)):
            # As a build has it: nothing is replaced, which file systems make wait for the disk.
            os.mkdir(f"{out}/{name}")
            status, wall, cpu = measured(command, input=text, text=True)
            # pahole fails on some modules; what it wrote is counted below.
            if status and name == "btfgen":
                sys.exit(f"exit status {status}: {' '.join(command)}")
            if rep:
                runs[name].append((wall, cpu))
            counts[name] = len(os.listdir(f"{out}/{name}"))
            shutil.rmtree(f"{out}/{name}")
print(f"{len(modules)} modules, {jobs} at a time; outputs: {counts['btfgen']} of btfgen, {counts['pahole']} of pahole; {reps} runs")
medians = {name: [statistics.median(run[i] for run in of) for i in (0, 1)] for name, of in runs.items()}
for name, (wall, cpu) in medians.items():
    print(f"{name:16} {wall:8.2f} s wall {cpu:8.2f} s CPU")
(wall, cpu), (their_wall, their_cpu) = medians["btfgen"], medians["pahole"]
print(f"{'pahole / btfgen':16} {their_wall / wall:8.1f}        {their_cpu / cpu:8.1f}")
EOF
