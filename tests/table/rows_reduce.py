"""Reductions, ArgMax/ArgMin, AddN, softmax and the cross-entropies."""

import itertools

import numpy as np
from row import (
    FLOATS,
    LARGE,
    REALS,
    Case,
    Row,
    Tol,
    add,
    finfo,
    float_tol,
    is_float,
    random_shape,
    small,
    special_values,
    sum_tol,
    values,
)
from scipy import special

AXES = [
    ((), ()), ((7,), (0,)), ((7,), ()), ((4, 5), (0,)), ((4, 5), (1,)), ((4, 5), (-1,)), ((4, 5), (0, 1)), ((4, 5), ()), ((5, 1), (1,)),
    ((2, 3, 4), (1,)), ((2, 3, 4), (0, 2)), ((2, 3, 4), (-2, -1)), ((2, 3, 4, 5), (0, 1, 2)), ((2, 3, 4, 5), (1, 3)), ((2, 3, 4, 5), (0, 3)),
    ((2, 3, 2, 3, 2), (0, 2, 4)), ((2, 3, 2, 3, 2, 3), (1, 3, 5)), ((0,), (0,)), ((0, 3), (0,)), ((3, 0), (0,)), ((3, 0), (1,)), ((2, 0, 3), (1,)),
    ((257,), (0,)), ((33, 1025), (1,)), ((1025, 33), (0,)), ((3, 300, 5), (1,)), ((1, 1, 1), (0, 2)),
]  # fmt: skip


def reduction(op, f, types, sums=True, ulp=2.0, grad=True, magnitude=None, empty=True, make=small, eps=4.0):
    """f(x, axis, keepdims) reduces; `magnitude` of the inputs is what a sum's error is measured against."""
    arg = "input"

    def case(dtype, rng, shape, axis, keep, kind=np.int32):
        return Case(
            f"{shape} over {axis} keep={keep}",
            {arg: make(rng, shape, dtype), "axis": np.array(axis, kind)},
            {"keep_dims": keep},
        )

    def cases(dtype, rng):
        for n, (shape, axis) in enumerate(AXES):
            if empty or 0 not in shape:
                yield case(dtype, rng, shape, axis, False, (np.int32, np.int64)[n % 2])
                yield case(dtype, rng, shape, axis, True, (np.int64, np.int32)[n % 2])
        yield Case(
            "axis a scalar", {arg: make(rng, (3, 4), dtype), "axis": np.array(1, np.int32)}, {"keep_dims": False}
        )
        if dtype in ("float32", "bool"):
            yield case(dtype, rng, (LARGE,), (0,), False)
            yield case(dtype, rng, (3, 70001), (1,), False)
            yield case(dtype, rng, (70001, 3), (0,), True)

    def apply(g, a, attr):
        axis = tuple(int(i) for i in np.atleast_1d(a["axis"]))
        return g(a[arg], axis=axis, keepdims=attr["keep_dims"])

    def invalid(dtype):
        x = make(np.random.default_rng(1), (2, 3), dtype)
        for label, axis in (
            ("out of range", [2]),
            ("below range", [-3]),
            ("twice", [1, 1]),
            ("twice, signs differ", [1, -1]),
        ):
            yield Case(label, {arg: x, "axis": np.array(axis, np.int32)}, {"keep_dims": False})

    def specials(dtype):
        if is_float(dtype):
            v = special_values(dtype)
            for keep in (
                v,
                v[np.isfinite(v.astype(np.float64))],
                v[1:],
                v[~np.isnan(v.astype(np.float64))],
                v[:1],
                v[2:3],
            ):
                if sums and not np.any(~np.isfinite(keep.astype(np.float64))):
                    continue  # the sum of the extremes depends on the order
                yield Case(f"special {len(keep)}", {arg: keep, "axis": np.array([0], np.int32)}, {"keep_dims": False})

    def fuzz(dtype, rng):
        shape = random_shape(rng)
        if not empty:
            shape = tuple(max(1, d) for d in shape)
        axis = [int(a) - (len(shape) if rng.random() < 0.3 else 0) for a in range(len(shape)) if rng.random() < 0.5]
        return case(dtype, rng, shape, axis, bool(rng.integers(2)))

    scale = (lambda a, attr: apply(lambda x, **k: magnitude(np.abs(x), **k), a, attr)) if magnitude else None
    add(Row(op, types, cases, lambda a, attr: apply(f, a, attr), tol=sum_tol(eps) if sums else float_tol(ulp, 1 if ulp else 0), scale=scale,
            grad=(arg,) if grad else (), grad_eps=32, invalid=invalid, specials=specials, fuzz=fuzz,
            doubles="float64" in types, key=lambda c: c.get("T", "bool")))  # fmt: skip


