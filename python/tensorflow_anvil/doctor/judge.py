"""Findings from facts: a pure function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

from tensorflow_anvil.doctor import rules_gpu, rules_machine, rules_packages
from tensorflow_anvil.doctor.facts import Facts
from tensorflow_anvil.doctor.finding import Finding, Severity, note

RULES = (*rules_machine.RULES, *rules_packages.RULES, *rules_gpu.RULES)
ORDER = list(Severity)

# A finding of the left is dropped if one of the right is there, which is what it comes from.
EXPLAINED = {
    "several-tensorflows": {"tensorflow-macos"},
    "tensorflow-damaged": {"several-tensorflows", "tensorflow-macos"},
    "tensorflow-unsupported": {"several-tensorflows", "python-version"},
    "tensorflow-missing": {"python-version"},
    "tensorflow-cuda": {"several-tensorflows"},
    "tensorflow-import": {
        "keras-mixed",
        "numpy-conflict",
        "package-conflict",
        "package-missing",
        "protobuf-conflict",
        "python-version",
        "several-tensorflows",
        "tensorflow-damaged",
        "tensorflow-missing",
        "tensorflow-shadowed",
    },
    "package-missing": {"python-version"},
    "anvil-damaged": {"tensorflow-missing", "tensorflow-damaged", "unsupported-machine", "python-version"},
    "missing-shim": {"several-tensorflows", "tensorflow-cuda", "tensorflow-macos", "package-twice"},
}


def without_consequences(found: list[Finding]) -> list[Finding]:
    ids = {finding.id for finding in found}
    kept = [finding for finding in found if not EXPLAINED.get(finding.id, set()) & ids]
    failed = [finding for finding in found if finding.id == "tensorflow-import"]
    if failed and failed[0] not in kept:  # worth knowing, beside what it comes from
        first = next(i for i, finding in enumerate(kept) if finding.id in EXPLAINED["tensorflow-import"])
        seen = f"importing TensorFlow fails: {failed[0].evidence[0]}"
        said = any(failed[0].evidence[0] in text for text in kept[first].evidence)
        if not said and kept[first].id != "tensorflow-missing":
            kept[first] = dataclasses.replace(kept[first], evidence=(*kept[first].evidence, seen))
    return kept


def apply(rule: Callable[[Facts], Iterable[Finding]], facts: Facts) -> list[Finding]:
    """What a rule finds.  Metadata can hold anything: a rule that fails at them leaves the others their say."""
    try:
        return list(rule(facts))
    except Exception as problem:
        return [note("check-failed", f"judging {rule.__name__}: {type(problem).__name__}: {problem}")]


def judge(facts: Facts) -> list[Finding]:
    """What is amiss, the worst first.  Nothing that follows from something else that is reported."""
    found = without_consequences([finding for rule in RULES for finding in apply(rule, facts)])
    # That there is no device is news only where nothing else tells why.
    others = [f for f in found if (f.id != "no-device" and f.severity is Severity.ERROR) or f.id == "software-gpu-only"]
    if others:
        found = [finding for finding in found if finding.id != "no-device"]
    found += [note("check-failed", text) for text in facts.failed_checks]
    return sorted(found, key=lambda finding: ORDER.index(finding.severity))


def exit_code(findings: list[Finding]) -> int:
    """0: nothing but notes; 1: warnings; 2: errors."""
    severities = {finding.severity for finding in findings}
    return 2 if Severity.ERROR in severities else 1 if Severity.WARNING in severities else 0
