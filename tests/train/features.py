"""What programs do besides layers: python features.py NAME ... runs each on the device (eagerly and as a graph) and on the
CPU, and prints BEGIN and RESULT lines with JSON.

Nothing names the device: a program without tf.device() gets it.  A feature is a function that returns tensors.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

import features_control  # noqa: F401  they add themselves to the list
import features_ops  # noqa: F401
import features_program  # noqa: F401
import tensorflow as tf
from feature import FEATURES, difference, flat


def run(name: str) -> dict[str, str]:
    """What is wrong, by way of running it."""
    f, graph, eager, near = FEATURES[name]
    out = {}
    for way in ["eager"] * eager + ["graph"] * graph:
        # Each a function of its own: one that is traced once keeps the devices that were there.
        device, cpu = (f, f) if way == "eager" else (tf.function(f), tf.function(f))
        try:
            got = flat(device())
        except Exception as error:  # the result of this way
            traceback.print_exc()
            out[way] = f"{type(error).__name__}: {str(error)[:1500]}"
            continue
        with tf.device("/CPU:0"):
            out[way] = difference(got, flat(cpu()), near)
    return out


def main() -> None:
    plugin = os.environ.get("ANVIL_PLUGIN")
    if plugin and not tf.config.list_physical_devices("GPU"):
        from tensorflow.python.framework import load_library

        load_library.load_pluggable_device_library(plugin)
    assert tf.config.list_physical_devices("GPU"), "no device"
    import tensorflow_anvil

    for name in sys.argv[1:] or FEATURES:
        print(f"BEGIN {name}", flush=True)
        tensorflow_anvil.reset_stats()
        ways = run(name)
        fallbacks = tensorflow_anvil.stats()["fallbacks"]
        print("RESULT " + json.dumps({"name": name, "ways": ways, "fallbacks": fallbacks}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
