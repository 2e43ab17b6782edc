"""Runs a Keras script unchanged and writes down what happened while it trained.

    python -m tensorflow_anvil.recorder RECORD.json SCRIPT [ARGUMENT ...]

The script runs as __main__.  Model.fit and Model.evaluate are wrapped so that they carry one more callback, which reads
clocks and counters once per epoch: Keras, the script and its output are otherwise as they would be.
"""

import inspect
import json
import math
import runpy
import sys
import time
from pathlib import Path

import tensorflow_anvil


class Record:
    """What is written: one row per epoch, the last evaluation, and the device at the end."""

    def __init__(self):
        self.epochs: list[dict] = []
        self.evaluation: dict = {}

    def as_dict(self, script: str, seconds: float) -> dict:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        peak = 0
        if gpus:
            peak = sum(tf.config.experimental.get_memory_info(f"GPU:{i}")["peak"] for i in range(len(gpus)))
        return {
            "script": script,
            "tensorflow": tf.__version__,
            "gpus": len(gpus),
            "seconds": seconds,
            "peak_bytes": peak,
            "epochs": self.epochs,
            "evaluation": self.evaluation,
            "devices": tensorflow_anvil.devices(),
            "counters": tensorflow_anvil.stats(),
        }


def callback_classes(record: Record):
    import keras

    class Epochs(keras.callbacks.Callback):
        """Only per-epoch hooks: a callback that looks at every batch would make Keras read every batch's loss."""

        def on_epoch_begin(self, epoch, logs=None):
            self.before = tensorflow_anvil.stats()
            self.started = time.perf_counter()
            self.row = None

        def training_ends(self):
            if self.row is None:  # the first of: validation starts, the epoch ends
                after = tensorflow_anvil.stats()
                # Work is queued: reading a weight waits for the last step, so that its time is counted too.
                min(self.model.trainable_variables, key=lambda v: math.prod(v.shape)).numpy()
                self.row = {
                    "seconds": time.perf_counter() - self.started,
                    "steps": self.params["steps"],
                    "before": self.before,
                    "after": after,
                }

        def on_test_begin(self, logs=None):
            self.training_ends()

        def on_epoch_end(self, epoch, logs=None):
            self.training_ends()
            record.epochs.append({**self.row, "logs": {name: float(value) for name, value in (logs or {}).items()}})

    class Evaluation(keras.callbacks.Callback):
        def on_test_end(self, logs=None):
            record.evaluation = {name: float(value) for name, value in (logs or {}).items()}

    return Epochs, Evaluation


def watch_keras(record: Record) -> None:
    import keras

    def carry(function, make_callback):
        """`function` with one more callback."""
        signature = inspect.signature(function)

        def watched(*args, **kwargs):
            call = signature.bind(*args, **kwargs)
            callbacks = call.arguments.get("callbacks")
            if not isinstance(callbacks, keras.callbacks.CallbackList):  # fit hands its own list on to evaluate
                given = callbacks if isinstance(callbacks, (list, tuple)) else [callbacks] if callbacks else []
                call.arguments["callbacks"] = [*given, make_callback()]
            return function(*call.args, **call.kwargs)

        return watched

    epochs, evaluation = callback_classes(record)
    keras.Model.fit = carry(keras.Model.fit, epochs)
    keras.Model.evaluate = carry(keras.Model.evaluate, evaluation)


def main() -> None:
    target, script, *arguments = sys.argv[1:]
    started = time.perf_counter()
    record = Record()
    watch_keras(record)
    sys.argv = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    runpy.run_path(script, run_name="__main__")
    # Whole run, Python's and TensorFlow's start included, because that is what the user waits for.
    Path(target).write_text(json.dumps(record.as_dict(script, time.perf_counter() - started), indent=1))


if __name__ == "__main__":
    main()
