"""Trains some steps inside TensorFlow with the plug-in built with sanitizers.

    python tools/train_sanitized.py asan|tsan

tools/sanitizers.py says which reports count.
"""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import sanitizers

ROOT = Path(__file__).resolve().parent.parent


def site_packages(prefix: Path) -> Path:
    return prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def overlay(preset: str) -> Path:
    """An environment like this one, but with the sanitized plug-in: TensorFlow loads one per platform, no more."""
    home = ROOT / "build" / preset / "venv"
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, symlinks=True, with_pip=False)
    site = site_packages(home)
    for entry in site_packages(Path(sys.prefix)).iterdir():
        if entry.name != "tensorflow-plugins":
            (site / entry.name).symlink_to(entry)
    (site / "tensorflow-plugins").mkdir()
    for file in (ROOT / "build" / preset / "tensorflow-plugins").iterdir():
        (site / "tensorflow-plugins" / file.name).symlink_to(file)
    return home / "bin" / "python"


def runtime(library: str) -> str:
    found = subprocess.run(["g++", f"-print-file-name={library}"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def main() -> int:
    if sys.argv[1:] not in (["asan"], ["tsan"]):
        sys.exit("train_sanitized: name asan or tsan")
    preset = sys.argv[1]
    logs = ROOT / "build" / preset / "train-logs"
    preload = {
        # libstdc++ beside it: Python brings none, and the runtime looks up __cxa_throw as it starts.
        "asan": [runtime("libasan.so"), runtime("libstdc++.so.6")],
        "tsan": [runtime("libtsan.so")],
    }[preset]
    environment = {
        **os.environ,
        **sanitizers.environment(logs, leaks=False),  # Python and TensorFlow leave most of their memory to the exit
        "ANVIL_SOFTWARE_DEVICE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "LD_PRELOAD": " ".join(preload),
    }
    python = overlay(preset)
    steps = [python, ROOT / "tools" / "drivers_first.py", ROOT / "tools" / "some_steps.py"]
    status = subprocess.run(steps, env=environment).returncode
    print(f"{preset}: training ended with status {status}")
    return 1 if sanitizers.counted(logs) or status else 0


if __name__ == "__main__":
    sys.exit(main())
