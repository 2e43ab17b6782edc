"""The doctor in environments that are broken for real: the command of each environment itself must say what is amiss."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from broken import CASES, Case, Shop, link_libraries, put
from wheels import Environment, clean_environment

WITHOUT_CHANGES = Case("", {})  # how a case says that its environment is the healthy one


def build(folder: Path, shop: Shop, wanted: Case) -> Environment:
    environment = Environment(folder)
    wheels = dict(shop.usual)
    wanted.change(shop, wheels)
    environment.install(*wheels.values())
    wanted.after(environment, shop)
    link_libraries(environment)
    return environment


def doctor(environment: Environment, folder: Path, wanted: Case, *arguments: str) -> subprocess.CompletedProcess:
    """Runs `tf-anvil doctor` of an environment, in an empty folder and with an empty home."""
    for name in ("home", "here", "given"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    wanted.here(folder / "here")
    # What the machine of the tests has for a GPU must not matter: a software device is as good as any.
    variables = {"HOME": str(folder / "home"), "ANVIL_SOFTWARE_DEVICE": "1", **wanted.variables(folder / "given")}
    return subprocess.run(
        [*wanted.before, str(environment.folder / "bin" / "tf-anvil"), "doctor", *wanted.arguments, *arguments],
        cwd=folder / "here",
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return Shop(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def healthy(shop, tmp_path_factory):
    return build(tmp_path_factory.mktemp("healthy") / "environment", shop, WITHOUT_CHANGES)


@pytest.fixture(scope="module")
def reports(shop, healthy, tmp_path_factory):
    """What the doctor says in each case: the environments are built and looked at side by side."""

    def one(wanted: Case) -> subprocess.CompletedProcess:
        folder = tmp_path_factory.mktemp("case")
        changed = wanted.change is not WITHOUT_CHANGES.change or wanted.after is not WITHOUT_CHANGES.after
        environment = build(folder / "environment", shop, wanted) if changed else healthy
        return doctor(environment, folder, wanted, "--json")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        waiting = {wanted.name: pool.submit(one, wanted) for wanted in CASES}
        return waiting


@pytest.mark.parametrize("wanted", CASES, ids=lambda wanted: wanted.name)
def test_finds_what_is_amiss_and_nothing_else(reports, wanted):
    done = reports[wanted.name].result()
    assert done.stderr == ""
    report = json.loads(done.stdout)
    found = {finding["id"]: finding for finding in report["findings"]}
    assert set(found) == set(wanted.found), json.dumps(report["findings"], indent=2)
    for name, said in wanted.found.items():
        assert any(said in text for text in found[name]["evidence"]), found[name]["evidence"]
        assert found[name]["fix"] or name == "index-unreachable"
        assert Path(found[name]["page"]).read_text().startswith("# ")
    assert done.returncode == report["exit_code"] == wanted.exit_code


def test_tells_people_without_rich_too(shop, tmp_path):
    """What draws the tables may itself be what is missing."""
    wanted = Case("no rich", {"package-missing": ""}, change=put(rich=None), arguments=("--quick",))
    done = doctor(build(tmp_path / "environment", shop, wanted), tmp_path, wanted)
    assert done.stdout.startswith("Python: ")
    assert "error: A package that another one needs is missing [package-missing]\n" in done.stdout
    assert "    " + str(tmp_path / "environment") in done.stdout and done.stdout.endswith("1 error\n")
    assert done.returncode == 2 and "Traceback" not in done.stderr