def lowest(x, top):
    if x.dtype.kind == "f":
        return np.inf if top else -np.inf
    return np.iinfo(x.dtype).max if top else np.iinfo(x.dtype).min


def factors(rng, shape, dtype):
    """Factors near one, so that long products stay in range; small integers otherwise."""
    return values(rng, shape, dtype, 0.97, 1.03) if is_float(dtype) else small(rng, shape, dtype, -2, 3)


def euclid(x, axis, keepdims):
    wide = x.astype(np.longdouble) if x.dtype.kind == "f" else x  # float64 is judged too
    return np.sqrt(np.sum(np.square(wide), axis=axis, keepdims=keepdims))


def mean(x, axis, keepdims):
    with np.errstate(all="ignore"):
        total = np.sum(x, axis=axis, keepdims=keepdims)
        return total / np.float64(x.size / total.size if total.size else 1)


def keep_type(f):
    """NumPy widens small integers in sums; TensorFlow wraps in the type."""
    return lambda x, **k: f(x, dtype=x.dtype, **k)


reduction("Sum", keep_type(np.sum), REALS + ("int32", "int64"), magnitude=np.sum)
reduction("Mean", mean, REALS, magnitude=mean)
reduction("Prod", keep_type(np.prod), REALS + ("int32", "int64"), magnitude=np.prod, make=factors, eps=600, grad=False)
reduction("EuclideanNorm", euclid, REALS, magnitude=euclid)
reduction(
    "Max", lambda x, **k: np.max(x, initial=lowest(x, False), **k), REALS + ("int64",), sums=False, ulp=0, make=values
)
reduction("Min", lambda x, **k: np.min(x, initial=lowest(x, True), **k), REALS, sums=False, ulp=0, make=values)
reduction("All", np.all, ("bool",), sums=False, grad=False, make=lambda rng, s, d: rng.random(s) < 0.95)
reduction("Any", np.any, ("bool",), sums=False, grad=False, make=lambda rng, s, d: rng.random(s) < 0.05)


def arg_reduction(op, f):
    def make(rng, shape, dtype):
        return (
            values(rng, shape, dtype)
            if dtype == "bool" or rng.random() < 0.5
            else small(rng, shape, dtype, -3, 4).round()
        )

    def make_ties(rng, shape, dtype):
        return np.round(make(rng, shape, dtype).astype(np.float64)).astype(values(rng, (), dtype).dtype)

    def cases(dtype, rng):
        for shape, axis in (((7,), 0), ((7,), -1), ((4, 5), 0), ((4, 5), 1), ((2, 3, 4), -2), ((2, 3, 4, 5), 3), ((1,), 0), ((0, 3), 1), ((3, 1), 1),
                            ((33, 1025), 1), ((1025, 33), 0), ((2, 3, 2, 3, 2), 2)):  # fmt: skip
            for out in ("int32", "int64"):
                yield Case(
                    f"{shape} on {axis} to {out}",
                    {"input": make_ties(rng, shape, dtype), "dimension": np.array(axis, np.int32)},
                    {"output_type": out},
                )
        if dtype == "float32":
            yield Case(
                "large",
                {"input": values(rng, (LARGE,), dtype), "dimension": np.array(0, np.int32)},
                {"output_type": "int64"},
            )

    def invalid(dtype):
        x = values(np.random.default_rng(1), (2, 3), dtype)
        yield Case("axis out of range", {"input": x, "dimension": np.array(2, np.int32)}, {"output_type": "int64"})
        yield Case("below range", {"input": x, "dimension": np.array(-3, np.int32)}, {"output_type": "int64"})
        yield Case("axis of rank 1", {"input": x, "dimension": np.array([0, 1], np.int32)}, {"output_type": "int64"})
        yield Case("empty axis", {"input": x[:0], "dimension": np.array(0, np.int32)}, {"output_type": "int64"})

    def specials(dtype):
        if is_float(dtype):
            v = special_values(dtype)
            finite = v[~np.isnan(v.astype(np.float64))]
            rows = np.stack([np.roll(finite, k)[:20] for k in range(12)])
            yield Case("infinities", {"input": rows, "dimension": np.array(1, np.int32)}, {"output_type": "int64"})

    add(Row(op, FLOATS + ("bool",), cases, lambda a, attr: f(a["input"], int(a["dimension"])).astype(attr["output_type"]), tol=lambda t: Tol(),
            invalid=invalid, specials=specials))  # fmt: skip


