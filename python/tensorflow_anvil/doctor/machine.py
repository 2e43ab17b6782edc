"""Collects facts about the machine, its Python, and the variables that programs are started with."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import platform
import re
import shlex
import shutil
import struct
import sys
import sysconfig
from pathlib import Path

from tensorflow_anvil import shim
from tensorflow_anvil.doctor import processes
from tensorflow_anvil.doctor.facts import Machine, Python

MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
# Libraries that TensorFlow, the plug-in or Vulkan load, and that break them in another version.
CLASHING = re.compile(r"lib(stdc\+\+|gcc_s|vulkan|tensorflow\w*|protobuf|c\+\+|z)\.(so|dylib|\d)")
PATHS = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "DYLD_FRAMEWORK_PATH")
INSERTED = ("LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES")
PREFIXES = ("ANVIL_", "TF_", "KERAS_", "VK_", "LD_", "DYLD_", "CONDA_", "PYTHON")
NAMES = ("VIRTUAL_ENV", "CUDA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES")
ENOUGH_DISK = 200 << 20


def variables() -> dict[str, str]:
    return {n: v for n, v in sorted(os.environ.items()) if n in NAMES or n.startswith(PREFIXES)}


def python() -> Python:
    executable = shlex.quote(sys.executable)
    return Python(
        version=tuple(sys.version_info[:3]),
        implementation=platform.python_implementation(),
        executable=sys.executable,
        prefix=sys.prefix,
        bits=struct.calcsize("P") * 8,
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        pip=f"{executable} -m pip" if importlib.util.find_spec("pip") else "",
        conda=(Path(sys.prefix) / "conda-meta").is_dir(),
    )


def text_of(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def distribution() -> str:
    rows = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', text_of("/etc/os-release"), re.M))
    names = [rows.get("ID", ""), *rows.get("ID_LIKE", "").split()]
    known = ("debian", "ubuntu", "fedora", "rhel", "arch", "suse", "alpine")
    return next((name for name in names if name in known), names[0])


def sysctl(name: str) -> str:
    if not shutil.which("sysctl"):
        return ""
    status, out, _ = processes.run(["sysctl", "-n", name], 10)
    return out.strip() if status == 0 else ""


def linux_memory() -> tuple[int, int, str]:
    rows = {name: int(kib) << 10 for name, kib in re.findall(r"^(\w+):\s+(\d+) kB", text_of("/proc/meminfo"), re.M)}
    total, free, limit = rows.get("MemTotal", 0), rows.get("MemAvailable", 0), ""
    # A container sees its own group at the root; elsewhere the group's path is below it.
    group = text_of("/proc/self/cgroup").rpartition("::")[2].strip()
    for file in (f"/sys/fs/cgroup{group}/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        most = text_of(file).strip()
        if most.isdigit() and 0 < int(most) < total:
            total, limit = int(most), "the limit of this container or group of processes"
    return total, min(free, total), limit


def memory() -> tuple[int, int, str]:
    """(bytes that programs may use, bytes free, what sets the limit where not the machine does)"""
    total, free, limit = linux_memory()
    if not total:
        total = int(sysctl("hw.memsize") or 0)
    try:
        import resource

        most = resource.getrlimit(resource.RLIMIT_AS)[0]
    except ImportError:
        return total, free, limit
    if most != resource.RLIM_INFINITY and most < (total or most + 1):
        return most, min(free, most), "the limit on address space (ulimit -v)"
    return total, free, limit


def display_makers() -> tuple[str, ...]:
    makers = []
    for device in sorted(Path("/sys/bus/pci/devices").glob("*")):
        if text_of(f"{device}/class").startswith("0x03"):
            vendor = text_of(f"{device}/vendor").strip()
            makers.append(MAKERS.get(vendor, vendor))
    return tuple(m for m in makers if m in MAKERS.values())  # others are consoles of servers and virtual machines


def closed_devices() -> tuple[str, ...]:
    files = [*Path("/dev/dri").glob("renderD*"), *Path("/dev").glob("nvidia[0-9]*")]
    return tuple(str(file) for file in sorted(files) if not os.access(file, os.R_OK | os.W_OK))


def machine() -> Machine:
    system = platform.system()
    flags = re.search(r"^flags\s*:(.*)$", text_of("/proc/cpuinfo"), re.M)
    total, free, limit = memory()
    macos = platform.mac_ver()[0]
    return Machine(
        system=system,
        processor=platform.machine(),
        distribution=distribution() if system == "Linux" else "",
        macos=tuple(int(n) for n in macos.split(".") if n.isdigit()),
        apple_silicon=system == "Darwin" and (platform.machine() == "arm64" or sysctl("hw.optional.arm64") == "1"),
        libc=" ".join(platform.libc_ver()).strip() or ("musl" if ctypes.util.find_library("c.musl") else ""),
        avx=("yes" if " avx " in f"{flags[1]} " else "no") if flags else "",
        memory=total,
        memory_free=free,
        memory_limit=limit,
        gpus=display_makers(),
        closed_gpus=closed_devices(),
    )


def library_clashes() -> tuple[str, ...]:
    """Libraries that variables put before those that a program would load, a sentence each."""
    found = []
    for name in PATHS:
        for folder in filter(None, os.environ.get(name, "").split(":")):
            libraries = sorted({f for f in os.listdir(folder) if CLASHING.match(f)}) if os.path.isdir(folder) else []
            if libraries:
                found.append(f"{name}: {folder} has {', '.join(libraries[:4])}")
    inserted = [f"{name} is {os.environ[name]}" for name in INSERTED if os.environ.get(name)]
    return (*found, *inserted)


def cache() -> tuple[str, str]:
    """The folder for caches, and why nothing can be kept there."""
    shims = shim.cache_folder()
    if shims is None:
        return "", "neither HOME nor ANVIL_CACHE_DIR is set"
    folder = shims.parent
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        return str(folder), f"{there} is a file, not a folder"
    if not os.access(there, os.W_OK | os.X_OK):
        return str(folder), f"{there} may not be written by this user"
    free = shutil.disk_usage(there).free
    if free < ENOUGH_DISK:
        return str(folder), f"the disk of {there} has {free >> 20} MiB left"
    return str(folder), ""
