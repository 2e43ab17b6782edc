"""Trains common models on the device and on the CPU and compares them: `make models`.

    python tests/models/run.py [--quick] [--models NAME ...] [--precision float32] [--mode graph] [--list]

Every model (or group of small ones) runs in a process of its own with a time limit, so that a crash is a row of the table and not its end.  The
CPU's results are kept in build/models-cpu as long as the models and TensorFlow stay the same (--fresh makes them anew).
Written is out/models.json.  The exit status is 0 if every row agrees.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import child
import judge
import report
from rich.console import Console

ROOT = Path(__file__).resolve().parents[2]


def chosen_variants(model, options) -> list[dict]:
    precisions = [p for p in model.precisions if not options.precision or p in options.precision]
    modes = [m for m in model.modes if not options.mode or m in options.mode]
    # Eager half precision adds nothing that the graph in half precision and the eager mode alone do not show.
    found = [(p, m) for p in precisions for m in modes if m == "graph" or p == model.precisions[0] or options.mode]
    return [{"precision": p, "mode": m, "steps": model.steps if m == "graph" else model.eager_steps} for p, m in found]


def like(model, variant: dict) -> dict:
    """The CPU's run that a variant is compared with: the whole graph, unless eager mode draws other numbers."""
    if variant["mode"] == "eager" and model.eager_draws:
        return variant
    return {**variant, "mode": "graph", "steps": model.steps}


def one_group(models, options, console) -> list[dict]:
    """The rows of some models that share processes: their variants on the device, each against the CPU."""
    started = time.monotonic()
    jobs = [(model, variant) for model in models for variant in chosen_variants(model, options)]
    references = {child.key(job): job for job in ((model, like(model, variant)) for model, variant in jobs)}
    on_cpu = child.on_cpu(list(references.values()), options.limit, options.fresh)
    on_device = child.on_device(jobs, options.limit)
    rows = [judge.judged(m, v, on_device[child.key((m, v))], on_cpu[child.key((m, like(m, v)))]) for m, v in jobs]
    bad = sum(not row["ok"] for row in rows)
    word = f"[red]{bad} of {len(rows)} wrong[/]" if bad else f"{len(rows)} right"
    console.print(f"{models[0].group or models[0].name}: {word}, {time.monotonic() - started:.0f} s")
    for row in rows:
        if row["why"]:
            console.print(f"    {row['model']}, {row['precision']}, {row['mode']}: {row['why']}", markup=False, highlight=False)  # fmt: skip
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", metavar="NAME", help="parts of names")
    parser.add_argument("--exact", action="store_true", help="the names given are whole names")
    parser.add_argument("--precision", nargs="+", choices=["float32", "mixed_float16"])
    parser.add_argument("--mode", nargs="+", choices=["graph", "eager"])
    parser.add_argument("--quick", action="store_true", help="a few models, float32 and half precision, as graphs")
    parser.add_argument("--fresh", action="store_true", help="run on the CPU again even if its results are kept")
    parser.add_argument("--limit", type=float, default=420, help="seconds that one process may take (default: 420)")
    parser.add_argument("--jobs", type=int, default=2, help="models that run at a time (default: 2)")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "models.json")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()

    models = child.zoo_of()
    if options.models:
        wanted = [name.lower() for name in options.models]
        models = [
            m for m in models if any(n == m.name.lower() if options.exact else n in m.name.lower() for n in wanted)
        ]
    if options.quick:
        models, options.mode = [m for m in models if m.quick], options.mode or ["graph"]
    if options.list:
        print("\n".join(f"{m.name}: {', '.join(m.precisions)}; {', '.join(m.modes)}" for m in models))
        return 0
    if not models:
        sys.exit("no such model")

    console = Console(width=None if sys.stdout.isatty() else 200)
    started = time.monotonic()
    rows: list[dict] = []
    options.out.parent.mkdir(parents=True, exist_ok=True)
    groups: dict[str, list] = {}
    for model in models:
        groups.setdefault(model.group or model.name, []).append(model)
    with ThreadPoolExecutor(options.jobs) as pool:
        for found in pool.map(lambda group: one_group(group, options, console), groups.values()):
            rows += found
            result = {"seconds": time.monotonic() - started, "rows": rows}
            options.out.write_text(json.dumps(result, indent=1) + "\n")
    report.show(rows, console)
    bad = [row for row in rows if not row["ok"]]
    print(f"\n{len(rows) - len(bad)} passed, {len(bad)} failed, {time.monotonic() - started:.0f} s", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
