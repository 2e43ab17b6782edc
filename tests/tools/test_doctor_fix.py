"""`tf-anvil doctor --fix` makes a clean environment, and the present one stays as it is."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from broken import Shop
from tensorflow_anvil.doctor import fix
from tensorflow_anvil.doctor.facts import Machine
from tensorflow_anvil.doctor.index import newest
from wheels import Environment, clean_environment

LINUX = Machine(system="Linux", processor="x86_64")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Shop(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def present(shop, tmp_path_factory):
    """An environment in need of the doctor: with Anvil, and an old NumPy."""
    environment = Environment(tmp_path_factory.mktemp("present") / "environment")
    wanted = [shop.usual["anvil"], shop.usual["rich"], shop.usual["packaging"], shop.simple("numpy", "1.21.6")]
    environment.install(*wanted)
    return environment


@pytest.fixture(scope="module")
def index(shop, tmp_path_factory):
    """What there is to install: all but tensorflow-anvil, which is taken from the present environment."""
    folder = tmp_path_factory.mktemp("index")
    newer = [shop.tensorflow(version="2.21.3"), shop.tensorflow(version="2.99.0")]
    for wheel in [*(wheel for name, wheel in shop.usual.items() if name != "anvil"), *newer]:
        shutil.copy(wheel, folder)
    return folder


def state(folder: Path) -> dict:
    return {
        str(file): (file.lstat().st_size, file.lstat().st_mtime_ns)
        for file in folder.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def cli(environment: Environment, index: Path, *arguments: str) -> subprocess.CompletedProcess:
    # With Python's own variables in the way, as they may be where one needs a doctor.
    elsewhere = str(environment.folder.parent / "elsewhere")
    hindrances = {"PYTHONPATH": str(environment.site), "PIP_TARGET": elsewhere}
    hindrances |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    command = [str(environment.folder / "bin" / "tf-anvil"), "doctor", *arguments]
    return subprocess.run(
        command, cwd=environment.folder.parent, env=clean_environment(**hindrances), capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def made(present, index):
    before = state(present.folder)
    done = cli(present, index, "--fix", "fresh", "--python", sys.executable, "--json")
    return done, before


def test_makes_an_environment_with_the_latest_that_is_supported(made, present):
    done, _ = made
    result = json.loads(done.stdout)
    fresh = present.folder.parent / "fresh"
    assert result["environment"] == str(fresh)
    assert result["installed"] == {
        "tensorflow-cpu": "2.21.3",
        "keras": "3.15.1",
        "numpy": "2.4.6",
        "tensorflow-anvil": "0.1.0",
    }
    assert result["report"]["facts"]["python"]["prefix"] == str(fresh)
    # What stands for TensorFlow here has not the library that an installed plug-in needs (one of a build folder knows
    # where the real one is); of the packages there is no complaint.
    assert {f["id"] for f in result["report"]["findings"] if f["severity"] == "error"} <= {"anvil-damaged"}
    assert done.returncode == result["report"]["exit_code"]


def test_takes_this_anvil_whole(made, present):
    fresh = present.folder.parent / "fresh"
    (site,) = (fresh / "lib").glob("python*/site-packages")
    for folder in ("tensorflow_anvil", "tensorflow-plugins"):
        for file in (present.site / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                assert (site / file.relative_to(present.site)).read_bytes() == file.read_bytes()
    assert (fresh / "bin" / "tf-anvil").is_file()


def test_tells_its_steps(made):
    steps = made[0].stderr.splitlines()
    wanted = ["taking", "making fresh", "installing tensorflow-cpu==2.21.*", "checking", "asking"]
    assert len(steps) == len(wanted) and all(s.startswith(w) for s, w in zip(steps, wanted, strict=True)), steps


def test_the_present_environment_is_left_as_it_is(made, present):
    assert state(present.folder) == made[1]
    assert not (present.folder.parent / "elsewhere").exists()


def test_the_index_is_asked_through_pip(index, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    assert newest("tensorflow-cpu") == ("2.99.0", "")
    assert newest("no-such-package") == ("", "")


def test_an_index_that_does_not_answer_is_told(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/none")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    version, problem = newest("tensorflow-cpu")
    assert version == "" and "connection" in problem, problem


def test_leaves_nothing_behind_where_it_fails(present, tmp_path):
    done = cli(present, tmp_path, "--fix", "failing", "--python", sys.executable)
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert "installing tensorflow-cpu==2.21.* and tensorflow-anvil failed" in done.stderr
    assert "No matching distribution found for tensorflow-cpu==2.21.*" in done.stderr
    assert not (present.folder.parent / "failing").exists()


def test_does_not_write_where_something_is(present, index):
    (present.folder.parent / "mine").mkdir()
    (present.folder.parent / "mine" / "thesis.txt").write_text("all of it")
    for place, said in (
        ("mine", "mine exists already"),
        ("environment", "environment lies in the present environment"),
        ("environment/fresh", "environment/fresh lies in the present environment"),
    ):
        done = cli(present, index, "--fix", place)
        assert done.returncode == 3 and said in done.stderr, done.stderr
    assert (present.folder.parent / "mine" / "thesis.txt").read_text() == "all of it"
    assert not (present.folder / "fresh").exists()


def python_that_says(folder: Path, answer: str) -> str:
    program = folder / "python"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize(
    "answer, machine, said",
    [
        ('[[3, 12], "x86_64", "CPython", false, ""]', LINUX, ""),
        ('[[3, 9], "x86_64", "CPython", false, ""]', LINUX, "CPython 3.9; TensorFlow has packages for CPython 3.10 to"),
        ('[[3, 14], "x86_64", "CPython", false, ""]', LINUX, "CPython 3.14;"),
        ('[[3, 13], "x86_64", "CPython", true, ""]', LINUX, "(free-threaded)"),
        ('[[3, 11], "x86_64", "PyPy", false, ""]', LINUX, "PyPy 3.11"),
        ("no answer", LINUX, "does not run"),
        ('[[3, 12], "x86_64", "CPython", false, ""]', Machine(system="Darwin", apple_silicon=True), "one for arm64"),
    ],
)
def test_the_python_must_fit(tmp_path, answer, machine, said):
    problem = fix.fits(python_that_says(tmp_path, answer), machine)
    assert said in problem and bool(said) == bool(problem)


def test_finds_a_python_that_fits(tmp_path, monkeypatch):
    old = python_that_says(tmp_path, '[[3, 9], "x86_64", "CPython", false, ""]')
    monkeypatch.setattr(sys, "executable", old)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    os.rename(python_that_says(tmp_path, '[[3, 11], "x86_64", "CPython", false, ""]'), tmp_path / "python3.11")
    python_that_says(tmp_path, '[[3, 9], "x86_64", "CPython", false, ""]')
    if not any(Path(f"/bin/python3.{minor}").exists() for minor in (12, 13)):
        assert fix.choose_python(None, LINUX) == "python3.11"
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "python3.11").unlink()
    with pytest.raises(fix.FixError, match=r"no Python from 3\.10 to 3\.13 was found"):
        fix.choose_python(None, LINUX)


def test_a_wheel_of_a_damaged_anvil_is_not_made(present, tmp_path, monkeypatch):
    import importlib.metadata

    (found,) = importlib.metadata.distributions(name="tensorflow-anvil", path=[str(present.site)])
    wheel = fix.repack(found, tmp_path)
    assert zipfile.ZipFile(wheel).testzip() is None
    lost = present.site / "tensorflow-plugins" / "kernels.pack"
    lost.rename(tmp_path / "kernels.pack")
    try:
        with pytest.raises(fix.FixError, match=r"damaged: .*kernels\.pack"):
            fix.repack(found, tmp_path)
    finally:
        (tmp_path / "kernels.pack").rename(lost)
