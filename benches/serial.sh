#!/usr/bin/env bash
# Says which share of an encode at -j1 is outside of what the workers share: serial.sh VMLINUX.
#
# First by CPU time, from the phases that `--stats` tells apart; then by instructions, counted by callgrind, which
# no noise of the machine touches, for the functions of the pipeline. Callgrind takes about a minute per 100 MB of
# .debug_info; NO_CALLGRIND=1 leaves it out.
set -euo pipefail

if [ $# -ne 1 ]; then
	echo "usage: $0 VMLINUX" >&2
	exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cargo build --quiet --release --manifest-path "$here/../Cargo.toml"
btfgen=${BTFGEN:-${CARGO_TARGET_DIR:-$here/../target}/release/btfgen}
out=$(mktemp -d)
trap 'rm -r "$out"' EXIT

"$btfgen" -j 1 "$1" -o "$out/btf" --stats "$out/stats.json"
python3 - "$out/stats.json" <<'EOF'
import json, sys

stats = json.load(open(sys.argv[1]))
total = stats["total"]["cpu_seconds"]
print("| phase | parallel | CPU s | share % |\n|---|---|---:|---:|")
known = serial = 0.0
for phase in stats["phases"]:
    seconds = phase["cpu_seconds"]
    known += seconds
    serial += 0 if phase["parallel"] else seconds
    print(f"| {phase['name']} | {'yes' if phase['parallel'] else 'no'} | {seconds:.4f} | {100 * seconds / total:.1f} |")
rest = total - known
print(f"| outside of all phases | no | {rest:.4f} | {100 * rest / total:.1f} |")
print(f"| **serial** | | **{serial + rest:.4f}** | **{100 * (serial + rest) / total:.1f}** |")
print(f"| all | | {total:.4f} | 100 |")
EOF

[ -z "${NO_CALLGRIND:-}" ] || exit 0
if ! command -v valgrind >/dev/null; then
	echo "SKIPPED: instructions are not counted: there is no valgrind (apt-get install valgrind)" >&2
	exit 0
fi
valgrind --tool=callgrind --callgrind-out-file="$out/callgrind" "$btfgen" -j 1 "$1" -o "$out/btf" 2>"$out/valgrind" ||
	{ cat "$out/valgrind" >&2; exit 1; }
echo
echo "Instructions, callees included; what was inlined counts for its caller:"
callgrind_annotate --inclusive=yes --threshold=100 "$out/callgrind" 2>/dev/null |
	grep -E 'PROGRAM TOTALS|btfgen::' | sed -E 's/ \[[^]]*\]$//; s/ \([0-9,]+x\)//; s/=> +//; s#[^ ]*/(registry|git|rustc)/[^ ]*/([^/ ]+\.rs):#\2:#' |
	awk 'match($0, /[0-9.]+%/) && substr($0, RSTART, RLENGTH - 1) >= 1' | sort -t '(' -k 2 -rn -u | cut -c1-140
