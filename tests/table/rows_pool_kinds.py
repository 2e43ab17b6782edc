"""The further kinds of pooling: sizes as tensors, second gradients, arg-max, three dimensions."""

import itertools

import numpy as np
import reference as ref
from row import FLOATS, Case, Row, add, float_tol, numpy_type, sum_tol, values
from rows_window import POOLS, fits_its_input, pool_attrs, pool_case


def sizes_as_tensors(case):
    """MaxPoolV2 takes its window and strides as arguments."""
    attrs = dict(case.attrs)
    args = case.args | {k: np.array(attrs.pop(k), np.int32) for k in ("ksize", "strides")}
    return Case(case.label, args, attrs, case.cpu)


def plain_pools(op, formats=("NHWC", "NCHW")):
    def cases(dtype, rng):
        for p, fmt in itertools.product(POOLS, formats):
            if isinstance(p[-1], str):
                yield pool_case(op, p, fmt, dtype, rng)

    return cases


def with_sizes(args, attr):
    return attr | {k: args[k] for k in ("ksize", "strides") if k in args}


add(
    Row(
        "MaxPoolV2",
        FLOATS,
        lambda d, rng: map(sizes_as_tensors, plain_pools("MaxPool")(d, rng)),
        lambda a, at: ref.max_pool(a["input"], with_sizes(a, at)),
        tol=float_tol(0, 0),
        awkward="numbers",  # as for MaxPool
        grad=("input",),
        grad_eps=16,
    )
)
add(
    Row(
        "MaxPoolGradV2",
        FLOATS,
        lambda d, rng: map(sizes_as_tensors, plain_pools("MaxPoolGrad")(d, rng)),
        lambda a, at: ref.max_pool_grad(a["orig_input"], a["grad"], with_sizes(a, at)),
        tol=sum_tol(4),
        scale=lambda a, at: ref.max_pool_grad(a["orig_input"], np.abs(a["grad"]), with_sizes(a, at)),
        strewn=("grad",),  # the output must be that of the input
        grad=("grad",),
        grad_eps=16,
    )
)


def second_case(p, fmt, dtype, rng):
    """The gradient of the gradient gathers, so its last argument has the input's shape."""
    case = pool_case("MaxPoolGrad", p, fmt, dtype, rng)
    return Case(
        case.label, case.args | {"grad": values(rng, case.args["orig_input"].shape, dtype)}, case.attrs, case.cpu
    )


def second_cases(dtype, rng):
    for p, fmt in itertools.product(POOLS, ("NHWC", "NCHW")):
        if isinstance(p[-1], str):
            yield second_case(p, fmt, dtype, rng)


def second_reference(a, attr):
    """At each window's first greatest element, the value of `grad`."""
    attr = with_sizes(a, attr)
    v, _, _, _ = ref.pool_windows(a["orig_input"], attr, -np.inf)
    g, _, _, _ = ref.pool_windows(a["grad"], attr, 0.0)
    n, oh, ow, kh, kw, c = v.shape
    flat = [np.moveaxis(t, 5, 3).reshape(n, oh, ow, c, kh * kw) for t in (v, g)]
    if not v.size:
        return ref.from_nhwc(np.zeros((n, oh, ow, c)), attr)
    return ref.from_nhwc(np.take_along_axis(flat[1], np.argmax(flat[0], 4)[..., None], 4)[..., 0], attr)


add(Row("MaxPoolGradGrad", FLOATS, second_cases, second_reference, tol=float_tol(0, 0), strewn=("grad",)))
add(
    Row(
        "MaxPoolGradGradV2",
        FLOATS,
        lambda d, rng: map(sizes_as_tensors, second_cases(d, rng)),
        second_reference,
        tol=float_tol(0, 0),
        strewn=("grad",),
    )
)


def argmax_cases(dtype, rng):
    for p, batch in itertools.product(POOLS, (False, True)):
        n, h, w, c, window, strides, padding = p
        if isinstance(padding, str) and n:
            attrs = pool_attrs(window, strides, padding, "NHWC") | {"include_batch_in_index": batch}
            del attrs["data_format"]
            x = pool_case("MaxPool", p, "NHWC", dtype, rng).args["input"]
            yield Case(f"{p} batch in index {batch}", {"input": x}, attrs)


