"""Variables that live on the device: assignment and in-place updates in every type."""

import engine
import numpy as np
import pytest
import tensorflow as tf
from required import REQUIRED
from row import small, values

TYPES = REQUIRED["AssignVariableOp"]
NUMBERS = REQUIRED["AssignAddVariableOp"]
SHAPES = [(), (0,), (1,), (7,), (257,), (3, 4, 5)]


def variable(value):
    with tf.device(engine.DEVICE.name):
        v = tf.Variable(engine.to_tensor(value))
    assert engine.DEVICE.name == engine.CPU or v.device.endswith("GPU:0"), f"the variable lives on {v.device}"
    return v


def read(v):
    with tf.device(engine.DEVICE.name):
        y = v.read_value()
    assert engine.DEVICE.name == engine.CPU or y.backing_device.endswith("GPU:0")
    return y.numpy()


@pytest.mark.parametrize("dtype", TYPES)
def test_assign(dtype):
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        first, second = values(rng, shape, dtype), values(rng, shape, dtype)
        v = variable(first)
        np.testing.assert_array_equal(read(v), first)
        before = v.read_value()
        with tf.device(engine.DEVICE.name):
            v.assign(engine.to_tensor(second))
        np.testing.assert_array_equal(read(v), second)
        np.testing.assert_array_equal(before.numpy(), first, err_msg="an earlier read changed with the variable")


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("sign", [1, -1])
def test_update(dtype, sign):
    """AssignAdd and AssignSub, against NumPy in the same type; an earlier read keeps its value."""
    rng = np.random.default_rng(2)
    for shape in SHAPES:
        first, delta = small(rng, shape, dtype), small(rng, shape, dtype)
        v = variable(first)
        with tf.device(engine.DEVICE.name):
            before = v.read_value()
            (v.assign_add if sign > 0 else v.assign_sub)(engine.to_tensor(delta))
            after = v.read_value()
            (v.assign_add if sign > 0 else v.assign_sub)(engine.to_tensor(delta))
        once = np.asarray(first + delta if sign > 0 else first - delta).astype(first.dtype)
        twice = np.asarray(once + delta if sign > 0 else once - delta).astype(first.dtype)
        np.testing.assert_array_equal(before.numpy(), first)
        np.testing.assert_array_equal(after.numpy(), once)
        np.testing.assert_array_equal(read(v), twice)


def test_a_chain_of_updates_in_a_graph():
    """Two hundred updates in one function: the order holds, and each read sees what came before it."""
    v = variable(np.zeros(1000, np.float32))

    @tf.function
    def chain():
        seen = tf.zeros([1000])
        for i in range(200):
            v.assign_add(tf.fill([1000], float(i)))
            v.assign(v * 0.5)
            seen += v
        return seen

    with tf.device(engine.DEVICE.name):
        got = chain().numpy()
    x = seen = np.float32(0)
    for i in range(200):
        x = np.float32((x + np.float32(i)) * np.float32(0.5))
        seen = np.float32(seen + x)
    np.testing.assert_array_equal(got, np.full(1000, seen))
    np.testing.assert_array_equal(read(v), np.full(1000, x))


def test_initial_value_and_destruction():
    for _ in range(50):
        v = variable(np.arange(1000, dtype=np.float32))
        del v


def raised(f):
    try:
        f()
    except Exception as e:  # the class is the result
        return type(e)
    return None


@pytest.mark.parametrize("op", ["AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"])
@pytest.mark.parametrize(
    "value", [np.ones(4, np.float32), np.ones((3, 1), np.float32), np.float32(1)], ids=["longer", "rank", "scalar"]
)
def test_wrong_shapes(op, value):
    """A value of another shape: whatever the CPU kernel makes of it."""

    def attempt(device):
        with tf.device(device):
            v = tf.Variable(tf.ones([3]))
            getattr(tf.raw_ops, op)(
                resource=v.handle,
                value=engine.to_tensor(value),
                **({"validate_shape": True} if op == "AssignVariableOp" else {}),
            )
            return v.read_value().numpy()

    assert raised(lambda: attempt(engine.DEVICE.name)) is raised(lambda: attempt(engine.CPU))


def test_sparse_read_after_update():
    v = variable(np.arange(12, dtype=np.float32).reshape(3, 4))
    with tf.device(engine.DEVICE.name):
        v.assign_add(tf.ones([3, 4]))
        w = tf.matmul(v, v, transpose_b=True)
    x = np.arange(12, dtype=np.float32).reshape(3, 4) + 1
    np.testing.assert_array_equal(w.numpy(), x @ x.T)
