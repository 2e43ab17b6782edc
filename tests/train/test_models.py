"""Three of the models of `make models`, for a few steps: the others take minutes each on a software device."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).resolve().parents[1] / "models" / "run.py"
MODELS = ("Recommender", "LSTM classifier", "Session")


@pytest.fixture(scope="module")
def rows(tmp_path_factory, environment):
    out = tmp_path_factory.mktemp("models") / "models.json"
    options = ["--precision", "float32", "--mode", "graph", "--exact", "--out", str(out), "--models", *MODELS]
    done = subprocess.run(
        [sys.executable, str(RUN), *options], env=environment, capture_output=True, text=True, timeout=900
    )
    assert out.is_file(), done.stdout + done.stderr
    return {row["model"]: row for row in json.loads(out.read_text())["rows"]}


@pytest.mark.parametrize("name", MODELS)
def test_model_trains_as_on_the_cpu(rows, name):
    row = rows[name]
    assert row["ok"], row["why"]
    assert not row["fallbacks"]
