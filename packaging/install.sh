#!/bin/sh
# Puts what cargo build --release made where packages have it: programs, manual pages, completions, licences.
#
#   packaging/install.sh [ROOT]
#
# ROOT is the directory that becomes the root of the package, by default that of this machine; PREFIX stands before all
# paths in it, by default /usr/local. BINARIES is where the programs are, by default where cargo leaves them; programs
# that are where they belong stay there. The programs must run on this machine: they write their own manual pages.
set -eu
umask 022

cd "$(dirname "$0")/.."
binaries=${BINARIES:-${CARGO_TARGET_DIR:-target}/release}
prefix=${1:-}${PREFIX:-/usr/local}
share=$prefix/share

for program in btfgen btfgen-pahole btfdiff; do
	to=$prefix/bin/$program
	[ "$binaries/$program" -ef "$to" ] || install -D -m 755 "$binaries/$program" "$to"
done
btfgen=$prefix/bin/btfgen

# For builds that look for a pahole in PATH: nobody else's lies in this directory.
mkdir -p "$prefix/lib/btfgen"
ln -sf ../../bin/btfgen-pahole "$prefix/lib/btfgen/pahole"

man=$share/man/man1
mkdir -p "$man"
"$btfgen" man >"$man/btfgen.1"
for command in $(sed -n 's/^btfgen\\-\([a-z]*\)(1)$/\1/p' "$man/btfgen.1"); do
	# Those that are so short that they have no page are in that of the program.
	case $command in completions | man) continue ;; esac
	"$btfgen" man "$command" >"$man/btfgen-$command.1"
done
ln -sf btfgen-diff.1 "$man/btfdiff.1"

completions() { # SHELL FILE
	mkdir -p "$share/$(dirname "$2")"
	"$btfgen" completions "$1" >"$share/$2"
}
completions bash bash-completion/completions/btfgen
completions fish fish/vendor_completions.d/btfgen.fish
completions zsh zsh/site-functions/_btfgen

install -D -m 644 -t "$share/doc/btfgen" LICENSE-APACHE LICENSE-MIT README.md docs/integration.md
