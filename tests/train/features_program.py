"""Variables, files, pipelines of data, Python in graphs."""

from __future__ import annotations

import tempfile

import numpy as np
import tensorflow as tf
from feature import W, X, feature


@feature
def custom_gradients_and_clipping():
    @tf.custom_gradient
    def straight(x):
        return tf.round(x), lambda dy: dy

    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(straight(x) * tf.stop_gradient(x) + tf.clip_by_norm(x, 2.0))
    g = tape.gradient(y, x)
    clipped, norm = tf.clip_by_global_norm([g, x], 1.0)
    return g, clipped, norm, tf.debugging.check_numerics(x, "x")


@feature(graph=False)
def variables():
    v, n = tf.Variable(X), tf.Variable(tf.zeros((4,), tf.int64))
    v[1:3, ::2].assign(tf.ones((2, 3)))
    v.scatter_add(tf.IndexedSlices(tf.ones((3, 6)), tf.constant([0, 3, 0])))
    v.scatter_nd_update([[2, 2]], [9.0])
    n.assign_add([1, 2, 3, 4])
    n.scatter_update(tf.IndexedSlices(tf.constant([7], tf.int64), tf.constant([1])))
    return (
        v,
        n,
        v.sparse_read([1, 1]),
        v.gather_nd([[0, 1]]),
        tf.Variable(True).assign(False),
        tf.Variable(X.astype("float64")) * 2,
    )


@feature
def python_in_a_graph():
    x = tf.constant(X)
    a = tf.numpy_function(lambda v: v * 2, [x], tf.float32)
    b = tf.py_function(lambda v: v + 1, [x], tf.float32)
    tf.debugging.assert_greater(tf.reduce_max(x), -100.0)
    text = tf.strings.to_number(tf.strings.split(tf.constant("1.5 2.5")))
    return (
        tf.ensure_shape(a, (4, 6)),
        tf.ensure_shape(b, (4, 6)),
        text,
        tf.strings.length(tf.strings.as_string(x[0, 0])),
    )


@feature
def tables():
    words = tf.constant(["a", "c", "b", "a"])
    table = (
        tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(["a", "b"], [1, 2]), -1)
        if tf.executing_eagerly()
        else None
    )
    ids = table.lookup(words) if table else tf.constant([1, -1, 2, 1])
    return tf.gather(tf.constant(X), tf.maximum(ids, 0))


@feature(graph=False)
def datasets_prefetched_to_the_device():
    data = tf.data.Dataset.from_tensor_slices(X).map(lambda x: x * 2).batch(2)
    here = tf.constant(0.0).device  # of the scope that this runs in
    first = list(data.apply(tf.data.experimental.prefetch_to_device(here, 2)))
    copied = list(data.apply(tf.data.experimental.copy_to_device(here)).prefetch(1))
    assert all(v.device == here for v in first), first[0].device
    return first, copied


