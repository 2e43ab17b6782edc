"""Ops that sort: TopKV2, Unique."""

import numpy as np
from row import FLOATS, INTS, Case, Row, Tol, add, numpy_type, values

EVERY = FLOATS + INTS + ("int32",)
TOPS = [
    ((1,), 1),
    ((7,), 3),
    ((7,), 7),
    ((3, 5), 2),
    ((2, 3, 4), 0),
    ((0, 4), 2),
    ((4, 33), 33),
    ((2, 1500), 5),
    ((1, 2500), 2500),
    ((3, 2100), 16),  # from here on the rows are long enough for a list of the best of each part
    ((2, 5000), 5),
    ((1, 2048), 1),
    ((2, 4100), 17),
]


def exact(_):
    return Tol()


def ties(rng, shape, dtype):
    """Values of which many are equal."""
    return (values(rng, shape, dtype) if rng.random() < 0.5 and not dtype.startswith("bool") else
            np.asarray(rng.integers(0, 4, shape)).astype(numpy_type(dtype)))  # fmt: skip


def top_cases(dtype, rng):
    for shape, k in TOPS:
        yield Case(f"{k} of {shape}", {"input": ties(rng, shape, dtype), "k": np.array(k, np.int32)})
    yield Case(
        "indices of 64 bits",
        {"input": ties(rng, (4, 9), dtype), "k": np.array(3, np.int32)},
        {"index_type": np.int64},
        cpu=False,
    )


def top_reference(a, attr):
    x, k = a["input"], int(a["k"])
    order = np.argsort(-x if x.dtype.kind == "f" else np.invert(x), axis=-1, kind="stable")[..., :k]
    return np.take_along_axis(x, order, -1), order.astype(attr.get("index_type", np.int32))


def top_invalid(dtype):
    x = values(np.random.default_rng(1), (3, 4), dtype)
    yield Case("too many", {"input": x, "k": np.array(5, np.int32)})
    yield Case("negative", {"input": x, "k": np.array(-1, np.int32)})
    yield Case("a scalar", {"input": x[0, 0], "k": np.array(0, np.int32)})
    yield Case("k of rank 1", {"input": x, "k": np.array([1], np.int32)})


# Where NaN belongs its order does not say, and the CPU kernel's sort leaves it anywhere.
add(
    Row(
        "TopKV2",
        EVERY,
        top_cases,
        top_reference,
        tol=exact,
        grad=("input",),
        invalid=top_invalid,
        awkward="numbers",
    )
)


def unique_cases(dtype, rng):
    for n in (0, 1, 2, 9, 100, 1100, 3000):
        yield Case(f"{n}", {"x": ties(rng, (n,), dtype) if dtype != "bool" else values(rng, (n,), dtype)})
    yield Case("all the same", {"x": np.ones(70, numpy_type(dtype))})
    if dtype in FLOATS:  # the CPU's kernels tell half types' zeros apart
        zero = 0.0 if dtype != "float32" else -0.0
        yield Case(
            "zeros and NaN",
            {"x": np.array([0.0, zero, np.nan, 1, np.nan, np.inf, 0, -np.inf, np.inf], numpy_type(dtype))},
        )
    yield Case("indices of 64 bits", {"x": values(rng, (50,), dtype)}, {"out_idx": np.int64})


def unique_reference(a, attr, counts=False):
    seen, ids, found, times = {}, [], [], []
    for v in a["x"]:
        key = v.item() if v == v else object()
        if key not in seen:
            seen[key] = len(found)
            found.append(v)
            times.append(0)
        ids.append(seen[key])
        times[ids[-1]] += 1
    kind = attr.get("out_idx", np.int32)
    out = (np.array(found, a["x"].dtype).reshape(-1), np.array(ids, kind))
    return (*out, np.array(times, kind)) if counts else out


def unique_invalid(dtype):
    yield Case("a matrix", {"x": values(np.random.default_rng(1), (3, 4), dtype)})


UNIQUE = (*EVERY, "float64", "bool")
add(Row("Unique", UNIQUE, unique_cases, unique_reference, tol=exact, invalid=unique_invalid))
add(
    Row(
        "UniqueWithCounts",
        UNIQUE,
        unique_cases,
        lambda a, at: unique_reference(a, at, True),
        tol=exact,
        invalid=unique_invalid,
    )
)
