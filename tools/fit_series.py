#!/usr/bin/env python3
"""Writes kernels/series.slang: the smooth parts of special functions as polynomials, fitted to SciPy in float64.

Each is the Chebyshev interpolant of a function on an interval, turned into a polynomial of a variable t in [-1, 1], for
which Horner's rule in float32 is accurate.  Run it after changing a piece; the fit's error is printed beside each.
"""

from pathlib import Path

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from scipy import optimize, special

PI = np.pi


def phase(f, g, order):
    """P and Q of the asymptotic forms J = sqrt(2 / (pi x)) (P cos c - Q sin c), Y = ... (P sin c + Q cos c)."""

    def parts(x):
        c = x - PI / 4 - order * PI / 2
        scale = np.sqrt(PI * x / 2)
        return scale * (f(x) * np.cos(c) + g(x) * np.sin(c)), scale * (g(x) * np.cos(c) - f(x) * np.sin(c))

    return parts


P0, P1 = phase(special.j0, special.y0, 0), phase(special.j1, special.y1, 1)


def root(t):
    return np.sqrt(8 * (t + 1))  # t = x^2 / 8 - 1 for x in [0, 4]


def whole(t):
    return np.sqrt(32 * (t + 1))  # t = x^2 / 32 - 1 for x in [0, 8]


def two(t):
    return np.sqrt(2 * (t + 1))  # t = x^2 / 2 - 1 for x in [0, 2]


def far(t):
    return 8 / np.sqrt((t + 1) / 2)  # t = 128 / x^2 - 1 for x > 8


EI_ZERO = optimize.brentq(special.expi, 0.3, 0.4, xtol=1e-16)


def quotient_at_zero(x):
    """Ei(x) / (x - x0)."""
    away = np.abs(x - EI_ZERO) > 1e-6
    return np.where(away, special.expi(x) / np.where(away, x - EI_ZERO, 1), np.exp(EI_ZERO) / EI_ZERO)


