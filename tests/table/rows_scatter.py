"""Rows of a tensor by index: ScatterNd, TensorScatter*, SparseToDense, and sparse matrices."""

import numpy as np
from row import FLOATS, INTS, WIDE, Case, Row, Tol, add, small, sum_tol, values

KINDS = (np.int32, np.int64)
# shape of the result, shape of the indices
SCATTERS = [
    ((5,), (3, 1)),
    ((4, 3), (6, 1)),
    ((4, 3), (5, 2)),
    ((2, 3, 4), (2, 4, 2)),
    ((3, 2), (0, 1)),
    ((70, 33), (40, 1)),
    ((9,), (300, 1)),
]


def exact(_):
    return Tol()


def numbers(rng, shape, dtype):
    if dtype.startswith("complex"):
        return (rng.integers(-9, 9, shape) + 1j * rng.integers(-9, 9, shape)).astype(dtype)
    return small(rng, shape, dtype)


def place(rng, shape, ids, kind):
    """Index vectors, some of them equal, all inside."""
    rows = np.zeros(ids, kind)
    for d in range(ids[-1]):
        rows[..., d] = rng.integers(0, shape[d], ids[:-1])
    return rows


def apply(y, indices, updates, ufunc):
    depth = indices.shape[-1]
    for at in np.ndindex(indices.shape[:-1]):
        where = tuple(int(i) for i in indices[at])
        y[where] = updates[at] if ufunc is None else ufunc(y[where], updates[at])
    assert depth <= y.ndim
    return y


def cases(dtype, rng, first=None):
    for n, (shape, ids) in enumerate(SCATTERS):
        rows = place(rng, shape, ids, KINDS[n % 2])
        args = {"indices": rows, "updates": numbers(rng, ids[:-1] + shape[ids[-1] :], dtype)}
        if first is None:
            yield Case(f"{shape} at {ids}", args | {"shape": np.array(shape, rows.dtype)})
        else:
            yield Case(f"{shape} at {ids}", {first: numbers(rng, shape, dtype)} | args)


def invalid(dtype, first=None):
    rng = np.random.default_rng(1)

    def case(label, shape, indices, updates):
        what = {"shape": np.array(shape, np.int32)} if first is None else {first: numbers(rng, shape, dtype)}
        return Case(label, what | {"indices": np.array(indices, np.int32), "updates": numbers(rng, updates, dtype)})

    yield case("updates of another shape", (5,), [[1], [2]], (3,))
    yield case("vectors too long", (5,), [[1, 2]], (1,))
    yield case("scalar indices", (5,), 1, ())
    yield case("an empty result", (0,), [[1]], (1,))


def added(dtype):
    """Half types are rounded after each update: rows lie in their own type."""
    return Tol(ulp=1, eps=8) if dtype in ("float16", "bfloat16") else sum_tol(4.0)(dtype)


def row(op, ufunc, types, first=None, grad=()):
    def reference(a, _):
        y = np.zeros(tuple(a["shape"]), a["updates"].dtype) if first is None else np.array(a[first])
        return apply(y, a["indices"], a["updates"], ufunc)

    def scale(a, _):
        y = np.zeros(tuple(a["shape"])) if first is None else np.abs(a[first])
        return apply(np.array(y, np.float64), a["indices"], np.abs(a["updates"]), np.add)

    summed = ufunc in (np.add, np.subtract)
    add(Row(op, types, lambda d, rng: cases(d, rng, first), reference, tol=added if summed else exact,
            scale=scale if summed else None, grad=grad, invalid=lambda d: invalid(d, first)))  # fmt: skip


SUMMED = FLOATS + INTS + ("complex64",)
row("ScatterNd", np.add, SUMMED, None, ("updates",))
row("TensorScatterUpdate", None, FLOATS + WIDE + ("int64", "bool"), "tensor")
row("TensorScatterAdd", np.add, FLOATS + ("complex64", "int64"), "tensor", ("tensor", "updates"))
row("TensorScatterSub", np.subtract, FLOATS + ("complex64", "int64"), "tensor", ("tensor", "updates"))
row("TensorScatterMin", np.minimum, FLOATS + ("int64",), "tensor")
row("TensorScatterMax", np.maximum, FLOATS + ("int64",), "tensor")
row("ScatterNdNonAliasingAdd", np.add, SUMMED, "input")


