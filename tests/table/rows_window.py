"""Convolution and pooling with their gradients: every attribute, both layouts, odd sizes."""

import numpy as np
import reference as ref
from row import FLOATS, Case, Row, add, distinct, float_tol, special_values, sum_tol, values

# n, h, w, c, kernel h, w, output channels, strides, dilations, padding, groups
CONVS = [
    (1, 5, 5, 1, 3, 3, 1, (1, 1), (1, 1), "SAME", 1), (2, 8, 8, 3, 3, 3, 8, (1, 1), (1, 1), "SAME", 1),
    (2, 8, 8, 3, 3, 3, 8, (1, 1), (1, 1), "VALID", 1), (3, 7, 9, 4, 3, 5, 5, (2, 1), (1, 1), "SAME", 1),
    (2, 9, 8, 5, 2, 3, 7, (2, 3), (1, 1), "VALID", 1), (1, 10, 10, 2, 1, 1, 6, (3, 3), (1, 1), "SAME", 1),
    (1, 10, 11, 2, 2, 2, 3, (4, 5), (1, 1), "VALID", 1), (2, 12, 12, 3, 3, 3, 4, (1, 1), (2, 2), "SAME", 1),
    (2, 13, 12, 3, 3, 2, 4, (1, 1), (3, 2), "VALID", 1), (1, 11, 11, 3, 3, 3, 4, (1, 1), (2, 1), [(2, 1), (0, 3)], 1),
    (2, 6, 6, 3, 3, 3, 4, (2, 2), (1, 1), [(1, 0), (0, 1)], 1), (2, 6, 6, 4, 1, 1, 16, (1, 1), (1, 1), "VALID", 1),
    (1, 16, 16, 3, 11, 11, 4, (4, 4), (1, 1), "SAME", 1), (1, 7, 7, 2, 7, 7, 3, (1, 1), (1, 1), "VALID", 1),
    (1, 3, 3, 2, 5, 5, 2, (1, 1), (1, 1), "SAME", 1), (2, 6, 6, 4, 3, 3, 6, (1, 1), (1, 1), "SAME", 2),
    (2, 6, 7, 6, 3, 3, 6, (2, 1), (1, 1), "VALID", 6), (0, 5, 5, 2, 3, 3, 4, (1, 1), (1, 1), "SAME", 1),
    (2, 1, 17, 3, 1, 5, 4, (1, 2), (1, 1), "SAME", 1), (1, 14, 14, 32, 3, 3, 33, (1, 1), (1, 1), "SAME", 1),
    (4, 9, 9, 17, 3, 3, 65, (1, 1), (1, 1), "VALID", 1), (64, 8, 8, 1, 3, 3, 16, (1, 1), (1, 1), "SAME", 1),
]  # fmt: skip
FORMATS = ("NHWC", "NCHW")


def conv_attrs(strides, dilations, padding, fmt):
    def per_axis(hw):
        return [1, *hw, 1] if fmt == "NHWC" else [1, 1, *hw]

    attrs = {"strides": per_axis(strides), "dilations": per_axis(dilations), "data_format": fmt}
    if isinstance(padding, str):
        return attrs | {"padding": padding}
    flat = [p for pair in padding for p in pair]
    explicit = [0, 0, *flat, 0, 0] if fmt == "NHWC" else [0, 0, 0, 0, *flat]
    return attrs | {"padding": "EXPLICIT", "explicit_paddings": explicit}


def nhwc(shape, fmt):
    return shape if fmt == "NHWC" else (shape[0], shape[3], shape[1], shape[2])


def conv_label(p, fmt):
    n, h, w, c, kh, kw, k, strides, dilations, padding, groups = p
    return f"{n}x{h}x{w}x{c} by {kh}x{kw}x{k} strides {strides} dilations {dilations} {padding} groups {groups} {fmt}"


