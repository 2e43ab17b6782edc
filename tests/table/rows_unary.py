"""Element-wise ops of one argument, and their gradient ops."""

import numpy as np
from row import (
    BITS,
    FLOATS,
    LARGE,
    LENGTHS,
    REALS,
    SIGNED,
    WIDE,
    Case,
    Row,
    add,
    finfo,
    float_tol,
    is_float,
    random_shape,
    special_values,
    values,
)
from scipy import special

SHAPES = [(n,) for n in LENGTHS] + [(), (2, 3, 5), (1, 2, 1, 3, 1, 2, 1), (4, 0, 2)]


def unary(op, f, types=FLOATS, low=-10.0, high=10.0, ulp=2.0, arg="x", grad=True, zero_sign=True, attrs=None, **more):
    attr_sets = attrs or [{}]

    def cases(dtype, rng):
        for attr in attr_sets:
            for shape in SHAPES:
                yield Case(f"{shape}{attr or ''}", {arg: values(rng, shape, dtype, low, high)}, attr)
        if dtype == types[0]:
            yield Case("large", {arg: values(rng, (LARGE,), dtype, low, high)}, attr_sets[0])

    def specials(dtype):
        if is_float(dtype):
            for attr in attr_sets:
                yield Case(f"special{attr or ''}", {arg: special_values(dtype)}, attr)

    def fuzz(dtype, rng):
        attr = attr_sets[int(rng.integers(len(attr_sets)))]
        shape = random_shape(rng, 8)
        return Case(f"{shape}{attr or ''}", {arg: values(rng, shape, dtype, low, high)}, attr)

    def reference(args, attr):
        return f(args[arg], **attr)

    more.setdefault("tol", float_tol(ulp))
    more.setdefault("doubles", "float64" in types)
    add(Row(op, types, cases, reference, grad=(arg,) if grad else (), specials=specials, fuzz=fuzz,
            exact_zero_sign=zero_sign, **more))  # fmt: skip


def wrap(f):
    """Integer arithmetic wraps: NumPy's does too, without a word."""

    def g(*a, **k):
        with np.errstate(all="ignore"):
            return f(*a, **k)

    return g


def inverse(x):
    """One over x; for integers that is 0 but for 1 and -1."""
    return 1 / x if x.dtype.kind == "f" else np.where(np.abs(x) == 1, x, 0)


FLOAT_SIGNED, REAL_SIGNED = FLOATS + SIGNED, REALS + SIGNED
REAL_INT = REALS + ("int8", "int16", "int64", "uint8", "uint16", "uint32", "uint64")

unary("Relu", lambda x: np.where(x > 0, x, 0 * x) if x.dtype.kind == "f" else np.maximum(x, 0), REAL_INT, ulp=0,
      arg="features", zero_sign=False)  # fmt: skip
unary("Relu6", lambda x: np.clip(x, 0, 6), REALS, ulp=0, arg="features", zero_sign=False)
unary("LeakyRelu", lambda x, alpha=0.2: np.where(x > 0, x, np.float64(np.float32(alpha)) * x), REALS, ulp=1, arg="features",
      attrs=[{}, {"alpha": 0.0}, {"alpha": 0.5}, {"alpha": 1.5}], zero_sign=False)  # fmt: skip
