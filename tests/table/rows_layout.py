"""Ops that move, make or convert values: Cast, Fill, Tile, BroadcastTo, Transpose, Pack, Concat, Split, slices, Pad."""

import itertools

import numpy as np
from row import (
    FLOATS,
    INTS,
    LARGE,
    LENGTHS,
    REALS,
    WIDE,
    Case,
    Row,
    Tol,
    add,
    finfo,
    is_float,
    numpy_type,
    random_shape,
    special_values,
    values,
)

BYTES = FLOATS + INTS + ("bool",)


def exact(_):
    return Tol()


# --- Cast ------------------------------------------------------------------------------------------------------------
CAST_TYPES = REALS + ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
CASTS = tuple(f"{s}>{d}" for s, d in itertools.product(CAST_TYPES, CAST_TYPES))


def cast_values(rng, shape, source, target):
    """Values of `source` that `target` can hold (what lies outside is undefined in C++ and tested apart)."""
    if not is_float(source):
        return values(rng, shape, source)
    if is_float(target) or target == "bool":
        x = values(rng, shape, source, -100, 100)
        return np.where(rng.random(shape) < 0.2, np.zeros((), x.dtype), x)
    info = np.iinfo(target)
    return values(rng, shape, source, max(info.min, -60000), min(info.max * 0.99, 60000))


def cast_cases(key, rng):
    source, target = key.split(">")
    for shape in [(n,) for n in LENGTHS] + [(), (3, 4, 5)]:
        yield Case(str(shape), {"x": cast_values(rng, shape, source, target)}, {"DstT": target})
    if key == "float32>float16":
        yield Case("large", {"x": values(rng, (LARGE,), source)}, {"DstT": target})


def cast_specials(key):
    source, target = key.split(">")
    if is_float(source) and (is_float(target) or target == "bool"):
        yield Case("special", {"x": special_values(source)}, {"DstT": target})
        edge = [
            65504,
            65519.99,
            65520,
            65536,
            2.0**-24,
            2.0**-25,
            2.9802326e-08,
            6e-8,
            1.00048828125,
            1.0009765625,
            3.4e38,
        ]
        edge += [1 + 2.0**-8, 1 + 3 * 2.0**-8, 1 + 2.0**-8 + 2.0**-20, 3.3961775e38, 3.3895314e38]
        x = np.array(edge + [-e for e in edge])
        with np.errstate(over="ignore"):
            yield Case("rounding", {"x": np.tile(x, 4).astype(numpy_type(source))}, {"DstT": target})


def cast_reference(args, attr):
    x, target = args["x"], attr["DstT"]
    return x if is_float(target) and x.dtype == np.float64 else x.astype(numpy_type(target))


def cast_fuzz(key, rng):
    source, target = key.split(">")
    shape = random_shape(rng)
    return Case(str(shape), {"x": cast_values(rng, shape, source, target)}, {"DstT": target})


add(Row("Cast", CASTS, cast_cases, cast_reference, specials=cast_specials, fuzz=cast_fuzz,
        tol=lambda key: Tol(ulp=0.5, abs=1e-30) if is_float(key.split(">")[1]) else Tol(),
        key=lambda c: f"{c['SrcT']}>{c['DstT']}"))  # fmt: skip


# --- Bitcast ---------------------------------------------------------------------------------------------------------
SIZE = {t: numpy_type(t).itemsize for t in BYTES + WIDE + ("int32",)}


def bitcast_cases(dtype, rng):
    for target in BYTES + ("int32", "complex64"):
        if target == "bool" or dtype == "bool" or target == dtype:
            continue
        ratio = SIZE[dtype] / SIZE[target]
        tails = [(), (5,), (2, 3)] if ratio >= 1 else [(int(1 / ratio),), (3, int(1 / ratio)), (0, int(1 / ratio))]
        for shape in tails:
            yield Case(f"{shape} to {target}", {"input": values(rng, shape, dtype)}, {"type": target})


