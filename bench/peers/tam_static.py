# SPDX-License-Identifier: Apache-2.0
"""The fit that weir-bench tam times, as TAM's static model does it, in NumPy: prints lines "key value".

    python3 tam_static.py FOLDER THREADS REPETITIONS

The dense design of a constant, B-splines of k = 20 intervals of three covariates and m = 10 cyclic harmonics of three others (D = 130),
penalties of second differences and of 1 + k^2 at lambda = 1e-5 per row, a ridge of 1e-6 per row, and one solve of
(X'X + n P + 1e-6 n I) beta = X'y. `design`: seconds of the design alone. `bytes`: growth of the process over the data.
"""
import os
import resource
import sys
import time

folder, threads, repetitions = sys.argv[1:4]
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = threads

import numpy as np  # noqa: E402

x = [np.fromfile(f"{folder}/x{j}.f64") for j in range(6)]
y = np.fromfile(f"{folder}/y.f64")
n = len(y)


def scaled(v):
    low, high = v.min(), v.max()
    return 2 * (v - low) / (high - low) - 1


def splines(u, k=20, degree=3):
    knots = np.concatenate([np.full(degree, -1.0), np.linspace(-1, 1, k + 1), np.full(degree, 1.0)])
    basis = ((u[:, None] >= knots[:-1]) & (u[:, None] < knots[1:])).astype(float)
    basis[u >= 1, k + degree - 1] = 1
    for d in range(1, degree + 1):
        with np.errstate(divide="ignore", invalid="ignore"):
            up = np.nan_to_num((u[:, None] - knots[:-d - 1]) / (knots[d:-1] - knots[:-d - 1]))
            down = np.nan_to_num((knots[d + 1:] - u[:, None]) / (knots[d + 1:] - knots[1:-d]))
        basis = up * basis[:, :-1] + down * basis[:, 1:]
    return basis


def harmonics(u, m=10):
    angle = np.pi * u[:, None] * np.arange(1, m + 1)
    return np.hstack([np.cos(angle), np.sin(angle)])


def fit():
    begin = time.perf_counter()
    design = np.hstack([np.ones((n, 1))] + [splines(scaled(v)) for v in x[:3]] + [harmonics(scaled(v)) for v in x[3:]])
    ready = time.perf_counter()
    penalty = np.zeros((design.shape[1],) * 2)
    difference = np.diff(np.eye(23), n=2, axis=0)
    harmonic = np.tile(1.0 + np.arange(1, 11) ** 2, 2)
    for j in range(3):
        at = 1 + 23 * j
        penalty[at:at + 23, at:at + 23] = 1e-5 * difference.T @ difference
        at = 70 + 20 * j
        penalty[at:at + 20, at:at + 20] = 1e-5 * np.diag(harmonic)
    penalty[0, 0] = 1e-9
    system = design.T @ design + n * penalty + 1e-6 * n * np.eye(design.shape[1])
    beta = np.linalg.solve(system, design.T @ y)
    return ready - begin, time.perf_counter() - begin, np.mean((y - design @ beta) ** 2), design.shape[1]


before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rounds = [fit() for _ in range(int(repetitions) + 1)][1:]  # the first warms up
print("seconds", np.median([r[1] for r in rounds]))
print("design", np.median([r[0] for r in rounds]))
print("bytes", 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before))
print("mean_square", repr(float(rounds[-1][2])))
print("columns", rounds[-1][3])
print("engine numpy", np.__version__)
