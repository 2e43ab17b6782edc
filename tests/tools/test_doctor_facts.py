"""What the doctor makes of facts: those that no environment on this machine can have are recorded here."""

import dataclasses
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from broken import CASES
from tensorflow_anvil.doctor import Severity, index, processes, support
from tensorflow_anvil.doctor.collect import collect
from tensorflow_anvil.doctor.facts import (
    Anvil,
    Facts,
    Index,
    Machine,
    Package,
    Python,
    Start,
    TensorFlow,
    Vulkan,
    VulkanDevice,
)
from tensorflow_anvil.doctor.finding import TITLES
from tensorflow_anvil.doctor.judge import exit_code, judge
from wheels import clean_environment

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "doctor"
GPU = VulkanDevice("AMD Radeon RX 7900", "discrete", 20 << 30)
LAVAPIPE = VulkanDevice("llvmpipe", "cpu", 2 << 30)

LINUX = Facts(
    python=Python(
        version=(3, 12, 1),
        implementation="CPython",
        executable="/env/bin/python",
        prefix="/env",
        pip="/env/bin/python -m pip",
    ),
    machine=Machine(
        system="Linux",
        processor="x86_64",
        distribution="debian",
        libc="glibc 2.36",
        avx="yes",
        memory=32 << 30,
        memory_free=20 << 30,
        gpus=("AMD",),
    ),
    cache="/home/me/.cache/tensorflow-anvil",
    packages=(
        Package("tensorflow-cpu", "2.21.0", "/env/site", "pip", ("keras>=3.12.0", "numpy>=1.26.0")),
        Package("keras", "3.15.1", "/env/site", "pip"),
        Package("numpy", "2.4.6", "/env/site", "pip"),
        Package("tensorflow-anvil", "0.1.0", "/env/site", "pip"),
    ),
    plugins={"/env/site/tensorflow-plugins/libtensorflow_anvil.so": "tensorflow-anvil"},
    tensorflow=TensorFlow(folder="/env/site/tensorflow"),
    start=Start(tried=True, gpus=1),
    anvil=Anvil(
        version="0.1.0",
        plugin="/env/site/tensorflow-plugins/libtensorflow_anvil.so",
        pack=True,
        shims=("/env/site/tensorflow_anvil/shims/libanvil_shim_2_21.so",),
        devices=("AMD Radeon RX 7900",),
        device_memory=20 << 30,
        loaded=True,
    ),
    vulkan=Vulkan(asked=True, loader="libvulkan.so.1", devices=(GPU,)),
)
# A Mac as it is hoped to be once there is a plug-in for it.
MAC = dataclasses.replace(
    LINUX,
    machine=Machine(
        system="Darwin", processor="arm64", macos=(14, 5), apple_silicon=True, memory=16 << 30, memory_free=0
    ),
    packages=(Package("tensorflow", "2.21.0", "/env/site", "pip"), *LINUX.packages[1:]),
    vulkan=Vulkan(),
)


def changed(facts: Facts, **parts: dict) -> Facts:
    """Facts with some members of their parts replaced."""
    parts = {name: dataclasses.replace(getattr(facts, name), **values) for name, values in parts.items()}
    return dataclasses.replace(facts, **parts)


def without_device(facts: Facts, reason: str, **parts: dict) -> Facts:
    return changed(facts, anvil={"devices": (), "reason": reason}, start={"gpus": 0}, **parts)


