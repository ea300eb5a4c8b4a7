#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fits Mauna Loa's carbon dioxide: a trend and a cyclic season. Usage: demo.sh [path of weir] [folder for the results]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
weir=${1:-$here/../build/release/bin/weir}
out=${2:-$here/../build/demo}
mkdir -p "$out"
out=$(cd "$out" && pwd)
formula='co2 ~ s(decimal_year, bs="cr", k=40) + s(month, bs="cc", k=12)'
knots='month=0.5,12.5'

echo "--- the plan: weir plan -f '$formula' --knots '$knots' co2.csv"
"$weir" plan -f "$formula" --knots "$knots" "$here/co2.csv"
echo
echo "--- the fit: weir fit ... -o co2.weir --report co2.html co2.csv"
"$weir" fit -q -f "$formula" --knots "$knots" -o "$out/co2.weir" --report "$out/co2.html" --json "$out/co2.json" "$here/co2.csv"
"$weir" summary "$out/co2.weir"
echo
echo "--- predictions: weir predict -m co2.weir --se co2.csv | head -4"
"$weir" predict -q -m "$out/co2.weir" --se -o "$out/co2-fit.csv" "$here/co2.csv"
head -4 "$out/co2-fit.csv"
echo
echo "model        $out/co2.weir"
echo "predictions  $out/co2-fit.csv"
echo "report       $out/co2.html   (open it in a browser)"
