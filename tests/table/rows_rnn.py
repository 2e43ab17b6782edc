"""Recurrent layers in the form of the CudnnRNN ops.  Their gradients are in test_recurrent.py."""

import numpy as np
import recurrent
import tensorflow as tf
from row import FLOATS, Case, Row, Tol, add, finfo, values

# layers, directions, steps, batch, inputs, units
SIZES = [(1, 1, 4, 2, 3, 5), (2, 2, 3, 2, 5, 3), (1, 2, 5, 4, 6, 8), (3, 1, 2, 1, 1, 1), (2, 1, 3, 5, 8, 16)]


def call(dtype, rng, mode, sizes, version, input_mode="linear_input", major=True, lengths=False, training=True):
    layers, directions, steps, batch, inputs, units = sizes
    attrs = {
        "rnn_mode": mode,
        "input_mode": input_mode,
        "direction": "bidirectional" if directions == 2 else "unidirectional",
        "is_training": training,
    }
    args = {
        "input": values(rng, (steps, batch, inputs), dtype, -1, 1),
        "input_h": values(rng, (layers * directions, batch, units), dtype, -1, 1),
        "input_c": values(rng, (layers * directions, batch, units) if mode == "lstm" else (), dtype, -1, 1),
        "params": values(rng, (recurrent.params_size(attrs, layers, units, inputs),), dtype, -0.6, 0.6),
    }
    if version == 3:
        attrs["time_major"] = major
        if not major:
            args = {k: np.ascontiguousarray(v.swapaxes(0, 1)) if v.ndim == 3 else v for k, v in args.items()}
        n = rng.integers(0, steps + 1, batch) if lengths else np.full(batch, steps)
        args["sequence_lengths"] = n.astype(np.int32)
    kind = "padded" if lengths else "whole"
    return Case(f"{mode} {sizes} {input_mode} time_major={major} {kind} training={training}", args, attrs, cpu=False)


def cases(version):
    def make(dtype, rng):
        for mode in recurrent.GATES:
            for sizes in SIZES if version == 3 else SIZES[:2]:
                yield call(dtype, rng, mode, sizes, version)
            square = (2, 1, 3, 2, 4, 4)
            yield call(dtype, rng, mode, square, version, "skip_input", training=False)
            yield call(dtype, rng, mode, square, version, "auto_select")
            if version == 3:
                for sizes in SIZES[:3]:
                    yield call(dtype, rng, mode, sizes, version, major=False)
                    for major in (True, False):
                        yield call(dtype, rng, mode, sizes, version, major=major, lengths=True)

    return make


def reference(args, attrs):
    given = {k: v if k == "sequence_lengths" else tf.constant(v, tf.float64) for k, v in args.items()}
    return tuple(y.numpy() for y in recurrent.layer_output(given, attrs))


def tol(dtype):
    return Tol(abs=2e-6, ulp=16) if dtype == "float32" else Tol(ulp=4, abs=8 * float(finfo(dtype).eps))


for op, version in (("CudnnRNN", 1), ("CudnnRNNV2", 2), ("CudnnRNNV3", 3)):
    add(Row(op, FLOATS, cases(version), reference, tol=tol, defined=lambda case: 3))


def sizes_args(layers, units, inputs):
    names = {"num_layers": layers, "num_units": units, "input_size": inputs}
    return {k: np.array(v, np.int32) for k, v in names.items()}


def shapes(a, attrs):
    return recurrent.pieces(attrs, int(a["num_layers"]), int(a["num_units"]), int(a["input_size"]))


def sized(dtype):
    for mode in recurrent.GATES:
        for direction in ("unidirectional", "bidirectional"):
            for layers, units, inputs in ((1, 5, 3), (3, 4, 7)):
                yield sizes_args(layers, units, inputs), {"rnn_mode": mode, "direction": direction}


def size_cases(dtype, rng):
    for args, attrs in sized(dtype):
        more = {"T": dtype, "S": "int32"}
        yield Case(f"{attrs} {args}", args, attrs | more, cpu=False)
    for input_mode in ("skip_input", "auto_select"):
        attrs = {"rnn_mode": "gru", "input_mode": input_mode, "T": dtype, "S": "int32"}
        yield Case(input_mode, sizes_args(2, 4, 4), attrs, cpu=False)


add(
    Row(
        "CudnnRNNParamsSize",
        FLOATS,
        size_cases,
        lambda a, attrs: np.array(
            [recurrent.params_size(attrs, int(a["num_layers"]), int(a["num_units"]), int(a["input_size"]))], np.int32
        ),
    )
)


def to_canonical_cases(second):
    def make(dtype, rng):
        for args, attrs in sized(dtype):
            matrices, biases = shapes(args, attrs)
            params = values(rng, (sum(int(np.prod(s)) for s in matrices + biases),), dtype)
            n = len(matrices)
            more = {"num_params_weights": n, "num_params_biases": n} if second else {"num_params": n}
            yield Case(f"{attrs} {args}", args | {"params": params}, attrs | more, cpu=False)

    return make


def to_canonical(args, attrs):
    matrices, biases = shapes(args, attrs)
    ends = np.cumsum([int(np.prod(s)) for s in matrices + biases])[:-1]
    return tuple(p.reshape(s) for p, s in zip(np.split(args["params"], ends), matrices + biases, strict=True))


def to_params_cases(dtype, rng):
    for args, attrs in sized(dtype):
        matrices, biases = shapes(args, attrs)
        lists = {name: [values(rng, s, dtype) for s in of] for name, of in (("weights", matrices), ("biases", biases))}
        yield Case(f"{attrs} {args}", args | lists, attrs, cpu=False)


def to_params(args, attrs):
    return np.concatenate([np.ravel(p) for p in args["weights"] + args["biases"]])


# An op with lists of outputs gives a tuple of lists.
for name, second in (("", False), ("V2", True)):
    add(Row(f"CudnnRNNCanonicalToParams{name}", FLOATS, to_params_cases, to_params))
    add(Row(f"CudnnRNNParamsToCanonical{name}", FLOATS, to_canonical_cases(second), to_canonical))
