#!/usr/bin/env bash
# Builds the test fixtures: make.sh [OUTDIR], by default target/fixtures.
# make.sh --demo builds small/demo.elf, the one fixture that is checked in.
#
# Every fixture is a small program without a C library, linked so that no relocation is left, or packed in one
# of the containers that DWARF comes in.
# A compiler or tool that is missing is named on stderr, and what it would build is left out.
# What is up to date stays untouched. JOBS=N sets the number of parallel builds.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
src=$here/src
export LC_ALL=C SOURCE_DATE_EPOCH=0 TZ=UTC

# --- what is built --------------------------------------------------------------------------

# Name and sources; FLAG:file.c gives one source a flag of its own.
declare -A programs=(
	[base_types]="base_types.c OTHER_CHAR:base_types_uchar.c"
	[modifiers]="modifiers.c"
	[arrays]="arrays.c"
	[structs]="structs.c"
	[bitfields]="bitfields.c"
	[enums]="enums.c"
	[protos]="protos.c"
	[functions]="functions_a.c functions_b.c"
	[percpu]="percpu_a.c percpu_b.c"
	[units]="units_a.c units_b.c units_c.c units_d.c"
	[kfuncs]="kfuncs.c"
	[asm]="asm_caller.c asm_fn.s"
	[atomic]="atomic.c"
	[complex]="complex.c"
	[nested]="nested.c"
	[bit_int]="bit_int.c"
	[tags]="tags.c"
	[containers]="containers/list.c containers/tree.c containers/ops.c containers/main.c"
	[classes]="containers/shape.cc containers/square.cc"
)
# What only one family of compilers understands.
declare -A only=(
	[nested]=gcc
	[bit_int]=clang
	[tags]=clang
	[classes]=++
)
demo="base_types modifiers arrays structs bitfields enums protos functions percpu units kfuncs"
all=
for name in $demo; do all+=" ${programs[$name]}"; done
programs[all]=$all

# Suffix, architecture's compiler, flags. `all` alone is built in the odd variants further below.
variants=(
	"x86_64-gcc-dwarf2|x86_64-linux-gnu-gcc|-gdwarf-2"
	"x86_64-gcc-dwarf3|x86_64-linux-gnu-gcc|-gdwarf-3"
	"x86_64-gcc-dwarf4|x86_64-linux-gnu-gcc|-gdwarf-4"
	"x86_64-gcc-dwarf5|x86_64-linux-gnu-gcc|-gdwarf-5"
	"x86_64-gcc-dwarf64|x86_64-linux-gnu-gcc|-gdwarf-5 -gdwarf64"
	"x86_64-clang14-dwarf4|clang-14|-gdwarf-4"
	"x86_64-clang14-dwarf5|clang-14|-gdwarf-5"
	"x86_64-clang19-dwarf4|clang-19|-gdwarf-4"
	"x86_64-clang19-dwarf5|clang-19|-gdwarf-5"
	"aarch64-gcc|aarch64-linux-gnu-gcc|-gdwarf-5"
	"riscv64-gcc|riscv64-linux-gnu-gcc|-gdwarf-5"
	"s390x-gcc|s390x-linux-gnu-gcc|-gdwarf-5"
	"powerpc-gcc|powerpc-linux-gnu-gcc|-gdwarf-5"
	"arm-gcc|arm-linux-gnueabihf-gcc|-gdwarf-5"
	"i386-gcc|i686-linux-gnu-gcc|-gdwarf-5"
	"mips-gcc|mips-linux-gnu-gcc|-gdwarf-5"
)