# (name, facts, the one finding, its severity, what its evidence or its fix must hold)
RECORDED = [
    ("Python 3.9", changed(LINUX, python={"version": (3, 9, 18)}), "python-version", "error", "3.10 to 3.13"),
    ("Python 3.14", changed(LINUX, python={"version": (3, 14, 0)}), "python-version", "error", "python3.13"),
    ("PyPy", changed(LINUX, python={"implementation": "PyPy"}), "python-version", "error", "CPython only"),
    ("no GIL", changed(LINUX, python={"free_threaded": True}), "python-version", "error", "free-threaded"),
    ("32 bits", changed(LINUX, python={"bits": 32}), "python-version", "error", "32-bit"),
    ("Rosetta", changed(MAC, machine={"processor": "x86_64"}), "rosetta-python", "error", "through Rosetta"),
    ("macOS 12", changed(MAC, machine={"macos": (12, 6, 1)}), "old-macos", "error", "12.6.1; 13 is needed"),
    (
        "an Intel Mac",
        changed(MAC, machine={"processor": "x86_64", "apple_silicon": False}),
        "unsupported-machine",
        "error",
        "Intel processor",
    ),
    (
        "a Mac without a plug-in",
        changed(MAC, anvil={"plugin": "", "devices": (), "loaded": False, "problem": "the plug-in is not installed"}),
        "unsupported-machine",
        "error",
        "no plug-in for macOS",
    ),
    ("Windows", changed(LINUX, machine={"system": "Windows", "libc": ""}), "unsupported-machine", "error", "WSL 2"),
    ("ARM", changed(LINUX, machine={"processor": "aarch64"}), "unsupported-machine", "error", "aarch64"),
    ("musl", changed(LINUX, machine={"libc": "musl"}), "unsupported-machine", "error", "musl"),
    ("an old C library", changed(LINUX, machine={"libc": "glibc 2.31"}), "unsupported-machine", "error", "2.35"),
    ("no AVX", changed(LINUX, machine={"avx": "no"}), "unsupported-machine", "error", "no AVX"),
    ("2 GiB", changed(LINUX, machine={"memory": 2 << 30}), "little-memory", "warning", "2.0 GiB; 4.0 GiB"),
    ("nothing free", changed(LINUX, machine={"memory_free": 300 << 20}), "little-memory", "warning", "300 MiB of"),
    ("a small GPU", changed(LINUX, anvil={"device_memory": 512 << 20}), "little-memory", "warning", "offers 512 MiB"),
    (
        "libraries inserted on a Mac",
        dataclasses.replace(MAC, library_clashes=("DYLD_INSERT_LIBRARIES is /x.dylib",)),
        "library-path",
        "warning",
        "unset DYLD_INSERT_LIBRARIES",
    ),
    (
        "PYTHONHOME",
        dataclasses.replace(LINUX, variables={"PYTHONHOME": "/usr"}),
        "python-path",
        "warning",
        "unset PYTHONHOME",
    ),
    (
        "keras.json",
        dataclasses.replace(LINUX, keras_backend="jax"),
        "keras-backend",
        "warning",
        '"backend": "jax"',
    ),
    (
        "two Kerases",
        dataclasses.replace(LINUX, packages=(*LINUX.packages, Package("keras-nightly", "3.16.0", "/env/site"))),
        "keras-mixed",
        "error",
        "keras and keras-nightly",
    ),
    (
        "TensorFlow from conda, NumPy from pip",
        dataclasses.replace(
            changed(LINUX, python={"conda": True}),
            packages=(dataclasses.replace(LINUX.packages[0], installer="conda"), *LINUX.packages[1:]),
        ),
        "conda-pip-mixed",
        "warning",
        "numpy 2.4.6 is pip's, tensorflow-cpu conda's",
    ),
    (
        "no driver for NVIDIA",
        without_device(LINUX, "no device", vulkan={"devices": (LAVAPIPE,)}, machine={"gpus": ("NVIDIA",)}),
        "no-vulkan-driver",
        "error",
        "a GPU of NVIDIA, and Vulkan knows only llvmpipe",
    ),
    (
        "no driver for AMD",
        without_device(LINUX, "no device", vulkan={"devices": ()}, machine={"distribution": "fedora"}),
        "no-vulkan-driver",
        "error",
        "sudo dnf install -y mesa-vulkan-drivers",
    ),
    (
        "a driver that crashes",
        without_device(LINUX, "no device", vulkan={"devices": (), "problem": "it crashed (SIGSEGV)"}),
        "no-vulkan-driver",
        "error",
        "SIGSEGV",
    ),
    (
        "no rights",
        without_device(LINUX, "no device", vulkan={"devices": ()}, machine={"closed_gpus": ("/dev/dri/renderD128",)}),
        "gpu-permission",
        "error",
        "/dev/dri/renderD128",
    ),
    (
        "software only",
        without_device(LINUX, "software", vulkan={"devices": (LAVAPIPE,)}, machine={"gpus": ()}),
        "software-gpu-only",
        "warning",
        "only llvmpipe",
    ),
    ("a GPU that lacks something", without_device(LINUX, "no shaderInt64"), "no-device", "error", "no shaderInt64"),
    ("TensorFlow elsewhere", changed(LINUX, start={"gpus": 0}), "no-device", "error", "TensorFlow lists no GPU"),
    (
        "an old TensorFlow without a shim",
        dataclasses.replace(
            LINUX, packages=(Package("tensorflow-cpu", "2.17.1", "/env/site", "pip"), *LINUX.packages[1:])
        ),
        "missing-shim",
        "warning",
        "libanvil_shim_2_17.so",
    ),
    (
        "a newer TensorFlow",
        dataclasses.replace(LINUX, index=Index(asked=True, newest={"tensorflow-cpu": "2.21.1"})),
        "newer-tensorflow",
        "note",
        'install --upgrade "tensorflow-cpu==2.21.1"',
    ),
    (
        "a newer Anvil",
        dataclasses.replace(LINUX, index=Index(asked=True, newest={"tensorflow-anvil": "0.1.1"})),
        "newer-anvil",
        "note",
        "0.1.1 is in the package index; 0.1.0",
    ),
    (
        "a check that fails",
        dataclasses.replace(LINUX, failed_checks=("looking at Python: ValueError: odd",)),
        "check-failed",
        "note",
        "ValueError: odd",
    ),
]


