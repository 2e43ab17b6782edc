"""Special functions of two operands against SciPy in float64; the derivatives that it lacks against quotients of small
differences there."""

import numpy as np
from row import Case, Row, Tol, add, float_tol, values
from scipy import special

SHAPES = (((), ()), ((7,), (7,)), ((0,), (1,)), ((3, 1), (1, 4)), ((1,), (33,)), ((2, 3, 4), (4,)))


def function(op, f, names, ranges, ulp, near_zero, grad=(), first=values):
    """ranges: of both operands, one pair after another."""

    def tol(dtype):
        t = float_tol(ulp)(dtype)
        return Tol(t.ulp, 0, t.abs + near_zero)

    def args(rng, shapes, dtype, limits):
        a, b = (draw(rng, s, dtype, *at) for draw, s, at in zip((first, values), shapes, limits, strict=True))
        return dict(zip(names, (a, b), strict=True))

    def cases(dtype, rng):
        for shapes in SHAPES:
            yield Case(f"{shapes}", args(rng, shapes, dtype, ranges[0]))
        for limits in ranges:
            yield Case(f"{limits}", args(rng, ((2001,), (2001,)), dtype, limits))

    def specials(dtype):
        """So far out that the terms of series and fractions overflow."""
        a, x = (
            v.ravel().astype(dtype)
            for v in np.meshgrid([0.5, 3.6, 21.7, np.inf], [0, 6.1, 9e20, 3.4e38, np.inf, np.nan])
        )
        yield Case("far out", dict(zip(names, (a, x), strict=True)))

    def far(dtype):
        q = np.array([0.5, 1.5, 9, 1e20], dtype)
        yield Case("large exponents", dict(zip(names, (np.float32(1.2e7) + 0 * q, q), strict=True)))

    reference = lambda a, _: f(*(a[n] for n in names))  # noqa: E731
    add(Row(op, ("float32",), cases, reference, tol=tol, grad=grad, grad_eps=2048, exact_zero_sign=False,
            strewn={"RandomGammaGrad": (), "Polygamma": ("x",)}.get(op),  # not the orders; the CPU kernel gives 0 where the density does
            specials={"I": specials, "Z": far}.get(op[0])))  # fmt: skip


def by_order(a, x):
    """The derivative of the incomplete gamma function by its order, by a quotient of fourth order."""
    tiny = a < 1e-6  # there P is 1 - a E1(x)
    h = 2e-4 * np.where(tiny, 1, a)
    p = [special.gammainc(a + k * h, x) for k in (-2, -1, 1, 2)]
    return np.where(tiny & (a > 0), -special.exp1(x), (p[0] - 8 * p[1] + 8 * p[2] - p[3]) / (12 * h))


def of_sample(a, x):
    density = np.exp((a - 1) * np.log(x) - x - special.gammaln(a))
    return -by_order(a, x) / density


def orders(rng, shape, dtype, low, high):
    return np.asarray(rng.integers(low, high, shape)).astype(dtype)


GAMMAS = [((0.2, 9), (0.1, 12)), ((0.05, 1), (0.01, 3)), ((5, 60), (5, 60))]
function("Igamma", special.gammainc, ("a", "x"), GAMMAS, 16, 5e-7, ("a", "x"))
function("Igammac", special.gammaincc, ("a", "x"), GAMMAS, 16, 5e-7, ("a", "x"))
function("IgammaGradA", by_order, ("a", "x"), GAMMAS, 32, 1e-6)
function("RandomGammaGrad", of_sample, ("alpha", "sample"), [((0.5, 9), (0.5, 12)), ((8, 20), (8, 20))], 1024, 2e-4)
function("Zeta", special.zeta, ("x", "q"), [((1.2, 9), (0.1, 20)), ((2, 30), (0.5, 3))], 64, 1e-30, ("q",))
function("Polygamma", special.polygamma, ("a", "x"), [((0, 7), (0.2, 20))], 128, 2e-5, ("x",), orders)
