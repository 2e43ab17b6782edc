"""Slices, padding, reversal, gathering: ops that read or write a window or chosen places of a tensor."""

import numpy as np
from row import FLOATS, INTS, WIDE, Case, Row, Tol, add, random_shape, values

BYTES = FLOATS + INTS + ("bool",)
MASKS = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")


def exact(_):
    return Tol()


# shape, begin, end, strides, masks by name
WINDOWS = [
    ((10,), [2], [7], [1], {}), ((10,), [8], [2], [-2], {}), ((10,), [0], [0], [-1], {"begin_mask": 1, "end_mask": 1}),
    ((10,), [-3], [100], [1], {}), ((10,), [5], [2], [1], {}), ((10,), [3], [0], [1], {"shrink_axis_mask": 1}),
    ((4, 5), [1, 0], [3, 5], [1, 2], {}), ((4, 5), [0, -1], [4, -6], [2, -1], {}), ((4, 5), [0, 2], [0, 3], [1, 1], {"ellipsis_mask": 1}),
    ((4, 5), [0, 1, 0], [0, 3, 0], [1, 1, 1], {"new_axis_mask": 1, "begin_mask": 4, "end_mask": 4}),
    ((2, 3, 4), [1, 0, 1], [2, 3, 3], [1, 1, 1], {"shrink_axis_mask": 1}), ((2, 3, 4), [0], [0], [1], {"ellipsis_mask": 1}),
    ((2, 3, 4), [0, 0, 2], [0, 0, 3], [1, 1, 1], {"ellipsis_mask": 1, "new_axis_mask": 2, "shrink_axis_mask": 4}),
    ((3, 4, 5, 6), [0, 1, 2, 1], [3, 4, 5, 6], [1, 2, 2, 3], {}), ((3, 4, 5, 6), [2, 3, 4, 5], [-4, -5, -6, -7], [-1, -1, -2, -3], {}),
    ((2, 3, 2, 3, 4), [0, 0, 0, 0, 1], [2, 3, 2, 3, 4], [1, 2, 1, 1, 2], {}), ((0, 3), [0, 0], [0, 2], [1, 1], {}),
    ((2, 3, 2, 3, 2, 4), [0, 1, 0, 0, 0, 1], [2, 3, 2, 3, 2, 4], [1, 1, 1, 2, 1, 2], {}), ((300, 70), [1, 3], [300, 70], [2, 1], {}),
    ((5, 4), [1], [4], [1], {}), ((), [0], [0], [1], {"new_axis_mask": 1}),
]  # fmt: skip


def window_slices(rank, begin, end, strides, masks):
    """The NumPy index that a strided slice means."""
    bit = {m: masks.get(m, 0) for m in MASKS}
    index = []
    for i, (b, e, s) in enumerate(zip(begin, end, strides, strict=True)):
        if bit["ellipsis_mask"] >> i & 1:
            index.append(Ellipsis)
        elif bit["new_axis_mask"] >> i & 1:
            index.append(np.newaxis)
        elif bit["shrink_axis_mask"] >> i & 1:
            index.append(int(b))
        else:
            index.append(
                slice(
                    None if bit["begin_mask"] >> i & 1 else int(b), None if bit["end_mask"] >> i & 1 else int(e), int(s)
                )
            )
    if Ellipsis not in [x for x in index if x is Ellipsis]:
        index.append(Ellipsis)
    return tuple(index)


def indices(begin, end, strides, kind):
    return {"begin": np.array(begin, kind), "end": np.array(end, kind), "strides": np.array(strides, kind)}


def strided_cases(dtype, rng):
    for n, (shape, b, e, s, masks) in enumerate(WINDOWS):
        yield Case(
            f"{shape}[{b}:{e}:{s}] {masks}",
            {"input": values(rng, shape, dtype), **indices(b, e, s, (np.int32, np.int64)[n % 2])},
            masks,
        )


def strided_reference(a, attr):
    return a["input"][window_slices(a["input"].ndim, a["begin"], a["end"], a["strides"], attr)]


