"""Random calls of the table's ops, each from a seed of its own, and what is wrong with the device's answer to one.

Four kinds of call.  Most are the row's own random calls, or one of its cases with new values, against the reference.
Some have NaN, infinities and the like strewn in, against the CPU kernel; some have an index that points far outside, and
some are refused: these must raise the CPU kernel's error, or, where an index is only known on the device, do no harm.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import engine
import numpy as np
from row import Case, Row, is_float, special_values
from specials import compare_special

# Arguments that point somewhere.  Sizes are left alone: a huge one is a request for memory, and TensorFlow's to refuse.
POINTERS = {"indices", "segment_ids", "begin", "end", "axis", "dimension", "reduction_indices", "labels", "perm", "split_dim",
            "concat_dim", "batch_indices", "box_ind", "batch_dims", "seq_lengths", "sequence_lengths"}  # fmt: skip
EXTREMES = (-1, -2, 7, 1000, -(2**31), 2**31 - 1)
MANY = 40_000  # elements: larger cases are the table's, where each runs once


@dataclass(frozen=True)
class Draw:
    row: Row
    key: str
    case: Case
    kind: str

    def __str__(self):
        return f"{self.row.op} {self.key} {self.case.label}, {self.kind}"


def choices() -> list[tuple[Row, str]]:
    """Each op and type that can be called; an op with many types counts as often as one with few."""
    found = []
    for row in engine.rows():
        have = row.types if engine.DEVICE.name == engine.CPU else engine.registered_keys(row)
        keys = [key for key in row.types if key in have]
        if keys:
            found.append((row, keys))
    return found


def largest(case: Case) -> int:
    return max((np.size(x) for v in case.args.values() for x in (v if isinstance(v, list) else [v])), default=0)


def some_case(row: Row, key: str, rng: np.random.Generator) -> Case:
    if row.fuzz and rng.random() < 0.75:
        return row.fuzz(key, rng)
    cases = [c for c in itertools.islice(row.cases(key, rng), int(rng.integers(1, 40))) if largest(c) <= MANY]
    return cases[int(rng.integers(len(cases)))] if cases else next(iter(row.cases(key, rng)))


def strewn(case: Case, rng: np.random.Generator) -> Case:
    """Some elements of the floating-point arguments become NaN, infinite, huge, tiny or zero."""
    args = {}
    for name, v in case.args.items():
        v = np.array(v) if not isinstance(v, list) else v
        if not isinstance(v, list) and v.size and is_float(engine.type_name(v)):
            at = rng.random(v.shape) < max(0.02, 1.5 / v.size)
            v[at] = rng.choice(special_values(engine.type_name(v)), int(at.sum()))
        args[name] = v
    return replace(case, args=args)


def pointing_out(case: Case, rng: np.random.Generator) -> Case | None:
    names = [n for n, v in case.args.items() if n in POINTERS and np.size(v) and np.asarray(v).dtype.kind in "iu"]
    if not names:
        return None
    name = str(rng.choice(names))
    v = np.array(case.args[name])
    at = tuple(int(rng.integers(n)) for n in v.shape)
    v[at] = np.clip(int(rng.choice(EXTREMES)), np.iinfo(v.dtype).min, np.iinfo(v.dtype).max)
    return replace(case, args=case.args | {name: v}, label=f"{case.label}, {name}[{list(at)}] = {v[at]}")


def draw(seed: int, n: int, rows: list[tuple[Row, list[str]]]) -> Draw:
    rng = np.random.default_rng([seed, n])
    row, keys = rows[int(rng.integers(len(rows)))]
    key = str(rng.choice(keys))
    luck = rng.random()
    if luck < 0.08 and row.invalid and (refused := list(row.invalid(key))):
        return Draw(row, key, refused[int(rng.integers(len(refused)))], "refused")
    case = some_case(row, key, rng)
    if luck < 0.16 and (far := pointing_out(case, rng)):
        return Draw(row, key, far, "pointing out")
    if luck < 0.35 and row.specials and is_float(key) and case.cpu:
        return Draw(row, key, strewn(case, rng), "strewn")
    return Draw(row, key, case, "drawn")


def wrong(d: Draw) -> list[str]:
    """What is wrong with the device's answer; empty if nothing is."""
    if d.kind in ("refused", "pointing out"):
        return wrong_class(d)
    try:
        got = engine.on_device(d.row, d.case, d.key)
    except Exception as e:  # an answer as any other, but a wrong one
        return [f"{type(e).__name__}: {e}"]
    want = engine.expected(d.row, d.case)
    if d.kind == "strewn":
        try:
            cpu = engine.on_cpu(d.row, d.case)
        except Exception:  # no CPU kernel of this type
            return []
        exact = want if d.row.reference else [None] * len(got)
        return [
            t for g, w, e in zip(got, cpu, exact, strict=True) for t in compare_special(d.row, d.key, d.case, g, w, e)
        ]
    found = []
    for g, w, s in zip(got, want, engine.scales(d.row, d.case, len(want)), strict=True):
        text, unit, error = engine.compare(g, w, engine.tolerance(d.row, d.key), s)
        engine.MEASURED.note(d.row, d.key, unit, error)
        found += [text] if text else []
    return found


def wrong_class(d: Draw) -> list[str]:
    want = engine.error_of(d.row.op, d.case, engine.CPU)
    got = engine.error_of(d.row.op, d.case, engine.DEVICE.name)
    if got is want:
        return []
    # What an index on the device points at is not known when the kernel is launched, and the class not the CPU's.
    if d.kind == "pointing out" and got is None and not names_host_argument(d):
        return []
    return [f"raised {got}, the CPU kernel {want}"]


def names_host_argument(d: Draw) -> bool:
    name = d.case.label.rsplit(", ", 1)[-1].split("[")[0]
    return name in engine.host_outputs(d.row, d.key)  # it lists all arguments of the kernel that are on the host