arg_reduction("ArgMax", np.argmax)
arg_reduction("ArgMin", np.argmin)


def add_n_cases(dtype, rng):
    for shape, n in itertools.product([(), (0,), (1,), (7,), (257,), (2, 3, 4)], (1, 2, 3, 8, 9, 17)):
        yield Case(f"{n} of {shape}", {"inputs": [small(rng, shape, dtype) for _ in range(n)]})


def add_n_invalid(dtype):
    yield Case(
        "shapes differ", {"inputs": [np.ones((n,), values(np.random.default_rng(0), (), dtype).dtype) for n in (2, 3)]}
    )


add(Row("AddN", REALS + ("int64", "uint32"), add_n_cases, lambda a, _: np.sum(a["inputs"], axis=0, dtype=a["inputs"][0].dtype), grad=("inputs",),
        tol=lambda t: Tol(ulp=1, eps=2 if is_float(t) else 0), scale=lambda a, _: np.sum(np.abs(a["inputs"]), axis=0), invalid=add_n_invalid, doubles=True))  # fmt: skip

LOGITS = [(1, 1), (3, 5), (7, 10), (64, 10), (2, 257), (5, 1000), (257, 3), (0, 4), (33, 4097)]


def softmax_row(op, f, ulp, extra):
    def cases(dtype, rng):
        for shape in LOGITS + [(2, 3, 4), (7,), (1, 2, 3, 4, 5)]:
            yield Case(str(shape), {"logits": values(rng, shape, dtype)})
        yield Case("far from zero", {"logits": values(rng, (5, 9), dtype, 500, 520)})

    def specials(dtype):
        v = special_values(dtype)
        rows = [np.roll(v, k)[:6] for k in range(len(v))] + [
            np.zeros(6, v.dtype),
            np.full(6, -np.inf, v.dtype),
            np.full(6, np.inf, v.dtype),
        ]
        kept = [r for r in rows if not (np.abs(r[np.isfinite(r.astype(np.float64))].astype(np.float64)) > 1e30).any()]
        yield Case("special rows", {"logits": np.stack(kept)})

    def invalid(dtype):
        yield Case("scalar", {"logits": values(np.random.default_rng(1), (), dtype)})

    def tol(t):
        if t == "float64":
            return Tol(ulp=ulp, abs=extra * 2.0**-29 + float(finfo(t).tiny))
        return Tol(ulp=ulp if t == "float32" else 1.0, abs=extra + float(finfo("float32").tiny))

    add(Row(op, REALS, cases, lambda a, _: f(a["logits"], axis=-1), specials=specials, invalid=invalid, grad=("logits",), grad_eps=16,
            tol=tol, doubles=True,
            fuzz=lambda d, rng: (lambda s: Case(str(s), {"logits": values(rng, s, d)}))(random_shape(rng, 4) + (int(rng.integers(1, 50)),))))  # fmt: skip


softmax_row("Softmax", special.softmax, 40, 0.0)  # exp enlarges the rounding of its argument, up to 20 here
softmax_row("LogSoftmax", special.log_softmax, 8, 2e-6)


