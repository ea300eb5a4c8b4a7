# SPDX-License-Identifier: Apache-2.0
# The libraries weir stands on, gathered in the interface target weir_libraries.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(HWLOC REQUIRED IMPORTED_TARGET hwloc)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)

# OpenBLAS carries LAPACK. Distributions differ in the name of its pkg-config file.
pkg_search_module(OPENBLAS IMPORTED_TARGET openblas-openmp openblas openblas-pthread openblas-serial)
add_library(weir_blas INTERFACE)
if(OPENBLAS_FOUND)
    target_link_libraries(weir_blas INTERFACE PkgConfig::OPENBLAS)
else()
    find_library(WEIR_OPENBLAS NAMES openblas openblaso PATH_SUFFIXES openblas-openmp openblas-pthread REQUIRED)
    target_link_libraries(weir_blas INTERFACE ${WEIR_OPENBLAS})
endif()

# libcsv ships no pkg-config file.
find_path(WEIR_CSV_INCLUDE csv.h REQUIRED)
find_library(WEIR_CSV NAMES csv REQUIRED)

add_library(weir_libraries INTERFACE)
target_include_directories(weir_libraries SYSTEM INTERFACE ${WEIR_CSV_INCLUDE})
target_link_libraries(weir_libraries INTERFACE
    weir_blas PkgConfig::HWLOC PkgConfig::JANSSON PkgConfig::ZLIB PkgConfig::SQLITE ${WEIR_CSV}
    Threads::Threads ${CMAKE_DL_LIBS} m)
