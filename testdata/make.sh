#!/usr/bin/env bash
# Builds the test fixtures: make.sh [OUTDIR], by default target/fixtures.
# make.sh --demo builds small/demo.elf, the one fixture that is checked in.
#
# Every fixture is a small program without a C library, linked so that no relocation is left.
# A compiler that is missing is named on stderr, and what it would build is left out.
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
)
# What only one family of compilers understands.
declare -A only=(
	[nested]=gcc
	[bit_int]=clang
	[tags]=clang
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

# The same program in other containers of the same facts.
variants_of_all=(
	"x86_64-gcc-rel|x86_64-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"aarch64-gcc-rel|aarch64-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"riscv64-gcc-rel|riscv64-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"s390x-gcc-rel|s390x-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"powerpc-gcc-rel|powerpc-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"arm-gcc-rel|arm-linux-gnueabihf-gcc|-gdwarf-5 RELOCATABLE"
	"i386-gcc-rel|i686-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"mips-gcc-rel|mips-linux-gnu-gcc|-gdwarf-5 RELOCATABLE"
	"x86_64-gcc-O0|x86_64-linux-gnu-gcc|-gdwarf-5 -O0"
	"x86_64-gcc-strict2|x86_64-linux-gnu-gcc|-gdwarf-2 -gstrict-dwarf"
	"x86_64-gcc-typeunits4|x86_64-linux-gnu-gcc|-gdwarf-4 -fdebug-types-section"
	"x86_64-gcc-typeunits5|x86_64-linux-gnu-gcc|-gdwarf-5 -fdebug-types-section"
	"x86_64-gcc-lto|x86_64-linux-gnu-gcc|-gdwarf-5 LTO"
	"x86_64-gcc-zlib|x86_64-linux-gnu-gcc|-gdwarf-5 -gz=zlib"
	"x86_64-gcc-zlibgnu|x86_64-linux-gnu-gcc|-gdwarf-5 -gz=zlib-gnu"
	"x86_64-gcc-stripped|x86_64-linux-gnu-gcc|-gdwarf-5 NO_SYMBOLS"
	"x86_64-gcc-percpu0|x86_64-linux-gnu-gcc|-gdwarf-5 -Wl,--section-start=.data..percpu=0"
	"x86_64-clang19-split|clang-19|-gdwarf-5 SPLIT"
)

package_of() {
	case $1 in
	clang-*) echo "$1" ;;
	arm-*) echo gcc-arm-linux-gnueabihf ;;
	x86_64-*) echo gcc ;;
	*) echo "gcc-${1%-gcc}" ;;
	esac
}

# Flags that are the same everywhere: no library, no relocations left, no paths of this machine.
common="-O2 -w -ffreestanding -fno-pic -fno-pie -fno-common -fno-stack-protector -fno-exceptions
	-fno-unwind-tables -fno-asynchronous-unwind-tables -ffile-prefix-map=$src=."
link="-nostdlib -static -no-pie -Wl,--build-id=none -Wl,-e,0 -Wl,-T,$src/sections.ld"

# --- how one program is built: build OUTPUT COMPILER FLAGS SOURCE... -------------------------

build() {
	local out=$1 compiler=$2 flags=$3 linking=$link compiling=$common objects=() char source n=0 keep= from=
	shift 3
	local work
	work=$(mktemp -d "${out%/*}/.build.XXXXXX")
	cd "$src"
	case $compiler in
	clang-*) compiling+=" -Qunused-arguments -fdebug-compilation-dir=." linking+=" -Qunused-arguments" ;;
	mips-*) compiling+=" -mno-abicalls -mno-gpopt" ;;
	esac
	case " $flags " in *" RELOCATABLE "*)
		flags=${flags/RELOCATABLE/} linking="-nostdlib -r -no-pie" ;;
	esac
	case " $flags " in *" LTO "*)
		flags=${flags/LTO/} compiling+=" -flto" linking="-nostdlib -flto -flinker-output=nolto-rel -r -no-pie -w" ;;
	esac
	case " $flags " in *" NO_SYMBOLS "*)
		flags=${flags/NO_SYMBOLS/} linking+=" -Wl,--strip-all" ;;
	esac
	case " $flags " in *" SPLIT "*)
		# The .dwo files are found by the name that the object was given: relative to the output.
		flags=${flags/SPLIT/-gsplit-dwarf}
		keep=${out##*/}.dwo from=$src/
		rm -rf "${out%/*}/$keep"
		mkdir "${out%/*}/$keep"
		cd "${out%/*}" ;;
	esac
	compiling+=" -ffile-prefix-map=$work=."
	for source; do
		char=
		case $source in OTHER_CHAR:*)
			source=${source#*:} char=-funsigned-char
			# Where characters are unsigned anyway, this unit has signed ones.
			case $("$compiler" -dM -E -x c /dev/null) in *__CHAR_UNSIGNED__*) char=-fsigned-char ;; esac ;;
		esac
		objects+=("${keep:-$work}/$((n++))_${source%.*}.o")
		# shellcheck disable=SC2086
		"$compiler" $compiling $flags $char -c "$from$source" -o "${objects[-1]}"
	done
	# shellcheck disable=SC2086
	"$compiler" $common $flags $linking "${objects[@]}" -o "$work/linked" 2>"$work/messages" || { cat "$work/messages" >&2; return 1; }
	mv "$work/linked" "$out"
	rm -r "$work"
	[ -z "$keep" ] || rm "${objects[@]}"
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
	[ -n "${missing[$1]:-}" ] || echo "SKIPPED: compiler $1 is missing (apt-get install $(package_of "$1"))" >&2
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
	for name; do
		case $compiler in *"${only[$name]:-}"*) ;; *) continue ;; esac
		stale "$out/$name-$suffix" || continue
		# shellcheck disable=SC2086
		job build "$out/$name-$suffix" "$compiler" "$flags" ${programs[$name]}
	done
}
for variant in "${variants[@]}"; do want "$variant" "${!programs[@]}"; done
for variant in "${variants_of_all[@]}"; do want "$variant" all; done

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

tr '\n' '\0' <"$jobs" | xargs -0 -r -P "${JOBS:-$(nproc)}" -I{} bash -c "exec bash '$here/make.sh' {}"

if [ -f "$out/units-x86_64-gcc-dwarf5" ] && stale "$out/bad/file_text"; then
	damage "$out/bad" "$out/units-x86_64-gcc-dwarf5"
fi
rm -rf "$jobs" "$out/bad/src"
echo "$(find "$out" -type f | wc -l) fixtures in $out"
