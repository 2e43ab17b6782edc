"""Programs of earlier years: tf-keras, graphs with sessions, a frozen graph, a model that others saved."""

import importlib.util
import operator
from pathlib import Path

import numpy as np
import tensorflow as tf
from zoo import images, model, numbers, tokens

v1 = tf.compat.v1
BATCH = 4


def fit_legacy(job, make, x, y, make_optimizer):
    """tf_keras' own loop, with its own losses, callbacks and policies."""
    import tf_keras
    from zoo import losses_callback

    tf_keras.utils.set_random_seed(7)
    tf_keras.mixed_precision.set_global_policy(job.precision)
    net = make(tf_keras.layers, tf_keras)
    optimizer = make_optimizer(tf_keras)
    if job.half:  # compile() would wrap it too, but for a scale of 2**15, with which the first steps overflow
        optimizer = tf_keras.mixed_precision.LossScaleOptimizer(optimizer, initial_scale=256)
    loss = tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer, loss, run_eagerly=job.eager)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(BATCH, drop_remainder=True).repeat()
    net.fit(data, steps_per_epoch=job.steps, shuffle=False, verbose=0, callbacks=[losses_callback(tf_keras, job)])
    return net.predict(x[:BATCH], verbose=0)


def add_convnet(name, make_optimizer, quick=False):
    @model(
        f"tf-keras, {name}",
        package="tf_keras",
        quick=quick,
        modes=("graph", "eager") if quick else ("graph",),
        eager_draws=True,  # by tf_keras' Dropout
        group="tf-keras optimizers",
    )
    def train(job):
        def make(layers, keras):
            body = [layers.Conv2D(8, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling2D(),
                    layers.SeparableConv2D(16, 3, activation="relu"), layers.Dropout(0.1, seed=3), layers.Flatten()]  # fmt: skip
            return keras.Sequential(
                [layers.Input((12, 12, 3)), *body, layers.Dense(10), layers.Activation("linear", dtype="float32")]
            )

        return fit_legacy(job, make, *images(2 * BATCH, 12), make_optimizer)


SETTINGS = {
    "Adam": {},
    "Adam, AMSGrad": {"amsgrad": True},
    "SGD": {},
    "SGD, momentum": {"momentum": 0.9},
    "SGD, Nesterov": {"momentum": 0.9, "nesterov": True},
    "RMSprop": {},
    "RMSprop, centered": {"momentum": 0.5, "centered": True},
    "Adagrad": {},
    "Adadelta": {"learning_rate": 1.0},
    "Adamax": {},
    "Nadam": {},
    "Ftrl": {"learning_rate": 0.01, "l1_regularization_strength": 1e-3, "l2_regularization_strength": 1e-3},
}
# The optimizers of Keras 2.11 and later, which have no kernels of their own; those before them are resource ops.
ONLY_NEW = {"AdamW": {}, "Lion": {}, "Adafactor": {}}


def add_optimizers():
    def maker(module, name, settings):
        return lambda keras: getattr(operator.attrgetter(module)(keras), name.split(",")[0])(**settings)

    for name, settings in SETTINGS.items():
        add_convnet(f"legacy {name}", maker("optimizers.legacy", name, settings), quick=name == "Adam")
    for name, settings in (SETTINGS | ONLY_NEW).items():
        add_convnet(name, maker("optimizers", name, settings))


add_optimizers()


@model("tf-keras LSTM and GRU", package="tf_keras", modes=("graph",))
def recurrent(job):
    def make(layers, keras):
        body = [layers.Embedding(64, 16), layers.Bidirectional(layers.LSTM(8, return_sequences=True)), layers.GRU(8)]
        return keras.Sequential(
            [layers.Input((12,)), *body, layers.Dense(2), layers.Activation("linear", dtype="float32")]
        )

    words = tokens(2 * BATCH, 12, 64)
    return fit_legacy(
        job, make, words, (words[:, 0] > 32).astype("int32"), lambda keras: keras.optimizers.legacy.Adam()
    )


def session_graph(job, resources: bool):
    """A convolutional net by tf.compat.v1, placeholders and all, trained by a Session."""
    x, y = images(2 * BATCH, 12)
    rng = numbers(10)
    with tf.Graph().as_default():
        a = v1.placeholder(tf.float32, (None, 12, 12, 3))
        b = v1.placeholder(tf.int32, (None,))
        with v1.variable_scope("net", use_resource=resources):

            def variable(name, *shape):
                value = rng.normal(0, 0.1, shape).astype("float32")
                return v1.get_variable(name, initializer=v1.constant_initializer(value), shape=shape)

            h = tf.nn.relu(tf.nn.conv2d(a, variable("w", 3, 3, 3, 8), 1, "SAME") + variable("b", 8))
            h = tf.reshape(tf.nn.max_pool2d(h, 2, 2, "SAME"), (-1, 6 * 6 * 8))
            logits = tf.matmul(h, variable("v", 6 * 6 * 8, 10)) + variable("c", 10)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=b, logits=logits))
        count = v1.train.get_or_create_global_step()
        rate = v1.train.exponential_decay(0.05, count, 5, 0.9)
        train = v1.train.MomentumOptimizer(rate, 0.9).minimize(loss, global_step=count)
        with v1.Session(config=v1.ConfigProto(allow_soft_placement=True)) as session:
            session.run(v1.global_variables_initializer())

            def step(n):
                at = slice(n % 2 * BATCH, (n % 2 + 1) * BATCH)
                return np.float32(session.run((loss, train), {a: x[at], b: y[at]})[0])

            for n in range(job.steps):
                job.losses.append(float(step(n)))
                if n == 0:
                    job.begin()
            job.end()
            return session.run(tf.nn.softmax(logits), {a: x[:BATCH]})


