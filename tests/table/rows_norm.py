"""Batch normalization, forward and backward, in its three versions and both layouts."""

import numpy as np
from row import FLOATS, Case, Row, Tol, add, finfo, values

SHAPES = [(2, 5, 5, 3), (1, 1, 1, 4), (4, 3, 2, 1), (3, 7, 5, 33), (64, 8, 8, 16)]
FORMATS = ("NHWC", "NCHW")


def channels_last(x, attr):
    return np.moveaxis(x, 1, 3) if attr.get("data_format") == "NCHW" else x


def as_given(x, attr):
    return np.moveaxis(x, 3, 1) if attr.get("data_format") == "NCHW" else x


def make(rng, shape, dtype, fmt, low=-2, high=3):
    x = values(rng, shape, dtype, low, high)
    return np.ascontiguousarray(np.moveaxis(x, 3, 1)) if fmt == "NCHW" else x


def forward_cases(dtype, rng):
    for shape in SHAPES:
        c = shape[3]
        vectors = {"scale": values(rng, (c,), "float32", 0.5, 2), "offset": values(rng, (c,), "float32", -1, 1)}
        nothing = {"mean": np.zeros(0, np.float32), "variance": np.zeros(0, np.float32)}
        known = {"mean": values(rng, (c,), "float32", -1, 1), "variance": values(rng, (c,), "float32", 0.5, 2)}
        for fmt in FORMATS:
            x = {"x": make(rng, shape, dtype, fmt)}
            for eps in (1e-3, 1e-2):
                attrs, cpu = {"epsilon": eps, "data_format": fmt}, fmt == "NHWC"
                yield Case(f"{shape} {fmt} training {eps}", x | vectors | nothing, attrs | {"is_training": True}, cpu)
                yield Case(f"{shape} {fmt} inference {eps}", x | vectors | known, attrs | {"is_training": False}, cpu)


def averaged_cases(dtype, rng):
    """V2 and V3 can blend the batch's statistics into running ones."""
    yield from forward_cases(dtype, rng)
    known = {"mean": values(rng, (3,), "float32", -1, 1), "variance": values(rng, (3,), "float32", 0.5, 2)}
    vectors = {"scale": values(rng, (3,), "float32", 0.5, 2), "offset": values(rng, (3,), "float32", -1, 1)}
    attrs = {"epsilon": 1e-3, "is_training": True, "exponential_avg_factor": 0.25}
    yield Case("blended", {"x": make(rng, (4, 3, 3, 3), dtype, "NHWC")} | vectors | known, attrs)


def forward(a, attr):
    x, eps = channels_last(a["x"], attr), np.float64(np.float32(attr["epsilon"]))
    if not attr["is_training"]:
        y = (x - a["mean"]) / np.sqrt(a["variance"] + eps) * a["scale"] + a["offset"]
        return (as_given(y, attr),)
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    n = x.size // x.shape[3]
    y = (x - mean) / np.sqrt(variance + eps) * a["scale"] + a["offset"]
    shown, unbiased = mean, variance * n / max(n - 1, 1)
    keep = 1 - attr.get("exponential_avg_factor", 1.0)
    if keep:
        shown, unbiased = keep * a["mean"] + (1 - keep) * shown, keep * a["variance"] + (1 - keep) * unbiased
    return as_given(y, attr), shown, unbiased, mean, variance


def norm_tol(dtype):
    return Tol(ulp=8, abs=1e-5) if dtype == "float32" else Tol(ulp=2, abs=float(finfo(dtype).eps))


def invalid(dtype):
    rng = np.random.default_rng(1)
    good = next(iter(forward_cases(dtype, rng)))
    yield Case("rank 3", good.args | {"x": good.args["x"][0]}, good.attrs)
    yield Case("scale of rank 2", good.args | {"scale": good.args["scale"][None]}, good.attrs)
    yield Case("scale too short", good.args | {"scale": good.args["scale"][:2]}, good.attrs)
    yield Case("offset too short", good.args | {"offset": good.args["offset"][:2]}, good.attrs)
    yield Case("mean too short", good.args | {"mean": np.zeros(2, np.float32)}, good.attrs | {"is_training": False})


