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
import sanitizers  # noqa: E402
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


LEAK = """==1==ERROR: LeakSanitizer: detected memory leaks

Direct leak of 128 byte(s) in 1 object(s) allocated from:
    #0 0x7fb37 in __interceptor_realloc ../../../../src/libsanitizer/asan/asan_malloc_linux.cpp:85
    #1 0x7fb36 in std::vector<int>::push_back /usr/include/c++/12/bits/stl_vector.h:1280
    #2 0x7fb35 {where}
    #3 0x7fb34 in main /x/src/tf/device.cc:9
"""
UNDEFINED = "/x/src/ops/gemm_plan.cc:9:4: runtime error: division by zero\n    #0 0x5 in f /x/y.cc:1\n"
BAD_ACCESS = "==1==ERROR: AddressSanitizer: heap-use-after-free on address 0x6\n    #0 0x5 (<unknown module>)\n"

REPORTS = {
    "our access": (RACE.format(top="f", library="libtensorflow_anvil.so"), 1),
    "their access": (RACE.format(top="f", library="libtensorflow_framework.so.2"), 0),
    "our leak": (LEAK.format(where="in anvil::Pack::Pack /x/src/drv/pack.cc:81"), 1),
    "a leak of a library that is gone": (LEAK.format(where="(<unknown module>)"), 0),
    "undefined behaviour": (UNDEFINED, 1),
    "a bad access, wherever": (BAD_ACCESS, 1),
    "nothing": ("", 0),
    "all of them": ("\n==================\n".join([RACE.format(top="f", library="drv_test"), LEAK, UNDEFINED]), 2),
}


@pytest.mark.parametrize("text, count", REPORTS.values(), ids=REPORTS)
def test_sanitizer_reports_count_by_who_made_the_access(tmp_path, text, count):
    (tmp_path / "log.1").write_text(text)
    assert len(sanitizers.counted(tmp_path)) == count


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
