"""Einsum: products, sums, diagonals and broadcasts, against NumPy's."""

import numpy as np
from row import FLOATS, Case, Row, Tol, add, sum_tol, values

# equation, shapes
CALLS = [
    ("ij,jk->ik", (3, 4), (4, 5)), ("ij,jk->ki", (3, 4), (4, 5)), ("ji,kj->ik", (4, 3), (5, 4)), ("ij,ij->", (3, 4), (3, 4)),
    ("i,j->ij", (7,), (3,)), ("i,i->i", (9,), (9,)), ("ij,ij->ij", (5, 3), (5, 3)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("abc,cde->abde", (2, 3, 4), (4, 2, 5)), ("abc,cd->abd", (2, 3, 8), (8, 5)), ("aecd,abcd->acbe", (2, 3, 4, 5), (2, 6, 4, 5)),
    ("acbe,aecd->abcd", (2, 4, 6, 3), (2, 3, 4, 5)), ("abcd,cde->abe", (2, 3, 4, 5), (4, 5, 6)),
    ("i1,12->2i", (3, 4), (4, 5)), ("...ij,...jk->...ik", (2, 1, 3, 4), (5, 4, 6)), ("...ij,jk->...ik", (2, 3, 3, 4), (4, 2)), ("i...,i->...", (3, 4, 2), (3,)),
    ("...,...->...", (2, 3), (3,)), ("...i,...i->...", (2, 1, 4), (3, 4)), ("ij->ji", (3, 5)), ("ij->", (3, 5)), ("ijk->ik", (3, 5, 4)),
    ("ijk->kj", (3, 5, 4)), ("ii->i", (4, 4)), ("ii->", (4, 4)), ("i->ii", (5,)), ("iij->ji", (3, 3, 4)), ("...ii->...i", (2, 3, 4, 4)),
    ("abcdef->fbdace", (2, 1, 3, 2, 2, 3)), ("ijk,kl->il", (2, 3, 4), (4, 5)), ("ij,kl->ik", (2, 3), (4, 5)), ("iij,jk->ik", (3, 3, 4), (4, 2)),
    ("ij,jk->iki", (3, 4), (4, 2)), ("ij,jk->ik", (3, 0), (0, 5)), ("ij,jk->ik", (0, 4), (4, 5)), (",->", (), ()), ("i,->i", (6,), ()),
    ("bthd,bshd->bhts", (2, 33, 3, 16), (2, 29, 3, 16)),
]  # fmt: skip


def arguments(equation, shapes, dtype, rng):
    return Case(
        f"{equation} {shapes}", {"inputs": [values(rng, s, dtype, -2, 2) for s in shapes]}, {"equation": equation}
    )


def cases(dtype, rng):
    for equation, *shapes in CALLS:
        yield arguments(equation, shapes, dtype, rng)


def reference(a, attrs):
    """NumPy knows no label twice in the output: a diagonal of zeros elsewhere."""
    equation = attrs["equation"].replace("1", "P").replace("2", "Q")
    left, out = equation.split("->")
    twice = sorted({c for c in out if c != "." and out.count(c) > 1})
    if not twice:
        return np.einsum(equation, *a["inputs"])
    once = "".join(dict.fromkeys(out))
    y = np.einsum(f"{left}->{once}", *a["inputs"])
    places = np.indices(y.shape)
    full = np.zeros([y.shape[once.index(c)] for c in out])
    full[tuple(places[once.index(c)] for c in out)] = y
    return full


def scale(a, attrs):
    return reference({"inputs": [np.abs(x) for x in a["inputs"]]}, attrs)


def tol(dtype):
    """Sums over what only one operand has are rounded to the type before the product, as TensorFlow's are."""
    return sum_tol(8)(dtype) if dtype == "float32" else Tol(ulp=2, eps=1)


def invalid(dtype):
    x = np.ones((3, 4), dtype)
    yield Case("no arrow", {"inputs": [x]}, {"equation": "ij"})
    yield Case("three terms", {"inputs": [x, x]}, {"equation": "ij,ij,ij->ij"})
    yield Case("sizes", {"inputs": [x, x]}, {"equation": "ij,jk->ik"})
    yield Case("rank", {"inputs": [x, x]}, {"equation": "ijk,kl->il"})
    yield Case("diagonal of an oblong", {"inputs": [x]}, {"equation": "ii->i"})
    yield Case("two dots", {"inputs": [x]}, {"equation": "..ij->ij"})


add(
    Row(
        "Einsum",
        FLOATS,
        cases,
        reference,
        tol=tol,
        scale=scale,
        grad=("inputs",),
        grad_eps=64,
        invalid=invalid,
    )
)
