"""Shows findings to people: with rich where it is installed, as plain text where that is what is broken."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from tensorflow_anvil.doctor.facts import Facts
from tensorflow_anvil.doctor.finding import Finding, Severity
from tensorflow_anvil.doctor.packages import TENSORFLOWS

COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.NOTE: "bold cyan"}


def console(stderr: bool = False):
    """rich's console, or None without rich."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    return Console(stderr=stderr, highlight=False)


def overview(facts: Facts) -> list[tuple[str, str]]:
    """What was looked at, as (name, value)."""
    python, machine, anvil = facts.python, facts.machine, facts.anvil
    system = " ".join(
        filter(None, [machine.system, ".".join(map(str, machine.macos)), machine.processor, machine.libc])
    )
    devices = ", ".join(anvil.devices) or "none"
    return [
        ("Python", f"{'.'.join(map(str, python.version))}, {python.executable}"),
        ("machine", f"{system}, {machine.memory / 2**30:.1f} GiB of memory"),
        ("TensorFlow", _tensorflow(facts)),
        ("TensorFlow Anvil", anvil.version),
        ("Vulkan devices", ", ".join(f"{d.name} ({d.kind})" for d in facts.vulkan.devices) or "none"),
        ("GPUs that TensorFlow gets", devices),
    ]


def _tensorflow(facts: Facts) -> str:
    found = [p for p in facts.packages if p.name in TENSORFLOWS]
    started = ""
    if facts.start.tried:
        started = " (cannot be imported)" if facts.start.problem else " (imports)"
    return ", ".join(f"{p.name} {p.version}" for p in found) + started if found else "not installed"


def summary(findings: list[Finding]) -> str:
    counts = [(sum(f.severity is s for f in findings), s.value) for s in Severity]
    words = [f"{n} {word}{'s' if n > 1 else ''}" for n, word in counts if n]
    return ", ".join(words) if words else "Nothing is amiss."


def lines(finding: Finding) -> Iterator[tuple[str, str]]:
    """(kind, text): the lines of one finding.  Commands stand alone on theirs, so that they can be copied."""
    yield "title", f"{finding.severity.value}: {finding.title} [{finding.id}]"
    for text in finding.evidence:
        yield "evidence", f"  {text}"
    if finding.fix:
        yield "label", "  To mend it:"
        for text in finding.fix.splitlines():
            yield "fix", f"    {text}"


def show(facts: Facts, findings: list[Finding]) -> None:
    to = console()
    if to is None:
        for name, value in overview(facts):
            print(f"{name}: {value}")
        for finding in findings:
            print()
            for _, text in lines(finding):
                print(text)
        print(f"\n{summary(findings)}")
        return
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(title="What was looked at", title_justify="left", show_header=False)
    for name, value in overview(facts):
        table.add_row(name, Text(value))
    to.print(table)
    for finding in findings:
        styles = {"title": COLOURS[finding.severity], "evidence": "", "label": "dim", "fix": "green"}
        to.print()
        for kind, text in lines(finding):
            indent = len(text) - len(text.lstrip())
            line = Text(text.lstrip(), style=styles[kind])
            # A command is not broken into lines, so that it can be copied.
            to.print(
                Text(" " * indent) + line if kind == "fix" else Padding(line, (0, 0, 0, indent), expand=False),
                soft_wrap=kind == "fix",
            )
    to.print()
    to.print(Text(summary(findings), style="bold green" if not findings else "bold"))
    if findings:
        to.print(f"`tf-anvil doctor --explain {findings[0].id}` says more.")
    if any(finding.severity is Severity.ERROR for finding in findings):
        to.print("`tf-anvil doctor --fix` makes a clean environment and leaves this one as it is.")


@contextlib.contextmanager
def progress(quiet: bool = False) -> Iterator[Callable[..., None]]:
    """Gives a function that is told what is being done, and in detail.

    On a terminal that is one line that moves, with the time it has taken; elsewhere each step is a line on stderr.
    """
    to = None if quiet else console(stderr=True)
    if quiet:
        yield lambda what, detail="": None
    elif to is not None and to.is_terminal:
        from rich.markup import escape

        begin = time.monotonic()

        def tell(what: str, detail: str = "") -> None:
            text = f"{time.monotonic() - begin:.0f} s, {what}{': ' + detail if detail else ''}"
            status.update(escape(text[: to.width - 4]))

        with to.status("") as status:
            yield tell
    else:
        yield lambda what, detail="": detail or print(what, file=sys.stderr, flush=True)
