"""What can be amiss with TensorFlow Anvil, Vulkan and the GPU."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tensorflow_anvil.doctor import support
from tensorflow_anvil.doctor.facts import Facts
from tensorflow_anvil.doctor.finding import Finding, error, warning
from tensorflow_anvil.doctor.rules_packages import NIGHTLY, minor, pip, wholes

INSTALL = {
    "debian": "sudo apt-get install -y",
    "ubuntu": "sudo apt-get install -y",
    "fedora": "sudo dnf install -y",
    "rhel": "sudo dnf install -y",
    "arch": "sudo pacman -S --noconfirm",
    "suse": "sudo zypper install -y",
}
LOADERS = {"fedora": "vulkan-loader", "rhel": "vulkan-loader", "arch": "vulkan-icd-loader", "suse": "libvulkan1"}
DRIVERS = {
    "fedora": "mesa-vulkan-drivers",
    "rhel": "mesa-vulkan-drivers",
    "arch": "vulkan-radeon vulkan-intel",
    "suse": "libvulkan_radeon libvulkan_intel",
}
CHOOSERS = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_LOADER_DRIVERS_SELECT", "VK_LOADER_DRIVERS_DISABLE")


def install(facts: Facts, names: dict[str, str], otherwise: str) -> str:
    distribution = facts.machine.distribution
    return f"{INSTALL.get(distribution, INSTALL['debian'])} {names.get(distribution, otherwise)}"


def software_is_wanted(facts: Facts) -> bool:
    return facts.variables.get("ANVIL_SOFTWARE_DEVICE", "") in ("1", "true", "on", "yes")


def anvil_damaged(facts: Facts) -> Iterator[Finding]:
    anvil = facts.anvil
    again = pip(facts, "install --force-reinstall --no-deps tensorflow-anvil")
    if not anvil.plugin:
        if facts.machine.system in ("", "Linux"):
            yield error("anvil-damaged", "libtensorflow_anvil.so is not beside the package", fix=again)
    elif not anvil.pack and not facts.variables.get("ANVIL_KERNEL_PACK"):
        yield error("anvil-damaged", f"there is no kernels.pack beside {anvil.plugin}", fix=again)
    elif anvil.problem:
        yield error("anvil-damaged", anvil.problem, fix=again)


def missing_shim(facts: Facts) -> Iterator[Finding]:
    for package in wholes(facts)[:1]:
        version = minor(package.version)
        if package.name in NIGHTLY or version < support.TENSORFLOWS[0] or not facts.anvil.plugin:
            return
        wanted = "libanvil_shim_{}_{}.so".format(*version)
        chosen = facts.variables.get("ANVIL_SHIM")
        if chosen or any(path.endswith("/" + wanted) for path in facts.anvil.shims):
            return
        make = warning if version <= support.EXPORTING else error
        yield make(
            "missing-shim",
            f"TensorFlow is {package.version}; there is no {wanted}",
            f"tested are {'.'.join(map(str, support.TENSORFLOWS[0]))} to {'.'.join(map(str, support.TENSORFLOWS[1]))}",
            fix="tf-anvil build-shim",
        )


def vulkan(facts: Facts) -> Iterator[Finding]:
    """no-vulkan-loader, no-vulkan-driver, gpu-permission, software-gpu-only."""
    if not facts.vulkan.asked:
        return
    hardware = (
        f"the machine has a GPU of {' and '.join(dict.fromkeys(facts.machine.gpus))}" if facts.machine.gpus else ""
    )
    real = [device for device in facts.vulkan.devices if device.kind != "cpu"]
    if not facts.vulkan.loader:
        fix = install(facts, LOADERS, "libvulkan1")
        yield error("no-vulkan-loader", "libvulkan.so.1 cannot be loaded", *filter(None, [hardware]), fix=fix)
        return
    if real:
        return
    if facts.machine.closed_gpus:
        files = ", ".join(facts.machine.closed_gpus)
        fix = 'sudo usermod -aG render,video "$USER"\nnewgrp render'
        yield error("gpu-permission", f"this user may not open {files}", fix=fix)
        return
    driver = install(facts, DRIVERS, "mesa-vulkan-drivers")
    if "NVIDIA" in facts.machine.gpus:
        driver = "nvidia-smi"  # its driver comes from its maker; what to look for is on the page
    names = [name for name in CHOOSERS if facts.variables.get(name)]
    seen = [f"{name} is {facts.variables[name]}" for name in names]
    fix = f"unset {' '.join(names)}" if names else driver
    if not facts.vulkan.devices:
        problem = facts.vulkan.problem or "Vulkan knows no device"
        yield error("no-vulkan-driver", problem, *filter(None, [hardware]), *seen, fix=fix)
    elif hardware:
        software = ", ".join(device.name for device in facts.vulkan.devices)
        yield error("no-vulkan-driver", f"{hardware}, and Vulkan knows only {software}", *seen, fix=fix)
    elif not software_is_wanted(facts):
        software = ", ".join(device.name for device in facts.vulkan.devices)
        yield warning(
            "software-gpu-only",
            f"Vulkan knows only {software}, which is slower than TensorFlow's own CPU kernels and so not offered",
            *seen,
            fix=f"unset {' '.join(names)}" if names else "export ANVIL_SOFTWARE_DEVICE=1",
        )


def no_device(facts: Facts) -> Iterator[Finding]:
    if facts.anvil.loaded and not facts.anvil.devices:
        names = [name for name in ("ANVIL_DEVICE", "ANVIL_KERNEL_PACK", "ANVIL_SHIM") if facts.variables.get(name)]
        fix = f"unset {' '.join(names)}" if names else "ANVIL_LOG=all tf-anvil devices"
        yield error("no-device", re.sub(r"\s+", " ", facts.anvil.reason) or "the plug-in gives no reason", fix=fix)
    elif facts.anvil.devices and facts.start.tried and not facts.start.problem and not facts.start.gpus:
        seen = f"the plug-in offers {', '.join(facts.anvil.devices)}, and TensorFlow lists no GPU"
        where = f"TensorFlow is in {facts.tensorflow.folder}, the plug-in is {facts.anvil.plugin}"
        yield error("no-device", seen, where, fix='ANVIL_LOG=all python -c "import tensorflow"')


RULES = (anvil_damaged, missing_shim, vulkan, no_device)
