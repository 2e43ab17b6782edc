"""Runs one call of an op on the device or on the CPU, and compares results.  The only part of the table that imports
TensorFlow."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from row import TABLE, Case, Row, Tol, finfo, is_float, numpy_type
from tensorflow.python.framework import kernels, load_library, op_def_library, op_def_registry

CPU = "/CPU:0"
GPU = "/GPU:0"


@dataclass
class Measured:
    """The largest error seen per op and type, in the unit of the row's tolerance."""

    worst: dict[str, dict[str, dict]] = field(default_factory=dict)

    def note(self, row: Row, key: str, unit: str, error: float) -> None:
        entry = self.worst.setdefault(row.op, {}).setdefault(key, {"unit": unit, "error": 0.0})
        entry["error"] = max(entry["error"], float(error))

    def write(self) -> None:
        """Adds to what earlier runs of this build measured: a run may have selected only some tests."""
        path = errors_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # processes that share the table out each add their part
            known = json.loads(path.read_text()) if path.exists() else {}
            for op, types in self.worst.items():
                known.setdefault(op, {}).update(types)
            if self.worst and DEVICE.name != CPU:
                path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


@dataclass
class Place:
    name: str = GPU


MEASURED = Measured()
DEVICE = Place()


def errors_path() -> Path:
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("ANVIL_OUT", root / "out")) / "op_errors.json"


def start(on_cpu: bool = False) -> None:
    """Loads the plug-in, turns soft placement off, imports every row."""
    import importlib

    for path in sorted(Path(__file__).parent.glob("rows_*.py")):
        importlib.import_module(path.stem)
    if on_cpu:
        DEVICE.name = CPU
    elif not tf.config.list_physical_devices("GPU"):
        plugin = os.environ.get("ANVIL_PLUGIN")
        if plugin:
            load_library.load_pluggable_device_library(plugin)
        if not tf.config.list_physical_devices("GPU"):
            raise RuntimeError("the plug-in offers no GPU; install the wheel or name a library in ANVIL_PLUGIN")
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.set_soft_device_placement(False)


def own_kernels(op: str) -> list:
    """The GPU's kernels, but for those that run the CPU's by proxy, which have a priority below 0."""
    found = kernels.get_registered_kernels_for_op(op).kernel
    return [kernel for kernel in found if kernel.device_type == "GPU" and kernel.priority >= 0]


def registered(op: str) -> list[dict[str, str]]:
    """The type constraints of every GPU kernel that TensorFlow has for `op`, one dict a kernel: {"T": "float32"}."""
    found = []
    for kernel in own_kernels(op):
        types = {c.name: [tf.as_dtype(t).name for t in c.allowed_values.list.type] for c in kernel.constraint}
        found.append({name: t[0] for name, t in types.items() if len(t) == 1})
    return found


def host_outputs(row: Row, key: str) -> set[str]:
    """Output arguments that the kernel keeps in host memory (int32 by TensorFlow's convention)."""
    for kernel in own_kernels(row.op):
        constraints = {c.name: tf.as_dtype(c.allowed_values.list.type[0]).name for c in kernel.constraint}
        if row.key(constraints) in (key, "any"):
            return set(kernel.host_memory_arg)
    return set()


def output_names(op: str) -> list[str]:
    return [arg.name for arg in op_def_registry.get(op).output_arg]


def registered_keys(row: Row) -> set[str]:
    """The row's types that have a kernel; a kernel without constraints takes them all.  Variants are no type of a row:
    for lists and ragged tensors the shim registers TensorFlow's own kernels, which tests/train tries."""
    found = {row.key(c) for c in registered(row.op)} - {"variant"}
    return set(row.types) if found == {"any"} else found


