"""Small ops on every element or vector of three: bits, formats, checks, cross products, copies."""

import numpy as np
from row import FLOATS, INTS, Case, Row, Tol, add, float_tol, values

FORMATS = (("NHWC", "NCHW"), ("NCHW", "NHWC"), ("NHWC", "HWNC"), ("NDHWC", "NCDHW"))


def exact(_):
    return Tol()


def of(arg, shapes=((), (1,), (7,), (3, 4), (0, 3), (257,), (2, 3, 4, 5))):
    return lambda dtype, rng: [Case(f"{s}", {arg: values(rng, s, dtype)}) for s in shapes]


def bits(a, _):
    x = a["x"]
    wide = x.astype(np.uint64) & np.uint64(2 ** (8 * x.dtype.itemsize) - 1)
    return np.array([bin(int(v)).count("1") for v in wide.reshape(-1)], np.uint8).reshape(x.shape)


add(Row("PopulationCount", ("int8", "int16", "int32", "int64", "uint8", "uint16"), of("x"), bits, tol=exact))


def axis_cases(dtype, rng):
    for source, target in FORMATS:
        n = len(source)
        for shape in ((), (1,), (2 * n,), (3, 4)):
            x = np.asarray(rng.integers(-n, n, shape)).astype(dtype)
            yield Case(f"{shape} {source} {target}", {"x": x}, {"src_format": source, "dst_format": target})


add(Row("DataFormatDimMap", ("int32", "int64"), axis_cases, tol=exact, reference=lambda a, at: np.array(
    [at["dst_format"].index(at["src_format"][i]) for i in a["x"].reshape(-1)], a["x"].dtype).reshape(a["x"].shape)))  # fmt: skip


def permute_cases(dtype, rng):
    for source, target in FORMATS:
        n = len(source)
        for shape in ((n,), (n, 2), (n - 2,), (n - 2, 2)):
            yield Case(
                f"{shape} {source} {target}",
                {"x": values(rng, shape, dtype)},
                {"src_format": source, "dst_format": target},
            )


def permute_reference(a, attr):
    source, target = attr["src_format"], attr["dst_format"]
    if len(a["x"]) == len(source) - 2:
        source, target = (f.replace("N", "").replace("C", "") for f in (source, target))
    return a["x"][[source.index(c) for c in target]]


def permute_invalid(dtype):
    attr = {"src_format": "NHWC", "dst_format": "NCHW"}
    for label, shape in (("three", (3,)), ("a scalar", ()), ("columns", (4, 3))):
        yield Case(label, {"x": np.ones(shape, dtype)}, attr)


add(
    Row(
        "DataFormatVecPermute", ("int32", "int64"), permute_cases, permute_reference, tol=exact, invalid=permute_invalid
    )
)


def check_cases(dtype, rng):
    for case in of("tensor")(dtype, rng):
        yield Case(case.label, case.args, {"message": "hello"})


def check_invalid(dtype):
    for label, bad in (("NaN", np.nan), ("inf", np.inf), ("negative inf", -np.inf)):
        x = np.ones(300, dtype)
        x[70] = bad
        yield Case(label, {"tensor": x}, {"message": "hello"})


for _op in ("CheckNumerics", "CheckNumericsV2"):
    add(Row(_op, ("float32", "float16", "float64"), check_cases, lambda a, _: a["tensor"], tol=exact, invalid=check_invalid,
            grad=("tensor",) if _op == "CheckNumerics" else ()))  # fmt: skip


def cross_cases(dtype, rng):
    for shape in ((3,), (2, 3), (0, 3), (4, 5, 3), (300, 3)):
        yield Case(f"{shape}", {"a": values(rng, shape, dtype), "b": values(rng, shape, dtype)})


def cross_reference(a, _):
    x, y = a["a"], a["b"]
    with np.errstate(all="ignore"):
        return np.stack(
            [x[..., (i + 1) % 3] * y[..., (i + 2) % 3] - x[..., (i + 2) % 3] * y[..., (i + 1) % 3] for i in range(3)],
            -1,
        )


def cross_scale(a, _):
    x, y = np.abs(a["a"].astype(np.float64)), np.abs(a["b"].astype(np.float64))
    return np.stack(
        [x[..., (i + 1) % 3] * y[..., (i + 2) % 3] + x[..., (i + 2) % 3] * y[..., (i + 1) % 3] for i in range(3)], -1
    )


def cross_invalid(dtype):
    x = values(np.random.default_rng(1), (2, 3), dtype)
    yield Case("two", {"a": x[:, :2], "b": x[:, :2]})
    yield Case("shapes", {"a": x, "b": x[0]})


add(Row("Cross", FLOATS + INTS + ("int32",), cross_cases, cross_reference, scale=cross_scale, invalid=cross_invalid, grad=("a", "b"),
        tol=lambda t: Tol(ulp=1, eps=2) if t in FLOATS else float_tol(1)(t)))  # fmt: skip

EMPTY = FLOATS + ("float64", "int8", "int32", "int64", "uint8", "uint64")
add(Row("Empty", EMPTY, lambda d, rng: [Case(f"{s}", {"shape": np.array(s, np.int32)}, {"dtype": d, "init": True}) for s in ((), (5,), (3, 0), (2, 3, 70))],
        lambda a, at: np.zeros(tuple(a["shape"]), at["dtype"] if at["dtype"] != "bfloat16" else np.float64), tol=exact,
        key=lambda c: c["dtype"], beside=lambda case: False))  # fmt: skip
add(Row("DeepCopy", FLOATS + ("float64", "int8", "int64", "uint8", "uint64"), of("x"), lambda a, _: a["x"], tol=exact))
