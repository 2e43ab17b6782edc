"""What can be amiss with the machine, its Python, and the variables that programs are started with."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from tensorflow_anvil.doctor import support
from tensorflow_anvil.doctor.facts import Facts
from tensorflow_anvil.doctor.finding import Finding, error, warning

CLEAN = "tf-anvil doctor --fix"  # makes a new environment; the pages say what it does


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def size(n: int) -> str:
    return f"{n / 2**30:.1f} GiB" if n >= 2**30 else f"{n / 2**20:.0f} MiB"


def python_version(facts: Facts) -> Iterator[Finding]:
    python = facts.python
    (oldest, newest), seen = support.PYTHONS, []
    if python.version and not oldest <= python.version[:2] <= newest:
        seen.append(
            f"it is Python {dotted(python.version)}; TensorFlow has packages for {dotted(oldest)} to {dotted(newest)}"
        )
    if python.implementation not in ("", "CPython"):
        seen.append(f"it is {python.implementation}; TensorFlow has packages for CPython only")
    if python.free_threaded:
        seen.append("it is a free-threaded build, for which TensorFlow has no packages")
    if python.bits != 64:
        seen.append(f"it is a {python.bits}-bit build; TensorFlow needs 64")
    if seen:
        wanted = f"python{dotted(newest)}"
        yield error("python-version", f"{python.executable}", *seen, fix=f"{CLEAN} --python {wanted}")


def rosetta_python(facts: Facts) -> Iterator[Finding]:
    machine = facts.machine
    if machine.system == "Darwin" and machine.apple_silicon and machine.processor == "x86_64":
        yield error(
            "rosetta-python",
            f"{facts.python.executable} is built for x86_64 and runs through Rosetta; TensorFlow cannot reach the GPU",
            fix="brew install python@3.12\n" + f"{CLEAN} --python /opt/homebrew/bin/python3.12",
        )


def unsupported_machine(facts: Facts) -> Iterator[Finding]:
    machine = facts.machine
    if machine.system == "Darwin" and not machine.apple_silicon:
        yield error("unsupported-machine", "this is a Mac with an Intel processor; Apple Silicon is needed")
    elif machine.system == "Darwin" and not facts.anvil.plugin:
        yield error("unsupported-machine", f"TensorFlow Anvil {facts.anvil.version} has no plug-in for macOS")
    elif machine.system not in ("", "Linux", "Darwin"):
        yield error("unsupported-machine", f"this is {machine.system}; Linux is needed (on Windows: WSL 2)")
    if machine.system == "Linux":
        if machine.processor not in ("", "x86_64"):
            yield error("unsupported-machine", f"the processor is {machine.processor}; the plug-in is built for x86_64")
        if machine.libc and not machine.libc.startswith("glibc"):
            yield error("unsupported-machine", f"the C library is {machine.libc}; TensorFlow's packages need glibc")
        elif machine.libc and tuple(map(int, machine.libc.split()[1].split(".")[:2])) < support.GLIBC:
            yield error("unsupported-machine", f"the C library is {machine.libc}; {dotted(support.GLIBC)} is needed")
        if machine.processor == "x86_64" and machine.avx == "no":
            yield error("unsupported-machine", "the processor has no AVX, which TensorFlow's packages are built for")


def old_macos(facts: Facts) -> Iterator[Finding]:
    if facts.machine.macos and facts.machine.macos < support.MACOS:
        yield error(
            "old-macos",
            f"it is macOS {dotted(facts.machine.macos)}; {dotted(support.MACOS)} is needed",
            fix="softwareupdate --list",
        )


def wrong_environment(facts: Facts) -> Iterator[Finding]:
    prefix = facts.python.prefix
    name = "VIRTUAL_ENV" if facts.variables.get("VIRTUAL_ENV") else "CONDA_PREFIX"
    active = facts.variables.get(name, "")
    if active and prefix and active.rstrip("/") != prefix.rstrip("/"):
        yield warning(
            "wrong-environment",
            f"{name} is {active}",
            f"this command, and so all that is said here, belongs to {prefix}",
            fix=f"{shlex.quote(active + '/bin/python')} -m pip install tensorflow-anvil\n"
            f"{shlex.quote(active + '/bin/python')} -m tensorflow_anvil.cli doctor",
        )


def little_memory(facts: Facts) -> Iterator[Finding]:
    machine, seen = facts.machine, []
    if 0 < machine.memory < support.MEMORY:
        by = f" ({machine.memory_limit})" if machine.memory_limit else ""
        seen.append(f"programs may use {size(machine.memory)}{by}; {size(support.MEMORY)} is the least to work with")
    elif 0 < machine.memory_free < support.MEMORY_FREE:
        seen.append(f"{size(machine.memory_free)} of {size(machine.memory)} are free; TensorFlow takes about 1 GiB")
    if facts.anvil.devices and 0 < facts.anvil.device_memory < support.DEVICE_MEMORY:
        seen.append(f"the largest GPU offers {size(facts.anvil.device_memory)}")
    if seen:
        yield warning(
            "little-memory", *seen, fix="ps aux --sort=-rss | head" if machine.system == "Linux" else "top -o mem"
        )


def library_path(facts: Facts) -> Iterator[Finding]:
    if facts.library_clashes:
        names = " ".join(dict.fromkeys(text.split()[0].rstrip(":") for text in facts.library_clashes))
        yield warning("library-path", *facts.library_clashes, fix=f"unset {names}")


def python_path(facts: Facts) -> Iterator[Finding]:
    seen = [f"PYTHONPATH: {text}" for text in facts.path_packages]
    names = ["PYTHONPATH"] if seen else []
    if facts.variables.get("PYTHONHOME"):
        seen.append(f"PYTHONHOME is {facts.variables['PYTHONHOME']}")
        names.append("PYTHONHOME")
    if seen:
        yield warning("python-path", *seen, fix=f"unset {' '.join(names)}")


def cache_unwritable(facts: Facts) -> Iterator[Finding]:
    if facts.cache_problem:
        yield warning(
            "cache-unwritable",
            f"{facts.cache + ': ' if facts.cache else ''}{facts.cache_problem}",
            "so the GPU driver compiles every kernel anew in each run",
            fix='export ANVIL_CACHE_DIR="${TMPDIR:-/tmp}/anvil-$(id -u)"',
        )


RULES = (
    python_version,
    rosetta_python,
    unsupported_machine,
    old_macos,
    wrong_environment,
    little_memory,
    library_path,
    python_path,
    cache_unwritable,
)
