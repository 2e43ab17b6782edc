"""Every row of the table on the device: values, placement, determinism, NaN and infinities, gradients, bad arguments."""

import zlib

import engine
import numpy as np
import pytest
import tensorflow as tf
from row import Tol, finfo, is_float, numpy_type
from specials import compare_special


def pairs(wanted=lambda row, key: True):
    """(row, type) for each registered op; an op without a kernel is test_coverage.py's business."""
    found = []
    for row in engine.rows():
        have = row.types if engine.DEVICE.name == engine.CPU else engine.registered_keys(row)
        found += [pytest.param(row, key, id=f"{row.op}-{key}") for key in row.types if key in have and wanted(row, key)]
    return found


def generator(*names) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32("/".join(names).encode()))


def is_float_key(key: str) -> bool:
    return is_float(key.split(">")[0])


def in_cpu_reach(case):
    """TensorFlow has a CPU kernel for this call and its gradient (its broadcasts end below rank 6)."""
    return case.cpu and max((np.ndim(v) for v in case.args.values() if not isinstance(v, list)), default=0) < 6


@pytest.mark.parametrize(("row", "key"), pairs())
def test_values(row, key):
    """Against the reference, on the device, twice with the same bits."""
    failures = []
    for case in row.cases(key, generator(row.op, key)):
        if engine.DEVICE.name == engine.CPU and not in_cpu_reach(case):
            continue
        got = engine.on_device(row, case, key)
        want = engine.expected(row, case)
        assert len(got) == len(want), f"{case.label}: {len(got)} outputs, expected {len(want)}"
        for i, (g, w, s) in enumerate(zip(got, want, engine.scales(row, case, len(want)), strict=True)):
            text, unit, error = engine.compare(g, w, engine.tolerance(row, key), s)
            engine.MEASURED.note(row, key, unit, error)
            if text:
                failures.append(f"{case.label}, output {i}: {text}")
        again = engine.on_device(row, case, key)
        if not all(engine.same_bits(a, b) for a, b in zip(got, again, strict=True)):
            failures.append(f"{case.label}: two runs differ")
    assert not failures, f"{row.op} {key}: {len(failures)} failures\n" + "\n".join(failures[:12])


@pytest.mark.parametrize(("row", "key"), pairs(lambda row, key: row.specials and is_float_key(key)))
def test_special_values(row, key):
    """NaN, infinities, signed zeros and extremes come out as from TensorFlow's CPU kernel."""
    failures = []
    for case in row.specials(key):
        got = engine.on_device(row, case, key)
        exact = engine.expected(row, case) if row.reference else [None] * len(got)
        try:
            want = engine.on_cpu(row, case)
        except (tf.errors.InvalidArgumentError, tf.errors.NotFoundError):  # no CPU kernel of this type
            want = [e.astype(numpy_type(key)) for e in exact]
        scales = engine.scales(row, case, len(got)) if row.reference else [None] * len(got)
        for g, w, e, s in zip(got, want, exact, scales, strict=True):
            failures += [f"{case.label}: {t}" for t in compare_special(row, key, case, g, [(w, e, s)])]
    assert not failures, f"{row.op} {key}:\n" + "\n".join(failures[:12])


def differentiable(row, key):
    return bool(row.grad) and is_float(key) and (row.doubles or key != "float64")


def gradient_cases(row, key):
    """A few calls that the CPU can differentiate too, and quickly."""
    chosen = []
    for case in row.cases(key, generator(row.op, key, "gradient")):
        size = max((np.size(v) for v in case.args.values() if not isinstance(v, list)), default=1)
        if 0 < size <= 4000 and in_cpu_reach(case):
            chosen.append(case)
    return chosen[:: max(1, len(chosen) // 6)]


def placed(value):
    """`value` on the device of the scope: a gradient may be nothing but the tensor it was handed."""
    return tf.identity(engine.to_tensor(value))


def gradients_of(row, case, device, upstream, wide):
    def tensor(v):
        if isinstance(v, list):
            return [tensor(x) for x in v]
        v = np.asarray(v)
        return engine.to_tensor(v.astype(np.float64) if wide and is_float(engine.type_name(v)) else v)

    args = {k: tensor(v) for k, v in case.args.items()}
    attrs = {
        k: tf.float64 if wide and k in ("Tout", "dtype", "DstT") and is_float(str(v)) else v
        for k, v in case.attrs.items()
    }
    with tf.device(device), tf.GradientTape() as tape:
        watched = {n: args[n] for n in row.grad}
        tape.watch(list(watched.values()))
        out = engine.call(row.op, args, attrs, device)
        out = [y for y in out if y.dtype.is_floating]
        upstream = upstream if upstream is not None else [np.random.default_rng(7).uniform(-1, 1, y.shape) for y in out]
        dy = [placed(np.asarray(u).astype(y.dtype.as_numpy_dtype)) for u, y in zip(upstream, out, strict=True)]
        found = tape.gradient(out, list(watched.values()), output_gradients=dy)
    return tf.nest.flatten(found), upstream


@pytest.mark.parametrize(("row", "key"), pairs(differentiable))
def test_gradients(row, key):
    """GradientTape on the device against the CPU in float64."""
    failures = []
    for case in gradient_cases(row, key):
        got, upstream = gradients_of(row, case, engine.DEVICE.name, None, wide=False)
        rounded = [u.astype(numpy_type(key)).astype(np.float64) for u in upstream]
        want, _ = gradients_of(row, case, engine.CPU, rounded, wide=True)
        for name, g, w in zip([*row.grad] * len(got), got, want, strict=False):
            if g is None or w is None:
                if (g is None) != (w is None):
                    failures.append(f"{case.label}: gradient in {name} is {g}, expected {w}")
                continue
            assert engine.DEVICE.name == engine.CPU or g.device.endswith("GPU:0"), f"gradient of {row.op} on {g.device}"
            w = tf.convert_to_tensor(w).numpy()
            top = float(np.max(np.abs(w[np.isfinite(w)]), initial=0))
            top = max(top, max(float(np.max(np.abs(u), initial=0)) for u in rounded))
            tol = Tol(ulp=2, abs=top * row.grad_eps * float(finfo(key).eps))
            text, _, _ = engine.compare(tf.convert_to_tensor(g).numpy(), w, tol)
            if text:
                failures.append(f"{case.label}: gradient in {name}: {text}")
    assert not failures, f"{row.op} {key}:\n" + "\n".join(failures[:12])
