"""The op tests on the Metal driver, with every kernel they ask for compiled and run on the CPU (tests/apple).

    python tools/test_metal.py [BUILD]

Runs build/metal/ops_test, or that of the folder BUILD, in a process for each core, and says how many kernel variants of
the pack were run and what the largest error was.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    build = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "metal"
    shards = os.cpu_count() or 1
    reports = [build / f"ops-{i}.txt" for i in range(shards)]
    logs = [build / f"ops-{i}.log" for i in range(shards)]
    running = []
    for i in range(shards):
        reports[i].unlink(missing_ok=True)
        environment = {**os.environ, "GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(i),
                       "ANVIL_METAL_REPORT": str(reports[i])}  # fmt: skip
        with logs[i].open("w") as log:
            running.append(subprocess.Popen([build / "ops_test"], env=environment, stdout=log, stderr=log))
    bad = [i for i, process in enumerate(running) if process.wait() != 0]
    for i in bad:
        print(logs[i].read_text()[-6000:])
        print(f"ops_test, process {i}: ended with status {running[i].returncode}")
    passed, kernels, errors = 0, set(), []
    for log, report in zip(logs, reports, strict=True):
        passed += log.read_text().count("[       OK ]")
        for line in report.read_text().splitlines() if report.exists() else ():
            what, _, rest = line.partition(" ")
            if what == "kernel":
                kernels.add(rest)
            else:
                ulp, _, test = rest.partition(" ")
                errors.append((float(ulp), test))
    ulp, test = max(errors, default=(0.0, "none"))
    print(f"{passed} op tests passed on the Metal driver; {len(kernels)} kernel variants were compiled and run; ")
    print(f"the largest error against double precision is {ulp:.3g} units in the last place ({test})")
    return 1 if bad or not kernels else 0


if __name__ == "__main__":
    sys.exit(main())
