"""Patches of images and volumes, and three-dimensional convolution with its gradients, by walking the windows' taps."""

import itertools

import numpy as np
from row import FLOATS, WIDE, Case, Row, Tol, add, sum_tol, values


def axis(n, window, stride, rate, padding):
    """(outputs, padding before, padding after) of one axis."""
    reach = (window - 1) * rate + 1
    if padding == "VALID":
        return (n - reach) // stride + 1, 0, 0
    out = -(-n // stride)
    pad = max(0, (out - 1) * stride + reach - n)
    return out, pad // 2, pad - pad // 2


def taps(shape, window, stride, rate, padding):
    """For each tap of the window: its index, and where a padded tensor is read for it; and the padding."""
    axes = [axis(*a, padding) for a in zip(shape, window, stride, rate, strict=True)]
    where = []
    for tap in itertools.product(*map(range, window)):
        starts = [t * r for t, r in zip(tap, rate, strict=True)]
        slices = [
            slice(b, b + (out - 1) * s + 1, s) if out > 0 else slice(0, 0)
            for b, s, (out, _, _) in zip(starts, stride, axes, strict=True)
        ]
        where.append((tap, (slice(None), *slices)))
    return where, [(0, 0), *((before, after) for _, before, after in axes), (0, 0)]


# ---- patches ----
def patches(a, attrs):
    x = next(iter(a.values()))
    inner = [attrs[k][1:-1] for k in ("ksizes", "strides")]
    where, pads = taps(x.shape[1:-1], *inner, attrs.get("rates", [1] * x.ndim)[1:-1], attrs["padding"])
    padded = np.pad(x, pads)
    return np.concatenate([padded[at] for _, at in where], axis=-1)


# shape, window, strides, rates
IMAGES = [
    ((1, 5, 5, 1), (3, 3), (1, 1), (1, 1)), ((2, 7, 9, 3), (3, 2), (2, 3), (1, 1)), ((2, 9, 8, 5), (2, 3), (1, 2), (2, 3)),
    ((0, 6, 6, 2), (2, 2), (1, 1), (1, 1)), ((3, 4, 4, 2), (4, 4), (1, 1), (1, 1)), ((1, 33, 29, 3), (5, 5), (4, 4), (1, 1)),
]  # fmt: skip
VOLUMES = [
    ((1, 3, 4, 5, 1), (2, 2, 2), (1, 1, 1)), ((2, 5, 4, 6, 3), (3, 1, 2), (2, 1, 3)), ((1, 6, 5, 7, 2), (3, 3, 3), (1, 2, 2)),
]  # fmt: skip


def around(v):
    return [1, *v, 1]


def patch_cases(op):
    def cases(dtype, rng):
        for shape, window, strides, *rates in IMAGES if op == "ExtractImagePatches" else VOLUMES:
            for padding in ("SAME", "VALID"):
                attrs = {"ksizes": around(window), "strides": around(strides), "padding": padding}
                attrs |= {"rates": around(rates[0])} if rates else {}
                name = "images" if rates else "input"
                if dtype == "complex64":
                    x = (values(rng, shape, "float32") + 1j * values(rng, shape, "float32")).astype(dtype)
                else:
                    x = values(rng, shape, dtype)
                yield Case(f"{shape} {window} {strides} {rates} {padding}", {name: x}, attrs, cpu=dtype != "bool")

    return cases


def patch_invalid(op):
    def invalid(dtype):
        if dtype == "bool":  # the CPU has no kernel
            return
        good = next(iter(patch_cases(op)(dtype, np.random.default_rng(1))))
        name, x = next(iter(good.args.items()))
        rank = x.ndim
        yield Case("rank", {name: x[0]}, good.attrs)
        yield Case("window on batch", good.args, good.attrs | {"ksizes": [2] + [1] * (rank - 1)})
        yield Case("stride 0", good.args, good.attrs | {"strides": [1, 0] + [1] * (rank - 2)})
        yield Case("two strides", good.args, good.attrs | {"strides": [1, 1]})

    return invalid


# Their gradients are not among the device's ops: TensorFlow builds them of sparse products.
for op, types in (("ExtractImagePatches", (*FLOATS, *WIDE, "bool")), ("ExtractVolumePatches", (*FLOATS, "float64"))):
    add(Row(op, types, patch_cases(op), patches, tol=lambda _: Tol(), invalid=patch_invalid(op)))

# ---- convolution ----
# input, filter, strides, dilations, padding
CONVS = [
    ((1, 3, 3, 3, 1), (1, 1, 1, 1, 1), (1, 1, 1), (1, 1, 1), "VALID"),
    ((2, 4, 5, 6, 3), (3, 3, 3, 3, 4), (1, 1, 1), (1, 1, 1), "SAME"),
    ((2, 5, 7, 6, 2), (2, 3, 1, 2, 5), (1, 2, 1), (1, 1, 1), "VALID"),
    ((1, 6, 7, 8, 3), (3, 2, 3, 3, 2), (2, 3, 2), (1, 1, 1), "SAME"),
    ((2, 3, 4, 5, 6), (1, 1, 1, 6, 7), (1, 1, 1), (1, 1, 1), "VALID"),
    ((2, 3, 4, 5, 6), (1, 1, 1, 6, 7), (2, 2, 1), (1, 1, 1), "SAME"),
    ((1, 7, 7, 6, 2), (2, 2, 2, 2, 3), (1, 1, 1), (2, 3, 2), "SAME"),
    ((1, 4, 4, 4, 6), (2, 2, 2, 3, 4), (1, 1, 1), (1, 1, 1), "VALID"),
    ((0, 3, 3, 3, 2), (2, 2, 2, 2, 3), (1, 1, 1), (1, 1, 1), "VALID"),
    ((2, 10, 11, 12, 16), (3, 3, 3, 16, 5), (1, 1, 1), (1, 1, 1), "SAME"),
]  # fmt: skip
FIRST = (0, 4, 1, 2, 3)
LAST = (0, 2, 3, 4, 1)


def first(x, fmt):
    return x.transpose(FIRST) if fmt == "NCDHW" else x


def last(x, fmt):
    return x.transpose(LAST) if fmt == "NCDHW" else x


def spatial(v, fmt):
    return v[2:] if fmt == "NCDHW" else v[1:-1]


def walk(x_shape, w_shape, attrs):
    fmt = attrs["data_format"]
    return taps(x_shape[1:-1], w_shape[:3], spatial(attrs["strides"], fmt), spatial(attrs["dilations"], fmt),
                attrs["padding"])  # fmt: skip


def grouped(x, groups):
    return x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)