# The same programs in other containers of the same facts.
variants_of_all=(
	"x86_64-gcc-O0|x86_64-linux-gnu-gcc|-gdwarf-5 -O0"
	"x86_64-gcc-strict2|x86_64-linux-gnu-gcc|-gdwarf-2 -gstrict-dwarf"
	"x86_64-gcc-stripped|x86_64-linux-gnu-gcc|-gdwarf-5 NO_SYMBOLS"
	"x86_64-gcc-percpu0|x86_64-linux-gnu-gcc|-gdwarf-5 -Wl,--section-start=.data..percpu=0"
)
variants_of_all_and_containers=(
	"x86_64-gcc-rel|x86_64-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"aarch64-gcc-rel|aarch64-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"riscv64-gcc-rel|riscv64-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"s390x-gcc-rel|s390x-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"powerpc-gcc-rel|powerpc-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"arm-gcc-rel|arm-linux-gnueabihf-gcc|-gdwarf-5 RELOCATABLE"
	"i386-gcc-rel|i686-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"mips-gcc-rel|mips-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"x86_64-gcc-typeunits4|x86_64-linux-gnu-gcc|-gdwarf-4 -fdebug-types-section"
	"x86_64-gcc-typeunits5|x86_64-linux-gnu-gcc|-gdwarf-5 -fdebug-types-section"
	"x86_64-gcc-lto|x86_64-linux-gnu-gcc|-gdwarf-5 LTO RELOCATABLE"
	"x86_64-gcc-zlib|x86_64-linux-gnu-gcc|-gdwarf-5 -gz=zlib"
	"x86_64-gcc-zlibgnu|x86_64-linux-gnu-gcc|-gdwarf-5 -gz=zlib-gnu"
	"x86_64-gcc-split4|x86_64-linux-gnu-gcc|-gdwarf-4 SPLIT"
	"x86_64-gcc-split5|x86_64-linux-gnu-gcc|-gdwarf-5 SPLIT"
	"x86_64-clang19-split|clang-19|-gdwarf-5 SPLIT"
)
variants_of_containers=(
	"x86_64-gcc-rel4|x86_64-linux-gnu-gcc|-gdwarf-4 RELOCATABLE"
	"x86_64-gcc-relsections|x86_64-linux-gnu-gcc|-gdwarf-5 RELOCATABLE -ffunction-sections -fdata-sections"
	"x86_64-gcc-rel64|x86_64-linux-gnu-gcc|-gdwarf-5 -gdwarf64 RELOCATABLE"
	"x86_64-gcc-reltypeunits4|x86_64-linux-gnu-gcc|-gdwarf-4 -fdebug-types-section RELOCATABLE"
	"x86_64-gcc-reltypeunits5|x86_64-linux-gnu-gcc|-gdwarf-5 -fdebug-types-section RELOCATABLE"
	"x86_64-gcc-typeunits64|x86_64-linux-gnu-gcc|-gdwarf-5 -gdwarf64 -fdebug-types-section"
	"x86_64-gcc-dwarf64v3|x86_64-linux-gnu-gcc|-gdwarf-3 -gdwarf64"
	"x86_64-gcc-dwarf64v4|x86_64-linux-gnu-gcc|-gdwarf-4 -gdwarf64"
	"x86_64-gcc-lto4|x86_64-linux-gnu-gcc|-gdwarf-4 LTO RELOCATABLE"
	"x86_64-gcc-ltoexe|x86_64-linux-gnu-gcc|-gdwarf-5 LTO"
	"x86_64-gcc-lto64|x86_64-linux-gnu-gcc|-gdwarf-5 -gdwarf64 LTO"
	"x86_64-gcc-splitrel5|x86_64-linux-gnu-gcc|-gdwarf-5 SPLIT RELOCATABLE"
	"x86_64-gcc-splittypes4|x86_64-linux-gnu-gcc|-gdwarf-4 -fdebug-types-section SPLIT"
	"x86_64-gcc-splittypes5|x86_64-linux-gnu-gcc|-gdwarf-5 -fdebug-types-section SPLIT"
	"x86_64-gcc-split64|x86_64-linux-gnu-gcc|-gdwarf-5 -gdwarf64 SPLIT"
	"x86_64-gcc-dwp4|x86_64-linux-gnu-gcc|-gdwarf-4 SPLIT DWP=dwp"
	"x86_64-gcc-dwp5|x86_64-linux-gnu-gcc|-gdwarf-5 SPLIT DWP=llvm-dwp-19"
	"x86_64-gcc-dwptypes4|x86_64-linux-gnu-gcc|-gdwarf-4 -fdebug-types-section SPLIT DWP=dwp"
	"x86_64-gcc-buildid|x86_64-linux-gnu-gcc|-gdwarf-5 -Wl,--build-id=0xc0de0123456789abcdef0123456789abcdef0123"

	"x86_64-clang19-rel|clang-19|-gdwarf-5 RELOCATABLE"
	"x86_64-clang19-rel4|clang-19|-gdwarf-4 RELOCATABLE"
	"x86_64-clang19-dwarf64|clang-19|-gdwarf-5 -gdwarf64"
	"x86_64-clang19-ltofull|clang-19|-gdwarf-5 -flto=full LLD"
	"x86_64-clang19-ltothin|clang-19|-gdwarf-5 -flto=thin LLD"
	"x86_64-clang19-ltofull4|clang-19|-gdwarf-4 -flto=full LLD"
	"x86_64-clang19-ltofullrel|clang-19|-gdwarf-5 -flto=full LLD RELOCATABLE"
	"x86_64-clang19-ltothinrel|clang-19|-gdwarf-5 -flto=thin LLD RELOCATABLE"
	"x86_64-clang19-zlib|clang-19|-gdwarf-5 -gz=zlib LLD"
	"x86_64-clang19-zstd|clang-19|-gdwarf-5 -gz=zstd LLD"
	"x86_64-clang19-relzstd|clang-19|-gdwarf-5 -gz=zstd LLD RELOCATABLE"
	"x86_64-clang19-split4|clang-19|-gdwarf-4 SPLIT"
	"x86_64-clang19-splitzlib|clang-19|-gdwarf-5 -gz=zlib SPLIT"
	"x86_64-clang19-splitsingle4|clang-19|-gdwarf-4 SPLIT=single"
	"x86_64-clang19-splitsingle5|clang-19|-gdwarf-5 SPLIT=single"
	"x86_64-clang19-dwp4|clang-19|-gdwarf-4 SPLIT DWP=dwp"
	"x86_64-clang19-dwp5|clang-19|-gdwarf-5 SPLIT DWP=llvm-dwp-19"

	"s390x-gcc-typeunits4|s390x-linux-gnu-gcc|-gdwarf-4 -fdebug-types-section"
	"s390x-gcc-typeunits5|s390x-linux-gnu-gcc|-gdwarf-5 -fdebug-types-section"
	"s390x-gcc-lto|s390x-linux-gnu-gcc|-gdwarf-5 LTO RELOCATABLE"
	"s390x-gcc-zlib|s390x-linux-gnu-gcc|-gdwarf-5 -gz=zlib"
	"s390x-gcc-zlibgnu|s390x-linux-gnu-gcc|-gdwarf-5 -gz=zlib-gnu"
	"s390x-gcc-split5|s390x-linux-gnu-gcc|-gdwarf-5 SPLIT"
	"powerpc-gcc-typeunits5|powerpc-linux-gnu-gcc|-gdwarf-5 -fdebug-types-section"
	"powerpc-gcc-lto|powerpc-linux-gnu-gcc|-gdwarf-5 LTO RELOCATABLE"
	"powerpc-gcc-zlib|powerpc-linux-gnu-gcc|-gdwarf-5 -gz=zlib"
	"powerpc-gcc-split4|powerpc-linux-gnu-gcc|-gdwarf-4 SPLIT"
	"i386-gcc-lto|i686-linux-gnu-gcc|-gdwarf-5 LTO RELOCATABLE"
	"aarch64-gcc-lto|aarch64-linux-gnu-gcc|-gdwarf-5 LTO RELOCATABLE"
)
# clang has every machine's relocations of its own, and lld links them all.
for machine in x86_64 aarch64 riscv64 riscv32 loongarch64 mips64el mips s390x powerpc powerpc64le arm i386; do
	case $machine in
	mips64el) triple=mips64el-linux-gnuabi64 ;;
	arm) triple=arm-linux-gnueabihf ;;
	*) triple=$machine-linux-gnu ;;
	esac
	variants_of_containers+=(
		"$machine-lld|clang-19|--target=$triple -gdwarf-5 LLD"
		"$machine-lld-rel|clang-19|--target=$triple -gdwarf-5 LLD RELOCATABLE")
