#!/usr/bin/env bash
# Builds a kernel with btfgen as its encoder, compares its BTF with what pahole makes of the same objects, boots it,
# and has a BPF program attach to a module. Takes from ten minutes to an hour.
#
#   tests/kernel/build.sh SOURCE OUT [BTFGEN_PAHOLE]
#
# SOURCE is a directory with the sources of a Linux kernel (such as a linux-source package of Debian unpacks to), OUT
# a directory for everything that is made, BTFGEN_PAHOLE the encoder: by default that of cargo build --release.
#
# Needs what building a kernel needs, and pahole, bpftool, clang, libbpf with its static library, and qemu. JOBS is
# the number of jobs of make, CLANG the compiler for BPF, QEMU the emulator. What was done in an earlier run with the
# same OUT is not done again.
set -euo pipefail
export LC_ALL=C
umask 022

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# -ge 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d'; exit 2; }
source=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
encoder=$(realpath "${3:-$here/../../target/release/btfgen-pahole}")
jobs=${JOBS:-$(nproc)}
clang=${CLANG:-$(command -v clang-19 || command -v clang-14 || echo clang)}
qemu=${QEMU:-qemu-system-x86_64}
peer=${PEER:-pahole}

step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# Makes something with an encoder: build ENCODER TARGET...
build() {
	make -C "$out/build" -j"$jobs" PAHOLE="$1" "${@:2}" >>"$log" 2>&1 || {
		tail -n 20 "$log" >&2
		fail "make ${*:2}; see $log"
	}
}

# Puts the kernel and the modules that were made into a directory of their own.
keep() {
	rm -rf "${out:?}/$1"
	mkdir -p "$out/$1/modules"
	cp "$out/build/vmlinux" "$out/build/arch/x86/boot/bzImage" "$out/$1"
	# Only what this configuration has: make leaves what earlier ones had.
	(cd "$out/build" && sed 's/\.o$/.ko/' modules.order | xargs cp -t "$out/$1/modules" "$out/hello/hello.ko")
}

export PATH=$PATH:/usr/sbin:/sbin

log=$out/ours.log
: >"$log"
step configure
mkdir -p "$out/build"
if [ ! -e "$out/build/.config" ]; then
	make -C "$source" O="$out/build" PAHOLE="$encoder" tinyconfig >"$log" 2>&1
	(cd "$out/build" && "$source/scripts/kconfig/merge_config.sh" -m -O . .config "$here/fragment.config") >>"$log"
fi
build "$encoder" olddefconfig
while read -r line; do
	grep -q "^$line\$" "$out/build/.config" || fail "the kernel cannot have $line"
done < <(grep -o '^CONFIG_[A-Z0-9_]*=[ym]' "$here/fragment.config")

step build with btfgen
# What an earlier run left behind may have been made by the other one.
rm -f "$out/build/vmlinux"
build "$encoder" bzImage modules

step build an external module with btfgen
mkdir -p "$out/hello"
cp "$here"/hello/* "$out/hello"
build "$encoder" M="$out/hello" modules
keep ours

step "build with pahole $("$peer" --version 2>/dev/null)"
log=$out/theirs.log
: >"$log"
# The same objects: only what depends on the encoder is made again.
rm -f "$out/build/vmlinux"
build "$peer" olddefconfig
build "$peer" bzImage modules
build "$peer" M="$out/hello" modules
keep theirs

step compare
# What a small kernel names in its sets and does not have, is missing with either.
for name in ours theirs; do
	grep -ahoE '(WARN|FAILED).*' "$out/$name.log" | sort -u >"$out/$name/warnings" || true
done
comm -23 "$out/ours/warnings" "$out/theirs/warnings" | grep . && fail "resolve_btfids warns only of btfgen"
printf '%d warnings of resolve_btfids, none only of btfgen\n' "$(wc -l <"$out/ours/warnings")"
# Kind, name and size of everything that has a name and a meaning of its own.
list() {
	bpftool btf dump file "$1" format raw 2>/dev/null |
		sed -nE "s/^\[[0-9]+\] (STRUCT|UNION|ENUM|ENUM64|FUNC|VAR|INT|TYPEDEF|FLOAT) '([^']+)' (size=[0-9]+)?.*/\1 \2 \3/p" |
		grep -v "(anon)" | sort -u
}
for name in ours theirs; do
	list "$out/$name/vmlinux" >"$out/$name/names"
	size=$(readelf -SW "$out/$name/vmlinux" | awk '$2 == ".BTF" || $3 == ".BTF" { print $(NF == 11 ? 6 : 7) }')
	printf '%s: 0x%s bytes of BTF, %d names\n' "$name" "$size" "$(wc -l <"$out/$name/names")"
done
diff "$out/theirs/names" "$out/ours/names" >"$out/difference" || true
printf '%d names only by pahole, %d only by btfgen; see %s\n' \
	"$(grep -c '^<' "$out/difference" || true)" "$(grep -c '^>' "$out/difference" || true)" "$out/difference"
# Every type; which functions there are is a matter of rules that differ between versions.
grep -E '^< (STRUCT|UNION|ENUM|ENUM64|VAR|TYPEDEF)' "$out/difference" && fail "types are missing"

step make the initial file system
root=$out/root
rm -rf "$root"
mkdir -p "$root/modules"
"$clang" -g -O2 -target bpf -D__TARGET_ARCH_x86 -I/usr/include/x86_64-linux-gnu -c "$here/probe.bpf.c" -o "$out/probe.bpf.o"
bpftool gen skeleton "$out/probe.bpf.o" name probe_bpf >"$out/probe.skel.h"
gcc -O2 -static -I"$out" "$here/init.c" -o "$root/init" -lbpf -lelf -lz
cp "$out"/ours/modules/*.ko "$root/modules"
# What is shipped is stripped; the BTF has to survive that.
strip -g "$root"/modules/*.ko
for module in "$root"/modules/*.ko; do
	readelf -SW "$module" | grep -q '\.BTF ' || fail "$module has no BTF"
done
(cd "$root" && find . | cpio --quiet -o -H newc | gzip) >"$out/initramfs"

step boot
"$qemu" -kernel "$out/ours/bzImage" -initrd "$out/initramfs" -append 'console=ttyS0 panic=-1' \
	-nographic -no-reboot -m 512 -cpu max >"$out/boot.log" 2>&1 </dev/null &
machine=$!
trap 'kill "$machine" 2>/dev/null || true' EXIT
for ((i = 0; i < ${BOOT_SECONDS:-600}; i++)); do
	kill -0 "$machine" 2>/dev/null || break
	grep -aq '^test: result: ' "$out/boot.log" && break
	sleep 1
done
grep -aE 'test: |BTF' "$out/boot.log" || true
grep -aq 'test: result: passed' "$out/boot.log" || fail "see $out/boot.log"
step done
