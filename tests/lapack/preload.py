#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""NumPy and SciPy of the system with libweir_lapack.so loaded before their LAPACK.

usage: preload.py LIBRARY

Runs a child with LD_PRELOAD under an interpreter whose numpy.linalg asks the system's LAPACK (wheels bring one of their own under
other names, which nothing can be loaded before). Exit 77 with the reason where there is none.
"""
import os
import subprocess
import sys

CHILD = r"""

import numpy as np
rng = np.random.default_rng(5)
def close(x, y, scale):
    assert np.max(np.abs(x - y)) <= scale, np.max(np.abs(x - y))
for dtype, eps in ((np.float64, 2.3e-16), (np.float32, 1.2e-7)):
    for m, n in ((1, 1), (7, 3), (40, 40), (300, 77), (20, 90)):
        a = rng.standard_normal((m, n)).astype(dtype)
        q, r = np.linalg.qr(a)
        close(q @ r, a, 30 * (m + n) * eps * 5)
        close(q.T @ q, np.eye(q.shape[1]), 30 * m * eps)
        q, r = np.linalg.qr(a, mode="complete")
        close(q @ r, a, 30 * (m + n) * eps * 5)
    for n in (1, 5, 33, 160):
        a = rng.standard_normal((n, n))
        s = (a @ a.T / n + np.eye(n)).astype(dtype)
        l = np.linalg.cholesky(s)
        close(l @ l.T, s, 30 * n * eps * 6)
    try:
        np.linalg.cholesky(-np.eye(4, dtype=dtype))
        raise SystemExit("an indefinite matrix was factored")
    except np.linalg.LinAlgError:
        pass
try:
    import scipy.linalg as sl
except ImportError:
    sl = None
if sl is not None:
    for dtype, eps in ((np.float64, 2.3e-16), (np.float32, 1.2e-7)):
        a = rng.standard_normal((50, 30)).astype(dtype); b = rng.standard_normal((50, 4)).astype(dtype)
        q, r = sl.qr(a, mode="economic"); close(q @ r, a, 30 * 80 * eps * 5)
        t = np.triu(rng.standard_normal((30, 30)) / 30 + 2 * np.eye(30)).astype(dtype)
        x = sl.solve_triangular(t, b[:30]); close(t @ x, b[:30], 30 * 30 * eps * 5)
        s = (a.T @ a).astype(dtype) + 30 * np.eye(30, dtype=dtype)
        f = sl.cho_factor(s); x = sl.cho_solve(f, b[:30]); close(s @ x, b[:30], 30 * 30 * eps * 60)
maps = open("/proc/self/maps").read()
assert "libweir_lapack" in maps
print("scipy" if sl is not None else "numpy")
"""


def system_lapack(python):
    """Whether numpy.linalg of this interpreter asks a liblapack.so.3 that is not its own."""
    probe = ("import numpy.linalg._umath_linalg as u, numpy.linalg, sys\n"
             "print(u.__file__)\n"
             "print(int('liblapack.so.3' in open('/proc/self/maps').read()))")
    done = subprocess.run([python, "-c", probe], capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.split()[-1] == "1"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    candidates = [path for path in (sys.executable, "/usr/bin/python3") if os.path.exists(path)]
    python = next((path for path in candidates if system_lapack(path)), None)
    if not python:
        print("skipped: no NumPy here asks the system's LAPACK")
        return 77
    env = dict(os.environ, LD_PRELOAD=sys.argv[1], LD_DEBUG="bindings")
    done = subprocess.run([python, "-c", CHILD], capture_output=True, text=True, env=env)
    bound = {word for line in done.stderr.splitlines() if "libweir_lapack" in line.split(" to ")[-1].split(":")[0]
             for word in [line.split("symbol `")[-1].split("'")[0]] if "normal symbol" in line}
    failures = [line for line in done.stderr.splitlines() if not line.lstrip().split(":")[0].isdigit()]
    if done.returncode:
        print("\n".join(failures[-20:]))
        return 1
    missing = {"dgeqrf_", "dorgqr_", "dpotrf_"} - bound
    if missing:
        print("not bound to the library: " + " ".join(sorted(missing)))
        return 1
    print(f"{python} with {done.stdout.strip()}: " + " ".join(sorted(name for name in bound if name.endswith("_"))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
