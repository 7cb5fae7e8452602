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

# A build with an encoder: build DIRECTORY ENCODER TARGET...
build() {
	local dir=$1 pahole=$2
	shift 2
	make -C "$dir" -j"$jobs" PAHOLE="$pahole" "$@" >>"$dir.log" 2>&1 || {
		tail -n 20 "$dir.log" >&2
		fail "make $* in $dir; see $dir.log"
	}
}

ours=$out/ours theirs=$out/theirs
export PATH=$PATH:/usr/sbin:/sbin

step configure
mkdir -p "$ours"
if [ ! -e "$ours/.config" ]; then
	make -C "$source" O="$ours" PAHOLE="$encoder" tinyconfig >"$ours.log" 2>&1
	(cd "$ours" && "$source/scripts/kconfig/merge_config.sh" -m -O . .config "$here/fragment.config") >>"$ours.log"
	build "$ours" "$encoder" olddefconfig
fi
grep -o '^CONFIG_[A-Z0-9_]*=[ym]' "$here/fragment.config" | while read -r line; do
	grep -q "^$line\$" "$ours/.config" || fail "the kernel cannot have $line"
done

step build with btfgen
build "$ours" "$encoder" bzImage modules
grep -E 'BTF .*|resolve_btfids|WARN' "$ours.log" | grep -E 'WARN|FAILED' && fail "warnings about BTF in $ours.log"

step build an external module
mkdir -p "$out/hello"
cp "$here"/hello/* "$out/hello"
make -C "$ours" M="$out/hello" PAHOLE="$encoder" modules >>"$ours.log" 2>&1 || fail "the module; see $ours.log"

step build with "$("$peer" --version 2>/dev/null)"
# The same objects: only what depends on the encoder is made again.
if [ ! -e "$theirs/vmlinux" ]; then
	rm -rf "$theirs"
	cp -a "$ours" "$theirs"
	rm -f "$theirs/vmlinux"
fi
build "$theirs" "$peer" olddefconfig vmlinux modules

step compare
# Kind, name and size of everything that has a name and a meaning of its own.
list() {
	bpftool btf dump file "$1" format raw 2>/dev/null |
		sed -nE "s/^\[[0-9]+\] (STRUCT|UNION|ENUM|ENUM64|FUNC|VAR|INT|TYPEDEF|FLOAT) '([^']+)' (size=[0-9]+)?.*/\1 \2 \3/p" |
		grep -v "(anon)" | sort -u
}
for dir in "$ours" "$theirs"; do
	list "$dir/vmlinux" >"$dir.types"
	printf '%s: %d bytes of BTF, %d names\n' "${dir##*/}" \
		"$(bpftool btf dump file "$dir/vmlinux" format raw | wc -c)" "$(wc -l <"$dir.types")"
done
diff "$theirs.types" "$ours.types" >"$out/difference" || true
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
find "$ours" "$out/hello" -name '*.ko' -exec cp -t "$root/modules" {} +
# What is shipped is stripped; the BTF has to survive that.
strip -g "$root"/modules/*.ko
for module in "$root"/modules/*.ko; do
	readelf -SW "$module" | grep -q '\.BTF ' || fail "$module has no BTF"
done
(cd "$root" && find . | cpio --quiet -o -H newc | gzip) >"$out/initramfs"

step boot
"$qemu" -kernel "$ours/arch/x86/boot/bzImage" -initrd "$out/initramfs" -append 'console=ttyS0 panic=-1' \
	-nographic -no-reboot -m 512 -cpu max >"$out/boot.log" 2>&1 </dev/null &
machine=$!
trap 'kill "$machine" 2>/dev/null || true' EXIT
for ((i = 0; i < ${BOOT_SECONDS:-600}; i++)); do
	kill -0 "$machine" 2>/dev/null || break
	grep -qE '^test: (passed|FAILED)' "$out/boot.log" && break
	sleep 1
done
grep -aE 'test: |BTF' "$out/boot.log" || true
grep -aq 'test: passed' "$out/boot.log" || fail "see $out/boot.log"
step done
