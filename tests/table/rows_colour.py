"""Colour spaces and colour adjustments, against Python's colorsys and float64 arithmetic."""

import colorsys

import numpy as np
from row import Case, Row, Tol, add, special_values, values

SHAPES = [(1, 1, 3), (2, 5, 3), (3, 7, 9, 3), (2, 1, 4, 5, 3), (0, 4, 3), (1, 65, 33, 3)]
TWO = ("float32", "float16")


def tol(dtype):
    """Where a hue is near a multiple of a third, what is left of the parts' differences is their rounding."""
    return Tol(ulp=4, abs=4e-6) if dtype == "float32" else Tol(ulp=1, abs=4e-6)


def each_pixel(f, x):
    return np.array([f(*p) for p in x.reshape(-1, 3)]).reshape(x.shape)


def images(rng, shape, dtype):
    x = values(rng, shape, dtype, 0, 1)
    if x.size > 6:
        x.reshape(-1, 3)[0] = 0.25  # grey
        x.reshape(-1, 3)[1] = 0  # black
    return x


def turned(a, _):
    def turn(r, g, b):
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        return colorsys.hsv_to_rgb((h + float(a["delta"])) % 1.0, s, v)

    return each_pixel(turn, a["images"])


def saturated(a, _):
    def saturate(r, g, b):
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        return colorsys.hsv_to_rgb(h, min(1.0, max(0.0, s * float(a["scale"]))), v)

    return each_pixel(saturate, a["images"])


def add_space(op, f):
    def cases(dtype, rng):
        for shape in [(3,), *SHAPES]:
            yield Case(f"{shape}", {"images": images(rng, shape, dtype)})

    def invalid(dtype):
        yield Case("scalar", {"images": np.ones((), dtype)})
        yield Case("four channels", {"images": np.ones((2, 2, 4), dtype)})

    # The greatest of three of which one is NaN is what the CPU's vectors make of it.
    add(
        Row(
            op,
            ("float32",),
            cases,
            lambda a, _: each_pixel(f, a["images"]),
            tol=tol,
            invalid=invalid,
            awkward="numbers",
        )
    )


def to_hsv(r, g, b):
    """As colorsys.rgb_to_hsv, but the difference of two parts is not lost beside a third that is far greater."""
    top, low = max(r, g, b), min(r, g, b)
    if not top - low > 0:
        return 0.0, 0.0, top
    sixths = (g - b if r == top else b - r if g == top else r - g) / (top - low)
    hue = (sixths + (0 if r == top else 2 if g == top else 4)) / 6
    return hue % 1.0, (top - low) / top if top > 0 else 0.0, top


add_space("RGBToHSV", to_hsv)
add_space("HSVToRGB", colorsys.hsv_to_rgb)


def add_adjustment(op, reference, parameter, amounts):
    def cases(dtype, rng):
        for shape in SHAPES:
            for amount in amounts:
                args = {"images": images(rng, shape, dtype), parameter: np.float32(amount)}
                yield Case(f"{shape} {amount}", args, cpu=dtype == "float32")

    def invalid(dtype):
        good = {"images": np.ones((2, 2, 3), dtype), parameter: np.float32(0.5)}
        yield Case("rank 2", good | {"images": np.ones((2, 3), dtype)})
        yield Case("four channels", good | {"images": np.ones((2, 2, 4), dtype)})
        yield Case("vector", good | {parameter: np.ones(2, np.float32)})

    # Where hues are infinite the CPU kernel of AdjustHue never ends.
    add(Row(op, TWO, cases, reference, tol=tol, invalid=invalid, strewn=()))


add_adjustment("AdjustHue", turned, "delta", (0.0, 0.3, -0.7, 1.25))
add_adjustment("AdjustSaturation", saturated, "scale", (0.0, 0.4, 1.0, 3.0))

CONTRASTS = [*SHAPES, (2, 6, 5, 4), (3, 1, 1, 1), (2, 31, 33, 2)]


def contrast(a, _):
    x = a["images"]
    mean = x.mean((-3, -2), keepdims=True) if x.size else 0.0
    return (x - mean) * float(a["contrast_factor"]) + mean


def contrast_scale(a, _):
    """What is summed, and what a difference from the mean may lose."""
    return np.full(a["images"].shape, np.abs(a["images"]).max(initial=1)) * (1 + abs(float(a["contrast_factor"])))


def contrast_cases(dtype, rng):
    for shape in CONTRASTS:
        for amount in (0.0, 0.5, 2.5):
            args = {"images": values(rng, shape, dtype, 0, 1), "contrast_factor": np.float32(amount)}
            yield Case(f"{shape} {amount}", args, cpu=dtype == "float32")


def contrast_specials(dtype):
    if dtype == "float32":  # the CPU has no other
        v = special_values(dtype)[:80].reshape(40, 1, 1, 2)
        yield Case("specials", {"images": v, "contrast_factor": np.float32(1.5)})


def contrast_invalid(dtype):
    good = {"images": np.ones((2, 2, 3), dtype), "contrast_factor": np.float32(0.5)}
    yield Case("rank 2", good | {"images": np.ones((2, 3), dtype)})
    yield Case("vector", good | {"contrast_factor": np.ones(2, np.float32)})


add(Row("AdjustContrastv2", TWO, contrast_cases, contrast, tol=lambda t: Tol(ulp=1, eps=8 if t == "float32" else 2.0**-9),
        scale=contrast_scale, specials=contrast_specials, invalid=contrast_invalid))  # fmt: skip
