"""Builds the compat shim of every TensorFlow minor that the wheel supports, each against that version's own headers.

    python tools/build_shims.py --out FOLDER

Headers and libraries come from TensorFlow's wheels: downloaded once, of which .cache/tensorflow keeps what the shim
needs.  A shim is built again only when its source changed.
"""

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "tensorflow"
VERSIONS = ("2.16.2", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0")

sys.path.insert(0, str(ROOT / "python" / "tensorflow_anvil"))
import shim  # noqa: E402


def wanted(name: str) -> bool:
    """What a shim is compiled and linked with, and the file that says which version it is."""
    libraries = ("tensorflow/libtensorflow_framework.so.2", "tensorflow/libtensorflow_cc.so.2")
    return name.startswith("tensorflow/include/") or name in libraries or name.endswith(".dist-info/METADATA")


def fetch(version: str) -> Path:
    """The folder of that TensorFlow's package, reduced to what is needed."""
    home = CACHE / version
    if (home / "tensorflow").is_dir():
        return home / "tensorflow"
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        # Of a fixed Python, because headers and libraries are the same for all and not every version has a wheel for ours.
        platforms = [f"--platform={p}_x86_64" for p in ("manylinux2014", "manylinux_2_17", "manylinux_2_27")]
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version=3.11", *platforms]
        command = [sys.executable, "-m", "pip", "download", *options, "--dest", folder, f"tensorflow-cpu=={version}"]
        subprocess.run(command, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(Path(folder) / "out", [name for name in archive.namelist() if wanted(name)])
        shutil.rmtree(home, ignore_errors=True)
        (Path(folder) / "out").rename(home)
    return home / "tensorflow"


def fingerprint() -> str:
    sources = sorted((ROOT / "src" / "tf" / "shim").iterdir())
    digest = hashlib.sha256()
    for file in [*sources, ROOT / "python" / "tensorflow_anvil" / "shim.py"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    now = fingerprint()
    for version in VERSIONS:
        target = out / shim.library_name(version)
        stamp = CACHE / f"{target.stem}.source"
        if target.is_file() and stamp.is_file() and stamp.read_text() == now:
            continue
        print(f"build_shims: TensorFlow {version}", flush=True)
        shim.build(fetch(version), out)
        stamp.write_text(now)


if __name__ == "__main__":
    main()
