"""Calls beside a row's own: an axis of another size, an axis more or fewer, another number among the arguments, another
attribute.  What TensorFlow's CPU kernel makes of one, an answer or an error, is what the device must make of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from row import Case
from tensorflow.python.framework import op_def_registry

SIZES = (-2, -1, 0, 1, 2, 3, 5)
REALS = (0.0, -0.0, -1.0, 0.5, 1.0, 1e-30, 1e30, float("inf"), float("nan"))


UNSEEN = {"counter", "segment_ids"}  # their length and their order: not every CPU kernel looks at them


def arrays(case: Case) -> list[str]:
    return [n for n, v in case.args.items() if not isinstance(v, list) and n not in UNSEEN]


def of_size(x: np.ndarray, axis: int, size: int) -> np.ndarray:
    """x cut off or begun again along an axis."""
    have = x.shape[axis]
    if have == 0:
        return np.zeros(x.shape[:axis] + (size,) + x.shape[axis + 1 :], x.dtype)
    return np.take(x, np.arange(size) % have, axis)


def resized(case: Case, rng: np.random.Generator) -> Case | None:
    """One size becomes another, wherever it stands (so that arguments still fit one another), or in one place."""
    names = [n for n in arrays(case) if np.ndim(case.args[n])]
    if not names:
        return None
    name = str(rng.choice(names))
    x = np.asarray(case.args[name])
    axis = int(rng.integers(x.ndim))
    have = x.shape[axis]
    size = max(0, int(rng.choice([0, 1, have - 1, have + 1, 2 * have, 3])))
    if rng.random() < 0.35:
        return replace(
            case, args=case.args | {name: of_size(x, axis, size)}, label=f"{case.label}, {name} axis {axis} of {size}"
        )
    args = {}
    for n, v in case.args.items():
        for at in range(np.ndim(v) if n in arrays(case) or n == "segment_ids" else 0):
            v = of_size(np.asarray(v), at, size) if np.shape(v)[at] == have else v
        v = np.sort(v) if n == "segment_ids" and np.ndim(v) else v
        args[n] = v
    return replace(case, args=args, label=f"{case.label}, {size} for {have}")


def reranked(case: Case, rng: np.random.Generator) -> Case | None:
    name = str(rng.choice(arrays(case))) if arrays(case) else None
    if name is None:
        return None
    x = np.asarray(case.args[name])
    fewer = x.ndim and x.shape[0] and rng.random() < 0.5
    x = x[0] if fewer else np.expand_dims(x, int(rng.choice([0, x.ndim])))
    return replace(case, args=case.args | {name: x}, label=f"{case.label}, {name} of {x.shape}")


def renumbered(case: Case, rng: np.random.Generator) -> Case | None:
    """A size, an axis, a bound...: one of the few integers that say what to do."""
    names = [n for n in arrays(case) if np.asarray(case.args[n]).dtype.kind == "i" and 0 < np.size(case.args[n]) <= 16]
    if not names:
        return None
    name = str(rng.choice(names))
    v = np.array(case.args[name])
    at = tuple(int(rng.integers(n)) for n in v.shape)
    v[at] = rng.choice([*SIZES, int(v[at]) + 1, int(v[at]) - 1])
    return replace(case, args=case.args | {name: v}, label=f"{case.label}, {name}{list(at)} = {v[at]}")


def reattributed(case: Case, rng: np.random.Generator, op: str) -> Case | None:
    definition = op_def_registry.get(op)
    inferred = {a.number_attr for a in definition.input_arg}
    kinds = {a.name: a for a in definition.attr if a.name not in inferred}
    names = [n for n, a in kinds.items() if a.type in ("bool", "int", "float", "list(int)") and n in case.attrs]
    names += [n for n, a in kinds.items() if a.type == "string" and a.allowed_values.list.s]
    names += [n for n, a in kinds.items() if a.type == "bool" and n not in case.attrs]
    if not names:
        return None
    name = str(rng.choice(names))
    kind, v = kinds[name].type, case.attrs.get(name)
    if kind == "bool":
        v = not (kinds[name].default_value.b if v is None else v)
    elif kind == "int":
        v = int(rng.choice([*SIZES, int(v) + 1, int(v) - 1]))
    elif kind == "float":
        v = float(rng.choice(REALS))
    elif kind == "string":
        v = str(rng.choice([s.decode() for s in kinds[name].allowed_values.list.s]))
    elif len(v) == 0 or rng.random() < 0.2:
        v = [*v, 1] if rng.random() < 0.5 else list(v[1:])
    else:
        v = list(v)
        v[int(rng.integers(len(v)))] = int(rng.choice(SIZES))
    return replace(case, attrs=case.attrs | {name: v}, label=f"{case.label}, {name} = {v}")


def changed(op: str, case: Case, rng: np.random.Generator) -> Case | None:
    way = int(rng.integers(5))
    if way == 0:
        return reranked(case, rng)
    if way == 1:
        return renumbered(case, rng)
    if way == 2:
        return reattributed(case, rng, op)
    return resized(case, rng)
