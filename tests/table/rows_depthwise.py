"""Depthwise convolution: a convolution with a group for each channel."""

import numpy as np
import reference as ref
from row import FLOATS, Case, Row, add, sum_tol, values
from rows_window import conv_attrs, nhwc

# n, h, w, c, kernel h, w, multiplier, strides, dilations, padding
SIZES = [
    (1, 5, 5, 1, 3, 3, 1, (1, 1), (1, 1), "SAME"),
    (2, 8, 8, 3, 3, 3, 1, (1, 1), (1, 1), "SAME"),
    (2, 8, 9, 4, 3, 3, 2, (1, 1), (1, 1), "VALID"),
    (2, 9, 9, 5, 3, 2, 3, (2, 2), (1, 1), "SAME"),
    (1, 7, 7, 33, 5, 5, 1, (3, 3), (1, 1), "VALID"),
    (1, 12, 11, 3, 3, 3, 2, (1, 1), (2, 3), "SAME"),
    (2, 6, 6, 3, 3, 3, 1, (2, 2), (1, 1), [(1, 0), (0, 1)]),
    (3, 4, 4, 2, 1, 1, 4, (1, 1), (1, 1), "VALID"),
    (1, 3, 3, 2, 5, 5, 1, (1, 1), (1, 1), "SAME"),
    (2, 9, 11, 8, 3, 3, 1, (1, 1), (1, 1), "SAME"),  # channels in words of eight bytes from here on
    (1, 10, 13, 4, 5, 3, 1, (2, 2), (1, 1), "SAME"),
    (2, 8, 6, 12, 3, 3, 1, (1, 1), (2, 2), "VALID"),
]
FILTER, INPUT = "DepthwiseConv2dNativeBackpropFilter", "DepthwiseConv2dNativeBackpropInput"


def case(op, p, fmt, dtype, rng):
    n, h, w, c, kh, kw, m, strides, dilations, padding = p
    attrs = conv_attrs(strides, dilations, padding, fmt)
    x, f = values(rng, nhwc((n, h, w, c), fmt), dtype, -2, 2), values(rng, (kh, kw, c, m), dtype, -1, 1)
    y = ref.conv2d(x.astype(np.float64), ref.depthwise(f.astype(np.float64)), attrs)
    dy = values(rng, y.shape, dtype, -1, 1)
    args = {
        "DepthwiseConv2dNative": {"input": x, "filter": f},
        FILTER: {"input": x, "filter_sizes": np.array(f.shape, np.int32), "out_backprop": dy},
        INPUT: {"input_sizes": np.array(x.shape, np.int32), "filter": f, "out_backprop": dy},
    }[op]
    return Case(f"{p} {fmt}", args, attrs, cpu=fmt == "NHWC" and dilations == (1, 1))


def forward(a, attr):
    return ref.conv2d(a["input"], ref.depthwise(a["filter"]), attr)


def to_filter(a, attr):
    kh, kw, c, m = (int(s) for s in a["filter_sizes"])
    return ref.conv2d_backprop_filter(a["input"], (kh, kw, 1, c * m), a["out_backprop"], attr).reshape(kh, kw, c, m)


def to_input(a, attr):
    return ref.conv2d_backprop_input(a["input_sizes"], ref.depthwise(a["filter"]), a["out_backprop"], attr)


def invalid(dtype):
    good = case("DepthwiseConv2dNative", SIZES[1], "NHWC", dtype, np.random.default_rng(1))
    yield Case("rank 3", good.args | {"input": good.args["input"][0]}, good.attrs)
    yield Case("channels", good.args | {"filter": good.args["filter"][:, :, :2]}, good.attrs)
    yield Case("filter of rank 3", good.args | {"filter": good.args["filter"][0]}, good.attrs)
    yield Case("stride on channels", good.args, good.attrs | {"strides": [1, 1, 1, 2]})
    yield Case("strides differ", good.args, good.attrs | {"strides": [1, 1, 2, 1]})


def add_depthwise(op, reference, grad, refused=None):
    def cases(dtype, rng):
        for p in SIZES:
            for fmt in ("NHWC", "NCHW"):
                yield case(op, p, fmt, dtype, rng)

    def scale(a, attr):
        return reference({k: np.abs(v) if v.dtype.kind == "f" else v for k, v in a.items()}, attr)

    add(Row(op, FLOATS, cases, reference, tol=sum_tol(6), scale=scale, grad=grad, grad_eps=64, invalid=refused,
            awkward="finite", stricter=("dilations in the batch and depth",)))  # fmt: skip


add_depthwise("DepthwiseConv2dNative", forward, ("input", "filter"), invalid)
add_depthwise(FILTER, to_filter, ("input", "out_backprop"))
add_depthwise(INPUT, to_input, ("filter", "out_backprop"))
