"""Runs tests/train/program.py in processes of their own and keeps what each printed for the tests of a session."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.py")


@pytest.fixture(scope="session")
def environment():
    """For programs on the software device."""
    return {
        **os.environ,
        "ANVIL_SOFTWARE_DEVICE": "1",
        "ANVIL_GUARD": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }


class Runs:
    def __init__(self):
        self.done = {}

    def __call__(self, spec: dict, gpu: bool = True, again: int = 0, **environment: str) -> dict:
        """The program's result for `spec`; `again` tells repetitions of one spec apart."""
        key = json.dumps([spec, gpu, again, sorted(environment.items())])
        if key not in self.done:
            self.done[key] = self.run(spec, gpu, environment)
        return self.done[key]

    def run(self, spec, gpu, environment):
        env = {
            **os.environ,
            "ANVIL_SOFTWARE_DEVICE": "1",
            "ANVIL_GUARD": "1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
            "TF_ENABLE_ONEDNN_OPTS": "0",
            **environment,
        }
        if not gpu:
            env["ANVIL_DEVICE"] = "none"
        done = subprocess.run(
            [sys.executable, str(PROGRAM), json.dumps(spec)],
            env=env,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
        assert done.returncode == 0 and lines, f"{spec} ended with {done.returncode}\n{done.stderr[-4000:]}"
        result = json.loads(lines[-1].removeprefix("RESULT "))
        result["stderr"] = done.stderr
        assert (result["gpus"] > 0) == gpu, f"ran with {result['gpus']} GPUs"
        return result


@pytest.fixture(scope="session")
def run():
    return Runs()
