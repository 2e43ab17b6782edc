"""The op families of recurrent nets, transformers and the rest, on our device and on the CPU, interleaved in one run;
writes docs/benchmarks/families.{md,json}.

python bench/compare_families.py [--rounds 9] [--seconds 20] [--cases a,b] [--out docs/benchmarks]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rounds import conductor, ours, tables
from rounds.cases import FAMILIES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=20, help="longest time for the rounds of one case")
    parser.add_argument("--cases", default=",".join(FAMILIES))
    parser.add_argument("--out", type=Path, default=ours.ROOT / "docs" / "benchmarks")
    args = parser.parse_args()
    engines = [ours.tensorflow("function"), ours.cpu("tensorflow")]
    try:
        result = conductor.run(engines, args.cases.split(","), args.rounds, args.seconds)
    finally:
        for engine in engines:
            engine.close()

    def share(case: str) -> str:
        value = tables.ratio(result, case, "anvil-tensorflow", "tensorflow-cpu")
        return "-" if value is None else f"{value:.3f}"

    grid = tables.grid(result, [e.name for e in engines], {"through TF / TF CPU": share})
    legend = (
        "Time of one call of a tf.function: median (rate) ± half the interquartile range. Ratios are of rates, paired by "
        "round; above 1 is faster than the CPU. What each computes is checked against the CPU first."
    )
    tables.save(args.out / "families.json", result)
    tables.write(
        args.out / "families.md",
        "Op families against the CPU",
        [tables.heading(result), legend, grid, tables.problems(result)],
    )
    print(grid)


if __name__ == "__main__":
    main()
