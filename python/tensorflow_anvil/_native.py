"""The plug-in's C interface (src/capi/anvil.h) through ctypes.

There must never be a second copy of the library in the process: it would count its own work, which is none.  So the one
that TensorFlow loaded is used where there is one, and otherwise the file that TensorFlow will load.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import sys
from pathlib import Path

LIBRARY = "libtensorflow_anvil.so"
API_VERSION = 2


class Unavailable(RuntimeError):
    """The plug-in cannot be loaded; the message says why and what to do."""


class DeviceInfo(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("name", ctypes.c_char * 256),
        ("driver", ctypes.c_char * 256),
        ("uuid", ctypes.c_char * 64),
        ("kind", ctypes.c_char * 16),
        ("subgroup", ctypes.c_uint32),
        ("max_group", ctypes.c_uint32),
        ("group_memory", ctypes.c_uint32),
        ("cores", ctypes.c_uint32),
        ("f16", ctypes.c_uint8),
        ("f64", ctypes.c_uint8),
        ("matrix_f16", ctypes.c_uint8),
        ("atomic_f32_add", ctypes.c_uint8),
        ("unified", ctypes.c_uint8),
        ("reserved", ctypes.c_uint8 * 3),
        ("memory", ctypes.c_uint64),
        ("max_allocation", ctypes.c_uint64),
        ("memory_free", ctypes.c_uint64),
    ]


class CounterInfo(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_uint32),
        ("gauge", ctypes.c_uint32),
        ("name", ctypes.c_char_p),
        ("value", ctypes.c_uint64),
    ]


def loaded_path() -> str | None:
    """Where the copy lies that is in this process, if there is one."""
    try:
        with open("/proc/self/maps") as maps:
            for line in maps:
                path = line.rstrip("\n").split(maxsplit=5)[-1]
                if path.endswith("/" + LIBRARY):
                    return path
    except OSError:
        pass
    return None


def installed_path() -> str | None:
    """The file that TensorFlow loads: in tensorflow-plugins/ beside this package, or what ANVIL_PLUGIN names."""
    if os.environ.get("ANVIL_PLUGIN"):
        return os.environ["ANVIL_PLUGIN"]
    beside = [Path(__file__).resolve().parent.parent, *map(Path, sys.path)]
    for folder in beside:
        path = folder / "tensorflow-plugins" / LIBRARY
        if path.is_file():
            return str(path)
    return None


def load_tensorflow_framework() -> None:
    """The plug-in needs TensorFlow's own library, which is found beside it once installed, but not from a build tree."""
    spec = importlib.util.find_spec("tensorflow") if "tensorflow" not in sys.modules else None
    if spec and spec.submodule_search_locations:
        framework = Path(spec.submodule_search_locations[0]) / "libtensorflow_framework.so.2"
        if framework.is_file():
            ctypes.CDLL(str(framework))


@functools.cache
def library() -> ctypes.CDLL:
    """The plug-in.  Raises Unavailable."""
    path = loaded_path()
    if path is None:
        path = installed_path()
        if path is None:
            raise Unavailable("the plug-in is not installed beside this package: reinstall tensorflow-anvil")
        try:
            load_tensorflow_framework()
        except OSError as error:
            raise Unavailable(f"TensorFlow's library cannot be loaded: {error}") from error
    try:
        native = ctypes.CDLL(path)
    except OSError as error:
        raise Unavailable(f"the plug-in cannot be loaded; is TensorFlow installed? ({error})") from error
    native.anvil_version.restype = ctypes.c_char_p
    if native.anvil_api_version() < API_VERSION:
        raise Unavailable(f"{path} is older than this package: reinstall tensorflow-anvil")
    return native


def check(result: int, what: str) -> None:
    if result != 0:
        raise RuntimeError(f"{what} failed ({'bad argument' if result == 1 else 'internal error, see stderr'})")


def text(function: str, *arguments) -> str:
    """What a function of the interface that gives a text gives."""
    call = getattr(library(), function)
    room = 4096
    while True:
        buffer = ctypes.create_string_buffer(room)
        length = ctypes.c_size_t()
        check(call(*arguments, buffer, ctypes.c_size_t(room), ctypes.byref(length)), function)
        if length.value < room:
            return buffer.value.decode(errors="replace")
        room = length.value + 1


def struct(kind: type, function: str, index: int):
    info = kind(size=ctypes.sizeof(kind))
    check(getattr(library(), function)(ctypes.c_int32(index), ctypes.byref(info)), function)
    return info