def strided_invalid(dtype):
    x = values(np.random.default_rng(1), (4, 5), dtype)
    yield Case("stride 0", {"input": x, **indices([0], [2], [0], np.int32)})
    yield Case("too many indices", {"input": x, **indices([0, 0, 0], [1, 1, 1], [1, 1, 1], np.int32)})
    yield Case(
        "lengths differ",
        {
            "input": x,
            "begin": np.array([0], np.int32),
            "end": np.array([1, 2], np.int32),
            "strides": np.array([1], np.int32),
        },
    )
    yield Case("index out of range", {"input": x, **indices([7], [8], [1], np.int32)}, {"shrink_axis_mask": 1})
    yield Case("two ellipses", {"input": x, **indices([0, 0], [1, 1], [1, 1], np.int32)}, {"ellipsis_mask": 3})
    yield Case("backwards shrink", {"input": x, **indices([1], [0], [-1], np.int32)}, {"shrink_axis_mask": 1})


def draw_window(rng):
    shape = tuple(max(1, d) for d in random_shape(rng, 5))
    b = [int(rng.integers(-d - 1, d + 2)) for d in shape]
    e = [int(rng.integers(-d - 1, d + 2)) for d in shape]
    s = [int(rng.choice([-3, -2, -1, 1, 1, 1, 2, 3])) for _ in shape]
    keep = (1 << len(shape)) - 1
    return shape, b, e, s, {"begin_mask": int(rng.integers(0, 64)) & keep, "end_mask": int(rng.integers(0, 64)) & keep}


def strided_fuzz(dtype, rng):
    shape, b, e, s, masks = draw_window(rng)
    return Case(
        f"{shape}[{b}:{e}:{s}] {masks}", {"input": values(rng, shape, dtype), **indices(b, e, s, np.int32)}, masks
    )


add(
    Row(
        "StridedSlice",
        BYTES + WIDE + ("int32",),
        strided_cases,
        strided_reference,
        tol=exact,
        grad=("input",),
        invalid=strided_invalid,
        fuzz=strided_fuzz,
    )
)


def strided_grad_case(shape, b, e, s, masks, dtype, rng, kind):
    window = np.zeros(shape)[window_slices(len(shape), b, e, s, masks)].shape
    args = {"shape": np.array(shape, kind), **indices(b, e, s, kind), "dy": values(rng, window, dtype)}
    return Case(f"{shape}[{b}:{e}:{s}] {masks}", args, masks)


def strided_grad_cases(dtype, rng):
    for n, (shape, b, e, s, masks) in enumerate(WINDOWS):
        yield strided_grad_case(shape, b, e, s, masks, dtype, rng, (np.int32, np.int64)[n % 2])


def strided_grad_reference(a, attr):
    y = np.zeros(tuple(a["shape"]), a["dy"].dtype)
    y[window_slices(y.ndim, a["begin"], a["end"], a["strides"], attr)] = a["dy"]
    return y


def strided_grad_invalid(dtype):
    dy = values(np.random.default_rng(1), (3,), dtype)
    yield Case(
        "gradient of another shape", {"shape": np.array([9], np.int32), **indices([0], [2], [1], np.int32), "dy": dy}
    )


add(Row("StridedSliceGrad", BYTES + WIDE + ("int32",), strided_grad_cases, strided_grad_reference, tol=exact, grad=("dy",), invalid=strided_grad_invalid,
        fuzz=lambda d, rng: strided_grad_case(*draw_window(rng), d, rng, np.int32)))  # fmt: skip

SLICES = [((), [], []), ((7,), [2], [3]), ((7,), [7], [0]), ((4, 5), [1, 0], [2, -1]), ((4, 5), [0, 0], [-1, -1]), ((2, 3, 4), [1, 1, 1], [1, 2, 3]),
          ((2, 3, 2, 3, 2), [0, 1, 0, 1, 0], [2, 2, 1, 2, 2]), ((0, 3), [0, 1], [0, 2]), ((300, 65), [3, 1], [290, 64]),
          ((2, 3, 2, 3, 2, 2), [0, 1, 0, 1, 0, 1], [2, 2, 1, 2, 2, 1])]  # fmt: skip


