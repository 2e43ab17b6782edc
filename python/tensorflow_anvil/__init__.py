"""TensorFlow Anvil: GPUs for TensorFlow, and what is needed to see what they do.

Nothing here has to be imported to use the GPU: TensorFlow loads the plug-in by itself.

    import tensorflow_anvil
    tensorflow_anvil.devices()        # what is offered to TensorFlow
    tensorflow_anvil.stats()          # kernel launches, waits, bytes, ops that fell back to the CPU, ...
    tensorflow_anvil.reset_stats()
    tensorflow_anvil.doctor()         # what is amiss with this environment, and how to mend it

Importing this package loads neither TensorFlow nor the plug-in and works without both.
"""

from tensorflow_anvil._native import Unavailable
from tensorflow_anvil.doctor import Finding, Severity, doctor
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
    "Finding",
    "Severity",
    "Unavailable",
    "devices",
    "doctor",
    "fallback_log",
    "ops",
    "options",
    "plan_log",
    "reset_stats",
    "stats",
    "version",
    "why_no_device",
]
