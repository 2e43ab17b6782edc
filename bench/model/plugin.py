"""Makes TensorFlow see our device: from the installed wheel, or from a library that ANVIL_PLUGIN names.

The environment needs ANVIL_SOFTWARE_DEVICE=1 before TensorFlow is imported if the device is a software one.
"""

from __future__ import annotations

import os

import tensorflow as tf
import tensorflow_anvil
from tensorflow.python.framework import load_library

DEVICE = "GPU:0"


def load() -> None:
    library = os.environ.get("ANVIL_PLUGIN")
    if library and not tf.config.list_physical_devices("GPU"):
        load_library.load_pluggable_device_library(library)
    if not tf.config.list_physical_devices("GPU"):
        raise SystemExit(
            "bench: TensorFlow sees no device of ours; run `make install`, or `tf-anvil devices` for the reason"
        )


def counters() -> dict[str, int]:
    """What the library has done so far: launches, submissions, waits, …"""
    return tensorflow_anvil.stats()
