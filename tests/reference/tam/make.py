#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reference values of the bases of features (docs/tam.md), from their definitions by dense linear algebra.

Writes data.csv, points.csv (inside and beyond the data), cases.txt (formula, ridge), fit.csv (a column per case) and
airpassengers.csv. Random numbers are those of the library's generator: xoshiro256** seeded by splitmix64."""
import os
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
MASK = (1 << 64) - 1


class Rng:
    def __init__(self, seed):
        self.s = []
        for _ in range(4):
            seed = (seed + 0x9E3779B97F4A7C15) & MASK
            z = seed
            z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
            self.s.append(z ^ (z >> 31))

    def next(self):
        rotate = lambda x, b: ((x << b) | (x >> (64 - b))) & MASK
        s = self.s
        out = (rotate((s[1] * 5) & MASK, 7) * 9) & MASK
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotate(s[3], 45)
        return out

    def uniform(self):
        return (self.next() >> 11) * 2.0 ** -53

    def below(self, bound):
        if bound <= 1:
            return 0
        skip = (1 << 64) % bound
        while True:
            draw = self.next()
            if draw >= skip:
                return draw % bound

    def normal(self):
        while True:
            u, v = 2 * self.uniform() - 1, 2 * self.uniform() - 1
            s = u * u + v * v
            if 0 < s < 1:
                return u * np.sqrt(-2 * np.log(s) / s)

    def sample(self, total, count):
        out = []
        for i in range(total):
            if len(out) == count:
                break
            if self.below(total - i) < count - len(out):
                out.append(i)
        return out


class Term:
    """A basis: phi(u) and its derivatives d phi / d u_c, both for one point; columns hold the covariates."""
    centred = "means"  # True: a sum-to-zero constraint on the coefficients

    def __init__(self, columns, mode, data):
        self.columns, self.mode = columns, mode
        x = np.column_stack([data[c] for c in columns])
        self.low, self.high = x.min(0), x.max(0)
        self.u = self.scale(x)
        self.setup()

    def scale(self, x):
        return 2 * ((x - self.low) / (self.high - self.low)) - 1

    def setup(self):
        pass

    def rows(self, data):
        out = []
        for u in self.scale(np.column_stack([data[c] for c in self.columns])):
            b = np.clip(u, -1, 1)
            d = np.linalg.norm(u - b)
            if d == 0 or self.mode == "continue":
                out.append(self.phi(u))
                continue
            slope = self.gradient(b).T @ ((u - b) / d)
            step = {"constant": 0, "linear": d, "saturation": (1 - np.exp(-2 * d)) / 2}[self.mode]
            out.append(self.phi(b) + slope * step)
        return np.array(out)


class Fourier(Term):
    def __init__(self, columns, mode, data, m=10, s=1, w=np.pi / 2):
        self.k, self.w = np.arange(1, m + 1), w
        self.penalty = np.diag(np.tile(1.0 + self.k ** (2 * s), 2))
        super().__init__(columns, mode, data)

    def phi(self, u):
        return np.r_[np.cos(self.k * self.w * u[0]), np.sin(self.k * self.w * u[0])]

    def gradient(self, u):
        a = self.k * self.w
        return np.r_[-a * np.sin(a * u[0]), a * np.cos(a * u[0])][None]


class Chebyshev(Term):
    def __init__(self, columns, mode, data, deg=5, s=0):
        self.n = np.arange(1, deg + 1)
        self.penalty = np.diag(1.0 + self.n ** (2.0 * s))
        super().__init__(columns, mode, data)

    def phi(self, u):
        return np.array([np.polynomial.chebyshev.Chebyshev.basis(n)(u[0]) for n in self.n])

    def gradient(self, u):
        return np.array([[np.polynomial.chebyshev.Chebyshev.basis(n).deriv()(u[0]) for n in self.n]])


class Wavelet(Term):
    def __init__(self, columns, mode, data, scales=5, locations=20):
        self.a = np.repeat(0.4 * 0.5 ** np.arange(scales), locations)
        self.b = np.tile(np.linspace(-1, 1, locations), scales)
        self.penalty = np.diag(np.repeat(4.0 ** np.arange(scales), locations))
        super().__init__(columns, mode, data)

    def phi(self, u):
        z = (u[0] - self.b) / self.a
        return (1 - z * z) * np.exp(-z * z / 2) / np.sqrt(self.a)

    def gradient(self, u):
        z = (u[0] - self.b) / self.a
        return ((z ** 3 - 3 * z) * np.exp(-z * z / 2) / self.a ** 1.5)[None]


