"""Keras models train on the device as on the CPU: losses, bits, modes, optimizers, files."""

import numpy as np
import pytest

FLOAT32 = {"steps": 50, "evaluate": True}
RUNS = {
    "float32": FLOAT32,
    "sgd": {"steps": 20, "optimizer": "sgd"},
    "plain_sgd": {"steps": 20, "optimizer": "plain_sgd"},
    "rmsprop": {"steps": 20, "optimizer": "rmsprop"},
    "adamw": {"steps": 20, "optimizer": "adamw"},
    "normalized": {"steps": 20, "body": "normalized"},
    "eager": {"steps": 12, "run_eagerly": True},
}
MODES = {
    "compiled": {"steps": 12, "jit_compile": True},
    "auto": {"steps": 12, "jit_compile": "auto"},
    "several steps a call": {"steps": 12, "steps_per_execution": 4},
    "float16": {"steps": 90, "policy": "mixed_float16", "evaluate": True},
    "bfloat16": {"steps": 90, "policy": "mixed_bfloat16", "evaluate": True},
    "float16 eager": {"steps": 8, "policy": "mixed_float16", "run_eagerly": True},
    "float16 normalized": {"steps": 30, "policy": "mixed_float16", "body": "normalized"},
}
# Relative difference of a loss: batch statistics and the square root of small moments enlarge the last bits of a sum.
CLOSE = {"rmsprop": 3e-3, "normalized": 3e-3}


@pytest.fixture(scope="module")
def gpu(run):
    return run({"task": "many", "runs": RUNS})


@pytest.fixture(scope="module")
def modes(run):
    return run({"task": "many", "runs": MODES})


@pytest.fixture(scope="module")
def cpu(run):
    return run({"task": "many", "runs": RUNS}, gpu=False)


@pytest.mark.parametrize("name", RUNS)
def test_losses_follow_the_cpu(gpu, cpu, name):
    got, want = np.array(gpu[name]["losses"]), np.array(cpu[name]["losses"])
    assert len(got) == RUNS[name]["steps"]
    assert np.isfinite(got).all()
    assert gpu[name]["weights_on"] and all("GPU" in d for d in gpu[name]["weights_on"]), gpu[name]["weights_on"]
    worst = np.max(np.abs(got - want) / np.abs(want))
    assert worst <= CLOSE.get(name, 1e-3), (
        f"{name}: losses differ by {worst:.2e} relative at step {np.argmax(np.abs(got - want) / want)}"
    )


def test_two_runs_have_the_same_bits(run, gpu):
    again = run({"task": "many", "runs": {k: RUNS[k] for k in ("float32", "normalized")}}, again=1)
    for name in ("float32", "normalized"):
        assert again[name]["losses"] == gpu[name]["losses"]
        assert again[name]["bits"] == gpu[name]["bits"]


def test_predict_and_evaluate_agree(gpu, cpu):
    got, want = gpu["float32"], cpu["float32"]
    assert abs(got["test_accuracy"] - got["predicted_accuracy"]) < 1e-6
    assert abs(got["test_loss"] - want["test_loss"]) <= 2e-3 * want["test_loss"]
    np.testing.assert_allclose(got["logits"], want["logits"], rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", ["compiled", "auto", "several steps a call"])
def test_modes_of_execution_give_the_same_losses(gpu, modes, name):
    got = modes[name]["losses"]
    if name == "several steps a call":
        assert len(got) == 3  # Keras reports once a call
        assert got[-1] < got[0]
    else:
        np.testing.assert_allclose(got, gpu["float32"]["losses"][:12], rtol=1e-5)


@pytest.mark.parametrize("name", ["float16", "bfloat16", "float16 eager", "float16 normalized"])
def test_mixed_precision_trains(modes, name):
    losses = np.array(modes[name]["losses"])
    assert np.isfinite(losses).all()
    assert losses[-4:].mean() < losses[:4].mean() * (0.5 if len(losses) > 50 else 1.0)
    if "test_accuracy" in modes[name]:
        assert modes[name]["test_accuracy"] > 0.8


def test_weights_and_models_are_saved_and_loaded(run):
    got = run({"task": "save_and_load"})
    assert got["weights"] == 0.0
    assert got["whole"] == 0.0
    assert got["optimizer"]
    np.testing.assert_allclose(*got["continued"], rtol=1e-6)


def test_a_custom_loop(run):
    got, want = (run({"task": "custom_loop"}, gpu=g)["losses"] for g in (True, False))
    np.testing.assert_allclose(got, want, rtol=1e-4)
    assert got[-1] < got[0] / 2
