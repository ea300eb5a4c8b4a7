#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The benchmark of the README, beside R's mgcv where that is installed. Arguments go to weir-bench gam; without any the
# generalised models follow, and ridge penalties beside glum where python has it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
bench=$here/../build/release/bin/weir-bench
out=$here/../build/bench
mkdir -p "$out"
peers=
if command -v Rscript > /dev/null && Rscript -e 'library(mgcv)' > /dev/null 2>&1; then
    peers=--peers
else
    echo "R with mgcv is not installed: weir alone (Debian: apt-get install r-cran-mgcv r-cran-data.table)" >&2
fi
"$bench" gam $peers --script "$here/peers/gam.R" --json "$out/gam.json" "$@"
echo "JSON: $out/gam.json"
[ $# -eq 0 ] || exit 0
"$bench" glm $peers --script "$here/peers/gam.R" --json "$out/glm.json"
peers=
if python3 -c 'import glum' > /dev/null 2>&1; then peers=--peers; fi
"$bench" ridge $peers --script "$here/peers/glum.py" --json "$out/ridge.json"
echo "JSON: $out/glm.json, $out/ridge.json"
