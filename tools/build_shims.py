"""Builds the compat shims that a wheel carries: one for each minor version of TensorFlow.

    python tools/build_shims.py --out FOLDER [--versions 2.16.2,2.18.1]

Of each TensorFlow only headers and two libraries are needed: its wheel is fetched by pip and unpacked in
.cache/tensorflow, without installing it or what it depends on.
"""

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python" / "tensorflow_anvil"))

import shim  # noqa: E402

CACHE = ROOT / ".cache" / "tensorflow"
# The newest patch of each minor version that the plug-in serves.
VERSIONS = ("2.16.2", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0")


def wanted(name: str) -> bool:
    return name.startswith(("tensorflow/include/", "tensorflow/libtensorflow_")) or name.endswith("METADATA")


def unpack(version: str) -> Path:
    """The package folder of that TensorFlow, with what the shim needs."""
    folder = CACHE / version
    installed = shim.find_tensorflow()
    if shim.version_of(installed) == version:
        return installed
    done = folder / ".done"
    if not done.exists():
        wheels = CACHE / "wheels"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        # One process that fetches a wheel is as good as another: the shim does not depend on Python's version.
        subprocess.run([*command, "-d", str(wheels), f"tensorflow-cpu=={version}"], check=True)
        (wheel,) = wheels.glob(f"tensorflow_cpu-{version}-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if wanted(name)])
        wheel.unlink()
        done.touch()
    return folder / "tensorflow"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--versions", default=",".join(VERSIONS))
    options = parser.parse_args()
    sources = list((ROOT / "src" / "tf" / "shim").glob("*"))
    newest = max(file.stat().st_mtime for file in [*sources, Path(shim.__file__)])
    for version in options.versions.split(","):
        target = options.out / shim.library_name(version)
        if not target.exists() or target.stat().st_mtime < newest:
            print(f"build_shims: {shim.build(unpack(version), options.out)}")


if __name__ == "__main__":
    main()
