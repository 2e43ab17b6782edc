"""TensorFlow Anvil: GPUs for TensorFlow, and what is needed to see what they do.

Nothing here has to be imported to use the GPU: TensorFlow loads the plug-in by itself.

    import tensorflow_anvil
    tensorflow_anvil.devices()        # what is offered to TensorFlow
    tensorflow_anvil.stats()          # kernel launches, waits, bytes, ops that fell back to the CPU, ...
    tensorflow_anvil.reset_stats()

Importing this package loads neither TensorFlow nor the plug-in and works without both.
"""

from tensorflow_anvil._native import Unavailable
from tensorflow_anvil.stats import (
    devices,
    fallback_log,
    ops,
    options,
    plan_log,
    reset_stats,
    stats,
    version,
    why_no_device,
)

__version__ = "0.1.0"
__all__ = [
    "Unavailable",
    "devices",
    "fallback_log",
    "ops",
    "options",
    "plan_log",
    "reset_stats",
    "stats",
    "version",
    "why_no_device",
]
