"""What a row of the op table is, and how rows make their inputs.

A row states the contract of one TensorFlow op on the device: the types it takes, calls that exercise it, a float64
reference, the error allowed per type, and which inputs it is differentiable in.  test_table.py turns every row into
tests; test_fuzz.py draws random calls from the same rows; tools/gen_docs.py prints them.  No TensorFlow here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import ml_dtypes
import numpy as np

FLOATS = ("float32", "float16", "bfloat16")
REALS = FLOATS + ("float64",)  # what computes in float64 has kernels only where the device has doubles
SIGNED = ("int8", "int16", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTS = SIGNED + UNSIGNED  # the integers that live in device memory; int32 is host memory for most ops
BITS = INTS + ("int32",)
WIDE = ("float64", "complex64", "complex128")  # of 8 bytes and more: moved as such
LENGTHS = (0, 1, 3, 7, 8, 9, 255, 256, 257)
LARGE = 1_000_003

# Shapes of two operands, in every rank up to 6, with each kind of broadcast.
BROADCASTS = (
    ((), ()), ((), (5,)), ((7,), ()), ((1,), (9,)), ((0,), (1,)), ((0, 3), (3,)),
    ((3, 1), (1, 4)), ((4, 5), (5,)), ((4, 1), (4, 5)), ((2, 3, 4), (3, 1)), ((1, 3, 1), (2, 1, 5)),
    ((2, 1, 3, 1), (1, 4, 1, 5)), ((2, 3, 4, 5), (1, 3, 1, 1)), ((2, 1, 3, 1, 2), (1, 2, 1, 3, 1)),
    ((2, 1, 2, 3, 1, 2), (2, 1, 1, 3, 4, 1)), ((33, 257), (257,)), ((257, 33), (257, 1)),
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One call: keyword arguments of tf.raw_ops.<op>.  `args` are tensors (or lists of tensors), `attrs` the rest."""

    label: str
    args: dict
    attrs: dict = field(default_factory=dict)
    cpu: bool = True  # TensorFlow's CPU kernels can do this call and its gradient


@dataclass(frozen=True)
class Tol:
    """Allowed |got - reference|: ulp * spacing(reference) + eps * machine epsilon * scale + abs.

    `scale` is the row's measure of what was summed (the sum of magnitudes), or 0 where the row has none.
    """

    ulp: float = 0.0
    eps: float = 0.0
    abs: float = 0.0


@dataclass(frozen=True)
class Row:
    op: str
    types: tuple[str, ...]  # a type, or "source>destination" for Cast
    cases: Callable[[str, np.random.Generator], Iterable[Case]]
    # (args with floats as float64, attrs) -> array or tuple of arrays; None: TensorFlow's CPU kernel in the same type
    reference: Callable | None
    tol: Callable[[str], Tol] = lambda t: Tol(ulp=1.0)
    scale: Callable | None = None  # as reference: what an error may be proportional to
    grad: tuple[str, ...] = ()  # arguments to differentiate in
    grad_eps: float = 8.0  # allowed error of a gradient, in epsilons of its largest magnitude
    specials: Callable[[str], Iterable[Case]] | None = None  # NaN, infinities...: bits as the CPU kernel's
    invalid: Callable[[str], Iterable[Case]] | None = None  # the error class must be the CPU kernel's
    fuzz: Callable[[str, np.random.Generator], Case] | None = None
    defined: Callable[[Case], int] = lambda case: 99  # how many outputs have defined values
    key: Callable[[dict], str] = lambda constraints: constraints.get("T", "any")
    exact_zero_sign: bool = True  # in specials, -0 and +0 differ
    # Arguments in which awkward values come out as from the CPU kernel (None: in all), and which values do: "all",
    # "numbers" (not NaN), "finite", "moderate" (no finite ones above 2: sums would cancel, products overflow in one order
    # but not in another).
    strewn: tuple[str, ...] | None = None
    awkward: str = "all"
    doubles: bool = False  # differentiated in float64 too: the gradient's ops have kernels of it where this one has
    beside: Callable[[Case], bool] = lambda case: True  # of calls near its own, those of which the CPU kernel knows
    # Parts of the messages that refuse calls which the CPU kernel answers: with what it then reads nothing is said.
    stricter: tuple[str, ...] = ()


