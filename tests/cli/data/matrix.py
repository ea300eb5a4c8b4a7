# SPDX-License-Identifier: Apache-2.0
"""Arrays in NPY files without NumPy.

matrix.py make FILE TYPE ORDER SHAPE [KIND]     TYPE f4 f8 >f8 i4, ORDER C F, SHAPE 5x3 or 4x5x3, KIND normal definite singular nan
matrix.py check KIND FILE PREFIX BOUND          factors of FILE beside PREFIX, errors relative to the largest element
matrix.py power FILE ROOT P BOUND               ROOT^P FILE against the identity
"""
import itertools
import random
import struct
import sys


def places(shape, order):
    """Indices in the order of the file."""
    if order == "C":
        return itertools.product(*map(range, shape))
    return (index[::-1] for index in itertools.product(*map(range, shape[::-1])))


def write(path, kind, order, shape, value):
    code = kind if kind[0] in "<>" else "<" + kind
    head = "{'descr': '%s', 'fortran_order': %s, 'shape': (%s,), }" % (code, order == "F", ", ".join(map(str, shape)))
    head += " " * (63 - (10 + len(head)) % 64) + "\n"
    letter = {"f4": "f", "f8": "d", "i4": "i"}[code[1:]]
    with open(path, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode())
        for index in places(shape, order):
            file.write(struct.pack(code[0] + letter, value(index)))


def read(path):
    with open(path, "rb") as file:
        assert file.read(8) == b"\x93NUMPY\x01\x00"
        head = eval(file.read(struct.unpack("<H", file.read(2))[0]))  # a literal that the program under test has written
        code = head["descr"]
        letter = {"f4": "f", "f8": "d", "i8": "q"}[code[1:]]
        size = struct.calcsize(letter)
        found = {}
        for index in places(head["shape"], "F" if head["fortran_order"] else "C"):
            found[index] = struct.unpack(code[0] + letter, file.read(size))[0]
        assert not file.read(1)
    return head, found


def make(path, kind, order, shape, what="normal"):
    shape = tuple(map(int, shape.split("x")))
    rng = random.Random(7)
    numbers = {index: rng.gauss(0, 1) for index in itertools.product(*map(range, shape))}

    def value(index):
        *batch, i, j = index
        if what == "definite":
            n = shape[-1]
            return sum(numbers[(*batch, k, i)] * numbers[(*batch, k, j)] for k in range(n)) + (i == j)
        if what == "indefinite" and index == (*[b - 1 for b in shape[:-2]], 2, 2):
            return -1.0
        if what == "indefinite":
            return float(i == j)
        if what == "singular":
            return float(i + j)
        if what == "nan" and index == tuple(s - 1 for s in shape):
            return float("nan")
        return int(numbers[index] * 10) if kind == "i4" else numbers[index]

    write(path, kind, order, shape, value)


def product(left, right, batch, i, j, depth):
    return sum(left[(*batch, i, k)] * right[(*batch, k, j)] for k in range(depth))


def check(kind, path, prefix, bound):
    head, a = read(path)
    *batches, m, n = head["shape"]
    k = min(m, n)
    first_head, first = read(prefix + {"qr": ".Q", "lu": ".L", "chol": ".L", "eigh": ".vectors"}[kind] + ".npy")
    assert first_head["descr"][1:] == head["descr"][1:] and first_head["fortran_order"] == head["fortran_order"]
    second = read(prefix + {"qr": ".R", "lu": ".U", "eigh": ".values"}[kind] + ".npy")[1] if kind != "chol" else None
    rows = read(prefix + ".P.npy")[1] if kind == "lu" else None
    largest, worst = max(map(abs, a.values())), 0.0
    for batch in itertools.product(*map(range, batches)):
        for i in range(m):
            for j in range(n):
                if kind in ("qr", "lu"):
                    got = product(first, second, batch, i, j, k)
                elif kind == "chol":
                    got = sum(first[(*batch, i, h)] * first[(*batch, j, h)] for h in range(n))
                    assert j <= i or first[(*batch, i, j)] == 0
                else:
                    got = sum(first[(*batch, i, h)] * second[(*batch, h)] * first[(*batch, j, h)] for h in range(n))
                row = rows[(*batch, i)] if rows else i
                worst = max(worst, abs(got - a[(*batch, row, j)]) / largest)
    assert worst <= float(bound), worst
    print("good")


def power(path, root, p, bound):
    head, a = read(path)
    *batches, n, _ = head["shape"]
    x = read(root)[1]
    for batch in itertools.product(*map(range, batches)):
        now = {(i, j): a[(*batch, i, j)] for i in range(n) for j in range(n)}
        for _ in range(int(p)):
            now = {(i, j): sum(x[(*batch, i, k)] * now[k, j] for k in range(n)) for i in range(n) for j in range(n)}
        worst = max(abs(now[i, j] - (i == j)) for i in range(n) for j in range(n))
        assert worst <= float(bound), worst
    print("good")


if __name__ == "__main__":
    {"make": make, "check": check, "power": power}[sys.argv[1]](*sys.argv[2:])
