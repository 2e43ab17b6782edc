"""Boxes cut out of images and resized, and projective transforms, against TensorFlow's CPU kernels: which neighbour is
read depends on the last bit of a float32 place, so the reference takes the same steps."""

import numpy as np
from row import Case, Row, Tol, add, sum_tol, values

TWO = ("float32", "float16")
# image, boxes, crop
CROPS = [
    ((1, 1, 1, 1), 2, (3, 2)), ((2, 6, 7, 3), 5, (4, 4)), ((3, 9, 5, 2), 4, (1, 6)), ((2, 5, 8, 4), 3, (7, 1)),
    ((2, 4, 4, 1), 0, (2, 2)), ((2, 21, 17, 3), 9, (14, 14)),
]  # fmt: skip


def crop_case(op, p, method, dtype, rng):
    shape, n, crop = p
    corners = rng.uniform(-0.15, 1.15, (n, 4)).astype(np.float32)
    if n > 2:
        corners[0] = (0, 0, 1, 1)
        corners[1] = (0.9, 0.8, 0.2, 0.1)  # turned round
        corners[2] = (0.5, 0.5, 0.5, 0.5)
    boxes = {"boxes": corners, "box_ind": rng.integers(0, shape[0], n).astype(np.int32)}
    image = {"image": values(rng, shape, dtype, -2, 2)}
    grads = {"grads": values(rng, (n, *crop, shape[3]), "float32", -2, 2)}
    attrs = {"method": method}
    if op == "CropAndResize":
        attrs["extrapolation_value"] = -3.5
        args = image | boxes | {"crop_size": np.array(crop, np.int32)}
    elif op == "CropAndResizeGradBoxes":
        args = grads | image | boxes
    else:
        args = grads | boxes | {"image_size": np.array(shape, np.int32)}
        attrs["T"] = dtype
    return Case(f"{shape} {n} boxes of {crop} {method}", args, attrs)


def crop_weights(start, end, n, out, method):
    """[out, n]: what each output of a box takes of each input along one axis, at the CPU kernel's float32 places."""
    f, i = np.float32, np.arange(out).astype(np.float32)
    at = f(start) * f(n - 1) + i * ((f(end) - f(start)) * f(n - 1) / f(out - 1)) if out > 1 else None
    at = np.array([f(0.5) * (f(start) + f(end)) * f(n - 1)], f) if at is None else at
    inside = (at >= 0) & (at <= n - 1)
    at = np.where(inside, at, f(0))
    past = 0 * at if method == "nearest" else at - np.floor(at)
    lower, upper = (np.floor(at + f(0.5)),) * 2 if method == "nearest" else (np.floor(at), np.ceil(at))
    w = np.zeros((out, n))
    np.add.at(w, (np.arange(out), lower.astype(int)), inside * (1.0 - past))
    np.add.at(w, (np.arange(out), upper.astype(int)), inside * past)
    return w


def to_image(a, attrs):
    """In float64: the CPU kernel adds halves in half."""
    n, h, w, c = (int(s) for s in a["image_size"])
    y = np.zeros((n, h, w, c))
    for dy, (y0, x0, y1, x1), k in zip(a["grads"], a["boxes"], a["box_ind"], strict=True):
        rows = crop_weights(y0, y1, h, dy.shape[0], attrs["method"])
        columns = crop_weights(x0, x1, w, dy.shape[1], attrs["method"])
        y[k] += np.einsum("yi,xj,yxc->ijc", rows, columns, dy)
    return y


def crop_invalid(op, dtype):
    good = crop_case(op, CROPS[1], "bilinear", dtype, np.random.default_rng(1))
    for name in ("image", "grads"):
        if name in good.args:
            yield Case(f"{name} of rank 3", good.args | {name: good.args[name][0]}, good.attrs)
    yield Case("boxes of rank 1", good.args | {"boxes": good.args["boxes"][0]}, good.attrs)
    yield Case("three columns", good.args | {"boxes": good.args["boxes"][:, :3]}, good.attrs)
    yield Case("fewer numbers", good.args | {"box_ind": good.args["box_ind"][:2]}, good.attrs)
    for name in ("crop_size", "image_size"):
        if name in good.args:
            yield Case("three sizes", good.args | {name: np.array([2, 3, 4], np.int32)}, good.attrs)
            yield Case("size 0", good.args | {name: good.args[name] * 0}, good.attrs)