def conv(x, w, attrs):
    where, pads = walk(x.shape, w.shape, attrs)
    groups = x.shape[-1] // w.shape[3]
    padded = grouped(np.pad(x, pads), groups)
    y = sum(np.einsum("...gc,cgk->...gk", padded[at], grouped(w[tap], groups)) for tap, at in where)
    return y.reshape(*y.shape[:-2], w.shape[4])


def to_input(x_shape, w, dy, attrs):
    where, pads = walk(x_shape, w.shape, attrs)
    groups = x_shape[-1] // w.shape[3]
    padded = np.zeros([n + sum(p) for n, p in zip(x_shape, pads, strict=True)])
    view = grouped(padded, groups)
    for tap, at in where:
        view[at] += np.einsum("...gk,cgk->...gc", grouped(dy, groups), grouped(w[tap], groups))
    return padded[tuple(slice(b, b + n) for n, (b, _) in zip(x_shape, pads, strict=True))]


def to_filter(x, w_shape, dy, attrs):
    where, pads = walk(x.shape, w_shape, attrs)
    groups = x.shape[-1] // w_shape[3]
    padded = grouped(np.pad(x, pads), groups)
    w = np.zeros(w_shape)
    for tap, at in where:
        w[tap] = np.einsum("ndhwgc,ndhwgk->cgk", padded[at], grouped(dy, groups)).reshape(w_shape[3:])
    return w