done
# clang makes type units of C++ only.
variants_of_classes=(
	"x86_64-g++-dwarf4|x86_64-linux-gnu-g++|-gdwarf-4"
	"x86_64-g++-dwarf5|x86_64-linux-gnu-g++|-gdwarf-5"
	"x86_64-g++-typeunits4|x86_64-linux-gnu-g++|-gdwarf-4 -fdebug-types-section"
	"x86_64-g++-typeunits5|x86_64-linux-gnu-g++|-gdwarf-5 -fdebug-types-section"
	"x86_64-g++-splittypes5|x86_64-linux-gnu-g++|-gdwarf-5 -fdebug-types-section SPLIT"
	"x86_64-clang++19-dwarf4|clang++-19|-gdwarf-4"
	"x86_64-clang++19-dwarf5|clang++-19|-gdwarf-5"
	"x86_64-clang++19-typeunits4|clang++-19|-gdwarf-4 -fdebug-types-section"
	"x86_64-clang++19-typeunits5|clang++-19|-gdwarf-5 -fdebug-types-section"
	"x86_64-clang++19-dwptypes5|clang++-19|-gdwarf-5 -fdebug-types-section SPLIT DWP=llvm-dwp-19"
)

# What tools make of a linked fixture: fixture, how, the fixture it is made from.
repacked=(
	"containers-x86_64-gcc-dwz4|dwz|containers-x86_64-gcc-dwarf4"
	"containers-x86_64-gcc-dwz5|dwz|containers-x86_64-gcc-dwarf5"
	"containers-x86_64-gcc-dwzlto|dwz|containers-x86_64-gcc-ltoexe"
	"containers-x86_64-clang19-dwz4|dwz|containers-x86_64-clang19-dwarf4"
	"containers-s390x-gcc-dwz|dwz|containers-s390x-gcc"
	"containers-powerpc-gcc-dwz|dwz|containers-powerpc-gcc"
	"all-x86_64-gcc-dwz5|dwz|all-x86_64-gcc-dwarf5"
	"containers-x86_64-gcc-dwzm4|dwz_multifile|containers-x86_64-gcc-dwarf4"
	"containers-x86_64-gcc-dwzm5|dwz_multifile|containers-x86_64-gcc-dwarf5"
	"containers-s390x-gcc-dwzm|dwz_multifile|containers-s390x-gcc"
	"containers-x86_64-gcc-sup5|dwz_standard|containers-x86_64-gcc-dwarf5"
	"all-x86_64-gcc-dwzm5|dwz_multifile|all-x86_64-gcc-dwarf5"
	"containers-x86_64-gcc-zstd|zstd|containers-x86_64-gcc-dwarf5"
	"containers-s390x-gcc-zstd|zstd|containers-s390x-gcc"
	"containers-x86_64-gcc-relzlib|zlib|containers-x86_64-gcc-rel"
	"containers-x86_64-gcc-relzstd|zstd|containers-x86_64-gcc-rel"
	"containers-x86_64-gcc-onlydebug|only_debug|containers-x86_64-gcc-dwarf5"
	"all-x86_64-gcc-onlydebug|only_debug|all-x86_64-gcc-dwarf5"
	"containers-x86_64-gcc-debuglink|debuglink|containers-x86_64-gcc-dwarf5"
	"all-x86_64-gcc-debuglink|debuglink|all-x86_64-gcc-dwarf5"
	"containers-x86_64-gcc-debuglinkdir|debuglink_dir|containers-x86_64-gcc-dwarf5"
	"containers-x86_64-gcc-debuglinkbad|debuglink_bad|containers-x86_64-gcc-dwarf5"
	"containers-x86_64-gcc-buildidlink|build_id|containers-x86_64-gcc-buildid"
	"containers-x86_64-gcc-distro|distro|containers-x86_64-gcc-dwarf5"
)

