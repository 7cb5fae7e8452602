#!/usr/bin/env bash
# Makes the corpora of all fuzz targets from the test fixtures: seed.sh [CORPUS], by default fuzz/corpus.
#
# Then, with cargo-fuzz (cargo install cargo-fuzz --locked) and without a nightly toolchain:
#   RUSTC_BOOTSTRAP=1 cargo fuzz run encode -- -max_total_time=600 -rss_limit_mb=2048 -timeout=20
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
corpus=${1:-$here/corpus}
fixtures=$here/../target/fixtures

"$here/../testdata/make.sh" "$fixtures"
mapfile -t files < <(find "$fixtures" -maxdepth 2 -type f -size -512k ! -name '.*' ! -name '*.lock' | sort)
cargo run --quiet --manifest-path "$here/Cargo.toml" --example seed -- "$corpus" "${files[@]}"
for target in elf insert encode btf reloc inflate; do
	echo "$(find "$corpus/$target" -type f | wc -l) seeds in $corpus/$target"
done
