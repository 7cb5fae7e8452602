#!/bin/sh
# What a forecast costs: btfgen estimate, alone in a process that does nothing else.
#
#   benches/estimate.sh VMLINUX MODULE [RUNS]
#
# CPU time of a run, with the start of the process, is the mean of RUNS (100); BTFGEN names the program, by default that
# of a release build. That of `btfgen --version` is what of it the start takes. Instructions are those of user space
# and need valgrind.
set -eu
vmlinux=$1 module=$2 runs=${3:-100}
btfgen=${BTFGEN:-${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/release/btfgen}
export BTFGEN_HISTORY=off

# CPU milliseconds of a run: those that the children of a shell took.
cpu() {
	sh -c 'i=0; while [ $i -lt "$0" ]; do "$@" >/dev/null; i=$((i + 1)); done; times' "$runs" "$@" |
		tail -n 1 | awk -v runs="$runs" '{
			split($1, user, /[ms]/); split($2, kernel, /[ms]/)
			printf "%.2f ms", 1000 * (60 * (user[1] + kernel[1]) + user[2] + kernel[2]) / runs
		}'
}

instructions() {
	command -v valgrind >/dev/null || { echo "instructions unknown: no valgrind"; return; }
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 >/dev/null |
		awk '/Collected/ { printf "%.2f M instructions", $NF / 1e6 }'
}

report() {
	name=$1
	shift
	echo "$name: $(cpu "$@"), $(instructions "$@")"
}
report "start" "$btfgen" --version
report "module" "$btfgen" estimate "$module"
report "vmlinux" "$btfgen" estimate "$vmlinux"
