"""The table of all models: on the terminal, and as a document made from out/models.json.

python tests/models/report.py     writes docs/models.md
"""

from __future__ import annotations

import json
import math
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = ("model", "precision", "mode", "steps", "loss", "off by", "prediction off by", "launches", "submissions",
           "waits", "to device", "to host", "ms", "CPU ms", "MiB", "on the CPU (nodes)")  # fmt: skip
PER_STEP = "Launches, submissions, waits, bytes and milliseconds are per training step, after the first."


def size(n: float) -> str:
    return f"{n:.0f} B" if n < 10240 else f"{n / 1024:.0f} KiB"


def cells(row: dict) -> list[str]:
    """A row's columns; after the mode only what went wrong, if it did not run."""
    name = [row["model"], row["precision"], row["mode"], str(row["steps"])]
    if "per_step" not in row:
        return [*name, "failed", *[""] * (len(COLUMNS) - 6), row["why"][:60]]
    step = row["per_step"]
    return [
        *name,
        " → ".join(f"{v:.3f}" for v in row["loss"]),
        *(f"{row[k]:.0e}" if math.isfinite(row[k]) else "" for k in ("loss_error", "prediction_error")),
        f"{step['launches']:.0f}",
        f"{step['submissions']:.1f}",
        f"{step['waits']:.2g}",
        size(step["bytes_to_device"]),
        size(step["bytes_to_host"]),
        f"{step['ms']:.0f}",
        f"{row['cpu_ms']:.0f}",
        f"{row['peak_bytes'] / 2**20:.0f}",
        ", ".join(f"{op} ({n})" for op, n in row["fallbacks"].items()) or "none",
    ]


def show(rows: list[dict], console) -> None:
    from rich.table import Table

    table = Table(title="Models on the device against the CPU", title_justify="left")
    for i, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if 3 <= i < len(COLUMNS) - 1 else "left")
    for row in rows:
        table.add_row(*(text.replace("[", "(") for text in cells(row)), style=None if row["ok"] else "red")
    console.print(table)
    console.print(PER_STEP)


# Times are left out: those of a software device say nothing of a GPU.
SHOWN = [i for i, column in enumerate(COLUMNS) if column not in ("ms", "CPU ms", "MiB")]


def document(rows: list[dict]) -> str:
    table = [[COLUMNS[i] for i in SHOWN], ["---"] * 4 + ["---:"] * (len(SHOWN) - 5) + ["---"]]
    table += [[cells(row)[i].replace("|", "\\|") for i in SHOWN] for row in rows]
    right = sum(row["ok"] for row in rows)
    return "\n".join(
        (
            "# Common models, on the device and on the CPU",
            "",
            "`make models` trains these on the device and on TensorFlow's CPU, each from the same weights and data, and",
            "compares each step's loss and what the model predicts afterwards. This page is made of its result by",
            "`python tests/models/report.py`; it was a software device (lavapipe), which computes as a GPU does, so that",
            "the counts hold for any device.",
            "",
            f"{right} of {len(rows)} agree. A difference is a part of the largest loss or prediction; eager mode runs fewer",
            "steps, after which predictions cannot be compared. `tests/models/tolerances.py` says how much may differ, and",
            "why that is more for some. The networks of keras.applications run eagerly only once: eager mode launches the",
            "same kernels one by one, thousands for each, from Python.",
            f"{PER_STEP.replace(' and milliseconds', '')}",
            "",
            *("| " + " | ".join(line) + " |" for line in table),
            "",
        )
    )


def main() -> None:
    rows = json.loads((ROOT / "out" / "models.json").read_text())["rows"]
    (ROOT / "docs" / "models.md").write_text(document(rows))


if __name__ == "__main__":
    main()
