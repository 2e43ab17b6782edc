"""Training steps through TensorFlow: time, launches, submissions and waits per step; writes docs/benchmarks/model.{md,json}.

python bench/model/step.py [--steps 60] [--nets digits,c32] [--out docs/benchmarks]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

os.environ.setdefault("ANVIL_SOFTWARE_DEVICE", "1")  # who benchmarks has asked for the device, lavapipe too
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import tensorflow as tf
from model import models, plugin
from rounds import cases

COUNTED = (
    "launches",
    "submissions",
    "barriers",
    "waits",
    "script_reads",
    "bytes_to_device",
    "bytes_to_host",
    "allocations",
)
STEPS = {"function": models.function_step, "keras": models.keras_step}


def measure(net: str, kind: str, device: str, steps: int) -> dict:
    call, losses = STEPS[kind](net, device)
    for _ in range(5):
        call()
    before = plugin.counters()
    ms = []
    for _ in range(steps):
        begin = time.perf_counter()
        call()
        ms.append((time.perf_counter() - begin) * 1e3)
    after = plugin.counters()
    cases.check_falls(losses)
    low, middle, high = statistics.quantiles(ms, n=4, method="inclusive")
    return {
        "net": net,
        "step": kind,
        "ms": middle,
        "q1": low,
        "q3": high,
        "gflops": cases.WORK[f"train_{net}"].flops / middle / 1e6,
        "per_step": {name: (after[name] - before[name]) / steps for name in COUNTED if name in after},
        "loss": [losses[0], losses[-1]],
    }


def table(rows: list[dict]) -> str:
    counted = [name for name in COUNTED if name in rows[0]["per_step"]]
    lines = [
        "| step | median | quartiles | GFLOP/s | " + " | ".join(counted) + " |",
        "| --- | ---: | ---: | ---: |" + " ---: |" * len(counted),
    ]
    for row in rows:
        numbers = " | ".join(f"{row['per_step'][name]:.1f}" for name in counted)
        title = f"{cases.WORK['train_' + row['net']].title}, {row['step']}"
        quartiles = f"{row['q1']:.2f} to {row['q3']:.2f}"
        lines.append(f"| {title} | {row['ms']:.2f} ms | {quartiles} | {row['gflops']:.1f} | {numbers} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--nets", default="digits,c32")
    parser.add_argument("--kinds", default="function,keras")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[2] / "docs" / "benchmarks")
    args = parser.parse_args()
    plugin.load()
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    rows = []
    for net in args.nets.split(","):
        steps = args.steps if net == "digits" else max(8, args.steps // 6)  # 100 times the work
        rows += [measure(net, kind, plugin.DEVICE, steps) for kind in args.kinds.split(",")]
    result = {
        "device": details.get("device_name", ""),
        "tensorflow": tf.__version__,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "steps": rows,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "model.json").write_text(json.dumps(result, indent=1) + "\n")
    text = table(rows)
    facts = f"{result['device']}, TensorFlow {result['tensorflow']}, {result['time']}. Counts are per step."
    (args.out / "model.md").write_text(f"# Training steps through TensorFlow\n\n{facts}\n\n{text}\n")
    print(text)


if __name__ == "__main__":
    main()
