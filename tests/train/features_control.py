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
def arrays_of_bools_and_complex_numbers():
    """Lists of types for which TensorFlow has no list kernels that serve every device."""
    x = tf.constant(X)
    results = []
    for values in (x > 0, tf.complex(x, x[::-1])):
        a = tf.TensorArray(values.dtype, size=3, dynamic_size=True, clear_after_read=False, element_shape=[6])
        a = a.write(0, values[2]).write(2, values[0]).write(3, values[1])  # element 1 stays unwritten: zeros
        b = tf.TensorArray(values.dtype, 4).unstack(values)
        c = tf.TensorArray(values.dtype, 2, infer_shape=False).split(values, [1, 3])
        d = tf.TensorArray(values.dtype, 4).scatter([2, 0, 3, 1], values)
        results += [a.stack(), a.read(1), a.gather([3, 0]), b.concat(), b.read(2), c.read(1), d.stack()]
    return results


@feature(eager=False)
def gradient_of_a_loop_that_keeps_bools_and_arrays():
    """What its backward pass takes from the lists of what the forward pass met: masks, and the arrays themselves."""
    x = tf.constant(X)

    def turn(t, state, array):
        lucky = tf.tanh(state) > 0.1
        state = tf.where(lucky, state * 1.1, state - 0.2)
        return t + 1, state, array.write(t, tf.reduce_sum(state * state, axis=1))

    with tf.GradientTape() as tape:
        tape.watch(x)
        array = tf.TensorArray(tf.float32, 5, element_shape=[4])
        _, state, array = tf.while_loop(lambda t, *_: t < 5, turn, (tf.constant(0), x, array))
        y = tf.reduce_sum(array.stack() * tf.constant([[1.0], [2.0], [0.5], [-1.0], [3.0]])) + tf.reduce_sum(state)
    return y, tape.gradient(y, x)


@feature
def zeros_and_sums_of_lists():
    """Of lists of tensors, with an empty place, and of a list of lists."""
    raw = tf.raw_ops
    shape = tf.constant([6], tf.int32)
    a = raw.TensorListFromTensor(tensor=tf.constant(X), element_shape=shape)
    b = raw.TensorListReserve(element_shape=shape, num_elements=4, element_dtype=tf.float32)
    b = raw.TensorListSetItem(input_handle=b, index=2, item=tf.constant(X[0]))
    nested = raw.EmptyTensorList(element_shape=tf.constant([], tf.int32), max_num_elements=2, element_dtype=tf.variant)
    nested = raw.TensorListPushBack(input_handle=nested, tensor=a)
    both = tf.add_n([nested, tf.add_n([nested, nested])])
    _, last = raw.TensorListPopBack(input_handle=both, element_shape=[], element_dtype=tf.variant)
    _, zeros = raw.TensorListPopBack(input_handle=tf.zeros_like(nested), element_shape=[], element_dtype=tf.variant)
    lists = (tf.zeros_like(a), tf.add_n([a, b, a]), last, zeros)
    return [raw.TensorListStack(input_handle=v, element_shape=shape, element_dtype=tf.float32) for v in lists]


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
