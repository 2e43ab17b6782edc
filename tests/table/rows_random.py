"""Stateless random numbers: the same bits as TensorFlow's CPU kernel (Philox), in every type it makes."""

import numpy as np
from row import FLOATS, Case, Row, Tol, add

PHILOX, AUTO = 1, 3
SHAPES = [(), (0,), (1,), (3,), (4,), (5,), (255,), (256,), (257,), (2, 3, 5), (100_003,)]
SEEDS = [(0, 0), (1, 2), (-1, 2**62), (0x123456789ABCDEF, 7)]


def key_counter(seed):
    """Any key and counter will do: the kernels take them as they are."""
    mask = 2**64 - 1
    key = np.array([seed[0] * 0x9E3779B97F4A7C15 & mask], dtype=np.uint64)
    return {"key": key, "counter": np.array([seed[1] & mask, seed[0] * 0xD1342543DE82EF95 & mask], dtype=np.uint64)}


def shaped(attrs, extra=None, alg=PHILOX):
    for n, shape in enumerate(SHAPES):
        seed = SEEDS[n % len(SEEDS)]
        args = (
            {"shape": np.array(shape, (np.int32, np.int64)[n % 2])}
            | key_counter(seed)
            | {"alg": np.array(alg, np.int32)}
        )
        yield Case(f"{shape} seed {seed}", args | (extra or {}), attrs)
    edge = {
        "key": np.array([5], np.uint64),
        "counter": np.array([2**64 - 3, 2**64 - 1], np.uint64),
    }  # the counter carries over
    args = {"shape": np.array([70], np.int32)} | edge | {"alg": np.array(alg, np.int32)} | (extra or {})
    yield Case("counter wraps", args, attrs)


def shaped_invalid(attrs, extra=None):
    good = list(shaped(attrs, extra))[5]
    yield Case("unknown algorithm", good.args | {"alg": np.array(17, np.int32)}, good.attrs)
    yield Case("key of rank 0", good.args | {"key": good.args["key"][0]}, good.attrs)
    yield Case("negative shape", good.args | {"shape": np.array([-1], np.int32)}, good.attrs)
    yield Case("shape of rank 2", good.args | {"shape": np.array([[1]], np.int32)}, good.attrs)


def add_random(op, types, tol, extra=None):
    def bounds(dtype):
        return extra(dtype) if extra else {}

    def attrs(dtype):
        return {} if extra else {"dtype": dtype}  # with bounds, the type is theirs

    def cases(dtype, rng):
        yield from shaped(attrs(dtype), bounds(dtype))
        yield from list(shaped(attrs(dtype), bounds(dtype), AUTO))[5:7]

    add(
        Row(
            op,
            types,
            cases,
            None,
            tol=tol,
            invalid=lambda d: shaped_invalid(attrs(d), bounds(d)),
            key=lambda c: c["dtype"],
        )
    )


def normal_tol(dtype):
    # Box-Muller through log, sin and cos: the CPU kernel's own are no more exact than this.
    return Tol(ulp=16, abs=2e-6) if dtype == "float32" else Tol(ulp=1, abs=2e-6)


add_random("StatelessRandomUniformV2", FLOATS, lambda t: Tol())
add_random("StatelessRandomNormalV2", FLOATS, normal_tol)
add_random("StatelessTruncatedNormalV2", FLOATS, normal_tol)
add_random("StatelessRandomUniformFullIntV2", ("int32", "int64", "uint32", "uint64"), lambda t: Tol())
add_random("StatelessRandomUniformIntV2", ("int32", "int64"), lambda t: Tol(),
           lambda t: {"minval": np.array(-7, t), "maxval": np.array(1000, t)})  # fmt: skip


def get_cases(_, rng):
    for kind in (np.int32, np.int64):
        for seed in ((0, 0), (1, 2), (-1, -2), (2**31 - 1, -(2**31))):
            yield Case(f"{seed} {kind.__name__}", {"seed": np.array(seed, kind)})


add(Row("StatelessRandomGetKeyCounter", ("any",), get_cases, None, tol=lambda t: Tol(), key=lambda c: "any",
        invalid=lambda _: [Case("three seeds", {"seed": np.array([1, 2, 3], np.int32)}), Case("scalar", {"seed": np.array(1, np.int32)})]))  # fmt: skip


# The first versions take a seed; the key and the counter are made from it inside.
SEED_TYPES = (np.int32, np.int64)


def seeded(attrs, extra=None):
    for n, shape in enumerate(SHAPES):
        seed = np.array([n * 7919 - 3, 2**31 - 1 - n], SEED_TYPES[n % 2])
        yield Case(
            f"{shape} seed {seed}",
            {"shape": np.array(shape, SEED_TYPES[(n + 1) % 2]), "seed": seed} | (extra or {}),
            attrs,
        )


def seeded_invalid(attrs, extra=None):
    good = list(seeded(attrs, extra))[5]
    yield Case("three seeds", good.args | {"seed": np.array([1, 2, 3], np.int32)}, good.attrs)
    yield Case("negative shape", good.args | {"shape": np.array([-1], np.int32)}, good.attrs)
    yield Case("shape of rank 2", good.args | {"shape": np.array([[1]], np.int32)}, good.attrs)


def add_seeded(op, types, tol, extra=None):
    def attrs(dtype):
        return {} if extra else {"dtype": dtype}

    add(Row(op, types, lambda d, rng: seeded(attrs(d), extra and extra(d)), None, tol=tol,
            invalid=lambda d: seeded_invalid(attrs(d), extra and extra(d)), key=lambda c: c["dtype"]))  # fmt: skip


add_seeded("StatelessRandomUniform", FLOATS, lambda t: Tol())
add_seeded("StatelessRandomNormal", FLOATS, normal_tol)
add_seeded("StatelessTruncatedNormal", FLOATS, normal_tol)
add_seeded("StatelessRandomUniformFullInt", ("int32", "int64", "uint32", "uint64"), lambda t: Tol())
add_seeded("StatelessRandomUniformInt", ("int32", "int64"), lambda t: Tol(),
           lambda t: {"minval": np.array(-7, t), "maxval": np.array(1000, t)})  # fmt: skip
add(
    Row(
        "StatelessRandomGetAlg",
        ("any",),
        lambda t, rng: [Case("no arguments", {})],
        None,
        tol=lambda t: Tol(),
        key=lambda c: "any",
    )
)
add(Row("StatelessRandomGetKeyCounterAlg", ("any",), get_cases, None, tol=lambda t: Tol(), key=lambda c: "any"))