def dense_cases(dtype, rng):
    calls = [
        ((9,), (), False),
        ((9,), (4,), False),
        ((9,), (4,), True),
        ((4, 5), (6, 2), False),
        ((2, 3, 4), (3, 3), True),
        ((5,), (0,), False),
    ]
    for n, (shape, ids, one) in enumerate(calls):
        kind = KINDS[n % 2]
        m = ids[0] if ids else 1
        flat = np.sort(rng.permutation(int(np.prod(shape)))[:m])
        at = np.stack(np.unravel_index(flat, shape), -1).astype(kind).reshape(ids)
        args = {"sparse_indices": at, "output_shape": np.array(shape, kind), "default_value": values(rng, (), dtype)}
        yield Case(f"{shape} at {ids}", args | {"sparse_values": values(rng, () if one or not ids else (m,), dtype)})


def dense_reference(a, _):
    y = np.full(tuple(a["output_shape"]), a["default_value"])
    at = a["sparse_indices"].reshape((-1, y.ndim))
    y[tuple(at.T)] = a["sparse_values"]
    return y


def dense_invalid(dtype):
    rng = np.random.default_rng(1)
    args = {"sparse_indices": np.array([1, 2], np.int32), "output_shape": np.array([5], np.int32)}
    args |= {"sparse_values": values(rng, (2,), dtype), "default_value": values(rng, (), dtype)}
    yield Case("values", args | {"sparse_values": values(rng, (3,), dtype)})
    yield Case("default", args | {"default_value": values(rng, (2,), dtype)})
    yield Case("rank", args | {"output_shape": np.array([5, 5], np.int32)})
    yield Case("indices of rank 3", args | {"sparse_indices": np.zeros((2, 1, 1), np.int32)})


add(
    Row(
        "SparseToDense",
        FLOATS + INTS + ("float64", "int32", "bool"),
        dense_cases,
        dense_reference,
        tol=exact,
        invalid=dense_invalid,
    )
)


def matmul_cases(dtype, rng):
    n = 0
    for rows, inner, columns, entries in (
        (3, 4, 5, 6),
        (1, 1, 1, 1),
        (4, 5, 3, 0),
        (40, 30, 33, 300),
        (3, 200, 1, 500),
        (5, 0, 3, 0),
    ):
        for adjoint_a in (False, True):
            for adjoint_b in (False, True):
                n += 1
                shape = (inner, rows) if adjoint_a else (rows, inner)
                at = np.stack([rng.integers(0, max(d, 1), entries) for d in shape], -1).astype(KINDS[n % 2])
                args = {
                    "a_indices": at,
                    "a_values": values(rng, (entries,), dtype, -1, 1),
                    "a_shape": np.array(shape, np.int64),
                }
                args["b"] = values(rng, (columns, inner) if adjoint_b else (inner, columns), dtype, -1, 1)
                yield Case(
                    f"{shape} {entries} by {columns} {adjoint_a} {adjoint_b}",
                    args,
                    {"adjoint_a": adjoint_a, "adjoint_b": adjoint_b},
                )


def matmul_reference(a, attr, of=lambda v: v):
    y = np.zeros(tuple(a["a_shape"]))
    np.add.at(y, tuple(a["a_indices"].T), of(a["a_values"]))
    return (y.T if attr["adjoint_a"] else y) @ (of(a["b"]).T if attr["adjoint_b"] else of(a["b"]))


def matmul_invalid(dtype):
    rng = np.random.default_rng(1)
    args = {
        "a_indices": np.array([[0, 1]], np.int64),
        "a_values": values(rng, (1,), dtype),
        "a_shape": np.array([2, 3], np.int64),
    }
    args["b"] = values(rng, (3, 2), dtype)
    yield Case("inner", args | {"b": values(rng, (4, 2), dtype)})
    yield Case("b", args | {"b": values(rng, (3,), dtype)})
    yield Case("entries", args | {"a_values": values(rng, (2,), dtype)})
    yield Case("shape", args | {"a_shape": np.array([2, 3, 4], np.int64)})
    yield Case("triples", args | {"a_indices": np.array([[0, 1, 2]], np.int64)})


add(Row("SparseTensorDenseMatMul", ("float32", "float16"), matmul_cases, matmul_reference, tol=sum_tol(4.0), invalid=matmul_invalid,
        scale=lambda a, at: matmul_reference(a, at, np.abs)))  # fmt: skip
