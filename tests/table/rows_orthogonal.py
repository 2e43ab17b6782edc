"""QR decompositions, eigenvalues of symmetric matrices and singular values, against NumPy in float64.  What is free in
eigenvectors and singular vectors, test_orthogonal.py leaves free."""

import numpy as np
from row import Case, Row, Tol, add

SHAPES = ((1, 1), (2, 2), (5, 3), (3, 5), (3, 4, 4), (2, 2, 7, 6), (33, 20), (24, 40), (0, 3, 2), (2, 0, 0))
SQUARE = ((1, 1), (2, 2), (5, 5), (3, 4, 4), (2, 2, 7, 7), (40, 40), (0, 3, 3), (2, 0, 0))


def cases_of(shapes, options):
    def cases(dtype, rng):
        for n, shape in enumerate(shapes):
            x = rng.uniform(-1, 1, shape).astype(np.float32)
            for attrs in options[n % 2 :: 2] if n else options:
                yield Case(f"{shape} {attrs}", {"input": x}, attrs)

    return cases


def flags(*names):
    found = [{}]
    for name in names:
        found = [f | {name: yes} for f in found for yes in (True, False)]
    return found


def conditions(a):
    """The largest ratio of two singular values of one matrix."""
    return np.max(np.linalg.cond(a["input"]), initial=1) if a["input"].size else 1.0


def qr(a, attr):
    return tuple(np.linalg.qr(a["input"], "complete" if attr["full_matrices"] else "reduced"))


def qr_scale(a, attr):
    size = conditions(a)
    return size, size * np.max(np.abs(a["input"]), initial=0)


def eigenvalues(a, _):
    return np.linalg.eigvalsh(a["input"]) if a["input"].size else np.zeros(a["input"].shape[:-1])


def singular_values(a, _):
    x = a["input"]
    return np.linalg.svd(x, compute_uv=False) if x.size else np.zeros((*x.shape[:-2], min(x.shape[-2:])))


def invalid(square):
    def calls(dtype):
        yield Case("rank 1", {"input": np.zeros(3, np.float32)})
        if square:
            yield Case("not square", {"input": np.zeros((2, 3), np.float32)})

    return calls


def add_values(op, shapes, options, reference):
    """Only the first output, the values, is one thing alone."""

    def scale(a, attr):
        return np.max(np.abs(reference(a, attr)), initial=0)

    add(Row(op, ("float32",), cases_of(shapes, options), reference, tol=lambda _: Tol(ulp=4, eps=32), scale=scale,
            defined=lambda case: 1, invalid=invalid(shapes is SQUARE), strewn=()))  # fmt: skip


add(
    Row(
        "Qr",
        ("float32",),
        cases_of(SHAPES, flags("full_matrices")),
        qr,
        tol=lambda _: Tol(ulp=4, eps=16),
        scale=qr_scale,
        invalid=invalid(False),
        exact_zero_sign=False,
        strewn=(),  # see test_orthogonal.py
        # Columns that depend on those before them have no direction but their rounding's.
        beside=lambda case: np.ndim(case.args["input"]) < 2 or conditions(case.args) < 1e3,
    )
)
add_values("SelfAdjointEigV2", SQUARE, flags("compute_v"), eigenvalues)
add_values("Svd", SHAPES, flags("compute_uv", "full_matrices"), singular_values)
