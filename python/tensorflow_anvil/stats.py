"""What the plug-in found and did, as plain Python values."""

from __future__ import annotations

import ctypes

from tensorflow_anvil import _native

FLAGS = ("f16", "f64", "matrix_f16", "atomic_f32_add", "unified")


def version() -> str:
    """The plug-in's version.  Raises Unavailable where it cannot be loaded."""
    return _native.library().anvil_version().decode()


def devices() -> list[dict]:
    """The devices offered to TensorFlow, or before TensorFlow is imported those that would be.

    Each is a dict: name, driver, uuid, kind ("discrete", "integrated", "virtual" or "cpu"), memory and memory_free in
    bytes, and what kernels are planned by: subgroup, max_group, group_memory, cores, max_allocation, f16, f64,
    matrix_f16, atomic_f32_add, unified.  Empty if there is none; why_no_device() says why.
    """
    try:
        native = _native.library()
    except _native.Unavailable:
        return []
    count = ctypes.c_int32()
    _native.check(native.anvil_device_count(ctypes.byref(count)), "anvil_device_count")
    found = []
    for index in range(count.value):
        info = _native.struct(_native.DeviceInfo, "anvil_device", index)
        row = {}
        for name, _ in info._fields_:
            value = getattr(info, name)
            if name not in ("size", "reserved"):
                row[name] = value.decode(errors="replace") if isinstance(value, bytes) else value
        found.append(row | {name: bool(row[name]) for name in FLAGS})
    return found


def why_no_device() -> str:
    """Why devices() is empty, and what to do; "" where it is not."""
    try:
        return _native.text("anvil_no_device_reason")
    except _native.Unavailable as error:
        return str(error)


def stats() -> dict:
    """All counters of this process by name, and by op what the CPU computed: "fallbacks", "cpu_ops" and "proxies".

    An op has fallen back if the CPU computes it where TensorFlow's CUDA build would run it on the GPU.  The cpu_ops (and
    the counter cpu_nodes) are those that have no kernel there either, but take numbers from the device, which are copied
    to the host and back.  Both count once for each graph that holds them, and each time they run eagerly.  A proxy is the
    CPU's kernel run for an op that must run on the device, since it works on a variable there or the script says so; it
    counts each time, and is named among the fallbacks too.  Raises Unavailable where the plug-in cannot be loaded.
    """
    native = _native.library()
    counters: dict = {}
    for index in range(native.anvil_counter_count()):
        info = _native.struct(_native.CounterInfo, "anvil_counter", index)
        counters[info.name.decode()] = info.value
    for name in ("fallbacks", "cpu_ops", "proxies"):
        lines = _native.text(f"anvil_{name}").splitlines()
        counters[name] = {op: int(n) for op, n in (line.split("\t") for line in lines)}
    return counters


def reset_stats() -> None:
    """Zeroes the counters; levels such as the bytes in use stay, and peaks fall to the present level."""
    _native.check(_native.library().anvil_reset_counters(), "anvil_reset_counters")


def plan_log() -> list[str]:
    """The newest decisions of the planners, oldest first: which kernel for which problem, and why."""
    return _native.text("anvil_log", b"plan").splitlines()


def fallback_log() -> list[str]:
    """The newest kinds of fallback and of ops that no GPU has kernels for, with their types, oldest first."""
    return _native.text("anvil_log", b"fallback").splitlines()


def ops() -> list[dict]:
    """The ops that the plug-in has kernels for: {"name": op, "types": {attribute: [type, ...]}}, one for each row."""
    rows = []
    for line in _native.text("anvil_ops").splitlines():
        name, *columns = line.split("\t")
        types = {attr: names.split(",") for attr, names in (column.split("=") for column in columns)}
        rows.append({"name": name, "types": types})
    return rows


def options() -> list[dict]:
    """The environment variables that the plug-in reads: {"name", "values", "meaning"} each."""
    rows = (line.split("\t") for line in _native.text("anvil_options").splitlines())
    return [dict(zip(("name", "values", "meaning"), row, strict=True)) for row in rows]
