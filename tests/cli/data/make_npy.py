# SPDX-License-Identifier: Apache-2.0
"""make_npy.py FILE [ROWS]: 100 rows of columns y, x; the header claims ROWS."""
import struct
import sys

rows = 100
claim = int(sys.argv[2]) if len(sys.argv) > 2 else rows
header = "{'descr': [('y', '<f8'), ('x', '<f8')], 'fortran_order': False, 'shape': (%d,), }" % claim
header += " " * (64 - (10 + len(header) + 1) % 64) + "\n"
with open(sys.argv[1], "wb") as file:
    file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
    for i in range(rows):
        file.write(struct.pack("<dd", (i * 37 % 101) / 50.0, i / 99.0))
