"""Diagonals: ops that make, read or cut along them."""

import numpy as np
from row import FLOATS, INTS, WIDE, Case, Row, Tol, add, values

EVERY = FLOATS + INTS + ("bool",)


def exact(_):
    return Tol()


def simple(op, arg, shapes, reference, types, refused, grad=False):
    def cases(dtype, rng):
        return [Case(str(s), {arg: values(rng, s, dtype)}) for s in shapes]

    def invalid(dtype):
        rng = np.random.default_rng(1)
        return [Case(f"shape {s}", {arg: values(rng, s, dtype)}) for s in refused]

    add(Row(op, types, cases, lambda a, _: reference(a[arg]), tol=exact, grad=(arg,) if grad else (), invalid=invalid))


def diag(x):
    return np.diag(x.reshape(-1)).reshape(x.shape * 2)


def diag_part(x):
    half = x.shape[: x.ndim // 2]
    n = int(np.prod(half))
    return np.diagonal(x.reshape(n, n)).reshape(half)


def matrix_diag(x):
    return (
        x[..., None] * np.eye(x.shape[-1], dtype=x.dtype)
        if x.dtype != bool
        else x[..., None] & np.eye(x.shape[-1], dtype=bool)
    )


simple(
    "Diag",
    "diagonal",
    [(1,), (5,), (65,), (2, 3), (2, 3, 2), (0,)],
    diag,
    FLOATS + WIDE + ("int32", "int64"),
    [()],
    True,
)
simple(
    "DiagPart",
    "input",
    [(1, 1), (5, 5), (65, 65), (2, 3, 2, 3), (2, 2, 2, 2, 2, 2)],
    diag_part,
    FLOATS + WIDE + ("int32", "int64"),
    [(3,), (2, 3), (2, 3, 4)],
    True,
)
simple("MatrixDiag", "diagonal", [(1,), (5,), (3, 4), (2, 3, 65), (0, 3), (3, 0)], matrix_diag, EVERY + WIDE, [()])
simple("MatrixDiagPart", "input", [(1, 1), (5, 5), (3, 4), (4, 3), (2, 3, 65, 33), (0, 3, 3)],
       lambda x: np.diagonal(x, axis1=-2, axis2=-1), EVERY + WIDE, [(3,), ()])  # fmt: skip

BANDS = [(0, 0), (-1, 0), (0, -1), (-1, -1), (1, 2), (2, 1), (3, 0)]


def band_cases(dtype, rng):
    for shape in ((4, 4), (3, 5), (5, 3), (2, 3, 4, 6), (1, 1), (65, 33), (0, 3, 3)):
        for n, (low, high) in enumerate(BANDS):
            kind = (np.int32, np.int64)[n % 2]
            low, high = min(low, shape[-2]), min(high, shape[-1])
            args = {
                "input": values(rng, shape, dtype),
                "num_lower": np.array(low, kind),
                "num_upper": np.array(high, kind),
            }
            yield Case(f"{shape} {low} {high}", args)


def band(a, _):
    x = a["input"]
    i, j = np.indices(x.shape[-2:])
    low, high = int(a["num_lower"]), int(a["num_upper"])
    inside = ((low < 0) | (i - j <= low)) & ((high < 0) | (j - i <= high))
    return np.where(inside, x, np.zeros((), x.dtype))


def band_invalid(dtype):
    x = values(np.random.default_rng(1), (3, 4), dtype)
    yield Case("too many lower", {"input": x, "num_lower": np.array(9, np.int64), "num_upper": np.array(0, np.int64)})
    yield Case("too many upper", {"input": x, "num_lower": np.array(0, np.int64), "num_upper": np.array(9, np.int64)})
    yield Case("vector", {"input": x[0], "num_lower": np.array(0, np.int64), "num_upper": np.array(0, np.int64)})
    yield Case(
        "number of rank 1", {"input": x, "num_lower": np.array([0], np.int64), "num_upper": np.array(0, np.int64)}
    )


add(
    Row(
        "MatrixBandPart",
        EVERY + ("float64", "complex64"),
        band_cases,
        band,
        tol=exact,
        grad=("input",),
        invalid=band_invalid,
    )
)