def argmax_reference(a, attr):
    x = a["input"]
    n, h, w, c = x.shape
    v, _, _, _ = ref.pool_windows(x, attr, -np.inf)
    where = (
        np.arange(x.size).reshape(x.shape)
        if attr["include_batch_in_index"]
        else np.broadcast_to(np.arange(h * w * c).reshape(1, h, w, c), x.shape)
    )
    at, _, _, _ = ref.pool_windows(where.astype(np.float64), attr, -1.0)
    n, oh, ow, kh, kw, c = v.shape
    if not v.size:
        return np.zeros((n, oh, ow, c)), np.zeros((n, oh, ow, c), np.int64)
    flat = [np.moveaxis(t, 5, 3).reshape(n, oh, ow, c, kh * kw) for t in (v, at)]
    best = np.argmax(flat[0], 4)[..., None]
    return tuple(np.take_along_axis(t, best, 4)[..., 0] for t in flat[:1]) + (
        np.take_along_axis(flat[1], best, 4)[..., 0].astype(np.int64),
    )


add(Row("MaxPoolWithArgmax", FLOATS, argmax_cases, argmax_reference, tol=float_tol(0, 0), awkward="numbers"))


def with_places(op):
    """The gradients take the places that the forward pass kept."""

    def cases(dtype, rng):
        for case in argmax_cases(dtype, rng):
            x = case.args["input"]
            best, places = argmax_reference({"input": x.astype(np.float64)}, case.attrs)
            given = values(rng, best.shape if op == "MaxPoolGradWithArgmax" else x.shape, dtype)
            # The second gradient has no kernel on the CPU.
            yield Case(
                case.label, {"input": x, "grad": given, "argmax": places}, case.attrs, op == "MaxPoolGradWithArgmax"
            )

    return cases


def flat_places(a, attr):
    places = a["argmax"].astype(np.int64)
    if not attr["include_batch_in_index"]:
        places = places + (np.arange(len(places)) * a["input"][0].size).reshape(-1, 1, 1, 1)
    return places


def argmax_gradient(a, attr):
    dx = np.zeros(a["input"].size)
    np.add.at(dx, flat_places(a, attr).ravel(), a["grad"].ravel())
    return dx.reshape(a["input"].shape)


add(
    Row(
        "MaxPoolGradWithArgmax",
        FLOATS,
        with_places("MaxPoolGradWithArgmax"),
        argmax_gradient,
        tol=sum_tol(4),
        scale=lambda a, at: argmax_gradient(a | {"grad": np.abs(a["grad"])}, at),
    )
)
add(
    Row(
        "MaxPoolGradGradWithArgmax",
        FLOATS,
        with_places("MaxPoolGradGradWithArgmax"),
        lambda a, at: a["grad"].ravel()[flat_places(a, at)],
        tol=float_tol(0, 0),
    )
)

# n, d, h, w, c, window, strides, padding
VOLUMES = [
    (1, 4, 4, 4, 1, (2, 2, 2), (2, 2, 2), "VALID"),
    (2, 5, 6, 7, 3, (2, 3, 2), (1, 2, 3), "SAME"),
    (2, 3, 5, 4, 5, (3, 3, 3), (2, 2, 2), "SAME"),
    (1, 6, 5, 4, 2, (2, 1, 4), (3, 2, 1), "VALID"),
]


def volume_attrs(window, strides, padding):
    return {"ksize": [1, *window, 1], "strides": [1, *strides, 1], "padding": padding, "data_format": "NDHWC"}


