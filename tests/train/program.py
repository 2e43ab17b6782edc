"""Small Keras programs, run in a process of their own: python program.py '{"task": "fit", ...}' prints one JSON line.

Nothing here names the device: it is the one TensorFlow finds, or the CPU under ANVIL_DEVICE=none.  What the tests compare
(losses per step, bytes of the weights, counters, memory) is read in callbacks or after the fact.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from recurrent_layers import recurrent_fit, recurrent_layers
from sklearn.datasets import load_digits


def digits():
    data = load_digits()
    x = (data.images / 16.0).astype("float32")[..., None]
    return (x[:1500], data.target[:1500]), (x[1500:], data.target[1500:])


def plain():
    return [layers.Conv2D(16, 3, padding="same", activation="relu"), layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(), layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)]  # fmt: skip


def normalized():
    return [layers.Conv2D(16, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2, seed=3),
            layers.Conv2D(16, 3, strides=2, padding="same"), layers.BatchNormalization(), layers.ReLU(), layers.GlobalAveragePooling2D(),
            layers.Dropout(0.3, seed=4), layers.Dense(10)]  # fmt: skip


def small():
    return [layers.Conv2D(4, 3, strides=2, activation="relu"), layers.Flatten(), layers.Dense(10)]


BODIES = {"plain": plain, "normalized": normalized, "small": small}
OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(2e-3),
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "plain_sgd": lambda: keras.optimizers.SGD(0.05),
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3, momentum=0.5, centered=True),
    "adamw": lambda: keras.optimizers.AdamW(2e-3, weight_decay=0.01, clipnorm=1.0),
}


def build(spec):
    keras.utils.set_random_seed(7)
    keras.config.set_dtype_policy(spec.get("policy", "float32"))
    model = keras.Sequential(
        [layers.Input((8, 8, 1)), *BODIES[spec.get("body", "plain")](), layers.Activation("linear", dtype="float32")]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    options = {k: spec[k] for k in ("run_eagerly", "jit_compile", "steps_per_execution") if k in spec}
    model.compile(optimizer=OPTIMIZERS[spec.get("optimizer", "adam")](), loss=loss, metrics=["accuracy"], **options)
    return model


class Losses(keras.callbacks.Callback):
    """The loss of each batch by itself: Keras' own is a mean that runs over the epoch."""

    def __init__(self):
        super().__init__()
        self.values = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(float(logs["loss"]))


def bits(model) -> str:
    h = hashlib.sha256()
    for w in model.get_weights():
        h.update(np.ascontiguousarray(w).tobytes())
    return h.hexdigest()


def counters() -> dict:
    if not tf.config.list_physical_devices("GPU"):
        return {}
    import tensorflow_anvil

    return tensorflow_anvil.stats()


def fit(spec):
    """Trains for spec["steps"] steps of spec["batch"] images, unshuffled; the losses, the weights' bits, the accuracy."""
    (x, y), (xt, yt) = digits()
    batch, steps = spec.get("batch", 32), spec.get("steps", 50)
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(batch, drop_remainder=True).repeat()
    model, losses = build(spec), Losses()
    model.fit(data, epochs=1, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[losses])
    out = {
        "losses": losses.values,
        "bits": bits(model),
        "weights_on": sorted({v.value.device.split(":", 4)[-1] for v in model.variables}),
    }
    if spec.get("evaluate"):
        loss, accuracy = model.evaluate(xt, yt, batch_size=100, verbose=0)
        logits = model.predict(xt, batch_size=64, verbose=0)
        out |= {"test_loss": loss, "test_accuracy": accuracy, "predicted_accuracy": float(np.mean(np.argmax(logits, 1) == yt)),
                "logits": logits[:5].tolist()}  # fmt: skip
    return out


def many(spec):
    """Several fits in one process: {"runs": {name: fit spec}}."""
    return {name: fit(one) for name, one in spec["runs"].items()}