@pytest.mark.parametrize("facts", [LINUX, MAC], ids=["Linux", "Mac"])
def test_nothing_is_found_where_nothing_is_amiss(facts):
    assert judge(facts) == []


@pytest.mark.parametrize("facts, name, severity, said", [r[1:] for r in RECORDED], ids=[r[0] for r in RECORDED])
def test_recorded_facts(facts, name, severity, said):
    (found,) = judge(facts)
    assert (found.id, found.severity) == (name, Severity(severity))
    assert any(said in text for text in (*found.evidence, found.fix))
    assert exit_code([found]) == {"error": 2, "warning": 1, "note": 0}[severity]


def test_a_tensorflow_that_this_anvil_does_not_know_is_not_suggested():
    for newest in ("2.22.0", "2.21.0rc1", "2.21.0"):
        assert judge(dataclasses.replace(LINUX, index=Index(asked=True, newest={"tensorflow-cpu": newest}))) == []


def test_the_index_is_asked_only_when_wanted(monkeypatch):
    asked = []
    monkeypatch.setattr(index, "newest", lambda package: asked.append(package) or ("9.9", ""))
    monkeypatch.setattr(processes, "ask", lambda *_, **__: processes.Answer(problem="not now"))
    assert not collect(start_seconds=0).index.asked and asked == []
    assert collect(online=True, start_seconds=0).index.newest["tensorflow-anvil"] == "9.9" and len(asked) == 2


def test_a_version_that_is_none_is_no_conflict():
    strange = Package("numpy", "unknown", "/env/site", "pip")
    facts = dataclasses.replace(LINUX, packages=(*LINUX.packages[:2], strange, LINUX.packages[3]))
    assert judge(facts) == []


def test_a_rule_that_fails_does_not_silence_the_others():
    facts = changed(LINUX, machine={"libc": "glibc", "memory": 2 << 30})
    assert {finding.id for finding in judge(facts)} == {"little-memory", "check-failed"}


def test_software_devices_that_were_asked_for_are_no_finding():
    facts = changed(LINUX, vulkan={"devices": (LAVAPIPE,)}, machine={"gpus": ()})
    assert judge(dataclasses.replace(facts, variables={"ANVIL_SOFTWARE_DEVICE": "1"})) == []


def test_facts_are_the_same_after_json():
    for _, facts, *_ in RECORDED:
        assert Facts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_each_finding_has_a_test_a_title_and_a_page():
    tested = {name for wanted in CASES for name in wanted.found} | {row[2] for row in RECORDED}
    assert tested == set(TITLES)
    assert {file.stem for file in PAGES.glob("*.md")} - {"README"} == set(TITLES)


@pytest.mark.parametrize("name", sorted(TITLES))
def test_page(name):
    text = (PAGES / f"{name}.md").read_text()
    assert text.startswith(f"# {TITLES[name]}\n\n`{name}`, ")
    assert "\n## What the doctor looks at\n" in text and "\n## How to mend it\n" in text
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (PAGES / link).is_file(), link
    assert f"({name}.md)" in (PAGES / "README.md").read_text()


