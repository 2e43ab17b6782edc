"""A training step waits for nothing, leaves nothing behind and breaks no rule of Vulkan."""

import numpy as np
import pytest

STEPS = 60


@pytest.fixture(scope="module")
def epoch(run):
    return run({"task": "waits", "steps": STEPS})


def delta(epoch, name):
    return epoch["after"][name] - epoch["before"][name]


def test_no_waits_in_a_step(epoch):
    assert delta(epoch, "launches") >= STEPS * 10, "the steps did not run on the device"
    assert delta(epoch, "waits") == 0
    # Keras reads the epoch's loss and accuracy at its end, nothing per step.
    assert delta(epoch, "script_reads") <= 8


def test_nothing_falls_back_to_the_cpu(epoch):
    assert epoch["counters"]["fallback_nodes"] == 0, epoch["counters"]


def test_no_op_fails(epoch):
    assert epoch["counters"]["op_errors"] == 0
    assert epoch["counters"]["device_errors"] == 0


def test_memory_is_flat_over_a_thousand_steps(run):
    points = run({"task": "endurance", "steps": 1000})["memory"]
    assert points[-1]["step"] == 1000
    first, rest = points[0], points[1:]
    device = [p["device"] for p in rest]
    assert max(device) <= first["device"] + 65536, f"device memory grew from {first['device']} to {max(device)}"
    assert max(p["driver"] for p in rest) <= first["driver"], "the driver allocated after the first 50 steps"
    # A trend, not the noise of an allocator: the later half against the first.
    host = np.array([p["host"] for p in rest], float)
    half = len(host) // 2
    assert host[half:].mean() - host[:half].mean() < 4 << 20, f"host memory grew: {host / 2**20}"


def test_memory_returns_when_models_are_dropped(run):
    left = run({"task": "drop_models", "models": 100})["left"]
    assert len(left) == 10
    assert left[-1]["device"] <= left[0]["device"] + 65536, left
    assert left[-1]["driver"] <= left[0]["driver"], left


def test_the_validation_layer_is_silent(run):
    got = run({"task": "fit", "steps": 10, "evaluate": True}, ANVIL_VALIDATE="1")
    assert got["counters"]["validation_messages"] == 0, got["stderr"][-3000:]


def test_safe_mode_gives_the_same_losses(run):
    safe = run({"task": "fit", "steps": 12}, ANVIL_SAFE="1")
    fast = run({"task": "fit", "steps": 12})
    assert safe["losses"] == fast["losses"]
    assert safe["bits"] == fast["bits"]