TABLE: dict[str, Row] = {}


def add(row: Row) -> None:
    if row.op in TABLE:
        raise ValueError(f"two rows for {row.op}")
    TABLE[row.op] = row


def numpy_type(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def is_float(name: str) -> bool:
    return name in REALS


def finfo(name: str):
    return ml_dtypes.finfo(numpy_type(name))


def values(rng, shape, dtype: str, low: float = -10.0, high: float = 10.0) -> np.ndarray:
    """Random values of `dtype`: uniform in [low, high) for floats, the type's whole range for integers and bool."""
    if dtype == "bool":
        return np.asarray(rng.integers(0, 2, shape), dtype=bool)
    if is_float(dtype):
        return np.asarray(rng.uniform(low, high, shape)).astype(numpy_type(dtype))
    if dtype.startswith("complex"):
        return np.asarray(rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)).astype(dtype)
    info = np.iinfo(dtype)
    return np.asarray(rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True))


def small(rng, shape, dtype: str, low: int = -9, high: int = 9) -> np.ndarray:
    """As values(), but small integers also for integer types (no wraparound in sums)."""
    if dtype == "bool" or is_float(dtype):
        return values(rng, shape, dtype, low, high)
    low = max(low, 0) if dtype.startswith("u") else low
    return np.asarray(rng.integers(low, high, shape)).astype(dtype)


def distinct(rng, shape, dtype: str) -> np.ndarray:
    """Values without ties, exactly representable in every float type while there are few of them."""
    n = int(np.prod(shape))
    order = rng.permutation(n).reshape(shape) if n else np.zeros(shape)
    return ((order - n // 2) / (1.0 if n < 256 or dtype == "float32" else n / 256)).astype(numpy_type(dtype))


def random_shape(rng, rank_max: int = 6, size_max: int = 5000) -> tuple[int, ...]:
    rank = int(rng.integers(0, rank_max + 1))
    shape: list[int] = []
    size = 1
    for _ in range(rank):
        top = max(2, min(40 if rank < 4 else 8, size_max // max(size, 1)))
        shape.append(int(rng.integers(1, top)))
        size *= shape[-1]
    if shape and rng.random() < 0.04:
        shape[int(rng.integers(0, rank))] = 0
    return tuple(shape)


def special_values(dtype: str) -> np.ndarray:
    """Every awkward value of a float type, enough of them to reach a CPU kernel's vector and scalar paths."""
    info = finfo(dtype)
    top, tiny = float(info.max), float(info.tiny)
    v = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, -1.5, 2.5, -2.5, 3.0, -3.0]
    v += [top, -top, tiny, -tiny, tiny * 4, 1e-4, -1e-4, 30.0, -30.0, 88.0, -88.0, 100.0, -100.0, 1e4, -1e4]
    return np.tile(np.array(v), 3)[:83].astype(numpy_type(dtype))


def float_tol(ulp32: float, half: float = 1.0) -> Callable[[str], Tol]:
    """ulp32 ulps in float32 and float64; the half types round a float32 result once.  All but float16 may flush
    subnormal numbers, as TensorFlow's CPU kernels do."""

    def tol(dtype: str) -> Tol:
        if not is_float(dtype):
            return Tol()
        flush = 0.0 if dtype == "float16" else float(finfo(dtype).tiny)
        return Tol(ulp=ulp32 if dtype in ("float32", "float64") else half, abs=flush)

    return tol


def sum_tol(eps32: float = 4.0, half_ulp: float = 1.0) -> Callable[[str], Tol]:
    """For accumulations in float32: eps32 float32 epsilons of the summed magnitudes, and the half types' last rounding.
    float64 accumulates in itself."""

    def tol(dtype: str) -> Tol:
        if not is_float(dtype):
            return Tol()
        if dtype in ("float32", "float64"):
            return Tol(ulp=1.0, eps=eps32, abs=float(finfo(dtype).tiny))
        return Tol(ulp=half_ulp, eps=eps32 * 2.0**-12, abs=float(finfo(dtype).tiny))

    return tol
