"""Ops and whole training steps through TensorFlow, on the device that is named.  Used on the plug-in and on the CPU."""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf
from rounds import cases


def placed(device: str, *arrays: np.ndarray) -> list:
    with tf.device(device):
        return [tf.identity(tf.constant(a)) for a in arrays]


def wait(tensor) -> None:
    """Returns when the tensor's device has finished; no result is copied but one element."""
    tf.reshape(tensor, [-1])[:1].numpy()


def op_cases(device: str) -> dict:
    def case(f, arrays, check):
        def prepare():
            args = placed(device, *arrays())

            @functools.partial(tf.function, autograph=False, jit_compile=False)
            def call(*a):
                with tf.device(device):
                    return f(*a)

            return (lambda: wait(call(*args))), (lambda: check(call(*args).numpy()))

        return prepare

    def near(want, allowed=1e-4):
        return lambda y: cases.near(y, want(), allowed)

    def conv_gradient(which):
        def prepare():
            x, w = cases.convolution()
            tx, tw, dy = placed(device, x, w, cases.normal(6, 8, 56, 56, 64))

            @functools.partial(tf.function, autograph=False, jit_compile=False)
            def call():
                with tf.device(device):
                    if which == "input":
                        return tf.raw_ops.Conv2DBackpropInput(
                            input_sizes=x.shape, filter=tw, out_backprop=dy, strides=[1, 1, 1, 1], padding="SAME"
                        )
                    return tf.raw_ops.Conv2DBackpropFilter(
                        input=tx, filter_sizes=w.shape, out_backprop=dy, strides=[1, 1, 1, 1], padding="SAME"
                    )

            return (lambda: wait(call())), (lambda: None)  # its values are checked by anvil_bench and the op table

        return prepare

    square = lambda: (cases.square(),)  # noqa: E731
    return {
        **{
            n: case(tf.matmul, lambda n=n: cases.matrices(n), near(lambda n=n: np.matmul(*cases.matrices(n))))
            for n in cases.MATRICES
        },
        "conv56": case(lambda x, w: tf.nn.conv2d(x, w, 1, "SAME"), cases.convolution, cases.check_convolution),
        "conv56_input": conv_gradient("input"),
        "conv56_filter": conv_gradient("filter"),
        "add16M": case(tf.add, cases.vectors, near(lambda: np.add(*cases.vectors()))),
        "mul16M": case(tf.multiply, cases.vectors, near(lambda: np.multiply(*cases.vectors()))),
        "relu16M": case(tf.nn.relu, lambda: cases.vectors()[:1], near(lambda: np.maximum(cases.vectors()[0], 0))),
        "rowsum4096": case(lambda a: tf.reduce_sum(a, 1), square, near(lambda: cases.square().sum(1))),
        "colsum4096": case(lambda a: tf.reduce_sum(a, 0), square, near(lambda: cases.square().sum(0))),
        "softmax4096": case(lambda a: tf.nn.softmax(a, 1), square, near(lambda: cases.softmax(cases.square()))),
    }


def network(net: str) -> keras.Model:
    edge, channels = cases.NETS[net]
    keras.utils.set_random_seed(0)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((edge, edge, channels)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )


def keras_step(net: str, device: str):
    """One Adam step as `model.train_on_batch` does it; returns the call and the losses so far."""
    with tf.device(device):
        model = network(net)
        x, y = (tf.identity(tf.constant(a)) for a in cases.batch(net))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(optimizer=keras.optimizers.Adam(cases.LEARNING_RATE), loss=loss)
    losses: list[float] = []

    def step():
        with tf.device(device):
            losses.append(float(model.train_on_batch(x, y)))

    # train_on_batch gives the mean over all steps so far, so it falls when the loss falls.
    return step, losses


def function_step(net: str, device: str):
    """One Adam step of a user's own tf.function."""
    with tf.device(device):
        model = network(net)
        x, y = (tf.identity(tf.constant(a)) for a in cases.batch(net))
        optimizer = keras.optimizers.Adam(cases.LEARNING_RATE)
        optimizer.build(model.trainable_variables)
    losses: list[float] = []

    @functools.partial(tf.function, autograph=False, jit_compile=False)
    def train():
        with tf.device(device):
            with tf.GradientTape() as tape:
                each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=model(x, training=True))
                loss = tf.reduce_mean(each)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
            return loss

    return (lambda: losses.append(float(train()))), losses


def inference(net: str, device: str):
    with tf.device(device):
        model = network(net)
        x = tf.identity(tf.constant(cases.batch(net)[0]))

    @functools.partial(tf.function, autograph=False, jit_compile=False)
    def call():
        with tf.device(device):
            return model(x, training=False)

    return lambda: wait(call())


def network_cases(device: str, step=function_step) -> dict:
    def train(net):
        def prepare():
            call, losses = step(net, device)
            return call, lambda: (call(), cases.check_falls(losses))

        return prepare

    def infer(net):
        return lambda: (inference(net, device), lambda: None)

    nets = cases.NETS
    return {f"train_{n}": train(n) for n in nets} | {f"infer_{n}": infer(n) for n in nets}
