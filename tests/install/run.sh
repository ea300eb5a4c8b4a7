#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs BUILD into a temporary folder, moves it, and builds and runs the examples against it through pkg-config and
# through find_package. usage: run.sh BUILD EXAMPLES
set -eu
build=$1
examples=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$CMAKE" --install "$build" --prefix "$folder/first" > "$folder/install.log"
mv "$folder/first" "$folder/moved" # nothing may remember where it was installed
prefix=$folder/moved
pc=$(dirname "$(find "$prefix" -name weir.pc)")
lib=$(dirname "$pc")
PKG_CONFIG_PATH=$pc
LD_LIBRARY_PATH=$lib
export PKG_CONFIG_PATH LD_LIBRARY_PATH

[ "$(pkg-config --modversion weir)" = "$VERSION" ]
objdump -p "$lib/libweir.so" | grep -q 'SONAME *libweir.so.0'
"$prefix/bin/weir" devices > /dev/null # finds its library without LD_LIBRARY_PATH too:
LD_LIBRARY_PATH= "$prefix/bin/weir" devices > /dev/null
"$prefix/bin/weir" fit -q -f 'co2 ~ s(month, bs="cc", k=6) + decimal_year' -o "$folder/co2.weir" "$examples/co2.csv"

# How each example is run; one without a line here fails, so that none goes untested.
run() {
    case $1 in
    arrow | fit_columns) "$2" ;;
    progress) "$2" "$examples/co2.csv" "co2 ~ s(decimal_year)" 600 ;;
    predict_file) "$2" "$folder/co2.weir" "$examples/co2.csv" ;;
    *) echo "run.sh does not know how to run the example $1" >&2; return 1 ;;
    esac
}

mkdir "$folder/by-pkg-config" "$folder/by-cmake"
for source in "$examples"/*.c; do
    name=$(basename "$source" .c)
    # shellcheck disable=SC2046
    "$CC" -std=c11 -Wall -Wextra -Werror "$source" $(pkg-config --cflags --libs weir) -lm -o "$folder/by-pkg-config/$name"
    run "$name" "$folder/by-pkg-config/$name" > "$folder/by-pkg-config/$name.out"
done

{
    echo 'cmake_minimum_required(VERSION 3.20)'
    echo 'project(examples LANGUAGES C)'
    echo "find_package(weir $VERSION REQUIRED)"
    for source in "$examples"/*.c; do
        name=$(basename "$source" .c)
        echo "add_executable($name \"$source\")"
        echo "target_link_libraries($name PRIVATE weir::weir m)"
    done
} > "$folder/by-cmake/CMakeLists.txt"
"$CMAKE" -S "$folder/by-cmake" -B "$folder/by-cmake/build" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$CC" > "$folder/cmake.log"
"$CMAKE" --build "$folder/by-cmake/build" >> "$folder/cmake.log"
for source in "$examples"/*.c; do
    name=$(basename "$source" .c)
    run "$name" "$folder/by-cmake/build/$name" > "$folder/by-cmake/$name.out"
    cmp "$folder/by-pkg-config/$name.out" "$folder/by-cmake/$name.out"
done

# A request for a version that does not exist must fail.
sed -i "s/find_package(weir $VERSION/find_package(weir 99.0/" "$folder/by-cmake/CMakeLists.txt"
if "$CMAKE" -S "$folder/by-cmake" -B "$folder/newer" -DCMAKE_PREFIX_PATH="$prefix" > "$folder/newer.log" 2>&1; then
    echo "find_package accepted version 99.0" >&2
    exit 1
fi
echo "installed copy: $(ls "$examples"/*.c | wc -l) examples built twice and run"
