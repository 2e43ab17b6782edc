"""Collects facts about installed packages from their metadata.  Nothing is imported."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.metadata
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from tensorflow_anvil.doctor.facts import Package, TensorFlow

# The packages that bring a folder `tensorflow`.
TENSORFLOWS = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-gpu",
    "tensorflow-intel",
    "tensorflow-macos",
    "tensorflow-rocm",
    "tensorflow-cpu-aws",
    "tf-nightly",
    "tf-nightly-cpu",
    "intel-tensorflow",
)
KERASES = ("keras", "keras-nightly", "tf-keras", "tf-keras-nightly")
ROOTS = (*TENSORFLOWS, *KERASES, "tensorflow-anvil")  # what these need is looked at
HIDEABLE = ("tensorflow", "keras", "tf_keras", "numpy", "h5py", "google")
OURS = "libtensorflow_anvil"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def from_packaging(module: str, name: str) -> Any:
    """A class of the package `packaging` or of pip's copy of it; None where there is neither."""
    for package in ("packaging", "pip._vendor.packaging"):
        with contextlib.suppress(ImportError):
            return getattr(importlib.import_module(f"{package}.{module}"), name)
    return None


def requirement_class() -> Any:
    """The parser of requirements, or None."""
    return from_packaging("requirements", "Requirement")


def is_version(text: str) -> bool:
    """Whether pip takes it for a version."""
    try:
        return bool(from_packaging("version", "Version")(text))
    except ValueError:
        return False


def search_path() -> list[str]:
    """Where Python looks for installed packages: its path without the working folder."""
    here = os.getcwd()
    return list(dict.fromkeys(os.path.abspath(p) for p in sys.path if p and os.path.abspath(p) != here))


def applying(requirements: list[str] | None) -> tuple[str, ...]:
    """The requirements that hold on this machine, without their markers."""
    parser = requirement_class()
    found = []
    for text in requirements or ():
        if parser is None:
            if ";" not in text:
                found.append(text)
            continue
        try:
            parsed = parser(text)
        except ValueError:
            continue
        if parsed.marker is None or parsed.marker.evaluate({"extra": ""}):
            found.append(f"{normal(parsed.name)}{parsed.specifier}")
    return tuple(found)


def missing_files(distribution: importlib.metadata.Distribution) -> tuple[str, ...]:
    """Libraries and package starts that the list of files names and that are gone, the first few of them."""
    missing = []
    for line in (distribution.read_text("RECORD") or "").splitlines():
        name = line.split(",", 1)[0].strip('"')
        wanted = name.endswith(("/__init__.py", ".dylib", ".so", ".pack")) or ".so." in name
        if wanted and not os.path.exists(distribution.locate_file(name)):
            missing.append(name)
            if len(missing) == 5:
                break
    return tuple(missing)


def installed(folders: list[str]) -> tuple[Package, ...]:
    """In the order in which Python finds them: the first of a name is the one that counts."""
    read = []
    for distribution in importlib.metadata.distributions(path=folders):
        metadata = distribution.metadata
        if metadata and metadata["Name"] and metadata["Version"]:  # what an interrupted pip leaves has none
            read.append((normal(metadata["Name"]), metadata["Version"], distribution))
    requires = {}
    first = {}
    for name, _, distribution in read:
        first.setdefault(name, distribution)
    queue = [name for name in ROOTS if name in first]
    while queue:
        name = queue.pop()
        if name in requires:
            continue
        requires[name] = applying(first[name].requires)
        needed = (normal(re.split(r"[^\w.-]", text, maxsplit=1)[0]) for text in requires[name])
        queue += [n for n in needed if n in first]
    rows = []
    for name, version, distribution in read:
        counts = distribution is first[name]
        rows.append(
            Package(
                name=name,
                version=version,
                folder=os.path.abspath(str(distribution.locate_file(""))),
                installer=(distribution.read_text("INSTALLER") or "").strip(),
                requires=requires.get(name, ()) if counts else (),
                missing=missing_files(distribution) if counts and name in ROOTS else (),
            )
        )
    return tuple(rows)


def conda_packages() -> dict[str, str]:
    rows = {}
    for file in sorted((Path(sys.prefix) / "conda-meta").glob("*.json")):
        name, version, _ = file.stem.rsplit("-", 2) if file.stem.count("-") >= 2 else ("", "", "")
        if name:
            rows[normal(name)] = version
    return rows


def owner(file: Path, folder: str) -> str:
    """The package that installed a file; "" where none says so."""
    for distribution in importlib.metadata.distributions(path=[folder]):
        if f"{file.parent.name}/{file.name}" in (distribution.read_text("RECORD") or ""):
            return normal(distribution.metadata["Name"])
    return ""


def plugins(folders: list[str]) -> dict[str, str]:
    """What TensorFlow would load as plug-ins, with the package that each belongs to."""
    rows = {}
    for folder in folders:
        for file in sorted((Path(folder) / "tensorflow-plugins").glob("*")):
            if file.suffix in (".so", ".dylib"):
                rows[str(file)] = "tensorflow-anvil" if file.stem == OURS else owner(file, folder)
    return rows


def tensorflow(folders: list[str]) -> TensorFlow:
    spec = importlib.machinery.PathFinder.find_spec("tensorflow", folders)
    places = list(spec.submodule_search_locations or ()) if spec else []
    build = ""
    if places:
        info = Path(places[0]) / "python" / "platform" / "build_info.py"
        text = info.read_text(errors="replace") if info.is_file() else ""
        build = next((k for k in ("CUDA", "ROCm") if re.search(rf"is_{k.lower()}_build'[,:]\s*True", text)), "")
    return TensorFlow(folder=places[0] if places else "", gpu_build=build, shadows=shadows(folders))


def shadows(folders: list[str]) -> tuple[str, ...]:
    """Files in the working folder that a program started there would import instead of what is installed."""
    here = Path.cwd()
    found = []
    for name in HIDEABLE:
        if importlib.machinery.PathFinder.find_spec(name, folders) is None:
            continue
        files = (here / f"{name}.py", here / name / "__init__.py")
        found += [str(file) for file in files if file.is_file() and str(here) not in folders]
    return tuple(found)


def path_packages() -> tuple[str, ...]:
    """What the folders in PYTHONPATH put in front of installed packages."""
    own = [f for f in search_path() if f.endswith(("site-packages", "dist-packages"))]
    found = []
    for folder in filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)):
        for name in HIDEABLE:
            there = importlib.machinery.PathFinder.find_spec(name, [folder])
            if there and importlib.machinery.PathFinder.find_spec(name, [f for f in own if f != folder]):
                found.append(f"{folder} has {name}")
    return tuple(found)


def keras_backend() -> str:
    """What Keras' own file of settings says; "" where it says nothing."""
    home = os.environ.get("KERAS_HOME") or os.path.join(os.path.expanduser("~"), ".keras")
    try:
        settings = json.loads((Path(home) / "keras.json").read_text())
    except (OSError, ValueError):
        return ""
    return str(settings.get("backend", "")) if isinstance(settings, dict) else ""
