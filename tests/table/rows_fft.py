"""Complex numbers and Fourier transforms, against NumPy's in complex128."""

import numpy as np
from row import Case, Row, Tol, add, values

KEY = ("complex64",)
LENGTHS = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 17, 30, 49, 97, 100, 128, 255, 360, 512, 1009, 1024)


def signal(rng, shape, kind="complex64"):
    re = values(rng, shape, "float32", -2, 2)
    return re if kind == "float32" else (re + 1j * values(rng, shape, "float32", -2, 2)).astype(np.complex64)


def near(_):
    """1e-6 of the transform's root mean square."""
    return Tol(ulp=2, eps=8)


def rms(f):
    def scale(a, attrs):
        y = f(a, attrs)
        return np.full(y.shape, np.sqrt(np.mean(np.abs(y) ** 2)) * (1 + np.log2(max(y.size, 2)))) if y.size else y.real

    return scale


def sizes(rank):
    if rank == 1:
        return [(2, n) for n in LENGTHS] + [(0, 4), (3, 2, 10), (5,)]
    if rank == 2:
        return [(3, 5), (2, 4, 6), (1, 16, 9), (2, 0, 3), (2, 1, 7), (1, 33, 32)]
    return [(2, 3, 4), (2, 5, 4, 6), (1, 8, 1, 9), (0, 2, 3, 4)]


def add_complex(op, rank, f):
    def reference(a, _):
        x = np.asarray(a["input"]).astype(np.complex128)
        return f(x, axes=tuple(range(-rank, 0))) if x.size else x

    def cases(_, rng):
        for shape in sizes(rank):
            yield Case(f"{shape}", {"input": signal(rng, shape)})

    def invalid(_):
        yield Case("rank", {"input": signal(np.random.default_rng(1), (4,) * (rank - 1))})

    add(
        Row(
            op,
            KEY,
            cases,
            reference,
            tol=near,
            scale=rms(reference),
            strewn=(),
            invalid=invalid,
            key=lambda c: c["Tcomplex"],
        )
    )


def add_real(op, rank, f):
    forward = op.startswith("R")

    def reference(a, _):
        n = [int(s) for s in a["fft_length"]]
        x = np.asarray(a["input"]).astype(np.float64 if forward else np.complex128)
        axes = tuple(range(-rank, 0))
        if x.size and min(n):
            return f(x, s=n, axes=axes)
        n[-1] = n[-1] // 2 + 1 if forward and n[-1] else n[-1]
        return np.zeros((*x.shape[:-rank], *n), np.complex128 if forward else np.float64)

    def case(shape, n, rng):
        n = np.array(n, np.int32)
        return Case(
            f"{shape} to {n}", {"input": signal(rng, shape, "float32" if forward else "complex64"), "fft_length": n}
        )

    def half(shape):
        return shape if forward else (*shape[:-1], shape[-1] // 2 + 1)

    def cases(_, rng):
        for shape in sizes(rank):
            yield case(half(shape), shape[-rank:], rng)
        longer = (2, *(9,) * rank)
        yield case(longer, (6,) * rank, rng)  # the rest is left out
        yield case(longer, (5,) * rank, rng)
        if rank > 1:  # of nothing, zeros
            yield case((*(2,) * (rank - 2), 0, 2), (3,) * rank, rng)

    def invalid(_):
        rng = np.random.default_rng(1)
        yield Case("rank", case((4,) * (rank - 1), (4,) * rank, rng).args)
        yield Case("too many lengths", case((4,) * rank, (4,) * (rank + 1), rng).args)
        yield Case("too long", case((4,) * rank, (9,) * rank, rng).args)
        yield Case("negative", case((4,) * rank, (-1,) * rank, rng).args)

    add(
        Row(
            op,
            KEY,
            cases,
            reference,
            tol=near,
            scale=rms(reference),
            strewn=(),
            invalid=invalid,
            key=lambda c: c["Tcomplex"],
        )
    )


for dims, rank in (("", 1), ("2D", 2), ("3D", 3)):
    add_complex(f"FFT{dims}", rank, np.fft.fftn)
    add_complex(f"IFFT{dims}", rank, np.fft.ifftn)
    add_real(f"RFFT{dims}", rank, np.fft.rfftn)
    add_real(f"IRFFT{dims}", rank, np.fft.irfftn)

# input, lengths, axes; the lengths are the signal's
NAMED = [((4, 6), (4, 6), (0, 1)), ((4, 6, 5), (4, 5), (0, 2)), ((3, 6, 8), (6,), (1,)), ((5, 6, 7), (5, 4), (-1, -2))]


def add_named(op, f):
    """No CPU kernel: NumPy says what these mean."""

    def reference(a, _):
        return f(a["input"].astype(np.float64 if op[0] == "R" else np.complex128), s=[int(n) for n in a["fft_length"]],
                 axes=[int(n) for n in a["axes"]])  # fmt: skip

    def cases(_, rng):
        for shape, n, axes in NAMED:
            shape = list(shape)
            if op == "IRFFTND":
                shape[axes[-1]] = n[-1] // 2 + 1
            args = {"input": signal(rng, shape, "float32" if op[0] == "R" else "complex64")}
            yield Case(
                f"{shape} {n} {axes}",
                args | {"fft_length": np.array(n, np.int32), "axes": np.array(axes, np.int32)},
                cpu=False,
            )

    add(Row(op, KEY, cases, reference, tol=near, scale=rms(reference), strewn=(), key=lambda c: c["Tcomplex"]))


add_named("FFTND", np.fft.fftn)
add_named("IFFTND", np.fft.ifftn)
add_named("RFFTND", np.fft.rfftn)
add_named("IRFFTND", np.fft.irfftn)

# ---- the parts of complex numbers ----
SHAPES = [(), (1,), (7,), (0, 3), (3, 5), (2, 1, 257)]


def add_part(op, f, argument="input", tol=None, types=KEY):
    def cases(dtype, rng):
        attrs = {"Tout": "float64"} if dtype == "complex128" and op != "Conj" else {}
        for shape in SHAPES:
            yield Case(f"{shape}", {argument: signal(rng, shape).astype(dtype)}, attrs)
        odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -2.0, 3e38, 1e-30]
        pairs = np.array([complex(a, b) for a in odd for b in odd], dtype)
        yield Case("specials", {argument: pairs}, attrs)

    add(Row(op, types, cases, lambda a, _: f(a[argument]), tol=lambda _: tol or Tol()))


for name, function in (("Real", np.real), ("Imag", np.imag), ("Conj", np.conj)):
    add_part(name, function, types=("complex64", "complex128"))
add_part("ComplexAbs", lambda x: np.abs(x.astype(np.complex128)), "x", Tol(ulp=3))
add_part("Angle", lambda x: np.angle(x.astype(np.complex128)), tol=Tol(ulp=4, abs=1.2e-38))


def complex_cases(dtype, rng):
    kind = "float32" if dtype == "complex64" else "float64"
    for a, b in [((), ()), ((5,), (5,)), ((0, 2), (2,)), ((3, 1), (1, 4)), ((2, 3), (3,)), ((), (2, 65))]:
        yield Case(f"{a} {b}", {"real": values(rng, a, kind), "imag": values(rng, b, kind)}, {"Tout": dtype})


def complex_invalid(_):
    yield Case("shapes", {"real": np.ones(2, np.float32), "imag": np.ones(3, np.float32)})


add(Row("Complex", ("complex64", "complex128"), complex_cases, lambda a, _: a["real"] + 1j * a["imag"], tol=lambda _: Tol(), invalid=complex_invalid,
        key=lambda c: c["Tout"]))  # fmt: skip
