"""Ours against TensorFlow and NumPy on the CPU, interleaved in one run; writes docs/benchmarks/cpu.{md,json}.

python bench/compare_cpu.py [--rounds 9] [--seconds 40] [--cases a,b] [--out docs/benchmarks]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rounds import conductor, ours, tables
from rounds.cases import FAMILIES, WORK

# Of TensorFlow's CPU rate, on lavapipe: what this project set out to reach there.
TARGETS = {"gemm512": 0.10, "add16M": 0.20, "conv56": 0.05}


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=40, help="longest time for the rounds of one case")
    parser.add_argument("--cases", default=",".join(c for c in WORK if c not in FAMILIES))
    parser.add_argument("--out", type=Path, default=ours.ROOT / "docs" / "benchmarks")
    args = parser.parse_args()
    engines = [ours.micro(), ours.tensorflow("function"), ours.cpu("tensorflow"), ours.cpu("numpy")]
    try:
        result = conductor.run(engines, args.cases.split(","), args.rounds, args.seconds)
    finally:
        for engine in engines:
            engine.close()

    def ratio_to(mine: str):
        return lambda case: share(tables.ratio(result, case, mine, "tensorflow-cpu"))

    def target(case: str) -> str:
        if case not in TARGETS:
            return ""
        reached = tables.ratio(result, case, "anvil", "tensorflow-cpu")
        return f"{TARGETS[case]:.2f} {'met' if reached and reached >= TARGETS[case] else 'missed'}"

    columns = {
        "anvil / TF CPU": ratio_to("anvil"),
        "through TF / TF CPU": ratio_to("anvil-tensorflow"),
        "target": target,
    }
    grid = tables.grid(result, [e.name for e in engines], columns)
    legend = "Time of one call: median (rate) ± half the interquartile range. Ratios are of rates, paired by round; above 1 is faster than the CPU."
    tables.save(args.out / "cpu.json", result)
    tables.write(
        args.out / "cpu.md", "Against the CPU", [tables.heading(result), legend, grid, tables.problems(result)]
    )
    print(grid)


if __name__ == "__main__":
    main()
