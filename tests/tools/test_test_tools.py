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


# Reports as ThreadSanitizer wrote them, shortened.
RACE = """WARNING: ThreadSanitizer: data race (pid=1)
  {0}
  {1}
  Location is heap block of size 8 at 0x7b0c allocated by main thread:
    #0 operator new(unsigned long) ../../../../src/libsanitizer/tsan/tsan_new_delete.cpp:64 (libtsan.so.2+0x8)
    #1 prepare (/x/libtensorflow_anvil.so+0x3)

  Thread T12 'tf_Device_Event_Manager' (tid=2, running) created by main thread at:
    #0 pthread_create ../../../../src/libsanitizer/tsan/tsan_interceptors_posix.cpp:1001 (libtsan.so+0x5e686)
    #1 tsl::(anonymous namespace)::PThread::PThread(tsl::ThreadOptions const&) <null> (libtensorflow_framework.so.2+0x2b)

SUMMARY: ThreadSanitizer: data race /usr/include/c++/12/bits/gthr-default.h:749 in __gthread_mutex_lock
"""
WE_LOCK = """Atomic read of size 1 at 0x7b10 by thread T12:
    #0 pthread_mutex_lock ../../../../src/libsanitizer/sanitizer_common/sanitizer_common_interceptors.inc:4324 (libtsan.so+0x5)
    #1 __gthread_mutex_lock /usr/include/x86_64-linux-gnu/c++/12/bits/gthr-default.h:749 (libtensorflow_anvil.so+0x26d9e7)
    #2 std::mutex::lock() /usr/include/c++/12/bits/std_mutex.h:100 (libtensorflow_anvil.so+0x26d9e7)
    #3 SP_Event_st::moment() /x/src/tf/device.cc:128 (libtensorflow_anvil.so+0x26d9e7)
    #4 stream_executor::CEvent::PollForStatus() <null> (libtensorflow_framework.so.2+0x17b25c8)
"""
WE_MADE = """Previous write of size 8 at 0x7b10 by main thread:
    #0 operator new(unsigned long) ../../../../src/libsanitizer/tsan/tsan_new_delete.cpp:64 (libtsan.so+0x87323)
    #1 operator() /x/src/tf/executor.cc:80 (libtensorflow_anvil.so+0x270dbd)
    #2 stream_executor::(anonymous namespace)::CStreamExecutor::CreateEvent() <null> (libtensorflow_framework.so.2+0x17)
"""
WE_COPY = """Read of size 8 at 0x7b9000458000 by thread T14 (mutexes: write M266692472378112064):
    #0 memcpy ../../../../src/libsanitizer/sanitizer_common/sanitizer_common_interceptors.inc:827 (libtsan.so+0x5dda6)
    #1 anvil::vulkan::VulkanStream::upload(void*, void const*, unsigned long) /x/src/drv/vulkan/transfers.cc:85 (lib.so+0x2)
    #2 stream_executor::CStream::Memcpy(stream_executor::DeviceAddressBase*) <null> (libtensorflow_framework.so.2+0x17b1)
"""
THEY_ALLOCATED = """Previous write of size 8 at 0x7b9000458000 by thread T18:
    #0 posix_memalign ../../../../src/libsanitizer/tsan/tsan_interceptors_posix.cpp:839 (libtsan.so+0x3ef28)
    #1 tsl::port::AlignedMalloc(unsigned long, std::align_val_t) <null> (libtensorflow_framework.so.2+0x2b96509)
"""
THEY_FREED = """Write of size 8 at 0x7b0c00156db0 by main thread:
    #0 operator delete(void*) ../../../../src/libsanitizer/tsan/tsan_new_delete.cpp:126 (libtsan.so+0x868bd)
    #1 tsl::BFCAllocator::RemoveFreeChunkIterFromBin(std::set<unsigned long>*) <null> (libtensorflow_framework.so.2+0x1f3)
    #2 run_keyed /x/src/ops/random.cc:109 (libtensorflow_anvil.so+0x19b01d)
"""
LOST = """Previous write of size 8 at 0x7b0c0036f668 by thread T14:
    [failed to restore the stack]
"""
LOCK_ORDER = """WARNING: ThreadSanitizer: lock-order-inversion (potential deadlock) (pid=1)
  Cycle in lock order graph: M9 (0x56202f20c120) => M10 (0x56202f20c0e0) => M9

  Mutex M10 acquired here while holding mutex M9 in main thread:
    #0 pthread_mutex_lock ../../../../src/libsanitizer/sanitizer_common/sanitizer_common_interceptors.inc:4324 (libtsan.so+0x5)
    #1 {0}

    Hint: use TSAN_OPTIONS=second_deadlock_stack=1 to get more informative warning message

  Mutex M9 acquired here while holding mutex M10 in main thread:
    #0 pthread_mutex_lock ../../../../src/libsanitizer/sanitizer_common/sanitizer_common_interceptors.inc:4324 (libtsan.so+0x5)
    #1 {0}
"""
THREAD_LEAK = """WARNING: ThreadSanitizer: thread leak (pid=1)
  Thread T2 (tid=3, finished) created by main thread at:
    #0 pthread_create ../../../../src/libsanitizer/tsan/tsan_interceptors_posix.cpp:1001 (libtsan.so.2+0x5e686)
    #1 std::thread::_M_start_thread(std::unique_ptr<std::thread::_State>, void (*)()) <null> (libstdc++.so.6+0xd4578)
    #2 {0}
"""
OUR_FRAME = "anvil::vulkan::HostReader::after() /x/src/drv/vulkan/host_reader.cc:30 (libtensorflow_anvil.so+0x231b82)"
THEIR_FRAME = "tsl::PThread::PThread() <null> (libtensorflow_framework.so.2+0x2b43742)"


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
    "a race, both accesses ours": (RACE.format(WE_LOCK, WE_MADE), 1),
    "a race of ours with memory that they allocated": (RACE.format(WE_COPY, THEY_ALLOCATED), 0),
    "a race of theirs, called by us, with us": (RACE.format(THEY_FREED, WE_MADE), 0),
    "a race of theirs": (RACE.format(THEY_FREED, THEY_ALLOCATED), 0),
    "a race of ours with a stack that is lost": (RACE.format(WE_COPY, LOST), 1),
    "a race of theirs with a stack that is lost": (RACE.format(THEY_FREED, LOST), 0),
    "our lock order": (LOCK_ORDER.format(OUR_FRAME), 1),
    "their lock order": (LOCK_ORDER.format(THEIR_FRAME), 0),
    "our thread left behind": (THREAD_LEAK.format(OUR_FRAME), 1),
    "their thread left behind": (THREAD_LEAK.format(THEIR_FRAME), 0),
    "our leak": (LEAK.format(where="in anvil::Pack::Pack /x/src/drv/pack.cc:81"), 1),
    "a leak of a library that is gone": (LEAK.format(where="(<unknown module>)"), 0),
    "undefined behaviour": (UNDEFINED, 1),
    "a bad access, wherever": (BAD_ACCESS, 1),
    "nothing": ("", 0),
    "all of them": ("\n==================\n".join([RACE.format(WE_LOCK, WE_MADE), LEAK, UNDEFINED]), 2),
}


@pytest.mark.parametrize("text, count", REPORTS.values(), ids=REPORTS)
def test_sanitizer_reports_count_by_who_made_the_accesses(tmp_path, text, count):
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
