#!/usr/bin/env bash
# Compares btfgen with the pahole on PATH: compare.sh VMLINUX [REPS], 5 runs of each by default.
#
# Runs alternate, so that a noisy minute hits both; the first round only warms the page cache and does not count.
# Prints medians of wall time, CPU time (user and system) and peak resident memory at -j1 and -j2, and their ratios.
set -euo pipefail

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
	echo "usage: $0 VMLINUX [REPS]" >&2
	exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BTFGEN_HISTORY=off
cargo build --quiet --release --manifest-path "$here/../Cargo.toml"
btfgen=${BTFGEN:-${CARGO_TARGET_DIR:-$here/../target}/release/btfgen}

exec python3 - "$btfgen" "$1" "${2:-5}" <<'EOF'
import os, platform, shutil, statistics, subprocess, sys, tempfile, time

btfgen, vmlinux, reps = sys.argv[1], sys.argv[2], int(sys.argv[3])
FEATURES = "encode_force,var,float,enum64,decl_tag,type_tag,optimized_func,consistent_func,decl_tag_kfuncs"
JOBS = (1, 2)


def text(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return (done.stdout or done.stderr).strip().splitlines()[0] if done.returncode == 0 else None


def measured(command):
    """Wall seconds, CPU seconds, peak resident MB."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.monotonic() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"exit status {child.returncode}: {' '.join(command)}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def cpu():
    with open("/proc/cpuinfo") as lines:
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


with tempfile.TemporaryDirectory() as out:
    tools = {"btfgen": lambda j: [btfgen, "-j", str(j), vmlinux, "-o", f"{out}/btfgen"]}
    versions = [text(btfgen, "--version") or "btfgen"]
    if shutil.which("pahole"):
        features = [f"--btf_features={FEATURES}"]
        if text("pahole", "--supported_btf_features") is None:
            features = ["--btf_gen_floats"]
        tools["pahole"] = lambda j: ["pahole", "-J", f"-j{j}", *features, f"--btf_encode_detached={out}/pahole", vmlinux]
        versions.append(f"pahole {text('pahole', '--version')} {features[0]}")
    else:
        print("There is no pahole on PATH: figures of btfgen alone.\n")

    load = os.getloadavg()[0]
    runs = {(tool, jobs): [] for jobs in JOBS for tool in tools}
    for round in range(reps + 1):
        for tool, jobs in runs:
            figures = measured(tools[tool](jobs))
            if round:
                runs[tool, jobs].append(figures)
            else:
                size = os.path.getsize(f"{out}/{tool}")
                if jobs == 1:
                    versions.append(f"{tool} writes {size} bytes")

    print(f"`{os.path.basename(vmlinux)}`, {os.path.getsize(vmlinux) / 1e6:.0f} MB; medians of {reps} alternating runs.")
    print(f"{cpu()}, {os.cpu_count()} CPUs, Linux {platform.release()}; load {load:.2f} before, {os.getloadavg()[0]:.2f} after.")
    for version in versions:
        print(f"{version}.")
    print()
    print("| | wall s | CPU s | peak RSS MB |")
    print("|---|---:|---:|---:|")
    for jobs in JOBS:
        medians = {tool: [statistics.median(c) for c in zip(*runs[tool, jobs])] for tool in tools}
        for tool, (wall, cpu_seconds, rss) in medians.items():
            print(f"| {tool} -j{jobs} | {wall:.2f} | {cpu_seconds:.2f} | {rss:.0f} |")
        if "pahole" in medians:
            ratios = [theirs / ours for theirs, ours in zip(medians["pahole"], medians["btfgen"])]
            print(f"| pahole / btfgen, -j{jobs} | " + " | ".join(f"**{ratio:.1f}**" for ratio in ratios) + " |")
EOF
