"""Calls that TensorFlow refuses: the CPU kernel's error class, and nothing written outside a tensor."""

import engine
import numpy as np
import pytest
import tensorflow as tf
from engine import CPU, DEVICE
from neighbours import Neighbours
from row import TABLE

XENT = "SparseSoftmaxCrossEntropyWithLogits"


def refusals():
    for row in engine.rows():
        if row.invalid is None:
            continue
        have = row.types if DEVICE.name == CPU else engine.registered_keys(row)
        key = next((k for k in row.types if k in have), None)
        if key:
            for case in row.invalid(key):
                yield pytest.param(row, case, id=f"{row.op}-{case.label.replace(' ', '-')}")


@pytest.mark.parametrize(("row", "case"), list(refusals()))
def test_error_class(row, case):
    want = engine.error_of(row.op, case, CPU)
    got = engine.error_of(row.op, case, DEVICE.name)
    assert got is want, f"{row.op}, {case.label}: raised {got}, the CPU kernel {want}"


@pytest.fixture
def neighbours():
    around = Neighbours()
    yield around
    around.check()


@pytest.mark.parametrize("op", sorted(TABLE))
def test_nothing_is_written_outside_a_tensor(op, neighbours):
    """Odd sizes, whose last vector, group or tile is not full."""
    row = TABLE[op]
    have = row.types if DEVICE.name == CPU else engine.registered_keys(row)
    for key in [k for k in row.types if k in have][:: max(1, len(row.types) // 3)]:
        for case in list(row.cases(key, np.random.default_rng(11)))[:24]:
            if max((np.size(v) for v in case.args.values() if not isinstance(v, list)), default=0) < 20000 and case.cpu:
                try:
                    engine.on_device(row, case, key)
                except (tf.errors.UnimplementedError, tf.errors.NotFoundError):
                    assert DEVICE.name == CPU


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("bad", [-1, 4, 7, 1000, -(2**31)])
def test_labels_out_of_range(kind, bad, neighbours):
    """On the CPU an error.  On a device the label is only known there: as in the CUDA build the row's loss and gradient
    are NaN, the other rows are right, and nothing else is touched."""
    if DEVICE.name == CPU:
        pytest.skip("the CPU kernel raises")
    x = np.random.default_rng(3).normal(size=(9, 4)).astype(np.float32)
    labels = np.array([0, 1, 2, 3, bad, 0, 1, 2, 3], kind)
    good = np.delete(np.arange(9), 4)
    try:
        loss, grad = (
            y.numpy()
            for y in engine.call(
                XENT, {"features": engine.to_tensor(x), "labels": engine.to_tensor(labels)}, {}, DEVICE.name
            )
        )
    except tf.errors.InvalidArgumentError:
        return  # the CPU kernel's own answer
    want_loss, want_grad = (
        y.numpy() for y in engine.call(XENT, {"features": x[good], "labels": labels[good]}, {}, CPU)
    )
    assert np.isnan(loss[4])
    assert np.isnan(grad[4]).all()
    np.testing.assert_allclose(loss[good], want_loss, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grad[good], want_grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("value", [0, -1])
@pytest.mark.parametrize("op", ["FloorDiv", "FloorMod"])
@pytest.mark.parametrize("dtype", ["int8", "int16", "int64", "uint8"])
def test_integer_division_at_its_edges(op, dtype, value, neighbours):
    """Division by zero and the least number over -1: no crash, and the other elements are right."""
    if DEVICE.name == CPU or dtype not in engine.registered_keys(TABLE[op]):
        pytest.skip("the CPU kernel raises or traps")
    info = np.iinfo(dtype)
    x = np.array([info.min, 5, info.max, info.min, 7, 9], dtype)
    divisor = np.array([value if info.min else 0, 2, 3, 1, value if info.min else 0, 4], dtype)
    f = np.floor_divide if op == "FloorDiv" else np.mod
    try:
        got = engine.call(op, {"x": engine.to_tensor(x), "y": engine.to_tensor(divisor)}, {}, DEVICE.name)[0].numpy()
    except tf.errors.InvalidArgumentError:
        assert value == 0 or not info.min
        return
    fine = [1, 2, 3, 5] + ([0, 4] if value == -1 and info.min else [])
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(got[fine], f(x, np.where(divisor == 0, 1, divisor).astype(dtype))[fine])
