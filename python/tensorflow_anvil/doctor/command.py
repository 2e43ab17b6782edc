"""`tf-anvil doctor`: what it does and prints."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

import tensorflow_anvil
from tensorflow_anvil.doctor import fix, machine, show
from tensorflow_anvil.doctor.collect import collect
from tensorflow_anvil.doctor.facts import Facts
from tensorflow_anvil.doctor.finding import TITLES, Finding, page_folder
from tensorflow_anvil.doctor.judge import exit_code, judge
from tensorflow_anvil.doctor.options import FAILED


def run(options: argparse.Namespace) -> int:
    try:
        if options.explain:
            return explain(options.explain)
        if options.python and options.fix is None:
            raise fix.FixError("--python goes with --fix")
        if options.fix is not None:
            return make(options)
        return examine(options)
    except (fix.FixError, OSError, ValueError) as problem:
        print(f"tf-anvil: {problem}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("tf-anvil: stopped", file=sys.stderr)
        return 130


def explain(name: str) -> int:
    if name not in TITLES:
        raise ValueError(f"there is no finding {name}; there are " + ", ".join(sorted(TITLES)))
    print((page_folder() / f"{name}.md").read_text(), end="")
    return 0


def read_facts(file: Path) -> Facts:
    try:
        report = json.loads(file.read_text())
    except ValueError as problem:
        raise ValueError(f"{file} is no JSON: {problem}") from problem
    if not isinstance(report, dict):
        raise ValueError(f"{file} is no report of tf-anvil doctor")
    try:
        return Facts.from_json(report.get("facts", report))
    except ValueError as problem:
        raise ValueError(f"{file}: {problem}") from problem


def examine(options: argparse.Namespace) -> int:
    if options.facts:
        facts = read_facts(options.facts)
    else:
        with show.progress(quiet=options.json or not sys.stderr.isatty()) as tell:
            facts = collect(options.online, 0 if options.quick else options.seconds, tell)
    findings = judge(facts)
    code = exit_code(findings)
    if options.json:
        print(json.dumps(report(facts, findings, code), indent=2))
    else:
        show.show(facts, findings)
    return code


def report(facts: Facts, findings: list[Finding], code: int) -> dict:
    return {
        "version": tensorflow_anvil.__version__,
        "exit_code": code,
        "findings": [finding.to_json() for finding in findings],
        "facts": facts.to_json(),
    }


def make(options: argparse.Namespace) -> int:
    """The new environment; its doctor's exit code."""
    with show.progress() as tell:
        made = fix.make_environment(options.fix, options.python, machine.machine(), tell)
    if options.json:
        print(json.dumps(made, indent=2))
        return made["report"]["exit_code"]
    packages = ", ".join(f"{name} {version}" for name, version in made["installed"].items())
    print(f"Made {made['environment']} with {packages}.")
    for finding in made["report"]["findings"]:
        print(f"{finding['severity']}: {finding['title']} [{finding['id']}]")
    print(f"To use it:\n    source {shlex.quote(made['environment'] + '/bin/activate')}")
    return made["report"]["exit_code"]
