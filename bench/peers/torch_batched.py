# SPDX-License-Identifier: Apache-2.0
"""torch's batched routines on the processor, on matrices such as weir-bench batched makes; prints lines "key value".

    python3 torch_batched.py qr|chol|solve|eigh f32|f64 COUNT ROWS COLUMNS THREADS
"""
import os
import sys
import time

what, dtype, count, rows, columns, threads = sys.argv[1:7]
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = threads

import torch  # noqa: E402

torch.set_num_threads(int(threads))
torch.manual_seed(5)
kind = torch.float32 if dtype == "f32" else torch.float64
a = torch.rand(int(count), int(rows), int(columns), dtype=kind) - 0.5
if what in ("chol", "eigh"):
    a = a.tril() + a.tril(-1).mT
if what == "chol":
    a += int(columns) * torch.eye(int(columns), dtype=kind)
b = torch.ones(int(count), int(rows), 1, dtype=kind)
call = {
    "qr": lambda: torch.linalg.qr(a),
    "chol": lambda: torch.linalg.cholesky(a),
    "solve": lambda: torch.linalg.solve(a, b),
    "eigh": lambda: torch.linalg.eigh(a),
}[what]

for _ in range(5):
    call()
seconds = []
begin = time.perf_counter()
while len(seconds) < 20 or (time.perf_counter() - begin < 1.0 and len(seconds) < 1000):
    start = time.perf_counter()
    call()
    seconds.append(time.perf_counter() - start)
seconds.sort()
print("seconds", seconds[len(seconds) // 2])
print("least", seconds[0])
print("engine torch", torch.__version__)
