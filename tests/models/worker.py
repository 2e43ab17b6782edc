"""Runs models in this process: python worker.py '{"modules": [...], "jobs": [{"model": ..., "precision": ..., ...}]}'.

A line BEGIN before each and a line RESULT with JSON after it, so that the parent knows which one a crash took.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
import zoo


def load_plugin() -> int:
    """The plug-in is the installed one, or the library that ANVIL_PLUGIN names (a build tree).  How many GPUs there are."""
    import tensorflow as tf

    library = os.environ.get("ANVIL_PLUGIN")
    if library and not tf.config.list_physical_devices("GPU") and os.environ.get("ANVIL_DEVICE") != "none":
        from tensorflow.python.framework import load_library

        load_library.load_pluggable_device_library(library)
    return len(tf.config.list_physical_devices("GPU"))


def counters() -> dict:
    if os.environ.get("ANVIL_DEVICE") == "none":
        return {}
    import tensorflow_anvil

    return tensorflow_anvil.stats()


def run(model: zoo.Model, precision: str, mode: str, steps: int) -> dict:
    import keras
    import tensorflow as tf

    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    keras.config.set_dtype_policy(precision)
    if os.environ.get("ANVIL_DEVICE") != "none":
        import tensorflow_anvil

        tensorflow_anvil.reset_stats()
        tf.config.experimental.reset_memory_stats("GPU:0")
    job = zoo.Job(precision, mode, steps, counters)
    started = time.perf_counter()
    prediction = np.asarray(model.train(job), np.float64)
    seconds = time.perf_counter() - started
    after = counters()
    memory = tf.config.experimental.get_memory_info("GPU:0")["peak"] if after else 0
    return {
        "losses": job.losses,
        "prediction": prediction.ravel().tolist(),
        "per_step": job.per_step(),
        "fallbacks": after.get("fallbacks", {}),
        "errors": after.get("op_errors", 0) + after.get("device_errors", 0),
        "validation": after.get("validation_messages", 0),
        "peak_bytes": memory,
        "seconds": seconds,
    }


def first_words(text: str) -> str:
    """What was wrong, without TensorFlow's preamble: it names where in the program a failing node came from."""
    lines = [
        line
        for line in text.splitlines()
        if line.strip() and not line.startswith(("Graph exec", "Detected at", "  File"))
    ]
    return " ".join(lines[:3])[:600]


def main() -> None:
    spec = json.loads(sys.argv[1])
    gpus = load_plugin()
    if (gpus > 0) == (os.environ.get("ANVIL_DEVICE") == "none"):
        raise SystemExit(f"found {gpus} GPUs")
    for name in spec["modules"]:
        importlib.import_module(name)
    for job in spec["jobs"]:
        print("BEGIN " + json.dumps(job), flush=True)
        try:
            result = run(zoo.ZOO[job["model"]], **{k: v for k, v in job.items() if k != "model"})
        except Exception as error:
            traceback.print_exc()
            result = {"error": f"{type(error).__name__}: {first_words(str(error))}", "words": str(error)[-3000:]}
        print("RESULT " + json.dumps(result), flush=True)
    os._exit(0)  # nothing of what follows is of the models


if __name__ == "__main__":
    main()
