"""Proves that one wheel serves every TensorFlow: `make test-versions`.

    python tools/test_versions.py [--wheel FILE] [--versions 2.16.2,2.21.0] [--keep]

For each version: a clean environment in .cache/versions, with that TensorFlow, the Keras that pip finds for it, and the
wheel.  There a small convolutional network trains for some steps, on the device and on the CPU; the losses have to
agree.  The exit status is 0 only if they do everywhere.  An environment is removed afterwards unless --keep is given.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".cache" / "versions"
VERSIONS = ("2.16.2", "2.18.1", "2.19.1", "2.20.0", "2.21.0")
# Wheels of old versions name newer packages than they work with.
ALSO = {"2.16.2": ("setuptools<81",), "2.18.1": ("setuptools<81",)}

PROGRAM = """
import json, os
import numpy as np, tensorflow as tf, keras
gpus = len(tf.config.list_physical_devices("GPU"))
keras.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x, y = rng.random((320, 16, 16, 3), np.float32), rng.integers(0, 10, 320)
net = keras.Sequential([
    keras.layers.Input((16, 16, 3)), keras.layers.Conv2D(8, 3, padding="same"), keras.layers.BatchNormalization(),
    keras.layers.ReLU(), keras.layers.MaxPool2D(), keras.layers.Conv2D(16, 3, activation="relu"),
    keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.1), keras.layers.Dense(10)])
net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
losses = net.fit(x, y, batch_size=32, epochs=3, shuffle=False, verbose=0).history["loss"]
with tf.device("GPU:0" if gpus else "CPU:0"):
    compiled = float(tf.function(lambda a: tf.reduce_sum(a * 2), jit_compile=True)(tf.ones([8])))
stats = {}
if gpus:
    import tensorflow_anvil
    stats = tensorflow_anvil.stats()
print("RESULT", json.dumps({"tensorflow": tf.__version__, "keras": keras.__version__, "gpus": gpus, "losses": losses,
                            "compiled": compiled, "stats": stats}))
"""


@dataclass
class Result:
    version: str
    keras: str = ""
    difference: float = float("nan")
    launches: int = 0
    fallbacks: dict = field(default_factory=dict)
    problem: str = ""


def command(*words: str | Path, **environment: str) -> str:
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV", "ANVIL_PLUGIN")}
    done = subprocess.run([str(w) for w in words], env={**env, **environment}, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{Path(str(words[0])).name} {words[1]}: {(done.stderr or done.stdout)[-1500:]}")
    return done.stdout


def environment_for(version: str, wheel: Path) -> Path:
    """The Python of an environment with that TensorFlow and the wheel."""
    folder = FOLDER / version
    python = folder / "bin" / "python"
    if not (folder / ".ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        command(sys.executable, "-m", "venv", folder)
        # Only what is imported needs to be compiled, and Python does that itself.
        install = ("-m", "pip", "install", "--quiet", "--no-compile")
        command(python, *install, f"tensorflow-cpu=={version}", *ALSO.get(version, ()))
        (folder / ".ready").touch()
    command(python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", wheel)
    command(python, "-m", "pip", "install", "--quiet", "rich>=13")
    return python


def train(python: Path, **environment: str) -> dict:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0", "TF_USE_LEGACY_KERAS": "0"}
    out = command(python, "-c", PROGRAM, **quiet, **environment)
    return json.loads(next(line for line in out.splitlines() if line.startswith("RESULT "))[7:])


def test(version: str, wheel: Path, keep: bool) -> Result:
    result = Result(version)
    try:
        python = environment_for(version, wheel)
        gpu = train(python, ANVIL_SOFTWARE_DEVICE="1", ANVIL_GUARD="1")
        cpu = train(python, ANVIL_DEVICE="none")
        result.keras = gpu["keras"]
        pairs = list(zip(gpu["losses"], cpu["losses"], strict=True))
        result.difference = max(abs(g - c) / abs(c) for g, c in pairs)
        if not gpu["gpus"]:
            result.problem = "TensorFlow saw no device"
        elif gpu["compiled"] != 16.0:
            result.problem = f"a compiled function gave {gpu['compiled']}"
        elif not result.difference <= 1e-3:
            result.problem = "the losses differ"
        else:
            result.launches = gpu["stats"]["launches"]
            result.fallbacks = gpu["stats"]["fallbacks"]
            if result.fallbacks:
                result.problem = f"fell back: {result.fallbacks}"
    except Exception as error:
        result.problem = str(error)
    if not keep:
        shutil.rmtree(FOLDER / version, ignore_errors=True)
    return result


def show(results: list[Result]) -> None:
    print(f"{'TensorFlow':12}{'Keras':10}{'losses differ by':>18}{'launches':>10}  ")
    for r in results:
        outcome = r.problem.strip().splitlines()[-1] if r.problem else "good"
        print(f"{r.version:12}{r.keras:10}{r.difference:18.1e}{r.launches:10}  {outcome}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wheel", type=Path, help="default: the one in dist/")
    parser.add_argument("--versions", default=",".join(VERSIONS))
    parser.add_argument("--keep", action="store_true", help="leave the environments for the next time")
    options = parser.parse_args()
    wheels = [options.wheel] if options.wheel else sorted((ROOT / "dist").glob("tensorflow_anvil-*.whl"))
    if not wheels:
        sys.exit("test_versions: there is no wheel in dist/; run `make wheel` first")
    with ThreadPoolExecutor(2) as pool:  # one downloads while the other trains
        results = list(pool.map(lambda v: test(v, wheels[-1], options.keep), options.versions.split(",")))
    show(results)
    for r in results:
        if r.problem:
            print(f"\n{r.version}: {r.problem}")
    failed = sum(bool(r.problem) for r in results)
    print(f"\n{len(results) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
