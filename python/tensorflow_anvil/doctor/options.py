"""The options of `tf-anvil doctor`.  All else is imported when it runs, so that other commands start quickly."""

from __future__ import annotations

import argparse
from pathlib import Path

FAILED = 3  # the exit code when what was asked for could not be done
PLACE = ".venv-anvil"  # where --fix makes the environment if nothing is said

DESCRIPTION = """Finds what keeps TensorFlow or the GPU from working in this environment, and says the fix.

It exits with 0 if nothing is amiss (notes do not count), 1 if there are warnings, 2 if there are errors, and 3 if it
could not do what was asked, such as --fix."""


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "doctor",
        help="find what is amiss with this environment, and how to mend it",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON: findings, and the facts they rest on")
    parser.add_argument("--online", action="store_true", help="ask the package index for newer versions too")
    parser.add_argument("--quick", action="store_true", help="do not start TensorFlow")
    parser.add_argument("--seconds", type=float, default=120, help="the most that TensorFlow may take to start (120)")
    parser.add_argument("--facts", metavar="FILE", type=Path, help="judge what --json printed, perhaps elsewhere")
    parser.add_argument("--explain", metavar="ID", help="print the page of a finding")
    parser.add_argument(
        "--fix",
        metavar="PATH",
        nargs="?",
        const=PLACE,
        type=Path,
        help=f"make a new virtual environment with the latest supported versions in PATH (default: {PLACE}); "
        "the present one is left as it is",
    )
    parser.add_argument("--python", help="with --fix: the Python of the new environment")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from tensorflow_anvil.doctor import command

    return command.run(options)
