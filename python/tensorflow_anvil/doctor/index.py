"""Asks the package index for newer versions, through pip: so the index, its mirror and the proxy are the user's own."""

from __future__ import annotations

import re
import sys

from tensorflow_anvil.doctor import processes, support
from tensorflow_anvil.doctor.facts import Index, Machine, Python

SECONDS = 60


def newest(package: str) -> tuple[str, str]:
    """(the newest version of a package for this Python, "" if there is none; why the index could not be asked)"""
    # Only where it tries again does pip say that there was no connection.
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--retries", "1"]
    command = [*pip, "index", "versions", package]
    status, out, err = processes.run(command, SECONDS)
    if status is None:
        return "", f"no answer within {SECONDS} seconds"
    versions = re.search(r"^Available versions: (.*)$", out, re.M)
    if versions:
        return versions[1].split(",")[0].strip(), ""
    unreachable = [line for line in err.splitlines() if re.search(r"retry|connection|proxy|resolve", line, re.I)]
    if "No matching distribution" in err and not unreachable:
        return "", ""
    return "", (unreachable or err.splitlines() or ["pip said nothing"])[-1].strip()


def ask(python: Python, machine: Machine) -> Index:
    if not python.pip:
        return Index(asked=True, problem="pip is not installed in this environment")
    found = {}
    for package in (support.tensorflow_package(machine), "tensorflow-anvil"):
        version, problem = newest(package)
        if problem:
            return Index(asked=True, newest=found, problem=problem)
        found[package] = version
    return Index(asked=True, newest=found)
