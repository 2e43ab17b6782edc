"""Bands of diagonals: MatrixDiag*, MatrixDiagPart*, MatrixSetDiag*.  The reference is TensorFlow's CPU kernel: nothing is
computed, and its conventions are the definition."""

import numpy as np
from row import FLOATS, Case, Row, Tol, add, values

TYPES = FLOATS + ("float64", "complex64", "bool")
ALIGNS = ("LEFT_LEFT", "LEFT_RIGHT", "RIGHT_LEFT", "RIGHT_RIGHT")
MATRICES = [(4, 4), (3, 5), (5, 3), (2, 3, 4, 6), (1, 1), (33, 20), (0, 3, 3)]


def exact(_):
    return Tol()


def bands(rows, columns):
    yield from ([0], [0, 0], [-rows + 1, columns - 1], [0, min(2, columns - 1)], [max(-1, 1 - rows), 0])
    if rows > 2 and columns > 2:
        yield from ([1], [-2], [-1, 1], [1, 2], [-2, -1], [-2, 1])


def longest(rows, columns, k):
    return min(rows + min(k[-1], 0), columns - max(k[0], 0))


def stored(shape, k):
    """The shape in which the band k of matrices is stored."""
    lead = shape[:-2] if k[0] == k[-1] else (*shape[:-2], k[-1] - k[0] + 1)
    return (*lead, longest(shape[-2], shape[-1], k))


def aligned(n, aligns):
    return {"align": ALIGNS[n % 4]} if aligns else {}


def numbers(k, n):
    return np.array(k if len(k) > 1 or n % 2 else k[0], np.int32)


def part_cases(aligns):
    def cases(dtype, rng):
        n = 0
        for shape in MATRICES:
            for k in bands(*shape[-2:]):
                n += 1
                args = {"input": values(rng, shape, dtype), "k": numbers(k, n), "padding_value": values(rng, (), dtype)}
                yield Case(f"{shape} {k} {n % 4}", args, aligned(n, aligns))

    return cases


def diag_cases(aligns):
    def cases(dtype, rng):
        n = 0
        for shape in MATRICES:
            for k in bands(*shape[-2:]):
                n += 1
                args = {
                    "diagonal": values(rng, stored(shape, k), dtype),
                    "k": numbers(k, n),
                    "padding_value": values(rng, (), dtype),
                }
                given = shape[-2:] if n % 3 else (-1, -1)
                args |= {"num_rows": np.array(given[0], np.int32), "num_cols": np.array(given[1], np.int32)}
                yield Case(f"{shape} {k} {n % 4} {given}", args, aligned(n, aligns))

    return cases


def set_cases(version):
    def cases(dtype, rng):
        n = 0
        for shape in MATRICES:
            for k in bands(*shape[-2:]) if version else ([0],):
                n += 1
                args = {"input": values(rng, shape, dtype), "diagonal": values(rng, stored(shape, k), dtype)}
                yield Case(
                    f"{shape} {k} {n % 4}", args | ({"k": numbers(k, n)} if version else {}), aligned(n, version == 3)
                )

    return cases


def part_invalid(dtype):
    rng = np.random.default_rng(1)
    args = {"input": values(rng, (3, 4), dtype), "k": np.array(0, np.int32), "padding_value": values(rng, (), dtype)}
    yield Case("rank", args | {"input": values(rng, (3,), dtype)})
    yield Case("k too large", args | {"k": np.array(4, np.int32)})
    yield Case("k backwards", args | {"k": np.array([1, 0], np.int32)})
    yield Case("three k", args | {"k": np.array([0, 1, 2], np.int32)})
    yield Case("padding", args | {"padding_value": values(rng, (2,), dtype)})


def diag_invalid(dtype):
    rng = np.random.default_rng(1)
    args = {"diagonal": values(rng, (3,), dtype), "k": np.array(0, np.int32), "padding_value": values(rng, (), dtype)}
    args |= {"num_rows": np.array(-1, np.int32), "num_cols": np.array(-1, np.int32)}
    yield Case("rank", args | {"diagonal": values(rng, (), dtype)})
    yield Case("rows", args | {"num_rows": np.array(2, np.int32)})
    yield Case("columns", args | {"num_cols": np.array(2, np.int32)})
    yield Case("both", args | {"num_rows": np.array(5, np.int32), "num_cols": np.array(7, np.int32)})
    yield Case("diagonals", args | {"diagonal": values(rng, (3, 3), dtype), "k": np.array([-1, 0], np.int32)})


def set_invalid(version):
    def invalid(dtype):
        rng = np.random.default_rng(1)
        more = {"k": np.array(0, np.int32)} if version else {}
        yield Case("diagonal", {"input": values(rng, (2, 3), dtype), "diagonal": values(rng, (3,), dtype)} | more)
        yield Case("rank", {"input": values(rng, (3,), dtype), "diagonal": values(rng, (3,), dtype)} | more)
        yield Case("scalar", {"input": values(rng, (2, 3), dtype), "diagonal": values(rng, (), dtype)} | more)

    return invalid


def row(op, types, cases, invalid):
    add(Row(op, types, cases, None, tol=exact, invalid=invalid))


for _v in (2, 3):
    row(f"MatrixDiagPartV{_v}", TYPES, part_cases(_v == 3), part_invalid)
    row(f"MatrixDiagV{_v}", TYPES, diag_cases(_v == 3), diag_invalid)
    row(f"MatrixSetDiagV{_v}", TYPES, set_cases(_v), set_invalid(_v))
row("MatrixSetDiag", TYPES, set_cases(0), set_invalid(0))
