"""The table and the library agree: every kernel that is registered has a row, and what was promised is registered."""

import re
from pathlib import Path

import engine
import pytest
import tensorflow as tf
from required import REQUIRED, REQUIRED_DOUBLES
from row import TABLE

# Ops on variables take a resource, not a tensor (test_variables.py); ops with a state have no fixed result (test_random.py).
ELSEWHERE = {"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"}
ELSEWHERE |= {op for op in dir(tf.raw_ops) if op.startswith("Resource")}
# Gradients need what the forward pass kept (test_recurrent.py).
ELSEWHERE |= {"CudnnRNNBackprop", "CudnnRNNBackpropV2", "CudnnRNNBackpropV3"}
# A generator's state is a variable (test_generator.py).
ELSEWHERE |= {op for op in dir(tf.raw_ops) if op.startswith(("StatefulUniform", "RngSkip", "RngReadAndSkip"))}
ELSEWHERE |= {"StatefulStandardNormalV2", "StatefulTruncatedNormal"}
# TensorFlow 1's forms on references share the code of those; the plug-in's tests run them in a session.
ELSEWHERE |= {op.removeprefix("Resource") for op in ELSEWHERE}
ELSEWHERE |= {"RandomUniform", "RandomStandardNormal", "TruncatedNormal", "RandomUniformInt"}
# Only old graphs may have them (test_old_graphs.py).
ELSEWHERE |= {op for op in dir(tf.raw_ops) if op.startswith(("BatchMatrix", "BatchFFT", "BatchIFFT"))}
ELSEWHERE |= {"Conv3DBackpropInput", "Conv3DBackpropFilter"}


def catalogue() -> list[str]:
    """The ops of the library's catalogue, by its own account."""
    import tensorflow_anvil

    return sorted({op["name"] for op in tensorflow_anvil.ops()})


@pytest.fixture(autouse=True)
def device_only():
    if engine.DEVICE.name == engine.CPU:
        pytest.skip("about the device's kernels")


def test_every_registered_op_has_a_row():
    missing = [op for op in catalogue() if op not in TABLE and op not in ELSEWHERE]
    assert not missing, f"no row in tests/table/ for {missing}"


def test_every_registered_type_is_tested():
    missing = []
    for op in catalogue():
        if op in TABLE:
            missing += [f"{op} {key}" for key in sorted(engine.registered_keys(TABLE[op]) - set(TABLE[op].types))]
    assert not missing, f"registered, but in no row: {missing}"


def test_what_was_promised_is_registered():
    missing = []
    for op, types in REQUIRED.items():
        have = engine.registered_keys(TABLE[op]) if op in TABLE else {c.get("dtype") for c in engine.registered(op)}
        missing += [f"{op} {t}" for t in types if t not in have and not (op not in TABLE and have)]
    assert not missing, f"promised, but not registered: {missing}"


def test_float64_is_computed_where_the_devices_have_doubles():
    """There every op of the list has a kernel, and elsewhere none has: TensorFlow's placement on the CPU serves."""
    import tensorflow_anvil

    have = [op for op in REQUIRED_DOUBLES if "float64" in engine.registered_keys(TABLE[op])]
    doubles = all(device["f64"] for device in tensorflow_anvil.devices())
    assert have == (list(REQUIRED_DOUBLES) if doubles else [])


def test_the_documented_table_is_current():
    """docs/generated/ops.md lists the ops and types that are registered (its error column moves with the machine)."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "generated" / "ops.md").read_text()
    documented = {m[1]: set(m[2].split()) for m in re.finditer(r"^\| `(\w+)` \| ([^|]*) \|", text, re.MULTILINE)}
    actual = {op: engine.registered_keys(TABLE[op]) for op in catalogue() if op in TABLE}
    assert set(documented) == set(actual), "run tools/gen_docs.py"
    stale = [op for op in actual if documented[op] != actual[op]]
    assert not stale, f"run tools/gen_docs.py: {stale} changed"
