#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the files of one format of model files: make.sh WEIR VERSION. Run once, when a format comes into being, and commit what it
# wrote; the files of a format that has been released are never made again.
set -eu
weir=$1
version=v$2
cd "$(dirname "$0")"
"$weir" fit -q --threads 1 --memory 256M --weights w --report "$version.html" -o "$version.weir" \
    -f 'y ~ f + s(x,k=6) + te(x,z,k=3) + s(g,bs="re")' data.csv > /dev/null
rm "$version.html"
"$weir" summary --json "$version.weir" > "$version.json"
"$weir" predict -q -m "$version.weir" --se -o "$version.csv" data.csv
