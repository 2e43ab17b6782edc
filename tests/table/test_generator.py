"""tf.random.Generator's ops: a variable holds the counter, so one program on the CPU and on the device draws the same."""

import engine
import numpy as np
import pytest
import tensorflow as tf
from row import FLOATS

WORDS = ("int32", "int64", "uint32", "uint64")
PHILOX = 1
SHAPES = [(5,), (), (0,), (3, 70), (129,)]


def generator(device, state=(3, 2**63 - 1, 77)):
    with tf.device(device):
        return tf.Variable(engine.to_tensor(np.array(state, np.int64)))


def host(value, dtype=np.int64):
    return engine.to_tensor(np.array(value, dtype))


def drawn(op, device, dtype, low=None, high=None):
    """What one generator gives, call after call, and the state it ends in."""
    v, out = generator(device), []
    for shape in SHAPES:
        args = {"resource": v.handle, "algorithm": host(PHILOX), "shape": host(shape)}
        if low is None:
            args["dtype"] = dtype
        else:
            args |= {"minval": host(low, dtype), "maxval": host(high, dtype)}
        with tf.device(device):
            y = getattr(tf.raw_ops, op)(**args)
        if device != engine.CPU and y.shape.num_elements():
            assert y.backing_device.endswith("GPU:0"), f"{op} lies on {y.backing_device}"
        out.append(y.numpy())
    with tf.device(device):
        return [*out, v.read_value().numpy()]


def agree(op, dtype, exact, **bounds):
    got = drawn(op, engine.DEVICE.name, dtype, **bounds)
    want = drawn(op, engine.CPU, dtype, **bounds)
    for g, w in zip(got, want, strict=True):
        if exact or g.dtype == np.int64:
            np.testing.assert_array_equal(g, w)
        else:
            eps = float(np.finfo(np.float32).eps) if dtype == "float32" else 2.0**-7
            np.testing.assert_allclose(g.astype(np.float64), w.astype(np.float64), rtol=8 * eps, atol=8 * eps)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("op", ["StatefulUniform", "StatefulStandardNormalV2", "StatefulTruncatedNormal"])
def test_floats(op, dtype):
    agree(op, dtype, exact=op == "StatefulUniform")


@pytest.mark.parametrize("dtype", WORDS)
def test_words(dtype):
    agree("StatefulUniformFullInt", dtype, exact=True)


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_ranges(dtype):
    agree("StatefulUniformInt", dtype, exact=True, low=-5, high=1000)


@pytest.mark.parametrize("delta", [0, 1, 2**40, 2**55])
def test_skips(delta):
    """The counter's lower word runs over into the upper one."""
    found = []
    for device in (engine.DEVICE.name, engine.CPU):
        v = generator(device, (-5, 4, 9))
        with tf.device(device):
            before = tf.raw_ops.RngReadAndSkip(
                resource=v.handle, alg=host(PHILOX, np.int32), delta=host(delta, np.uint64)
            )
            tf.raw_ops.RngSkip(resource=v.handle, algorithm=host(PHILOX), delta=host(delta))
            found.append((before.numpy(), v.read_value().numpy()))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("wrong", [{"algorithm": 7}, {"state": (1, 2)}, {"shape": (-1,)}])
def test_refusals(wrong):
    raised = []
    for device in (engine.DEVICE.name, engine.CPU):
        v = generator(device, wrong.get("state", (1, 2, 3)))
        with tf.device(device), pytest.raises(tf.errors.OpError) as error:
            tf.raw_ops.StatefulUniform(
                resource=v.handle,
                algorithm=host(wrong.get("algorithm", PHILOX)),
                shape=host(wrong.get("shape", (2,))),
                dtype="float32",
            )
        raised.append(error.type)
    assert raised[0] is raised[1]


def test_the_python_class():
    with tf.device(engine.DEVICE.name):
        a = tf.random.Generator.from_seed(5, alg="philox")
        got = [a.normal([7]).numpy(), a.uniform([3], maxval=9, dtype=tf.int32).numpy(), a.state.numpy()]
    with tf.device(engine.CPU):
        b = tf.random.Generator.from_seed(5, alg="philox")
        want = [b.normal([7]).numpy(), b.uniform([3], maxval=9, dtype=tf.int32).numpy(), b.state.numpy()]
    np.testing.assert_allclose(got[0], want[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(got[1], want[1])
    np.testing.assert_array_equal(got[2], want[2])
