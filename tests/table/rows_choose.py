"""Elements chosen, counted and found by value: Where, DynamicPartition, DynamicStitch, bounds, counts, InTopK."""

import numpy as np
from row import FLOATS, INTS, WIDE, Case, Row, Tol, add, numpy_type, small, sum_tol, values

KINDS = (np.int32, np.int64)


def exact(_):
    return Tol()


def sparse(rng, shape, dtype):
    x = values(rng, shape, dtype)
    return np.where(rng.random(shape) < 0.5, np.zeros((), x.dtype), x) if dtype != "bool" else x


def where_cases(dtype, rng):
    for shape in ((1,), (7,), (3, 4), (2, 3, 4), (0, 3), (3, 0), (2, 3, 2, 3, 2), (1300,), (40, 33)):
        yield Case(f"{shape}", {"condition": sparse(rng, shape, dtype)})
    yield Case("none", {"condition": np.zeros((70,), numpy_type(dtype))})
    if dtype in ("float32", "float64"):
        yield Case("zeros and NaN", {"condition": np.array([0.0, -0.0, np.nan, -np.inf, 1e-30], dtype)})


def where_invalid(dtype):
    yield Case("a scalar", {"condition": np.zeros((), numpy_type(dtype))})


add(Row("Where", ("float32", "float64", "complex64", "bool", "int8", "uint8", "int64"), where_cases, invalid=where_invalid, tol=exact,
        reference=lambda a, _: np.argwhere(a["condition"]).astype(np.int64)))  # fmt: skip

MOVED = FLOATS + WIDE + ("int32", "int64")


def partition_cases(dtype, rng):
    for shape, rank, parts in (
        ((5,), 1, 2),
        ((7, 3), 1, 3),
        ((2, 3, 4), 2, 2),
        ((0, 3), 1, 2),
        ((4, 0), 1, 2),
        ((900, 2), 1, 5),
        ((6,), 1, 1),
        ((3,), 0, 2),
    ):
        ids = np.asarray(rng.integers(0, parts, shape[:rank])).astype(np.int32)
        yield Case(
            f"{shape} by {ids.shape} to {parts}",
            {"data": values(rng, shape, dtype), "partitions": ids},
            {"num_partitions": parts},
        )


def partition_reference(a, attr):
    return tuple(a["data"][a["partitions"] == p] for p in range(attr["num_partitions"]))


def partition_invalid(dtype):
    x = values(np.random.default_rng(1), (2, 3), dtype)
    yield Case("shape", {"data": x, "partitions": np.zeros(3, np.int32)}, {"num_partitions": 2})
    yield Case("too large", {"data": x, "partitions": np.array([0, 2], np.int32)}, {"num_partitions": 2})
    yield Case("negative", {"data": x, "partitions": np.array([0, -1], np.int32)}, {"num_partitions": 2})


add(
    Row(
        "DynamicPartition",
        MOVED,
        partition_cases,
        partition_reference,
        tol=exact,
        invalid=partition_invalid,
        grad=("data",),
    )
)


def stitch_cases(dtype, rng):
    calls = [([(3,)], ()), ([(2,), (4,)], (3,)), ([(2, 3), ()], (2,)), ([(0,), (5,)], (2, 2)), ([(200,), (70,)], (3,))]
    for shapes, tail in calls:
        n = sum(int(np.prod(s)) for s in shapes)
        order, at = rng.permutation(n).astype(np.int32), 0
        ids, data = [], []
        for s in shapes:
            size = int(np.prod(s))
            ids.append(order[at : at + size].reshape(s))
            data.append(values(rng, s + tail, dtype))
            at += size
        yield Case(f"{shapes} {tail}", {"indices": ids, "data": data})
    twice = [np.array([0, 1, 1], np.int32), np.array([1, 2], np.int32)]
    yield Case("twice", {"indices": twice, "data": [values(rng, (3, 2), dtype), values(rng, (2, 2), dtype)]})


def stitch_reference(a, _):
    n = max(int(i.max(initial=-1)) for i in a["indices"]) + 1
    y = np.zeros((n, *a["data"][0].shape[a["indices"][0].ndim :]), a["data"][0].dtype)
    for i, x in zip(a["indices"], a["data"], strict=True):
        for at in np.ndindex(i.shape):
            y[i[at]] = x[at]
    return y


def stitch_invalid(dtype):
    rng = np.random.default_rng(1)
    one = np.array([0, 1], np.int32)
    yield Case("shape", {"indices": [one], "data": [values(rng, (3,), dtype)]})
    yield Case("negative", {"indices": [one - 1], "data": [values(rng, (2,), dtype)]})
    yield Case("tails", {"indices": [one, one], "data": [values(rng, (2,), dtype), values(rng, (2, 2), dtype)]})


add(Row("DynamicStitch", MOVED, stitch_cases, stitch_reference, tol=exact, invalid=stitch_invalid))


def bound_cases(dtype, rng):
    n = 0
    for rows, length, count in ((1, 5, 4), (3, 7, 9), (2, 0, 3), (2, 4, 0), (2, 300, 400), (1, 1, 70)):
        for kind in KINDS:
            n += 1
            x = np.sort(np.asarray(small(rng, (rows, length), dtype)), -1)
            v = np.asarray(small(rng, (rows, count), dtype))
            if n % 2 and v.size and length:
                v[..., ::2] = x[:, rng.integers(0, length, v[..., ::2].shape[-1])]
            yield Case(f"{rows} {length} {count} {n}", {"sorted_inputs": x, "values": v}, {"out_type": kind})
    if dtype in FLOATS:
        x = np.array([[-np.inf, -1, -0.0, 0.0, 1, np.inf]], numpy_type(dtype))
        yield Case("infinities and zeros", {"sorted_inputs": x, "values": x[:, ::-1].copy()}, {"out_type": np.int32})


