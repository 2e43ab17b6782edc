"""Random calls of the table's ops, each from a seed of its own, and what is wrong with the device's answer to one.

Five kinds of call.  Some are the row's own random calls, or one of its cases with new values, against the reference.
Some have NaN, infinities and the like strewn in, against the CPU kernel; some are changed in a shape, a size or an
attribute, and the CPU kernel says whether and what they give; some have an index that points far outside, and some are
refused: these must raise the CPU kernel's error, or, where an index is only known on the device, do no harm.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import engine
import numpy as np
import tensorflow as tf
from change import changed
from row import Case, Row, finfo, is_float, special_values
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


def strewn(row: Row, case: Case, rng: np.random.Generator) -> Case:
    """Some elements of the floating-point arguments become awkward."""

    def among(v):
        v, name = np.array(v), engine.type_name(np.asarray(v))
        if v.size and is_float(name):
            at = rng.random(v.shape) < max(0.02, 1.5 / v.size)
            v[at] = awkward(name, rng, int(at.sum()), row.awkward)
        return v

    named = {n: v for n, v in case.args.items() if row.strewn is None or n in row.strewn}
    args = {n: [among(x) for x in v] if isinstance(v, list) else among(v) for n, v in named.items()}
    return replace(case, args=case.args | args)


def pointing_out(case: Case, rng: np.random.Generator) -> Case | None:
    names = [
        n
        for n, v in case.args.items()
        if n in POINTERS and not isinstance(v, list) and np.size(v) and np.asarray(v).dtype.kind in "iu"
    ]
    if not names:
        return None
    name = str(rng.choice(names))
    v = np.array(case.args[name])
    at = tuple(int(rng.integers(n)) for n in v.shape)
    v[at] = np.clip(int(rng.choice(EXTREMES)), np.iinfo(v.dtype).min, np.iinfo(v.dtype).max)
    return replace(case, args=case.args | {name: v}, label=f"{case.label}, {name}[{list(at)}] = {v[at]}")


def awkward(dtype: str, rng: np.random.Generator, n: int, which: str = "all") -> np.ndarray:
    """NaN, infinities, zeros, the ends of the type's range, subnormal numbers, and every magnitude in between."""
    info = finfo(dtype)
    low, high = np.log2(float(info.smallest_subnormal)), np.log2(float(info.max))
    anywhere = np.exp2(rng.uniform(low, high, n)) * rng.choice([-1.0, 1.0], n)
    v = np.where(rng.random(n) < 0.3, anywhere, rng.choice(special_values(dtype).astype(np.float64), n))
    if which == "finite":
        v = np.where(np.isfinite(v), v, float(info.max))
    if which == "moderate":
        v = np.where(np.isfinite(v), np.clip(v, -2.0, 2.0), v)
    return np.where(np.isnan(v), np.inf, v) if which == "numbers" else v