# name: (what t is, degree, the function of t)
PIECES = {
    "i0e_near": ("x / 4 - 1, x in [0, 8]", 18, lambda t: special.i0e(4 * (t + 1))),
    "i0e_far": ("16 / x - 1, x > 8: sqrt(x) i0e(x)", 8, lambda t: np.sqrt(16 / (t + 1)) * special.i0e(16 / (t + 1))),
    "i1e_near": ("x / 4 - 1: i1e(x) / x", 18, lambda t: special.i1e(4 * (t + 1)) / (4 * (t + 1))),
    "i1e_far": ("16 / x - 1: sqrt(x) i1e(x)", 8, lambda t: np.sqrt(16 / (t + 1)) * special.i1e(16 / (t + 1))),
    "i0_small": ("x^2 / 2 - 1, x in [0, 2]: i0(x)", 7, lambda t: special.i0(two(t))),
    "i1_small": ("x^2 / 2 - 1: i1(x) / x", 7, lambda t: special.i1(two(t)) / two(t)),
    "k0_near": ("x^2 / 2 - 1: k0(x) + ln(x / 2) i0(x)", 7, lambda t: special.k0(two(t)) + np.log(two(t) / 2) * special.i0(two(t))),
    "k0_far": ("4 / x - 1, x > 2: sqrt(x) k0e(x)", 9, lambda t: np.sqrt(4 / (t + 1)) * special.k0e(4 / (t + 1))),
    "k1_near": ("x^2 / 2 - 1: x (k1(x) - ln(x / 2) i1(x))", 7, lambda t: two(t) * (special.k1(two(t)) - np.log(two(t) / 2) * special.i1(two(t)))),
    "k1_far": ("4 / x - 1: sqrt(x) k1e(x)", 9, lambda t: np.sqrt(4 / (t + 1)) * special.k1e(4 / (t + 1))),
    "j0_near": ("x^2 / 32 - 1, x in [0, 8]: j0(x)", 14, lambda t: special.j0(whole(t))),
    "j1_near": ("x^2 / 32 - 1: j1(x) / x", 14, lambda t: special.j1(whole(t)) / whole(t)),
    "y0_near": ("x^2 / 32 - 1: y0(x) - 2 / pi ln(x) j0(x)", 14, lambda t: special.y0(whole(t)) - 2 / PI * np.log(whole(t)) * special.j0(whole(t))),
    "y1_near": ("x^2 / 32 - 1: (y1(x) - 2 / pi (ln(x) j1(x) - 1 / x)) / x", 14,
                lambda t: (special.y1(whole(t)) - 2 / PI * (np.log(whole(t)) * special.j1(whole(t)) - 1 / whole(t))) / whole(t)),
    "p0_far": ("128 / x^2 - 1, x > 8: P of j0 and y0", 5, lambda t: P0(far(t))[0]),
    "q0_far": ("128 / x^2 - 1: x Q", 5, lambda t: far(t) * P0(far(t))[1]),
    "p1_far": ("128 / x^2 - 1: P of j1 and y1", 5, lambda t: P1(far(t))[0]),
    "q1_far": ("128 / x^2 - 1: x Q", 5, lambda t: far(t) * P1(far(t))[1]),
    "dawsn_near": ("x^2 / 8 - 1, x in [0, 4]: dawsn(x) / x", 22, lambda t: special.dawsn(root(t)) / root(t)),
    "dawsn_far": ("32 / x^2 - 1, x > 4: x dawsn(x)", 10, lambda t: np.sqrt(32 / (t + 1)) * special.dawsn(np.sqrt(32 / (t + 1)))),
    "lgamma_near": ("0.8 x - 1.4, x in [0.5, 3]: lgamma(x) / ((x - 1) (x - 2))", 16,
                    lambda t: special.gammaln((t + 1.4) / 0.8) / ((t + 1.4) / 0.8 - 1) / ((t + 1.4) / 0.8 - 2)),
    "ndtri_middle": ("q^2 / 0.0903125 - 1, q = p - 0.5 in [-0.425, 0.425]: ndtri(p) / q", 10,
                     lambda t: special.ndtri(0.5 + np.sqrt(0.0903125 * (t + 1))) / np.sqrt(0.0903125 * (t + 1))),
    "ndtri_tail": ("(r - 2.75) / 1.25, r = sqrt(-ln p) in [1.5, 4]: -ndtri(p)", 11, lambda t: -special.ndtri(np.exp(-((2.75 + 1.25 * t) ** 2)))),
    "ndtri_end": ("(r - 7.25) / 3.25, r in [4, 10.5]: -ndtri(p)", 9, lambda t: -special.ndtri(np.exp(-((7.25 + 3.25 * t) ** 2)))),
    "spence_near": ("2 x - 2, x in [0.5, 1.5]: spence(x) / (1 - x)", 11, lambda t: special.spence(1 + t / 2) / (-t / 2)),
    "expint_near": ("x / 3 - 1, x in [0, 6]: (Ei(x) - gamma - ln x) / x", 16,
                    lambda t: (special.expi(3 * (t + 1)) - np.euler_gamma - np.log(3 * (t + 1))) / (3 * (t + 1))),
    "expint_zero": ("8 x - 3, x in [1/4, 1/2]: Ei(x) / (x - x0), Ei(x0) = 0", 9, lambda t: quotient_at_zero((t + 3) / 8)),
    "expint_far": ("12 / x - 1, x > 6: x e^-x Ei(x)", 18, lambda t: 12 / (t + 1) * np.exp(-12 / (t + 1)) * special.expi(12 / (t + 1))),
}  # fmt: skip


def fit(degree, f):
    with np.errstate(all="ignore"):
        # past the range of exp the far piece of Ei is its limit
        values = lambda t: np.where(np.isfinite(f(t)), f(t), 1 + (t + 1) / 12)  # noqa: E731
        return polynomial.Polynomial(chebyshev.cheb2poly(chebyshev.chebinterpolate(values, degree))).coef


def error(coefficients, f):
    """The largest relative error of the polynomial in float32."""
    t = np.float32(np.linspace(-0.99, 0.99, 997))
    y = np.full(t.shape, np.float32(coefficients[-1]))
    for c in coefficients[-2::-1]:
        y = np.float32(y * t + np.float32(c))
    with np.errstate(all="ignore"):
        want = f(t.astype(np.float64))
    good = np.isfinite(want)
    return float(np.max(np.abs(y - want)[good] / np.maximum(np.abs(want[good]), np.max(np.abs(want[good])) * 1e-3)))


def main() -> None:
    lines = [
        "// The smooth parts of special functions, as polynomials of t in [-1, 1].  Written by tools/fit_series.py, which says what"
    ]
    lines += ["// each is fitted to.  Beside each: the largest relative error of its evaluation in float32.", ""]
    for name, (meaning, degree, f) in PIECES.items():
        c = fit(degree, f)
        e = error(c, f)
        print(f"{name:14} {e:.1e}")
        lines += [
            f"// t = {meaning}; {e:.0e}",
            f"float {name}(float t)",
            "{",
            f"    float y = {np.float32(c[-1])!r};".replace("np.float32(", "").replace(")", ""),
        ]
        lines += [f"    y = y * t + {float(np.float32(v)):.9g};".replace("+ -", "- ") for v in c[-2::-1]]
        lines += ["    return y;", "}"]
    (Path(__file__).resolve().parents[1] / "kernels" / "series.slang").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