def sparse_case(dtype, rng, shape, kind):
    return Case(
        f"{shape} {np.dtype(kind).name}",
        {"features": values(rng, shape, dtype), "labels": rng.integers(0, shape[1], shape[0]).astype(kind)},
    )


def sparse_cases(dtype, rng):
    for shape, kind in itertools.product(LOGITS, (np.int32, np.int64)):
        yield sparse_case(dtype, rng, shape, kind)


def sparse_reference(a, _):
    log_p = special.log_softmax(a["features"], axis=1)
    rows = np.arange(len(a["labels"]))
    grad = np.exp(log_p)
    grad[rows, a["labels"]] -= 1
    return -log_p[rows, a["labels"]], grad


def sparse_invalid(dtype):
    x, y = values(np.random.default_rng(1), (3, 4), dtype), np.array([0, 1, 2], np.int64)
    yield Case("labels too many", {"features": x, "labels": np.zeros(4, np.int64)})
    yield Case("features of rank 1", {"features": x[0], "labels": y})
    yield Case("features of rank 3", {"features": x[None], "labels": y})
    yield Case("labels of rank 2", {"features": x, "labels": y[:, None]})
    yield Case("no classes", {"features": x[:, :0], "labels": y})


def entropy_tol(dtype):
    # The loss subtracts numbers of the size of the logits (up to 10 here, plus log of the classes), the gradient near one.
    if dtype == "float32":
        return Tol(ulp=4, abs=6e-6)
    return Tol(ulp=1.5, abs=6e-6 + float(finfo(dtype).eps) * 0.5)


XENT = "SparseSoftmaxCrossEntropyWithLogits"
add(Row(XENT, FLOATS, sparse_cases, sparse_reference, tol=entropy_tol, grad=("features",), invalid=sparse_invalid,
        fuzz=lambda d, rng: sparse_case(d, rng, (int(rng.integers(1, 70)), int(rng.integers(1, 300))), rng.choice([np.int32, np.int64]))))  # fmt: skip


def dense_cases(dtype, rng):
    for shape in LOGITS:
        labels = special.softmax(rng.normal(size=shape), axis=1).astype(values(rng, (), dtype).dtype)
        yield Case(str(shape), {"features": values(rng, shape, dtype), "labels": labels})
    one = special.softmax(rng.normal(size=(1, 5)), axis=1).astype(values(rng, (), dtype).dtype)
    yield Case("labels broadcast", {"features": values(rng, (4, 5), dtype), "labels": one})


def dense_reference(a, _):
    x = a["features"].astype(np.longdouble)  # float64 is judged too
    from_top = x - np.max(x, axis=1, keepdims=True, initial=-np.inf)
    log_p = from_top - np.log(np.sum(np.exp(from_top), axis=1, keepdims=True))
    labels = np.broadcast_to(a["labels"], log_p.shape)
    return -np.sum(labels * log_p, axis=1), np.exp(log_p) - labels


def dense_invalid(dtype):
    x = values(np.random.default_rng(1), (3, 4), dtype)
    yield Case("shapes differ", {"features": x, "labels": x[:, :3]})
    yield Case("rank 1", {"features": x[0], "labels": x[0]})


def dense_tol(dtype):
    if dtype in ("float32", "float64"):
        return Tol(ulp=16, abs=2e-5 if dtype == "float32" else 2e-14)
    return Tol(ulp=2, abs=float(finfo(dtype).eps))


add(Row("SoftmaxCrossEntropyWithLogits", REALS, dense_cases, dense_reference, grad=("features",), invalid=dense_invalid,
        tol=dense_tol, doubles=True,
        key=lambda c: c["T"]))  # fmt: skip


def l2_cases(dtype, rng):
    for shape in [(0,), (1,), (257,), (), (3, 4, 5), (LARGE if dtype == "float32" else 1000,)]:
        yield Case(str(shape), {"t": values(rng, shape, dtype, -2, 2)})


add(Row("L2Loss", REALS, l2_cases, lambda a, _: np.sum(np.square(a["t"])) / 2, tol=sum_tol(16), scale=lambda a, _: np.sum(np.square(a["t"])),
        grad=("t",), doubles=True))  # fmt: skip
