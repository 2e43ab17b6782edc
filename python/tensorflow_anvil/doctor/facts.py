"""What the doctor knows of a machine and an environment.

Facts are collected by collect.py, judged by the rules, and can be written as JSON and read again, so that a report from
another machine can be judged too.  Nothing here says what is good or bad.
"""

from __future__ import annotations

import dataclasses
import typing
from typing import Any


@dataclasses.dataclass(frozen=True)
class Python:
    version: tuple[int, ...] = ()  # (3, 12, 1)
    implementation: str = ""  # "CPython"
    executable: str = ""
    prefix: str = ""
    bits: int = 64
    free_threaded: bool = False
    pip: str = ""  # the command that installs packages here, to be pasted
    conda: bool = False  # the environment is one of conda's


@dataclasses.dataclass(frozen=True)
class Machine:
    system: str = ""  # "Linux", "Darwin"
    processor: str = ""  # what this Python is built for: "x86_64", "arm64"
    distribution: str = ""  # the Linux distribution's id, or that of the one it is like: "debian", "fedora"
    macos: tuple[int, ...] = ()
    apple_silicon: bool = False
    libc: str = ""  # "glibc 2.36", "musl"
    avx: str = ""  # "yes", "no", "" where it is not known
    memory: int = 0  # bytes that programs may use, 0: not known
    memory_free: int = 0
    memory_limit: str = ""  # what sets it, where not the machine does
    gpus: tuple[str, ...] = ()  # makers of the display devices on the PCI bus: "NVIDIA", "AMD", "Intel"
    closed_gpus: tuple[str, ...] = ()  # device files of GPUs that this user may not open


@dataclasses.dataclass(frozen=True)
class Package:
    name: str  # normalised
    version: str
    folder: str
    installer: str = ""  # "pip", "conda", "uv"
    requires: tuple[str, ...] = ()  # what applies here, without markers; only for TensorFlow, Keras, Anvil and theirs
    missing: tuple[str, ...] = ()  # files that its list names and that are not there


@dataclasses.dataclass(frozen=True)
class TensorFlow:
    folder: str = ""  # what `import tensorflow` finds
    gpu_build: str = ""  # "CUDA" or "ROCm"
    shadows: tuple[str, ...] = ()  # files in the working folder that hide installed packages


@dataclasses.dataclass(frozen=True)
class Start:
    """`import tensorflow`, tried in a process of its own."""

    tried: bool = False
    problem: str = ""  # why it failed; "" where it worked
    details: tuple[str, ...] = ()  # the last lines that it wrote
    gpus: int = 0


@dataclasses.dataclass(frozen=True)
class Anvil:
    version: str = ""
    plugin: str = ""  # the library that TensorFlow loads
    pack: bool = False  # the kernels lie beside it
    shims: tuple[str, ...] = ()  # paths
    devices: tuple[str, ...] = ()  # names of the devices that TensorFlow gets
    device_memory: int = 0  # of the largest, in bytes
    reason: str = ""  # why there is none
    loaded: bool = False  # the plug-in could be loaded and asked
    problem: str = ""  # why it could not


@dataclasses.dataclass(frozen=True)
class VulkanDevice:
    name: str
    kind: str  # "discrete", "integrated", "virtual", "cpu", "other"
    memory: int = 0


@dataclasses.dataclass(frozen=True)
class Vulkan:
    asked: bool = False
    loader: str = ""
    problem: str = ""
    devices: tuple[VulkanDevice, ...] = ()


@dataclasses.dataclass(frozen=True)
class Index:
    """The newest versions in the package index, asked only when wanted."""

    asked: bool = False
    newest: dict[str, str] = dataclasses.field(default_factory=dict)
    problem: str = ""


@dataclasses.dataclass(frozen=True)
class Facts:
    python: Python = Python()
    machine: Machine = Machine()
    variables: dict[str, str] = dataclasses.field(default_factory=dict)
    library_clashes: tuple[str, ...] = ()  # libraries that LD_LIBRARY_PATH and its like put before a program's own
    path_packages: tuple[str, ...] = ()  # packages that PYTHONPATH puts in front of the installed ones
    cache: str = ""
    cache_problem: str = ""
    packages: tuple[Package, ...] = ()
    conda_packages: dict[str, str] = dataclasses.field(default_factory=dict)
    plugins: dict[str, str] = dataclasses.field(default_factory=dict)  # plug-in file -> package, "" for none's
    keras_backend: str = ""  # as ~/.keras/keras.json says
    tensorflow: TensorFlow = TensorFlow()
    start: Start = Start()
    anvil: Anvil = Anvil()
    vulkan: Vulkan = Vulkan()
    index: Index = Index()
    failed_checks: tuple[str, ...] = ()

    def package(self, *names: str) -> Package | None:
        """The first installed package of one of these names; Python imports from the first folder that has it."""
        return next((p for p in self.packages if p.name in names), None)

    def to_json(self) -> dict:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Any) -> Facts:
        """Raises ValueError where `data` is nothing that to_json() made."""
        try:
            return _read(cls, data)
        except (AttributeError, KeyError, TypeError) as problem:
            raise ValueError(f"these are no facts of tf-anvil doctor: {problem}") from problem


def _read(kind: Any, data: Any) -> Any:
    if dataclasses.is_dataclass(kind):
        types = typing.get_type_hints(kind)
        return kind(**{name: _read(types[name], value) for name, value in data.items()})
    if typing.get_origin(kind) is tuple:
        return tuple(_read(typing.get_args(kind)[0], value) for value in data)
    if typing.get_origin(kind) is dict:
        return dict(data)
    if kind in (str, int, bool) and not isinstance(data, kind):
        raise TypeError(f"{data!r} is no {kind.__name__}")
    return data
