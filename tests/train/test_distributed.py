"""Several devices: a GPU offered twice to one process, and two processes that train together, agree with the CPU."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

PROGRAM = Path(__file__).with_name("distributed.py")


def start(environment: dict, *arguments: str, **changes: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", PROGRAM, *arguments],
        env={**environment, **changes},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def results(*processes: subprocess.Popen) -> list[dict]:
    """What each printed.  None outlives the test."""
    try:
        ended = [(process, *process.communicate(timeout=300)) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, _, stderr in ended:
        assert process.returncode == 0, stderr[-4000:]
    return [json.loads(out.split("RESULT ")[1]) for _, out, _ in ended]


def free_ports(n: int) -> list[str]:
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("localhost", 0))
    ports = [str(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture(scope="module")
def on_cpu(environment):
    (result,) = results(start(environment, "mirrored", ANVIL_DEVICE="none"))
    assert result["gpus"] == 0 and all(d.endswith("CPU:0") for d in result["devices"])
    assert result["losses"][-1] < result["losses"][0] / 3, "it does not learn"
    return result


def agree(result: dict, on_cpu: dict) -> None:
    np.testing.assert_allclose(result["losses"], on_cpu["losses"], rtol=1e-5)
    for weights in result["weights"]:
        np.testing.assert_allclose(weights, on_cpu["weights"][0], rtol=1e-4, atol=1e-6)


def replicas_agree(result: dict, on_cpu: dict) -> None:
    assert result["gpus"] == 2
    assert [d.split("device:")[1] for d in result["devices"]] == ["GPU:0", "GPU:1"]
    assert result["weights"][0] == result["weights"][1], "replicas drifted apart"
    agree(result, on_cpu)


def test_replicas_on_two_devices(environment, on_cpu):
    (result,) = results(start(environment, "mirrored", ANVIL_VIRTUAL_DEVICES="2"))
    replicas_agree(result, on_cpu)


def test_keras_on_two_devices(environment):
    (cpu,) = results(start(environment, "keras_fit", ANVIL_DEVICE="none"))
    (result,) = results(start(environment, "keras_fit", ANVIL_VIRTUAL_DEVICES="2"))
    replicas_agree(result, cpu)
    assert result["losses"][-1] < result["losses"][0]


def test_two_processes(environment, on_cpu):
    ports = free_ports(2)
    both = results(*(start(environment, "worker", str(i), *ports) for i in range(2)))
    for i, result in enumerate(both):
        assert result["gpus"] == 1
        assert result["devices"] == [f"/job:worker/replica:0/task:{i}/device:GPU:0"]
        agree(result, on_cpu)
    assert both[0]["weights"] == both[1]["weights"]
    assert both[0]["losses"] == both[1]["losses"]


def listed_twice(folder: Path) -> dict:
    """The environment in which Vulkan itself lists the software device twice, as two GPUs."""
    found = [
        p for place in ("/usr/share", "/usr/local/share", "/etc") for p in Path(place).glob("vulkan/icd.d/lvp_icd*")
    ]
    if not found:
        pytest.skip("no manifest of lavapipe where they usually lie")
    manifests = [folder / name for name in ("first.json", "second.json")]
    for manifest in manifests:
        shutil.copy(found[0], manifest)
    files = os.pathsep.join(map(str, manifests))
    return {"VK_DRIVER_FILES": files, "VK_ICD_FILENAMES": files, "ANVIL_DEVICE": "1,0"}


@pytest.mark.parametrize("kind", ["virtual", "two of Vulkan's"])
def test_two_devices_at_once(environment, tmp_path, kind):
    """Threads that compute on both devices and hand tensors to and fro: as NumPy does."""
    changes = {"ANVIL_VIRTUAL_DEVICES": "2"} if kind == "virtual" else listed_twice(tmp_path)
    (result,) = results(start(environment, "crossing", **changes))
    assert result["gpus"] == 2
    assert result["devices"] == ["GPU:0", "GPU:1"]
    assert result["wrong"] == []
    assert result["chains"] == 8
    assert result["large"] == 0.0