package_of() {
	case $1 in
	clang-*) echo "$1" ;;
	arm-*) echo gcc-arm-linux-gnueabihf ;;
	clang++-*) echo "clang-${1##*-}" ;;
	x86_64-*++) echo g++ ;;
	x86_64-*) echo gcc ;;
	dwz) echo dwz ;;
	dwp) echo binutils ;;
	llvm-dwp-*) echo "llvm-${1##*-}" ;;
	ld.lld-*) echo "lld-${1##*-}" ;;
	*) echo "gcc-${1%-gcc}" ;;
	esac
}

# Flags that are the same everywhere: no library, no relocations left, no paths of this machine.
common="-O2 -w -ffreestanding -fno-pic -fno-pie -fno-common -fno-stack-protector -fno-exceptions
	-fno-unwind-tables -fno-asynchronous-unwind-tables -ffile-prefix-map=$src=."
link="-nostdlib -static -no-pie -Wl,--build-id=none -Wl,-e,0 -Wl,-T,$src/sections.ld"

# --- how one program is built: build OUTPUT COMPILER FLAGS SOURCE... -------------------------

# Words in capitals among the flags say how: RELOCATABLE: ld -r. LTO: gcc's. LLD: another linker, which wants no script.
# SPLIT, SPLIT=single: with .dwo files or with .o files that hold them, in OUTPUT.dwo. DWP=TOOL: in OUTPUT.dwp instead.
build() {
	local out=$1 compiler=$2 words=$3 flags= compiling=$common linking=$link objects=() dwo= dwp= from= keep_objects= char source n=0
	shift 3
	local work relocatable= lto= lld= word
	work=$(mktemp -d "${out%/*}/.build.XXXXXX")
	cd "$src"
	for word in $words; do
		case $word in
		RELOCATABLE) relocatable=1 ;;
		LTO) lto=1 ;;
		LLD) lld=1 ;;
		NO_SYMBOLS) linking+=" -Wl,--strip-all" ;;
		SPLIT) dwo=${out##*/}.dwo flags+=" -gsplit-dwarf" ;;
		SPLIT=single) dwo=${out##*/}.dwo flags+=" -gsplit-dwarf=single" keep_objects=1 ;;
		DWP=*) dwp=${word#*=} ;;
		-Wl,*) linking+=" $word" ;;
		*) flags+=" $word" ;;
		esac
	done
	[ -z "$relocatable" ] || linking="-nostdlib -r -no-pie"
	[ -z "$lto" ] || compiling+=" -flto" linking+=" -flto -w"
	[ -z "$lto" ] || [ -z "$relocatable" ] || linking+=" -flinker-output=nolto-rel"
	[ -z "$lld" ] || linking="${linking/-Wl,-T,$src\/sections.ld/} -fuse-ld=lld-19"
	case $compiler in
	clang*) compiling+=" -Qunused-arguments -fdebug-compilation-dir=." linking+=" -Qunused-arguments" ;;
	mips-*) compiling+=" -mno-abicalls -mno-gpopt" ;;
	esac
	case $compiler in *++*) compiling+=" -fno-rtti" ;; esac
	if [ -n "$dwo" ]; then
		# The .dwo files are found by the name that the object was given: relative to the output.
		from=$src/
		cd "${out%/*}"
		rm -rf "$dwo"
		mkdir "$dwo"
	fi
	compiling+=" -ffile-prefix-map=$work=."
	for source; do
		char=
		case $source in OTHER_CHAR:*)
			source=${source#*:} char=-funsigned-char
			# Where characters are unsigned anyway, this unit has signed ones.
			case $("$compiler" -dM -E -x c /dev/null) in *__CHAR_UNSIGNED__*) char=-fsigned-char ;; esac ;;
		esac
		word=${source##*/}
		objects+=("${dwo:-$work}/$((n++))_${word%.*}.o")
		# shellcheck disable=SC2086
		"$compiler" $compiling $flags $char -c "$from$source" -o "${objects[-1]}"
	done
	# shellcheck disable=SC2086
	"$compiler" $common $flags $linking "${objects[@]}" -o "$work/linked" 2>"$work/messages" || { cat "$work/messages" >&2; return 1; }
	if [ -n "$dwp" ]; then
		"$dwp" -e "$work/linked" -o "$out.dwp"
		rm -r "$dwo"
	elif [ -n "$dwo" ] && [ -z "$keep_objects" ]; then
		rm "${objects[@]}"
	fi
	mv "$work/linked" "$out"
	rm -r "$work"
}

