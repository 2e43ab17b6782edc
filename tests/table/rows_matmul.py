"""Matrix products: MatMul, the batch products, BiasAdd and its gradient."""

import numpy as np
from row import REALS, Case, Row, add, float_tol, small, sum_tol, values

SIZES = [(1, 1, 1), (2, 3, 4), (7, 9, 8), (1, 300, 1), (5, 1, 6), (64, 64, 64), (65, 33, 127), (128, 10, 64), (33, 513, 1), (1, 513, 33),
         (0, 3, 4), (3, 0, 4), (3, 4, 0), (257, 17, 31), (16, 1024, 10)]  # fmt: skip
FLAGS = (False, True)


def oriented(rng, m, k, dtype, transposed, batch=()):
    return values(rng, (*batch, k, m) if transposed else (*batch, m, k), dtype, -1, 1)


def turn(x, flag):
    return np.swapaxes(x, -1, -2) if flag else x


def product(op, a, b, ta, tb, names=("a", "b")):
    def reference(args, attr):
        return turn(args[names[0]], attr[ta]) @ turn(args[names[1]], attr[tb])

    return reference


def matmul_case(dtype, rng, m, k, n, ta, tb):
    args = {"a": oriented(rng, m, k, dtype, ta), "b": oriented(rng, k, n, dtype, tb)}
    return Case(f"{m}x{k}x{n} {ta} {tb}", args, {"transpose_a": ta, "transpose_b": tb})


def matmul_cases(dtype, rng):
    for m, k, n in SIZES:
        for ta in FLAGS:
            for tb in FLAGS:
                yield matmul_case(dtype, rng, m, k, n, ta, tb)


def matmul_specials(dtype):
    for bad in (np.nan, np.inf):
        a, b = np.ones((9, 17)), np.ones((17, 5))
        a[4, 3] = bad
        kind = values(np.random.default_rng(0), (), dtype).dtype
        yield Case(
            f"{bad} in a row", {"a": a.astype(kind), "b": b.astype(kind)}, {"transpose_a": False, "transpose_b": False}
        )
        b[3, 2] = 0.0
        yield Case(
            f"{bad} times zero",
            {"a": a.astype(kind), "b": b.astype(kind)},
            {"transpose_a": False, "transpose_b": False},
        )


def matmul_invalid(dtype):
    rng = np.random.default_rng(1)
    a, b, off = values(rng, (2, 3), dtype), values(rng, (4, 5), dtype), {"transpose_a": False, "transpose_b": False}
    yield Case("inner sizes", {"a": a, "b": b}, off)
    yield Case("rank 1", {"a": a[0], "b": b}, off)
    yield Case("rank 3", {"a": a[None], "b": b}, off)
    yield Case("inner sizes transposed", {"a": a, "b": a}, off | {"transpose_a": True, "transpose_b": True})


def absolute(reference):
    return lambda args, attr: reference({k: np.abs(v) for k, v in args.items()}, attr)


matmul = product("MatMul", "a", "b", "transpose_a", "transpose_b")
add(Row("MatMul", REALS, matmul_cases, matmul, tol=sum_tol(8), scale=absolute(matmul), grad=("a", "b"), grad_eps=64, doubles=True, specials=matmul_specials,
        invalid=matmul_invalid,
        fuzz=lambda d, rng: matmul_case(d, rng, *(int(v) for v in rng.integers(1, 100, 3)), bool(rng.integers(2)), bool(rng.integers(2)))))  # fmt: skip

BATCHES = [
    ((), ()),
    ((3,), (3,)),
    ((1,), (4,)),
    ((2, 3), (2, 3)),
    ((2, 1), (1, 3)),
    ((5,), ()),
    ((0,), (0,)),
    ((2, 1, 3), (4, 1)),
    ((2, 2, 2, 2), (2, 2, 2, 2)),
]


def batch_case(dtype, rng, batches, m, k, n, ax, ay):
    args = {"x": oriented(rng, m, k, dtype, ax, batches[0]), "y": oriented(rng, k, n, dtype, ay, batches[1])}
    return Case(f"{batches} {m}x{k}x{n} {ax} {ay}", args, {"adj_x": ax, "adj_y": ay})


def batch_invalid(dtype):
    rng = np.random.default_rng(1)
    off = {"adj_x": False, "adj_y": False}
    yield Case("inner sizes", {"x": values(rng, (2, 3, 4), dtype), "y": values(rng, (2, 5, 4), dtype)}, off)
    yield Case("batches", {"x": values(rng, (2, 3, 4), dtype), "y": values(rng, (3, 4, 4), dtype)}, off)
    yield Case("rank 1", {"x": values(rng, (4,), dtype), "y": values(rng, (4, 4), dtype)}, off)