def add_crop(op, tol, reference=None):
    def cases(dtype, rng):
        for p in CROPS:
            for method in ("bilinear",) if op == "CropAndResizeGradBoxes" else ("bilinear", "nearest"):
                if p[1] or op == "CropAndResize":
                    yield crop_case(op, p, method, dtype, rng)

    # Sums of what differs in sign: what is infinite, or overflows on the way, depends on the order.
    strewn = () if op == "CropAndResizeGradBoxes" else ("image", "grads")  # boxes that are not finite end CPU kernels
    scale = reference and (lambda a, at: reference(a | {"grads": np.abs(a["grads"])}, at))
    add(Row(op, TWO, cases, reference, tol=tol, scale=scale, invalid=lambda d: crop_invalid(op, d), strewn=strewn))


add_crop("CropAndResize", lambda _: Tol(ulp=2, abs=4e-6))
add_crop("CropAndResizeGradBoxes", lambda _: Tol(ulp=8, abs=1e-2))
add_crop("CropAndResizeGradImage", sum_tol(16), to_image)

MODES = ("CONSTANT", "REFLECT", "WRAP", "NEAREST")
SIZES = [((2, 5, 7, 3), (6, 4)), ((1, 9, 8, 1), (9, 8)), ((3, 1, 6, 2), (4, 5)), ((0, 4, 4, 1), (3, 3))]


def transforms(rng, n):
    turn = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)
    out = turn + rng.uniform(-0.6, 0.6, (n, 8)).astype(np.float32) * np.array(
        [1, 1, 9, 1, 1, 9, 0.02, 0.02], np.float32
    )
    out[:1] = [0, 1, -2, 1, 0, 1, 0, 0]
    return out.astype(np.float32)


def project_case(op, shape, size, one, how, mode, dtype, rng):
    x = values(rng, shape, dtype, -20, 20) if dtype in TWO else np.asarray(rng.integers(0, 200, shape)).astype(dtype)
    args = {
        "images": x,
        "transforms": transforms(rng, 1 if one else shape[0]),
        "output_shape": np.array(size, np.int32),
    }
    if op.endswith("V3"):
        args["fill_value"] = np.float32(7.5)
    return Case(
        f"{shape} to {size} {how} {mode} {'one' if one else 'each'}", args, {"interpolation": how, "fill_mode": mode}
    )


def project_invalid(op, dtype):
    good = project_case(op, *SIZES[0], False, "NEAREST", "CONSTANT", dtype, np.random.default_rng(1))
    yield Case("rank 3", good.args | {"images": good.args["images"][0]}, good.attrs)
    yield Case("seven numbers", good.args | {"transforms": good.args["transforms"][:, :7]}, good.attrs)
    yield Case("three sizes", good.args | {"output_shape": np.array([2, 3, 4], np.int32)}, good.attrs)
    yield Case("size 0", good.args | {"output_shape": np.array([0, 3], np.int32)}, good.attrs)


def add_project(op):
    def cases(dtype, rng):
        for i, (shape, size) in enumerate(SIZES):
            for how in ("NEAREST", "BILINEAR"):
                for mode in MODES:
                    yield project_case(op, shape, size, i % 2 == 1, how, mode, dtype, rng)

    tol = {"float32": Tol(ulp=2, abs=1e-4), "float16": Tol(ulp=2, abs=1e-2)}
    add(Row(op, (*TWO, "uint8", "int32", "int64"), cases, None, tol=lambda t: tol.get(t, Tol()), strewn=("images",), invalid=lambda d: project_invalid(op, d),
            key=lambda c: c["dtype"]))  # fmt: skip


add_project("ImageProjectiveTransformV2")
add_project("ImageProjectiveTransformV3")
