"""The plug-in with the Metal driver inside TensorFlow, on a fake Metal (tests/apple): it trains as the CPU does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
# Relative difference of a loss; as on other devices (tests/train/test_training.py).
CLOSE = {"plain": 1e-3, "normalized": 3e-3}
PROGRAM = ROOT / "tests" / "train" / "program.py"


@pytest.fixture(scope="session")
def python():
    import train_sanitized

    assert (ROOT / "build/metal/tensorflow-plugins/libtensorflow_anvil.so").exists(), "build the preset `metal` first"
    return train_sanitized.overlay("metal")


def run(python, spec: dict, **environment: str) -> dict:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0", **environment}
    environment.pop("ANVIL_PLUGIN", None)
    done = subprocess.run(
        [python, PROGRAM, json.dumps(spec)], env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert done.returncode == 0 and lines, f"ended with {done.returncode}\n{done.stderr[-4000:]}"
    return json.loads(lines[-1].removeprefix("RESULT ")) | {"stderr": done.stderr}


def test_the_device_is_the_fake(python):
    code = "import tensorflow as tf; import tensorflow_anvil as a; print(a.devices(), tf.config.list_physical_devices('GPU'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert "Fake Apple GPU" in done.stdout and "GPU:0" in done.stdout, done.stdout + done.stderr[-2000:]


@pytest.mark.parametrize("body", CLOSE)
def test_digits_have_the_losses_of_the_cpu(python, body):
    spec = {"task": "fit", "body": body, "steps": 20, "evaluate": True}
    metal, cpu = run(python, spec), run(python, spec, ANVIL_DEVICE="none")
    assert metal["gpus"] == 1 and cpu["gpus"] == 0
    assert metal["weights_on"] == ["GPU:0"] and "apple:" not in metal["stderr"]
    np.testing.assert_allclose(metal["losses"], cpu["losses"], rtol=CLOSE[body])
    np.testing.assert_allclose(metal["logits"], cpu["logits"], rtol=2e-2, atol=2e-2)
    worst = np.max(np.abs(np.array(metal["losses"]) - cpu["losses"]))
    print(
        f"{body}: 20 steps, losses {cpu['losses'][0]:.4f} to {cpu['losses'][-1]:.4f}, at most {worst:.1e} from the CPU's"
    )


def test_the_same_twice(python):
    spec = {"task": "fit", "body": "normalized", "steps": 5}
    assert run(python, spec)["bits"] == run(python, spec)["bits"]
