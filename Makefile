# SPDX-License-Identifier: Apache-2.0
# make          build the release preset (build/release/bin/weir, build/release/lib/libweir.so)
# make demo     install what is missing, build, fit Mauna Loa's carbon dioxide and show the result
# make check    install what is missing, build, run every test; ends with a count
# make setup    install what is missing (Debian and Ubuntu packages)
# make bench    the benchmark, beside R's mgcv when it is installed
# make fuzz     the fuzz targets for FUZZ_SECONDS each (default 20)
# make tsan     the tests under the thread sanitizer
# make valgrind the fast tests under valgrind (memory errors and leaks fail)
.PHONY: all build setup demo check bench fuzz tsan valgrind clean
all: build

build/release/build.ninja:
	cmake --preset release

build: build/release/build.ninja
	cmake --build --preset release

setup:
	tools/setup

demo: setup
	$(MAKE) --no-print-directory build
	examples/demo.sh

check:
	tools/check

bench: build
	bench/run.sh

fuzz: setup
	tools/fuzz $(or $(FUZZ_SECONDS),20)

tsan: setup
	cmake --preset tsan
	cmake --build --preset tsan
	ctest --preset tsan

valgrind: build
	tools/valgrind build/release/tests

clean:
	rm -rf build