def conv_case(op, p, fmt, dtype, rng):
    n, h, w, c, kh, kw, k, strides, dilations, padding, groups = p
    attrs = conv_attrs(strides, dilations, padding, fmt)
    x_shape, w_shape = (n, h, w, c), (kh, kw, c // groups, k)
    stride, dilation, pads = ref.geometry((h, w), (kh, kw), conv_attrs(strides, dilations, padding, "NHWC"))
    y_shape = (
        n,
        *(
            max(0, (s + sum(q) - (m - 1) * d - 1) // t + 1)
            for s, q, m, d, t in zip((h, w), pads, (kh, kw), dilation, stride, strict=True)
        ),
        k,
    )
    x = {"input": values(rng, nhwc(x_shape, fmt), dtype, -2, 2)}
    filters = {"filter": values(rng, w_shape, dtype, -1, 1)}
    dy = {"out_backprop": values(rng, nhwc(y_shape, fmt), dtype, -1, 1)}
    args = {"Conv2D": x | filters,
            "Conv2DBackpropFilter": x | {"filter_sizes": np.array(w_shape, np.int32)} | dy,
            "Conv2DBackpropInput": {"input_sizes": np.array(nhwc(x_shape, fmt), np.int32)} | filters | dy}[op]  # fmt: skip
    return Case(conv_label(p, fmt), args, attrs, cpu=fmt == "NHWC" and dilations == (1, 1) and groups == 1)


def conv_reference(op):
    if op == "Conv2D":
        return lambda a, at: ref.conv2d(a["input"], a["filter"], at)
    if op == "Conv2DBackpropFilter":
        return lambda a, at: ref.conv2d_backprop_filter(a["input"], a["filter_sizes"], a["out_backprop"], at)
    return lambda a, at: ref.conv2d_backprop_input(a["input_sizes"], a["filter"], a["out_backprop"], at)


def draw_conv(rng):
    kh, kw = (int(v) for v in rng.integers(1, 5, 2))
    dilations = (int(rng.integers(1, 4)), int(rng.integers(1, 4))) if rng.random() < 0.3 else (1, 1)
    strides = (1, 1) if dilations != (1, 1) else (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    groups = int(rng.choice([1, 1, 1, 2, 3]))
    c, k = groups * int(rng.integers(1, 9)), groups * int(rng.integers(1, 17))
    h, w = ((m - 1) * d + 1 + int(rng.integers(0, 12)) for m, d in zip((kh, kw), dilations, strict=True))
    padding = ("SAME", "VALID", [tuple(int(v) for v in rng.integers(0, min(kh, kw), 2)) for _ in "hw"])[
        int(rng.integers(3))
    ]
    return int(rng.integers(1, 5)), h, w, c, kh, kw, k, strides, dilations, padding, groups


def conv_invalid(op, dtype):
    rng = np.random.default_rng(1)
    good = conv_case(op, CONVS[1], "NHWC", dtype, rng)
    first = {"Conv2D": "input", "Conv2DBackpropFilter": "input", "Conv2DBackpropInput": "out_backprop"}[op]
    yield Case("rank 3", good.args | {first: good.args[first][0]}, good.attrs)
    yield Case("channels", good.args | {first: good.args[first][..., :2]}, good.attrs)
    yield Case("stride on channels", good.args, good.attrs | {"strides": [1, 1, 1, 2]})
    yield Case("stride 0", good.args, good.attrs | {"strides": [1, 0, 1, 1]})
    yield Case("three strides", good.args, good.attrs | {"strides": [1, 1, 1]})
    yield Case("dilation 0", good.args, good.attrs | {"dilations": [1, 0, 1, 1]})
    yield Case("dilation on batch", good.args, good.attrs | {"dilations": [2, 1, 1, 1]})
    yield Case(
        "negative padding",
        good.args,
        good.attrs | {"padding": "EXPLICIT", "explicit_paddings": [0, 0, -1, 0, 0, 0, 0, 0]},
    )
    yield Case(
        "padding on batch",
        good.args,
        good.attrs | {"padding": "EXPLICIT", "explicit_paddings": [1, 0, 0, 0, 0, 0, 0, 0]},
    )
    yield Case("paddings without EXPLICIT", good.args, good.attrs | {"explicit_paddings": [0, 0, 1, 0, 0, 0, 0, 0]})
    if op == "Conv2D":
        yield Case("filter of rank 3", good.args | {"filter": good.args["filter"][0]}, good.attrs)
        wide = values(rng, (9, 9, 3, 4), dtype)
        yield Case("filter larger than input", good.args | {"filter": wide}, good.attrs | {"padding": "VALID"})
    else:
        yield Case(
            "gradient of another size", good.args | {"out_backprop": good.args["out_backprop"][:, :5]}, good.attrs
        )
        sizes = "filter_sizes" if op == "Conv2DBackpropFilter" else "input_sizes"
        yield Case("three sizes", good.args | {sizes: good.args[sizes][:3]}, good.attrs)
        yield Case("sizes of rank 2", good.args | {sizes: good.args[sizes][None]}, good.attrs)


def add_conv(op, grad):
    reference = conv_reference(op)

    def cases(dtype, rng):
        for p in CONVS:
            for fmt in FORMATS:
                yield conv_case(op, p, fmt, dtype, rng)

    def scale(a, attr):
        return reference({k: np.abs(v) if v.dtype.kind == "f" else v for k, v in a.items()}, attr)

    add(Row(op, FLOATS, cases, reference, tol=sum_tol(6), scale=scale, grad=grad, grad_eps=64, invalid=lambda d: conv_invalid(op, d),
            awkward="finite",  # products with the zeros of padding may be left out: of infinity they are NaN
            fuzz=lambda d, rng: conv_case(op, draw_conv(rng), str(rng.choice(FORMATS)), d, rng)))  # fmt: skip


add_conv("Conv2D", ("input", "filter"))
add_conv("Conv2DBackpropFilter", ("input", "out_backprop"))
add_conv("Conv2DBackpropInput", ("filter", "out_backprop"))

# n, h, w, c, window, strides, padding
POOLS = [
    (1, 4, 4, 1, (2, 2), (2, 2), "VALID"), (2, 8, 8, 3, (2, 2), (2, 2), "SAME"), (2, 7, 9, 5, (2, 2), (2, 2), "SAME"),
    (2, 7, 9, 5, (3, 3), (2, 2), "SAME"), (2, 7, 9, 5, (3, 2), (1, 1), "VALID"), (1, 9, 9, 2, (2, 3), (3, 4), "VALID"),
    (1, 5, 5, 2, (5, 5), (1, 1), "SAME"), (1, 6, 6, 33, (6, 6), (6, 6), "VALID"), (2, 1, 9, 3, (1, 3), (1, 2), "SAME"),
    (3, 5, 5, 1, (1, 1), (1, 1), "VALID"), (3, 5, 5, 4, (1, 1), (2, 2), "VALID"), (0, 4, 4, 2, (2, 2), (2, 2), "VALID"),
    (2, 6, 6, 3, (3, 3), (2, 2), [(1, 0), (0, 1)]), (64, 8, 8, 16, (2, 2), (2, 2), "VALID"),
]  # fmt: skip


def pool_attrs(window, strides, padding, fmt):
    attrs = conv_attrs(strides, (1, 1), padding, fmt)
    del attrs["dilations"]
    return attrs | {"ksize": [1, *window, 1] if fmt == "NHWC" else [1, 1, *window]}


def pool_case(op, p, fmt, dtype, rng):
    n, h, w, c, window, strides, padding = p
    attrs = pool_attrs(window, strides, padding, fmt)
    shape = nhwc((n, h, w, c), fmt)
    x = distinct(rng, shape, dtype) if op.startswith("Max") and n * h * w * c < 256 else values(rng, shape, dtype)
    cpu = fmt == "NHWC"
    label = f"{n}x{h}x{w}x{c} by {window} strides {strides} {padding} {fmt}"
    if op in ("MaxPool", "AvgPool"):
        return Case(label, {"input" if op == "MaxPool" else "value": x}, attrs, cpu)
    y = ref.avg_pool(np.zeros(shape), attrs) if op == "AvgPoolGrad" else ref.max_pool(x.astype(np.float64), attrs)
    dy = values(rng, y.shape, dtype, -2, 2)
    if op == "AvgPoolGrad":
        return Case(label, {"orig_input_shape": np.array(shape, np.int32), "grad": dy}, attrs, cpu)
    return Case(label, {"orig_input": x, "orig_output": y.astype(x.dtype), "grad": dy}, attrs, cpu)


def pool_invalid(op, dtype):
    rng = np.random.default_rng(1)
    good = pool_case(op, POOLS[1], "NHWC", dtype, rng)
    first = next(k for k, v in good.args.items() if v.dtype != np.int32)
    yield Case("rank 3", good.args | {first: good.args[first][0]}, good.attrs)
    yield Case("window on batch", good.args, good.attrs | {"ksize": [2, 2, 2, 1]})
    yield Case("stride 0", good.args, good.attrs | {"strides": [1, 0, 1, 1]})
    if "grad" not in good.args:  # TensorFlow's own gradient kernels abort the process
        yield Case("window 0", good.args, good.attrs | {"ksize": [1, 0, 2, 1]})
    yield Case("three strides", good.args, good.attrs | {"strides": [1, 2, 2]})
    yield Case("window larger than input", good.args, good.attrs | {"ksize": [1, 20, 20, 1], "padding": "VALID"})
    if op == "MaxPoolGrad":
        yield Case("gradient of another size", good.args | {"grad": good.args["grad"][:, :2]}, good.attrs)


def draw_pool(op, rng):
    window = tuple(int(v) for v in rng.integers(1, 5, 2))
    h, w = (m + int(rng.integers(0, 12)) for m in window)
    strides = tuple(int(v) for v in rng.integers(1, 5, 2))
    return int(rng.integers(1, 5)), h, w, int(rng.integers(1, 20)), window, strides, str(rng.choice(["SAME", "VALID"]))


def fits_its_input(case):
    """With a gradient of another shape than the pooled input's TensorFlow's average pools write beyond their tensors."""
    if "orig_input_shape" not in case.args:
        return True
    shape, grad, attrs = np.ravel(case.args["orig_input_shape"]), np.shape(case.args["grad"]), case.attrs
    window, strides = attrs["ksize"], attrs["strides"]
    if not len(shape) == len(grad) == len(window) == len(strides) or min(window) < 1 or min(strides) < 1:
        return False
    lost = [k - 1 if attrs["padding"] == "VALID" else 0 for k in window]
    return all(-(-(n - less) // by) == m for n, less, by, m in zip(shape, lost, strides, grad, strict=True))


def add_pool(op, reference, scale=None, grad=(), explicit=True):
    def cases(dtype, rng):
        for p in POOLS:
            if explicit or isinstance(p[-1], str):
                for fmt in FORMATS:
                    yield pool_case(op, p, fmt, dtype, rng)

    def specials(dtype):
        if op == "MaxPool":
            # Not NaN: the CPU kernel itself drops or keeps one according to its place in the vector; see test_table.py.
            v = special_values(dtype)
            v = v[~np.isnan(v.astype(np.float64))][:72]
            yield Case(
                "infinities",
                {"input": np.random.default_rng(3).permutation(v).reshape(1, 6, 6, 2)},
                pool_attrs((2, 2), (2, 2), "VALID", "NHWC"),
            )

    add(Row(op, FLOATS, cases, reference, scale=scale, tol=sum_tol(4) if scale else float_tol(0, 0), grad=grad, grad_eps=16, specials=specials,
            beside=fits_its_input,
            strewn=("grad",) if op == "MaxPoolGrad" else None, awkward="numbers" if op == "MaxPool" else "all",
            invalid=lambda d: pool_invalid(op, d), fuzz=lambda d, rng: pool_case(op, draw_pool(op, rng), str(rng.choice(FORMATS)), d, rng)))  # fmt: skip


add_pool("MaxPool", lambda a, at: ref.max_pool(a["input"], at), grad=("input",))
add_pool("MaxPoolGrad", lambda a, at: ref.max_pool_grad(a["orig_input"], a["grad"], at), grad=("grad",),
         scale=lambda a, at: ref.max_pool_grad(a["orig_input"], np.abs(a["grad"]), at))  # fmt: skip
add_pool(
    "AvgPool",
    lambda a, at: ref.avg_pool(a["value"], at),
    lambda a, at: ref.avg_pool(np.abs(a["value"]), at),
    ("value",),
    explicit=False,
)
add_pool("AvgPoolGrad", lambda a, at: ref.avg_pool_grad(a["orig_input_shape"], a["grad"], at), explicit=False, grad=("grad",),
         scale=lambda a, at: ref.avg_pool_grad(a["orig_input_shape"], np.abs(a["grad"]), at))  # fmt: skip
