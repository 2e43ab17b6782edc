"""What a user is told where TensorFlow gets no device, inside TensorFlow and by `tf-anvil devices`: the same."""

import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("tf_program.py")
FRAMEWORK = "libtensorflow_framework.so.2"
RETURN_TRUE = {"x86_64": "b801000000c3", "aarch64": "20008052c0035fd6"}  # machine code


def environment(**changes: str) -> dict:
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0", "ANVIL_SOFTWARE_DEVICE": "1"}
    return {**os.environ, **quiet, **changes}


def cli(*arguments: str, **changes: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tensorflow_anvil.cli", "devices", *arguments]
    return subprocess.run(command, env=environment(**changes), capture_output=True, text=True, timeout=300)


def inside_tensorflow(**changes: str) -> tuple[dict, str]:
    """The task "listing" of tf_program.py, and what was written to stderr."""
    done = subprocess.run(
        [sys.executable, PROGRAM, "listing"], env=environment(**changes), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line[7:] for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line)[1], done.stderr


def file_offset(library: Path, symbol: str) -> int:
    def output(*command):
        return subprocess.run([*command, library], capture_output=True, text=True, check=True).stdout

    (address,) = (int(line.split()[0], 16) for line in output("nm", "-D").splitlines() if line.endswith(f" {symbol}"))
    for line in output("readelf", "-lW").splitlines():
        if found := re.match(r"\s+LOAD\s+(\w+) (\w+) \w+ (\w+)", line):
            offset, begin, length = (int(n, 16) for n in found.groups())
            if begin <= address < begin + length:
                return address - begin + offset
    raise AssertionError(f"{symbol} is in no segment")


@pytest.fixture(scope="module")
def with_gpus_of_its_own(tmp_path_factory):
    """A folder with this TensorFlow, but it says that it was built with CUDA, as the package `tensorflow` does."""
    code = RETURN_TRUE.get(platform.machine())
    if not code:
        pytest.skip("knows no machine code for this computer")
    real = Path(importlib.util.find_spec("tensorflow").submodule_search_locations[0])
    # TensorFlow loads plug-ins only if it was itself loaded from a folder of this name.
    folder = tmp_path_factory.mktemp("own_gpus") / "site-packages"
    # Links to files, not to folders: TensorFlow's libraries look for one another by "..".
    skipped = shutil.ignore_patterns("include", FRAMEWORK, "__pycache__")
    shutil.copytree(real, folder / "tensorflow", copy_function=os.symlink, ignore=skipped)
    library = bytearray((real / FRAMEWORK).read_bytes())
    at = file_offset(real / FRAMEWORK, "_ZN10tensorflow19IsGoogleCudaEnabledEv")
    library[at : at + len(code) // 2] = bytes.fromhex(code)
    (folder / "tensorflow" / FRAMEWORK).write_bytes(library)
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def test_beside_a_tensorflow_with_gpus_of_its_own(with_gpus_of_its_own):
    done = cli(PYTHONPATH=with_gpus_of_its_own)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "No device: " in done.stderr and "install tensorflow-cpu instead of tensorflow" in done.stderr
    table = json.loads(cli("--json", PYTHONPATH=with_gpus_of_its_own).stdout)
    assert table["devices"] == [] and table["reason"] in done.stderr
    listing, stderr = inside_tensorflow(PYTHONPATH=with_gpus_of_its_own)
    assert listing["gpus"] == 0 and listing["sum_on_cpu"] == 10.0
    assert listing["why"] == table["reason"]
    assert f"warn: no GPU is offered: {table['reason']}" in stderr


@pytest.mark.parametrize(
    "changes, reason",
    [({"ANVIL_DEVICE": "no-such-gpu,99"}, '"no-such-gpu", "99" names none of the Vulkan devices (0: ')],
)
def test_an_option_that_rules_all_devices_out(changes, reason):
    done = cli(**changes)
    assert done.returncode == 1 and done.stdout == ""
    assert reason in done.stderr
    listing, stderr = inside_tensorflow(**changes)
    assert listing["gpus"] == 0 and listing["sum_on_cpu"] == 10.0
    assert reason in listing["why"]
    assert f"warn: no GPU is offered: {listing['why']}" in stderr


def test_part_of_a_wish_that_nothing_fulfils():
    listing, stderr = inside_tensorflow(ANVIL_DEVICE="0,no-such-gpu", ANVIL_LOG="falback,warn")
    assert listing["gpus"] == 1
    assert stderr.count('warn: ANVIL_DEVICE: "no-such-gpu" names none of the Vulkan devices (0: ') == 1
    assert stderr.count('warn: ANVIL_LOG: "falback" is ignored: known are error, warn, info, plan, fallback, all') == 1


def test_without_a_driver():
    done = cli(VK_DRIVER_FILES="/dev/null")
    assert done.returncode == 1 and done.stdout == ""
    assert "No device: " in done.stderr and "Vulkan" in done.stderr


def test_small_memory_limits_have_a_size():
    assert "256 MiB, 256 MiB free" in cli(ANVIL_MEMORY_LIMIT="256M", COLUMNS="200").stdout
    assert "1.5 GiB, 1.5 GiB free" in cli(ANVIL_MEMORY_LIMIT="1536M", COLUMNS="200").stdout