def bitcast_invalid(dtype):
    if SIZE[dtype] < 8:
        yield Case("last axis does not fit", {"input": np.ones((2, 3), numpy_type(dtype))}, {"type": "int64"})
        yield Case("scalar to a larger type", {"input": np.ones((), numpy_type(dtype))}, {"type": "int64"})


add(Row("Bitcast", tuple(t for t in BYTES + WIDE if t != "bool"), bitcast_cases, None, tol=exact, invalid=bitcast_invalid,
        key=lambda c: "any"))  # fmt: skip


# --- Fill, BroadcastTo, Tile -----------------------------------------------------------------------------------------
def fill_cases(dtype, rng):
    for shape in [(n,) for n in LENGTHS] + [(), (3, 0, 2), (2, 3, 4, 5)] + ([(LARGE,)] if dtype == "float32" else []):
        for index in ("int32", "int64"):
            yield Case(f"{shape} {index}", {"dims": np.array(shape, dtype=index), "value": values(rng, (), dtype)})


def fill_invalid(dtype):
    one = np.ones((), numpy_type(dtype))
    yield Case("negative size", {"dims": np.array([2, -1], np.int32), "value": one})
    yield Case("dims of rank 2", {"dims": np.ones((1, 2), np.int32), "value": one})
    yield Case("value of rank 1", {"dims": np.ones((2,), np.int32), "value": np.ones((2,), one.dtype)})


add(
    Row(
        "Fill",
        BYTES + WIDE,
        fill_cases,
        lambda a, _: np.full(a["dims"], a["value"]),
        tol=exact,
        grad=("value",),
        invalid=fill_invalid,
    )
)

BROADCAST_TO = [((), ()), ((), (4,)), ((1,), (0,)), ((3,), (2, 3)), ((2, 1), (2, 5)), ((1, 3, 1), (2, 3, 4)), ((5,), (5,)),
                ((1, 2, 1, 3), (4, 2, 5, 3)), ((2, 1, 2, 1, 2), (2, 3, 2, 3, 2)), ((1, 2, 1, 2, 1, 2), (3, 2, 3, 2, 3, 2)),
                ((257, 1), (257, 130))]  # fmt: skip


def broadcast_to_cases(dtype, rng):
    for source, target in BROADCAST_TO:
        for index in ("int32", "int64"):
            yield Case(f"{source} to {target}", {"input": values(rng, source, dtype), "shape": np.array(target, index)})


def broadcast_to_invalid(dtype):
    yield Case(
        "not a broadcast", {"input": values(np.random.default_rng(1), (3,), dtype), "shape": np.array([2], np.int32)}
    )
    yield Case(
        "fewer axes", {"input": values(np.random.default_rng(1), (3, 2), dtype), "shape": np.array([2], np.int32)}
    )
    yield Case("negative", {"input": values(np.random.default_rng(1), (1,), dtype), "shape": np.array([-2], np.int32)})


def broadcast_to_fuzz(dtype, rng):
    target = random_shape(rng)
    source = tuple(1 if rng.random() < 0.4 else d for d in target)[int(rng.integers(0, len(target) + 1)) :]
    return Case(f"{source} to {target}", {"input": values(rng, source, dtype), "shape": np.array(target, np.int32)})


add(Row("BroadcastTo", FLOATS + WIDE + ("bool", "int32", "int64"), broadcast_to_cases, lambda a, _: np.broadcast_to(a["input"], a["shape"]), tol=exact,
        grad=("input",), invalid=broadcast_to_invalid, fuzz=broadcast_to_fuzz))  # fmt: skip

TILES = [((), ()), ((3,), (4,)), ((3,), (0,)), ((0,), (3,)), ((2, 3), (1, 1)), ((2, 3), (3, 2)), ((2, 1, 3), (1, 4, 2)),
         ((2, 3, 2, 1), (2, 1, 3, 5)), ((1, 2, 1, 2, 2), (2, 1, 3, 2, 1)), ((1, 2, 1, 2, 2, 3), (2, 1, 3, 2, 1, 2)), ((257,), (300,))]  # fmt: skip