def slice_cases(dtype, rng):
    for n, (shape, begin, size) in enumerate(SLICES):
        kind = (np.int32, np.int64)[n % 2]
        yield Case(
            f"{shape} from {begin} of {size}",
            {"input": values(rng, shape, dtype), "begin": np.array(begin, kind), "size": np.array(size, kind)},
        )


def slice_reference(a, _):
    x = a["input"]
    return x[tuple(slice(int(b), None if s < 0 else int(b + s)) for b, s in zip(a["begin"], a["size"], strict=True))]


def slice_invalid(dtype):
    x = values(np.random.default_rng(1), (4, 5), dtype)
    for label, begin, size in (("too far", [3, 0], [2, 1]), ("negative begin", [-1, 0], [1, 1]), ("rank", [0], [1])):
        yield Case(label, {"input": x, "begin": np.array(begin, np.int32), "size": np.array(size, np.int32)})


add(
    Row(
        "Slice",
        FLOATS + WIDE + ("bool", "int8", "int64"),
        slice_cases,
        slice_reference,
        tol=exact,
        grad=("input",),
        invalid=slice_invalid,
    )
)

PADS = [((), []), ((3,), [(1, 2)]), ((3,), [(0, 0)]), ((2, 3), [(0, 1), (2, 0)]), ((0, 3), [(1, 1), (0, 0)]), ((2, 3, 4), [(1, 1), (0, 0), (2, 3)]),
        ((2, 5, 5, 3), [(0, 0), (1, 2), (3, 1), (0, 0)]), ((2, 1, 2, 1, 2), [(1, 0)] * 5), ((2, 1, 2, 1, 2, 2), [(0, 1)] * 6), ((259, 3), [(5, 6), (1, 1)])]  # fmt: skip


def pad_cases(dtype, rng, value=False):
    for n, (shape, pads) in enumerate(PADS):
        args = {
            "input": values(rng, shape, dtype),
            "paddings": np.array(pads, (np.int32, np.int64)[n % 2]).reshape(len(shape), 2),
        }
        yield Case(f"{shape} {pads}", args | ({"constant_values": values(rng, (), dtype)} if value else {}))


def pad_invalid(dtype, value=False):
    x = values(np.random.default_rng(1), (2, 3), dtype)
    more = {"constant_values": np.ones((), x.dtype)} if value else {}
    yield Case("negative", {"input": x, "paddings": np.array([[0, -1], [0, 0]], np.int32)} | more)
    yield Case("of another rank", {"input": x, "paddings": np.array([[0, 1]], np.int32)} | more)


def pad_reference(a, _):
    return (
        np.pad(a["input"], [tuple(p) for p in a["paddings"]], constant_values=a.get("constant_values", 0))
        if a["input"].ndim
        else a["input"]
    )


PAD_TYPES = FLOATS + WIDE + ("bool", "int8", "int32", "int64", "uint8")
add(Row("Pad", PAD_TYPES, pad_cases, pad_reference, tol=exact, grad=("input",), invalid=pad_invalid))
add(Row("PadV2", PAD_TYPES, lambda d, rng: pad_cases(d, rng, True), pad_reference, tol=exact, grad=("input",),
        invalid=lambda d: pad_invalid(d, True)))  # fmt: skip


def mirror_cases(dtype, rng):
    for mode in ("REFLECT", "SYMMETRIC"):
        for shape, pads in (
            ((5,), [(2, 3)]),
            ((4, 5), [(0, 3), (2, 1)]),
            ((2, 6, 5, 3), [(0, 0), (2, 1), (1, 3), (0, 0)]),
            ((3, 3, 3), [(1, 1)] * 3),
        ):
            yield Case(
                f"{shape} {pads} {mode}",
                {"input": values(rng, shape, dtype), "paddings": np.array(pads, np.int32)},
                {"mode": mode},
            )


add(Row("MirrorPad", FLOATS + ("float64",), mirror_cases, tol=exact,
        reference=lambda a, at: np.pad(a["input"], [tuple(p) for p in a["paddings"]], mode=at["mode"].lower())))  # fmt: skip


