"""The training report: what is counted per step, what is written, and that a script's own calls are left alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tensorflow_anvil import report

ROOT = Path(__file__).resolve().parents[2]

# Keys that readers of out/train.json rely on.
KEYS = {
    *("device", "driver", "tensorflow", "test_accuracy", "steps_per_second", "peak_bytes", "launches_per_step"),
    *("submissions_per_step", "waits_per_step", "cpu_fallbacks", "seconds", "cpu_seconds"),
}


def counters(steps: int) -> dict:
    return {"launches": 40 * steps, "submissions": 2 * steps, "waits": 0, "script_reads": steps, "fallback_nodes": 0}


def record(seconds_per_epoch: list[float], **more) -> dict:
    epochs, done = [], 100  # counters do not begin at zero
    for seconds in seconds_per_epoch:
        before, done = counters(done), done + 20
        logs = {"loss": seconds, "accuracy": 0.5}
        epochs.append({"seconds": seconds, "steps": 20, "before": before, "after": counters(done), "logs": logs})
        done += 7  # validation in between must not count
    return {
        "tensorflow": "2.21.0",
        "gpus": 1,
        "seconds": 12.0,
        "peak_bytes": 3 << 20,
        "epochs": epochs,
        "evaluation": {"loss": 0.1, "accuracy": 0.98},
        "devices": [{"name": "a GPU", "driver": "a driver"}],
        "counters": {**counters(done), "fallbacks": {}},
        **more,
    }


def test_summary_counts_training_steps_after_the_first_epoch():
    summary = report.summarise(record([50.0, 2.0, 1.0, 2.0]), record([1.0, 0.5, 0.5, 0.5], seconds=5.0))
    assert summary.keys() >= KEYS
    assert summary["launches_per_step"] == 40 and summary["submissions_per_step"] == 2
    assert summary["waits_per_step"] == 0 and summary["readbacks_per_step"] == 1
    assert summary["steps_per_second"] == 10  # the median of the later epochs, so tracing does not count
    assert summary["cpu_seconds"] == 5.0 and summary["test_accuracy"] == 0.98
    assert summary["history"]["gpu"]["loss"] == [50.0, 2.0, 1.0, 2.0]
    json.dumps(summary, allow_nan=False)


@pytest.mark.parametrize(
    "gpu, cpu, words", [([1, 1], [2, 2], "2.0 times as fast as"), ([2, 2], [1, 1], "2.0 times slower than")]
)
def test_table_says_which_was_faster(gpu, cpu, words, capsys):
    report.show(report.summarise(record(gpu), record(cpu)), Console(width=100))
    shown = capsys.readouterr().out
    assert words in shown and "a GPU" in shown and "0.9800" in shown


def test_picture_is_drawn(tmp_path):
    report.draw(report.summarise(record([1, 1]), record([1, 1])), tmp_path / "train.png")
    assert (tmp_path / "train.png").read_bytes().startswith(b"\x89PNG")


SCRIPT = """
import sys, keras, numpy as np
assert __name__ == "__main__" and sys.argv[1:] == ["an argument"]
seen = []
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
model.compile("sgd", "mse", metrics=["accuracy"])
x, y = np.ones((32, 4), "float32"), np.zeros((32, 2), "float32")
mine = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(epoch))
model.fit(x, y, 8, 3, 0, [mine], 0.0, (x, y))
assert seen == [0, 1, 2], seen
assert len(model.evaluate(x, y, verbose=0)) == 2
"""


@pytest.mark.slow
def test_script_runs_unchanged_and_is_recorded(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "tensorflow_anvil.recorder", "record.json", "script.py", "an argument"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "record.json").read_text())
    assert [epoch["steps"] for epoch in written["epochs"]] == [4, 4, 4]
    assert set(written["epochs"][0]["logs"]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert set(written["evaluation"]) == {"loss", "accuracy"}


@pytest.mark.slow
def test_a_failing_script_is_reported(tmp_path):
    (tmp_path / "script.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(SystemExit, match="ended with status 3"):
        report.run(str(tmp_path / "script.py"), [], {})


def test_the_example_says_nothing_about_us():
    text = (ROOT / "examples" / "train_digits.py").read_text().lower()
    assert not any(word in text for word in ("anvil", "jit_compile", "tf.device", "import tensorflow"))