def tile_cases(dtype, rng):
    for shape, times in TILES:
        for index in ("int32", "int64"):
            yield Case(f"{shape} x {times}", {"input": values(rng, shape, dtype), "multiples": np.array(times, index)})


def tile_invalid(dtype):
    x = values(np.random.default_rng(1), (2, 3), dtype)
    yield Case("too few multiples", {"input": x, "multiples": np.array([2], np.int32)})
    yield Case("negative multiple", {"input": x, "multiples": np.array([2, -1], np.int32)})
    yield Case("multiples of rank 2", {"input": x, "multiples": np.array([[2, 1]], np.int32)})


def tile_fuzz(dtype, rng):
    shape = random_shape(rng, 6, 300)
    times = rng.integers(0 if rng.random() < 0.05 else 1, 4, len(shape)).astype(np.int32)
    return Case(f"{shape} x {times}", {"input": values(rng, shape, dtype), "multiples": times})


add(Row("Tile", FLOATS + WIDE + ("bool", "int16", "int32", "int64"), tile_cases, lambda a, _: np.tile(a["input"], a["multiples"]), tol=exact,
        grad=("input",), invalid=tile_invalid, fuzz=tile_fuzz))  # fmt: skip

# --- Transpose -------------------------------------------------------------------------------------------------------
PERMS = [((), ()), ((7,), (0,)), ((3, 5), (1, 0)), ((3, 5), (0, 1)), ((0, 5), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4), (0, 2, 1)),
         ((2, 3, 4, 5), (0, 3, 1, 2)), ((2, 3, 4, 5), (0, 2, 3, 1)), ((2, 3, 4, 5), (3, 2, 1, 0)), ((2, 1, 3, 2, 2), (4, 2, 0, 3, 1)),
         ((2, 3, 2, 2, 3, 2), (5, 1, 3, 0, 2, 4)), ((2, 2, 2, 2, 2, 2, 2), (6, 4, 2, 0, 5, 3, 1)), ((257, 129), (1, 0)),
         ((33, 65, 17), (1, 2, 0))]  # fmt: skip


def transpose_cases(dtype, rng):
    for shape, perm in PERMS:
        for index in ("int32", "int64"):
            yield Case(f"{shape} by {perm}", {"x": values(rng, shape, dtype), "perm": np.array(perm, index)})


def transpose_invalid(dtype):
    x = values(np.random.default_rng(1), (2, 3, 4), dtype)
    for label, perm in (
        ("too short", [1, 0]),
        ("twice the same", [0, 0, 1]),
        ("out of range", [0, 1, 3]),
        ("negative", [0, 1, -4]),
    ):
        yield Case(label, {"x": x, "perm": np.array(perm, np.int32)})


def transpose_fuzz(dtype, rng):
    shape = random_shape(rng, 7)
    perm = rng.permutation(len(shape)).astype(np.int32)
    return Case(f"{shape} by {perm}", {"x": values(rng, shape, dtype), "perm": perm})


for name, function in (("Transpose", np.array), ("ConjugateTranspose", np.conj)):
    add(Row(name, BYTES + WIDE + ("int32",), transpose_cases, lambda a, _, f=function: f(np.transpose(a["x"], a["perm"])), tol=exact, grad=("x",),
            invalid=transpose_invalid, fuzz=transpose_fuzz))  # fmt: skip


# --- Pack, Unpack, ConcatV2, Split -----------------------------------------------------------------------------------
def pack_cases(dtype, rng):
    for shape, n in (((), 3), ((4,), 1), ((2, 3), 12), ((0, 3), 2), ((2, 3, 4), 33), ((257,), 2), ((2, 1, 2, 1, 2), 3)):
        for axis in range(-len(shape) - 1, len(shape) + 1):
            yield Case(
                f"{n} of {shape} on {axis}", {"values": [values(rng, shape, dtype) for _ in range(n)]}, {"axis": axis}
            )