def tolerance(row: Row, key: str) -> Tol:
    """The row's; on the CPU looser, since its kernels compute half types in themselves and use coarse approximations."""
    tol = row.tol(key)
    if DEVICE.name == CPU and tol != Tol():
        loose = 4 if key == "float32" else 64
        return Tol(tol.ulp * loose + loose, tol.eps * loose**2, tol.abs * loose)
    return tol


def to_tensor(value):
    if isinstance(value, list):
        return [to_tensor(v) for v in value]
    with tf.device(CPU):
        return tf.constant(np.ascontiguousarray(value).reshape(np.shape(value)))


def internal(op: str, args: dict, attrs: dict):
    """An op that only TensorFlow's own graph passes make: it has no function in tf.raw_ops."""
    definition = op_def_registry.get(op)
    inferred = {name for a in definition.input_arg for name in (a.type_attr, a.number_attr, a.type_list_attr)}
    wanted = {a.name: attrs.get(a.name) for a in definition.attr if a.name not in inferred}

    def node(tensors):
        return op_def_library.apply_op(op, name=op.strip("_"), **tensors, **wanted)

    return tf.function(node, autograph=False)(args)


def call(op: str, args: dict, attrs: dict, device: str) -> list:
    """Runs one op there and returns its outputs.  Without soft placement a missing kernel is an error, not a detour."""
    with tf.device(device):
        out = getattr(tf.raw_ops, op)(**args, **attrs) if hasattr(tf.raw_ops, op) else internal(op, args, attrs)
    return tf.nest.flatten(out)  # some ops have several lists of outputs


def check_place(row: Row, key: str, out: list) -> None:
    """Every output was made by a kernel on the device and lies there, save those its registration puts on the host."""
    if DEVICE.name == CPU:
        return
    names, host = output_names(row.op), host_outputs(row, key)
    for i, y in enumerate(out):
        name = names[min(i, len(names) - 1)]  # a list of outputs shares its name
        assert y.device.endswith("GPU:0"), f"{row.op} output {i} was computed on {y.device}"
        if name not in host and y.shape.num_elements():
            assert y.backing_device.endswith("GPU:0"), f"{row.op} output {i} lies on {y.backing_device}"


def on_device(row: Row, case: Case, key: str = "float32") -> list[np.ndarray]:
    args = {k: to_tensor(v) for k, v in case.args.items()}
    out = call(row.op, args, case.attrs, DEVICE.name)
    check_place(row, key, out)
    return [y.numpy() for y in out[: row.defined(case)]]


def on_cpu(row: Row, case: Case) -> list[np.ndarray]:
    args = {k: to_tensor(v) for k, v in case.args.items()}
    return [y.numpy() for y in call(row.op, args, case.attrs, CPU)[: row.defined(case)]]


def widen(value):
    if isinstance(value, list):
        return [widen(v) for v in value]
    value = np.asarray(value)
    return value.astype(np.float64) if value.dtype.kind == "f" or value.dtype.name == "bfloat16" else value


def expected(row: Row, case: Case) -> list[np.ndarray]:
    """The reference, in float64 for floats."""
    if row.reference is None:
        return [widen(y) for y in on_cpu(row, case)]
    with np.errstate(all="ignore"):
        out = row.reference({k: widen(v) for k, v in case.args.items()}, case.attrs)
    return [np.asarray(y) for y in (out if isinstance(out, tuple) else (out,))]


def scales(row: Row, case: Case, n: int) -> list:
    if row.scale is None:
        return [None] * n
    with np.errstate(all="ignore"):
        out = row.scale({k: widen(v) for k, v in case.args.items()}, case.attrs)
    return list(out) if isinstance(out, tuple) else [out] * n


def spacing(x: np.ndarray, dtype: str) -> np.ndarray:
    """The distance from |x| to the next number of `dtype`, with x in float64."""
    info = finfo(dtype)
    exponent = np.floor(np.log2(np.maximum(np.abs(x), float(info.tiny))))
    return np.exp2(np.minimum(exponent, np.floor(np.log2(float(info.max)))) - info.nmant)