def add_batch(op, same_batch, **more):
    reference = product(op, "x", "y", "adj_x", "adj_y", ("x", "y"))
    extra = {"Tout": None} if op == "BatchMatMulV3" else {}

    def attrs(case, dtype):
        return Case(case.label, case.args, case.attrs | ({"Tout": dtype} if extra else {}))

    def cases(dtype, rng):
        for batches in BATCHES:
            if not same_batch or batches[0] == batches[1]:
                for n, (m, k, cols) in enumerate(((4, 5, 6), (17, 33, 9), (1, 7, 1), (3, 0, 2))):
                    yield attrs(batch_case(dtype, rng, batches, m, k, cols, bool(n & 1), bool(n & 2)), dtype)

    add(Row(op, REALS, cases, reference, tol=sum_tol(8), scale=absolute(reference), grad=("x", "y"), grad_eps=64, doubles=True,
            invalid=lambda d: (attrs(c, d) for c in batch_invalid(d)), **more))  # fmt: skip


add_batch("BatchMatMul", True)
add_batch("BatchMatMulV2", False)
add_batch("BatchMatMulV3", False, key=lambda c: c["Ta"])

BIASED = [((3, 4), "NHWC"), ((2, 3, 5), "NHWC"), ((2, 5, 5, 7), "NHWC"), ((2, 7, 5, 5), "NCHW"), ((2, 7, 3), "NCHW"), ((2, 3, 2, 3, 4), "NHWC"),
          ((2, 4, 2, 3, 3), "NCHW"), ((0, 4), "NHWC"), ((257, 33), "NHWC"), ((1, 1), "NHWC"), ((6, 5), "NCHW"), ((64, 8, 8, 16), "NHWC")]  # fmt: skip


def channels(shape, fmt):
    return shape[1] if fmt == "NCHW" and len(shape) > 2 else (shape[1] if fmt == "NCHW" else shape[-1])


def bias_shape(ndim, n, fmt):
    return (1, n) + (1,) * (ndim - 2) if fmt == "NCHW" else (n,)


def bias_cases(dtype, rng):
    for shape, fmt in BIASED:
        yield Case(
            f"{shape} {fmt}",
            {"value": small(rng, shape, dtype), "bias": small(rng, (channels(shape, fmt),), dtype)},
            {"data_format": fmt},
        )


def bias_reference(a, attr):
    return a["value"] + a["bias"].reshape(bias_shape(a["value"].ndim, len(a["bias"]), attr["data_format"]))


def bias_invalid(dtype):
    rng = np.random.default_rng(1)
    x = values(rng, (2, 3), dtype)
    yield Case("value of rank 1", {"value": x[0], "bias": x[0]}, {"data_format": "NHWC"})
    yield Case("bias of rank 2", {"value": x, "bias": x}, {"data_format": "NHWC"})
    yield Case("sizes differ", {"value": x, "bias": x[0, :2]}, {"data_format": "NHWC"})


add(
    Row(
        "BiasAdd",
        REALS + ("int32",),
        bias_cases,
        bias_reference,
        tol=float_tol(0.5),
        grad=("value", "bias"),
        doubles=True,
        grad_eps=64,
        invalid=bias_invalid,
    )
)


def bias_v1_cases(dtype, rng):
    for case in bias_cases(dtype, rng):
        if case.attrs["data_format"] == "NHWC":
            yield Case(case.label, case.args)


add(
    Row(
        "BiasAddV1",
        REALS + ("int32",),
        bias_v1_cases,
        lambda a, _: a["value"] + a["bias"],
        tol=float_tol(0.5),
        invalid=lambda d: (Case(c.label, c.args) for c in bias_invalid(d)),
    )
)


def bias_grad_reference(a, attr):
    dy = a["out_backprop"]
    at = 1 if attr["data_format"] == "NCHW" else dy.ndim - 1
    return np.sum(dy, axis=tuple(i for i in range(dy.ndim) if i != at))


def bias_grad_cases(dtype, rng):
    for shape, fmt in BIASED + [((4097, 3), "NHWC")]:
        yield Case(f"{shape} {fmt}", {"out_backprop": small(rng, shape, dtype)}, {"data_format": fmt})


add(Row("BiasAddGrad", REALS, bias_grad_cases, bias_grad_reference, tol=sum_tol(4), scale=absolute(bias_grad_reference), grad=("out_backprop",), doubles=True,
        invalid=lambda d: [Case("rank 1", {"out_backprop": values(np.random.default_rng(1), (3,), d)}, {"data_format": "NHWC"})]))  # fmt: skip