def pack_invalid(dtype):
    rng = np.random.default_rng(1)
    yield Case("axis too large", {"values": [values(rng, (2,), dtype)] * 2}, {"axis": 2})
    yield Case("axis too small", {"values": [values(rng, (2,), dtype)] * 2}, {"axis": -3})
    yield Case("shapes differ", {"values": [values(rng, (2,), dtype), values(rng, (3,), dtype)]}, {"axis": 0})


PACK_TYPES = FLOATS + WIDE + ("bool", "int16", "int32", "int64", "uint32", "uint64")
add(
    Row(
        "Pack",
        PACK_TYPES,
        pack_cases,
        lambda a, at: np.stack(a["values"], at["axis"]),
        tol=exact,
        grad=("values",),
        invalid=pack_invalid,
    )
)


def unpack_cases(dtype, rng):
    for shape, axis in (
        ((3,), 0),
        ((1, 4), 0),
        ((2, 3), 1),
        ((2, 3), -1),
        ((3, 0), 0),
        ((4, 3, 2), -3),
        ((2, 3, 17), 2),
        ((257, 2), 1),
    ):
        yield Case(f"{shape} on {axis}", {"value": values(rng, shape, dtype)}, {"num": shape[axis], "axis": axis})


def unpack_invalid(dtype):
    x = values(np.random.default_rng(1), (3, 2), dtype)
    yield Case("axis too large", {"value": x}, {"num": 3, "axis": 2})
    yield Case("wrong number", {"value": x}, {"num": 4, "axis": 0})


def split_apart(x, n, axis):
    return tuple(np.split(x, n, axis))


add(Row("Unpack", FLOATS + WIDE + ("bool", "int64", "uint8"), unpack_cases, tol=exact, grad=("value",), invalid=unpack_invalid,
        reference=lambda a, at: tuple(np.squeeze(p, at["axis"]) for p in split_apart(a["value"], at["num"], at["axis"]))))  # fmt: skip


def concat_cases(dtype, rng):
    for shapes, axis in ((((3,), (4,)), 0), (((2, 3), (2, 1), (2, 5)), 1), (((2, 3), (4, 3)), -2), (((0, 3), (2, 3)), 0), (((0,), (0,)), 0),
                         (((2, 3, 1), (2, 3, 7), (2, 3, 0), (2, 3, 2)), -1), (((1, 2),) * 40, 0), (((129, 3), (130, 3)), 0),
                         (((2, 1, 2, 3, 2), (2, 4, 2, 3, 2)), 1), (((5,), (5,)), 0)):  # fmt: skip
        for index in ("int32", "int64"):
            yield Case(
                f"{shapes[:4]} on {axis}",
                {"values": [values(rng, s, dtype) for s in shapes], "axis": np.array(axis, index)},
            )


def concat_v1_cases(dtype, rng):
    for case in concat_cases(dtype, rng):
        if case.args["axis"].dtype == np.int32 and case.args["axis"] >= 0:  # it counts from the front only
            yield Case(case.label, {"concat_dim": case.args["axis"], "values": case.args["values"]})


add(
    Row(
        "Concat",
        BYTES + WIDE,
        concat_v1_cases,
        lambda a, _: np.concatenate(a["values"], a["concat_dim"]),
        tol=exact,
        grad=("values",),
    )
)


def range_cases(dtype, rng):
    for start, limit, delta in ((0, 10, 1), (3, 3, 1), (5, -7, -2), (-4, 100, 7), (0, 1, 1), (0, 2000, 3), (1, 40, 2)):
        args = {"start": np.array(start), "limit": np.array(limit), "delta": np.array(delta)}
        yield Case(f"{start} to {limit} by {delta}", {k: v.astype(numpy_type(dtype)) for k, v in args.items()})
    if is_float(dtype):
        args = {"start": np.array(0.3), "limit": np.array(100.0), "delta": np.array(0.1)}
        yield Case("tenths", {k: v.astype(numpy_type(dtype)) for k, v in args.items()})
        args = {"start": np.array(0.5), "limit": np.array(9.25), "delta": np.array(0.25)}
        yield Case("quarters", {k: v.astype(numpy_type(dtype)) for k, v in args.items()})


