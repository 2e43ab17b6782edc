"""Gradients of every kind, control flow, arrays of tensors, ragged tensors."""

from __future__ import annotations

import tensorflow as tf
from feature import W, X, feature


@feature
def recompute_grad():
    w = tf.constant(W)

    @tf.recompute_grad
    def layer(x):
        return tf.nn.gelu(tf.matmul(x, w))

    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch([x, w])
        y = tf.reduce_sum(tf.square(layer(x)))
    return tape.gradient(y, [x, w])


@feature
def forward_mode():
    x, w = tf.constant(X), tf.constant(W)
    with tf.autodiff.ForwardAccumulator(x, tf.ones_like(x)) as forward:
        y = tf.nn.softmax(tf.matmul(tf.tanh(x), w))
    return y, forward.jvp(y)


@feature(eager=False)
def hessians():
    x = tf.constant(X[0, :4])
    y = tf.reduce_sum(tf.sin(x)[:, None] * tf.exp(x)[None, :]) + tf.reduce_prod(x)
    return tf.hessians(y, x)


@feature
def second_derivatives():
    x, w = tf.constant(X), tf.constant(W)
    with tf.GradientTape() as outer:
        outer.watch(w)
        with tf.GradientTape() as inner:
            inner.watch(w)
            y = tf.reduce_mean(tf.nn.softplus(tf.matmul(x, w)))
        g = inner.gradient(y, w)
    return outer.jacobian(g, w)


@feature
def batch_jacobian():
    x, w = tf.constant(X), tf.constant(W)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.nn.sigmoid(tf.matmul(x, w)) * tf.reduce_sum(x, 1, keepdims=True)
    return tape.batch_jacobian(y, x)


@feature
def while_loop_and_its_gradient():
    w = tf.constant(0.3 * W[:5, :])
    x = tf.constant(X[:, :5])
    with tf.GradientTape() as tape:
        tape.watch([w, x])
        _, y = tf.while_loop(lambda i, y: i < 6, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, w))), (0, x))
        loss = tf.reduce_sum(y * y)
    return y, tape.gradient(loss, [w, x])


@feature
def a_loop_that_ends_by_a_value():
    x = tf.constant(X)
    n, y = tf.while_loop(lambda i, y: tf.reduce_max(tf.abs(y)) > 0.1, lambda i, y: (i + 1, y * 0.7), (0, x))
    return n, y


@feature
def cond_case_and_switch():
    x = tf.constant(X)
    big = tf.reduce_sum(x) > 0
    a = tf.cond(big, lambda: x * 2, lambda: x - 1)
    b = tf.switch_case(tf.cast(tf.argmax(x[0]), tf.int32) % 3, [lambda: x, lambda: tf.exp(x), lambda: -x])
    c = tf.case([(x[0, 0] > 100, lambda: x), (x[0, 1] > -100, lambda: x * x)], default=lambda: x)
    return a, b, c


@feature
def map_fn_scan_and_foldl():
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        a = tf.map_fn(lambda row: tf.reduce_sum(tf.sin(row)), x)
        b = tf.scan(lambda s, row: 0.5 * s + row, x)
        c = tf.foldl(lambda s, row: s * 0.9 + row, x)
        loss = tf.reduce_sum(a) + tf.reduce_sum(b * b) + tf.reduce_sum(c)
    return a, b, c, tape.gradient(loss, x)


@feature
def vectorized_map():
    return tf.vectorized_map(lambda row: tf.linalg.matvec(tf.constant(W), row, transpose_a=True), tf.constant(X))


@feature
def tensor_array():
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        a = tf.TensorArray(tf.float32, size=0, dynamic_size=True, clear_after_read=False)
        for i in range(4):
            a = a.write(i, x[i] * float(i + 1))
        b = tf.TensorArray(tf.float32, 4).unstack(x)
        y = a.stack() + b.read(1) + tf.reshape(a.concat(), [4, 6]) + a.gather([3, 0, 1, 2])
    return y, tape.gradient(y, x)


@feature
def ragged():
    values = tf.constant(X.ravel()[:10])
    r = tf.RaggedTensor.from_row_lengths(values, tf.constant([3, 0, 4, 1, 2], tf.int64))
    with tf.GradientTape() as tape:
        tape.watch(values)
        s = r.with_values(values) * 2.0 + 1.0
        total = tf.reduce_sum(s, axis=1)
        dense = tf.ragged.map_flat_values(tf.sin, s).to_tensor(-1.0)
        loss = tf.reduce_sum(total) + tf.reduce_sum(dense)
    joined = tf.concat([r, r], axis=1)
    return (total, dense, tape.gradient(loss, values), joined.to_tensor(), joined.row_lengths(), tf.gather(r, [2, 0]).to_tensor(),
            tf.reduce_max(r, axis=0), tf.RaggedTensor.from_tensor(tf.constant(X), lengths=[1, 6, 0, 2]).values)  # fmt: skip
