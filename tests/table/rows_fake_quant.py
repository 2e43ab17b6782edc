"""Fake quantisation, step for step as TensorFlow's CPU kernels, and the sums of its gradients."""

import numpy as np
from row import Case, Row, Tol, add, values

SHAPES = ((), (1,), (7,), (0,), (257,), (3, 5, 4), (40, 33))
RANGES = ((-6.0, 6.0), (0.0, 5.3), (-3.7, 0.0), (1.0, 4.0), (-9.0, -2.5), (-0.1, 7.9))
STEPS = (
    {"num_bits": 8, "narrow_range": False},
    {"num_bits": 4, "narrow_range": True},
    {"num_bits": 16, "narrow_range": False},
)


def forms():
    yield "Args", lambda low, high, n: ({}, {"min": low, "max": high})
    yield "Vars", lambda low, high, n: ({"min": np.float32(low), "max": np.float32(high)}, {})
    yield (
        "VarsPerChannel",
        lambda low, high, n: (
            {
                "min": np.linspace(low, low + 0.2, n).astype(np.float32),
                "max": np.linspace(high, high + 3, n).astype(np.float32),
            },
            {},
        ),
    )


def limits_of(a, attr):
    """The inputs, the nudged range's ends, the size of a step."""
    low, high = ((a if "min" in a else attr)[k] for k in ("min", "max"))
    x, low, high = (np.asarray(v).astype(np.float32) for v in (a["inputs"], low, high))
    first, last = np.float32(attr.get("narrow_range", False)), np.float32(2 ** attr["num_bits"] - 1)
    size = (high - low) / (last - first)
    zero = np.clip(np.floor((first - low / size).astype(np.float64) + 0.5), first, last).astype(np.float32)  # halves up
    return x, (first - zero) * size, (last - zero) * size, size


def nudged(a, attr):
    """Inputs within their range, the range's lower end, and the size and the number of the step that is 0."""
    x, bottom, top, size = limits_of(a, attr)
    return np.clip(x, bottom, top), bottom, size, np.floor(-bottom / size + np.float32(0.5))


def quantised(a, attr):
    """The arithmetic of the other forms, channel by channel: the CPU kernel of this one rounds halves otherwise."""
    x, bottom, size, zero = nudged(a, attr)
    steps = (x - bottom) / size - zero
    return (np.floor(steps + np.float32(0.5)) * size).astype(np.float64)


def ties(a, attr):
    """One step, where what is rounded lies so near to a half that the rounding of the division, which on a GPU may be
    wrong by 2.5 ulp, decides: in units of epsilon."""
    x, bottom, size, zero = (v.astype(np.float64) for v in nudged(a, attr))
    steps = (x - bottom) / size
    off = np.abs(np.remainder(steps - zero, 1) - 0.5)
    eps = float(np.finfo(np.float32).eps)
    return np.where(off <= 4 * eps * np.maximum(np.abs(steps), 1), size / eps, 0)


def gradients(a, attr):
    """Of the input, and, where the range is an argument, of its ends; what lies outside a mask is 0 times its gradient."""
    dy = a["gradients"]
    x, bottom, top, size = limits_of(a, attr)
    no_range = size == 0
    low, high = ~no_range & (x < bottom), ~no_range & (x > top)
    dx = dy * (no_range | ((x >= bottom) & (x <= top)))
    axes = tuple(range(x.ndim - bottom.ndim))
    ends = (np.sum(dy * low, axes), np.sum(dy * high, axes))
    return (dx, *ends) if "min" in a else dx


def add_fake(form, limits, backward):
    op = f"FakeQuantWithMinMax{form}" + ("Gradient" if backward else "")

    def call(label, x, dy, low, high, steps):
        args, attrs = limits(low, high, x.shape[-1] if x.ndim else 1)
        own = {"gradients": dy, "inputs": x} if backward else {"inputs": x}
        return Case(label, own | args, attrs | steps)

    def cases(dtype, rng):
        for n, shape in enumerate(SHAPES):
            if form == "VarsPerChannel" and not shape:
                continue
            low, high = RANGES[n % len(RANGES)]
            for steps in STEPS[n % 2 :: 2] if n else STEPS:
                x, dy = values(rng, shape, dtype, -9, 9), values(rng, shape, dtype, -1, 1)
                yield call(f"{shape} [{low}, {high}] {steps}", x, dy, low, high, steps)
        if form == "Vars":
            yield call("no range", values(rng, (9,), dtype), values(rng, (9,), dtype), 0.0, 0.0, STEPS[0])

    def specials(dtype):
        """Beyond the range no gradient passes: 0 times it, which is NaN where it is infinite."""
        if backward:
            x = np.tile(np.array([-99, 0.5, 99], np.float32), 4)
            dy = np.repeat(np.array([1, np.inf, -np.inf, np.nan], np.float32), 3)
            if form == "VarsPerChannel":
                x, dy = x[:, None], dy[:, None]
            yield call("infinite gradients", x, dy, -1.0, 1.0, STEPS[0])

    def invalid(dtype):
        x = np.ones((3, 4), np.float32)
        yield call("bits", x, x, -1.0, 1.0, {"num_bits": 1})
        if form == "Args":
            yield call("order", x, x, 1.0, -1.0, STEPS[0])
        else:
            good = call("ranks", x, x, -1.0, 1.0, STEPS[0])
            yield Case("rank", good.args | {"min": np.ones((2, 2), np.float32)}, good.attrs)
        if form == "VarsPerChannel":
            yield Case("channels", good.args | {"min": np.ones(3, np.float32)}, good.attrs)
        if backward:
            yield call("shapes", x, x[:2], -1.0, 1.0, STEPS[0])

    add(
        Row(
            op,
            ("float32",),
            cases,
            gradients if backward else quantised if form == "VarsPerChannel" else None,
            tol=lambda _: Tol(ulp=1, abs=2e-5) if backward else Tol(ulp=1, eps=1),
            scale=None if backward else ties,
            invalid=invalid,
            specials=specials,
            exact_zero_sign=False,
            strewn=("inputs", "gradients"),  # the CPU kernel makes an integer of what a range gives
        )
    )


for name, how in forms():
    for back in (False, True):
        add_fake(name, how, back)
