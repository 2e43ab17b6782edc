"""Random calls drawn from the rows; fuzz.py does many more, in processes of their own and under validation.

ANVIL_FUZZ_CALLS sets how many, ANVIL_FUZZ_SEED where the sequence starts."""

import os

import draw
import engine
import pytest
from neighbours import Neighbours

CALLS = int(os.environ.get("ANVIL_FUZZ_CALLS", "400"))
SEED = int(os.environ.get("ANVIL_FUZZ_SEED", "20260101"))


@pytest.fixture
def neighbours():
    around = Neighbours()
    yield around
    around.check()


def test_random_calls_agree_with_the_references(neighbours):
    """Each call has its own seed, so that `python tests/table/fuzz.py --only CALL` can repeat one alone."""
    rows = draw.choices()
    assert rows
    failures = []
    for n in range(CALLS):
        d = draw.draw(SEED, n, rows)
        if d.kind == "changed":  # some end TensorFlow's CPU kernels, and with them this process
            continue
        if engine.DEVICE.name == engine.CPU and not (d.kind == "drawn" and cpu_can(d.case)):
            continue
        failures += [f"call {n}: {d}: {text}" for text in draw.wrong(d)]
    assert not failures, f"{len(failures)} failures in {CALLS} calls, seed {SEED}\n" + "\n".join(failures[:15])


def cpu_can(case) -> bool:
    return case.cpu and all(getattr(v, "ndim", 0) < 6 for v in case.args.values())
