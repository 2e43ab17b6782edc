"""Whether a run on the device agrees with the CPU's."""

from __future__ import annotations

import math

import numpy as np
import tolerances


def judged(model, variant: dict, got: dict, want: dict) -> dict:
    """A row: what was run, whether it agrees, and why not."""
    row = {"model": model.name, "module": model.train, **variant, "ok": False, "why": ""}
    if "error" in want:
        return row | {"why": f"on the CPU: {want['error']}", "words": want.get("words", "")}
    if "error" in got:
        return row | {"why": got["error"], "words": got.get("words", "")}
    precision = variant["precision"]
    losses, reference = np.array(got["losses"]), np.array(want["losses"])[: variant["steps"]]
    finite = reference[np.isfinite(reference)]
    scale = float(np.max(np.abs(finite), initial=0)) or 1.0
    loss_error = relative(losses, reference, scale)
    # Fewer steps than the CPU's run lead to other weights, so that only the losses can be compared.
    same = variant["steps"] == len(want["losses"])
    a, b = np.array(got["prediction"]), np.array(want["prediction"])
    prediction_error = relative(a, b, float(np.max(np.abs(b), initial=0)) or 1.0) if same else math.nan
    why = []
    loss_limit, prediction_limit = tolerances.of(model.name, precision)
    if loss_error > loss_limit:
        why.append(f"losses differ by {loss_error:.1e}: {shown(losses)}, the CPU's {shown(reference)}")
    if same and prediction_error > prediction_limit:
        why.append(f"predictions differ by {prediction_error:.1e}")
    if got["errors"] or got["validation"]:
        why.append(f"{got['errors']} errors, {got['validation']} validation messages")
    if got["per_step"]["waits"] > tolerances.waits(model.name):
        why.append(f"{got['per_step']['waits']:.2g} waits a step")
    return row | {
        "ok": not why,
        "why": "; ".join(why),
        "loss": [losses[0], losses[-1]] if losses.size else [],
        "loss_error": loss_error,
        "prediction_error": prediction_error,
        "fallbacks": got["fallbacks"],
        "per_step": got["per_step"],
        "cpu_ms": want["per_step"]["ms"],
        "peak_bytes": got["peak_bytes"],
        "seconds": got["seconds"],
    }


def relative(a: np.ndarray, b: np.ndarray, scale: float) -> float:
    """The largest difference in units of `scale`; infinite where shapes or the places of NaN and infinities differ."""
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return math.inf
    finite = np.isfinite(a)
    return float(np.max(np.abs(a - b)[finite], initial=0)) / scale


def shown(values: np.ndarray) -> str:
    return "[" + " ".join(f"{v:.5g}" for v in values[:4]) + (" …]" if values.size > 4 else "]")
