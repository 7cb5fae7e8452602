#!/usr/bin/env bash
# Runs tests of memory in a small machine (qemu) whose control groups are of version 2, with the files of this one.
#
#   cgroup2.sh KERNEL MODULES OUT [TEST...]
#
# KERNEL is a kernel image and MODULES the directory with its modules (Debian: boot/vmlinuz-* and lib/modules/*, also
# of a package that is unpacked and not installed). OUT is a directory for what is made. Of the tests that are named, or
# of those that know control groups, it runs those that make some. The machine reads all files from here and keeps what
# it writes to itself; it is slow, so that tests which count on moments make no sense there.
# Needs qemu-system-x86_64, busybox (static), cpio, modinfo and what the tests need. MACHINE_SECONDS bounds the run.
set -euo pipefail
[ $# -ge 3 ] || {
	sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"
	exit 2
}
kernel=$1 modules=$2 out=$3
shift 3
[ $# -gt 0 ] || set -- limits pressure admission_budget admission_crash
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
fail() {
	echo "FAILED: $*" >&2
	exit 1
}
busybox=$(command -v busybox) || fail "busybox is missing"
mkdir -p "$out/root"
out=$(cd "$out" && pwd)

# What runs is what cargo builds here.
arguments=()
for test; do arguments+=(--test "$test"); done
(cd "$repository" && cargo test --quiet --no-run "${arguments[@]}" --message-format json) |
	sed -nE 's/.*"kind":\["test"\].*"executable":"([^"]+)".*/\1/p' >"$out/programs"
[ "$(wc -l <"$out/programs")" = $# ] || fail "not every test was built"

# Modules in an order in which each finds what it needs.
root=$out/root
rm -rf "$root"
mkdir -p "$root"/{bin,modules,proc,sys,dev,files,own,whole}
cp "$busybox" "$root/bin/busybox"
number=10
add() {
	local path name needed
	name=$1
	path=$(find "$modules" -name "$name.ko" -o -name "${name//_/-}.ko" | head -n 1)
	# What is not there is built in.
	[ -n "$path" ] || return 0
	compgen -G "$root/modules/*-$name.ko" >/dev/null && return 0
	needed=$(modinfo -F depends "$path")
	for needed in ${needed//,/ }; do add "$needed"; done
	number=$((number + 1))
	cp "$path" "$root/modules/$number-$name.ko"
}
for name in virtio_pci 9pnet_virtio 9p overlay; do add "$name"; done

cat >"$root/init" <<INIT
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
for module in /modules/*.ko; do insmod \$module; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose files /files
mount -t tmpfs none /own
mkdir /own/upper /own/work
mount -t overlay -o lowerdir=/files,upperdir=/own/upper,workdir=/own/work none /whole
for place in proc sys dev; do mount --rbind /\$place /whole/\$place; done
mount -t tmpfs none /whole/tmp
mkdir -p /whole/dev/shm
mount -t tmpfs none /whole/dev/shm
mount -t cgroup2 none /whole/sys/fs/cgroup
echo '+memory +pids +cpu' >/whole/sys/fs/cgroup/cgroup.subtree_control
ip link set lo up
failed=0
while read program; do
	echo "machine: \$program"
	chroot /whole /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C BTFGEN_HISTORY=off \\
		BTFGEN_TEST_KERNELS='${BTFGEN_TEST_KERNELS-}' sh -c "cd '$repository' && \
			'\$program' --test-threads=1 --nocapture within_a_limit group frozen stranger system" || failed=1
done </programs
[ \$failed = 0 ] && echo 'machine: result: passed' || echo 'machine: result: failed'
poweroff -f
INIT
chmod +x "$root/init"
cp "$out/programs" "$root/programs"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$out/initramfs"

timeout "${MACHINE_SECONDS:-3000}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 \
	-kernel "$kernel" -initrd "$out/initramfs" -append 'console=ttyS0 panic=-1 quiet' -nographic -no-reboot \
	-virtfs local,path=/,mount_tag=files,security_model=none,readonly=on,multidevs=remap \
	</dev/null 2>&1 | tee "$out/machine.log" | grep --line-buffered -aE '^(machine|test |SKIPPED|skipped|test result)|panicked|FAILED' || true
grep -aq 'machine: result: passed' "$out/machine.log" || fail "see $out/machine.log"