# --- what tools make of a linked program: repack OUTPUT HOW FROM --------------------------------

repack() {
	local out=$1 name=${1##*/} how=$2 from=$3 work
	work=$(mktemp -d "${out%/*}/.build.XXXXXX")
	cd "$work"
	case $how in
	dwz) dwz -o "$name" "$from" ;;
	dwz_multifile | dwz_standard)
		# What two files share goes into a third one. The second is not kept.
		cp "$from" "$name"
		cp "$from" other
		dwz $([ $how = dwz_multifile ] || echo -5) -r -m "$name.common" "$name" other
		rm other ;;
	zlib | zstd) objcopy_for "$from" --compress-debug-sections="$how" "$from" "$name" ;;
	only_debug) objcopy --only-keep-debug "$from" "$name" ;;
	debuglink | debuglink_dir | debuglink_bad)
		objcopy --only-keep-debug "$from" "$name.debug"
		objcopy --strip-all --add-gnu-debuglink="$name.debug" "$from" "$name"
		case $how in
		debuglink_dir) mkdir .debug && mv "$name.debug" .debug ;;
		# Another build of the file: the checksum tells.
		debuglink_bad) objcopy --add-section .other="$name" "$name.debug" ;;
		esac ;;
	build_id)
		mkdir -p .build-id/c0
		objcopy --only-keep-debug "$from" .build-id/c0/de0123456789abcdef0123456789abcdef0123.debug
		objcopy --strip-all "$from" "$name" ;;
	distro)
		# As distributions do: the debugging information in a file of its own, compressed, and what it shares
		# with others in a third.
		cp "$from" "$name.debug"
		cp "$from" other
		dwz -r -m "$name.common" "$name.debug" other
		objcopy --only-keep-debug --compress-debug-sections=zlib "$name.debug"
		objcopy --strip-all --add-gnu-debuglink="$name.debug" "$from" "$name"
		rm other ;;
	esac
	local made
	for made in "$name" "$name".* .debug .build-id; do
		if [ -d "$made" ]; then
			mkdir -p "${out%/*}/$made"
			cp -r "$made/." "${out%/*}/$made"
		elif [ -f "$made" ]; then
			mv -f "$made" "${out%/*}"
		fi
	done
	cd "${out%/*}"
	rm -r "$work"
}

