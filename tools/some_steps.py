"""Some training steps of every kind, on the GPU: what tools/train_sanitized.py runs under the sanitizers."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

assert tf.config.list_physical_devices("GPU"), "no GPU is offered"


def model() -> keras.Model:
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(10, dtype="float32"),
        ]
    )


random = np.random.default_rng(1)
images = random.random((256, 8, 8, 1), dtype=np.float32)
labels = random.integers(0, 10, 256)

for policy, eager, epochs in (("float32", False, 3), ("float32", True, 1), ("mixed_float16", False, 1)):
    keras.utils.set_random_seed(1)
    keras.mixed_precision.set_global_policy(policy)
    net = model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile("adam", loss, metrics=["accuracy"], run_eagerly=eager)
    size = 64 if eager else 32
    history = net.fit(images, labels, batch_size=size, epochs=epochs, verbose=0, validation_data=(images, labels))
    last = history.history["loss"][-1]
    assert np.isfinite(last), (policy, eager, last)
    print(f"{policy}, {'eager' if eager else 'graph'}: loss {last:.4f}", flush=True)

# Errors cross the border too.
try:
    with tf.device("GPU:0"):
        tf.raw_ops.MatMul(a=tf.ones((2, 3)), b=tf.ones((2, 3)))
    raise AssertionError("a wrong shape was let through")
except tf.errors.InvalidArgumentError as error:
    print("refused as it should be:", str(error).splitlines()[0][:80], flush=True)
