"""The rig (tests/apple) notices what it is there to notice: each of these breaks the Metal driver, or a kernel, in one
way, builds a test program with it, and expects that program to fail, with the rig's own words where it has any.

The sources are not touched: a broken copy is compiled with the commands of build/metal and linked with its objects.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "metal"
LIMIT = 60  # seconds; unbroken, each of these takes few


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str  # in src/drv/metal; "" for a kernel
    old: str
    new: str
    program: str
    tests: str
    words: str = ""  # what the program has to say
    hangs: bool = False  # the break may show as a wait that never ends

    def __str__(self):
        return self.name.replace(" ", "-")


# One each way of the ten that the rig must notice, and some more.
MUTATIONS = [
    Mutation("missing barrier", "stream.cc", "batch_.barrier();", "", "drv_test", "*Hazards*/metal"),
    Mutation("missing barrier in a kernel", "", "threadgroup_barrier(mem_flags::mem_threadgroup);", "",
             "ops_test", "Types/Softmax.AgreesWithDouble/0"),
    Mutation("missing fence", "batch.cc", "encoder_->waitForFence(fence_.get());", "", "drv_test", "*Hazards*/metal",
             "waits for no fence"),
    Mutation("read overtaken", "batch.cc", "commands_->encodeWait(timeline_->event(), last_read_);", ";",
             "drv_test", "*Hazards*/metal:*Streams*/metal"),
    Mutation("wrong selector", "memory.cc", "a.buffer->gpuAddress()",
             "reinterpret_cast<MTL::IndirectCommandBuffer*>(a.buffer.get())->size()", "drv_test", "*Copies*/metal",
             "unrecognized selector"),
    Mutation("missing pool", "transfers.cc", "  const Pool pool;\n", "", "drv_test", "*Copies*/metal",
             "with no pool in place"),
    Mutation("unretained object", "batch.cc", "encoder_ = retained(", "encoder_ = NS::TransferPtr(",
             "drv_test", "*Copies*/metal", "apple: "),
    Mutation("leaked object", "pipeline.cc", "library->newFunction(names->object<NS::String>(0)));",
             "library->newFunction(names->object<NS::String>(0))->retain());", "apple_test", "Driver.RunsOnAnOldSystem",
             "were not released"),
    Mutation("wrong address offset", "memory.cc", "r.device = device + r.offset;", "r.device = device + r.offset + 4;",
             "drv_test", "*Copies*/metal"),
    Mutation("address of the CPU", "memory.cc", "r.device = device + r.offset;",
             "r.device = reinterpret_cast<uint64_t>(a.buffer->contents());", "drv_test", "*Copies*/metal",
             "address of the CPU"),
    Mutation("missing residency", "context.cc", "residents->addAllocation(buffer.get());",
             "if (buffer->length() < 4096) residents->addAllocation(buffer.get());", "drv_test",
             "*Copies*/metal:*RunningKernels*/metal", "residency set|not resident"),
    Mutation("missing residency before macOS 15", "stream.cc", "if (a.bytes) batch_.use(", "if (a.bytes > 8192) batch_.use(",
             "drv_test", "*RunningKernels*/metal_old", "not resident"),
    Mutation("event value reused", "batch.cc", "encodeSignalEvent(timeline_->event(), value)",
             "encodeSignalEvent(timeline_->event(), value > 3 ? value - 1 : value)", "drv_test", "*Streams*/metal",
             "already passed"),
    Mutation("error ignored", "completions.cc",
             "const bool failed = commands->status() == MTL::CommandBufferStatusError;", "const bool failed = false;",
             "apple_test", "Driver.TurnsCommandBufferErrorsIntoItsOwn", hangs=True),
    Mutation("wrong threadgroup size", "stream.cc", "MTL::Size(grid.x, grid.y, grid.z), pipeline.group()",
             "MTL::Size(grid.x, grid.y, grid.z), MTL::Size(32, 1, 1)", "drv_test", "*RunningKernels*/metal",
             "threads a group"),
    Mutation("memory freed at once", "memory.cc", "if (holds.empty()) destroy", "if (true) destroy", "drv_test",
             "*Memory*/metal"),
    Mutation("fast mathematics", "pipeline.cc", "MTL::MathModeSafe", "MTL::MathModeFast", "drv_test",
             "*RunningKernels*/metal", "mathematics that is not safe"),
    Mutation("kernel far out of bounds", "", "entryPointParams_0->p_0.y_0 + i_0",
             "entryPointParams_0->p_0.y_0 + i_0 + 262144", "drv_test", "*RunningKernels*/metal",
             "Caused GPU Address Fault Error"),
    Mutation("kernel out of bounds by some elements", "", "if(_S1 < ((&entryPointParams_0->p_0)->count_0))", "if(true)",
             "ops_test", "All/PairKernel.BroadcastsInEveryRank/Sub"),
]  # fmt: skip


@pytest.fixture(scope="session")
def commands() -> dict:
    """What build/metal runs for each object and program, and what each object is made from."""
    ninja = ["ninja", "-C", BUILD, "-t"]
    ask = lambda *words: subprocess.run([*ninja, *words], capture_output=True, text=True, check=True).stdout  # noqa: E731
    entries = json.loads((BUILD / "compile_commands.json").read_text())
    compile_ = {os.path.relpath(entry["output"], BUILD): entry for entry in entries}
    programs = ("drv_test", "ops_test", "apple_test")
    link = {name: next(c for c in ask("commands", "-s", name).splitlines() if f"-o {name}" in c) for name in programs}
    made_from: dict[str, set[str]] = {}
    for line in ask("deps").splitlines():
        if line and not line.startswith(" "):
            made_from[obj := line.split(":")[0]] = set()
        elif line.strip():
            made_from[obj].add(str((BUILD / line.strip()).resolve()))
    return {"compile": compile_, "link": link, "made_from": made_from}


def build(m: Mutation, commands: dict, folder: Path) -> Path:
    """The program with the mutation in it."""
    source = ROOT / "src" / "drv" / "metal" / m.file
    text = source.read_text()
    assert m.old in text, f"{m.file} no longer has what this mutation breaks"
    broken = folder / "src" / "drv" / "metal" / m.file
    broken.parent.mkdir(parents=True)
    broken.write_text(text.replace(m.old, m.new))
    link = commands["link"][m.program]
    for obj, entry in commands["compile"].items():
        if obj not in link or str(source) not in commands["made_from"][obj]:
            continue
        new = folder / Path(obj).name
        words = shlex.split(entry["command"])
        words[words.index("-o") + 1] = str(new)
        words = [str(broken) if w == entry["file"] == str(source) else w for w in words]
        first = next(i for i, w in enumerate(words) if w.startswith("-I"))
        words.insert(first, f"-I{folder / 'src'}")
        done = subprocess.run(words, cwd=BUILD, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        link = link.replace(obj, str(new))
    assert link != commands["link"][m.program]
    program = folder / m.program
    link = re.sub(rf"-o {m.program}\b", f"-o {program}", link)
    subprocess.run(link, shell=True, cwd=BUILD, check=True)
    return program


def run(program: Path, tests: str, **environment: str) -> tuple[int, str]:
    """The exit status and what was said; 124 if it did not end."""
    command = [program, f"--gtest_filter={tests}", "--gtest_brief=1"]
    environment["LLVM_PROFILE_FILE"] = os.devnull  # broken drivers are not what the coverage is of
    try:
        done = subprocess.run(command, cwd=BUILD, env={**os.environ, **environment}, timeout=LIMIT, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")  # fmt: skip
    except subprocess.TimeoutExpired:
        return 124, ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("tests", sorted({(m.program, m.tests) for m in MUTATIONS}), ids="-".join)
def test_unbroken_it_passes(tests):
    status, said = run(BUILD / tests[0], tests[1])
    assert status == 0 and not re.search(r" 0 tests", said), said


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_the_rig_notices(mutation, commands):
    folder = BUILD / "mutations" / str(mutation)
    shutil.rmtree(folder, ignore_errors=True)
    if mutation.file:
        status, said = run(build(mutation, commands, folder), mutation.tests)
    else:
        status, said = run(BUILD / mutation.program, mutation.tests, APPLE_MSL_EDIT=f"{mutation.old}=>{mutation.new}")
    assert status != 0, f"nobody noticed:\n{said}"
    assert status != 124 or mutation.hangs, "it hung, which is no way to notice"
    assert re.search(mutation.words, said), said
    shutil.rmtree(folder, ignore_errors=True)
    shown = re.search(r"^apple: .*|error: .*", said, re.M)
    print(f"{mutation.name}: noticed{', ' + shown.group(0)[:160] if shown else ''}")
