#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes src/base/number_powers.c: the leading 128 bits of 5^q, rounded up for -27 <= q < 0, else truncated."""
import sys

LEAST, MOST = -342, 308


def leading_bits(q):
    if q >= 0:
        power = 5 ** q
        shift = power.bit_length() - 128
        return power >> shift if shift > 0 else power << -shift
    divisor = 5 ** -q
    shift = divisor.bit_length() + 127
    value = (1 << shift) // divisor  # 5^-q is odd and > 1: never exact
    return value + 1 if q >= -27 else value


def main():
    out = sys.stdout
    out.write("/* SPDX-License-Identifier: Apache-2.0 */\n"
              "/* Written by tools/number_powers.py; do not edit. Row i: 5^(i + W_POWER_LEAST), see number.h. */\n"
              '#include "base/number.h"\n\n'
              "const uint64_t w_number_powers[W_POWER_MOST - W_POWER_LEAST + 1][2] = {\n")
    rows = [leading_bits(q) for q in range(LEAST, MOST + 1)]
    for i in range(0, len(rows), 2):
        cells = [f"{{0x{v >> 64:016x}u, 0x{v & (1 << 64) - 1:016x}u}}" for v in rows[i:i + 2]]
        out.write("    " + ", ".join(cells) + ",\n")
    out.write("};\n")


main()
