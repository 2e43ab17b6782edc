"""Resizing images, and its gradients: every way of placing the pixels, up and down, in odd sizes."""

import numpy as np
from row import FLOATS, Case, Row, add, float_tol, special_values, sum_tol, values

# image, size
SIZES = [
    ((1, 1, 1, 1), (3, 2)), ((2, 4, 5, 3), (8, 10)), ((2, 8, 10, 3), (4, 5)), ((1, 7, 9, 2), (3, 4)),
    ((3, 5, 3, 1), (11, 17)), ((1, 6, 6, 4), (6, 6)), ((2, 9, 1, 2), (1, 5)), ((0, 3, 4, 2), (6, 8)),
    ((1, 33, 47, 3), (21, 80)),
]  # fmt: skip
WAYS = ({}, {"align_corners": True}, {"half_pixel_centers": True})


def places(n, to, way, nearest):
    """The host's places, in its float32."""
    align, half = way.get("align_corners"), way.get("half_pixel_centers")
    f = np.float32
    scale = f(n - 1) / f(to - 1) if align and to > 1 else f(n) / f(to)
    i = np.arange(to).astype(f)
    return (i + f(0.5)) * scale - f(0 if nearest else 0.5) if half else i * scale


def weights(n, to, way, nearest):
    """[to, n]: what each output takes of each input."""
    at = places(n, to, way, nearest)
    w = np.zeros((to, n))
    if nearest:
        i = np.floor(at + np.float32(0.5)) if way.get("align_corners") else np.floor(at)
        w[np.arange(to), np.clip(i, 0, n - 1).astype(int)] = 1
        return w
    lower, upper = np.maximum(np.floor(at), 0).astype(int), np.minimum(np.ceil(at), n - 1).astype(int)
    past = (at - np.floor(at)).astype(np.float64)
    np.add.at(w, (np.arange(to), lower), 1 - past)
    np.add.at(w, (np.arange(to), upper), past)
    return w


def blend(w, x, axis):
    """w @ x along an axis, of the weights that are not 0 alone: a NaN stays where it is."""
    x = np.moveaxis(x, axis, 0)
    y = np.zeros((w.shape[0], *x.shape[1:]))
    for i, j in np.argwhere(w):
        y[i] += w[i, j] * x[j]
    return np.moveaxis(y, 0, axis)


def way_of(attrs):
    return {k: v for k, v in attrs.items() if k in ("align_corners", "half_pixel_centers")}


def forward(nearest):
    def reference(a, attrs):
        x, (h, w) = a["images"], (int(v) for v in a["size"])
        rows, columns = (weights(n, to, attrs, nearest) for n, to in zip(x.shape[1:3], (h, w), strict=True))
        return blend(columns, blend(rows, x, 1), 2)

    return reference


def backward(nearest):
    def reference(a, attrs):
        dy = a["grads"]
        h, w = (int(v) for v in a["size"]) if nearest else a["original_image"].shape[1:3]
        rows, columns = (weights(n, to, attrs, nearest) for n, to in zip((h, w), dy.shape[1:3], strict=True))
        return blend(columns.T, blend(rows.T, dy, 1), 2)

    return reference


def magnitudes(reference):
    return lambda a, attrs: reference({k: np.abs(v) for k, v in a.items()}, attrs)


def neighbours(a, attrs):
    """The sum of the magnitudes of the pixels between which one lies: a + (b - a) t is as wrong as they are large,
    whatever their weights."""
    x, (h, w) = np.abs(a["images"]), (int(v) for v in a["size"])
    rows, columns = (weights(n, to, attrs, False) > 0 for n, to in zip(x.shape[1:3], (h, w), strict=True))
    return blend(columns, blend(rows, x, 1), 2)


def size(op, reference):
    return neighbours if op == "ResizeBilinear" else magnitudes(reference)


def case(op, shape, size, way, dtype, rng):
    label = f"{shape} to {size} {way}"
    size = np.array(size, np.int32)
    dy = (shape[0], *size, shape[3])
    if op == "ResizeBilinearGrad":
        args = {"grads": values(rng, dy, "float32", -2, 2), "original_image": values(rng, shape, dtype)}
    elif op == "ResizeNearestNeighborGrad":
        args = {"grads": values(rng, dy, dtype, -2, 2), "size": np.array(shape[1:3], np.int32)}
    else:
        args = {"images": values(rng, shape, dtype, -2, 2), "size": size}
    return Case(label, args, dict(way))


def invalid(op, dtype):
    good = case(op, *SIZES[1], {}, dtype, np.random.default_rng(1))
    first = "images" if "images" in good.args else "grads"
    yield Case("rank 3", good.args | {first: good.args[first][0]})
    if op != "ResizeNearestNeighborGrad":  # the one whose kernel does not look
        yield Case("both ways", good.args, {"align_corners": True, "half_pixel_centers": True})
    if "size" in good.args:
        yield Case("three sizes", good.args | {"size": np.array([2, 3, 4], np.int32)})
        yield Case("sizes of rank 2", good.args | {"size": np.array([[2, 3]], np.int32)})
        yield Case("size 0", good.args | {"size": np.array([2, 0], np.int32)})
        yield Case("negative size", good.args | {"size": np.array([-2, 3], np.int32)})
    else:
        yield Case("image of rank 3", good.args | {"original_image": good.args["original_image"][0]})
    if "images" in good.args:
        yield Case("empty image", good.args | {"images": good.args["images"][:, :0]})


def add_resize(op, reference, grad, scale=True):
    def cases(dtype, rng):
        for shape, size in SIZES:
            for way in WAYS:
                yield case(op, shape, size, way, dtype, rng)

        if op == "ResizeBilinearGrad":  # the image gives its height and width only
            other = case(op, (2, 4, 5, 3), (8, 10), {}, dtype, rng)
            yield Case("another number of channels", other.args | {"grads": other.args["grads"][..., :2]}, other.attrs)

    def specials(dtype):
        if op == "ResizeNearestNeighbor":
            v = special_values(dtype)[:80].reshape(1, 8, 10, 1)
            yield Case("specials", {"images": v, "size": np.array([5, 13], np.int32)})

    def fuzz(dtype, rng):
        n, h, w, c, to_h, to_w = (int(v) for v in rng.integers(1, [4, 24, 24, 9, 40, 40]))
        return case(op, (n, h, w, c), (to_h, to_w), WAYS[int(rng.integers(3))], dtype, rng)

    # ResizeBilinear's result is float32 whatever its images are
    tol = (lambda _: sum_tol(4)("float32")) if op == "ResizeBilinear" else sum_tol(8) if scale else float_tol(0, 0)
    add(Row(op, FLOATS, cases, reference, tol=tol, scale=size(op, reference) if scale else None, grad=grad,
            grad_eps=32, specials=specials, invalid=lambda d: invalid(op, d), fuzz=fuzz))  # fmt: skip


add_resize("ResizeBilinear", forward(False), ("images",))
add_resize("ResizeBilinearGrad", backward(False), ())
add_resize("ResizeNearestNeighbor", forward(True), ("images",), scale=False)
add_resize("ResizeNearestNeighborGrad", backward(True), ())