def reverse_cases(dtype, rng):
    for shape, axis in (
        ((5,), [0]),
        ((3, 4), [1]),
        ((3, 4), [0, -1]),
        ((3, 4), []),
        ((2, 3, 4), [1]),
        ((2, 0), [0]),
        ((2, 3, 2, 3), [0, 2, 3]),
        ((65, 33, 3), [1]),
    ):
        yield Case(f"{shape} on {axis}", {"tensor": values(rng, shape, dtype), "axis": np.array(axis, np.int32)})


def reverse_invalid(dtype):
    x = values(np.random.default_rng(1), (2, 3), dtype)
    yield Case("out of range", {"tensor": x, "axis": np.array([2], np.int32)})
    yield Case("twice", {"tensor": x, "axis": np.array([1, -1], np.int32)})


add(Row("ReverseV2", FLOATS + WIDE + ("bool", "int8", "int32", "int64", "uint8"), reverse_cases, lambda a, _: np.flip(a["tensor"], tuple(int(i) for i in a["axis"])),
        tol=exact, grad=("tensor",), invalid=reverse_invalid))  # fmt: skip


def gather_cases(dtype, rng):
    for n, (shape, ids, axis, batch) in enumerate((((5,), (3,), 0, 0), ((5, 3), (), 0, 0), ((5, 3), (4,), 1, 0), ((5, 3), (2, 2), -1, 0), ((4, 0), (3,), 0, 0),
                                                   ((4, 5, 6), (7,), 1, 0), ((4, 5, 6), (4, 3), 1, 1), ((2, 3, 4, 5), (2, 3, 2), 2, 2), ((300, 70), (40,), 0, 0),
                                                   ((5, 3), (0,), 0, 0))):  # fmt: skip
        where = np.asarray(rng.integers(0, shape[axis], ids)).astype((np.int32, np.int64)[n % 2])
        yield Case(f"{shape} at {ids} on {axis}, batch {batch}", {"params": values(rng, shape, dtype), "indices": where, "axis": np.array(axis, np.int32)},
                   {"batch_dims": batch})  # fmt: skip


def gather_reference(a, attr):
    batch, axis = attr["batch_dims"], int(a["axis"]) % a["params"].ndim
    if not batch:
        return np.take(a["params"], a["indices"], axis)
    lead = a["params"].shape[:batch]
    return np.stack([np.take(a["params"][i], a["indices"][i], axis - batch) for i in np.ndindex(lead)]).reshape(
        a["params"].shape[:axis] + a["indices"].shape[batch:] + a["params"].shape[axis + 1 :])  # fmt: skip


add(Row("GatherV2", FLOATS + WIDE + ("bool", "int32", "int64"), gather_cases, gather_reference, tol=exact,
        key=lambda c: c["Tparams"]))  # fmt: skip


def gather_v1_cases(dtype, rng):
    for case in gather_cases(dtype, rng):
        if case.args["axis"] == 0 and not case.attrs["batch_dims"]:
            yield Case(case.label, {k: case.args[k] for k in ("params", "indices")})


add(Row("Gather", FLOATS + WIDE + ("bool", "int32", "int64"), gather_v1_cases, lambda a, _: np.take(a["params"], a["indices"], 0), tol=exact,
        key=lambda c: c["Tparams"]))  # fmt: skip


def reverse_v1_cases(dtype, rng):
    for shape in ((5,), (3, 4), (2, 3, 4), (2, 0), (2, 3, 2, 3), (65, 33, 3)):
        for dims in (rng.random(len(shape)) < 0.5, np.ones(len(shape), bool), np.zeros(len(shape), bool)):
            yield Case(f"{shape} {dims}", {"tensor": values(rng, shape, dtype), "dims": dims})


add(Row("Reverse", FLOATS + WIDE + ("bool", "int8", "int32", "uint8"), reverse_v1_cases,
        lambda a, _: np.flip(a["tensor"], tuple(int(i) for i in np.flatnonzero(a["dims"]))), tol=exact))  # fmt: skip