def out_sizes(size, window, strides, padding):
    if padding == "SAME":
        return tuple(-(-s // t) for s, t in zip(size, strides, strict=True))
    return tuple((s - k) // t + 1 for s, k, t in zip(size, window, strides, strict=True))


def volume_case(op, p, dtype, rng):
    n, d, h, w, c, window, strides, padding = p
    attrs, shape = volume_attrs(window, strides, padding), (n, d, h, w, c)
    pooled = (n, *out_sizes((d, h, w), window, strides, padding), c)
    # No two equal values in a window, in any type: what a tie gives is not defined.
    block = rng.permutation(64).reshape(4, 4, 4) - 32.0
    x = np.tile(block[None, :, :, :, None], (n, 2, 2, 2, c))[:, :d, :h, :w].astype(numpy_type(dtype))
    label = f"{shape} by {window} strides {strides} {padding}"
    if op in ("MaxPool3D", "AvgPool3D"):
        return Case(label, {"input": x}, attrs)
    if op == "AvgPool3DGrad":
        return Case(label, {"orig_input_shape": np.array(shape, np.int32), "grad": values(rng, pooled, dtype)}, attrs)
    best = volume_windows(x.astype(np.float64), attrs, -np.inf).max(axis=-1).astype(x.dtype)
    back = values(rng, shape if op == "MaxPool3DGradGrad" else pooled, dtype)
    return Case(label, {"orig_input": x, "orig_output": best, "grad": back}, attrs)


def volume_windows(x, attr, fill):
    """[n, d, h, w, c] -> [n, od, oh, ow, c, window]"""
    window, strides = attr["ksize"][1:4], attr["strides"][1:4]
    pads = [(0, 0)] * 3
    if attr["padding"] == "SAME":
        pads = [ref.same_padding(s, k, t) for s, k, t in zip(x.shape[1:4], window, strides, strict=True)]
    p = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    v = np.lib.stride_tricks.sliding_window_view(p, window, axis=(1, 2, 3))[
        :, :: strides[0], :: strides[1], :: strides[2]
    ]
    return v.reshape(*v.shape[:5], -1)


def volume_average(a, attr):
    v, ones = (volume_windows(t, attr, 0.0) for t in (a["input"], np.ones_like(a["input"])))
    return v.sum(-1) / ones.sum(-1)


def volume_scatter(shape, weights, attr):
    """Adds weights [..., window] back to where volume_windows() read."""
    window, strides = attr["ksize"][1:4], attr["strides"][1:4]
    pads = [(0, 0)] * 3
    if attr["padding"] == "SAME":
        pads = [ref.same_padding(s, k, t) for s, k, t in zip(shape[1:4], window, strides, strict=True)]
    full = np.zeros([shape[0], *(s + sum(q) for s, q in zip(shape[1:4], pads, strict=True)), shape[4]])
    od, oh, ow = weights.shape[1:4]
    for n, (i, j, k) in enumerate(np.ndindex(*window)):
        full[
            :,
            i : i + od * strides[0] : strides[0],
            j : j + oh * strides[1] : strides[1],
            k : k + ow * strides[2] : strides[2],
        ] += weights[..., n]
    at = tuple(slice(q[0], q[0] + s) for s, q in zip(shape[1:4], pads, strict=True))
    return full[(slice(None), *at)]


def volume_average_grad(a, attr):
    shape = [int(s) for s in a["orig_input_shape"]]
    ones = volume_windows(np.ones(shape), attr, 0.0)
    return volume_scatter(shape, np.broadcast_to((a["grad"] / ones.sum(-1))[..., None], ones.shape), attr)


def first_greatest(x, attr):
    v = volume_windows(x, attr, -np.inf)
    return np.arange(v.shape[-1]) == np.argmax(v, -1)[..., None]


def volume_max_grad(a, attr):
    return volume_scatter(a["orig_input"].shape, first_greatest(a["orig_input"], attr) * a["grad"][..., None], attr)


def volume_max_second(a, attr):
    return np.sum(first_greatest(a["orig_input"], attr) * volume_windows(a["grad"], attr, 0.0), -1)


def add_volume(op, reference, scale=None, grad=()):
    def cases(dtype, rng):
        return [volume_case(op, p, dtype, rng) for p in VOLUMES]

    add(
        Row(
            op,
            FLOATS,
            cases,
            reference,
            tol=sum_tol(4) if scale else float_tol(0, 0),
            scale=scale,
            grad=grad,
            grad_eps=16,
            strewn=("grad",) if op.startswith("MaxPool3DGrad") else None,  # the output must be that of the input
            awkward="numbers" if op == "MaxPool3D" else "all",
            stricter=("Sliding window",),
            beside=fits_its_input,
        )
    )


def magnitudes(reference, name):
    return lambda a, attr: reference(a | {name: np.abs(a[name])}, attr)


add_volume("MaxPool3D", lambda a, at: volume_windows(a["input"], at, -np.inf).max(-1))
add_volume("MaxPool3DGrad", volume_max_grad, magnitudes(volume_max_grad, "grad"))
add_volume("MaxPool3DGradGrad", volume_max_second)
add_volume("AvgPool3D", volume_average, magnitudes(volume_average, "input"))
add_volume("AvgPool3DGrad", volume_average_grad, magnitudes(volume_average_grad, "grad"))
