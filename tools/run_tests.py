"""Runs the tests in stages and counts them: `make test` runs all, `make check` (--quick) the quick ones.
`make test-metal` (--metal) runs what there is about the Metal driver, with what takes too long for every day.

    python tools/run_tests.py [--quick | --metal] [--only STAGE ...] [--list]

A stage that fails does not stop the others, except those that need it.  The last line is a plain "N passed, N failed";
the exit status is 0 only when nothing failed.  Reports are left in build/reports.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import sanitizers

ROOT = Path(__file__).resolve().parent.parent
REPORTS = ROOT / "build" / "reports"
PYTHON = sys.executable
JOBS = str(os.cpu_count())


@dataclass
class Stage:
    name: str
    commands: list[list[str]]
    quick: bool = False
    needs: tuple[str, ...] = ()
    report: bool = False  # the last command writes a JUnit report to build/reports/NAME.xml
    logs: Path | None = None  # the sanitizers write here, and what they wrote is judged
    # The stage is skipped where this is not installed (tools/setup.sh says which distributions lack it).
    program: str = ""


def ctest(name: str, preset: str, **kinds) -> Stage:
    command = ["ctest", "--test-dir", f"build/{preset}", "-j", JOBS, "--output-on-failure", "--no-tests=error"]
    return Stage(name, [[*command, "--output-junit", str(REPORTS / f"{name}.xml")]], report=True, **kinds)


def sanitized(preset: str) -> list[Stage]:
    """Builds with sanitizers: the host tests, then training inside TensorFlow."""
    build_stage, host = f"{preset}-build", ctest(preset, preset, needs=(f"{preset}-build",))
    host.logs = ROOT / "build" / preset / "host-logs"
    train = [[PYTHON, "tools/train_sanitized.py", preset]]
    return [
        build(build_stage, preset, needs=("build",)),
        host,
        Stage(f"{preset}-train", train, needs=(build_stage, "install")),
    ]


def pytest(name: str, *arguments: str, **kinds) -> Stage:
    command = [PYTHON, "-m", "pytest", "-q", f"--junit-xml={REPORTS / f'{name}.xml'}", *arguments]
    return Stage(name, [command], report=True, needs=("install",), **kinds)


def build(name: str, preset: str, **kinds) -> Stage:
    configure = ["cmake", "--preset", preset, "--log-level=WARNING"]
    return Stage(name, [configure, ["cmake", "--build", "--preset", preset]], **kinds)


def metal_stages() -> list[Stage]:
    """What `make test-metal` runs: the Metal driver over tests/apple, and what shows that these tests notice."""

    def clang(stage: Stage) -> Stage:
        stage.program = "clang++-19"
        return stage

    def tests(name: str, needs: tuple[str, ...]) -> Stage:
        command = [PYTHON, "-m", "pytest", "-q", "-s", f"--junit-xml={REPORTS / f'metal-{name}.xml'}"]
        return Stage(f"metal-{name}", [[*command, f"tests/metal/test_{name}.py"]], needs=needs, report=True)

    ready = ("metal-build",)
    plugin = build("metal-plugin", "metal", needs=ready)
    plugin.commands[-1] += ["--target", "anvil_plugin"]
    every = [
        build("metal-build", "metal", needs=("build",)),
        ctest("metal", "metal", needs=ready),
        Stage("metal-ops", [[PYTHON, "tools/test_metal.py"]], needs=ready),
        plugin,
        tests("training", needs=("metal-plugin", "install")),
        tests("mutations", needs=ready),
        Stage("metal-coverage", [[PYTHON, "tools/metal_coverage.py"]], needs=ready),
    ]
    host = ctest("metal-asan", "metal-asan", needs=("metal-asan-build",))
    host.logs = ROOT / "build" / "metal-asan" / "host-logs"
    every += [build("metal-asan-build", "metal-asan", needs=ready), host]
    first = [
        build("build", "release"),
        Stage("install", [[PYTHON, "tools/package.py", "--install", "build/.installed"]], needs=("build",)),
    ]
    return [*first, *map(clang, every)]


def stages(quick: bool) -> list[Stage]:
    tools = ["tests/tools", *(["-m", "not slow"] if quick else [])]
    every = [
        build("build", "release", quick=True),
        Stage("style", [[PYTHON, "tools/lint.py", "--style"]], quick=True, needs=("build",)),
        Stage("tidy", [[PYTHON, "tools/lint.py", "--tidy"]], needs=("build",)),
        ctest("host", "release", quick=True, needs=("build",)),
        Stage("kernels", [[PYTHON, "tools/validate_pack.py"]], needs=("build",)),
        Stage("install", [[PYTHON, "tools/package.py", "--install", "build/.installed"]], quick=True, needs=("build",)),
        pytest("tools", *tools, quick=True),
        pytest("table", "-n", JOBS, "--dist", "worksteal", "tests/table"),
        pytest("train", "tests/train"),
        build("metal-build", "metal", needs=("build",), program="clang++-19"),
        ctest("metal", "metal", needs=("metal-build",), program="clang++-19"),
        *sanitized("asan"),
        *sanitized("tsan"),
    ]
    return [stage for stage in every if stage.quick or not quick]


def count(report: Path) -> tuple[int, int, int]:
    """Passed, failed and skipped tests of a JUnit report."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    bad = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    return len(cases) - bad - skipped, bad, skipped


def run(stage: Stage) -> tuple[int, int, int]:
    environment = {**os.environ, **(sanitizers.environment(stage.logs, leaks=True) if stage.logs else {})}
    status = 0
    for command in stage.commands:
        status = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode
        if status != 0:
            break
    if stage.logs and sanitizers.counted(stage.logs):
        status = status or 1
    report = REPORTS / f"{stage.name}.xml"
    if not (stage.report and report.is_file()):
        return (1, 0, 0) if status == 0 else (0, 1, 0)
    passed, failed, skipped = count(report)
    if (status != 0 and failed == 0) or (passed == 0 and failed == 0):
        failed = 1  # it crashed before or after its tests, or had none
    return passed, failed, skipped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="leave out what takes minutes")
    parser.add_argument("--metal", action="store_true", help="all there is about the Metal driver")
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="run just these, as if all they need had passed")
    parser.add_argument("--list", action="store_true", help="print the stages and stop")
    options = parser.parse_args()
    every = metal_stages() if options.metal else stages(options.quick)
    chosen = [s for s in every if not options.only or s.name in options.only]
    if options.list:
        print("\n".join(stage.name for stage in chosen))
        return 0

    shutil.rmtree(REPORTS, ignore_errors=True)
    REPORTS.mkdir(parents=True)
    rows, bad = [], set()
    for stage in chosen:
        if stage.program and not shutil.which(stage.program):
            print(f"\n=== {stage.name}: skipped, there is no {stage.program}", flush=True)
            rows.append((stage.name, 0, 0, 1, 0.0))
            continue
        blocked = bad.intersection(stage.needs)
        print(f"\n=== {stage.name}" + (f": left out, {', '.join(blocked)} failed" if blocked else ""), flush=True)
        started = time.monotonic()
        passed, failed, skipped = (0, 1, 0) if blocked else run(stage)
        if failed:
            bad.add(stage.name)
        rows.append((stage.name, passed, failed, skipped, time.monotonic() - started))

    print(f"\n{'stage':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for name, passed, failed, skipped, seconds in rows:
        print(f"{name:<12} {passed:>7} {failed:>7} {skipped:>8} {seconds:>8.0f}")
    passed, failed = sum(row[1] for row in rows), sum(row[2] for row in rows)
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
