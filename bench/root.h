/* SPDX-License-Identifier: Apache-2.0 */
/* weir-bench root: inverse p-th roots beside LAPACK's eigenvalues and iterations without bounds. */
#ifndef BENCH_ROOT_H
#define BENCH_ROOT_H

/* argv[0] is "root". */
int root_run(int argc, char **argv);

#endif