# objcopy that knows the file's machine: the one of its compiler.
objcopy_for() { # FILE ARGUMENT...
	local machine=${1##*/}
	machine=${machine#*-} machine=${machine%%-*}
	shift
	"$machine-linux-gnu-objcopy" "$@"
}

# --- broken and odd files, x86_64 only -------------------------------------------------------

assemble() { # OUTPUT SOURCE
	as -I "$src/bad" -o "$1.o" "$2"
	ld -static --build-id=none -e 0 -T "$src/sections.ld" -o "$1.new" "$1.o"
	rm "$1.o"
	mv "$1.new" "$1"
}

compile_bad() { # OUTPUT SOURCE
	(cd "${2%/*}" && x86_64-linux-gnu-gcc -gdwarf-5 -O1 -w -ffreestanding -fno-pie -fno-stack-protector \
		-fno-asynchronous-unwind-tables "-ffile-prefix-map=${2%/*}=." -c "${2##*/}" -o "$1.o")
	ld -static --build-id=none -e 0 -T "$src/sections.ld" -o "$1.new" "$1.o"
	rm "$1.o"
	mv "$1.new" "$1"
}

# C sources whose only point is their number of things.
generate() { # NAME
	case $1 in
	members_70k) awk 'BEGIN { print "struct members_70k {"
		for (i = 0; i < 70000; i++) printf "\tint m%d;\n", i
		print "} members_70k;" }' ;;
	enumerators_70k) awk 'BEGIN { print "enum enumerators_70k {"
		for (i = 0; i < 70000; i++) printf "\tENUMERATOR_%d = %d,\n", i, i
		print "} enumerators_70k;" }' ;;
	percpu_70k) awk 'BEGIN { for (i = 0; i < 70000; i++)
		printf "__attribute__((section(\".data..percpu\"))) int v%d = 1;\n", i }' ;;
	params_300) awk 'BEGIN { print "int params_300("
		for (i = 0; i < 300; i++) printf "\tint p%d%s\n", i, (i < 299 ? "," : ")")
		print "{\n\treturn p0 + p299;\n}" }' ;;
	params_70k) awk 'BEGIN { print "extern int (*params_70k)("
		for (i = 0; i < 70000; i++) printf "\tint%s\n", (i < 69999 ? "," : ");")
		print "int (*params_70k)();" }' ;;
	esac
}