class Radial(Term):
    def __init__(self, columns, mode, data, n=50, gamma=None, nu=None, seed=42):
        self.n, self.gamma, self.nu, self.seed = n, gamma, nu, seed
        self.penalty = np.eye(n)
        super().__init__(columns, mode, data)

    def setup(self):
        rng, rows = Rng(self.seed), len(self.u)
        order, kept = list(range(rows)), []
        for i in range(rows):
            if len(kept) == self.n:
                break
            other = i + rng.below(rows - i)
            row = order[other]
            order[other] = order[i]
            if all(np.sum((self.u[row] - self.u[j]) ** 2) > 0 for j in kept):
                kept.append(row)
        self.centre = self.u[kept]
        if self.gamma is None:
            at = self.u[rng.sample(rows, min(rows, 512))]
            r = np.sqrt(((at[:, None] - at[None]) ** 2).sum(2))[np.tril_indices(len(at), -1)]
            self.gamma = 1 / np.median(r[r > 0]) ** 2

    def parts(self, u):
        delta = u - self.centre
        return delta, np.sqrt((delta ** 2).sum(1))

    def phi(self, u):
        _, r = self.parts(u)
        if self.nu is None:
            return np.exp(-self.gamma * r * r)
        a = np.sqrt(2 * self.nu * self.gamma) * r
        return (1 + a * (self.nu >= 1.5) + a * a / 3 * (self.nu >= 2.5)) * np.exp(-a)

    def gradient(self, u):
        delta, r = self.parts(u)
        if self.nu is None:
            by_r = -2 * self.gamma * r * np.exp(-self.gamma * r * r)
        else:
            root = np.sqrt(2 * self.nu * self.gamma)
            a = root * r
            by_r = root * np.exp(-a) * {0.5: -1 + 0 * a, 1.5: -a, 2.5: -a * (1 + a) / 3}[self.nu]
        return np.where(r > 0, by_r / np.where(r > 0, r, 1), 0) * delta.T


class Neurons(Term):
    def __init__(self, columns, mode, data, n=500, act="cos", layers=1, seed=42):
        rng, inputs, self.layers, self.act, self.n = Rng(seed), len(columns), [], act, n
        for layer in range(layers):
            size = 1 / np.sqrt(n) if layer else 1.0
            w = np.array([[size * rng.normal() for _ in range(n)] for _ in range(inputs)])
            b = np.array([2 * np.pi * rng.uniform() if act == "cos" else rng.normal() for _ in range(n)])
            self.layers.append((w, b))
            inputs = n
        self.penalty = np.eye(n)
        super().__init__(columns, mode, data)

    def run(self, u):
        z, dz = u, np.eye(len(u))
        for w, b in self.layers:
            t, dt = z @ w + b, dz @ w
            z, slope = {"cos": (np.cos(t), -np.sin(t)), "relu": (np.maximum(t, 0), 1.0 * (t > 0)),
                        "tanh": (np.tanh(t), 1 - np.tanh(t) ** 2)}[self.act]
            dz = dt * slope
        return z / np.sqrt(self.n), dz / np.sqrt(self.n)

    def phi(self, u):
        return self.run(u)[0]

    def gradient(self, u):
        return self.run(u)[1]


class Linear(Term):
    penalty = np.eye(1)

    def phi(self, u):
        return np.pi * u

    def gradient(self, u):
        return np.array([[np.pi]])


