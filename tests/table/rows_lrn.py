"""Local response normalisation and its gradient, against float64 arithmetic."""

import numpy as np
from row import Case, Row, Tol, add, values

SHAPES = [(1, 1, 1, 1), (2, 3, 4, 7), (1, 2, 2, 64), (0, 2, 2, 3), (2, 5, 3, 2), (3, 9, 7, 33)]
WAYS = [
    {"depth_radius": 5, "bias": 1.0, "alpha": 1.0, "beta": 0.5},
    {"depth_radius": 2, "bias": 2.0, "alpha": 1e-2, "beta": 0.75},
    {"depth_radius": 0, "bias": 0.5, "alpha": 0.3, "beta": 1.0},
    {"depth_radius": 90, "bias": 1.0, "alpha": 0.1, "beta": 0.6},
]


def near(x, radius):
    """Sums over the channels within the radius."""
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(radius, radius)])
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, -1).sum(-1)


def norms(x, at):
    return at["bias"] + at["alpha"] * near(x * x, at["depth_radius"])


def forward(a, at):
    return a["input"] * norms(a["input"], at) ** -at["beta"]


def backward(a, at):
    dy, x, y = (a[k] for k in ("input_grads", "input_image", "output_image"))
    n = norms(x, at)
    return dy * n ** -at["beta"] - 2 * at["alpha"] * at["beta"] * x * near(dy * y / n, at["depth_radius"])


def scale(a, at):
    """The two terms that may cancel."""
    return backward({k: -np.abs(v) if k == "input_image" else np.abs(v) for k, v in a.items()}, at)


def case(op, shape, at, dtype, rng):
    x = values(rng, shape, dtype, -3, 3)
    if op == "LRN":
        return Case(f"{shape} {at}", {"input": x}, at)
    y = forward({"input": x.astype(np.float64)}, at).astype(np.float32)
    dy = values(rng, shape, dtype, -2, 2)
    return Case(f"{shape} {at}", {"input_grads": dy, "input_image": x, "output_image": y}, at)


def add_lrn(op, reference, size, grad):
    def cases(dtype, rng):
        for shape in SHAPES:
            for at in WAYS:
                yield case(op, shape, at, dtype, rng)

    def specials(dtype):
        if op == "LRNGrad":  # terms whose factors are large and small
            good = case(op, (1, 1, 2, 4), WAYS[0], dtype, np.random.default_rng(2))
            yield Case(
                "large",
                {n: v * np.float32(1e36 if n == "input_grads" else 1e8) for n, v in good.args.items()},
                good.attrs,
            )

    def invalid(dtype):
        good = case(op, SHAPES[1], WAYS[0], dtype, np.random.default_rng(1))
        first = next(iter(good.args))
        yield Case("rank 3", good.args | {first: good.args[first][0]}, good.attrs)
        if op == "LRNGrad":
            yield Case("shapes", good.args | {"output_image": good.args["output_image"][:1]}, good.attrs)

    add(
        Row(
            op,
            ("float32",),
            cases,
            reference,
            tol=lambda _: Tol(ulp=16, eps=16),
            scale=size,
            grad=grad,
            grad_eps=64,
            invalid=invalid,
            specials=specials,
            strewn=("input_grads",),  # the squares of the others overflow
        )
    )


add_lrn("LRN", forward, lambda a, at: np.abs(forward(a, at)), ())
add_lrn("LRNGrad", backward, scale, ())
