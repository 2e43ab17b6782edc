"""Reductions of rows by segment: UnsortedSegment*, Segment*, SparseSegment* and their gradients."""

import numpy as np
from row import FLOATS, Case, Row, Tol, add, finfo, is_float, small, sum_tol, values

KINDS = (np.int32, np.int64)
# shape of data, rank of the ids, segments
UNSORTED = [
    ((5,), 1, 3),
    ((7, 3), 1, 4),
    ((2, 3, 4), 2, 5),
    ((0, 3), 1, 2),
    ((6, 3), 1, 0),
    ((9,), 0, 2),
    ((5, 0), 1, 3),
]
UNSORTED += [((700, 3), 1, 5), ((300, 2), 1, 1), ((40, 33), 1, 1000), ((2000,), 1, 17)]  # fmt: skip


def numbers(rng, shape, dtype, how):
    if dtype.startswith("complex"):
        return (rng.integers(-9, 9, shape) + 1j * rng.integers(-9, 9, shape)).astype(dtype)
    if how == "Prod":
        n = max(int(np.prod(shape)), 1)
        return (
            small(rng, shape, dtype, -2, 3) if not is_float(dtype) else values(rng, shape, dtype, 1 - 1 / n, 1 + 1 / n)
        )
    return small(rng, shape, dtype)


def limits(dtype, how):
    if how not in ("Min", "Max"):
        return {"Sum": 0, "Prod": 1}[how]
    info = finfo(dtype) if is_float(dtype) else np.iinfo(dtype)
    return (
        float(info.max if how == "Min" else info.min) if is_float(dtype) else (info.max if how == "Min" else info.min)
    )


REDUCE = {"Sum": np.add, "Prod": np.multiply, "Min": np.minimum, "Max": np.maximum}


def reduced(how, data, ids, segments, empty, finish=""):
    """Rows of `data` reduced by `ids`; segments without rows are `empty`."""
    flat = data.reshape((ids.size, *data.shape[ids.ndim :]))
    start = {"Sum": 0, "Prod": 1}.get(how)
    shape = (segments, *flat.shape[1:])
    y = np.full(shape, start if start is not None else (np.inf if how == "Min" else -np.inf),
                flat.dtype if flat.dtype.kind in "fc" else object)  # fmt: skip
    for i, s in enumerate(ids.reshape(-1)):
        if 0 <= s < segments:
            y[s] = REDUCE[how](y[s], flat[i])
    counts = np.bincount(ids[(ids >= 0) & (ids < segments)].reshape(-1), minlength=segments)[:segments]
    present = (counts > 0).reshape((-1,) + (1,) * (y.ndim - 1))
    y = np.where(present, y, empty)
    if finish:
        n = np.maximum(counts, 1).reshape(present.shape)
        y = y / (n if finish == "Mean" else np.sqrt(n))
    return y.astype(flat.dtype)


def sums(how, data, ids, segments, finish=""):
    """What an error may be proportional to."""
    if how == "Prod":
        return reduced(how, np.abs(data), ids, segments, 1) * 64
    return reduced("Sum", np.abs(data).astype(np.float64), ids, segments, 0, finish)


def tolerance(how):
    if how in ("Min", "Max"):
        return lambda _: Tol()
    return sum_tol(4.0)