class Category(Term):
    centred = True

    def __init__(self, columns, mode, data, kind="nominal", n=12, first=1, order=1):
        self.n, self.first, self.kind = n, first, kind
        if kind == "fourier":
            k = np.arange(1, (n + 1) // 2 + 1)
            u = 2 * np.arange(n) / (n - 1) - 1
            self.map = np.column_stack([np.cos(np.outer(u, k) * np.pi / 2), np.sin(np.outer(u, k) * np.pi / 2)])
            self.penalty = 2 * np.eye(2 * len(k))
        else:
            self.map = np.eye(n)
            d = np.diff(np.eye(n), order, axis=0)
            self.penalty = d.T @ d if kind == "ordinal" else np.eye(n)
        super().__init__(columns, mode, data)

    def rows(self, data):
        code = np.floor(data[self.columns[0]] - self.first + 0.5)
        return self.map[np.clip(code, 0, self.n - 1).astype(int)]


class Trees(Term):
    centred = False

    def __init__(self, columns, mode, data, trees=50, depth=5, seed=42, alpha=0, linear=False):
        rng = Rng(seed)
        self.linear, self.depth, self.splits = linear, depth, []
        for _ in range(trees):
            tree = []
            for level in range(depth):
                if level == 0:
                    c = rng.below(len(columns))
                else:
                    c = rng.below(len(columns))
                tree.append((c, 2 * rng.uniform() - 1))
            self.splits.append(tree)
        self.centred = linear
        super().__init__(columns, mode, data)
        count = np.array([np.bincount(self.leaves(t, self.u), minlength=2 ** depth) for t in range(trees)])
        if linear:
            self.penalty = np.diag(np.r_[np.ones(2 ** depth), 2 * np.ones(2 ** depth)])
        else:
            self.weight = ((count + 1) / count.mean()) ** (0.5 * alpha)
            self.penalty = np.eye(trees * 2 ** depth)

    def leaves(self, t, u):
        return sum((u[:, c] > at).astype(int) << level for level, (c, at) in enumerate(self.splits[t]))

    def rows(self, data):
        u = self.scale(np.column_stack([data[c] for c in self.columns]))
        hot = [np.eye(2 ** self.depth)[self.leaves(t, u)] for t in range(len(self.splits))]
        if not self.linear:
            return np.hstack([h * w for h, w in zip(hot, self.weight)]) / np.sqrt(len(self.splits))
        z = u[:, :1]
        if self.mode != "continue":
            b = np.clip(u, -1, 1)
            d = np.linalg.norm(u - b, axis=1, keepdims=True)
            n = (u - b)[:, :1] / np.where(d > 0, d, 1)
            z = b[:, :1] + n * {"constant": 0, "linear": d, "saturation": (1 - np.exp(-2 * d)) / 2}[self.mode]
        return np.hstack([hot[0], hot[0] * np.pi * z])


def fit(terms, data, points, y, ridge=0.0):
    """terms: (term, log10 lambda per row). Least squares with centred blocks, predictions at the points."""
    n = len(y)
    left, right, penalty = [np.ones((n, 1))], [np.ones((len(points["x"]), 1))], [np.zeros((1, 1))]
    for term, ap in terms:
        a, b, p = term.rows(data), term.rows(points), term.penalty
        if term.centred == "means":
            a, b = a - a.mean(0), b - a.mean(0)
        elif term.centred:
            q = np.linalg.qr(a.sum(0)[:, None], mode="complete")[0][:, 1:]
            a, b, p = a @ q, b @ q, q.T @ p @ q
        left.append(a)
        right.append(b)
        penalty.append(10.0 ** ap * n * p)
    a, b = np.hstack(left), np.hstack(right)
    rows = [a]
    target = [y]
    at = 0
    for p in penalty:
        value, vector = np.linalg.eigh(p)
        root = np.zeros((len(p), a.shape[1]))
        root[:, at:at + len(p)] = np.sqrt(np.maximum(value, 0))[:, None] * vector.T
        rows.append(root)
        target.append(np.zeros(len(p)))
        at += len(p)
    if ridge:
        rows.append(np.sqrt(ridge) * np.eye(a.shape[1]))
        target.append(np.zeros(a.shape[1]))
    beta = np.linalg.lstsq(np.vstack(rows), np.concatenate(target), rcond=None)[0]
    return b @ beta


def write(name, header, columns):
    with open(os.path.join(HERE, name), "w") as file:
        file.write(",".join(header) + "\n")
        for row in zip(*columns):
            file.write(",".join(repr(float(v)) for v in row) + "\n")


def tam_cases():
    rng = np.random.default_rng(4)
    n = 300
    data = {"x": np.round(rng.uniform(0, 10, n), 4), "z": np.round(rng.uniform(-2, 3, n), 4),
            "m": rng.integers(1, 13, n).astype(float)}
    y = np.round(np.sin(data["x"]) + 0.3 * data["z"] ** 2 + 0.5 * np.cos(np.pi * data["m"] / 6) + 0.2 * rng.standard_normal(n), 5)
    points = {"x": np.r_[np.linspace(-3, 13, 33), data["x"][:7]], "z": np.r_[np.linspace(-4, 5, 33)[::-1], data["z"][:7]],
              "m": np.r_[np.arange(33) % 12 + 1.0, data["m"][:7]]}
    cases = []

    def case(formula, terms, ridge=0.0):
        made = [(kind(columns, mode, data, **how), ap) for kind, columns, mode, how, ap in terms]
        cases.append((formula, ridge, fit(made, data, points, y, ridge)))

    for mode in ("continue", "constant", "linear", "saturation"):
        tail = f'extrapolate="{mode}")'
        case(f'y ~ s(x, bs="fourier", m=6, ap=-5, {tail}', [(Fourier, "x", mode, dict(m=6), -5)])
        case(f'y ~ s(x, bs="cheb", deg=9, s=1, ap=-6, {tail}', [(Chebyshev, "x", mode, dict(deg=9, s=1), -6)])
        case(f'y ~ s(x, bs="wavelet", n_scales=3, n_locations=12, ap=-4, {tail}',
             [(Wavelet, "x", mode, dict(scales=3, locations=12), -4)])
        case(f'y ~ s(x, z, bs="rbf", n_centers=20, ap=-3, {tail}', [(Radial, "xz", mode, dict(n=20), -3)])
        case(f'y ~ s(x, z, bs="rbf", n_centers=20, nu=1.5, gamma=2, seed=7, ap=-4, {tail}',
             [(Radial, "xz", mode, dict(n=20, nu=1.5, gamma=2, seed=7), -4)])
        case(f'y ~ s(x, z, bs="rff", n_neurons=30, ap=-3, {tail}', [(Neurons, "xz", mode, dict(n=30), -3)])
        case(f'y ~ s(x, bs="rff", n_neurons=12, n_hidden_layers=2, act="tanh", seed=3, ap=-3, {tail}',
             [(Neurons, "x", mode, dict(n=12, layers=2, act="tanh", seed=3), -3)])
        case(f'y ~ s(z, bs="linear", ap=-3, {tail}', [(Linear, "z", mode, {}, -3)])
        case(f'y ~ s(x, z, bs="lintree", max_depth=3, ap=-3, {tail}',
             [(Trees, "xz", mode, dict(trees=1, depth=3, linear=True), -3)])
    case('y ~ s(x, bs="fourier", m=4, cyclic=TRUE, s=0, ap=-4)', [(Fourier, "x", "continue", dict(m=4, s=0, w=np.pi), -4)])
    case('y ~ s(x, bs="rbf", k=15, nu=0.5, ap=-4)', [(Radial, "x", "continue", dict(n=15, nu=0.5), -4)])
    case('y ~ s(x, bs="rbf", k=15, nu=2.5, ap=-4)', [(Radial, "x", "continue", dict(n=15, nu=2.5), -4)])
    case('y ~ s(x, bs="rff", k=40, act="relu", ap=-4)', [(Neurons, "x", "linear", dict(n=40, act="relu"), -4)])
    case('y ~ s(m, bs="nominal", ap=-3)', [(Category, "m", "", dict(), -3)])
    case('y ~ s(m, bs="ordinal", n_cat=14, ap=-2)', [(Category, "m", "", dict(kind="ordinal", n=14, first=0), -2)])
    case('y ~ s(m, bs="ordinal", p_order=2, ap=-2)', [(Category, "m", "", dict(kind="ordinal", order=2), -2)])
    case('y ~ s(m, bs="catfourier", n_cat=12, ap=-4)', [(Category, "m", "", dict(kind="fourier"), -4)])
    case('y ~ s(x, z, bs="tree", n_trees=12, max_depth=4, ap=-3)', [(Trees, "xz", "", dict(trees=12, depth=4), -3)])
    case('y ~ s(x, z, bs="tree", n_trees=12, max_depth=4, sp_alpha=0.5, seed=9, ap=-2)',
         [(Trees, "xz", "", dict(trees=12, depth=4, alpha=0.5, seed=9), -2)])
    case('y ~ s(x, bs="fourier", m=5, ap=-5) + s(z, bs="cheb", ap=-6) + s(m, bs="ordinal", ap=-3)',
         [(Fourier, "x", "continue", dict(m=5), -5), (Chebyshev, "z", "saturation", {}, -6),
          (Category, "m", "", dict(kind="ordinal"), -3)], 0.25)
    write("data.csv", ["x", "z", "m", "y"], [data["x"], data["z"], data["m"], y])
    write("points.csv", ["x", "z", "m"], [points[c] for c in "xzm"])
    with open(os.path.join(HERE, "cases.txt"), "w") as file:
        for formula, ridge, _ in cases:
            file.write(f"{ridge!r} {formula}\n")
    write("fit.csv", [f"c{i}" for i in range(len(cases))], [c[2] for c in cases])


AIR = """112 118 132 129 121 135 148 148 136 119 104 118 115 126 141 135 125 149 170 170 158 133 114 140 145 150 178 163 172 178
199 199 184 162 146 166 171 180 193 181 183 218 230 242 209 191 172 194 196 196 236 235 229 243 264 272 237 211 180 201 204 188
235 227 234 264 302 293 259 229 203 229 242 233 267 269 270 315 364 347 312 274 237 278 284 277 317 313 318 374 413 405 355 306
271 306 315 301 356 348 355 422 465 467 404 347 305 336 340 318 362 348 363 435 491 505 404 359 310 337 360 342 406 396 420 472
548 559 463 407 362 405 417 391 419 461 472 535 622 606 508 461 390 432"""


def airpassengers():
    """R's AirPassengers (Box, Jenkins and Reinsel, 1976): rows whose value of a year before is known."""
    y = np.array(AIR.split(), float)
    month = np.arange(len(y)) % 12 + 1.0
    write("airpassengers.csv", ["passengers", "log_passengers", "time_of_year", "lag_log_passengers"],
          [y[12:], np.log(y[12:]), month[12:], np.log(y[:-12])])


if __name__ == "__main__":
    tam_cases()
    airpassengers()