@model("Session", modes=("graph",), precisions=("float32",), quick=True)
def session_with_resources(job):
    return session_graph(job, resources=True)


@model("Session, reference variables", modes=("graph",), precisions=("float32",))
def session_with_references(job):
    return session_graph(job, resources=False)


@model("Frozen graph", modes=("graph",), precisions=("float32",), steps=4)
def frozen(job):
    """Variables become constants; the graph is read back and run by a session."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    rng = numbers(12)
    w, v = (
        tf.Variable(rng.normal(0, 0.2, (3, 3, 3, 8)).astype("float32")),
        tf.Variable(rng.normal(0, 0.2, (8, 10)).astype("float32")),
    )
    scale = tf.Variable(tf.ones(8))

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 12, 3))])
    def net(x):
        h = tf.nn.conv2d(x, w, 2, "SAME")
        h, *_ = v1.nn.fused_batch_norm(h, scale, tf.zeros(8), tf.zeros(8), tf.ones(8), is_training=False)
        return {"y": tf.nn.softmax(tf.matmul(tf.reduce_mean(tf.nn.relu6(h), (1, 2)), v))}

    function = convert_variables_to_constants_v2(net.get_concrete_function())
    x, _ = images(BATCH, 12)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(function.graph.as_graph_def(), name="")
        with v1.Session(graph=graph) as session:
            return run_session(job, session, function.outputs[0].name, {function.inputs[0].name: x})


def run_session(job, session, fetch, feed):
    """`job.steps` runs without training; what stands for a loss is the sum of the results."""
    for n in range(job.steps):
        y = session.run(fetch, feed)
        parts = y if isinstance(y, list) else [y]
        job.losses.append(float(sum(np.abs(p).sum(dtype=np.float64) for p in parts)))
        if n == 0:
            job.begin()
    job.end()
    return np.concatenate([np.ravel(p) for p in parts])


@model("basic-pitch", package="basic_pitch", modes=("graph",), precisions=("float32",), steps=2)
def basic_pitch(job):
    """Spotify's transcription of music, as they saved it: two seconds of a chord give the notes, onsets and contours."""
    found = importlib.util.find_spec("basic_pitch")
    folder = Path(found.submodule_search_locations[0]) / "saved_models" / "icassp_2022" / "nmp"
    time = np.arange(43844) / 22050
    sound = sum(np.sin(2 * np.pi * f * time) * np.exp(-2 * (time % 0.5)) for f in (220.0, 277.2, 329.6)) / 4
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        meta = v1.saved_model.load(session, ["serve"], str(folder))
        signature = meta.signature_def["serving_default"]
        (x,) = signature.inputs.values()
        names = [signature.outputs[k].name for k in sorted(signature.outputs)]
        return run_session(job, session, names, {x.name: sound.astype("float32")[None, :, None]})
