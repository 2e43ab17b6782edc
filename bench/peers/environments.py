"""The peers' environments: one virtual environment each under .cache/bench, with pinned versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NUMPY = "numpy==2.4.6"
PACKAGES = {
    "ncnn": ["ncnn==1.0.20261020", NUMPY],
    "tinygrad": ["tinygrad==0.14.0", "dawn-python==0.3.0", NUMPY],
    "wgpu": ["wgpu==0.32.0", NUMPY],
    # Not by its requirements: PyPI's torch would bring some 2.5 GB of CUDA libraries (cuda_stubs.py stands in for them).
    "torchvulkan": [
        "--no-deps", "torch==2.14.1", "torchvulkan==0.2.1", NUMPY, "typing_extensions==4.16.0", "sympy==1.14.0",
        "mpmath==1.4.1", "networkx==3.6.1", "jinja2==3.1.6", "markupsafe==3.0.4", "fsspec==2026.9.0", "filelock==4.2.11",
    ],
}  # fmt: skip


def python(root: Path, name: str) -> Path:
    return root / name / "bin" / "python"


def packages(root: Path, name: str) -> Path:
    return next((root / name / "lib").glob("python*/site-packages"))


def make(root: Path, name: str) -> None:
    """Makes the environment unless it is there already for these very packages."""
    done = root / name / "packages.txt"
    wanted = "\n".join(PACKAGES[name])
    if done.exists() and done.read_text() == wanted:
        return
    print(f"bench: installing {name}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(root / name)], check=True)
    install = [str(python(root, name)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *PACKAGES[name]], check=True)
    site = packages(root, name).resolve()
    if name == "torchvulkan":
        stubs = Path(__file__).with_name("cuda_stubs.py")
        subprocess.run(
            [sys.executable, str(stubs), str(site / "torch" / "lib"), str(root / name / "stubs")], check=True
        )
    if name == "tinygrad":  # looks for Dawn under another file name
        (root / name / "dawn").mkdir(exist_ok=True)
        link = root / name / "dawn" / "libwebgpu_dawn.so"
        link.unlink(missing_ok=True)
        link.symlink_to(site / "pydawn" / "lib" / "libwebgpu_dawn_x86_64.so")
    done.write_text(wanted)


def environment(root: Path, name: str) -> dict[str, str]:
    if name == "torchvulkan":
        return {
            "LD_LIBRARY_PATH": str(root / name / "stubs"),
            "TORCHVULKAN_STRICT": "1",  # no silent detour over the CPU
            "TORCHVULKAN_CACHE_DIR": str(root / name),
            "PYTHONWARNINGS": "ignore",
        }
    if name == "tinygrad":
        return {
            "LD_LIBRARY_PATH": str(root / name / "dawn"),
            "DEV": "WEBGPU",
            "WEBGPU_BACKEND": "WGPUBackendType_Vulkan",
            "TRAINING": "1",
        }
    return {}
