"""One case for each of the op families that models other than the CNN are made of, through TensorFlow.

What a case computes on the device is checked against the same function on the CPU.  rounds/cases.py has the work each is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from model.models import placed, wait
from rounds import cases


def integers(seed: int, below: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, below, shape).astype(np.int32)


def images(seed: int, *shape: int) -> np.ndarray:
    return cases.normal(seed, *shape)


def layer_norm(x):
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    return tf.nn.batch_normalization(x, mean, variance, None, None, 1e-5)


def attention(q, k, v):
    return tf.matmul(tf.nn.softmax(tf.matmul(q, k, transpose_b=True) / 8.0), v)


def cross_entropy(logits, labels):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)


def batch_norm(x, scale, offset):
    return tf.compat.v1.nn.fused_batch_norm(x, scale, offset, is_training=True)[0]


def max_pool(x):
    return tf.nn.max_pool2d(x, 2, 2, "SAME")


def gradient(f):
    def of(*args):
        with tf.GradientTape() as tape:
            tape.watch(args)
            y = tf.reduce_sum(tf.square(f(*args)))
        return tape.gradient(y, args)[0]

    return of


def spectrum(re, im):
    y = tf.signal.fft(tf.complex(re, im))
    return tf.math.real(y) + tf.math.imag(y)


def positive_definite() -> np.ndarray:
    a = cases.normal(31, 64, 64, 64)
    return a @ a.transpose(0, 2, 1) + 64 * np.eye(64, dtype=np.float32)


def attended() -> tuple[np.ndarray, ...]:
    return tuple(cases.normal(seed, 8, 8, 256, 64) for seed in (21, 22, 23))


# name -> (function of tensors, their values, allowed error relative to the largest value)
PURE: dict[str, tuple[Callable, Callable, float]] = {
    "attention": (attention, attended, 1e-4),
    "layer_norm": (layer_norm, lambda: (cases.normal(24, 8192, 768),), 1e-4),
    "batch_norm": (
        batch_norm,
        lambda: (images(25, 16, 56, 56, 64), np.ones(64, np.float32), np.zeros(64, np.float32)),
        1e-4,
    ),
    "gelu": (lambda x: tf.nn.gelu(x, approximate=True), lambda: (cases.normal(26, 1 << 23),), 1e-4),
    "cross_entropy": (cross_entropy, lambda: (cases.normal(27, 2048, 10000), integers(27, 10000, 2048)), 1e-4),
    "gather": (tf.gather, lambda: (cases.normal(28, 10000, 128), integers(28, 10000, 65536)), 0.0),
    "segment_sum": (
        lambda x, keys: tf.math.unsorted_segment_sum(x, keys, 10000),
        lambda: (cases.normal(29, 65536, 128), integers(29, 10000, 65536)),
        1e-4,
    ),
    "top_k": (lambda x: tf.math.top_k(x, 10).values, lambda: (cases.normal(30, 256, 10000),), 0.0),
    "sort": (tf.sort, lambda: (cases.normal(32, 256, 4096),), 0.0),
    "cumsum": (lambda x: tf.cumsum(x, 1), lambda: (cases.square(),), 1e-4),
    "transpose": (lambda x: tf.transpose(x, [0, 3, 1, 2]), lambda: (images(33, 32, 56, 56, 64),), 0.0),
    "concat": (
        lambda *x: tf.concat(x, 1),
        lambda: tuple(cases.normal(seed, cases.SIDE, cases.SIDE // 4) for seed in (34, 35, 36, 37)),
        0.0,
    ),
    "max_pool": (max_pool, lambda: (images(38, 16, 112, 112, 64),), 0.0),
    "max_pool_gradient": (gradient(max_pool), lambda: (images(38, 16, 112, 112, 64),), 1e-5),
    "depthwise": (
        lambda x, w: tf.nn.depthwise_conv2d(x, w, [1, 1, 1, 1], "SAME"),
        lambda: (images(39, 16, 56, 56, 128), cases.normal(40, 3, 3, 128, 1)),
        1e-4,
    ),
    "conv3d": (
        lambda x, w: tf.nn.conv3d(x, w, [1, 1, 1, 1, 1], "SAME"),
        lambda: (cases.normal(41, 2, 16, 28, 28, 32), cases.normal(42, 3, 3, 3, 32, 32)),
        1e-4,
    ),
    "resize": (lambda x: tf.image.resize(x, [448, 448]), lambda: (images(43, 8, 224, 224, 3),), 1e-4),
    "random": (lambda seed: tf.random.stateless_uniform([cases.ELEMENTS], seed), lambda: (integers(44, 99, 2),), 0.0),
    "fft": (spectrum, lambda: (cases.normal(45, 1024, 1024), cases.normal(46, 1024, 1024)), 1e-4),
    "cholesky": (tf.linalg.cholesky, lambda: (positive_definite(),), 1e-4),
}


def on(device: str, f: Callable) -> Callable:
    @functools.partial(tf.function, autograph=False, jit_compile=False)
    def call(*args):
        with tf.device(device):
            return f(*args)

    return call


def pure(device: str, f: Callable, values: Callable, allowed: float):
    def prepare():
        call, args = on(device, f), placed(device, *values())

        def check():
            wanted = on("CPU:0", f)(*placed("CPU:0", *values())).numpy()
            cases.near(call(*args).numpy(), wanted, allowed)

        return (lambda: wait(call(*args))), check

    return prepare


def recurrent(device: str, kind: type, backward: bool):
    """Keras' layer, as a model calls it."""

    def prepare():
        x = cases.normal(47, 64, 64, 128)

        def made(where: str):
            keras.utils.set_random_seed(0)
            with tf.device(where):
                layer = kind(128)
                layer.build(x.shape)
            return on(where, gradient(layer) if backward else layer), placed(where, x)

        call, args = made(device)

        def check():
            wanted, there = made("CPU:0")
            cases.near(call(*args).numpy(), wanted(*there).numpy(), 1e-4)

        return (lambda: wait(call(*args))), check

    return prepare


def adam(device: str):
    def prepare():
        def made(where: str):
            with tf.device(where):
                states = [tf.Variable(cases.normal(48, 1 << 22)), tf.Variable(tf.zeros(1 << 22)), tf.Variable(tf.zeros(1 << 22))]  # fmt: skip
            (gradients,) = placed(where, cases.normal(49, 1 << 22))

            def step():
                handles = {n: v.handle for n, v in zip(("var", "m", "v"), states, strict=True)}
                tf.raw_ops.ResourceApplyAdam(
                    **handles, beta1_power=0.9, beta2_power=0.999, lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-7, grad=gradients
                )  # fmt: skip
                return tf.gather(states[0], [0])

            return on(where, step), states

        call, states = made(device)

        def check():
            wanted, there = made("CPU:0")
            for _ in range(3):  # as often as `call` has run
                wanted()
            call()
            cases.near(states[0].numpy(), there[0].numpy(), 1e-5)

        return (lambda: wait(call())), check

    return prepare


def family_cases(device: str) -> dict:
    return {
        **{name: pure(device, *facts) for name, facts in PURE.items()},
        "lstm": recurrent(device, keras.layers.LSTM, False),
        "lstm_gradient": recurrent(device, keras.layers.LSTM, True),
        "gru": recurrent(device, keras.layers.GRU, False),
        "adam": adam(device),
    }
