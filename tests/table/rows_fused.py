"""The ops that TensorFlow's remapper makes: a product, convolution or normalization with what follows it."""

import numpy as np
import reference as ref
import rows_norm
from row import FLOATS, Case, Row, Tol, add, finfo, values
from scipy import special

ACTIVATIONS = {
    "Relu": lambda x, _: np.where(np.isnan(x), x, np.maximum(x, 0)),
    "Relu6": lambda x, _: np.clip(x, 0, 6),
    "Elu": lambda x, _: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "LeakyRelu": lambda x, alpha: np.where(x > 0, x, alpha * x),
    "Tanh": lambda x, _: np.tanh(x),
    "Sigmoid": lambda x, _: special.expit(x),
    "GeluApproximate": lambda x, _: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "GeluExact": lambda x, _: 0.5 * x * special.erfc(-x / np.sqrt(2)),
}
EPSILON, ALPHA = 1e-3, 0.3


def followed(y, args, attrs):
    """What the fused ops add to a product or convolution y."""
    fused = attrs["fused_ops"]
    shape = (1, -1, 1, 1) if attrs.get("data_format") == "NCHW" else (-1,)
    extra = [np.reshape(v, shape) for v in args["args"]]
    if fused[0] == "BiasAdd":
        y = y + extra[0]
    else:
        scale, offset, mean, variance = extra
        y = (y - mean) * scale / np.sqrt(variance + np.float64(np.float32(EPSILON))) + offset
    return ACTIVATIONS[fused[1]](y, np.float64(np.float32(ALPHA))) if len(fused) > 1 else y


def extras(rng, dtype, first, channels):
    if first == "BiasAdd":
        return [values(rng, (channels,), dtype, -1, 1)]
    return [values(rng, (channels,), dtype, low, 1) for low in (0.5, -1, -1, 0.5)]


def fusions(more=()):
    return [["BiasAdd"], *(["BiasAdd", a] for a in ACTIVATIONS), *more]


def attributes(fused, args):
    return {"fused_ops": fused, "epsilon": EPSILON, "leakyrelu_alpha": ALPHA, "num_args": len(args)}


def matmul_cases(dtype, rng):
    for fused in fusions():
        for n, (m, k, cols) in enumerate(((3, 4, 5), (8, 16, 32), (1, 7, 1), (0, 3, 4), (3, 0, 4))):
            a, b = ((k, m) if n & 1 else (m, k)), ((cols, k) if n & 2 else (k, cols))
            extra = extras(rng, dtype, fused[0], cols)
            args = {"a": values(rng, a, dtype, -1, 1), "b": values(rng, b, dtype, -1, 1), "args": extra}
            attrs = attributes(fused, extra) | {"transpose_a": bool(n & 1), "transpose_b": bool(n & 2)}
            yield Case(f"{m}x{k}x{cols} {fused}", args, attrs, cpu=False)


def matmul(args, attrs):
    a, b = (args[n].T if attrs[f"transpose_{n}"] else args[n] for n in "ab")
    return followed(a @ b, args, attrs)


def conv_cases(dtype, rng):
    for fused in fusions([["FusedBatchNorm"], ["FusedBatchNorm", "Relu"], ["FusedBatchNorm", "Elu"]]):
        for fmt, shape, filters in (("NHWC", (2, 5, 6, 3), (3, 3, 3, 5)), ("NCHW", (1, 4, 5, 5), (1, 1, 4, 8))):
            extra = extras(rng, dtype, fused[0], filters[3])
            args = {"input": values(rng, shape, dtype, -1, 1), "filter": values(rng, filters, dtype, -1, 1)}
            attrs = {"strides": [1, 1, 1, 1], "padding": "SAME", "data_format": fmt, "num_host_args": 0}
            more = {"args": extra, "host_args": []}
            yield Case(f"{fmt} {fused}", args | more, attrs | attributes(fused, extra), cpu=False)


def conv(args, attrs):
    return followed(ref.conv2d(args["input"], args["filter"], attrs), args, attrs)


def product_tol(dtype):
    return Tol(ulp=4, abs=4e-6) if dtype == "float32" else Tol(ulp=4, abs=4 * float(finfo(dtype).eps))


add(Row("_FusedMatMul", FLOATS, matmul_cases, matmul, tol=product_tol))
add(Row("_FusedConv2D", ("float32", "float16"), conv_cases, conv, tol=product_tol))


def norm_cases(dtype, rng):
    for n, case in enumerate(rows_norm.forward_cases(dtype, rng)):
        if len(case.args["scale"]) % 4:
            continue  # refused by the op's own shape function
        side = [values(rng, case.args["x"].shape, dtype, -1, 1)] if n % 2 else []
        attrs = {"activation_mode": "Relu" if n % 3 else "Identity", "num_side_inputs": len(side)}
        yield Case(f"{case.label} {attrs}", case.args | {"side_input": side}, case.attrs | attrs, cpu=False)


def finished(y, args, attrs):
    y = y + args["side_input"][0] if args["side_input"] else y
    return np.maximum(y, 0) if attrs["activation_mode"] == "Relu" else y


def norm(args, attrs):
    y, *rest = rows_norm.forward(args, attrs)
    return finished(y, args, attrs), *rest


def norm_gradient_cases(dtype, rng):
    for n, case in enumerate(rows_norm.backward_cases(True)(dtype, rng)):
        attrs = {"activation_mode": "Relu" if n % 3 else "Identity", "num_side_inputs": n % 2}
        more = {
            "offset": np.zeros(case.args["scale"].shape, np.float32),
            "y": values(rng, case.args["x"].shape, dtype, -1, 1),
        }
        yield Case(f"{case.label} {attrs}", case.args | more, case.attrs | attrs, cpu=False)


def norm_gradient(args, attrs, plain=rows_norm.backward):
    dy = args["y_backprop"]
    dy = np.where(args["y"] > 0, dy, 0) if attrs["activation_mode"] == "Relu" else dy
    nothing = np.zeros(0)
    side = (dy,) if attrs["num_side_inputs"] else ()
    return (*plain(args | {"y_backprop": dy}, attrs), nothing, nothing, *side)


add(
    Row(
        "_FusedBatchNormEx",
        FLOATS,
        norm_cases,
        norm,
        tol=lambda t: Tol(ulp=8, abs=1e-5) if t == "float32" else Tol(ulp=2, abs=4 * float(finfo(t).eps)),
        defined=lambda case: 5 if case.attrs["is_training"] else 1,
    )
)
add(
    Row(
        "_FusedBatchNormGradEx",
        ("float32", "float16"),
        norm_gradient_cases,
        norm_gradient,
        tol=rows_norm.backward_tol,
        scale=lambda a, attr: tuple(np.abs(v) for v in norm_gradient(a, attr, rows_norm.backward_scale)),
        defined=lambda case: 5 + case.attrs["num_side_inputs"],
    )
)
