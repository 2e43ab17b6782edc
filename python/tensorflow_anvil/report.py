"""Trains with an unchanged Keras script on the GPU and on the CPU, and reports both.

    python -m tensorflow_anvil.report SCRIPT [--out FOLDER] [-- ARGUMENT ...]

Each run is a process of its own with the script's own output on the terminal.  Written are FOLDER/<name>.json and
FOLDER/<name>.png; both are called "train" unless --name says otherwise.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

# Counters of which the report gives the number per training step, and the key each gets.
PER_STEP = {
    "launches": "launches_per_step",
    "submissions": "submissions_per_step",
    "waits": "waits_per_step",
    "script_reads": "readbacks_per_step",
}


def find_device() -> dict[str, str]:
    """The environment that offers a GPU: as it is, or with software devices where there is no other."""
    probe = [sys.executable, "-c", "import tensorflow_anvil as a, sys; sys.exit(not a.devices())"]
    for extra in ({}, {"ANVIL_SOFTWARE_DEVICE": "1"}):
        if subprocess.run(probe, env={**os.environ, **extra}, capture_output=True).returncode == 0:
            return extra
    sys.exit("report: no Vulkan device found; `tf-anvil devices` says what to do")


def run(script: str, arguments: list[str], environment: dict[str, str]) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "record.json"
        command = [sys.executable, "-m", "tensorflow_anvil.recorder", str(record), script, *arguments]
        done = subprocess.run(command, env={"TF_CPP_MIN_LOG_LEVEL": "1", **os.environ, **environment})
        if done.returncode != 0:
            sys.exit(f"report: {script} ended with status {done.returncode}")
        return json.loads(record.read_text())


def steps_per_second(record: dict) -> float:
    """The median epoch's rate.  The first epoch holds tracing and the building of kernels, so it counts only if alone."""
    epochs = record["epochs"][1:] or record["epochs"]
    return statistics.median(e["steps"] / e["seconds"] for e in epochs)


def per_step(record: dict, counter: str) -> float:
    """Over all epochs but the first, training steps only: validation is not counted."""
    epochs = record["epochs"][1:] or record["epochs"]
    return sum(e["after"][counter] - e["before"][counter] for e in epochs) / sum(e["steps"] for e in epochs)


def test_accuracy(record: dict) -> float:
    found = [value for name, value in record["evaluation"].items() if "accuracy" in name]
    return found[0] if found else float("nan")


def history(record: dict) -> dict[str, list[float]]:
    names = record["epochs"][0]["logs"]
    return {name: [epoch["logs"][name] for epoch in record["epochs"]] for name in names}


def summarise(gpu: dict, cpu: dict) -> dict:
    device = gpu["devices"][0]
    return {
        "device": device["name"],
        "driver": device["driver"],
        "tensorflow": gpu["tensorflow"],
        "test_accuracy": test_accuracy(gpu),
        "steps_per_second": steps_per_second(gpu),
        "peak_bytes": gpu["peak_bytes"],
        **{key: per_step(gpu, counter) for counter, key in PER_STEP.items() if key != "readbacks_per_step"},
        "cpu_fallbacks": gpu["counters"]["fallback_nodes"],
        "seconds": gpu["seconds"],
        "cpu_seconds": cpu["seconds"],
        "readbacks_per_step": per_step(gpu, "script_reads"),
        "cpu_steps_per_second": steps_per_second(cpu),
        "cpu_test_accuracy": test_accuracy(cpu),
        "fallbacks": gpu["counters"].get("fallbacks", {}),
        "cpu_ops": gpu["counters"].get("cpu_ops", {}),
        "history": {"gpu": history(gpu), "cpu": history(cpu)},
    }


def show(summary: dict, console: Console) -> None:
    table = Table(title="Training on the GPU and on the CPU", title_justify="left")
    for column in ("", "GPU", "CPU"):
        table.add_column(column, justify="left" if not column else "right")

    def listed(name: str) -> str:
        return ", ".join(f"{op} ({n})" for op, n in summary[name].items()) or "none"

    rows = [
        ("device", summary["device"], "TensorFlow's own"),
        ("driver", summary["driver"], ""),
        ("TensorFlow", summary["tensorflow"], summary["tensorflow"]),
        ("test accuracy", f"{summary['test_accuracy']:.4f}", f"{summary['cpu_test_accuracy']:.4f}"),
        ("steps per second", f"{summary['steps_per_second']:.1f}", f"{summary['cpu_steps_per_second']:.1f}"),
        ("seconds, whole script", f"{summary['seconds']:.1f}", f"{summary['cpu_seconds']:.1f}"),
        ("peak device memory", f"{summary['peak_bytes'] / 2**20:.1f} MiB", ""),
        ("kernel launches per step", f"{summary['launches_per_step']:.1f}", ""),
        ("submissions per step", f"{summary['submissions_per_step']:.2f}", ""),
        ("host waits per step", f"{summary['waits_per_step']:.2f}", ""),
        ("blocking reads per step", f"{summary['readbacks_per_step']:.2f}", ""),
        ("ops fallen back to the CPU", listed("fallbacks"), ""),
        ("ops that no GPU has kernels for", listed("cpu_ops"), ""),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    ratio = summary["steps_per_second"] / summary["cpu_steps_per_second"]
    word = f"{ratio:.1f} times as fast as" if ratio >= 1 else f"{1 / ratio:.1f} times slower than"
    console.print(f"In training steps this device is {word} the CPU of this machine.")


def draw(summary: dict, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for axis, name in zip(axes, ("loss", "accuracy"), strict=True):
        for where, colour, width, style in (("gpu", "tab:orange", 3.5, "-"), ("cpu", "tab:blue", 1.2, "-")):
            values = summary["history"][where]
            for key, dash, label in ((name, style, "training"), (f"val_{name}", "--", "test")):
                if key in values:
                    epochs = range(1, len(values[key]) + 1)
                    axis.plot(epochs, values[key], dash, color=colour, lw=width, label=f"{where.upper()}, {label}")
        axis.set(xlabel="epoch", ylabel=name, title=name.capitalize())
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.suptitle(f"{summary['device']} over the CPU, TensorFlow {summary['tensorflow']}")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tensorflow_anvil.report", description=__doc__.splitlines()[0])
    parser.add_argument("script")
    parser.add_argument("--out", type=Path, default=Path("out"), help="where the files are written (default: out)")
    parser.add_argument("--name", default="train", help="their name without the ending (default: train)")
    parser.add_argument("arguments", nargs="*", help="passed on to the script")
    options = parser.parse_args()

    console = Console()
    device = find_device()
    console.rule("on the GPU")
    gpu = run(options.script, options.arguments, device)
    if not gpu["gpus"]:
        sys.exit("report: TensorFlow saw no GPU; run the script with ANVIL_LOG=all to see why")
    console.rule("on the CPU")
    cpu = run(options.script, options.arguments, {"ANVIL_DEVICE": "none"})

    summary = summarise(gpu, cpu)
    show(summary, console)
    options.out.mkdir(parents=True, exist_ok=True)
    target = options.out / f"{options.name}.json"
    target.write_text(json.dumps(summary, indent=2) + "\n")
    draw(summary, target.with_suffix(".png"))
    console.print(f"Written: {target}, {target.with_suffix('.png')}")


if __name__ == "__main__":
    main()
