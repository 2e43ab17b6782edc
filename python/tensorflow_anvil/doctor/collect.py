"""Collects the facts.  TensorFlow is never imported here: what needs it, and what may crash, runs in its own process."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import tensorflow_anvil
from tensorflow_anvil import _native, shim
from tensorflow_anvil.doctor import index, machine, packages, processes
from tensorflow_anvil.doctor.facts import Anvil, Facts, Index, Machine, Python, Start, TensorFlow, Vulkan, VulkanDevice

HERE = Path(__file__).resolve().parent
PLUGIN_SECONDS = 60
VULKAN_SECONDS = 30
T = TypeVar("T")


def start(seconds: float) -> Start:
    answer = processes.ask(HERE / "probe_tensorflow.py", seconds, TF_CPP_MIN_LOG_LEVEL="2")
    if answer.value is None:
        return Start(tried=True, problem=answer.problem, details=answer.lines)
    return Start(tried=True, gpus=answer.value["gpus"])


def anvil() -> Anvil:
    plugin = _native.installed_path() or ""
    folders = [shim.PACKAGE / "shims", shim.cache_folder()]
    if plugin:
        beside = Path(plugin).resolve().parents[1]
        folders += [beside / "tensorflow_anvil" / "shims", beside / "shims"]  # installed, or in a build folder
    shims = [str(file) for folder in dict.fromkeys(filter(None, folders)) for file in folder.glob("libanvil_shim_*.so")]
    known = Anvil(
        version=tensorflow_anvil.__version__,
        plugin=plugin,
        pack=bool(plugin) and (Path(plugin).parent / "kernels.pack").is_file(),
        shims=tuple(shims),
    )
    answer = processes.ask(HERE / "probe_plugin.py", PLUGIN_SECONDS, TF_CPP_MIN_LOG_LEVEL="2")
    if answer.value is None:
        return dataclasses.replace(known, problem=f"asking the plug-in failed: {answer.problem}")
    said = answer.value
    return dataclasses.replace(
        known,
        devices=tuple(said["devices"]),
        device_memory=said["memory"],
        reason=said["reason"],
        loaded=said["loaded"],
        problem=said["problem"],
    )


def vulkan() -> Vulkan:
    answer = processes.ask(HERE / "probe_vulkan.py", VULKAN_SECONDS)
    if answer.value is None:
        return Vulkan(asked=True, loader="libvulkan.so.1", problem=f"asking for the devices failed: {answer.problem}")
    return Vulkan(
        asked=True,
        loader=answer.value["loader"],
        problem=answer.value["problem"],
        devices=tuple(VulkanDevice(**device) for device in answer.value["devices"]),
    )


def collect(online: bool = False, start_seconds: float = 120, tell: Callable[[str], None] = lambda what: None) -> Facts:
    """All facts of this machine and environment.  0 `start_seconds`: TensorFlow is not started.  Raises nothing.

    What is being done is told to `tell`.
    """
    failed: list[str] = []

    def attempt(what: str, function: Callable[[], T], otherwise: T) -> T:
        tell(what)
        try:
            return function()
        except Exception as problem:
            # A doctor that fails on the environment it is to look at is of no use: what is left is still looked at.
            failed.append(f"{what}: {type(problem).__name__}: {problem}")
            return otherwise

    python = attempt("looking at Python", machine.python, Python())
    here = attempt("looking at the machine", machine.machine, Machine())
    no_anvil = Anvil(version=tensorflow_anvil.__version__)
    slow: list[tuple[str, str, Callable[[], Any], Any]] = [("anvil", "asking the plug-in", anvil, no_anvil)]
    if here.system == "Linux":
        slow.append(("vulkan", "asking Vulkan", vulkan, Vulkan()))
    if online:
        slow.append(("index", "asking the package index", lambda: index.ask(python, here), Index()))
    if start_seconds:
        slow.append(("start", "importing TensorFlow", lambda: start(start_seconds), Start()))
    folders = packages.search_path()
    with ThreadPoolExecutor(len(slow)) as pool:
        waiting = {name: pool.submit(attempt, *rest) for name, *rest in slow}
        try:
            cache, cache_problem = attempt("looking for the cache", machine.cache, ("", ""))
            quick: dict[str, Any] = {
                "library_clashes": attempt("looking for libraries", machine.library_clashes, ()),
                "path_packages": attempt("looking at PYTHONPATH", packages.path_packages, ()),
                "packages": attempt("reading what is installed", lambda: packages.installed(folders), ()),
                "conda_packages": attempt("looking for conda", packages.conda_packages, {}),
                "plugins": attempt("looking for plug-ins", lambda: packages.plugins(folders), {}),
                "keras_backend": attempt("reading Keras' settings", packages.keras_backend, ""),
                "tensorflow": attempt("looking for TensorFlow", lambda: packages.tensorflow(folders), TensorFlow()),
            }
            tell("importing TensorFlow" if start_seconds else "asking the GPU's driver")
            answers = {name: future.result() for name, future in waiting.items()}
        except BaseException:
            processes.stop()  # or the pool would wait for them
            raise
    return Facts(
        python=python,
        machine=here,
        variables=machine.variables(),
        cache=cache,
        cache_problem=cache_problem,
        failed_checks=tuple(failed),
        **quick,
        **answers,
    )
