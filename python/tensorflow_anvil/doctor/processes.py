"""Runs what may crash or hang in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MARK = "ANVIL-DOCTOR "  # what a probe answers begins with this, whatever else is printed

_running: set[subprocess.Popen] = set()


def stop() -> None:
    """Ends all that is running, for a user who does not want to wait."""
    for process in list(_running):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


@dataclasses.dataclass(frozen=True)
class Answer:
    value: Any = None  # None where the probe gave none
    problem: str = ""  # then this says why
    lines: tuple[str, ...] = ()  # the last lines on stderr


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def run(command: list[str], seconds: float, **environment: str) -> tuple[int | None, str, str]:
    """(exit status or None for out of time, stdout, stderr).  All that it started ends with it."""
    # Files, not pipes: what a killed program started may keep a pipe open for ever.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
            env={**os.environ, **environment},
        )
        _running.add(process)
        try:
            status: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            _running.discard(process)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return status, texts[0], texts[1]


def ask(probe: Path, seconds: float, **environment: str) -> Answer:
    """What the probe, a Python file that prints MARK and JSON, answers in this environment's Python.

    Its text is handed over, not its path: else its folder would be the first in which modules are looked for.
    """
    environment.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    environment.setdefault("PYTHONIOENCODING", "utf-8")
    status, out, err = run([sys.executable, "-c", probe.read_text()], seconds, **environment)
    lines = tuple(line.rstrip() for line in err.splitlines() if line.strip())[-12:]
    answers = [line[len(MARK) :] for line in out.splitlines() if line.startswith(MARK)]
    if status is None:
        return Answer(problem=f"it did not finish within {seconds:.0f} seconds", lines=lines)
    if status < 0:
        return Answer(problem=f"it crashed ({signal_name(-status)})", lines=lines)
    if not answers:
        return Answer(problem=lines[-1] if lines else f"it ended with status {status} and said nothing", lines=lines)
    return Answer(json.loads(answers[-1]), lines=lines)
