"""What a model of the suite is, and what runs its steps and counts them.

A model is a function that takes a Job, trains through it and returns what it predicts.  Nothing in one names the device:
it is the one TensorFlow finds, or the CPU under ANVIL_DEVICE=none.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

COUNTED = ("launches", "submissions", "waits", "script_reads", "bytes_to_device", "bytes_to_host")


@dataclass(frozen=True)
class Model:
    name: str
    train: Callable[[Job], np.ndarray]
    steps: int = 20
    modes: tuple[str, ...] = ("graph", "eager")
    precisions: tuple[str, ...] = ("float32", "mixed_float16")
    quick: bool = False
    package: str = ""  # on the Python package index, beyond what the tests use anyway
    eager_steps: int = 3
    # Whether eager mode draws other random numbers than the graph does, so that it has to be compared with its own like.
    eager_draws: bool = False
    group: str = ""  # models of a group share a process: to load TensorFlow takes longer than these small ones


ZOO: dict[str, Model] = {}


def model(name: str, **facts):
    def add(train):
        ZOO[name] = Model(name, train, **facts)
        return train

    return add


class Job:
    """One training run: its losses, and what the device did in the steps after the first (which traces and builds)."""

    def __init__(self, precision: str, mode: str, steps: int, counters: Callable[[], dict]):
        self.precision, self.steps, self.eager = precision, steps, mode == "eager"
        self.counters = counters
        self.losses: list[float] = []
        self.first: dict = {}
        self.last: dict = {}
        self.times = [0.0, 0.0]

    @property
    def half(self) -> bool:
        return self.precision == "mixed_float16"

    def begin(self) -> None:
        self.first, self.times[0] = self.counters(), time.perf_counter()

    def end(self) -> None:
        self.last, self.times[1] = self.counters(), time.perf_counter()

    def fit(self, model, x, y, loss, batch: int, optimizer=None) -> None:
        """Keras' own loop, unshuffled and over the same few batches."""
        import keras
        import tensorflow as tf

        if loss or optimizer:
            model.compile(optimizer=optimizer or keras.optimizers.Adam(1e-3), loss=loss, run_eagerly=self.eager)
        data = tf.data.Dataset.from_tensor_slices(x if y is None else (x, y)).batch(batch, drop_remainder=True)
        model.fit(
            data.repeat(),
            epochs=1,
            steps_per_epoch=self.steps,
            shuffle=False,
            verbose=0,
            callbacks=[losses_callback(keras, self)],
        )

    def loop(self, step: Callable) -> None:
        """A loop of one's own: `step(n)` returns the loss of step n as a tensor, which is read after the last one."""
        found = []
        for n in range(self.steps):
            found.append(step(n))
            if n == 0:
                found[0].numpy()
                self.begin()
        self.losses = [float(v) for v in found]
        self.end()

    def per_step(self) -> dict[str, float]:
        n = max(self.steps - 1, 1)
        counted = {k: (self.last[k] - self.first[k]) / n for k in COUNTED if k in self.last}
        return counted | {"ms": (self.times[1] - self.times[0]) * 1e3 / n}


def losses_callback(keras, job: Job):
    class Losses(keras.callbacks.Callback):
        """The loss of each batch by itself: Keras' own is a mean that runs over the epoch."""

        def on_train_batch_begin(self, batch, logs=None):
            self.model.reset_metrics()

        def on_train_batch_end(self, batch, logs=None):
            job.losses.append(float(logs["loss"]))
            if batch == 0:
                job.begin()
            if batch + 1 == job.steps:
                job.end()

    return Losses()


def numbers(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def images(n: int, edge: int, channels: int = 3, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Smooth pictures, of which each class has its own kind: something that can be learnt."""
    rng = numbers(1)
    y = np.arange(n) % classes
    at = np.arange(edge) / edge
    waves = np.sin((1 + y[:, None, None]) * (at[None, :, None] + at[None, None, :] * (y[:, None, None] % 3)) * 3)
    x = waves[..., None] * rng.uniform(0.5, 1, (1, 1, 1, channels)) + rng.normal(0, 0.2, (n, edge, edge, channels))
    return x.astype("float32"), y.astype("int32")


def tokens(n: int, length: int, vocabulary: int) -> np.ndarray:
    """Sequences that count up from a random start, with some noise."""
    rng = numbers(2)
    x = (rng.integers(1, vocabulary, (n, 1)) + np.arange(length)) % (vocabulary - 1) + 1
    noise = rng.random((n, length)) < 0.1
    return np.where(noise, rng.integers(1, vocabulary, (n, length)), x).astype("int32")