def save_and_load(spec):
    (x, y), (xt, _) = digits()
    model = build(spec)
    model.fit(x[:320], y[:320], batch_size=32, shuffle=False, verbose=0)
    before = model.predict(xt[:64], verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        model.save_weights(f"{folder}/w.weights.h5")
        other = build(spec)
        other.load_weights(f"{folder}/w.weights.h5")
        weights = float(np.max(np.abs(other.predict(xt[:64], verbose=0) - before)))
        model.save(f"{folder}/m.keras")
        whole = keras.models.load_model(f"{folder}/m.keras")
        saved = float(np.max(np.abs(whole.predict(xt[:64], verbose=0) - before)))
        same_state = [
            np.array_equal(a, b) for a, b in zip(whole.optimizer.variables, model.optimizer.variables, strict=True)
        ]
        a = model.fit(x[:320], y[:320], batch_size=32, shuffle=False, verbose=0).history["loss"]
        b = whole.fit(x[:320], y[:320], batch_size=32, shuffle=False, verbose=0).history["loss"]
    return {"weights": weights, "whole": saved, "optimizer": all(same_state), "continued": [a, b]}


def resident() -> int:
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def device_bytes() -> dict:
    if not tf.config.list_physical_devices("GPU"):
        return {"current": 0, "peak": 0}
    return tf.config.experimental.get_memory_info("GPU:0")


class Memory(keras.callbacks.Callback):
    def __init__(self, every):
        super().__init__()
        self.every, self.points = every, []

    def on_train_batch_end(self, batch, logs=None):
        if (batch + 1) % self.every == 0:
            gc.collect()
            self.points.append({"step": batch + 1, "host": resident(), "device": device_bytes()["current"],
                                "driver": counters().get("device_bytes", 0)})  # fmt: skip


def endurance(spec):
    """Many steps of one model; memory along the way, counters over all of it."""
    (x, y), _ = digits()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(16, drop_remainder=True).repeat()
    model = build({"body": "small"} | spec)
    memory = Memory(50)
    model.fit(data, epochs=1, steps_per_epoch=spec["steps"], shuffle=False, verbose=0, callbacks=[memory])
    return {"memory": memory.points}


def waits(spec):
    """Counters over one epoch of a model that has already trained one, with no callback looking at the losses."""
    (x, y), _ = digits()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(32, drop_remainder=True).repeat().prefetch(4)
    model = build(spec)
    model.fit(data, epochs=1, steps_per_epoch=10, shuffle=False, verbose=0)
    before, start = counters(), time.perf_counter()
    model.fit(data, epochs=1, steps_per_epoch=spec["steps"], shuffle=False, verbose=0)
    return {"before": before, "after": counters(), "seconds": time.perf_counter() - start}


def drop_models(spec):
    """Builds, trains one step of and drops models; what is left on the device after each ten.

    Eagerly: of a traced model Keras keeps the tensors alive itself, on the CPU too."""
    (x, y), _ = digits()
    left = []
    for n in range(spec["models"]):
        model = build({"body": "small", "run_eagerly": True} | spec)
        model.train_on_batch(x[:8], y[:8])
        del model
        if (n + 1) % 10 == 0:
            keras.backend.clear_session()
            gc.collect()
            left.append(
                {"device": device_bytes()["current"], "driver": counters().get("device_bytes", 0), "host": resident()}
            )
    return {"left": left}


def custom_loop(_):
    """A GradientTape loop in a tf.function, with gradient accumulation and an explicit variable update."""
    (x, y), _ = digits()
    w = tf.Variable(np.random.default_rng(0).normal(0, 0.05, (64, 10)).astype("float32"))
    b = tf.Variable(tf.zeros([10]))

    @tf.function
    def step(xs, ys):
        with tf.GradientTape() as tape:
            logits = tf.matmul(tf.reshape(xs, [-1, 64]), w) + b
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(ys, logits))
        for v, g in zip((w, b), tape.gradient(loss, (w, b)), strict=True):
            v.assign_sub(0.5 * g)
        return loss

    return {"losses": [float(step(tf.constant(x[i : i + 50]), tf.constant(y[i : i + 50]))) for i in range(0, 1500, 50)]}


RECURRENT = (recurrent_layers, recurrent_fit)
TASKS = {f.__name__: f for f in (fit, many, save_and_load, endurance, waits, drop_models, custom_loop, *RECURRENT)}


def main():
    spec = json.loads(sys.argv[1])
    plugin = os.environ.get("ANVIL_PLUGIN")
    if plugin and not tf.config.list_physical_devices("GPU") and os.environ.get("ANVIL_DEVICE") != "none":
        from tensorflow.python.framework import load_library

        load_library.load_pluggable_device_library(plugin)
    result = TASKS[spec["task"]](spec)
    result |= {"gpus": len(tf.config.list_physical_devices("GPU")), "counters": counters()}
    print("RESULT " + json.dumps(result))


main()
