"""Our own benchmarks, one after the other: ops and driver, against the CPU, training steps.

    python bench/run.py [--quick]

Writes docs/benchmarks/{micro,cpu,families,model}.*; bench/peers/run.py compares with other engines.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from rounds import ours

OUT = ours.ROOT / "docs" / "benchmarks"


def run(*command: object) -> None:
    done = subprocess.run([str(part) for part in command], env={**os.environ, **ours.PYTHON}, check=False)
    if done.returncode:
        print(f"bench: {command[0]} ended with {done.returncode}", file=sys.stderr)


def micro(rounds: int, out: Path) -> None:
    done = subprocess.run(
        [ours.BUILD / "bench" / "anvil_bench", "--rounds", str(rounds), "--json", out / "micro.json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(done.stdout)
    (out / "micro.txt").write_text(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds: does everything run?")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    micro(2 if args.quick else 10, args.out)
    seconds, rounds, steps = (2, 3, 6) if args.quick else (40, 9, 60)
    here = Path(__file__).parent
    run(sys.executable, here / "compare_cpu.py", "--rounds", rounds, "--seconds", seconds, "--out", args.out)
    run(sys.executable, here / "compare_families.py", "--rounds", rounds, "--seconds", seconds / 2, "--out", args.out)
    run(sys.executable, here / "model" / "step.py", "--steps", steps, "--out", args.out)


if __name__ == "__main__":
    main()
