"""Fetches metal-cpp, Apple's C++ headers for Metal, which the Metal driver is compiled with.

    python tools/fetch_metal_cpp.py FOLDER

They come out of a wheel for macOS that carries them, pinned by version and hash below; FOLDER/metal_cpp is then the
include folder.  Does nothing if that is there already.  The headers are Apple's (Apache License 2.0) and are not part
of this repository.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "mlx-metal==0.32.4 --hash=sha256:8019b2db622599267d66cc168b2f0dbf5af929790a6c3b3913e00eabc42a7947"
INSIDE = "mlx/include/metal_cpp/"


def fetch(folder: Path) -> None:
    target = folder / "metal_cpp"
    stamp = target / ".wheel"
    if stamp.is_file() and stamp.read_text() == WHEEL:
        return
    with tempfile.TemporaryDirectory() as scratch:
        wanted = Path(scratch) / "wheel.txt"
        wanted.write_text(WHEEL + "\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        macos = ["--only-binary=:all:", "--platform", "macosx_14_0_arm64", "--require-hashes"]
        subprocess.run([*pip, *macos, "--dest", scratch, "-r", str(wanted)], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith(INSIDE) and not name.endswith("/"):
                    path = target / name.removeprefix(INSIDE)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(name))
    stamp.write_text(WHEEL)


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__)
        return 2
    fetch(Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
