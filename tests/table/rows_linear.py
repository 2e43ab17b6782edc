"""Dense linear algebra against NumPy and SciPy in float64, on matrices that are well conditioned: errors are measured
against the largest element of a result."""

import numpy as np
from row import Case, Row, Tol, add
from scipy import linalg

SHAPES = ((1, 1), (2, 2), (5, 5), (3, 4, 4), (2, 2, 7, 7), (70, 70), (0, 3, 3), (2, 0, 0))
TYPES = ("float32",)


def general(rng, shape):
    """Rows in any order, so that pivots have to be looked for."""
    n = shape[-1]
    x = rng.uniform(-1, 1, shape) + 2 * np.sqrt(n) * np.eye(n)
    return x[..., rng.permutation(n), :].astype(np.float32)


def definite(rng, shape):
    x = rng.uniform(-1, 1, shape)
    return (x @ np.swapaxes(x, -1, -2) + shape[-1] * np.eye(shape[-1])).astype(np.float32)


def largest(f):
    def scale(a, attr):
        y = f(a, attr)
        return tuple(np.max(np.abs(v), initial=0) for v in y) if isinstance(y, tuple) else np.max(np.abs(y), initial=0)

    return scale


def well_conditioned(case, name):
    """Not near to a singular matrix, of which rounding decides whether it has a decomposition."""
    x = np.asarray(case.args[name], np.float64)
    if x.ndim < 2 or x.shape[-1] != x.shape[-2] or not x.size:
        return True
    return np.linalg.cond(used(x, case.attrs)).max() < 50


def used(x, attr):
    return x if "lower" not in attr else np.tril(x) if attr["lower"] else np.triu(x)


def add_linear(op, reference, cases, name="input", grad=(), eps=16.0, invalid=None):
    def wrong(dtype):
        yield Case("not square", {name: np.zeros((2, 3), np.float32)} | (invalid or {}))
        yield Case("rank 1", {name: np.zeros(3, np.float32)} | (invalid or {}))

    add(
        Row(
            op,
            TYPES,
            cases,
            reference,
            tol=lambda _: Tol(ulp=8, eps=eps),
            scale=largest(reference),
            grad=grad,
            grad_eps=256,
            invalid=wrong,
            exact_zero_sign=False,
            strewn=(),  # what comes of a matrix that has no decomposition is not said
            beside=lambda case: well_conditioned(case, name),
        )
    )


def of_one(make, name="input", attrs=({},)):
    def cases(dtype, rng):
        for n, shape in enumerate(SHAPES):
            yield Case(f"{shape} {n}", {name: make(rng, shape)}, attrs[n % len(attrs)])

    return cases


ADJOINT = ({"adjoint": False}, {"adjoint": True})


def turned(x, attr):
    return np.swapaxes(x, -1, -2) if attr["adjoint"] else x


def lu(a, attr):
    x = a["input"]
    y, p = np.zeros(x.shape), np.zeros(x.shape[:-1], np.int32)
    for at in np.ndindex(x.shape[:-2]) if x.size else ():
        y[at], swaps = linalg.lu_factor(x[at])
        order = np.arange(x.shape[-1])
        for k, other in enumerate(swaps):
            order[[k, other]] = order[[other, k]]
        p[at] = order
    return y, p


add_linear("Cholesky", lambda a, _: np.linalg.cholesky(a["input"]), of_one(definite), grad=("input",))
add_linear("Lu", lu, of_one(general))
add_linear("MatrixInverse", lambda a, attr: np.linalg.inv(turned(a["input"], attr)), of_one(general, attrs=ADJOINT),
           grad=("input",))  # fmt: skip
add_linear("MatrixDeterminant", lambda a, _: np.linalg.det(a["input"]), of_one(general), grad=("input",), eps=32)


def singular(dtype, rng):
    yield from of_one(general)(dtype, rng)
    yield Case("singular", {"input": np.ones((3, 2, 2), np.float32)})
    yield Case("far from 1", {"input": np.diag(np.full(30, -1e-30)).astype(np.float32)})


add_linear("LogMatrixDeterminant", lambda a, _: tuple(np.linalg.slogdet(a["input"])), singular)


def solve_cases(dtype, rng):
    for n, shape in enumerate(SHAPES):
        rhs = rng.uniform(-1, 1, (*shape[:-1], n % 3 * 4 + 1)).astype(np.float32)
        yield Case(f"{shape} {n}", {"matrix": general(rng, shape), "rhs": rhs}, ADJOINT[n % 2])


add_linear("MatrixSolve", lambda a, attr: np.linalg.solve(turned(a["matrix"], attr), a["rhs"]), solve_cases, "matrix",
           ("matrix", "rhs"), invalid={"rhs": np.zeros((2, 1), np.float32)})  # fmt: skip


def triangle(a, attr):
    return np.linalg.solve(turned(used(a["matrix"], attr), attr), a["rhs"])


def triangular_cases(dtype, rng):
    pairs = [(s, (*s[:-1], n % 3 * 3 + 1)) for n, s in enumerate(SHAPES)]
    pairs += [((4, 4), (3, 4, 2)), ((3, 4, 4), (4, 2)), ((2, 1, 5, 5), (3, 5, 2)), ((1, 3, 3), (4, 3, 1))]
    pairs.append(((250, 250), (250, 3)))
    for n, (shape, rhs) in enumerate(pairs):
        x = rng.uniform(-1, 1, shape) / np.sqrt(max(1, shape[-1])) + 2 * np.eye(shape[-1])
        for lower in (False, True):
            attrs = {"lower": lower, "adjoint": n % 2 == 1}
            args = {"matrix": x.astype(np.float32), "rhs": rng.uniform(-1, 1, rhs).astype(np.float32)}
            yield Case(f"{shape} {rhs} {attrs}", args, attrs)


add_linear("MatrixTriangularSolve", triangle, triangular_cases, "matrix", ("matrix", "rhs"),
           invalid={"rhs": np.zeros((2, 1), np.float32)})  # fmt: skip
