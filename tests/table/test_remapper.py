"""TensorFlow's remapper joins ops in graphs on the device, and what it makes of them means the same."""

import engine
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context


def random(*shape):
    return np.random.default_rng(sum(shape)).uniform(-1, 1, shape).astype(np.float32)


X, FILTER, BIAS, SIDE = random(2, 8, 8, 4), random(3, 3, 4, 16), random(16), random(2, 8, 8, 16)


def biased(x):
    return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, FILTER, 1, "SAME"), BIAS))


def normalized(x, side=None):
    y = tf.nn.conv2d(x, FILTER, 1, "SAME")
    y, *_ = tf.compat.v1.nn.fused_batch_norm(y, BIAS + 2, BIAS, BIAS, BIAS + 2, epsilon=1e-3, is_training=False)
    return tf.nn.relu(y if side is None else y + side)


def run(function, *args):
    """The function's value in a graph on the device, and the ops that ran."""
    with tf.device(engine.DEVICE.name):
        context.context().enable_graph_collection()
        try:
            y = tf.function(function, autograph=False)(*[tf.constant(a) for a in args])
            graphs = context.context().export_run_metadata().partition_graphs
        finally:
            context.context().disable_graph_collection()
    return y, {node.op for graph in graphs for node in graph.node}


@pytest.mark.parametrize(
    ("function", "args", "made"),
    [
        (biased, (X,), "_FusedConv2D"),
        (normalized, (X,), "_FusedBatchNormEx"),
        (normalized, (X, SIDE), "_FusedBatchNormEx"),
    ],
    ids=["convolution and bias", "normalization", "normalization with a side input"],
)
def test_joined_ops_agree(function, args, made):
    if engine.DEVICE.name == engine.CPU:
        pytest.skip("about the device's graphs")
    y, ops = run(function, *args)
    assert made in ops
    with tf.device(engine.CPU):
        want = function(*[tf.constant(a) for a in args])
    np.testing.assert_allclose(y.numpy(), want.numpy(), rtol=1e-5, atol=1e-5)


def test_the_gradient_of_joined_ops_agrees():
    if engine.DEVICE.name == engine.CPU:
        pytest.skip("about the device's graphs")

    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(biased(x) ** 2)
        return tape.gradient(loss, x)

    dx, ops = run(step, X)
    assert "_FusedConv2D" in ops
    with tf.device(engine.CPU):
        want = step(tf.constant(X))
    np.testing.assert_allclose(dx.numpy(), want.numpy(), rtol=1e-4, atol=1e-4)