patch_bytes() { # FILE OFFSET BYTES-AS-\x..
	printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

section_header() { # FILE SECTION: the place of its section header in the file
	local table index
	table=$(od -An -tu8 -j40 -N8 "$1" | tr -d ' ')
	index=$(readelf -SW "$1" | sed 's/\[ */[/' | awk -v want="$2" '$2 == want { gsub(/[][]/, "", $1); print $1; exit }')
	echo $((table + 64 * index))
}

damage() { # OUTDIR/bad SOUND-FILE: files whose ELF is damaged, made from a sound one
	local dir=$1 sound=$2 f at
	: >"$dir/file_empty"
	printf 'This is a text, not a program.\n' >"$dir/file_text"
	printf '\177ELF' >"$dir/elf_magic_only"
	head -c 40 "$sound" >"$dir/elf_header_cut"
	head -c 64 "$sound" >"$dir/elf_header_only"
	head -c $(($(wc -c <"$sound") / 2)) "$sound" >"$dir/elf_half"
	copy() { f=$dir/$1 && cp "$sound" "$f" && chmod u+w "$f"; }
	copy elf_class_0 && patch_bytes "$f" 4 '\x00'
	copy elf_data_3 && patch_bytes "$f" 5 '\x03'
	copy elf_data_swapped && patch_bytes "$f" 5 '\x02'
	copy elf_class_swapped && patch_bytes "$f" 4 '\x01'
	copy elf_machine_unknown && patch_bytes "$f" 18 '\xff\xfe'
	copy elf_shoff_beyond && patch_bytes "$f" 40 '\x00\x00\x00\x00\x00\x00\x00\x7f'
	copy elf_shoff_overflow && patch_bytes "$f" 40 '\xf0\xff\xff\xff\xff\xff\xff\xff'
	copy elf_shoff_odd && at=$(od -An -tu1 -j40 -N1 "$f") && patch_bytes "$f" 40 "$(printf '\\x%02x' $(((at + 1) % 256)))"
	copy elf_shentsize_1 && patch_bytes "$f" 58 '\x01\x00'
	copy elf_shnum_0 && patch_bytes "$f" 60 '\x00\x00'
	copy elf_shnum_ffff && patch_bytes "$f" 60 '\xff\xff'
	copy elf_shstrndx_beyond && patch_bytes "$f" 62 '\xf0\xf0'
	copy elf_section_beyond && at=$(section_header "$f" .debug_info) && patch_bytes "$f" $((at + 24)) '\x00\x00\x00\x00\x01'
	copy elf_section_huge && at=$(section_header "$f" .debug_info) && patch_bytes "$f" $((at + 32)) '\xff\xff\xff\xff\xff\xff\xff\x7f'
	copy elf_section_overflow && at=$(section_header "$f" .debug_str) &&
		patch_bytes "$f" $((at + 24)) '\xf0\xff\xff\xff\xff\xff\xff\xff'
	copy elf_section_name_beyond && at=$(section_header "$f" .debug_abbrev) && patch_bytes "$f" "$at" '\xff\xff\xff\x7f'
	copy elf_symtab_link_beyond && at=$(section_header "$f" .symtab) && patch_bytes "$f" $((at + 40)) '\xff\xff\x00\x00'
	copy elf_symtab_entsize_0 && at=$(section_header "$f" .symtab) && patch_bytes "$f" $((at + 56)) '\x00'
	copy elf_symtab_size_odd && at=$(section_header "$f" .symtab) && patch_bytes "$f" $((at + 32)) '\x65'
	copy elf_strtab_size_1 && at=$(section_header "$f" .strtab) && patch_bytes "$f" $((at + 32)) '\x01\x00\x00\x00'
	copy elf_debug_info_nobits && at=$(section_header "$f" .debug_info) && patch_bytes "$f" $((at + 4)) '\x08'

	local compressed=$dir/.compressed place
	objcopy --compress-debug-sections=zlib "$sound" "$compressed"
	place=$(readelf -SW "$compressed" | sed 's/\[ */[/' | awk '$2 == ".debug_info" { print $5 }')
	place=$((16#$place))
	copy2() { f=$dir/$1 && cp "$compressed" "$f"; }
	copy2 compressed_claims_huge && patch_bytes "$f" $((place + 8)) '\x00\x00\x00\x00\x00\x00\x00\x10'
	copy2 compressed_claims_small && patch_bytes "$f" $((place + 8)) '\x10\x00\x00\x00'
	copy2 compressed_type_unknown && patch_bytes "$f" "$place" '\x63\x00\x00\x00'
	copy2 compressed_stream_broken && patch_bytes "$f" $((place + 40)) '\xff\xff\xff\xff\xff\xff\xff\xff'
	rm "$compressed"
}

# --- the run -----------------------------------------------------------------------------------

if [ "${1:-}" = --demo ]; then
	mkdir -p "$here/small"
	# shellcheck disable=SC2086
	build "$here/small/demo.elf" x86_64-linux-gnu-gcc -gdwarf-5 ${programs[all]}
	chmod 644 "$here/small/demo.elf"
	exit
fi

# One job of the parallel run, called by the run below.
if [ "${1:-}" = --job ]; then
	shift
	"$@"
	exit
fi

out=${1:-$here/../target/fixtures}
mkdir -p "$out/bad/src"
out=$(cd "$out" && pwd)
rm -rf "$out"/.build.* "$out"/bad/*.o "$out"/bad/*.new
jobs=$out/.jobs
: >"$jobs"

declare -A missing=()
have() {
	command -v "$1" >/dev/null && return
	[ -n "${missing[$1]:-}" ] || echo "SKIPPED: $1 is missing (apt-get install $(package_of "$1"))" >&2
	missing[$1]=1
	return 1
}

newest=$(find "$src" "$here/make.sh" -type f -printf '%T@ %p\n' | sort -rn | { read -r _ path; echo "$path"; cat >/dev/null; })
stale() { ! [ "$1" -nt "$newest" ]; }

job() { printf '%q ' --job "$@" >>"$jobs"; echo >>"$jobs"; }

want() { # VARIANT NAME...
	local suffix compiler flags name
	IFS='|' read -r suffix compiler flags <<<"$1"
	shift
	have "$compiler" || return 0
	case " $flags " in *" LLD "*) have ld.lld-19 || return 0 ;; esac
	case $flags in *DWP=*) have "${flags##*DWP=}" || return 0 ;; esac
	for name; do
		case $compiler in *"${only[$name]:-}"*) ;; *) continue ;; esac
		stale "$out/$name-$suffix" || continue
		# shellcheck disable=SC2086
		job build "$out/$name-$suffix" "$compiler" "$flags" ${programs[$name]}
	done
}
for variant in "${variants[@]}"; do want "$variant" "${!programs[@]}"; done
for variant in "${variants_of_all[@]}"; do want "$variant" all; done
for variant in "${variants_of_all_and_containers[@]}"; do want "$variant" all containers; done
for variant in "${variants_of_containers[@]}"; do want "$variant" containers; done
for variant in "${variants_of_classes[@]}"; do want "$variant" classes; done

if have x86_64-linux-gnu-gcc && [ "$(uname -m)" = x86_64 ]; then
	for path in "$src"/bad/*.s; do
		name=${path##*/} name=${name%.s}
		! stale "$out/bad/$name" || job assemble "$out/bad/$name" "$path"
	done
	for path in "$src"/bad/*.c; do
		name=${path##*/} name=${name%.c}
		! stale "$out/bad/$name" || job compile_bad "$out/bad/$name" "$path"
	done
	for name in members_70k enumerators_70k percpu_70k params_300 params_70k; do
		stale "$out/bad/$name" || continue
		generate "$name" >"$out/bad/src/$name.c"
		job compile_bad "$out/bad/$name" "$out/bad/src/$name.c"
	done
fi

run_jobs() {
	tr '\n' '\0' <"$jobs" | xargs -0 -r -P "${JOBS:-$(nproc)}" -I{} bash -c "exec bash '$here/make.sh' {}"
	: >"$jobs"
}
run_jobs
for line in "${repacked[@]}"; do
	IFS='|' read -r name how from <<<"$line"
	[ -f "$out/$from" ] && stale "$out/$name" || continue
	case $how in dwz* | distro) have dwz || continue ;; esac
	job repack "$out/$name" "$how" "$out/$from"
done
run_jobs

if [ -f "$out/units-x86_64-gcc-dwarf5" ] && stale "$out/bad/file_text"; then
	damage "$out/bad" "$out/units-x86_64-gcc-dwarf5"
fi
rm -rf "$jobs" "$out/bad/src"
echo "$(find "$out" -type f | wc -l) fixtures in $out"