@feature(graph=False)
def saved_model():
    class Net(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(W)

        @tf.function(input_signature=[tf.TensorSpec((None, 6))])
        def __call__(self, x):
            return tf.nn.softmax(tf.matmul(x, self.w))

    with tempfile.TemporaryDirectory() as folder:
        net = Net()
        net.w.assign_add(tf.ones_like(net.w) * 0.5)
        tf.saved_model.save(net, folder)
        again = tf.saved_model.load(folder)
    again.w.assign(again.w * 2.0)
    return net(tf.constant(X)), again(tf.constant(X)), again.signatures["serving_default"](tf.constant(X))


@feature(graph=False)
def checkpoints():
    import keras

    def parts():
        v = tf.Variable(W)
        optimizer = keras.optimizers.Adam(0.1)
        optimizer.build([v])
        return v, optimizer

    v, optimizer = parts()
    for _ in range(3):
        optimizer.apply_gradients([(v * 2.0, v)])
    other, second = parts()
    with tempfile.TemporaryDirectory() as folder:
        path = tf.train.Checkpoint(v=v, moments=optimizer.variables[2].value, rate=optimizer.variables[1].value).save(
            folder + "/c"
        )
        other.assign(W * 0)
        status = tf.train.Checkpoint(
            v=other, moments=second.variables[2].value, rate=second.variables[1].value
        ).restore(path)
        status.assert_consumed()
    return other, second.variables[2].value, v


@feature(graph=False)
def retraced_with_unknown_shapes():
    @tf.function(input_signature=[tf.TensorSpec((None, None))])
    def f(x):
        n = tf.shape(x)[0]
        y = tf.reshape(x, (n * tf.shape(x)[1],))
        return tf.reduce_sum(y) / tf.cast(n, tf.float32), tf.pad(x, [[0, n], [1, 0]]), x[::-1, 1:]

    return [f(tf.constant(X[:n])) for n in (0, 1, 3, 4)]


@feature(graph=False)
def compiled_by_xla():
    return tf.function(lambda x: tf.tanh(x) @ tf.constant(W), jit_compile=True)(tf.constant(X))


@feature(graph=False)
def indices_and_numpy():
    x = tf.constant(X)
    i = tf.constant(2)
    return (
        x[i],
        x[..., -1],
        x[1:3, ::-1],
        x[:, tf.newaxis, 2],
        float(x[1, 1]),
        np.asarray(x) * 2,
        tf.constant(X[0]) + X[1],
        x[0].numpy().tolist(),
    )


@feature(graph=False)
def marked_for_xla_within_a_graph():
    """TensorFlow passes int32 tensors to functions that XLA is to compile in another memory than to others."""
    w = tf.constant(W)

    @tf.function(jit_compile=True)
    def inner(ids):
        return tf.gather(w, ids) * tf.cast(ids, tf.float32)[:, None], ids * 2

    @tf.function(jit_compile=True)
    def middle(ids):
        return inner(ids + 1)

    @tf.function
    def outer(batches):
        return inner(next(batches)), middle(tf.range(3))

    return outer(iter(tf.data.Dataset.from_tensor_slices(np.arange(6, dtype=np.int32)).batch(3))), inner(tf.range(4))


@feature(graph=False)
def branches_marked_for_xla():
    """For XLA Python leaves branches and loops functional, even in what a marked function calls."""
    w = tf.constant(W)

    @tf.function
    def pick(ids, n):
        ids = tf.concat([ids, ids + 1], 0)
        taken = tf.cond(n > 2, lambda: tf.gather(w, ids), lambda: -tf.gather(w, ids))
        _, rolled = tf.while_loop(lambda i, _: i < n, lambda i, v: (i + 1, tf.roll(v, 1, 0)), (0, ids))
        return taken, rolled

    @tf.function(jit_compile=True)
    def marked(ids, n):
        return pick(ids, n), tf.cond(n > 3, lambda: ids * 2, lambda: ids + 1)

    @tf.function
    def outer(ids):
        return marked(ids, tf.constant(3)), marked(ids, tf.reduce_max(ids) + 1)

    return outer(tf.constant([2, 0, 3]))


@feature(graph=False)
def branches_marked_for_xla_called_from_python():
    """TensorFlow makes one kernel of such a call, without the graph passes that lower branches within graphs."""
    w = tf.constant(W)
    counter = tf.Variable(3)  # int32, captured
    total = tf.Variable(tf.zeros((2, 5)))

    @tf.function(jit_compile=True)
    def branch(ids, n):
        taken = tf.cond(n > 2, lambda: tf.gather(w, ids), lambda: -tf.gather(w, ids))
        nested = tf.cond(n > 3, lambda: tf.cond(n > 4, lambda: ids, lambda: ids * n), lambda: ids + counter)
        return taken, nested, n + 1

    @tf.function(jit_compile=True)
    def loop(ids, n):
        i, v, s = tf.while_loop(
            lambda i, *_: i < n, lambda i, v, s: (i + 1, v + i * counter, s + tf.gather(w, ids)), (0, ids, total * 2)
        )
        return i, v, s

    @tf.function(jit_compile=True)
    def case(i, ids):
        return tf.switch_case(i, [lambda: ids, lambda: ids * i, lambda: tf.reverse(ids, [0])], lambda: ids - counter)

    @tf.function(jit_compile=True)
    def change(n):
        counter.assign_add(n)
        total.assign_add(tf.cond(n > 1, lambda: tf.ones((2, 5)), lambda: tf.zeros((2, 5))))
        return tf.cond(counter > 4, lambda: counter * 2, lambda: -counter)

    @tf.function(jit_compile=True)
    def all_of(ids, n):
        return branch(ids, n), loop(ids, n), case(n, ids)

    ids, out = tf.constant([4, 1]), []
    for n in range(6):
        out += [branch(ids, tf.constant(n)), loop(ids, tf.constant(n)), case(tf.constant(n), ids)]
        out += [all_of(ids, tf.constant(n)), change(tf.constant(n)), counter.read_value(), total.read_value()]
    return out, tf.function(all_of)(ids, tf.constant(2))


@feature(graph=False)
def gradients_marked_for_xla_called_from_python():
    v = tf.Variable(W)

    @tf.function(jit_compile=True)
    def step(x, n):
        return tf.cond(n > 1, lambda: x @ v, lambda: tf.tanh(x @ v)), n - 1

    @tf.function(jit_compile=True)
    def train(x, n):
        with tf.GradientTape() as tape:
            _, y = tf.while_loop(
                lambda i, _: i < n, lambda i, y: (i + 1, y * 0.5), (0, step(x, n)[0]), maximum_iterations=4
            )
            loss = tf.reduce_mean(y * y)
        grad = tape.gradient(loss, v)
        v.assign_sub(grad)
        return loss, grad, n * 2

    out, x = [], tf.constant(X)
    for n in range(4):
        with tf.GradientTape() as tape:
            y, left = step(x, tf.constant(n))
            loss = tf.reduce_mean(y * y)
        out += [left, loss, tape.gradient(loss, v), train(x, tf.constant(n)), v.read_value()]
    return out


@feature(graph=False)
def calls_marked_for_xla_that_the_device_has_no_kernels_for():
    """They are placed op by op, as those of any other function; errors name what is wrong."""

    @tf.function(jit_compile=True)
    def f(x, n):
        wide = tf.math.igamma(tf.cast(x * x + 1, tf.float64), tf.constant(2.0, tf.float64))
        return tf.cond(n > 0, lambda: tf.cast(tf.sin(wide), tf.float32), lambda: x), tf.bitcast(n, tf.uint32)

    @tf.function(jit_compile=True)
    def wrong(x, n):
        return tf.linalg.matmul(x, tf.reshape(x, (n, 4)))

    out = [f(tf.constant(X), tf.constant(n)) for n in (0, 1)]
    try:
        wrong(tf.constant(X), tf.constant(5))
    except tf.errors.InvalidArgumentError:
        out.append(tf.constant(1))
    return out, tf.function(lambda: (), jit_compile=True)()


@feature(graph=False)
def keras_fit_marked_for_xla_with_branches():
    class Warm(tf.keras.layers.Layer):
        def build(self, _):
            self.seen = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

        def call(self, x):
            self.seen.assign(self.seen + 1)
            return tf.cond(self.seen > 2, lambda: x * 2, lambda: x + tf.cast(self.seen, x.dtype))

    tf.keras.utils.set_random_seed(1)
    net = tf.keras.Sequential([tf.keras.layers.Input((6,)), tf.keras.layers.Dense(4), Warm(), tf.keras.layers.Dense(2)])
    net.compile("sgd", "mse", jit_compile=True)
    losses = net.fit(X, X[:, :2], batch_size=2, epochs=2, shuffle=False, verbose=0).history["loss"]
    return tf.constant(losses), net.weights, net.predict(X, verbose=0)
