"""The plug-in inside TensorFlow: loading, devices, memory, training, XLA, variables, fallbacks, errors."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("tf_program.py")
TOGETHER = ("listing", "memory", "train", "xla", "variables", "concurrent", "fallbacks", "proxies", "references")
TOGETHER += ("crossing_proxies", "arrays", "wrong_arrays", "errors", "op_cost")


def run(*tasks: str, **environment: str) -> dict:
    """The results of the tasks, run in one process with device memory out of the host's reach."""
    env = {
        **os.environ,
        "ANVIL_SOFTWARE_DEVICE": "1",
        "ANVIL_GUARD": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", PROGRAM, *tasks], env=env, capture_output=True, text=True, timeout=600
    )
    results = [json.loads(line[7:]) for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert done.returncode == 0, f"{tasks} ended with {done.returncode} after {len(results)}\n{done.stderr[-4000:]}"
    return {**dict(results), "stderr": done.stderr}


@pytest.fixture(scope="module")
def healthy():
    return run(*TOGETHER)


@pytest.fixture(scope="module")
def on_cpu():
    return run("train", ANVIL_DEVICE="none")


def test_the_device_is_listed(healthy):
    listing = healthy["listing"]
    assert listing["gpus"] == len(listing["ours"]) >= 1
    assert listing["details"]["device_name"]
    assert listing["ours"][0]["name"] and listing["ours"][0]["memory"] > 0
    assert listing["why"] == ""


def test_memory_is_accounted_for(healthy):
    memory = healthy["memory"]
    assert 64 * 1024 * 4 <= memory["held"] <= 64 * 1024 * 4 + 1024, "the tensor, and the small ones it was made with"
    assert memory["left"] <= 1024
    assert memory["peak"] >= memory["held"]
    assert memory["peak_after_reset"] < memory["peak"]


@pytest.mark.parametrize("mode", ["auto", "compiled", "plain", "eager"])
def test_training_follows_the_cpu(healthy, on_cpu, mode):
    np.testing.assert_allclose(healthy["train"][mode], on_cpu["train"]["plain"], rtol=1e-3)


def test_training_does_not_wait(healthy):
    cost = healthy["train"]["cost"]
    assert cost["launches"] > 20 * 20
    assert cost["waits"] == 0
    # Keras reads the loss and the accuracy at the end of the epoch, not at each step.
    assert cost["script_reads"] < 20


def test_training_stays_on_the_device(healthy):
    assert healthy["train"]["fallbacks"] == {}


def test_xla_is_declined_here_and_kept_on_the_cpu(healthy):
    xla = healthy["xla"]
    assert xla["gpu"] == ["/job:localhost/replica:0/task:0/device:GPU:0", 128.0]
    assert xla["cpu"] == ["/job:localhost/replica:0/task:0/device:CPU:0", 128.0]
    assert xla["hlo"] == "HloModule"


def test_variables(healthy):
    v = healthy["variables"]
    assert v["device"].endswith("GPU:0")
    assert v["updated"] == [2.5, 1.0], "an earlier read must keep its value"
    assert v["assigned"] == 10.0
    for dtype in ("int64", "float16", "bfloat16", "uint32"):
        assert v[dtype] == [7.0] * 3
    assert v["reshaped"] == [3]
    assert v["empty"] == [0, 4]


def test_variables_refuse_what_does_not_fit(healthy):
    v = healthy["variables"]
    name, words = v["wrong_shape_update"]
    assert name == "InvalidArgumentError"
    assert "Cannot update variable with shape [100,7] using a Tensor with shape [3], shapes must be equal" in words
    name, words = v["wrong_shape_assign"]
    assert name == "InvalidArgumentError"
    assert "Trying to assign to variable with tensor with wrong shape. Expected [100,7] got [3]" in words
    name, words = v["wrong_type"]
    assert name == "InvalidArgumentError"
    assert "Trying to assign variable with wrong dtype. Expected float got half" in words
    assert v["unset"][0] == v["unset_on_cpu"][0]
    assert v["after_errors"] == 10.0


def test_a_variable_is_read_whole_while_it_is_updated(healthy):
    assert healthy["concurrent"] == {"torn": [], "final": 200.0}


@pytest.mark.parametrize(
    "case, fallbacks, cpu_ops",
    [
        ("eager", {"MatrixInverse": 3}, {}),
        ("graph", {"MatrixInverse": 1}, {}),
        ("svd", {"Svd": 1}, {}),
        ("cast", {"Cast": 1}, {}),
        ("rank", {}, {"NthElement": 2}),
        ("mixed_graph", {"Svd": 1, "Cast": 1}, {"NthElement": 1}),
    ],
)
def test_ops_on_the_cpu_are_counted(healthy, case, fallbacks, cpu_ops):
    """What CUDA has a kernel for as a fallback, what no GPU has one for apart from it."""
    assert healthy["fallbacks"][case] == [fallbacks, cpu_ops]


@pytest.mark.parametrize(
    "case",
    [
        *("eager_on_cpu", "graph_on_cpu", "pipeline", "strings", "shapes"),
        *("from_host", "files", "numbers_as_strings", "python"),
    ],
)
def test_what_belongs_on_the_cpu_is_not_counted(healthy, case):
    assert healthy["fallbacks"][case] == [{}, {}]


def test_lines_about_ops_on_the_cpu_name_types(healthy):
    lines = healthy["fallbacks"]["logged"]
    assert "Cast DstT=complex128 SrcT=float32 runs on the CPU: this device has no kernel for it" in lines
    assert "Svd T=float64 runs on the CPU: this device has no kernel for it" in lines
    (line,) = (line for line in lines if line.startswith("NthElement"))
    assert line == "NthElement T=float32 runs on the CPU, with copies to the host and back: no GPU has a kernel for it"


def test_a_missing_kernel_on_a_variable_is_no_error(healthy):
    steps = healthy["proxies"]["steps"]
    for mode in ("eager", "graph"):
        got, wanted = steps[f"{mode} GPU:0"], steps[f"{mode} CPU:0"]
        np.testing.assert_allclose(got[1:], wanted[1:], rtol=1e-6)
        assert got[0] == wanted[0] == np.arange(12.0).reshape(4, 3).tolist(), "an earlier read keeps its value"


def test_proxies_are_counted_and_logged(healthy):
    counted = healthy["proxies"]["counted"]
    assert counted["proxies"] == {"ResourceSparseApplyMomentum": 4}
    assert counted["fallbacks"] == {"ResourceSparseApplyMomentum": 4}
    assert any(line.startswith("ResourceSparseApplyMomentum") for line in healthy["proxies"]["logged"])


@pytest.mark.parametrize("fault", ["shape", "index"])
def test_a_proxy_fails_as_the_cpu_does(healthy, fault):
    ours, cpu = healthy["proxies"]["errors"][fault]
    assert ours == cpu == "InvalidArgumentError"


def test_proxies_do_not_block_one_another(healthy):
    assert healthy["crossing_proxies"] == [True] * 6


def test_an_op_that_is_placed_outright_runs(healthy):
    device, value = healthy["proxies"]["placed"]
    assert device.endswith("GPU:0")
    assert value == [[1.5, 1.0], [1.0, 1.25]]
    assert healthy["proxies"]["double"] == 8.0


def test_what_is_free_to_go_to_the_cpu_goes_there(healthy):
    device, proxies = healthy["proxies"]["free"]
    assert device.endswith("CPU:0")
    assert proxies == {}


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int64"])
def test_tensor_arrays(healthy, kind):
    """TensorFlow 1's: every element as on the CPU, with no op elsewhere than asked, and none left to the CPU."""
    device, cpu, free = (healthy["arrays"][kind][place] for place in ("/GPU:0", "/CPU:0", "None"))
    near = {"float16": 2e-3, "bfloat16": 2e-2}.get(kind, 1e-5)
    for ours in (device, free):
        assert ours["proxies"] == {} and ours["fallbacks"] == {}
        assert len(ours["values"]) == len(cpu["values"])
        for got, wanted in zip(ours["values"], cpu["values"], strict=True):
            np.testing.assert_allclose(got, wanted, rtol=near, atol=near)


def test_arrays_of_other_types_stay_with_the_cpu(healthy):
    """int32 lives in host memory here as in the CUDA build."""
    ours = healthy["arrays"]["int32"]["/GPU:0"]
    assert ours["values"] == healthy["arrays"]["int32"]["/CPU:0"]["values"]
    assert ours["proxies"]["TensorArrayWriteV3"] >= 4


def test_wrong_uses_of_arrays(healthy):
    """The class and the words of the CPU's kernels."""
    assert len(healthy["wrong_arrays"]) >= 15
    for name, (ours, cpu) in healthy["wrong_arrays"].items():
        assert cpu[0] and ours == cpu, name


@pytest.mark.parametrize("optimizer", ["GradientDescent", "Adam", "Adagrad", "Momentum"])
def test_reference_variables(healthy, optimizer):
    """TensorFlow 1's variables: every value as on the CPU; only the first assignment goes through the host."""
    ours, cpu, proxies = healthy["references"][f"{optimizer}Optimizer"]
    for got, wanted in zip(ours, cpu, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
    assert set(proxies) <= {"Assign", "AssignAdd", "SparseApplyMomentum"}, proxies


@pytest.mark.parametrize("onednn", ["0", "1"])
def test_joined_ops_with_onednn_and_without(onednn):
    """TensorFlow's remapper joins more ops where oneDNN is on, whichever device they are for."""
    found = run("joined", TF_ENABLE_ONEDNN_OPTS=onednn)["joined"]
    assert max(difference for difference, _ in found.values()) < 1e-5, found
    instance = ["_MklFusedInstanceNorm"] if onednn == "1" else []
    made = {
        "instance": instance,
        "instance and relu": instance,
        "instance and leaky relu": instance,
        "layer": ["_MklLayerNorm"] if onednn == "1" else [],
        "batch": ["_FusedBatchNormEx"],
        "convolution": ["_FusedConv2D"],
    }
    assert {name: ops for name, (_, ops) in found.items() if ops or name in made} == made


def test_errors_are_exceptions(healthy):
    errors = healthy["errors"]
    assert errors["eager"][0] == errors["graph"][0] == "InvalidArgumentError"
    assert errors["counted"] == 2
    assert errors["afterwards"] == 12.0
    assert errors["too_large"] == "ResourceExhaustedError"
    assert errors["after_too_large"] == 6.0


def test_out_of_memory_says_what_to_do():
    result = run("exhausted", ANVIL_MEMORY_LIMIT="420M")["exhausted"]
    for case, size in (
        ("op", "this tensor takes 8 MiB"),
        ("graph", "this tensor takes 8 MiB"),
        ("variable", "[6,1024,1024]"),
    ):
        name, words = result[case]
        assert name == "ResourceExhaustedError", case
        assert size in words, words
        assert "the GPU's memory: 420 MiB by ANVIL_MEMORY_LIMIT, of which TensorFlow holds " in words, words
        held, free, largest = (int(n) for n in re.search(r"holds (\d+) MiB and (\d+) .* had (\d+) MiB", words).groups())
        assert held + free in (419, 420) and held > 64 and 0 < largest <= 420, words
        for advice in ("smaller batch", "mixed_float16", "raise ANVIL_MEMORY_LIMIT"):
            assert advice in words
    assert result["filled"] > 2 and result["afterwards"] == 10.0


def test_a_small_op_costs_one_launch(healthy):
    """Recording it is all: nothing waits or is copied.  How many go into a submission depends on how busy the device is."""
    cost = healthy["op_cost"]
    assert cost.pop("launches") == 200
    assert cost.pop("submissions") <= 200
    assert set(cost.values()) == {0}, cost


def test_a_fork_neither_hangs_nor_uses_the_device():
    result = run("forked")["forked"]
    assert result["exit"]["status"] == 0
    assert result["use"]["status"] == 0
    assert result["use"]["raised"][0] == "UnavailableError"
    assert "forked" in result["use"]["raised"][1]
    assert result["parent"] == 10.0


def test_a_program_that_replaces_itself_keeps_the_device():
    result = run("replaced")
    assert result["replaced"] >= 1
    assert "loaded again" not in result["stderr"]


def test_shapes_that_tensorflow_cannot_hold_are_errors():
    errors = run("hostile_shapes")["hostile_shapes"]
    assert set(errors.values()) == {"InvalidArgumentError"}, errors


def test_loading_twice_is_harmless():
    result = run("loaded_twice")["loaded_twice"]
    assert result["gpus"] == result["devices"] >= 1
    assert result["device"].endswith("GPU:0")
    assert result["value"] == [0.0, 2.0]


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"VK_DRIVER_FILES": "/dev/null"}, "Vulkan"),
        ({"ANVIL_SOFTWARE_DEVICE": "0"}, "ANVIL_SOFTWARE_DEVICE=1"),
        ({"ANVIL_DEVICE": "none"}, "ANVIL_DEVICE"),
    ],
)
def test_without_a_device_tensorflow_is_untouched(environment, reason):
    if "ANVIL_SOFTWARE_DEVICE" in environment and run("listing")["listing"]["ours"][0]["kind"] != "cpu":
        pytest.skip("there is a real GPU")
    result = run("listing", **environment)
    assert result["listing"]["gpus"] == 0
    assert result["listing"]["sum_on_cpu"] == 10.0
    assert reason in result["listing"]["why"]
    assert "tensorflow-anvil" not in result["stderr"], "nothing that the user could mend, so not a word"


def test_a_missing_shim_is_named():
    """Where neither a shim nor TensorFlow's own functions are there: no device, and the command that helps."""
    result = run("listing", ANVIL_SHIM="/nonexistent/shim.so")
    assert result["listing"]["sum_on_cpu"] == 10.0
    assert "tf-anvil build-shim" in result["stderr"]
    if result["listing"]["gpus"] == 0:  # TensorFlow up to 2.18 has the functions itself
        assert "tf-anvil build-shim" in result["listing"]["why"]


@pytest.mark.parametrize("fault", ["lost:5", "submit:6", "pipeline:2", "alloc:1"])
def test_a_fault_is_an_exception_and_the_process_lives(fault):
    result = run("faulty", ANVIL_FAULT=fault)["faulty"]
    assert result["cpu"] == 10.0
    name, words = result["first"]
    if fault.startswith("alloc"):
        # TensorFlow's allocator asks again for less memory, so this fault may pass unseen.
        assert name in ("", "ResourceExhaustedError")
        return
    assert name in ("UnavailableError", "InternalError", "ResourceExhaustedError"), result
    assert words
    if fault.startswith("lost"):
        assert result["second"][0], "a lost device stays lost"
        assert result["device_errors"] >= 1
