"""Random numbers with state: the ops keep a counter per node, so a call has no fixed answer; its distribution, its range
and its dependence on the seed have one."""

import engine
import numpy as np
import pytest
import tensorflow as tf
from row import FLOATS, Case

N = 100_000


def draw(op, dtype, device=None, seed=(0, 0), **args):
    call = {"shape": engine.to_tensor(np.array([N], np.int32)), "seed": seed[0], "seed2": seed[1]} | args
    with tf.device(device or engine.DEVICE.name):
        y = getattr(tf.raw_ops, op)(**call, **({} if op == "RandomUniformInt" else {"dtype": dtype}))
    if engine.DEVICE.name != engine.CPU and device is None:
        assert y.backing_device.endswith("GPU:0"), f"{op} lies on {y.backing_device}"
    return y.numpy().astype(np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform(dtype):
    x = draw("RandomUniform", dtype)
    assert (x >= 0).all() and (x < 1).all()
    assert abs(x.mean() - 0.5) < 0.01
    assert abs(x.var() - 1 / 12) < 0.005
    counts, _ = np.histogram(x, 10, (0, 1))
    assert (abs(counts - N / 10) < (1000 if dtype == "bfloat16" else 500)).all(), counts


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal(dtype):
    x = draw("RandomStandardNormal", dtype)
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 1) < 0.02
    assert abs((np.abs(x) < 1).mean() - 0.6827) < 0.01
    assert np.abs(x).max() > 3.5


@pytest.mark.parametrize("dtype", FLOATS)
def test_truncated_normal(dtype):
    x = draw("TruncatedNormal", dtype)
    assert np.abs(x).max() <= 2
    assert abs(x.mean()) < 0.02
    assert abs(x.std() - 0.8796) < 0.02


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_integers(dtype):
    x = draw("RandomUniformInt", dtype, minval=np.array(-3, dtype), maxval=np.array(7, dtype))
    values, counts = np.unique(x, return_counts=True)
    np.testing.assert_array_equal(values, np.arange(-3, 7))
    assert (abs(counts - N / 10) < (1000 if dtype == "bfloat16" else 500)).all(), counts


def test_two_calls_differ():
    assert (draw("RandomUniform", "float32") != draw("RandomUniform", "float32")).mean() > 0.99


def test_a_seed_fixes_the_sequence():
    """In a fresh function the first numbers of a seed are the CPU kernel's."""

    def first(device):
        @tf.function
        def f():
            return tf.raw_ops.RandomUniform(shape=[1000], dtype=tf.float32, seed=11, seed2=29)

        with tf.device(device):
            return f().numpy()

    a, b = first(engine.DEVICE.name), first(engine.CPU)
    np.testing.assert_array_equal(a, b)


def test_categories_of_a_seed():
    """Drawn in the proportions of the logits, and in a fresh function those that the CPU kernel draws."""
    logits = engine.to_tensor(np.log(np.float32([[1, 2, 3, 4]])))

    def first(device):
        @tf.function
        def f():
            return tf.raw_ops.Multinomial(logits=logits, num_samples=10_000, seed=11, seed2=29)

        with tf.device(device):
            return f().numpy()

    a, b = first(engine.DEVICE.name), first(engine.CPU)
    np.testing.assert_array_equal(a, b)
    assert (abs(np.bincount(a[0]) - np.array([1000, 2000, 3000, 4000])) < 200).all()


def test_bad_bounds():
    for low, high in ((5, 5), (7, 3)):
        args = {"shape": np.array([3], np.int32), "minval": np.array(low, np.int32), "maxval": np.array(high, np.int32)}
        case = Case("", args)
        assert engine.error_of("RandomUniformInt", case, engine.DEVICE.name) is engine.error_of(
            "RandomUniformInt", case, engine.CPU
        )