def bound_reference(side):
    def reference(a, attr):
        pairs = zip(a["sorted_inputs"], a["values"], strict=True)
        found = [np.searchsorted(x, v, side) for x, v in pairs]
        return np.array(found, attr["out_type"]).reshape(a["values"].shape)

    return reference


def bound_invalid(dtype):
    x = small(np.random.default_rng(1), (2, 3), dtype)
    yield Case("rows", {"sorted_inputs": x, "values": x[:1]})
    yield Case("a vector", {"sorted_inputs": x[0], "values": x[0]})


SORTED = FLOATS + INTS + ("float64", "int32")
add(Row("LowerBound", SORTED, bound_cases, bound_reference("left"), tol=exact, invalid=bound_invalid))
add(Row("UpperBound", SORTED, bound_cases, bound_reference("right"), tol=exact, invalid=bound_invalid))


def in_top_cases(dtype, rng):
    for rows, classes in ((1, 3), (5, 7), (0, 3), (70, 33), (3, 1)):
        x = np.round(values(rng, (rows, classes), "float32"))
        targets = np.asarray(rng.integers(-1, classes + 1, rows)).astype(dtype)
        for k in (1, 3, 0):
            yield Case(f"{rows} {classes} {k}", {"predictions": x, "targets": targets, "k": np.array(k, dtype)})
    x = np.array([[1, 2, np.nan], [1, 2, 3], [np.inf, 1, 2], [1, 2, 2], [1, np.nan, 0]], np.float32)
    yield Case("not finite", {"predictions": x, "targets": np.array([1, 2, 2, 1, 0], dtype), "k": np.array(1, dtype)})


def in_top_invalid(dtype):
    x = np.zeros((2, 3), np.float32)
    yield Case("rows", {"predictions": x, "targets": np.zeros(3, dtype), "k": np.array(1, dtype)})
    yield Case("rank", {"predictions": x[0], "targets": np.zeros(3, dtype), "k": np.array(1, dtype)})


add(Row("InTopKV2", ("int32", "int64"), in_top_cases, None, tol=exact, invalid=in_top_invalid))


def bins(rng, shape, size, kind):
    return np.asarray(rng.integers(0, size + 2, shape)).astype(kind)


def bincount_cases(dtype, rng):
    for shape, size in (((5,), 3), ((0,), 2), ((2, 7), 4), ((1000,), 7), ((300,), 1), ((5,), 0)):
        for weighted in (False, True):
            args = {"arr": bins(rng, shape, size, np.int32), "size": np.array(size, np.int32)}
            yield Case(f"{shape} {size} {weighted}", args | {"weights": small(rng, shape if weighted else (0,), dtype)})


def counted(x, weights, size, binary=False):
    y = np.zeros(size, np.float64)
    for i, v in enumerate(x.reshape(-1)):
        if v < size:
            y[v] = 1 if binary else y[v] + (weights.reshape(-1)[i] if weights.size else 1)
    return y


def dense_cases(dtype, rng):
    n = 0
    for shape, size in (((5,), 3), ((2, 7), 4), ((3, 400), 5), ((1000,), 7), ((), 3), ((2, 5), 0)):
        for weighted in (False, True):
            for binary in (False, True):
                n += 1
                args = {"input": bins(rng, shape, size, KINDS[n % 2]), "size": np.array(size, KINDS[n % 2])}
                args["weights"] = small(rng, shape if weighted and shape else (0,), dtype)
                yield Case(f"{shape} {size} {weighted} {binary}", args, {"binary_output": binary})


def magnitudes(reference):
    return lambda a, attr: reference({**a, "weights": np.abs(a["weights"])}, attr)


def dense_reference(a, attr):
    x, size = a["input"], int(a["size"])
    if x.ndim < 2:
        return counted(x, a["weights"], size, attr["binary_output"])
    rows = [
        counted(x[i], a["weights"][i] if a["weights"].size else a["weights"], size, attr["binary_output"])
        for i in range(x.shape[0])
    ]
    return np.stack(rows)


def bincount_invalid(dtype):
    x = np.array([1, 2], np.int32)
    yield Case(
        "weights", {"arr": x, "size": np.array(3, np.int32), "weights": small(np.random.default_rng(1), (3,), dtype)}
    )
    yield Case(
        "size", {"arr": x, "size": np.array(-3, np.int32), "weights": small(np.random.default_rng(1), (2,), dtype)}
    )


def dense_invalid(dtype):
    rng = np.random.default_rng(1)
    x, size = np.array([1, 2], np.int32), np.array(3, np.int32)
    yield Case("weights", {"input": x, "size": size, "weights": small(rng, (3,), dtype)})
    yield Case("rank", {"input": np.zeros((1, 1, 1), np.int32), "size": size, "weights": small(rng, (0,), dtype)})
    yield Case("size", {"input": x, "size": np.array(-3, np.int32), "weights": small(rng, (2,), dtype)})


def bincount_reference(a, _):
    return counted(a["arr"], a["weights"], int(a["size"]))


add(Row("Bincount", ("float32", "int32"), bincount_cases, bincount_reference, tol=sum_tol(4.0), invalid=bincount_invalid,
        scale=magnitudes(bincount_reference)))  # fmt: skip
add(Row("DenseBincount", ("float32", "int32"), dense_cases, dense_reference, tol=sum_tol(4.0), invalid=dense_invalid,
        scale=magnitudes(dense_reference)))  # fmt: skip
