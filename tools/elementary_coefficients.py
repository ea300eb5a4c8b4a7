#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the polynomial coefficients of src/dense/elementary_lanes.h, lowest power first.

Each is the Chebyshev interpolant (within a factor of two of the best approximation) of the function named, worked out with 60
digits and rounded to float64, with its largest error on the interval. Needs mpmath.
"""
import mpmath as mp

mp.mp.dps = 60


def interpolant(function, low, high, degree):
    """Monomial coefficients of the polynomial through the Chebyshev nodes of [low, high]."""
    count = degree + 1
    nodes = [mp.cos(mp.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    values = [function((high + low) / 2 + (high - low) / 2 * t) for t in nodes]
    chebyshev = [
        (1 if k == 0 else 2) * sum(v * mp.cos(k * mp.acos(t)) for v, t in zip(values, nodes)) / count
        for k in range(count)
    ]
    before, now = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
    total = [mp.mpf(0)] * count
    for k in range(count):
        for power, c in enumerate(before):
            total[power] += chebyshev[k] * c
        after = [mp.mpf(0)] + [2 * c for c in now]
        for power, c in enumerate(before):
            after[power] -= c
        before, now = now, after
    scale, shift = 2 / (high - low), -(high + low) / (high - low)
    out = [mp.mpf(0)] * count
    for power, c in enumerate(total):
        for j in range(power + 1):
            out[j] += c * mp.binomial(power, j) * scale**j * shift ** (power - j)
    return [float(c) for c in out]


def report(name, function, low, high, degree):
    low, high = mp.mpf(low), mp.mpf(high)
    c = interpolant(function, low, high, degree)
    error = max(
        abs(mp.polyval([mp.mpf(v) for v in reversed(c)], x) - function(x))
        for x in (low + (high - low) * (i + mp.mpf("0.137")) / 500 for i in range(500))
    )
    print(f"{name} on [{mp.nstr(low, 8)}, {mp.nstr(high, 8)}], error {mp.nstr(error, 3)}:")
    print("    " + ", ".join(v.hex() for v in c))


def erfcx_scaled(t):
    if t == 1:
        return 2 / mp.sqrt(mp.pi)
    a = 4 * (1 + t) / (1 - t)
    return (1 + 2 * a) * mp.exp(a * a) * mp.erfc(a) if a < 1000 else (1 + 2 * a) / (a * mp.sqrt(mp.pi)) * (
        1 - 1 / (2 * a * a) + mp.mpf(3) / (4 * a**4))


def log_tail(z):
    s = mp.sqrt(z) if z > 0 else mp.sqrt(-z) * 1j
    return mp.re((mp.log((1 + s) / (1 - s)) / s - 2) / z) if z else mp.mpf(2) / 3


half_log2 = mp.log(2) / 2
report("exp: (e^r - 1 - r) / r^2", lambda r: (mp.expm1(r) - r) / r**2 if abs(r) > 1e-20 else mp.mpf(1) / 2,
       -half_log2 * mp.mpf("1.0001"), half_log2 * mp.mpf("1.0001"), 10)
largest = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2
report("log: (log((1+s)/(1-s))/s - 2)/s^2 in s^2", log_tail, 0, largest * mp.mpf("1.0001"), 6)
report("normal: (1+2a) erfcx(a) in (a-4)/(a+4)", erfcx_scaled, -1, 1, 24)
quarter = (mp.pi / 4) ** 2 * mp.mpf("1.0001")
report("sin: (sin(r)/r - 1)/r^2 in r^2", lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z if z > 1e-20 else -mp.mpf(1) / 6,
       0, quarter, 5)
report("cos: (cos(r) - 1 + r^2/2)/r^4 in r^2",
       lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2 if z > 1e-15 else mp.mpf(1) / 24, 0, quarter, 5)
for name, value in (("pi/2", mp.pi / 2), ("ln2", mp.log(2)), ("1/sqrt(pi)", 1 / mp.sqrt(mp.pi))):
    head = mp.mpf(float(value))
    print(name, float(head).hex(), float(value - head).hex())
print("ln2 with 20 zero bits", float(mp.floor(mp.log(2) * 2**33) / 2**33).hex(),
      float(mp.log(2) - mp.floor(mp.log(2) * 2**33) / 2**33).hex())
