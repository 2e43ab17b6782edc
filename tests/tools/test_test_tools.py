"""The tools that judge must be able to say no: each is shown something bad and must fail, and something good."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import run_tests  # noqa: E402
import train_sanitized  # noqa: E402
import validate_pack  # noqa: E402

PASSING_TEST = "def test_a(): pass\n"
FAILING_TEST = "def test_b(): assert False\n"
CRASHING_TEST = "import os\ndef test_c(): os._exit(0)\n"


def stage(name: str, code: str, tmp_path: Path, **kinds) -> run_tests.Stage:
    file = tmp_path / f"test_{name}.py"
    file.write_text(code)
    report = run_tests.REPORTS / f"{name}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}", str(file)]
    return run_tests.Stage(name, [command], report=True, **kinds)


@pytest.fixture
def runner(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(run_tests, "REPORTS", tmp_path / "reports")

    def run(*stages):
        monkeypatch.setattr(run_tests, "stages", lambda quick: list(stages))
        monkeypatch.setattr(sys, "argv", ["run_tests.py"])
        status = run_tests.main()
        return status, capfd.readouterr().out.strip().splitlines()[-1]

    return run


def test_passing_stages_are_summed(runner, tmp_path):
    first, second = (stage(n, PASSING_TEST, tmp_path) for n in ("one", "two"))
    assert runner(first, second) == (0, "2 passed, 0 failed")


def test_a_failing_test_fails_the_run(runner, tmp_path):
    assert runner(stage("one", PASSING_TEST + FAILING_TEST, tmp_path)) == (1, "1 passed, 1 failed")


def test_a_stage_that_dies_quietly_fails_the_run(runner, tmp_path):
    status, last = runner(stage("one", CRASHING_TEST, tmp_path), run_tests.Stage("two", [["false"]]))
    assert status == 1 and last.endswith("1 failed")


def test_a_stage_without_tests_fails_the_run(runner, tmp_path):
    assert runner(stage("one", "", tmp_path)) == (1, "0 passed, 1 failed")


def test_what_a_failed_stage_was_needed_for_fails_too(runner, tmp_path):
    failing = run_tests.Stage("build", [["false"]])
    assert runner(failing, stage("one", PASSING_TEST, tmp_path, needs=("build",))) == (1, "0 passed, 2 failed")


RACE = """WARNING: ThreadSanitizer: data race (pid=1)
  Write of size 8 at 0x7b0c by thread T1 (mutexes: write M1):
    #0 operator delete(void*) ../../../../src/libsanitizer/tsan/tsan_new_delete.cpp:126 (libtsan.so.2+0x8)
    #1 {top} (/x/{library}+0x1)
    #2 TF_Run (/x/libtensorflow_framework.so.2+0x3)

  Previous read of size 8 at 0x7b0c by thread T2:
    #0 Eigen::Run() (/x/libtensorflow_framework.so.2+0x2)
    #1 compute (/x/libtensorflow_anvil.so+0x3)

  Location is heap block of size 8 at 0x7b0c allocated by main thread:
    #0 operator new(unsigned long) ../../../../src/libsanitizer/tsan/tsan_new_delete.cpp:64 (libtsan.so.2+0x8)
    #1 prepare (/x/libtensorflow_anvil.so+0x3)
"""


@pytest.mark.parametrize(
    "library, counts",
    [("libtensorflow_anvil.so", True), ("libtensorflow_framework.so.2", False)],
    ids=["ours", "theirs"],
)
def test_races_count_by_who_made_the_access(library, counts):
    assert train_sanitized.ours(RACE.format(top="f", library=library)) is counts


# A compute shader that does nothing, in SPIR-V: header, then one line an instruction.
MODULE = [0x07230203, 0x00010300, 0, 5, 0]
MODULE += [0x00020011, 1]  # OpCapability Shader
MODULE += [0x0003000E, 0, 1]  # OpMemoryModel Logical GLSL450
MODULE += [0x0004000F, 5, 1, 0x6D]  # OpEntryPoint GLCompute %1 "m"
MODULE += [0x00060010, 1, 17, 1, 1, 1]  # OpExecutionMode %1 LocalSize 1 1 1
MODULE += [0x00020013, 2]  # %2 = OpTypeVoid
MODULE += [0x00030021, 3, 2]  # %3 = OpTypeFunction %2
MODULE += [0x00050036, 2, 1, 0, 3]  # %1 = OpFunction %2 None %3
MODULE += [0x000200F8, 4, 0x000100FD, 0x00010038]  # OpLabel, OpReturn, OpFunctionEnd


def pack_of(words) -> bytes:
    """A pack that holds one kernel, as src/drv/pack.h lays it out."""
    code, name = struct.pack(f"<{len(words)}I", *words), b"unary/k<F32>\0"
    block = zlib.compress(code)
    at = validate_pack.HEADER.size + validate_pack.BLOCK.size + validate_pack.ENTRY.size + len(name)
    header = validate_pack.HEADER.pack(validate_pack.MAGIC, validate_pack.VERSION, 1, 1, len(name), 0, 0)
    index = validate_pack.BLOCK.pack(at, len(block), len(code), 0, 0)
    entry = validate_pack.ENTRY.pack(0, validate_pack.SPIRV, 0, 0, len(code), 1, 1, 1, 8, 0)
    return header + index + entry + name + block


@pytest.mark.parametrize(
    "words, status", [(MODULE, 0), (MODULE[:-1], 1)], ids=["valid", "a function that does not end"]
)
def test_a_kernel_that_is_not_valid_is_named(tmp_path, words, status):
    (tmp_path / "kernels.pack").write_bytes(pack_of(words))
    command = [sys.executable, ROOT / "tools" / "validate_pack.py", tmp_path / "kernels.pack"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == status, done.stdout
    assert ("unary/k<F32>" in done.stdout) == bool(status)
