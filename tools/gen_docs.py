#!/usr/bin/env python3
"""Writes docs/generated/ops.md: every op of the library, its types, and the largest error that tests/table/ measured.

    tools/gen_docs.py [--errors out/op_errors.json]

Ops and types come from the library itself, as TensorFlow has registered them; errors from the JSON that a run of
tests/table/ leaves behind.  tests/table/test_coverage.py fails when the op and type columns are out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TYPE_ORDER = (
    "float32",
    "float16",
    "bfloat16",
    "float64",
    "complex64",
    "complex128",
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "any",
)
HEAD = """# Ops on the device

Written by `tools/gen_docs.py`; do not edit. Errors are the largest that the op table (`tests/table/`) measured on
{device}, over every shape, attribute and random call of a row.
`exact`: equal to the reference, bit for bit. `n ulp`: n units in the last place of the float64 reference's value in that type.
`n eps of the sum`: n machine epsilons of the sum of the magnitudes that were added up, after the half unit of the final rounding.

{count} ops, {pairs} kernels.

| op | types | largest measured error |
| --- | --- | --- |
"""


def in_order(keys):
    return sorted(keys, key=lambda k: [TYPE_ORDER.index(part) for part in k.split(">")])


def error_text(keys: list[str], measured: dict[str, dict]) -> str:
    """Types with an error first, then the exact ones in one word, then those that no test has measured."""
    parts, exact, unknown = [], [], []
    for key in keys:
        entry = measured.get(key)
        if entry is None:
            unknown.append(key)
        elif entry["unit"] == "exact" or entry["error"] == 0.0:
            exact.append(key)
        else:
            parts.append(f"{key} {entry['error']:.2g} {entry['unit']}")
    for word, group in (("exact", exact), ("not measured", unknown)):
        if group:
            parts.append(word if len(group) == len(keys) else f"{word}: {' '.join(group)}")
    return "; ".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--errors", type=Path, default=ROOT / "out" / "op_errors.json")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "generated" / "ops.md")
    args = parser.parse_args()
    if not args.errors.exists():
        print(f"{args.errors} is missing: run pytest tests/table first", file=sys.stderr)
        return 1
    measured = json.loads(args.errors.read_text())

    sys.path.insert(0, str(ROOT / "tests" / "table"))
    import conftest  # noqa: F401  sets the environment before TensorFlow is imported
    import engine
    from row import TABLE

    engine.start()
    import tensorflow_anvil

    lines, pairs = [], 0
    for op in sorted({entry["name"] for entry in tensorflow_anvil.ops()}):
        if op in TABLE:
            keys = in_order(engine.registered_keys(TABLE[op]))
            pairs += len(keys)
            lines.append(f"| `{op}` | {' '.join(keys)} | {error_text(keys, measured.get(op, {}))} |")
    device = tensorflow_anvil.devices()[0]["name"]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(HEAD.format(device=device, count=len(lines), pairs=pairs) + "\n".join(lines) + "\n")
    print(f"{args.out}: {len(lines)} ops, {pairs} kernels")
    return 0


if __name__ == "__main__":
    sys.exit(main())
