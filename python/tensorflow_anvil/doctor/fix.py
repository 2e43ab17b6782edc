"""Makes a clean virtual environment with the latest supported TensorFlow and this Anvil.

The present environment is read, never written: a wheel of the installed tensorflow-anvil is made of its own files, and
all else is installed by the new environment's pip.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tensorflow_anvil.doctor import support
from tensorflow_anvil.doctor.facts import Machine

# What would lead the new environment's programs back into the present one.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "ANVIL_PLUGIN", "ANVIL_SHIM", "ANVIL_KERNEL_PACK")
# What would have its pip write somewhere else.
ELSEWHERE = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_PYTHON")
NOT_IN_WHEELS = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
ASK = "import json, platform, sys, sysconfig; print(json.dumps([sys.version_info[:2], platform.machine(), \
platform.python_implementation(), bool(sysconfig.get_config_var('Py_GIL_DISABLED')), sys.executable]))"


class FixError(RuntimeError):
    """The environment could not be made; the message says why and what to do."""


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in (*FOREIGN, *ELSEWHERE)}


def fits(python: str, machine: Machine) -> str:
    """Why this Python will not do; "" if it will."""
    found = shutil.which(python)
    if not found:
        return f"there is no {python}"
    try:
        done = subprocess.run([found, "-c", ASK], env=environment(), capture_output=True, text=True, timeout=30)
        version, processor, implementation, free_threaded, _ = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return f"{python} does not run"
    oldest, newest = support.PYTHONS
    if implementation != "CPython" or free_threaded or not oldest <= tuple(version) <= newest:
        kind = f"{implementation} {'.'.join(map(str, version))}{' (free-threaded)' if free_threaded else ''}"
        return f"{python} is {kind}; TensorFlow has packages for CPython {_dotted(oldest)} to {_dotted(newest)}"
    if machine.apple_silicon and processor != "arm64":
        return f"{python} is built for {processor}; this Mac needs one for arm64"
    return ""


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def choose_python(wish: str | None, machine: Machine) -> str:
    """`wish` if it will do, or without one the present Python or the newest that will."""
    if wish:
        problem = fits(wish, machine)
        if problem:
            raise FixError(problem)
        return wish
    oldest, newest = support.PYTHONS
    named = [f"python{newest[0]}.{minor}" for minor in range(newest[1], oldest[1] - 1, -1)]
    for candidate in (sys.executable, *named):
        if not fits(candidate, machine):
            return candidate
    raise FixError(
        f"no Python from {_dotted(oldest)} to {_dotted(newest)} was found; install one, or name it with --python"
    )


def check_place(path: Path) -> None:
    present = Path(sys.prefix).resolve()
    target = path.resolve()
    if target == present or present in target.parents:
        raise FixError(f"{path} lies in the present environment, which is left as it is; name another folder")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise FixError(f"{path} exists already; name another folder, or remove it first")


def repack(distribution: importlib.metadata.Distribution, folder: Path) -> Path:
    """A wheel of an installed package, made of its files."""
    info = distribution.read_text("WHEEL") or ""
    tags = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("Tag:")]
    if not tags or distribution.files is None:
        raise FixError("the installed tensorflow-anvil has no list of its files; install it again")
    name = distribution.metadata["Name"].replace("-", "_")
    wheel = folder / f"{name}-{distribution.version}-{tags[0]}.whl"
    record, rows = "", []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED) as archive:
        for file in distribution.files:
            in_info = ".dist-info" in file.parts[0]
            if in_info and file.name == "RECORD":
                record = file.as_posix()
            if ".." in file.parts or "__pycache__" in file.parts or (in_info and file.name in NOT_IN_WHEELS):
                continue
            try:
                content = Path(str(distribution.locate_file(file))).read_bytes()
            except OSError as problem:
                raise FixError(f"the installed tensorflow-anvil is damaged: {problem}") from problem
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            rows.append((file.as_posix(), f"sha256={digest}", len(content)))
            archive.writestr(file.as_posix(), content)
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
        archive.writestr(record, text.getvalue())
    return wheel


def this_anvil(folder: Path) -> Path:
    """What pip is to install as tensorflow-anvil: a wheel made in `folder`, or the checkout that is running."""
    here = Path(__file__).resolve()
    try:
        distribution = importlib.metadata.distribution("tensorflow-anvil")
        if Path(str(distribution.locate_file(""))).resolve() == here.parents[2]:
            return repack(distribution, folder)
    except importlib.metadata.PackageNotFoundError:
        pass
    checkout = here.parents[3]
    if (checkout / "pyproject.toml").is_file():
        return checkout
    raise FixError("cannot tell where this tensorflow-anvil comes from; install it with pip, then try again")


def step(command: list[str], tell: Callable[..., None], what: str) -> None:
    """Runs a command; each line that it writes is told.  FixError with the last of them if it fails."""
    tell(what)
    last: list[str] = []
    with subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                if line.strip():
                    last = [*last[-14:], line.rstrip()]
                    tell(what, line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise FixError(f"{what} failed:\n" + "\n".join(f"  {line}" for line in last))


def make_environment(path: Path, python: str | None, machine: Machine, tell: Callable[..., None]) -> dict:
    """Makes the environment and has its own doctor look at it: {"environment", "python", "installed", "report"}.

    Raises FixError, and then leaves nothing behind.
    """
    check_place(path)
    chosen = choose_python(python, machine)
    own = path / "bin" / "python"
    try:
        with tempfile.TemporaryDirectory() as folder:
            tell("taking this TensorFlow Anvil")
            anvil = this_anvil(Path(folder))
            step([chosen, "-m", "venv", str(path)], tell, f"making {path} with {chosen}")
            pip = [str(own), "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "off"]
            wanted = support.tensorflow_wanted(machine)
            step([*pip, wanted, str(anvil)], tell, f"installing {wanted} and tensorflow-anvil")
            step([str(own), "-m", "pip", "check"], tell, "checking what was installed")
        tell("asking the new environment's doctor")
        done = subprocess.run(
            [str(own), "-m", "tensorflow_anvil.cli", "doctor", "--json"],
            env=environment(),
            capture_output=True,
            text=True,
        )
        try:
            report = json.loads(done.stdout)
        except ValueError as problem:
            raise FixError(f"the new environment's doctor does not run:\n{done.stderr[-2000:]}") from problem
    except BaseException as problem:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(problem, OSError):
            raise FixError(str(problem)) from problem
        raise
    packages = {p["name"]: p["version"] for p in report["facts"]["packages"]}
    names = (support.tensorflow_package(machine), "keras", "numpy", "tensorflow-anvil")
    return {
        "environment": str(path.resolve()),
        "python": report["facts"]["python"]["executable"],
        "installed": {name: packages[name] for name in names if name in packages},
        "report": report,
    }