def range_invalid(dtype):
    def call(start, limit, delta):
        return {
            k: np.array(v).astype(numpy_type(dtype)) for k, v in (("start", start), ("limit", limit), ("delta", delta))
        }

    yield Case("delta 0", call(0, 5, 0))
    yield Case("wrong way", call(5, 0, 1))
    yield Case("wrong way down", call(0, 5, -1))
    yield Case("start of rank 1", call([0], 5, 1))
    if is_float(dtype):
        yield Case("more than the type can count", call(-100, -1, float(finfo(dtype).tiny)))


add(
    Row(
        "Range",
        FLOATS + ("int64",),
        range_cases,
        None,
        tol=lambda t: Tol(ulp=1),
        invalid=range_invalid,
        key=lambda c: c["Tidx"],
    )
)


def concat_invalid(dtype):
    rng = np.random.default_rng(1)
    a, b, c = values(rng, (2, 3), dtype), values(rng, (3, 3), dtype), values(rng, (2,), dtype)
    yield Case("sizes differ", {"values": [a, b], "axis": np.array(1, np.int32)})
    yield Case("ranks differ", {"values": [a, c], "axis": np.array(0, np.int32)})
    yield Case("axis out of range", {"values": [a, a], "axis": np.array(2, np.int32)})
    yield Case("axis of rank 1", {"values": [a, a], "axis": np.array([0, 1], np.int32)})


add(Row("ConcatV2", BYTES + WIDE, concat_cases, lambda a, _: np.concatenate(a["values"], a["axis"]), tol=exact, grad=("values",),
        invalid=concat_invalid))  # fmt: skip


def split_cases(dtype, rng):
    for shape, n, axis in (
        ((6,), 3, 0),
        ((4, 6), 2, 1),
        ((4, 6), 1, 0),
        ((4, 6), 6, -1),
        ((0, 4), 2, 0),
        ((2, 9, 5), 3, 1),
        ((258, 3), 2, 0),
    ):
        yield Case(
            f"{shape}/{n} on {axis}",
            {"axis": np.array(axis, np.int32), "value": values(rng, shape, dtype)},
            {"num_split": n},
        )


def split_invalid(dtype):
    x = values(np.random.default_rng(1), (4, 6), dtype)
    yield Case("does not divide", {"axis": np.array(0, np.int32), "value": x}, {"num_split": 3})
    yield Case("axis out of range", {"axis": np.array(2, np.int32), "value": x}, {"num_split": 2})


add(Row("Split", FLOATS + WIDE, split_cases, lambda a, at: split_apart(a["value"], at["num_split"], int(a["axis"])), tol=exact, grad=("value",),
        invalid=split_invalid))  # fmt: skip


def splitv_cases(dtype, rng):
    for shape, sizes, axis in (
        ((6,), [1, 2, 3], 0),
        ((4, 6), [0, 6], 1),
        ((4, 6), [3, -1], 0),
        ((2, 9), [9], -1),
        ((5, 0), [2, 3], 0),
    ):
        args = {
            "value": values(rng, shape, dtype),
            "size_splits": np.array(sizes, np.int64),
            "axis": np.array(axis, np.int32),
        }
        yield Case(f"{shape}/{sizes} on {axis}", args, {"num_split": len(sizes)})


def splitv_reference(a, _):
    axis = int(a["axis"])
    sizes = [int(s) for s in a["size_splits"]]
    sizes = [a["value"].shape[axis] - sum(s for s in sizes if s >= 0) if s < 0 else s for s in sizes]
    return tuple(np.split(a["value"], np.cumsum(sizes)[:-1], axis))


add(Row("SplitV", FLOATS + WIDE + ("int32",), splitv_cases, splitv_reference, tol=exact, grad=("value",)))
