"""Formatting, style, likely bugs and the rules of the rooms, over the whole tree.

    python tools/lint.py          check; exits with 1 if anything is amiss
    python tools/lint.py --style  only what takes seconds: formatting, ruff, the rules of the rooms
    python tools/lint.py --tidy   only clang-tidy, which takes minutes
    python tools/lint.py --fix    format the C++ and Python sources in place

clang-tidy takes seconds a file, so a file that passed is not looked at again until it, a header of ours or .clang-tidy
changes (.cache/tidy).  It needs build/release/compile_commands.json, which `make build` writes.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "tidy"


def sources(*suffixes: str) -> list[Path]:
    folders = ("src", "tests", "bench", "tools")
    return [p for folder in folders for p in sorted((ROOT / folder).rglob("*")) if p.suffix in suffixes]


def passes(*command) -> bool:
    done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout + done.stderr, end="", flush=True)
    return done.returncode == 0


def clang_format(fix: bool) -> bool:
    files = sources(".cc", ".h")
    return not files or passes("clang-format", *(["-i"] if fix else ["--dry-run", "-Werror"]), *files)


def ruff(fix: bool) -> bool:
    styled = passes("ruff", "check", "--quiet", *(["--fix"] if fix else []), ".")
    formatted = passes("ruff", "format", "--quiet", *([] if fix else ["--diff"]), ".")
    return styled and formatted


def tidy_one(build: Path, source: Path, headers: bytes) -> bool:
    key = hashlib.sha256(headers + source.read_bytes()).hexdigest()
    stamp = CACHE / source.relative_to(ROOT).as_posix().replace("/", "+")
    if stamp.is_file() and stamp.read_text() == key:
        return True
    if not passes("clang-tidy", "--quiet", "-p", build, source):
        return False
    stamp.write_text(key)
    return True


def clang_tidy() -> bool:
    build = ROOT / "build" / "release"
    if not (build / "compile_commands.json").is_file():
        print("lint: build/release/compile_commands.json is missing; run make build")
        return False
    CACHE.mkdir(parents=True, exist_ok=True)
    rules = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for header in sources(".h"):
        rules.update(header.read_bytes())
    compiled = {Path(row["file"]) for row in json.loads((build / "compile_commands.json").read_text())}
    mine = sorted(f for f in compiled if f.is_relative_to(ROOT / "src") or f.is_relative_to(ROOT / "tools"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return all(list(pool.map(lambda f: tidy_one(build, f, rules.digest()), mine)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="format in place instead of checking")
    parser.add_argument("--style", action="store_true", help="leave out clang-tidy")
    parser.add_argument("--tidy", action="store_true", help="only clang-tidy")
    options = parser.parse_args()
    fix = options.fix
    checks = {"clang-format": lambda: clang_format(fix), "ruff": lambda: ruff(fix)}
    if not fix:
        checks["rooms"] = lambda: passes(sys.executable, ROOT / "tools" / "check_rooms.py")
    if options.tidy:
        checks = {}
    if not (fix or options.style):
        checks["clang-tidy"] = clang_tidy
    failed = 0
    for name, check in checks.items():
        ok = check()
        failed += not ok
        print(f"lint: {name} {'in order' if ok else 'FAILED'}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
