"""Dilation2D and its gradients, against loops over the windows in float64."""

import numpy as np
from row import FLOATS, Case, Row, Tol, add, small, sum_tol, values

# shapes of the input and the filter, strides, rates, padding
WINDOWS = [
    ((1, 1, 1, 1), (1, 1), (1, 1), (1, 1), "VALID"),
    ((2, 5, 6, 3), (2, 3), (1, 1), (1, 1), "VALID"),
    ((2, 5, 6, 3), (3, 2), (2, 1), (1, 1), "SAME"),
    ((1, 9, 8, 2), (2, 3), (1, 2), (3, 2), "SAME"),
    ((1, 9, 8, 2), (2, 2), (3, 1), (2, 3), "VALID"),
    ((1, 3, 4, 5), (4, 5), (1, 1), (1, 1), "SAME"),
    ((0, 4, 4, 2), (2, 2), (1, 1), (1, 1), "SAME"),
    ((3, 33, 21, 7), (3, 3), (1, 1), (1, 1), "SAME"),
]


def span(n, window, stride, rate, padding):
    """The outputs of an axis, and the padding before its first element."""
    reach = (window - 1) * rate + 1
    if padding == "VALID":
        return (n - reach + stride) // stride, 0
    out = -(-n // stride)
    return out, max(0, (out - 1) * stride + reach - n) // 2


def walk(x, f, at):
    """Per output: the largest sum, its place in the input and in the filter (the first of equal ones)."""
    (rows, columns), strides, rates = f.shape[:2], at["strides"][1:3], at["rates"][1:3]
    (oh, ph), (ow, pw) = (span(*p, at["padding"]) for p in zip(x.shape[1:3], f.shape[:2], strides, rates, strict=True))
    best = np.full((x.shape[0], oh, ow, x.shape[3]), -np.inf)
    won = np.zeros((*best.shape, 4), int)
    for fh in range(rows):
        for fw in range(columns):
            h = np.arange(oh) * strides[0] + fh * rates[0] - ph
            w = np.arange(ow) * strides[1] + fw * rates[1] - pw
            inside = ((h >= 0) & (h < x.shape[1]))[:, None] & ((w >= 0) & (w < x.shape[2]))
            sums = x[:, np.clip(h, 0, x.shape[1] - 1)][:, :, np.clip(w, 0, x.shape[2] - 1)] + f[fh, fw]
            better = inside[None, :, :, None] & (sums > best)
            best = np.where(better, sums, best)
            place = np.stack(np.broadcast_arrays(h[:, None], w[None, :], fh, fw), -1)
            won = np.where(better[..., None], place[None, :, :, None, :], won)
    return best, won


def forward(a, at):
    return walk(a["input"], a["filter"], at)[0]


def backward(of_filter):
    def reference(a, at):
        won = walk(a["input"], a["filter"], at)[1]
        n, _, _, c = np.indices(won.shape[:-1])
        out = np.zeros(a["filter" if of_filter else "input"].shape)
        at = (won[..., 2], won[..., 3], c) if of_filter else (n, won[..., 0], won[..., 1], c)
        np.add.at(out, at, a["out_backprop"])
        return out

    return reference


def case(op, window, dtype, rng):
    shape, size, strides, rates, padding = window
    attrs = {"strides": [1, *strides, 1], "rates": [1, *rates, 1], "padding": padding}
    # whole numbers: their sums are exact in every type, so that the same element wins in all
    args = {"input": small(rng, shape, "int64", -50, 50), "filter": small(rng, (*size, shape[3]), "int64", -20, 20)}
    args = {k: v.astype(values(rng, (), dtype).dtype) for k, v in args.items()}
    if op != "Dilation2D":
        outs = [span(*p, padding)[0] for p in zip(shape[1:3], size, strides, rates, strict=True)]
        args["out_backprop"] = values(rng, (shape[0], *outs, shape[3]), dtype)
    return Case(f"{shape} {size} {strides} {rates} {padding}", args, attrs)


def add_dilation(op, reference, **facts):
    def invalid(dtype):
        good = case(op, WINDOWS[1], dtype, np.random.default_rng(1))
        yield Case("input of rank 3", good.args | {"input": good.args["input"][0]}, good.attrs)
        yield Case("filter of rank 2", good.args | {"filter": good.args["filter"][0]}, good.attrs)
        yield Case("depths differ", good.args | {"filter": good.args["filter"][..., :2]}, good.attrs)
        yield Case("no room", good.args | {"input": good.args["input"][:, :1]}, good.attrs)
        yield Case("stride over images", good.args, good.attrs | {"strides": [2, 1, 1, 1]})
        yield Case("rate over channels", good.args, good.attrs | {"rates": [1, 1, 1, 2]})
        if op != "Dilation2D":
            yield Case("gradient too small", good.args | {"out_backprop": good.args["out_backprop"][:1]}, good.attrs)

    def cases(dtype, rng):
        for window in WINDOWS:
            yield case(op, window, dtype, rng)

    add(Row(op, FLOATS, cases, reference, invalid=invalid, **facts))


def gradient_scale(reference):
    return lambda a, at: reference(a | {"out_backprop": np.abs(a["out_backprop"])}, at)


def specials(dtype):
    good = case("Dilation2D", WINDOWS[1], dtype, np.random.default_rng(2))
    x = good.args["input"].copy()
    x[0, 1, 2], x[0, 3, 3], x[1, 0, 0], x[1, 2:] = np.nan, np.inf, -np.inf, np.nan
    yield Case("NaN and infinities", good.args | {"input": x}, good.attrs)


add_dilation("Dilation2D", forward, tol=lambda _: Tol(), grad=("input", "filter"), specials=specials)
for op, of_filter in (("Dilation2DBackpropInput", False), ("Dilation2DBackpropFilter", True)):
    reference = backward(of_filter)
    add_dilation(op, reference, tol=sum_tol(), scale=gradient_scale(reference), strewn=("out_backprop",))
