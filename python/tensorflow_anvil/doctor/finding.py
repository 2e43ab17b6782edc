"""What the doctor can find: every finding has an id, and every id a title here and a page in docs/doctor."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Severity(str, enum.Enum):
    """How bad a finding is.  Errors keep TensorFlow or the GPU from working, warnings make it slow or fragile."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


TITLES = {
    # The machine and its Python
    "python-version": "TensorFlow has no packages for this Python",
    "rosetta-python": "This Python is for Intel Macs, on a Mac with Apple Silicon",
    "unsupported-machine": "TensorFlow Anvil does not run on this kind of machine",
    "old-macos": "This macOS is too old",
    "wrong-environment": "The active environment is not the one that this command belongs to",
    "little-memory": "There is little memory",
    "library-path": "Variables make programs load other libraries than their own",
    "python-path": "PYTHONPATH or PYTHONHOME puts other packages in front of the installed ones",
    "cache-unwritable": "The folder for caches cannot be written",
    # Packages
    "tensorflow-missing": "TensorFlow is not installed",
    "tensorflow-import": "TensorFlow cannot be imported",
    "tensorflow-damaged": "Files of TensorFlow are missing",
    "tensorflow-shadowed": "A file of yours hides an installed package",
    "tensorflow-unsupported": "This TensorFlow is too old",
    "tensorflow-macos": "The package tensorflow-macos is installed, which is not kept up any more",
    "tensorflow-metal": "The plug-in tensorflow-metal is installed beside TensorFlow Anvil",
    "other-plugin": "Another plug-in for TensorFlow is installed",
    "tensorflow-cuda": "This TensorFlow has GPU support of its own",
    "several-tensorflows": "Several TensorFlow packages are installed over one another",
    "keras-mixed": "The installed Keras packages do not fit together",
    "keras-backend": "Keras does not compute with TensorFlow",
    "conda-pip-mixed": "Packages from conda and from pip are mixed",
    "protobuf-conflict": "This protobuf does not fit TensorFlow",
    "numpy-conflict": "This NumPy does not fit TensorFlow",
    "package-conflict": "A package does not fit another",
    "package-missing": "A package that another one needs is missing",
    "package-twice": "A package is installed twice",
    # TensorFlow Anvil and the GPU
    "anvil-damaged": "The plug-in of TensorFlow Anvil is missing or cannot be loaded",
    "missing-shim": "There is no compat shim for this TensorFlow",
    "no-vulkan-loader": "Vulkan is not installed",
    "no-vulkan-driver": "The GPU has no Vulkan driver",
    "gpu-permission": "The GPU may not be used by this user",
    "software-gpu-only": "The only GPU is a software one",
    "no-device": "TensorFlow gets no GPU",
    # Asked with --online
    "newer-tensorflow": "A newer TensorFlow is available",
    "newer-anvil": "A newer TensorFlow Anvil is available",
    "index-unreachable": "The package index could not be asked",
    # The doctor itself
    "check-failed": "A check could not be made",
}


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is amiss.

    `evidence` is what was seen, a sentence each; `fix` is a command to paste into a shell (lines of it), or "" where
    no command can help; `id` names the page docs/doctor/<id>.md.
    """

    id: str
    severity: Severity
    evidence: tuple[str, ...]
    fix: str = ""

    def __post_init__(self):
        if self.id not in TITLES:
            raise ValueError(f"{self.id} is no finding")

    @property
    def title(self) -> str:
        return TITLES[self.id]

    @property
    def page(self) -> str:
        """The page that explains the finding: a path, in the installed package or in a checkout."""
        return str(page_folder() / f"{self.id}.md")

    def to_json(self) -> dict:
        return {
            "id": self.id,
            "severity": self.severity.value,
            "title": self.title,
            "evidence": list(self.evidence),
            "fix": self.fix,
            "page": self.page,
        }


def error(name: str, *evidence: str, fix: str = "") -> Finding:
    return Finding(name, Severity.ERROR, evidence, fix)


def warning(name: str, *evidence: str, fix: str = "") -> Finding:
    return Finding(name, Severity.WARNING, evidence, fix)


def note(name: str, *evidence: str, fix: str = "") -> Finding:
    return Finding(name, Severity.NOTE, evidence, fix)


def page_folder() -> Path:
    """Where the pages lie: in the wheel beside this file, in a checkout in docs/doctor."""
    shipped = HERE / "pages"
    return shipped if shipped.is_dir() else HERE.parents[2] / "docs" / "doctor"
