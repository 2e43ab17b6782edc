"""Quantisation and back, step for step as TensorFlow's CPU kernels."""

import numpy as np
from row import Case, Row, Tol, add, values

SHAPES = (((7,), -1), ((), -1), ((257,), -1), ((3, 5, 4), 1), ((40, 33), 1), ((2, 3, 4), 0))
RANGES = ((-6.0, 6.0), (0.0, 5.3), (-3.7, 1.0), (1.0, 4.0), (-9.0, -2.5))
WAYS = (
    {"signed_input": True, "range_given": True, "narrow_range": False},
    {"signed_input": True, "range_given": False, "narrow_range": True},
    {"signed_input": False, "range_given": False, "narrow_range": False},
    {"signed_input": True, "range_given": True, "narrow_range": True},
)


def limits(shape, axis, low, high):
    if axis < 0:
        return np.float32(low), np.float32(high)
    n = shape[axis]
    return np.linspace(low, low + 0.2, n).astype(np.float32), np.linspace(high, high + 3, n).astype(np.float32)


def add_quantize(op):
    third, backward = op.endswith("V3"), op.endswith("Grad")

    def call(label, x, axis, at, way, bits, mode="HALF_TO_EVEN"):
        low, high = limits(x.shape, axis, *at)
        args = {"input": x, "input_min": low, "input_max": high}
        if backward:
            return Case(label, {"gradients": x[::-1].copy() if x.ndim else x} | args, {"axis": axis})
        if third:
            return Case(label, args | {"num_bits": np.int32(bits)}, way | {"axis": axis})
        return Case(label, args, way | {"axis": axis, "num_bits": bits, "round_mode": mode})

    def cases(dtype, rng):
        for n, (shape, axis) in enumerate(SHAPES):
            if third and not shape:
                continue  # which TensorFlow's own kernel refuses
            for k, way in enumerate(WAYS[:1] if backward else WAYS):
                if axis >= 0 and way["range_given"] and not third and not backward:
                    continue  # TensorFlow's own kernels ask for two contrary things
                x = values(rng, shape, dtype, -9, 9)
                mode = ("HALF_TO_EVEN", "HALF_UP")[(n + k) % 2]
                yield call(f"{shape} {axis} {way} {n}", x, axis, RANGES[(n + k) % 5], way, (8, 4, 12)[k % 3], mode)

    def specials(dtype):
        if backward:  # none passes from beyond the range: 0 times it, NaN where it is infinite
            x = np.tile(np.array([-99, 0.5, 99], np.float32), 4)
            dy = np.repeat(np.array([1, np.inf, -np.inf, np.nan], np.float32), 3)
            case = call("infinite gradients", x, -1, (-1.0, 1.0), WAYS[0], 8)
            yield Case(case.label, case.args | {"gradients": dy}, case.attrs)

    def invalid(dtype):
        x = np.ones((3, 4), np.float32)
        good = call("", x, -1, RANGES[0], WAYS[0], 8)
        if not third:  # of which TensorFlow's own kernel ends the process
            yield Case("limits", good.args | {"input_min": np.zeros(2, np.float32)}, good.attrs)
        if not backward:
            yield call("bits", x, -1, RANGES[0], WAYS[0], 63)
            yield call("order", x, -1, (2.0, 1.0), WAYS[0], 8)

    add(Row(op, ("float32",), cases, None, tol=lambda _: Tol(ulp=2), invalid=invalid, specials=specials, exact_zero_sign=False, awkward="numbers",
            strewn=("input", "gradients")))  # fmt: skip


for name in ("V2", "V3", "V4", "V4Grad"):
    add_quantize(f"QuantizeAndDequantize{name}")