unary("Elu", lambda x: np.where(x > 0, x, np.expm1(x)), REALS, ulp=4, arg="features")
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.7580993408473768
unary("Selu", lambda x: np.where(x > 0, SELU_SCALE * x, SELU_ALPHA * np.expm1(x)), REALS, ulp=4, arg="features")
unary("Softplus", lambda x: np.logaddexp(x, 0), REALS, ulp=4, arg="features")
unary("Softsign", lambda x: x / (1 + np.abs(x)), REALS, ulp=3, arg="features")
unary("Sigmoid", special.expit, REALS, ulp=5)
unary("Tanh", np.tanh, REALS, ulp=5)
unary("Exp", np.exp, REALS, ulp=3)
unary("Expm1", np.expm1, REALS, ulp=4, low=-5, high=10)
unary("Log", np.log, REALS, ulp=3, low=1e-3, high=50)
unary("Log1p", np.log1p, REALS, ulp=4, low=-0.9, high=50)
unary("Sqrt", np.sqrt, REALS, ulp=3, low=0, high=100)
unary("Rsqrt", lambda x: 1 / np.sqrt(x), REALS, ulp=3, low=1e-3, high=100)
unary("Sin", np.sin, REALS, ulp=4)
unary("Cos", np.cos, REALS, ulp=4)
unary("Tan", np.tan, ulp=6)
unary("Asin", np.arcsin, ulp=5, low=-0.95, high=0.95)
unary("Acos", np.arccos, ulp=5, low=-0.95, high=0.95)
unary("Atan", np.arctan, ulp=5)
unary("Sinh", np.sinh, REALS, ulp=5)
unary("Cosh", np.cosh, REALS, ulp=5)
unary("Asinh", np.arcsinh, ulp=5)
unary("Acosh", np.arccosh, ulp=5, low=1, high=50)
unary("Atanh", np.arctanh, ulp=5, low=-0.95, high=0.95)
unary("Erf", special.erf, ulp=5)
unary("Erfc", special.erfc, ulp=16, low=-4, high=4)
unary("Erfinv", special.erfinv, ("float32",), ulp=8, zero_sign=False, low=-0.95, high=0.95)
unary("Neg", wrap(np.negative), FLOAT_SIGNED + WIDE, ulp=0)
unary("Abs", wrap(np.abs), REAL_SIGNED, ulp=0)
unary("Sign", np.sign, REAL_SIGNED, ulp=0, zero_sign=False)
unary("Square", wrap(np.square), REAL_INT, ulp=0.5)
unary("Inv", inverse, REALS + ("int64",), ulp=2.5, low=0.1, high=50)
unary("Reciprocal", inverse, REALS + ("int64",), ulp=2.5, low=0.1, high=50)
unary("Floor", np.floor, REALS, ulp=0, grad=False)
unary("Ceil", np.ceil, REALS, ulp=0, grad=False)
unary("Round", np.round, REALS + ("int32", "int64"), ulp=0, grad=False)
unary("Rint", np.rint, ("float32", "float16", "float64"), ulp=0, grad=False)
unary("IsFinite", np.isfinite, REALS, grad=False)
unary("IsNan", np.isnan, REALS, grad=False)
unary("IsInf", np.isinf, REALS, grad=False)
unary("Invert", np.invert, BITS, grad=False)
unary("LogicalNot", np.logical_not, ("bool",), grad=False, key=lambda c: "bool")
ALL = FLOATS + WIDE + ("bool", "int8", "int16", "int64", "uint8", "uint16", "uint32", "uint64")
unary("ZerosLike", np.zeros_like, ALL + ("int32",), ulp=0)
unary("OnesLike", np.ones_like, ALL + ("int32",), ulp=0)
unary("Snapshot", np.copy, ALL + ("int32",), ulp=0, arg="input", grad=False)