def unsorted(how, types):
    def cases(dtype, rng):
        for n, (shape, rank, segments) in enumerate(UNSORTED):
            ids = np.asarray(rng.integers(-1, max(segments, 1), shape[:rank])).astype(KINDS[n % 2])
            ids = np.minimum(ids, segments - 1)
            args = {"data": numbers(rng, shape, dtype, how), "segment_ids": ids}
            args["num_segments"] = np.array(segments, KINDS[n // 2 % 2])
            yield Case(f"{shape} by {ids.shape} to {segments}", args, cpu=segments > 0)  # the CPU's gradient needs one

    def reference(a, _):
        name = key_of(a["data"])
        return reduced(how, a["data"], a["segment_ids"], int(a["num_segments"]), limits(name, how))

    def invalid(dtype):
        x = numbers(np.random.default_rng(1), (3, 2), dtype, how)
        yield Case("shapes", {"data": x, "segment_ids": np.zeros(2, np.int32), "num_segments": np.array(3, np.int32)})
        yield Case(
            "negative", {"data": x, "segment_ids": np.zeros(3, np.int32), "num_segments": np.array(-1, np.int32)}
        )

    def same_type(dtype, rng):
        for case in cases(dtype, rng):
            LAST["type"] = dtype
            yield case

    add(Row(f"UnsortedSegment{how}", types, same_type, reference, tol=tolerance(how), invalid=invalid,
            grad=("data",) if how == "Sum" else (),
            scale=lambda a, _: sums(how, a["data"], a["segment_ids"], int(a["num_segments"]))))  # fmt: skip


LAST = {"type": "float32"}  # of the case that was yielded last: float64 references do not know it


def key_of(data):
    return LAST["type"] if data.dtype == np.float64 else data.dtype.name


unsorted("Sum", FLOATS + ("complex64", "int32"))
for _how in ("Prod", "Min", "Max"):
    unsorted(_how, FLOATS + ("int32",))

SORTED = [((5,), (0, 0, 1, 3, 3)), ((4, 3), (0, 1, 2, 3)), ((3, 2, 2), (2, 2, 2)), ((0, 3), ()), ((1, 70), (0,))]


def sorted_ids(rng):
    yield from SORTED
    ids = np.sort(rng.integers(0, 7, 700))
    yield (700, 3), tuple(int(i) for i in ids)
    yield (300, 2), (4,) * 300


def sorted_op(op, how, finish=""):
    def cases(dtype, rng):
        for n, (shape, ids) in enumerate(sorted_ids(rng)):
            args = {"data": numbers(rng, shape, dtype, how), "segment_ids": np.array(ids, KINDS[n % 2])}
            yield Case(f"{shape} to {max(ids, default=-1) + 1}", args)

    def invalid(dtype):
        x = numbers(np.random.default_rng(1), (3, 2), dtype, how)
        yield Case("decreasing", {"data": x, "segment_ids": np.array([0, 2, 1], np.int32)})
        yield Case("negative", {"data": x, "segment_ids": np.array([-1, 0, 1], np.int32)})
        yield Case("another length", {"data": x, "segment_ids": np.array([0, 1], np.int32)})
        yield Case("a matrix", {"data": x, "segment_ids": np.zeros((3, 1), np.int32)})

    def segments(a):
        return int(a["segment_ids"].max(initial=-1)) + 1

    add(Row(op, FLOATS, cases, tol=tolerance(how), invalid=invalid,
            reference=lambda a, _: reduced(how, a["data"], a["segment_ids"], segments(a), 1 if how == "Prod" else 0, finish),
            scale=lambda a, _: sums(how, a["data"], a["segment_ids"], segments(a), finish),
            grad=("data",) if op == "SegmentSum" else ()))  # fmt: skip


sorted_op("SegmentSum", "Sum")
sorted_op("SegmentMean", "Sum", "Mean")
sorted_op("SegmentProd", "Prod")
sorted_op("SegmentMin", "Min")
sorted_op("SegmentMax", "Max")


def sparse_op(finish, op, counted):
    def cases(dtype, rng):
        for n, (shape, ids) in enumerate(sorted_ids(rng)):
            rows = max(shape[0], 1)
            at = np.asarray(rng.integers(0, rows, len(ids))).astype(KINDS[n % 2])
            args = {"data": numbers(rng, (rows, *shape[1:]), dtype, "Sum"), "indices": at}
            args["segment_ids"] = np.array(ids, KINDS[n // 2 % 2])
            if counted:
                args["num_segments"] = np.array(max(ids, default=0) + 3, KINDS[n % 2])
            yield Case(f"{shape} to {max(ids, default=-1) + 1}", args)

    def invalid(dtype):
        x = numbers(np.random.default_rng(1), (3, 2), dtype, "Sum")
        more = {"num_segments": np.array(3, np.int32)} if counted else {}
        ids = np.array([0, 1], np.int32)
        yield Case("lengths", {"data": x, "indices": np.zeros(3, np.int32), "segment_ids": ids} | more)
        yield Case("a matrix", {"data": x, "indices": np.zeros((2, 1), np.int32), "segment_ids": ids} | more)
        if not counted:
            yield Case("decreasing", {"data": x, "indices": np.zeros(2, np.int32), "segment_ids": ids[::-1].copy()})
            yield Case("out of range", {"data": x, "indices": np.array([0, 3], np.int32), "segment_ids": ids})
            yield Case("negative", {"data": x, "indices": np.array([0, -1], np.int32), "segment_ids": ids})

    def segments(a):
        return int(a["num_segments"]) if counted else int(a["segment_ids"].max(initial=-1)) + 1

    add(Row(op, FLOATS, cases, tol=tolerance("Sum"), invalid=invalid,
            reference=lambda a, _: reduced("Sum", a["data"][a["indices"]], a["segment_ids"], segments(a), 0, finish),
            scale=lambda a, _: sums("Sum", a["data"][a["indices"]], a["segment_ids"], segments(a), finish)))  # fmt: skip


def weighted(a, finish):
    """The gradient that each entry contributes, one row an entry."""
    n = np.bincount(a["segment_ids"], minlength=a["grad"].shape[0])[a["segment_ids"]]
    by = {"": np.ones(n.shape), "Mean": n, "SqrtN": np.sqrt(n)}[finish]
    rows = a["grad"][a["segment_ids"]]
    return rows / by.reshape((-1,) + (1,) * (rows.ndim - 1))


def sparse_grad(finish, op, rows_name, compact):
    def cases(dtype, rng):
        for n, (shape, ids) in enumerate(sorted_ids(rng)):
            rows = max(shape[0] // 2, 1)
            segments = max(ids, default=0) + 1
            args = {"grad": numbers(rng, (segments, *shape[1:]), dtype, "Sum")}
            args["indices"] = np.asarray(rng.integers(0, rows, len(ids))).astype(KINDS[n % 2])
            args["segment_ids"] = np.array(ids, KINDS[n // 2 % 2])
            # without entries the CPU's kernels leave the result unwritten
            yield Case(f"{shape} to {rows}", args | {rows_name: np.array(rows + 2, np.int32)}, cpu=len(ids) > 0)

    def results(a, data):
        if not compact:
            return reduced("Sum", data, a["indices"], int(a[rows_name]), 0)
        unique, at = np.unique(a["indices"], return_inverse=True)
        return reduced("Sum", data, at.reshape(-1), len(unique), 0), unique

    def invalid(dtype):
        x = numbers(np.random.default_rng(1), (3, 2), dtype, "Sum")
        ids, rows = np.array([0, 1], np.int32), {rows_name: np.array(3, np.int32)}
        yield Case("lengths", {"grad": x, "indices": np.zeros(3, np.int32), "segment_ids": ids} | rows)
        yield Case("a matrix", {"grad": x, "indices": np.zeros((2, 1), np.int32), "segment_ids": ids} | rows)

    def scale(a, _):
        s = results(a, np.abs(weighted(a, finish)))
        return (s[0], np.zeros(s[1].shape)) if compact else s

    add(
        Row(
            op,
            FLOATS,
            cases,
            lambda a, _: results(a, weighted(a, finish)),
            tol=tolerance("Sum"),
            scale=scale,
            invalid=invalid,
        )
    )


for _finish in ("", "Mean", "SqrtN"):
    _op = f"SparseSegment{_finish or 'Sum'}"
    sparse_op(_finish, _op, False)
    sparse_op(_finish, _op + "WithNumSegments", True)
    sparse_grad(_finish, _op + "Grad", "output_dim0", False)
    sparse_grad(_finish, _op + "GradV2", "dense_output_dim0", True)
