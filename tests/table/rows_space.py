"""Ops that trade one axis for another, roll or reverse parts of one, or write a window."""

import numpy as np
from row import FLOATS, INTS, WIDE, Case, Row, Tol, add, numpy_type, small, values
from rows_slice import WINDOWS, indices, strided_invalid, window_slices

KINDS = (np.int32, np.int64)


def exact(_):
    return Tol()


# shape, blocks, paddings
SPACES = [((1, 4), [2], [(0, 0)]), ((2, 3, 2), [2], [(1, 0)]), ((1, 4, 4, 1), [2, 2], [(0, 0), (0, 0)]), ((2, 3, 5, 3), [2, 3], [(1, 0), (0, 1)]),
          ((3, 4, 6), [1, 3], [(0, 0), (0, 0)]), ((2, 2, 3, 2, 2), [2, 1, 2], [(0, 0), (1, 1), (2, 0)]), ((0, 4, 4, 1), [2, 2], [(0, 0), (0, 0)]),
          ((2, 3), [], []), ((1, 33, 35, 4), [2, 2], [(1, 2), (0, 1)])]  # fmt: skip


def to_batch(x, blocks, pads):
    m = len(blocks)
    x = np.pad(x, [(0, 0), *[tuple(p) for p in pads], *[(0, 0)] * (x.ndim - 1 - m)])
    split = [x.shape[0]]
    for d, b in zip(x.shape[1:], blocks, strict=False):
        split += [d // b, b]
    y = x.reshape(split + list(x.shape[1 + m :]))
    order = [2 * i + 2 for i in range(m)] + [0] + [2 * i + 1 for i in range(m)] + list(range(1 + 2 * m, y.ndim))
    y = y.transpose(order)
    shape = [
        x.shape[0] * int(np.prod(blocks)),
        *[d // b for d, b in zip(x.shape[1:], blocks, strict=False)],
        *x.shape[1 + m :],
    ]
    return y.reshape(shape)


def to_space(x, blocks, crops):
    m = len(blocks)
    n = x.shape[0] // int(np.prod(blocks))
    y = x.reshape([*blocks, n, *x.shape[1:]])
    order = [m]
    for i in range(m):
        order += [m + 1 + i, i]
    y = y.transpose(order + list(range(2 * m + 1, y.ndim)))
    y = y.reshape([n, *[d * b for d, b in zip(x.shape[1:], blocks, strict=False)], *x.shape[1 + m :]])
    return y[tuple([slice(None)] + [slice(int(a), y.shape[i + 1] - int(b)) for i, (a, b) in enumerate(crops)])]


def pairs(p, kind):
    return np.array(p, kind).reshape(-1, 2)


def to_batch_cases(dtype, rng):
    for n, (shape, blocks, pads) in enumerate(SPACES):
        args = {"input": values(rng, shape, dtype), "block_shape": np.array(blocks, KINDS[n % 2])}
        yield Case(f"{shape} {blocks} {pads}", args | {"paddings": pairs(pads, KINDS[n // 2 % 2])})


def to_space_cases(dtype, rng):
    for n, (shape, blocks, pads) in enumerate(SPACES):
        spread = to_batch(np.zeros(shape), blocks, pads).shape
        args = {"input": values(rng, spread, dtype), "block_shape": np.array(blocks, KINDS[n % 2])}
        yield Case(f"{spread} {blocks} {pads}", args | {"crops": pairs(pads, KINDS[n // 2 % 2])})


def batch_invalid(other):
    def invalid(dtype):
        x = values(np.random.default_rng(1), (3, 3, 3, 1), dtype)
        zero = pairs([(0, 0), (0, 0)], np.int32)
        yield Case("not divisible", {"input": x, "block_shape": np.array([2, 2], np.int32), other: zero})
        yield Case("block 0", {"input": x, "block_shape": np.array([2, 0], np.int32), other: zero})
        yield Case("negative", {"input": x, "block_shape": np.array([3, 1], np.int32), other: zero - 1})
        yield Case("rank", {"input": x[0, 0], "block_shape": np.array([1, 1], np.int32), other: zero})
        yield Case("other length", {"input": x, "block_shape": np.array([3, 1], np.int32), other: zero[:1]})

    return invalid


BATCHED = FLOATS + ("float64",)
add(Row("SpaceToBatchND", BATCHED, to_batch_cases, lambda a, _: to_batch(a["input"], a["block_shape"], a["paddings"]), tol=exact,
        invalid=batch_invalid("paddings"), grad=("input",)))  # fmt: skip
add(Row("BatchToSpaceND", BATCHED, to_space_cases, lambda a, _: to_space(a["input"], a["block_shape"], a["crops"]), tol=exact,
        invalid=batch_invalid("crops"), grad=("input",)))  # fmt: skip


def square(cases, other):
    def made(dtype, rng):
        for case in cases(dtype, rng):
            blocks = [int(b) for b in case.args["block_shape"]]
            if blocks == [2, 2] and case.args["input"].ndim == 4:
                yield Case(case.label, {k: case.args[k] for k in ("input", other)}, {"block_size": 2})

    return made


def square_invalid(other):
    def invalid(dtype):
        x, zero = values(np.random.default_rng(1), (3, 3, 3, 1), dtype), pairs([(0, 0), (0, 0)], np.int32)
        yield Case("not divisible", {"input": x, other: zero}, {"block_size": 2})
        yield Case("rank", {"input": x[0], other: zero}, {"block_size": 2})
        yield Case("block", {"input": x, other: zero}, {"block_size": 1})

    return invalid


add(Row("SpaceToBatch", BATCHED, square(to_batch_cases, "paddings"), lambda a, at: to_batch(a["input"], [at["block_size"]] * 2, a["paddings"]),
        tol=exact, invalid=square_invalid("paddings")))  # fmt: skip
add(Row("BatchToSpace", BATCHED, square(to_space_cases, "crops"), lambda a, at: to_space(a["input"], [at["block_size"]] * 2, a["crops"]),
        tol=exact, invalid=square_invalid("crops")))  # fmt: skip

DEPTHS = [((1, 1, 1, 4), 2), ((2, 3, 2, 8), 2), ((1, 2, 3, 27), 3), ((0, 2, 2, 4), 2), ((3, 17, 9, 12), 2)]


def depth_to_space(x, attr):
    b, first = attr["block_size"], attr["data_format"] == "NCHW"
    x = x.transpose(0, 2, 3, 1) if first else x
    n, h, w, c = x.shape
    y = x.reshape(n, h, w, b, b, c // (b * b)).transpose(0, 1, 3, 2, 4, 5).reshape(n, h * b, w * b, c // (b * b))
    return y.transpose(0, 3, 1, 2) if first else y


def space_to_depth(x, attr):
    b, first = attr["block_size"], attr["data_format"] == "NCHW"
    x = x.transpose(0, 2, 3, 1) if first else x
    n, h, w, c = x.shape
    y = x.reshape(n, h // b, b, w // b, b, c).transpose(0, 1, 3, 2, 4, 5).reshape(n, h // b, w // b, b * b * c)
    return y.transpose(0, 3, 1, 2) if first else y


def depth_cases(space):
    def cases(dtype, rng):
        for shape, block in DEPTHS:
            for fmt in ("NHWC", "NCHW"):
                made = tuple(shape[i] for i in (0, 3, 1, 2)) if fmt == "NCHW" else shape
                attr = {"block_size": block, "data_format": fmt}
                made = depth_to_space(np.zeros(made), attr).shape if space else made
                yield Case(f"{made} {block} {fmt}", {"input": values(rng, made, dtype)}, attr, cpu=fmt == "NHWC")

    return cases


def depth_invalid(dtype):
    x = values(np.random.default_rng(1), (1, 3, 3, 3), dtype)
    yield Case("not divisible", {"input": x}, {"block_size": 2})
    yield Case("rank", {"input": x[0]}, {"block_size": 2})


add(
    Row(
        "DepthToSpace",
        FLOATS,
        depth_cases(False),
        lambda a, at: depth_to_space(a["input"], at),
        tol=exact,
        grad=("input",),
        invalid=depth_invalid,
    )
)
add(Row("SpaceToDepth", FLOATS + ("uint8",), depth_cases(True), lambda a, at: space_to_depth(a["input"], at), tol=exact, grad=("input",),
        invalid=depth_invalid))  # fmt: skip

ROLLS = [((5,), 2, 0), ((5,), -7, 0), ((3, 4), [1, 2], [0, 1]), ((3, 4), [1, 2, 3], [1, -1, 0]), ((2, 3, 4), [5], [1]), ((0, 3), 1, 1), ((300, 7), 11, 0),
         ((2, 3, 2, 3, 2, 2), [1, 1, 1], [0, 2, 5]), ((4,), [], [])]  # fmt: skip


def roll_cases(dtype, rng):
    for n, (shape, shift, axis) in enumerate(ROLLS):
        args = {
            "input": values(rng, shape, dtype),
            "shift": np.array(shift, KINDS[n % 2]),
            "axis": np.array(axis, KINDS[n // 2 % 2]),
        }
        yield Case(f"{shape} by {shift} on {axis}", args)


def roll_reference(a, _):
    y = a["input"]
    for s, d in zip(np.atleast_1d(a["shift"]), np.atleast_1d(a["axis"]), strict=True):
        y = np.roll(y, int(s), int(d))
    return y


def roll_invalid(dtype):
    x, i = values(np.random.default_rng(1), (3,), dtype), np.int32
    yield Case("axis", {"input": x, "shift": np.array(1, i), "axis": np.array(2, i)})
    yield Case("lengths", {"input": x, "shift": np.array([1, 2], i), "axis": np.array([0], i)})
    yield Case("scalar", {"input": x[0], "shift": np.array(1, i), "axis": np.array(0, i)})
    yield Case("matrix", {"input": x, "shift": np.array([[1]], i), "axis": np.array([[0]], i)})


add(Row("Roll", FLOATS + WIDE + ("int32", "int64", "uint32"), roll_cases, roll_reference, tol=exact, grad=("input",),
        invalid=roll_invalid))  # fmt: skip


def sequence_cases(dtype, rng):
    for n, (shape, seq, batch) in enumerate(
        (
            ((2, 5), 1, 0),
            ((4, 3), 0, 1),
            ((3, 4, 5), 2, 0),
            ((3, 4, 5), 0, 1),
            ((2, 3, 4, 5), 1, 3),
            ((0, 3), 1, 0),
            ((33, 65), 1, 0),
        )
    ):
        lengths = rng.integers(0, shape[seq] + 1, shape[batch]).astype(KINDS[n % 2])
        yield Case(
            f"{shape} {seq} {batch}",
            {"input": values(rng, shape, dtype), "seq_lengths": lengths},
            {"seq_dim": seq, "batch_dim": batch},
        )


def sequence_reference(a, attr):
    y = np.array(a["input"])
    for b, n in enumerate(a["seq_lengths"]):
        where = [slice(None)] * y.ndim
        where[attr["batch_dim"]], where[attr["seq_dim"]] = slice(b, b + 1), slice(0, int(n))
        y[tuple(where)] = np.flip(a["input"][tuple(where)], attr["seq_dim"])
    return y


def sequence_invalid(dtype):
    x, i = values(np.random.default_rng(1), (2, 3), dtype), np.int32
    yield Case("count", {"input": x, "seq_lengths": np.array([1, 2, 3], i)}, {"seq_dim": 1, "batch_dim": 0})
    yield Case("same axis", {"input": x, "seq_lengths": np.array([1, 2], i)}, {"seq_dim": 0, "batch_dim": 0})
    yield Case("axis", {"input": x, "seq_lengths": np.array([1, 2], i)}, {"seq_dim": 2, "batch_dim": 0})
    yield Case("matrix", {"input": x, "seq_lengths": np.array([[1, 2]], i)}, {"seq_dim": 1, "batch_dim": 0})


add(
    Row(
        "ReverseSequence",
        FLOATS + ("float64", "bool"),
        sequence_cases,
        sequence_reference,
        tol=exact,
        grad=("input",),
        invalid=sequence_invalid,
    )
)

MIRRORS = [
    ((3,), [(1, 2)]),
    ((4, 3), [(1, 1), (0, 2)]),
    ((2, 5, 4, 2), [(0, 0), (2, 1), (3, 2), (0, 0)]),
    ((3, 3, 3), [(1, 0), (2, 2), (1, 2)]),
    ((3, 4), [(0, 0), (0, 0)]),
]


def mirror_cases(dtype, rng):
    for n, (shape, pads) in enumerate(MIRRORS):
        for mode in ("REFLECT", "SYMMETRIC"):
            dy = small(rng, tuple(d + a + b for d, (a, b) in zip(shape, pads, strict=True)), dtype, -3, 4)
            yield Case(f"{shape} {pads} {mode}", {"input": np.round(dy.astype(np.float64)).astype(numpy_type(dtype)), "paddings": pairs(pads, KINDS[n % 2])},
                       {"mode": mode})  # fmt: skip


def mirror_reference(a, attr):
    """Each element of the padded tensor gives its gradient to the one it was copied from."""
    dy, pads = a["input"], a["paddings"]
    shape = tuple(int(d - p.sum()) for d, p in zip(dy.shape, pads, strict=True))
    source = np.pad(np.arange(int(np.prod(shape))).reshape(shape), [tuple(p) for p in pads], mode=attr["mode"].lower())
    y = np.zeros(shape)
    np.add.at(y.reshape(-1), source.reshape(-1), dy.reshape(-1))
    return y


def mirror_invalid(dtype):
    x = values(np.random.default_rng(1), (5,), dtype)
    yield Case("all of it", {"input": x, "paddings": pairs([(3, 2)], np.int32)}, {"mode": "REFLECT"})
    yield Case("too much", {"input": x, "paddings": pairs([(2, 2)], np.int32)}, {"mode": "REFLECT"})
    yield Case("negative", {"input": x, "paddings": pairs([(-1, 2)], np.int32)}, {"mode": "SYMMETRIC"})


add(Row("MirrorPadGrad", FLOATS, mirror_cases, mirror_reference, tol=exact, invalid=mirror_invalid))


def update_cases(dtype, rng):
    for n, (shape, b, e, s, masks) in enumerate(WINDOWS):
        x = values(rng, shape, dtype)
        window = x[window_slices(len(shape), b, e, s, masks)].shape
        for label, value in (("", window), ("one", ())):
            yield Case(
                f"{shape}[{b}:{e}:{s}] {masks} {label}",
                {"input": x, **indices(b, e, s, KINDS[n % 2]), "value": values(rng, value, dtype)},
                masks,
            )
    x = values(rng, (4, 5), dtype)
    yield Case("an empty window takes any value", {"input": x, **indices([3], [1], [1], np.int32), "value": x[:2, :3]})


def update_reference(a, attr):
    y = np.array(a["input"])
    window = window_slices(y.ndim, a["begin"], a["end"], a["strides"], attr)
    if y[window].size:
        y[window] = a["value"]
    return y


def update_invalid(dtype):
    for case in strided_invalid(dtype):
        yield Case(case.label, case.args | {"value": case.args["input"][0]}, case.attrs)
    x = values(np.random.default_rng(1), (4, 5), dtype)
    yield Case("value", {"input": x, **indices([0], [2], [1], np.int32), "value": x[0, :3]})


add(Row("TensorStridedSliceUpdate", FLOATS + INTS + WIDE + ("bool", "int32"), update_cases, update_reference, tol=exact,
        invalid=update_invalid, grad=("input",)))  # fmt: skip