def gradient(
    op,
    f,
    names,
    types=FLOATS,
    low=-5.0,
    high=5.0,
    ulp=4.0,
    attrs=None,
    grad=False,
    signed_zero=False,
    lows=None,
    divides=False,
):
    """A gradient op of two same-shaped arguments: f(first, second)."""
    attr_sets = attrs or [{}]
    lows = lows or dict.fromkeys(names, (low, high))

    def make(rng, shape, dtype):
        return {n: values(rng, shape, dtype, *lows[n]) for n in names}

    def cases(dtype, rng):
        for attr in attr_sets:
            for shape in SHAPES:
                yield Case(f"{shape}{attr or ''}", make(rng, shape, dtype), attr)
        if dtype == types[0]:
            yield Case("large", make(rng, (LARGE,), dtype), attr_sets[0])
        if names == YDY:  # only the numbers of elements have to agree, and the result is shaped as the first
            x = make(rng, (3, 4), dtype)
            yield Case("(3, 4) and (12,)", x | {"dy": x["dy"].reshape(12)}, cpu=False)  # which has no gradient

    def specials(dtype):
        v = special_values(dtype)
        if divides:  # the CPU kernels flush the reciprocals of the greatest numbers, which then spoil an infinity
            v = v[~(np.abs(v.astype(np.float64)) == float(finfo(dtype).max))]
        rng = np.random.default_rng(5)
        for attr in attr_sets:
            yield Case(f"special{attr or ''}", {names[0]: v, names[1]: rng.permutation(v)}, attr)

    def invalid(dtype):
        rng = np.random.default_rng(1)
        yield Case(
            "shapes differ", {n: values(rng, (3 + i,), dtype, *lows[n]) for i, n in enumerate(names)}, attr_sets[0]
        )

    def fuzz(dtype, rng):
        shape = random_shape(rng)
        attr = attr_sets[int(rng.integers(len(attr_sets)))]
        return Case(f"{shape}{attr or ''}", make(rng, shape, dtype), attr)

    def reference(args, attr):
        return f(args[names[0]], args[names[1]].reshape(args[names[0]].shape), **attr)

    add(Row(op, types, cases, reference, tol=float_tol(ulp), grad=names if grad else (), specials=specials,
            invalid=invalid, fuzz=fuzz, exact_zero_sign=signed_zero, doubles="float64" in types))  # fmt: skip


GF = ("gradients", "features")
YDY = ("y", "dy")
GO = ("gradients", "outputs")
gradient("ReluGrad", lambda g, x: np.where(x > 0, g, 0), GF, REALS, ulp=0, grad=True)
gradient("Relu6Grad", lambda g, x: np.where((x > 0) & (x < 6), g, 0), GF, REALS, ulp=0, low=-9, high=9)
gradient("LeakyReluGrad", lambda g, x, alpha=0.2: np.where(x > 0, g, np.float64(np.float32(alpha)) * g), GF, REALS, ulp=1,
         attrs=[{}, {"alpha": 0.0}, {"alpha": 1.5}])  # fmt: skip
gradient("EluGrad", lambda g, y: np.where(y < 0, g * (y + 1), g), GO, REALS, ulp=2, low=-0.9)
gradient("SeluGrad", lambda g, y: np.where(y < 0, g * (y + SELU_ALPHA), g * SELU_SCALE), GO, REALS, ulp=2, low=-1.5)
gradient("SoftplusGrad", lambda g, x: g * special.expit(x), GF, REALS, ulp=6)
gradient("SoftsignGrad", lambda g, x: g / np.square(1 + np.abs(x)), GF, REALS, ulp=6)
gradient(
    "SigmoidGrad", lambda y, dy: dy * y * (1 - y), YDY, REALS, ulp=3, lows={"y": (0.01, 0.99), "dy": (-5, 5)}, grad=True
)
gradient(
    "TanhGrad", lambda y, dy: dy * (1 - y * y), YDY, REALS, ulp=3, lows={"y": (-0.7, 0.7), "dy": (-5, 5)}, grad=True
)
gradient(
    "SqrtGrad",
    lambda y, dy: dy * 0.5 / y,
    YDY,
    REALS,
    ulp=3,
    lows={"y": (0.1, 9), "dy": (-5, 5)},
    grad=True,
    divides=True,
)
gradient("RsqrtGrad", lambda y, dy: -0.5 * dy * y**3, YDY, REALS, ulp=4, lows={"y": (0.1, 9), "dy": (-5, 5)}, grad=True)
gradient("InvGrad", lambda y, dy: -dy * y * y, YDY, REALS, ulp=2, grad=True)
gradient("ReciprocalGrad", lambda y, dy: -dy * y * y, YDY, REALS, ulp=2, grad=True)
