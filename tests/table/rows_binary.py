"""Element-wise ops of two and three arguments with broadcasting: arithmetic, comparisons, logic, bits, selects."""

import numpy as np
from row import (
    BITS,
    BROADCASTS,
    FLOATS,
    INTS,
    LARGE,
    LENGTHS,
    REALS,
    SIGNED,
    WIDE,
    Case,
    Row,
    Tol,
    add,
    float_tol,
    is_float,
    random_shape,
    special_values,
    values,
)
from rows_unary import REAL_INT, wrap
from scipy import special

PAIRS = [((n,), (n,)) for n in LENGTHS] + list(BROADCASTS)


def broadcast_pair(rng, parts=2):
    """Shapes of `parts` operands that broadcast to one another."""
    full = random_shape(rng, 6)
    shapes = []
    for _ in range(parts):
        shape = [1 if rng.random() < 0.3 else d for d in full]
        shapes.append(tuple(shape[int(rng.integers(0, len(full) + 1)) if rng.random() < 0.4 else 0 :]))
    return shapes


def int_pairs(dtype):
    """Extremes of an integer type against each other: sums, products and differences that wrap."""
    info = np.iinfo(dtype)
    edge = [info.min, info.min + 1, 0, 1, 2, 3, info.max // 2, info.max - 1, info.max] + ([-1, -2] if info.min else [])
    x = np.array(edge * len(edge), dtype=dtype)
    return x, np.repeat(np.array(edge, dtype=dtype), len(edge))


def default_make(names, low, high):
    def make(rng, shapes, dtype):
        return {n: values(rng, s, dtype, *b) for n, s, b in zip(names, shapes, (low, high), strict=True)}

    return make


def binary(op, f, types, names=("x", "y"), left=(-10.0, 10.0), right=(-10.0, 10.0), ulp=1.0, grad=True, broadcast=True,
           make=None, overflow=True, special_pairs=True, zero_sign=True,
           extra=None, **more):  # fmt: skip
    make = make or default_make(names, left, right)
    pairs = PAIRS if broadcast else [p for p in PAIRS if p[0] == p[1]]

    def cases(dtype, rng):
        for shapes in pairs:
            yield Case(f"{shapes[0]}{shapes[1]}", make(rng, shapes, dtype))
        if dtype == types[0]:
            yield Case("large", make(rng, ((LARGE,), (LARGE,)), dtype))
        if dtype in INTS and overflow:
            yield Case("extremes", dict(zip(names, int_pairs(dtype), strict=True)))
        if extra:
            yield from extra(rng, dtype)

    def specials(dtype):
        if is_float(dtype) and special_pairs:
            v = special_values(dtype)
            yield Case("special", {names[0]: np.repeat(v, len(v)), names[1]: np.tile(v, len(v))})
            if broadcast:
                yield Case("special, scalar right", {names[0]: v, names[1]: np.array(np.nan, v.dtype)})
                yield Case("special, scalar left", {names[0]: np.array(np.nan, v.dtype), names[1]: v})

    def invalid(dtype):
        rng = np.random.default_rng(1)
        yield Case("shapes do not broadcast", make(rng, ((2,), (3,)), dtype))
        yield Case("inner shapes do not broadcast", make(rng, ((2, 3, 4), (2, 2, 4)), dtype))

    def fuzz(dtype, rng):
        shapes = broadcast_pair(rng) if broadcast else (random_shape(rng),) * 2
        return Case(f"{shapes[0]}{shapes[1]}", make(rng, shapes, dtype))

    more.setdefault("tol", float_tol(ulp))
    more.setdefault("doubles", "float64" in types)
    add(Row(op, types, cases, lambda args, attr: f(args[names[0]], args[names[1]]), grad=names if grad else (),
            specials=specials, invalid=invalid, fuzz=fuzz, exact_zero_sign=zero_sign, **more))  # fmt: skip


def nonzero(names, low=0.2, high=9.0):
    """The second operand keeps away from zero, with both signs."""

    def make(rng, shapes, dtype):
        x, y = values(rng, shapes[0], dtype), values(rng, shapes[1], dtype, low, high)
        if is_float(dtype):
            sign = rng.choice([-1.0, 1.0], shapes[1])
            y = (np.asarray(y, dtype=np.float64) * sign).astype(y.dtype)
        else:
            y = np.where(y == 0, np.asarray(7, y.dtype), y).astype(y.dtype)
            y = np.where(y == y.dtype.type(-1) if y.dtype.kind == "i" else False, np.asarray(3, y.dtype), y)
        return {names[0]: x, names[1]: np.asarray(y).astype(x.dtype)}

    return make


def some_zero(names):
    """Zeros in the second operand, as the *NoNan and Xlog ops need."""

    def make(rng, shapes, dtype):
        x, y = values(rng, shapes[0], dtype), values(rng, shapes[1], dtype)
        return {names[0]: x, names[1]: np.where(rng.random(shapes[1]) < 0.3, np.zeros((), y.dtype), y).astype(y.dtype)}

    return make


def powers(rng, shapes, dtype):
    if is_float(dtype):
        return {"x": values(rng, shapes[0], dtype, 0.2, 3.0), "y": values(rng, shapes[1], dtype, -3.0, 3.0)}
    return {"x": values(rng, shapes[0], dtype), "y": np.asarray(rng.integers(0, 6, shapes[1])).astype(dtype)}


def no_nan(f):
    def g(x, y):
        with np.errstate(all="ignore"):
            return f(x, y)

    return g


def truncate_div(x, y):
    with np.errstate(all="ignore"):
        if x.dtype.kind == "u":
            return x // y
        q = np.floor_divide(x, y)
        r = x - q * y
        return q + ((r != 0) & ((x < 0) != (y < 0))).astype(x.dtype)


XY = ("x", "y")
binary(
    "ApproximateEqual",
    lambda x, y: np.abs(x - y) < np.float64(np.float32(1e-5)),
    ("float32", "float64"),
    grad=False,
    broadcast=False,
)
binary("AddV2", wrap(np.add), REAL_INT, ulp=0.5)
binary("Add", wrap(np.add), REALS + ("int8", "int16", "int64", "uint8"), ulp=0.5)
binary("Sub", wrap(np.subtract), REAL_INT, ulp=0.5)
binary("Mul", wrap(np.multiply), REAL_INT, ulp=0.5)
binary("RealDiv", np.divide, REALS, make=nonzero(XY), ulp=2.5)
binary("Div", lambda x, y: np.divide(x, y) if x.dtype.kind == "f" else truncate_div(x, y), REAL_INT, make=nonzero(XY),
       ulp=2.5, overflow=False)  # fmt: skip
binary("DivNoNan", no_nan(lambda x, y: np.where(y == 0, 0, x / y)), REALS, make=some_zero(XY), ulp=2.5, grad=False)
binary("MulNoNan", lambda x, y: np.where(y == 0, 0, x * y), REALS, make=some_zero(XY), ulp=0.5, grad=False)
binary("FloorDiv", np.floor_divide, REAL_INT, make=nonzero(XY), ulp=0, overflow=False, grad=False)
binary("FloorMod", np.mod, REAL_INT, make=nonzero(XY), overflow=False, grad=False,
       tol=lambda t: Tol(ulp=1, abs=2e-6 if t in FLOATS else 0))  # fmt: skip
binary(
    "TruncateDiv",
    lambda x, y: np.trunc(x / y) if x.dtype.kind == "f" else truncate_div(x, y),
    ("float32", "float16", "float64") + INTS,
    make=nonzero(XY),
    overflow=False,
    grad=False,
)
binary("Pow", wrap(np.power), REALS + SIGNED, make=powers, ulp=12, overflow=False)
binary("SquaredDifference", wrap(lambda x, y: np.square(x - y)), REALS + ("int32", "int64"), ulp=2)
binary("Maximum", np.maximum, REAL_INT, ulp=0, zero_sign=False)
binary("Minimum", np.minimum, REAL_INT, ulp=0, zero_sign=False)
binary("Atan2", np.arctan2, FLOATS, names=("y", "x"), ulp=6)
binary("NextAfter", lambda x, y: np.nextafter(x.astype(np.float32), y.astype(np.float32)), ("float32",),
       names=("x1", "x2"), ulp=0, grad=False)  # fmt: skip
positive = default_make(XY, (-5.0, 5.0), (0.1, 9.0))
binary("Xlogy", special.xlogy, REALS, make=positive, ulp=4, zero_sign=False)
binary("Xlog1py", special.xlog1py, REALS, make=positive, ulp=4, zero_sign=False)
binary("Xdivy", lambda x, y: x / y, REALS, make=positive, ulp=3, grad_eps=64, zero_sign=False)

COMPARABLE = REAL_INT
SHARED = {"grad": False, "ulp": 0}


def ties(names):
    def make(rng, shapes, dtype):
        def draw(shape):
            if dtype == "bool":
                return values(rng, shape, dtype)
            low = 0 if dtype.startswith("u") else -3
            return np.asarray(rng.integers(low, 4, shape)).astype(values(rng, (), dtype).dtype)

        return {names[0]: draw(shapes[0]), names[1]: draw(shapes[1])}

    return make


def equality(op, f):
    """Equal and NotEqual: also with incompatible_shape_error false, where shapes that differ give one False (True)."""

    def differing(rng, dtype):
        make = ties(XY)
        for shapes in (((2,), (3,)), ((2, 3), (2, 4)), ((4,), (4,))):
            yield Case(f"{shapes}, no shape error", make(rng, shapes, dtype), {"incompatible_shape_error": False})

    def reference(x, y):
        return f(x, y) if x.shape == y.shape or shapes_broadcast(x, y) else np.asarray(op == "NotEqual")

    binary(op, reference, COMPARABLE + ("bool",), make=ties(XY), extra=differing, **SHARED)


def shapes_broadcast(x, y):
    return all(a == b or 1 in (a, b) for a, b in zip(x.shape[::-1], y.shape[::-1], strict=False))


equality("Equal", np.equal)
equality("NotEqual", np.not_equal)
binary("Less", np.less, COMPARABLE, make=ties(XY), **SHARED)
binary("LessEqual", np.less_equal, COMPARABLE, make=ties(XY), **SHARED)
binary("Greater", np.greater, COMPARABLE, make=ties(XY), **SHARED)
binary("GreaterEqual", np.greater_equal, COMPARABLE, make=ties(XY), **SHARED)
binary("LogicalAnd", np.logical_and, ("bool",), key=lambda c: "bool", **SHARED)
binary("LogicalOr", np.logical_or, ("bool",), key=lambda c: "bool", **SHARED)
binary("BitwiseAnd", np.bitwise_and, BITS, **SHARED)
binary("BitwiseOr", np.bitwise_or, BITS, **SHARED)
binary("BitwiseXor", np.bitwise_xor, BITS, **SHARED)


def shifts(rng, shapes, dtype):
    bits = np.iinfo(dtype).bits
    return {"x": values(rng, shapes[0], dtype), "y": np.asarray(rng.integers(0, bits, shapes[1])).astype(dtype)}


binary("LeftShift", wrap(np.left_shift), BITS, make=shifts, overflow=False, **SHARED)
binary("RightShift", np.right_shift, BITS, make=shifts, overflow=False, **SHARED)

TRIPLES = [((n,), (n,), (n,)) for n in LENGTHS] + [
    ((), (5,), (5,)), ((5,), (), (5,)), ((5,), (5,), ()), ((), (), ()), ((4, 1), (4, 5), (5,)), ((2, 1, 3), (1, 4, 1), (2, 4, 3)),
    ((2, 1, 2, 1, 2), (1, 3, 1, 3, 1), (2, 3, 2, 3, 2)), ((0, 3), (3,), (1, 3)), ((1, 2, 1, 2, 1, 2), (2, 1, 2, 1, 2, 1), ()),
]  # fmt: skip
ALL = FLOATS + INTS + WIDE + ("bool", "int32")


def select_v2():
    def make(rng, shapes, dtype):
        c, t, e = shapes
        return {"condition": values(rng, c, "bool"), "t": values(rng, t, dtype), "e": values(rng, e, dtype)}

    def cases(dtype, rng):
        for shapes in TRIPLES:
            yield Case(str(shapes), make(rng, shapes, dtype))
        if dtype == "float32":
            yield Case("large", make(rng, ((LARGE,),) * 3, dtype))

    def specials(dtype):
        if is_float(dtype):
            v = special_values(dtype)
            yield Case("special", {"condition": np.arange(len(v)) % 2 == 0, "t": v, "e": v[::-1].copy()})

    def invalid(dtype):
        rng = np.random.default_rng(1)
        yield Case("then and else do not broadcast", make(rng, ((2,), (2,), (3,)), dtype))
        yield Case("condition does not broadcast", make(rng, ((4,), (3,), (3,)), dtype))

    add(Row("SelectV2", ALL, cases, lambda a, _: np.where(a["condition"], a["t"], a["e"]), grad=("t", "e"),
            tol=float_tol(0, 0), specials=specials, invalid=invalid,
            fuzz=lambda d, rng: (lambda s: Case(str(s), make(rng, s, d)))(broadcast_pair(rng, 3))))  # fmt: skip


def select():
    """Select: the condition has the shape of the values, or is a scalar, or a vector over their first axis."""
    shapes = [((n,), (n,)) for n in LENGTHS] + [
        ((), (4, 3)),
        ((4,), (4, 3, 2)),
        ((2, 3, 4), (2, 3, 4)),
        ((), ()),
        ((0,), (0, 3)),
    ]

    def make(rng, pair, dtype):
        c, t = pair
        return {"condition": values(rng, c, "bool"), "x": values(rng, t, dtype), "y": values(rng, t, dtype)}

    def reference(a, _):
        c = a["condition"]
        return np.where(c.reshape(c.shape + (1,) * (a["x"].ndim - c.ndim)), a["x"], a["y"])

    def cases(dtype, rng):
        return [Case(str(s), make(rng, s, dtype)) for s in shapes]

    def invalid(dtype):
        rng = np.random.default_rng(1)
        yield Case("condition too long", make(rng, ((3,), (4, 3)), dtype))
        yield Case("condition of wrong rank", make(rng, ((4, 3), (4, 3, 2)), dtype))

    add(
        Row(
            "Select",
            FLOATS + WIDE + ("bool", "int32", "int64"),
            cases,
            reference,
            tol=float_tol(0, 0),
            grad=("x", "y"),
            invalid=invalid,
        )
    )


def clip():
    def make(rng, shape, dtype):
        low, high = np.sort(values(rng, (2,), dtype).astype(np.float64 if is_float(dtype) else dtype))
        kind = values(rng, (), dtype).dtype
        return {
            "t": values(rng, shape, dtype),
            "clip_value_min": np.array(low, kind),
            "clip_value_max": np.array(high, kind),
        }

    def cases(dtype, rng):
        return [Case(str(s), make(rng, s, dtype)) for s in [(n,) for n in LENGTHS] + [(), (2, 3, 4)]]

    add(Row("ClipByValue", FLOATS + ("int8", "int16", "int32", "int64", "uint8", "uint16"), cases,
            lambda a, _: np.minimum(np.maximum(a["t"], a["clip_value_min"]), a["clip_value_max"]), tol=float_tol(0, 0)))  # fmt: skip


select_v2()
select()
clip()