for version, types, cases in (
    ("FusedBatchNorm", ("float32",), forward_cases),
    ("FusedBatchNormV2", FLOATS, averaged_cases),
    ("FusedBatchNormV3", FLOATS, averaged_cases),
):
    add(
        Row(
            version,
            types,
            cases,
            forward,
            tol=norm_tol,
            defined=lambda case: 5 if case.attrs["is_training"] and np.size(case.args["x"]) else 1,
            invalid=invalid,
        )
    )


def backward_cases(third):
    def cases(dtype, rng):
        for shape in SHAPES:
            c = shape[3]
            for fmt in FORMATS:
                x = make(rng, shape, dtype, fmt)
                dy = make(rng, shape, dtype, fmt, -1, 1)
                wide = channels_last(x.astype(np.float64), {"data_format": fmt})
                batch = {
                    "reserve_space_1": wide.mean((0, 1, 2)).astype(np.float32),
                    "reserve_space_2": wide.var((0, 1, 2)).astype(np.float32),
                }
                known = {
                    "reserve_space_1": values(rng, (c,), "float32", -1, 1),
                    "reserve_space_2": values(rng, (c,), "float32", 0.5, 2),
                }
                args = {"y_backprop": dy, "x": x, "scale": values(rng, (c,), "float32", 0.5, 2)}
                args |= {"reserve_space_3": np.zeros(0, np.float32)} if third else {}
                for training, statistics in ((True, batch), (False, known)):
                    attrs = {"epsilon": 1e-2, "data_format": fmt, "is_training": training}
                    yield Case(f"{shape} {fmt} training {training}", args | statistics, attrs, fmt == "NHWC")

    return cases


def backward_specials(third):
    """In inference the input has no part in its own gradient, not even where it, or the mean, is infinite."""

    def specials(dtype):
        known = [
            c for c in backward_cases(third)(dtype, np.random.default_rng(3)) if not c.attrs["is_training"] and c.cpu
        ]
        for case in known[:2]:
            x = np.array(case.args["x"])
            x[0, 0, 0, 0] = np.inf
            yield Case("infinite input", case.args | {"x": x}, case.attrs)
            mean = np.full_like(case.args["reserve_space_1"], np.inf)
            yield Case("infinite mean", case.args | {"reserve_space_1": mean}, case.attrs)

    return specials


def backward(a, attr):
    x, dy = channels_last(a["x"], attr), channels_last(a["y_backprop"], attr)
    spread = 1 / np.sqrt(a["reserve_space_2"] + np.float64(np.float32(attr["epsilon"])))
    normal = (x - a["reserve_space_1"]) * spread
    dscale, doffset = (dy * normal).sum((0, 1, 2)), dy.sum((0, 1, 2))
    n = x.size // x.shape[3]
    dx = dy - doffset / n - normal * dscale / n if attr["is_training"] else dy
    return as_given(dx * a["scale"] * spread, attr), dscale, doffset


def backward_scale(a, attr):
    """What is summed, and what the differences from the mean may lose."""
    x, dy = (np.abs(channels_last(a[n], attr)) for n in ("x", "y_backprop"))
    spread = 1 / np.sqrt(a["reserve_space_2"] + np.float64(np.float32(attr["epsilon"])))
    far = x + np.abs(a["reserve_space_1"])
    normal = far * spread
    dscale, doffset = (dy * normal).sum((0, 1, 2)), dy.sum((0, 1, 2))
    n = x.size // x.shape[3]
    dx = dy + doffset / n + normal * dscale / n if attr["is_training"] else dy
    before = (dy * far).sum((0, 1, 2))  # what is summed before it is divided, which may overflow
    dscale = np.where(before > float(finfo("float32").max) / 2, before, dscale)
    return as_given(dx * np.abs(a["scale"]) * spread, attr), dscale, doffset


def backward_tol(dtype):
    return Tol(ulp=4, eps=16) if dtype == "float32" else Tol(ulp=2, eps=4)


for version, types in (
    ("FusedBatchNormGrad", ("float32",)),
    ("FusedBatchNormGradV2", FLOATS),
    ("FusedBatchNormGradV3", FLOATS),
):
    third = version.endswith("V3")
    add(Row(version, types, backward_cases(third), backward, tol=backward_tol, defined=lambda case: 3, scale=backward_scale,
            specials=backward_specials(third)))  # fmt: skip
