"""Running sums and products."""

import numpy as np
from row import REALS, Case, Row, add, is_float, small, sum_tol, values

SCANS = [
    ((1,), 0),
    ((5,), 0),
    ((3, 4), 1),
    ((3, 4), 0),
    ((2, 3, 4), -2),
    ((0, 3), 1),
    ((3, 0), 0),
    ((65,), 0),
    ((2, 130, 3), 1),
    ((9000,), 0),
]


def numbers(rng, shape, dtype, how):
    if how != "prod":
        return small(rng, shape, dtype)
    return values(rng, shape, dtype, 0.999, 1.001) if is_float(dtype) else small(rng, shape, dtype, -3, 4)


def cases_of(how):
    def cases(dtype, rng):
        for n, (shape, axis) in enumerate(SCANS):
            args = {"x": numbers(rng, shape, dtype, how), "axis": np.array(axis, (np.int32, np.int64)[n % 2])}
            for exclusive in (False, True):
                for reverse in (False, True):
                    yield Case(
                        f"{shape} on {axis} {exclusive} {reverse}", args, {"exclusive": exclusive, "reverse": reverse}
                    )

    return cases


def scanned(ufunc, start):
    def reference(a, attr, wrap=lambda v: v):
        x, axis = wrap(a["x"]), int(a["axis"])
        x = x.astype(np.longdouble) if x.dtype.kind == "f" else x  # float64 is judged too
        x = np.flip(x, axis) if attr["reverse"] else x
        if x.shape[axis] and attr["exclusive"]:
            x = np.concatenate([np.full_like(np.take(x, [0], axis), start), np.delete(x, -1, axis)], axis)
        y = ufunc.accumulate(x, axis, dtype=x.dtype) if x.size else x
        return np.flip(y, axis) if attr["reverse"] else y

    return reference


def invalid(dtype):
    x = small(np.random.default_rng(1), (3, 4), dtype)
    for label, axis in (("axis", 2), ("negative axis", -3)):
        yield Case(label, {"x": x, "axis": np.array(axis, np.int32)}, {"exclusive": False, "reverse": False})
    yield Case("axes", {"x": x, "axis": np.array([0, 1], np.int32)}, {"exclusive": False, "reverse": False})


def specials(dtype):
    x = np.array([1, np.inf, 2, -np.inf, 3, np.nan, 1], np.float32)
    for exclusive in (False, True):
        yield Case(f"infinities {exclusive}", {"x": x.astype(dtype) if dtype != "bfloat16" else small(np.random.default_rng(1), (7,), dtype),
                   "axis": np.array(0, np.int32)}, {"exclusive": exclusive, "reverse": False})  # fmt: skip


def row(op, how, ufunc, start, types):
    reference = scanned(ufunc, start)
    total = scanned(np.add, 0)

    def scale(a, attr):
        return {"prod": np.abs(reference(a, attr)) * 64, "log": np.abs(reference(a, attr)) + 16}.get(
            how, total(a, attr, np.abs)
        )

    add(Row(op, types, cases_of(how), reference, tol=sum_tol(4.0), scale=scale, grad=("x",) if how == "sum" else (),
            invalid=invalid, specials=specials if how == "sum" else None, doubles=True))  # fmt: skip


row("Cumsum", "sum", np.add, 0, REALS + ("int32", "int64"))
row("Cumprod", "prod", np.multiply, 1, REALS + ("int32", "int64"))
row("CumulativeLogsumexp", "log", np.logaddexp, -np.inf, REALS)