def op_of(seed: int, n: int, count: int) -> int:
    """Every op once, then every op again in another order, ..."""
    return int(np.random.default_rng([seed, n // count]).permutation(count)[n % count])


def draw(seed: int, n: int, rows: list[tuple[Row, list[str]]]) -> Draw:
    rng = np.random.default_rng([seed, n, 1])
    row, keys = rows[op_of(seed, n, len(rows))]
    key = str(rng.choice(keys))
    luck = rng.random()
    if luck < 0.05 and row.invalid and (refused := list(row.invalid(key))):
        return Draw(row, key, refused[int(rng.integers(len(refused)))], "refused")
    case = some_case(row, key, rng)
    if luck < 0.15 and (far := pointing_out(case, rng)):
        return Draw(row, key, far, "pointing out")
    if luck < 0.4 and case.cpu and (beside := changed(row.op, case, rng)) and row.beside(beside):
        return Draw(row, key, beside, "changed")
    if luck < 0.7 and row.strewn != () and case.cpu and any_float(case):
        return Draw(row, key, strewn(row, case, rng), "strewn")
    return Draw(row, key, case, "drawn")


def any_float(case: Case) -> bool:
    return any(is_float(engine.type_name(np.asarray(v))) for v in case.args.values() if not isinstance(v, list))


def silent(_place: str) -> None:
    pass


def wrong(d: Draw, enter=silent) -> list[str]:
    """What is wrong with the device's answer; empty if nothing is.  Calls enter("CPU") before the CPU's kernel runs, which
    may end the process at a call that it does not look at closely enough, and enter("device") before the device's."""
    if d.kind in ("refused", "pointing out"):
        return wrong_class(d, enter)
    if d.kind in ("changed", "strewn"):
        return unlike_cpus(d, enter)
    enter("device")
    try:
        got = engine.on_device(d.row, d.case, d.key)
    except Exception as e:  # an answer as any other, but a wrong one
        return [f"{type(e).__name__}: {e}"]
    return unlike_reference(d, got, engine.expected(d.row, d.case))


def unlike_reference(d: Draw, got: list, want: list) -> list[str]:
    found = []
    for g, w, s in zip(got, want, engine.scales(d.row, d.case, len(want)), strict=True):
        text, unit, error = engine.compare(g, w, engine.tolerance(d.row, d.key), s)
        engine.MEASURED.note(d.row, d.key, unit, error)
        found += [text] if text else []
    return found


def unlike_cpus(d: Draw, enter) -> list[str]:
    """Against the CPU kernel's answer or error, and against the reference where that is as good."""
    enter("CPU")
    cpu = refusal = None
    try:
        cpu = engine.on_cpu(d.row, d.case)
    except Exception as e:  # the contract, then
        refusal = e
    enter("device")
    try:
        got = engine.on_device(d.row, d.case, d.key)
    except Exception as e:
        if (
            type(e) is type(refusal)
            or (refusal is not None and only_there(refusal))
            or (isinstance(e, tf.errors.InvalidArgumentError) and any(text in str(e) for text in d.row.stricter))
            or not engine.fits(d.row.op, d.case)
        ):
            return []
        return [f"raised {type(e).__name__} ({str(e)[:200]}), the CPU kernel {refusal!r:.200}"]
    if refusal is not None:
        return [] if only_there(refusal) else [f"answered, but the CPU kernel raised {refusal!r:.300}"]
    answers = [(cpu, *known(d.row, d.case, len(got)))]
    found = differences(d, got, answers)
    if found and (flat := flushed(d.case)):
        # CPU kernels take denormals for 0 in some of their steps and not in others; an exact answer will do as well.
        _, exact, scales = answers[0]
        with np.errstate(all="ignore"):
            rounded = [w if e is None else e.astype(w.dtype) for w, e in zip(cpu, exact, strict=True)]
        answers += [(engine.on_cpu(d.row, flat), *known(d.row, flat, len(got))), (rounded, exact, scales)]
        found = differences(d, got, answers)
    return found


def known(row: Row, case: Case, outputs: int) -> tuple[list, list]:
    """What the reference gives, and the scale of errors; None where it does not know of such a call, or of NaN."""
    try:
        if row.reference:
            return engine.expected(row, case), engine.scales(row, case, outputs)
    except Exception:  # a reference need not know of calls beside the row's own
        pass
    return [None] * outputs, [None] * outputs


def differences(d: Draw, got: list, answers: list[tuple[list, list, list]]) -> list[str]:
    """What agrees with none of the answers, each of the CPU kernel, the reference and its scales; the first is told."""
    found = []
    for n, g in enumerate(got):
        own = [tuple(part[n] for part in answer) for answer in answers]
        cpu, exact, scale = own[0]
        if g.shape == cpu.shape:
            found += compare_special(d.row, d.key, d.case, g, [a for a in own if a[0].shape == g.shape])
        elif exact is None or engine.compare(g, exact, engine.tolerance(d.row, d.key), scale)[0]:
            found.append(f"shape {g.shape}, the CPU kernel {cpu.shape}")
    return found


def flushed(case: Case) -> Case | None:
    """With zeros for denormals, if there are any."""
    args = {}
    for name, v in case.args.items():
        if not isinstance(v, list) and is_float(kind := engine.type_name(np.asarray(v))):
            wide = np.asarray(v).astype(np.float64)
            denormal = (wide != 0) & (np.abs(wide) < float(finfo(kind).tiny))
            if denormal.any():
                args[name] = np.where(denormal, np.copysign(0, wide), wide).astype(np.asarray(v).dtype)
    return replace(case, args=case.args | args) if args else None


def only_there(refusal: Exception) -> bool:
    """The CPU has no kernel for what the device can do."""
    return isinstance(refusal, tf.errors.UnimplementedError | tf.errors.NotFoundError) or any(
        text in str(refusal) for text in ("Could not find device for node", "CPU", "NHWC", "upport")
    )


def wrong_class(d: Draw, enter) -> list[str]:
    enter("CPU")
    want = engine.error_of(d.row.op, d.case, engine.CPU)
    enter("device")
    got = engine.error_of(d.row.op, d.case, engine.DEVICE.name)
    if got is want or (got and want is tf.errors.ResourceExhaustedError):
        return []
    # What an index on the device points at is not known when the kernel is launched, and the class not the CPU's.
    if d.kind == "pointing out" and got is None and not names_host_argument(d):
        return []
    return [f"raised {got}, the CPU kernel {want}"]


def names_host_argument(d: Draw) -> bool:
    name = d.case.label.rsplit(", ", 1)[-1].split("[")[0]
    return name in engine.host_outputs(d.row, d.key)  # it lists all arguments of the kernel that are on the host
