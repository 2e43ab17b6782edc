"""Special functions against SciPy in float64.  `abs` is the error allowed near a zero, where a relative one means little."""

import numpy as np
from row import Case, Row, Tol, add, float_tol, numpy_type, random_shape, values
from scipy import special

BOTH = ("float32", "float16")
SINGLE = ("float32",)
SHAPES = ((0,), (1,), (7,), (257,), (3, 5, 4), ())


def function(op, f, types, ranges, ulp, near_zero=0.0, grad=True, scale=None):
    """ranges: intervals that values are drawn from, for float32; the first for all types.  scale: of functions that
    oscillate, what an error is measured against."""

    def tol(dtype):
        t = float_tol(ulp)(dtype)
        return Tol(t.ulp, 8 if dtype == "float32" else 2.0**-9, t.abs + near_zero)

    def cases(dtype, rng):
        for shape in SHAPES:
            yield Case(f"{shape}", {"x": values(rng, shape, dtype, *ranges[0])})
        for low, high in ranges if dtype == "float32" else ranges[:1]:
            yield Case(f"[{low}, {high}]", {"x": np.sort(values(rng, (4001,), dtype, low, high))})

    def specials(dtype):
        v = [np.nan, np.inf, 1.0, 0.5, 1e-30, 1e-45] if dtype == "float32" else [np.nan, np.inf, 1.0, 0.5]
        yield Case("NaN, infinity, tiny numbers", {"x": np.array(v, numpy_type(dtype))})

    def fuzz(dtype, rng):
        shape = random_shape(rng)
        return Case(
            f"{shape}",
            {"x": values(rng, shape, dtype, *ranges[int(rng.integers(len(ranges) if dtype == "float32" else 1))])},
        )

    add(
        Row(
            op,
            types,
            cases,
            lambda a, _: f(a["x"]),
            tol=tol,
            scale=scale and (lambda a, _: scale(a["x"])),
            grad=("x",) if grad else (),
            fuzz=fuzz,
            specials=specials,
            exact_zero_sign=False,
        )
    )


function("Lgamma", special.gammaln, BOTH, [(0.05, 9), (-4, 4), (0.9, 2.2), (1, 1e4), (-30, -20)], 16, 2e-6)
function("Digamma", special.psi, BOTH, [(0.05, 9), (-4, 4), (1, 1e4)], 16, 2e-5, grad=False)
function("BesselI0", special.i0, BOTH, [(-6, 6), (-85, 85)], 16)
function("BesselI0e", special.i0e, BOTH, [(-9, 9), (-1e3, 1e3)], 8)
function("BesselI1", special.i1, BOTH, [(-6, 6), (-85, 85)], 16)
function("BesselI1e", special.i1e, BOTH, [(-9, 9), (-1e3, 1e3)], 16)
function("BesselK0", special.k0, BOTH, [(0.01, 6), (0.001, 3), (2, 80)], 16)
function("BesselK0e", special.k0e, BOTH, [(0.01, 9), (0.001, 3), (2, 1e3)], 16)
function("BesselK1", special.k1, BOTH, [(0.01, 6), (0.001, 3), (2, 80)], 16)
function("BesselK1e", special.k1e, BOTH, [(0.01, 9), (0.001, 3), (2, 1e3)], 16)


def waves(order, name):
    """J or Y, and their envelope sqrt(J^2 + Y^2).  Far out by Hankel's phases (Abramowitz and Stegun 9.2.5, 9.2.9) from
    sines and cosines of x itself: SciPy subtracts the phase first, and past 1e8 loses both."""
    j, y = {0: (special.j0, special.y0), 1: (special.j1, special.y1)}[order]

    def far(x):
        mu, z = 4.0 * order, 1 / (8 * x)
        p = 1 - (mu - 1) * (mu - 9) / 2 * z**2 + (mu - 1) * (mu - 9) * (mu - 25) * (mu - 49) / 24 * z**4
        q = (mu - 1) * z - (mu - 1) * (mu - 9) * (mu - 25) / 6 * z**3
        s, c, size = np.sin(x), np.cos(x), 1 / np.sqrt(np.pi * x)
        cos, sin = (
            ((c + s), (s - c)) if order == 0 else ((s - c), -(s + c))
        )  # of x - pi/4 and x - 3 pi/4, times sqrt(2)
        return size * (p * cos - q * sin) if name == "J" else size * (p * sin + q * cos)

    def f(x):
        a = np.abs(x) if name == "J" else x
        flip = np.where((x < 0) & (order == 1), -1, 1) if name == "J" else 1
        near = (j if name == "J" else y)(x)
        return np.where((a > 1e3) & np.isfinite(a), flip * far(np.where(a > 1e3, a, 1e3)), near)

    def envelope(x):
        a = np.abs(x)
        return np.where(a > 1e3, np.sqrt(2 / (np.pi * a)), np.hypot(j(a), np.minimum(np.abs(y(a)), 1)))

    return f, envelope


for n in (0, 1):
    for letter, starts in (("J", [(-7, 7), (-30, 30), (7, 1e3)]), ("Y", [(0.05, 7), (0.001, 30), (7, 1e3)])):
        value, envelope = waves(n, letter)
        function(f"Bessel{letter}{n}", value, BOTH, [*starts, (1e3, 1e6), (1e6, 3e38)], 16, scale=envelope)
function("Dawsn", special.dawsn, SINGLE, [(-4, 4), (-20, 20), (-1e4, 1e4)], 16)
function("Ndtri", special.ndtri, SINGLE, [(0.001, 0.999), (1e-30, 1e-3), (0.99, 1)], 16, 1e-7)
function("Spence", special.spence, SINGLE, [(0, 5), (0.4, 1.6), (2, 1e4)], 16)
function("Expint", special.expi, SINGLE, [(0.01, 5), (0.2, 0.55), (4, 9), (6, 88)], 16, grad=False)
