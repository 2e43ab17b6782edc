"""Ours against the engines that run on the same Vulkan device, interleaved; writes docs/benchmarks/peers.{md,json}.

    python bench/peers/run.py [--rounds 9] [--seconds 60] [--cases a,b] [--peers ncnn,wgpu] [--out docs/benchmarks]

The first run makes the peers' environments under .cache/bench (about 2 GB, most of it torch).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from peers import environments
from rounds import conductor, ours, tables

CASES = (
    "gemm512", "gemm1024", "conv56", "add16M", "rowsum4096", "softmax4096",
    "train_digits", "train_c32", "infer_digits", "infer_c32",
)  # fmt: skip
# How many times faster than the best peer we mean to be.
TARGETS = {**dict.fromkeys(CASES, 1.0), "gemm512": 1.5, "train_digits": 3.0, "train_c32": 3.0}
OURS = ("anvil", "anvil-tensorflow", "anvil-keras")


def peer(root: Path, name: str) -> conductor.Engine | None:
    """None, with a word why, if it cannot be had here: the others are compared all the same."""
    script = Path(__file__).with_name(f"engine_{name}.py")
    env = {**ours.PYTHON, **environments.environment(root, name)}
    env.setdefault("XDG_RUNTIME_DIR", os.environ.get("XDG_RUNTIME_DIR", tempfile.gettempdir()))
    try:
        environments.make(root, name)
        return conductor.Engine(name, [environments.python(root, name), script], env=env, log=ours.log(name))
    except (OSError, subprocess.CalledProcessError, ConnectionError, TimeoutError) as problem:
        print(f"bench: {name} does not start: {problem}", file=sys.stderr)
        return None


def start(names: list[str]) -> list[conductor.Engine]:
    root = ours.ROOT / ".cache" / "bench"
    engines = [ours.micro(), ours.tensorflow("function"), ours.tensorflow("keras")]
    for name in names:
        engine = peer(root, name)
        if engine:
            engines.append(engine)
    return engines


def best_peer(result: dict, case: str) -> tuple[str, float] | None:
    engines = result["cases"][case]["engines"]
    times = [(s["ms"], name) for name, s in engines.items() if name not in OURS and "ms" in s]
    return (min(times)[1], min(times)[0]) if times else None


def against_best(result: dict, case: str, mine: str) -> float | None:
    best = best_peer(result, case)
    return tables.ratio(result, case, mine, best[0]) if best else None


def verdict(result: dict, case: str) -> str:
    """The first of ours that has the case counts: the op alone, or for networks a user's own step through TensorFlow."""
    ratio = next((r for r in (against_best(result, case, o) for o in OURS) if r is not None), None)
    if ratio is None:
        return "-"
    return f"{TARGETS.get(case, 1.0):.1f} {'met' if ratio >= TARGETS.get(case, 1.0) else 'missed'}"


def columns(result: dict) -> dict:
    def times(mine: str):
        def text(case: str) -> str:
            ratio = against_best(result, case, mine)
            return "-" if ratio is None else f"{ratio:.2f}"

        return text

    best = lambda case: (best_peer(result, case) or ("-",))[0]  # noqa: E731
    return {"best peer": best, **{f"{o} x faster": times(o) for o in OURS}, "target": lambda c: verdict(result, c)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=60, help="longest time for the rounds of one case")
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--peers", default=",".join(environments.PACKAGES))
    parser.add_argument("--out", type=Path, default=ours.ROOT / "docs" / "benchmarks")
    args = parser.parse_args()
    engines = start([name for name in args.peers.split(",") if name])
    try:
        result = conductor.run(engines, args.cases.split(","), args.rounds, args.seconds)
    finally:
        for engine in engines:
            engine.close()
    grid = tables.grid(result, [e.name for e in engines], columns(result))
    legend = (
        "Time of one call: median (rate) ± half the interquartile range. 'x faster' is the best peer's time over ours, "
        "paired by round. `anvil` is the op library alone, `anvil-tensorflow` a tf.function, `anvil-keras` train_on_batch. "
        "ncnn's ops are timed by difference and its inference runs 64 single images with their transfers."
    )
    tables.save(args.out / "peers.json", result)
    tables.write(args.out / "peers.md", "Against other engines on the same Vulkan device",
                 [tables.heading(result), legend, grid, tables.problems(result)])  # fmt: skip
    print(grid)


if __name__ == "__main__":
    main()
