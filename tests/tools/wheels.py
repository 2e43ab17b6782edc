"""Makes wheels and environments for tests, without a package index."""

import base64
import csv
import hashlib
import importlib.metadata
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pip
import tensorflow_anvil
from tensorflow_anvil import _native, shim

PACKAGE = Path(tensorflow_anvil.__file__).parent


def write_wheel(folder: Path, name: str, version: str, files: dict[str, str | bytes], requires=()) -> Path:
    """A wheel of these files; with the metadata that pip wants."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    everything = {
        **files,
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    path = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for place, content in everything.items():
            content = content.encode() if isinstance(content, str) else content
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append((place, f"sha256={digest}", len(content)))
            archive.writestr(place, content)
        record = io.StringIO()
        csv.writer(record, lineterminator="\n").writerows([*rows, (f"{info}/RECORD", "", "")])
        archive.writestr(f"{info}/RECORD", record.getvalue())
    return path


def anvil_wheel(folder: Path) -> Path:
    """This tree's tensorflow-anvil with the plug-in that is being tested, and the shims that go with it."""
    plugin = Path(_native.installed_path())
    files = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        files[file.relative_to(PACKAGE.parent).as_posix()] = file.read_bytes()
    for file in sorted((PACKAGE.parents[1] / "docs" / "doctor").glob("*.md")):
        files[f"tensorflow_anvil/doctor/pages/{file.name}"] = file.read_bytes()
    for file in sorted((PACKAGE / "doctor" / "pages").glob("*.md")):
        files[f"tensorflow_anvil/doctor/pages/{file.name}"] = file.read_bytes()
    for name in (_native.LIBRARY, "kernels.pack"):
        files[f"tensorflow-plugins/{name}"] = (plugin.parent / name).read_bytes()
    for beside in (
        plugin.parents[1] / "tensorflow_anvil" / "shims",
        plugin.parents[1] / "shims",
        shim.PACKAGE / "shims",
    ):
        for file in sorted(beside.glob("*.so")):
            files[f"tensorflow_anvil/shims/{file.name}"] = file.read_bytes()
    entry = "[console_scripts]\ntf-anvil = tensorflow_anvil.cli:main\n"
    version = tensorflow_anvil.__version__
    files[f"tensorflow_anvil-{version}.dist-info/entry_points.txt"] = entry
    return write_wheel(folder, "tensorflow-anvil", version, files, ["rich>=13", "packaging>=21"])


def installed_wheel(folder: Path, name: str) -> Path:
    """A wheel of a package of pure Python, made from where it is installed."""
    found = importlib.metadata.distribution(name)
    kept = [f for f in found.files if f.suffix == ".py" or f.name == "py.typed"]
    files = {f.as_posix(): Path(found.locate_file(f)).read_bytes() for f in kept if ".." not in f.parts}
    return write_wheel(folder, name, found.version, files)


class Environment:
    """A virtual environment of its own."""

    def __init__(self, folder: Path, python: str = sys.executable):
        self.folder = folder
        self.python = folder / "bin" / "python"
        run(python, "-m", "venv", "--without-pip", folder)
        (self.site,) = (folder / "lib").glob("python*/site-packages")

    def pip(self, *arguments: str | Path) -> None:
        """The tests' own pip, at work on this environment, as `pip --python` does it in two processes."""
        runner = Path(pip.__file__).with_name("__pip-runner__.py")
        run(self.python, runner, "--disable-pip-version-check", *arguments)

    def install(self, *wheels: Path, options: tuple[str, ...] = ()) -> None:
        self.pip("install", "--quiet", "--no-index", "--no-deps", "--no-compile", *options, *wheels)


def clean_environment(**changes: str) -> dict[str, str]:
    """The variables of this process without those that a doctor would have something to say about."""
    prefixes = ("PYTHON", "LD_", "DYLD_", "VK_", "ANVIL_", "TF_", "KERAS_", "CONDA_", "PIP_")
    kept = {n: v for n, v in os.environ.items() if not n.startswith(prefixes) and n != "VIRTUAL_ENV"}
    return {**kept, **changes}


def run(*command: str | Path, **options) -> subprocess.CompletedProcess:
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=clean_environment(), **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
