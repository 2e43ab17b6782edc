"""Our own engines: the op library alone (anvil_bench), and the plug-in under TensorFlow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from rounds.cases import MICRO
from rounds.conductor import Engine

BENCH = Path(__file__).resolve().parents[1]
ROOT = BENCH.parent
BUILD = Path(os.environ.get("ANVIL_BUILD", ROOT / "build" / "release"))
LOGS = ROOT / ".cache" / "bench" / "logs"
PYTHON = {
    "PYTHONPATH": os.pathsep.join(p for p in (str(BENCH), os.environ.get("PYTHONPATH")) if p),
    "PYTHONUNBUFFERED": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def log(name: str) -> Path:
    LOGS.mkdir(parents=True, exist_ok=True)
    return LOGS / f"{name}.log"


def micro() -> Engine:
    """Ops without TensorFlow."""
    return Engine("anvil", [BUILD / "bench" / "anvil_bench", "--serve"], names=MICRO, log=log("anvil"))


def tensorflow(step: str) -> Engine:
    """Ops and networks through TensorFlow; `step` is `function` or `keras` (see bench/model/models.py)."""
    command = [sys.executable, BENCH / "model" / "engine_anvil.py", step]
    name = "anvil-tensorflow" if step == "function" else "anvil-keras"
    # train_on_batch differs in training only.
    names = None if step == "function" else {n: n for n in ("train_digits", "train_c32")}
    return Engine(name, command, env={**PYTHON, "ANVIL_SOFTWARE_DEVICE": "1"}, names=names, log=log(name))


def cpu(which: str) -> Engine:
    """`tensorflow`, `keras` (its train_on_batch) or `numpy` on the CPU."""
    command = [sys.executable, BENCH / "cpu" / "engine_tensorflow.py", which]
    names = {n: n for n in ("train_digits", "train_c32")} if which == "keras" else None
    return Engine(f"{which}-cpu", command, env={**PYTHON, "ANVIL_DEVICE": "none"}, names=names, log=log(f"{which}-cpu"))
