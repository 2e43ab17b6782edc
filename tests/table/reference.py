"""Plain float64 references of the ops that slide a window: convolution and pooling.  Slow, short, and not Eigen's."""

from __future__ import annotations

import numpy as np


def same_padding(size: int, window: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's SAME: the odd one goes to the end."""
    span = (window - 1) * dilation + 1
    total = max((-(-size // stride) - 1) * stride + span - size, 0)
    return total // 2, total - total // 2


def layout(attr: dict) -> str:
    return attr.get("data_format", "NHWC")


def spatial(values, fmt: str) -> tuple[int, int]:
    """The two spatial entries of a list that has one per axis."""
    at = fmt.index("H")
    return int(values[at]), int(values[at + 1])


def pads_of(shape_hw, window, stride, dilation, attr) -> list[tuple[int, int]]:
    padding = attr["padding"]
    if padding == "VALID":
        return [(0, 0), (0, 0)]
    if padding == "SAME":
        return [same_padding(s, w, t, d) for s, w, t, d in zip(shape_hw, window, stride, dilation, strict=True)]
    flat = attr["explicit_paddings"]
    at = layout(attr).index("H")
    return [(flat[2 * at], flat[2 * at + 1]), (flat[2 * at + 2], flat[2 * at + 3])]


def to_nhwc(x, attr):
    return np.transpose(x, (0, 2, 3, 1)) if layout(attr) == "NCHW" else x


def from_nhwc(x, attr):
    return np.transpose(x, (0, 3, 1, 2)) if layout(attr) == "NCHW" else x


def windows(x, window, stride, dilation, pads, fill=0.0):
    """x as NHWC -> [n, oh, ow, kh, kw, c], a view of the padded input."""
    p = np.pad(x, [(0, 0), *pads, (0, 0)], constant_values=fill)
    span = [(w - 1) * d + 1 for w, d in zip(window, dilation, strict=True)]
    if p.shape[1] < span[0] or p.shape[2] < span[1] or p.size == 0:
        out = [max(0, (p.shape[i + 1] - span[i]) // stride[i] + 1) for i in (0, 1)]
        return np.zeros((x.shape[0], *out, *window, x.shape[3]))
    v = np.lib.stride_tricks.sliding_window_view(p, span, axis=(1, 2))
    v = v[:, :: stride[0], :: stride[1], :, :: dilation[0], :: dilation[1]]
    return np.moveaxis(v, 3, 5)


def geometry(shape_hw, window, attr):
    fmt = layout(attr)
    stride = spatial(attr["strides"], fmt)
    dilation = spatial(attr.get("dilations", [1, 1, 1, 1]), fmt)
    return stride, dilation, pads_of(shape_hw, window, stride, dilation, attr)


def conv2d(x, w, attr):
    """w is [kh, kw, c / groups, k]; groups follow from the channels."""
    x = to_nhwc(x, attr)
    kh, kw, c, k = w.shape
    stride, dilation, pads = geometry(x.shape[1:3], (kh, kw), attr)
    groups = x.shape[3] // c if c else 1
    v = windows(x, (kh, kw), stride, dilation, pads)
    parts = []
    for g in range(groups):
        wg = w[..., g * (k // groups) : (g + 1) * (k // groups)]
        parts.append(np.einsum("nyxhwc,hwck->nyxk", v[..., g * c : (g + 1) * c], wg, optimize=True))
    return from_nhwc(np.concatenate(parts, axis=3), attr)


def conv2d_backprop_filter(x, filter_shape, dy, attr):
    x, dy = to_nhwc(x, attr), to_nhwc(dy, attr)
    kh, kw, c, k = (int(s) for s in filter_shape)
    stride, dilation, pads = geometry(x.shape[1:3], (kh, kw), attr)
    groups = x.shape[3] // c if c else 1
    v = windows(x, (kh, kw), stride, dilation, pads)
    parts = []
    for g in range(groups):
        dg = dy[..., g * (k // groups) : (g + 1) * (k // groups)]
        parts.append(np.einsum("nyxhwc,nyxk->hwck", v[..., g * c : (g + 1) * c], dg, optimize=True))
    return np.concatenate(parts, axis=3)


def conv2d_backprop_input(input_shape, w, dy, attr):
    n, h, wd, ci = (int(s) for s in np.array(input_shape)[[0, 2, 3, 1] if layout(attr) == "NCHW" else [0, 1, 2, 3]])
    dy = to_nhwc(dy, attr)
    kh, kw, c, k = w.shape
    stride, dilation, pads = geometry((h, wd), (kh, kw), attr)
    groups = ci // c if c else 1
    full = np.zeros((n, h + sum(pads[0]), wd + sum(pads[1]), ci))
    oh, ow = dy.shape[1:3]
    for g in range(groups):
        part = slice(g * (k // groups), (g + 1) * (k // groups))
        t = np.einsum("nyxk,hwck->nyxhwc", dy[..., part], w[..., part], optimize=True)
        for i in range(kh):
            for j in range(kw):
                y0, x0 = i * dilation[0], j * dilation[1]
                full[
                    :, y0 : y0 + oh * stride[0] : stride[0], x0 : x0 + ow * stride[1] : stride[1], g * c : (g + 1) * c
                ] += t[:, :, :, i, j]
    top, left = pads[0][0], pads[1][0]
    return from_nhwc(full[:, top : top + h, left : left + wd], attr)


def depthwise(w):
    """A depthwise filter [kh, kw, c, m] as a grouped one [kh, kw, 1, c * m]: output c * m + i comes from channel c."""
    return w.reshape(*w.shape[:2], 1, -1)


def pool_windows(x, attr, fill):
    x = to_nhwc(x, attr)
    window = spatial(attr["ksize"], layout(attr))
    stride, dilation, pads = geometry(x.shape[1:3], window, attr)
    return windows(x, window, stride, dilation, pads, fill), window, stride, pads


def max_pool(x, attr):
    v, *_ = pool_windows(x, attr, -np.inf)
    return from_nhwc(np.max(v, axis=(3, 4), initial=-np.inf), attr)


def max_pool_grad(x, dy, attr):
    """The gradient goes to the first greatest element of each window."""
    v, _window, stride, pads = pool_windows(x, attr, -np.inf)
    x, dy = to_nhwc(x, attr), to_nhwc(dy, attr)
    full = np.zeros((x.shape[0], x.shape[1] + sum(pads[0]), x.shape[2] + sum(pads[1]), x.shape[3]))
    n, oh, ow, kh, kw, c = v.shape
    best = (
        np.argmax(np.moveaxis(v, 5, 3).reshape(n, oh, ow, c, kh * kw), axis=4)
        if v.size
        else np.zeros((n, oh, ow, c), int)
    )
    b, y, q, ch = np.meshgrid(*(np.arange(s) for s in (n, oh, ow, c)), indexing="ij")
    np.add.at(full, (b, y * stride[0] + best // kw, q * stride[1] + best % kw, ch), dy)
    return from_nhwc(full[:, pads[0][0] : pads[0][0] + x.shape[1], pads[1][0] : pads[1][0] + x.shape[2]], attr)


def avg_pool(x, attr):
    v, _window, _stride, _pads = pool_windows(x, attr, 0.0)
    ones, *_ = pool_windows(np.ones_like(x), attr, 0.0)
    return from_nhwc(np.sum(v, axis=(3, 4)) / np.sum(ones, axis=(3, 4)), attr)


def avg_pool_grad(shape, dy, attr):
    x = np.zeros([int(s) for s in shape])
    ones, window, stride, pads = pool_windows(np.ones_like(x), attr, 0.0)
    count = np.sum(ones, axis=(3, 4))
    x, dy = to_nhwc(x, attr), to_nhwc(dy, attr) / count
    full = np.zeros((x.shape[0], x.shape[1] + sum(pads[0]), x.shape[2] + sum(pads[1]), x.shape[3]))
    oh, ow = dy.shape[1:3]
    for i in range(window[0]):
        for j in range(window[1]):
            full[:, i : i + oh * stride[0] : stride[0], j : j + ow * stride[1] : stride[1]] += dy
    return from_nhwc(full[:, pads[0][0] : pads[0][0] + x.shape[1], pads[1][0] : pads[1][0] + x.shape[2]], attr)
