"""Keras' recurrent layers with and without the CudnnRNN ops: outputs, gradients and which ops a graph holds."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers

LENGTHS = [5, 2, 3]


def layer(kind: str, case: dict, cudnn):
    options = {k: v for k, v in case.items() if k not in ("masked", "both", "calls")}
    made = {"lstm": layers.LSTM, "gru": layers.GRU}[kind](6, use_cudnn=cudnn, **options)
    return layers.Bidirectional(made) if case.get("both") else made


def ops_of(function) -> list[str]:
    return sorted({node.op for node in function.graph.as_graph_def().node if node.op.startswith("Cudnn")})


def one(kind: str, case: dict, cudnn, shape=(3, 5, 4)) -> dict:
    draw = np.random.default_rng(1)
    keras.utils.set_random_seed(1)
    tested = layer(kind, case, cudnn)
    tested.build(shape)
    for weight in tested.trainable_variables:
        weight.assign(draw.normal(size=weight.shape) * 0.5)
    mask = np.arange(shape[1]) < np.array(LENGTHS)[:, None] if case.get("masked") else None
    x = tf.constant(draw.normal(size=shape).astype("float32"))

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.cast(tested(x, mask=None if mask is None else tf.constant(mask)), tf.float32)
            # Past a sequence's end Keras' own loop repeats the last output, cuDNN gives zeros.
            if mask is not None and y.shape.rank == 3:
                y *= tf.cast(mask[..., None], tf.float32)
            loss = tf.reduce_sum(y * y)
        return [y, *tape.gradient(loss, [x, *[w.value for w in tested.trainable_variables]])]

    for _ in range(case.get("calls", 1)):
        found = step(x)
    return {
        "ops": ops_of(step.get_concrete_function(x)),
        "values": [np.asarray(v, np.float64).tolist() for v in found],
    }


def recurrent_layers(spec) -> dict:
    keras.mixed_precision.set_global_policy(spec.get("policy", "float32"))
    return {
        f"{kind} {name}": one(kind, case, spec["use_cudnn"])
        for kind in ("lstm", "gru")
        for name, case in spec["cases"].items()
    }


def recurrent_fit(spec) -> dict:
    """A classifier of sequences with both layers, trained for some steps."""
    keras.mixed_precision.set_global_policy(spec.get("policy", "float32"))
    keras.utils.set_random_seed(2)
    draw = np.random.default_rng(2)
    x = draw.normal(size=(64, 8, 6)).astype("float32")
    labels = (x.sum((1, 2)) > 0).astype("int32")
    model = keras.Sequential([layers.LSTM(8, return_sequences=True), layers.GRU(8), layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    losses = model.fit(x, labels, batch_size=32, epochs=6, shuffle=False, verbose=0).history["loss"]
    return {"losses": [float(v) for v in losses]}
