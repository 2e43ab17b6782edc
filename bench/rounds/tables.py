"""Markdown tables of a comparison's results (bench/rounds/conductor.py)."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from rounds import conductor
from rounds.cases import WORK


def ratio(result: dict, case: str, ours: str, theirs: str) -> float | None:
    """How many times faster `ours` is, paired by round: the median over the rounds that both have."""
    engines = result["cases"][case]["engines"]
    pair = [engines.get(name, {}).get("samples") for name in (ours, theirs)]
    if not all(pair):
        return None
    return statistics.median(b / a for a, b in zip(*pair, strict=False))


def cell(summary: dict | None, work) -> str:
    if summary is None:
        return "-"
    if "ms" not in summary:
        return "not quiet" if summary["problem"] == conductor.NOT_QUIET else "fails"
    ms = summary["ms"]
    spread = (summary["q3"] - summary["q1"]) / ms if ms else 0
    return f"{ms:.4g} ms ({work.rate(ms)}) ±{50 * spread:.0f}%"


def grid(result: dict, engines: Sequence[str], extra: dict) -> str:
    """One line a case, one column an engine; `extra` maps a heading to a function of the case."""
    lines = [
        "| case | " + " | ".join([*engines, *extra]) + " | rounds |",
        "| --- |" + " ---: |" * (len(engines) + len(extra) + 1),
    ]
    for case, done in result["cases"].items():
        work = WORK[case]
        columns = [cell(done["engines"].get(e), work) for e in engines] + [column(case) for column in extra.values()]
        lines.append(f"| {work.title} | " + " | ".join(columns) + f" | {done['rounds']} (-{done['dropped']}) |")
    return "\n".join(lines)


def heading(result: dict) -> str:
    machine = result["machine"]
    lines = [f"Taken {result['time']} on {machine['processor']}, {machine['cores']} cores.", ""]
    lines += [
        f"- {name}: {', '.join(f'{k} {v}' for k, v in facts.items())}" for name, facts in result["engines"].items()
    ]
    return "\n".join(lines)


def problems(result: dict) -> str:
    lines = [
        f"- {WORK[case].title}, {name}: {summary['problem']}"
        for case, done in result["cases"].items()
        for name, summary in done["engines"].items()
        if "problem" in summary
    ]
    return "Did not run:\n\n" + "\n".join(lines) if lines else ""


def write(path: Path, title: str, parts: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# {title}\n\n" + "\n\n".join(p for p in parts if p) + "\n")


def save(path: Path, result: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
