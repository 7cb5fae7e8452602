#!/bin/sh
# Puts what cargo build --release made where packages have it: the program under all its names, manual pages,
# completions, licences.
#
#   packaging/install.sh [ROOT]
#
# ROOT is the directory that becomes the root of the package, by default that of this machine; PREFIX stands before all
# paths in it, by default /usr/local. BINARIES is where btfgen is, by default where cargo leaves it; if that is where it
# belongs, it stays there. It must run on this machine, as it writes its own manual pages.
set -eu
umask 022

here=$(cd "$(dirname "$0")/.." && pwd)
binaries=${BINARIES:-${CARGO_TARGET_DIR:-$here/target}/release}
prefix=${1:-}${PREFIX:-/usr/local}
share=$prefix/share

btfgen=$prefix/bin/btfgen
[ "$binaries/btfgen" -ef "$btfgen" ] || install -D -m 755 "$binaries/btfgen" "$btfgen"
ln -sf btfgen "$prefix/bin/btfgen-pahole"

# Names that packages of pahole have in bin. Builds find them here if this directory comes first in their PATH.
mkdir -p "$prefix/lib/btfgen"
for name in pahole btfdiff; do
	ln -sf ../../bin/btfgen "$prefix/lib/btfgen/$name"
done

man=$share/man/man1
mkdir -p "$man"
"$btfgen" man >"$man/btfgen.1"
for command in $(sed -n 's/^btfgen\\-\([a-z]*\)(1)$/\1/p' "$man/btfgen.1"); do
	"$btfgen" man "$command" >"$man/btfgen-$command.1"
done
ln -sf btfgen.1 "$man/btfgen-pahole.1"

completions() { # SHELL FILE
	mkdir -p "$share/$(dirname "$2")"
	"$btfgen" completions "$1" >"$share/$2"
}
completions bash bash-completion/completions/btfgen
completions fish fish/vendor_completions.d/btfgen.fish
completions zsh zsh/site-functions/_btfgen

for document in LICENSE-APACHE LICENSE-MIT README.md docs/integration.md; do
	install -D -m 644 -t "$share/doc/btfgen" "$here/$document"
done