def test_what_is_supported_is_what_is_tested():
    versions = (ROOT / "tools" / "build_shims.py").read_text()
    minors = sorted({tuple(map(int, v)) for v in re.findall(r'"(2)\.(\d+)\.\d+"', versions)})
    assert (minors[0], minors[-1]) == support.TENSORFLOWS
    oldest = re.search(r'requires-python = ">=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert tuple(map(int, oldest.groups())) == support.PYTHONS[0]


def cli(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "tensorflow_anvil.cli", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


def test_a_report_of_another_machine(tmp_path):
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"facts": changed(MAC, machine={"macos": (12, 6)}).to_json()}))
    told = json.loads(cli("--facts", str(report), "--json").stdout)
    assert [finding["id"] for finding in told["findings"]] == ["old-macos"]
    shown = cli("--facts", str(report), env={**os.environ, "COLUMNS": "100"})
    assert shown.returncode == 2 and shown.stderr == ""
    for text in (
        "error: This macOS is too old [old-macos]",
        "    softwareupdate --list",
        "Darwin 14.5 arm64",
        "1 error",
    ):
        assert text.replace("14.5", "12.6") in shown.stdout


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--facts", "nowhere.json"], "nowhere.json"),
        (["--facts", "/dev/null"], "/dev/null is no JSON"),
        (["--explain", "headache"], "there is no finding headache"),
        (["--python", "python3"], "--python goes with --fix"),
        (["--fix", "--python", "no-such-python"], "there is no no-such-python"),
        (["--cure"], "unrecognized arguments: --cure"),
    ],
)
def test_mistakes_of_the_user_are_told_in_one_line(tmp_path, arguments, said):
    done = cli(*arguments, cwd=tmp_path)
    assert done.returncode == 3 and done.stdout == ""
    assert said in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("facts", [[], {"python": 3}, {"pythons": {}}, {"python": {"bits": "many"}}])
def test_facts_that_are_none(tmp_path, facts):
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(facts))
    done = cli("--facts", str(file))
    assert done.returncode == 3 and "Traceback" not in done.stderr and str(file) in done.stderr


def test_explains():
    done = cli("--explain", "no-vulkan-driver")
    assert done.returncode == 0 and done.stdout == (PAGES / "no-vulkan-driver.md").read_text()


def test_the_function_gives_findings_and_imports_no_tensorflow():
    program = (
        "import sys, tensorflow_anvil as a; found = a.doctor(quick=True); assert 'tensorflow' not in sys.modules;"
        "print(*(f'{f.id} {f.severity.value} {bool(f.title)} {f.page}' for f in found), sep='\\n')"
    )
    changes = {n: os.environ[n] for n in ("PYTHONPATH", "ANVIL_PLUGIN") if n in os.environ}
    variables = clean_environment(ANVIL_SOFTWARE_DEVICE="1", ANVIL_DEVICE="none", **changes)
    done = subprocess.run([sys.executable, "-c", program], env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    name, severity, title, page = done.stdout.split()
    assert (name, severity, title) == ("no-device", "error", "True") and Path(page).is_file()


@pytest.mark.slow
def test_nothing_is_amiss_with_the_environment_of_these_tests():
    """Here TensorFlow is the real one, and is started."""
    changes = {n: os.environ[n] for n in ("PYTHONPATH", "ANVIL_PLUGIN") if n in os.environ}
    done = cli("--json", env=clean_environment(ANVIL_SOFTWARE_DEVICE="1", **changes))
    report = json.loads(done.stdout)
    assert report["findings"] == [] and done.returncode == 0
    assert report["facts"]["start"]["tried"] and report["facts"]["start"]["gpus"] >= 1


def test_a_probe_that_does_not_end_is_ended_with_all_that_it_started(tmp_path):
    probe = tmp_path / "probe.py"
    child = tmp_path / "child"
    probe.write_text(
        "import subprocess, time\n"
        f"p = subprocess.Popen(['sleep', '600']); open({str(child)!r}, 'w').write(str(p.pid)); time.sleep(600)\n"
    )
    answer = processes.ask(probe, 5)
    assert answer.value is None and "did not finish within 5 seconds" in answer.problem
    state = Path(f"/proc/{child.read_text()}/stat")

    def ended() -> bool:
        try:
            return state.read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    # A killed process ends when the system comes to it, which a busy machine does late.
    end = time.monotonic() + 20
    while not ended() and time.monotonic() < end:
        time.sleep(0.05)
    assert ended()