def type_name(a: np.ndarray) -> str:
    return "bfloat16" if a.dtype == numpy_type("bfloat16") else a.dtype.name


def allowance(want: np.ndarray, dtype: str, tol: Tol, scale=None) -> np.ndarray:
    """The error that a result of `dtype` may have, element by element; want and scale in float64."""
    with np.errstate(all="ignore"):
        of_sums = tol.eps * float(finfo(dtype).eps) * np.asarray(scale, np.float64) if scale is not None else 0.0
        return tol.ulp * spacing(want, dtype) + tol.abs + of_sums


def first_bad(got, want, bad) -> str:
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{int(bad.sum())} of {bad.size} wrong, first at {list(at)}: got {got[at]!r}, expected {want[at]!r}"


def compare(got: np.ndarray, want: np.ndarray, tol: Tol, scale=None) -> tuple[str, str, float]:
    """(what is wrong or "", unit, largest error).  `want` is float64 for a float result; else equality."""
    if got.shape != want.shape:
        return f"shape {got.shape}, expected {want.shape}", "", 0.0
    if got.dtype.kind == "c":  # part by part
        got, want = (np.stack([v.real, v.imag], -1) for v in (got, np.asarray(want)))
        scale = None if scale is None else np.asarray(scale)[..., None]
    dtype = type_name(got)
    if not is_float(dtype):
        bad = got != want.astype(got.dtype)
        return (first_bad(got, want, bad) if bad.any() else ""), "exact", 0.0
    if got.size == 0:
        return "", "ulp", 0.0
    with np.errstate(all="ignore"):
        g = got.astype(np.float64)
        top = float(finfo(dtype).max)
        limit = top + spacing(np.array(top), dtype) / 2  # rounds to infinity from here on
        want = np.where(np.abs(want) >= limit, np.copysign(np.inf, want), want)
        odd = ~np.isfinite(want)
        same_odd = (np.isnan(want) & np.isnan(g)) | (want == g)
        ulp = spacing(want, dtype)
        allowed = tol.ulp * ulp + tol.abs
        base = float(finfo(dtype).eps) * np.asarray(scale, np.float64) if scale is not None else 0.0
        error = np.abs(g - want)
        # A result next to the largest number may round to infinity.
        near_top = np.isinf(g) & (np.abs(want) + allowed >= limit) & (np.sign(g) == np.sign(want))
        ok = np.where(odd, same_odd, (error <= allowed + tol.eps * base) | near_top)
    usable = ~odd & np.isfinite(error)
    worst = 0.0
    if usable.any():
        if scale is not None:
            unit_size = np.maximum(np.broadcast_to(base, error.shape), float(finfo("float32").tiny))
            worst = float(np.max(np.where(usable, np.maximum(error - ulp / 2, 0) / unit_size, 0)))
        else:
            floor = tol.abs if tol.abs > 1e-30 else 0.0
            worst = float(np.max(np.where(usable & (error > floor + float(finfo("float32").tiny)), error / ulp, 0)))
    text = "" if ok.all() else first_bad(got, want, ~ok)
    return text, "eps of the sum" if scale is not None else "ulp", worst


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def error_of(op: str, case: Case, device: str) -> type | None:
    """The class of the exception that a call raises there, or None."""
    try:
        for y in call(op, {k: to_tensor(v) for k, v in case.args.items()}, case.attrs, device):
            y.numpy()
    except Exception as e:  # the class is the result
        return type(e)
    return None


def fits(op: str, case: Case) -> bool:
    """The op's shape function takes these arguments: a graph could be made of them.  Some CPU kernels take more."""

    try:
        with tf.Graph().as_default():
            call(op, {k: to_tensor(v) for k, v in case.args.items()}, case.attrs, CPU)
    except (ValueError, TypeError, tf.errors.OpError):
        return False
    return True


def rows():
    return [TABLE[name] for name in sorted(TABLE)]
