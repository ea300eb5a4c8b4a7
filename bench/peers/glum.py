# SPDX-License-Identifier: Apache-2.0
"""Fits with glum what weir-bench ridge fits, on the same numbers, and prints lines "key value".

    python3 glum.py FOLDER FAMILY ALPHA THREADS REPETITIONS

`seconds`: the fit alone, the matrix (tabmat, categories kept as such) being ready; `with_matrix`: both.
"""
import os
import sys
import time

sys.path.pop(0)  # this file has the name of the package it imports
folder, family, alpha, threads, repetitions = sys.argv[1:6]
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = threads

import glum  # noqa: E402
import numpy as np  # noqa: E402
import tabmat  # noqa: E402

alpha = float(alpha)
y = np.fromfile(f"{folder}/{family}.f64")
x = np.fromfile(f"{folder}/x.f64")
codes = [np.fromfile(f"{folder}/f{j}.i32", dtype=np.int32) for j in range(8)]


def matrix():
    return tabmat.SplitMatrix([tabmat.DenseMatrix(x[:, None])] + [tabmat.CategoricalMatrix(c) for c in codes])


seconds, complete = [], []
for i in range(int(repetitions) + 1):  # the first warms up
    begin = time.perf_counter()
    design = matrix()
    ready = time.perf_counter()
    model = glum.GeneralizedLinearRegressor(family=family, link="log", alpha=alpha, l1_ratio=0, gradient_tol=1e-7,
                                            drop_first=False)
    model.fit(design, y)
    end = time.perf_counter()
    if i:
        seconds.append(end - ready)
        complete.append(end - begin)

eta = model.intercept_ + design.matvec(model.coef_)
mu = np.exp(eta)
if family == "poisson":
    deviance = 2 * np.sum(np.where(y > 0, y * (np.log(np.where(y > 0, y, 1)) - eta), 0) - (y - mu))
else:
    deviance = 2 * np.sum((y - mu) / mu - np.log(y / mu))
objective = deviance / (2 * len(y)) + 0.5 * alpha * np.sum(model.coef_**2)
print("seconds", np.median(seconds))
print("with_matrix", np.median(complete))
print("iterations", model.n_iter_)
print("objective", repr(float(objective)))
print("engine glum", glum.__version__)
