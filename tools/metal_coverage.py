"""How much of the Metal driver its tests run: python tools/metal_coverage.py

Runs drv_test and apple_test of build/metal, lists the lines of src/drv/metal that did not run, file by file, and
fails if they are more than one in twenty.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "metal"
LEAST = 0.95
PROGRAMS = ("drv_test", "apple_test")


def tool(name: str) -> str:
    for candidate in (f"{name}-19", name):
        if found := shutil.which(candidate):
            return found
    sys.exit(f"metal_coverage: there is no {name}-19; install llvm-19")


def main() -> int:
    profiles = BUILD / "profiles" / "coverage"
    shutil.rmtree(profiles, ignore_errors=True)
    running = []
    for program in PROGRAMS:
        environment = {**os.environ, "LLVM_PROFILE_FILE": str(profiles / f"{program}-%p.profraw")}
        running.append(
            subprocess.Popen([BUILD / program, "--gtest_brief=1"], env=environment, stderr=subprocess.DEVNULL)
        )
    for process in running:
        process.wait()
    if any(process.returncode for process in running):
        sys.exit("metal_coverage: the tests failed")
    merged = BUILD / "merged.profdata"
    raw = [str(file) for file in profiles.glob("*.profraw")]
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", "-o", merged, *raw], check=True)
    objects = [BUILD / PROGRAMS[0], *(word for p in PROGRAMS[1:] for word in ("-object", BUILD / p))]
    export = [tool("llvm-cov"), "export", "-format=lcov", f"-instr-profile={merged}", *objects]
    text = subprocess.run(export, check=True, capture_output=True, text=True).stdout
    files: dict[str, dict[int, int]] = {}
    for line in text.splitlines():
        kind, _, rest = line.partition(":")
        if kind == "SF":
            lines = files.setdefault(rest, {})
        elif kind == "DA":
            number, count = map(int, rest.split(",")[:2])
            lines[number] = max(lines.get(number, 0), count)
    ours = {name: lines for name, lines in sorted(files.items()) if "/src/drv/metal/" in name and lines}
    ran = {name: sum(map(bool, lines.values())) for name, lines in ours.items()}
    for name, lines in ours.items():
        missed = [number for number, count in lines.items() if not count]
        print(f"{ran[name]:>5} of {len(lines):>4}  {Path(name).name:<22} {'not run: ' if missed else ''}"
              f"{', '.join(map(str, missed))}")  # fmt: skip
    all_lines = sum(map(len, ours.values()))
    share = sum(ran.values()) / max(all_lines, 1)
    print(
        f"src/drv/metal: {sum(ran.values())} of {all_lines} lines ran, {share:.1%}; at least {LEAST:.0%} are asked for"
    )
    return 0 if share >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
