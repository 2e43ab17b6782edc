"""Makes the wheel and looks into it.

    python tools/package.py --install STAMP   the wheel for this machine, installed where it runs, if anything changed
    python tools/package.py --release         the wheel for others: dist/tensorflow_anvil-*.whl

Both take what `make build` left in build/release.  The release wheel carries a compat shim for every TensorFlow in
SHIM_VERSIONS and is tagged for the oldest C library it runs on.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"
DIST = ROOT / "dist"
LIMIT = 15_000_000  # bytes
REQUIRED = ("tensorflow-plugins/libtensorflow_anvil.so", "tensorflow-plugins/kernels.pack", "tensorflow_anvil/cli.py")
PAGES = "tensorflow_anvil/doctor/pages/"


def run(*command: str, **options) -> None:
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, **options)


def inputs() -> str:
    """Changes when anything that goes into the wheel does."""
    folders = (BUILD / "tensorflow-plugins", BUILD / "shims", ROOT / "python", ROOT / "docs" / "doctor")
    files = [f for folder in folders for f in sorted(folder.rglob("*")) if f.is_file() and f.suffix != ".pyc"]
    digest = hashlib.sha256()
    for file in [*files, ROOT / "pyproject.toml", ROOT / "README.md", ROOT / "LICENSE"]:
        digest.update(f"{file.relative_to(ROOT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def build(target: Path) -> Path:
    """The wheel from build/release: nothing is compiled twice, so tests and benchmarks stay configured."""
    shutil.rmtree(target, ignore_errors=True)
    settings = [f"build-dir={BUILD}", "cmake.define.ANVIL_TESTS=ON", "cmake.define.ANVIL_BENCH=ON"]
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "-w", target, ROOT]
    run(*command, *(f"--config-settings={s}" for s in settings))
    (wheel,) = target.glob("*.whl")
    return wheel


def inspect(wheel: Path) -> None:
    """Fails unless the wheel holds what it must, nothing that it must not, and stays small."""
    size = wheel.stat().st_size
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    problems = [f"lacks {name}" for name in REQUIRED if name not in names]
    if not any(name.startswith("tensorflow_anvil/shims/") for name in names):
        problems.append("lacks a compat shim in tensorflow_anvil/shims/")
    if not any(name.startswith(PAGES) for name in names):
        problems.append(f"lacks the doctor's pages in {PAGES}")
    roots = ("tensorflow-plugins/", "tensorflow_anvil/", "tensorflow_anvil-")
    problems += [f"holds {name}" for name in names if not name.startswith(roots) or name.endswith(".pyc")]
    if "-py3-none-" not in wheel.name:
        problems.append("is tied to a Python version")
    if size > LIMIT:
        problems.append(f"has {size} bytes; {LIMIT} is the most")
    if problems:
        sys.exit(f"package: {wheel.name} " + "; ".join(problems))
    print(f"package: {wheel.name}, {size / 1e6:.1f} MB, {len(names)} files")


def install(stamp: Path) -> None:
    now = inputs()
    if stamp.is_file() and stamp.read_text() == f"{now} {sys.prefix}":
        return
    wheel = build(ROOT / "build" / "wheels")
    inspect(wheel)
    run(sys.executable, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel)
    stamp.write_text(f"{now} {sys.prefix}")


def release() -> None:
    run(sys.executable, ROOT / "tools" / "build_shims.py", "--out", BUILD / "shims")
    wheel = build(ROOT / "build" / "wheels")
    DIST.mkdir(exist_ok=True)
    for old in DIST.glob("*.whl"):
        old.unlink()
    # TensorFlow's own libraries are found beside the plug-in and must not be copied in.
    run("auditwheel", "repair", "--exclude", "libtensorflow*", "--wheel-dir", DIST, wheel, env=os.environ)
    for made in DIST.glob("*.whl"):
        inspect(made)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--install", type=Path, metavar="STAMP")
    what.add_argument("--release", action="store_true")
    options = parser.parse_args()
    if options.release:
        release()
    else:
        install(options.install)


if __name__ == "__main__":
    main()
