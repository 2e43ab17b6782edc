"""Builds the compat shim: the small library that the plug-in needs for one minor version of TensorFlow.

    python shim.py --tensorflow FOLDER --out FOLDER     as the build does
    tf-anvil build-shim                                 as a user does, for the installed TensorFlow

The wheel carries the shims of the TensorFlow versions that were out when it was made, and the source for those to come.
Nothing of TensorFlow is imported, so a TensorFlow that is broken or of another Python will do.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
PARTS = ("shim.cc", "variables.cc", "xla.cc", "placement.cc", "proxy.cc", "lists.cc", "arrays.cc")


class BuildError(RuntimeError):
    """The shim could not be built; the message says what to do."""


def find_tensorflow() -> Path:
    """The folder of the installed package."""
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or not spec.submodule_search_locations:
        raise BuildError("TensorFlow is not installed for this Python: pip install tensorflow-cpu")
    return Path(spec.submodule_search_locations[0])


def version_of(tensorflow: Path) -> str:
    """As its package says, e.g. "2.21.0"."""
    for info in tensorflow.parent.glob("tensorflow*.dist-info"):
        match = re.fullmatch(r"tensorflow(?:_cpu|_macos|_intel)?-(\d+\.\d+\.\d+.*)\.dist-info", info.name)
        if match:
            return match[1]
    raise BuildError(f"cannot tell which version of TensorFlow lies in {tensorflow}")


def library_name(version: str) -> str:
    """The file name that the plug-in looks for."""
    major, minor = version.split(".")[:2]
    return f"libanvil_shim_{major}_{minor}.so"


def cache_folder() -> Path | None:
    """Where the plug-in looks for shims that the user built."""
    if os.environ.get("ANVIL_CACHE_DIR"):
        return Path(os.environ["ANVIL_CACHE_DIR"]) / "shims"
    base = os.environ.get("XDG_CACHE_HOME") or (Path(os.environ["HOME"]) / ".cache" if "HOME" in os.environ else None)
    return Path(base) / "tensorflow-anvil" / "shims" if base else None


def source_folder() -> Path:
    """What `#include "tf/shim/..."` starts from: in the wheel, or in a checkout."""
    for folder in (PACKAGE / "shims" / "source", PACKAGE.parent.parent / "src"):
        if (folder / "tf" / "shim" / PARTS[0]).is_file():
            return folder
    raise BuildError(f"the shim's source is missing beside {PACKAGE}; reinstall tensorflow-anvil")


def compiler() -> str:
    for name in (os.environ.get("CXX"), "g++", "c++", "clang++"):
        if name and shutil.which(name):
            return name
    raise BuildError("no C++ compiler found (Debian, Ubuntu: apt install g++), or name one in CXX")


def build(tensorflow: Path, out: Path) -> Path:
    """Compiles the shim for the TensorFlow in `tensorflow` into the folder `out`.  Raises BuildError."""
    version = version_of(tensorflow)
    source = source_folder()
    target = out / library_name(version)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        # One translation unit: TensorFlow's headers take most of the time.
        unit = Path(folder) / "unit.cc"
        unit.write_text("".join(f'#include "tf/shim/{part}"\n' for part in PARTS))
        made = Path(folder) / target.name
        command = [
            compiler(),
            *("-std=c++17", "-O2", "-DNDEBUG", "-shared", "-fPIC", "-fvisibility=hidden", "-w"),
            *("-D_GLIBCXX_USE_CXX11_ABI=1", "-DEIGEN_MAX_ALIGN_BYTES=64"),  # as TensorFlow's wheels are built
            "-DEIGEN_USE_THREADS=",  # its list kernels need it, in every header that comes before them too
            f'-DANVIL_SHIM_TENSORFLOW="{version}"',
            # What is built does not say where: TensorFlow's checks print their file.
            *(f"-ffile-prefix-map={source}/=", f"-ffile-prefix-map={tensorflow}/=", f"-ffile-prefix-map={folder}/="),
            *("-I", str(source), "-isystem", str(tensorflow / "include")),
            *("-isystem", str(tensorflow / "include/external/farmhash_archive/src")),  # missing from -I in 2.16
            *("-o", str(made), str(unit)),
            *(f"-L{tensorflow}", "-l:libtensorflow_framework.so.2", "-l:libtensorflow_cc.so.2"),
            *("-Wl,--no-undefined", "-Wl,--allow-shlib-undefined", "-static-libgcc", "-s"),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise BuildError(f"the compiler failed on the shim for TensorFlow {version}:\n{done.stderr[-4000:]}")
        # Moved into place, so that a TensorFlow starting meanwhile never sees half a file.
        shutil.copy(made, target.with_suffix(".part"))
        target.with_suffix(".part").replace(target)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tensorflow", type=Path, help="its package folder (default: the installed one)")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    try:
        print(build(options.tensorflow or find_tensorflow(), options.out))
    except BuildError as error:
        sys.exit(f"shim: {error}")


if __name__ == "__main__":
    main()
