"""Anvil through TensorFlow.  Argument: `function` for a user's own tf.function step, `keras` for train_on_batch."""

from __future__ import annotations

import sys

import tensorflow as tf
from model import families, models, plugin
from rounds.worker import serve


def main() -> None:
    plugin.load()
    step = models.keras_step if sys.argv[1:] == ["keras"] else models.function_step
    networks = models.network_cases(plugin.DEVICE, step)
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    versions = {"tensorflow": tf.__version__, "device": details.get("device_name", "GPU:0")}
    serve(
        "anvil-tensorflow", versions, models.op_cases(plugin.DEVICE) | families.family_cases(plugin.DEVICE) | networks
    )


if __name__ == "__main__":
    main()
