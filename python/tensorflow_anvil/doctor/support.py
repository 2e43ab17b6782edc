"""What this version of Anvil works with."""

from __future__ import annotations

from tensorflow_anvil.doctor.facts import Machine

TENSORFLOWS = ((2, 16), (2, 21))  # the first and the last minor version that it is tested with
EXPORTING = (2, 18)  # up to this one TensorFlow on Linux exports what the shim does for later ones
PYTHONS = ((3, 10), (3, 13))  # those that the last of these TensorFlows has packages for
MACOS = (13,)
GLIBC = (2, 35)
MEMORY = 4 << 30  # bytes; less is little
MEMORY_FREE = 1 << 30
DEVICE_MEMORY = 1 << 30


def tensorflow_package(machine: Machine) -> str:
    """The TensorFlow that the plug-in goes with: on Linux PCs the one without GPU support of its own."""
    return "tensorflow-cpu" if machine.system == "Linux" and machine.processor == "x86_64" else "tensorflow"


def tensorflow_wanted(machine: Machine) -> str:
    """As pip takes it."""
    major, minor = TENSORFLOWS[1]
    return f"{tensorflow_package(machine)}=={major}.{minor}.*"
