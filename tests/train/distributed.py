"""Several devices: python distributed.py mirrored, or keras_fit, or crossing, or worker INDEX PORT PORT.

Prints a line RESULT with JSON: losses, the weights of each replica, where they lie; of crossing, what went wrong.
"""

import json
import os
import sys
import threading

import numpy as np
import tensorflow as tf

RNG = np.random.default_rng(3)
X = RNG.normal(size=(16, 8)).astype("float32")
Y = (X @ RNG.normal(size=(8, 1))).astype("float32")
STEPS = 6


def load() -> None:
    plugin = os.environ.get("ANVIL_PLUGIN")
    if plugin and not tf.config.list_physical_devices("GPU"):
        from tensorflow.python.framework import load_library

        load_library.load_pluggable_device_library(plugin)


def train(strategy, steps=STEPS) -> dict:
    """Least squares by a loop of one's own; the batch is shared out among the replicas, gradients and losses summed up."""
    with strategy.scope():
        w = tf.Variable(tf.zeros((8, 1)))
        v = tf.Variable(tf.zeros((8, 1)))  # momentum

    def replica(x, y):
        with tf.GradientTape() as tape:
            loss = tf.nn.compute_average_loss(tf.square(tf.matmul(x, w) - y)[:, 0], global_batch_size=len(X))
        (g,) = tape.gradient(loss, [w])
        g = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, g)
        v.assign(0.8 * v + g)
        w.assign_sub(0.05 * v)
        return loss

    @tf.function
    def step(x, y):
        return strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(replica, (x, y)), axis=None)

    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(len(X)).repeat(steps)
    losses = [float(step(x, y)) for x, y in strategy.experimental_distribute_dataset(data)]
    copies = [value.numpy() for value in strategy.experimental_local_results(w)]
    return {"losses": losses, "weights": [c.ravel().tolist() for c in copies], "devices": [c.device for c in strategy.experimental_local_results(w)]}  # fmt: skip


def mirrored() -> dict:
    devices = [d.name for d in tf.config.list_logical_devices("GPU")]
    return {"gpus": len(devices)} | train(tf.distribute.MirroredStrategy(devices or ["CPU:0"]))


def keras_fit() -> dict:
    """A convolutional network of Keras' whose steps are shared out among all devices."""
    import keras

    keras.utils.set_random_seed(3)
    devices = [d.name for d in tf.config.list_logical_devices("GPU")]
    strategy = tf.distribute.MirroredStrategy(devices or ["CPU:0"])
    with strategy.scope():
        layers = [keras.layers.Conv2D(4, 3, activation="relu"), keras.layers.Flatten(), keras.layers.Dense(3)]
        model = keras.Sequential([keras.layers.Input((8, 8, 1)), *layers])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 8, 8, 1), np.float32), rng.integers(0, 3, 64)
    history = model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0)
    copies = strategy.experimental_local_results(model.weights[0].value)
    return {"gpus": len(devices), "losses": history.history["loss"], "devices": [c.device for c in copies],
            "weights": [c.numpy().ravel().tolist() for c in copies]}  # fmt: skip


def worker(index: str, *ports: str) -> dict:
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": {"worker": [f"localhost:{p}" for p in ports]}, "task": {"type": "worker", "index": int(index)}}
    )
    ring = tf.distribute.experimental.CommunicationOptions(implementation=tf.distribute.experimental.CollectiveCommunication.RING)  # fmt: skip
    strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=ring)
    return {"gpus": len(tf.config.list_physical_devices("GPU"))} | train(strategy)


def crossing() -> dict:
    """Chains of products in eight threads, every other step on the other device, and one tensor of 70 MiB."""
    names = [d.name for d in tf.config.list_logical_devices("GPU")]
    wrong, seen, done = [], set(), []

    def chain(number: int) -> None:
        rng = np.random.default_rng(number)
        value = rng.normal(size=(40, 40)).astype("float32")
        step = (rng.normal(size=(40, 40)) / 7).astype("float32")
        with tf.device(names[number % 2]):
            x, factor = tf.constant(value), tf.constant(step)
        for turn in range(30):
            with tf.device(names[(number + turn) % 2]):
                x = tf.tanh(tf.matmul(x, factor))
            seen.add(x.device.split("device:")[1])
            value = np.tanh(value.astype("float64") @ step)
            if turn % 10 == 9 and not np.allclose(x.numpy(), value, atol=1e-4):
                wrong.append([number, turn])
        done.append(number)

    threads = [threading.Thread(target=chain, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with tf.device(names[0]):
        there = tf.range(70 << 18, dtype=tf.float32)
    with tf.device(names[1]):
        back = there * 1.0
    large = float(np.abs(back.numpy() - np.arange(70 << 18, dtype="float32")).max())
    return {"gpus": len(names), "devices": sorted(seen), "wrong": wrong, "chains": len(done), "large": large}


if __name__ == "__main__":
    load()
    tasks = {task.__name__: task for task in (mirrored, keras_fit, crossing, worker)}
    print("RESULT " + json.dumps(tasks[sys.argv[1]](*sys.argv[2:])), flush=True)
