"""Draws from categories.  The stateless op draws what the CPU kernel draws; the stateful one has a row for its wrong
arguments and the categories that it must or must not draw."""

import numpy as np
from row import Case, Row, Tol, add, numpy_type, values

TYPES = ("float32", "float16")


def draws(dtype, rng):
    for n, (shape, samples) in enumerate(
        [((1, 7), 400), ((3, 5), 10), ((2, 1), 9), ((4, 100), 33), ((0, 3), 4), ((2, 3), 0), ((1, 3000), 200)]
    ):
        logits = values(rng, shape, dtype, -4, 4)
        if n == 3:
            logits[:, ::3] = -np.inf
            logits[1, 1], logits[2, 4] = np.nan, np.inf
        yield n, f"{shape} {samples}", {"logits": logits, "num_samples": np.array(samples, np.int32)}


def wrong(dtype):
    x = np.zeros((2, 3), numpy_type(dtype))
    yield "rank 1", {"logits": x[0], "num_samples": np.array(3, np.int32)}
    yield "negative", {"logits": x, "num_samples": np.array(-1, np.int32)}
    yield "no categories", {"logits": x[:, :0], "num_samples": np.array(1, np.int32)}


def stateless_cases(dtype, rng):
    for n, label, args in draws(dtype, rng):
        args["seed"] = rng.integers(-(2**31), 2**31, 2).astype(np.int32 if n % 2 else np.int64)
        yield Case(label, args, {"output_dtype": np.int64 if n % 3 else np.int32})


def stateless_invalid(dtype):
    seed = np.array([1, 2], np.int32)
    for label, args in wrong(dtype):
        yield Case(label, args | {"seed": seed})
    yield Case(
        "seed", {"logits": np.zeros((2, 3), numpy_type(dtype)), "num_samples": np.array(1, np.int32), "seed": seed[:1]}
    )


def in_one_piece(case):
    """Larger work the CPU kernel cuts up among its threads, and then draws otherwise than one thread does."""
    logits, samples = case.args["logits"], int(np.max(case.args["num_samples"], initial=0))
    return np.ndim(logits) != 2 or len(logits) < 2 or len(logits) * (logits.shape[1] + 12 * samples) < 2000


add(
    Row(
        "StatelessMultinomial",
        TYPES,
        stateless_cases,
        None,
        tol=lambda _: Tol(),
        invalid=stateless_invalid,
        beside=in_one_piece,
    )
)


def certain_cases(dtype, rng):
    """One category has all the weight, so that the draw is known whatever the seed."""
    for n, (rows, classes, samples) in enumerate([(1, 1, 5), (3, 7, 10), (40, 33, 3), (2, 5, 0)]):
        logits = np.full((rows, classes), -np.inf, numpy_type(dtype))
        logits[np.arange(rows), rng.integers(0, classes, rows)] = 1.5
        args = {"logits": logits, "num_samples": np.array(samples, np.int32)}
        yield Case(f"{logits.shape} {samples}", args, {"output_dtype": np.int64 if n % 2 else np.int32})


def certain(a, attr):
    found = np.argmax(a["logits"], 1)[:, None].astype(attr["output_dtype"])
    return np.repeat(found, int(a["num_samples"]), 1)


def stateful_invalid(dtype):
    for label, args in wrong(dtype):
        yield Case(label, args)


add(
    Row(
        "Multinomial",
        TYPES,
        certain_cases,
        certain,
        tol=lambda _: Tol(),
        invalid=stateful_invalid,
        strewn=(),
        beside=lambda case: False,
    )
)
