"""Random calls drawn from the rows.  ANVIL_FUZZ_CALLS sets how many, ANVIL_FUZZ_SEED where the sequence starts."""

import os

import engine
import numpy as np

CALLS = int(os.environ.get("ANVIL_FUZZ_CALLS", "400"))
SEED = int(os.environ.get("ANVIL_FUZZ_SEED", "20260101"))


def drawable():
    found = []
    for row in engine.rows():
        have = row.types if engine.DEVICE.name == engine.CPU else engine.registered_keys(row)
        if row.fuzz:
            found += [(row, key) for key in row.types if key in have]
    return found


def test_random_calls_agree_with_the_references():
    """Each call has its own seed, printed on failure, so that one can be repeated alone."""
    choices = drawable()
    assert choices
    failures = []
    for n in range(CALLS):
        rng = np.random.default_rng([SEED, n])
        row, key = choices[int(rng.integers(len(choices)))]
        case = row.fuzz(key, rng)
        if engine.DEVICE.name == engine.CPU and (not case.cpu or any(np.ndim(v) > 5 for v in case.args.values())):
            continue
        where = f"call {n}: {row.op} {key} {case.label}"
        try:
            got = engine.on_device(row, case, key)
        except Exception as e:  # reported with the rest
            failures.append(f"{where}: {type(e).__name__}: {e}")
            continue
        want = engine.expected(row, case)
        for g, w, s in zip(got, want, engine.scales(row, case, len(want)), strict=True):
            text, unit, error = engine.compare(g, w, engine.tolerance(row, key), s)
            engine.MEASURED.note(row, key, unit, error)
            if text:
                failures.append(f"{where}: {text}")
    assert not failures, f"{len(failures)} of {CALLS} calls, seed {SEED}\n" + "\n".join(failures[:15])