def reference(op):
    def forward(a, attrs):
        fmt = attrs["data_format"]
        return first(conv(last(a["input"], fmt), a["filter"], attrs), fmt)

    def backprop_input(a, attrs):
        fmt = attrs["data_format"]
        shape = [int(s) for s in a["input_sizes"]]
        shape = [shape[i] for i in LAST] if fmt == "NCDHW" else shape
        return first(to_input(shape, a["filter"], last(a["out_backprop"], fmt), attrs), fmt)

    def backprop_filter(a, attrs):
        fmt = attrs["data_format"]
        shape = tuple(int(s) for s in a["filter_sizes"])
        return to_filter(last(a["input"], fmt), shape, last(a["out_backprop"], fmt), attrs)

    return forward if op == "Conv3D" else backprop_input if "Input" in op else backprop_filter


def conv_case(op, p, fmt, dtype, rng):
    x_shape, w_shape, strides, dilations, padding = p

    def per_axis(v):
        return [1, 1, *v] if fmt == "NCDHW" else [1, *v, 1]

    attrs = {"strides": per_axis(strides), "dilations": per_axis(dilations), "padding": padding, "data_format": fmt}
    x, w = values(rng, x_shape, dtype, -2, 2), values(rng, w_shape, dtype, -1, 1)
    out = [axis(*a, padding)[0] for a in zip(x_shape[1:-1], w_shape[:3], strides, dilations, strict=True)]
    dy = first(values(rng, (x_shape[0], *out, w_shape[4]), dtype, -1, 1), fmt)
    x = first(x, fmt)
    sizes = {"input_sizes": np.array(x.shape, np.int32), "filter_sizes": np.array(w_shape, np.int32)}
    args = {"Conv3D": {"input": x, "filter": w},
            "Conv3DBackpropInputV2": {"input_sizes": sizes["input_sizes"], "filter": w, "out_backprop": dy},
            "Conv3DBackpropFilterV2": {"input": x, "filter_sizes": sizes["filter_sizes"], "out_backprop": dy}}[op]  # fmt: skip
    plain = fmt == "NDHWC" and dilations == (1, 1, 1) and x_shape[4] == w_shape[3]
    return Case(
        f"{x_shape} by {w_shape} strides {strides} dilations {dilations} {padding} {fmt}", args, attrs, cpu=plain
    )


def conv_invalid(op, dtype):
    good = conv_case(op, CONVS[1], "NDHWC", dtype, np.random.default_rng(1))
    name = "out_backprop" if op == "Conv3DBackpropInputV2" else "input"
    yield Case("rank 4", good.args | {name: good.args[name][0]}, good.attrs)
    yield Case("stride on channels", good.args, good.attrs | {"strides": [1, 1, 1, 1, 2]})
    yield Case("three strides", good.args, good.attrs | {"strides": [1, 1, 1]})
    yield Case("stride 0", good.args, good.attrs | {"strides": [1, 0, 1, 1, 1]})
    if "out_backprop" in good.args:
        yield Case(
            "gradient of another size", good.args | {"out_backprop": good.args["out_backprop"][:, :2]}, good.attrs
        )
    else:
        yield Case("channels", good.args | {"input": good.args["input"][..., :2]}, good.attrs)


def add_conv(op, grad):
    f = reference(op)

    def cases(dtype, rng):
        for p in CONVS:
            for fmt in ("NDHWC", "NCDHW"):
                yield conv_case(op, p, fmt, dtype, rng)

    def scale(a, attrs):
        return f({k: np.abs(v) if v.dtype.kind == "f" else v for k, v in a.items()}, attrs)

    add(
        Row(
            op,
            FLOATS,
            cases,
            f,
            tol=sum_tol(6),
            scale=scale,
            grad=grad,
            grad_eps=64,
            invalid=lambda d: conv_invalid(op, d),
            awkward="finite",
        )
    )


add_conv("Conv3D", ("input", "filter"))
add_conv("Conv3DBackpropInputV2", ("filter", "out_backprop"))
add_conv("Conv3DBackpropFilterV2", ("input", "out_backprop"))
