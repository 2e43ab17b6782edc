"""LSTM and GRU of Keras reach the device's recurrent kernels, and mean what they mean on the CPU."""

import numpy as np
import pytest

CASES = {
    "last": {},
    "sequences": {"return_sequences": True},
    "backwards": {"return_sequences": True, "go_backwards": True},
    "padded": {"return_sequences": True, "masked": True},
    "padded last": {"masked": True},
    "stateful": {"stateful": True, "calls": 3},
    "both directions": {"return_sequences": True, "both": True},
    "both directions, padded last": {"both": True, "masked": True},
}
NAMES = [f"{kind} {case}" for kind in ("lstm", "gru") for case in CASES]
HALF = {name: CASES[name] for name in ("last", "padded last", "both directions")}


@pytest.fixture(scope="module")
def cpu(run):
    return run({"task": "recurrent_layers", "use_cudnn": False, "cases": CASES}, gpu=False)


@pytest.fixture(scope="module")
def gpu(run):
    return run({"task": "recurrent_layers", "use_cudnn": "auto", "cases": CASES})


@pytest.mark.parametrize("name", NAMES)
def test_outputs_and_gradients_are_the_cpus(cpu, gpu, name):
    assert gpu[name]["ops"] == ["CudnnRNNBackpropV3", "CudnnRNNV3"]
    assert not cpu[name]["ops"]
    for got, want in zip(gpu[name]["values"], cpu[name]["values"], strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision(run, cpu, policy):
    got = run({"task": "recurrent_layers", "use_cudnn": "auto", "policy": policy, "cases": HALF})
    close = 0.02 if policy == "mixed_float16" else 0.12
    for name in (f"{kind} {case}" for kind in ("lstm", "gru") for case in HALF):
        assert "CudnnRNNV3" in got[name]["ops"]
        for value, want in zip(got[name]["values"], cpu[name]["values"], strict=True):
            top = max(1.0, float(np.max(np.abs(want))))
            np.testing.assert_allclose(value, want, rtol=0, atol=close * top, err_msg=name)


def test_a_model_of_both_learns_as_on_the_cpu(run):
    got, want = run({"task": "recurrent_fit"}), run({"task": "recurrent_fit"}, gpu=False)
    np.testing.assert_allclose(got["losses"], want["losses"], rtol=1e-3)
    assert got["losses"][-1] < 0.8 * got["losses"][0]
