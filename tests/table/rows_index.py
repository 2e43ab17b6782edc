"""Marks, slices and rows by index: OneHot, GatherNd."""

import numpy as np
from row import FLOATS, WIDE, Case, Row, Tol, add, values

INDEX_TYPES = (np.int32, np.int64)


def exact(_):
    return Tol()


def one_hot_cases(dtype, rng):
    kinds = (np.int32, np.int64, np.int8, np.uint8)
    calls = [((), -1, 3), ((5,), -1, 4), ((5,), 0, 4), ((3, 4), 1, 5), ((3, 4), -1, 1), ((2, 3, 4), 2, 3)]
    calls += [((0,), -1, 3), ((4,), -1, 0), ((300,), 0, 70)]
    for n, (shape, axis, depth) in enumerate(calls):
        kind = kinds[n % 4]
        at = np.asarray(rng.integers(0 if kind is np.uint8 else -2, depth + 2, shape)).astype(kind)
        args = {"indices": at, "depth": np.array(depth, np.int32)}
        args |= {"on_value": values(rng, (), dtype), "off_value": values(rng, (), dtype)}
        yield Case(f"{shape} of {depth} on {axis}, {np.dtype(kind).name}", args, {"axis": axis})
    args = {"indices": np.array([255, 254, 3], np.uint8), "depth": np.array(300, np.int32)}
    args |= {"on_value": values(rng, (), dtype), "off_value": values(rng, (), dtype)}
    yield Case("bytes beyond 127", args, {"axis": -1})
    yield Case("negative bytes", args | {"indices": np.array([-1, -2, 3], np.int8)}, {"axis": -1})


def one_hot_reference(a, attr):
    axis = attr["axis"] if attr["axis"] >= 0 else a["indices"].ndim
    at = np.expand_dims(a["indices"].astype(np.int64), axis)
    d = np.arange(int(a["depth"])).reshape([-1] + [1] * (a["indices"].ndim - axis))
    return np.where(at == d, a["on_value"], a["off_value"])


def one_hot_invalid(dtype):
    rng = np.random.default_rng(1)
    args = {"indices": np.array([1, 2], np.int32), "depth": np.array(3, np.int32)}
    args |= {"on_value": values(rng, (), dtype), "off_value": values(rng, (), dtype)}
    yield Case("axis", args, {"axis": 2})
    yield Case("negative depth", args | {"depth": np.array(-1, np.int32)}, {"axis": -1})
    yield Case("depth of rank 1", args | {"depth": np.array([3], np.int32)}, {"axis": -1})
    yield Case("on_value of rank 1", args | {"on_value": values(rng, (2,), dtype)}, {"axis": -1})


add(Row("OneHot", FLOATS + ("float64", "complex64") + ("bool", "int8", "int32", "int64"), one_hot_cases, one_hot_reference, tol=exact,
        invalid=one_hot_invalid))  # fmt: skip


def gather_nd_cases(dtype, rng):
    calls = [
        ((5,), (3, 1)),
        ((5, 3), (4, 1)),
        ((5, 3), (2, 2, 2)),
        ((5, 3), (4, 0)),
        ((2, 3, 4, 5), (6, 2)),
        ((4, 3), (0, 1)),
    ]
    calls += [((5, 3), (2,)), ((2, 3, 2, 3, 2), (7, 5)), ((2, 2, 2, 2, 2, 2, 2), (5, 7)), ((300, 70), (40, 1))]  # fmt: skip
    for n, (shape, ids) in enumerate(calls):
        rows = np.zeros(ids, np.int64)
        for d in range(ids[-1]):
            rows[..., d] = rng.integers(0, shape[d], ids[:-1])
        args = {"params": values(rng, shape, dtype), "indices": rows.astype(INDEX_TYPES[n % 2])}
        yield Case(f"{shape} at {ids}", args)


def gather_nd_invalid(dtype):
    rng = np.random.default_rng(1)
    x = values(rng, (3, 2), dtype)
    yield Case("too many indices", {"params": x, "indices": np.zeros((1, 3), np.int32)})
    yield Case("scalar indices", {"params": x, "indices": np.array(0, np.int32)})
    yield Case("empty params", {"params": values(rng, (0, 2), dtype), "indices": np.zeros((1, 1), np.int32)})


def gather_nd_reference(a, _):
    x, rows = a["params"], a["indices"].astype(np.int64)
    if rows.shape[-1] == 0:
        return np.broadcast_to(x, rows.shape[:-1] + x.shape)
    return x[tuple(np.moveaxis(rows, -1, 0))]


add(Row("GatherNd", FLOATS + WIDE + ("int32", "int64"), gather_nd_cases, tol=exact, invalid=gather_nd_invalid,
        reference=gather_nd_reference,
        key=lambda c: c["Tparams"]))  # fmt: skip
