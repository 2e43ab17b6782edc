"""What the documents show is run: their Python blocks, their commands, their links and their table of options."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = Path(sysconfig.get_paths()["platlib"]) / "tensorflow-plugins" / "libtensorflow_anvil.so"
PAGES = ["README.md", "docs/HACKING.md", "docs/COOKBOOK.md", "docs/DRIVERS.md"]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
ENVIRONMENT = {**os.environ, "ANVIL_SOFTWARE_DEVICE": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def blocks(language: str) -> list:
    return [
        pytest.param(page, text, id=f"{page}-{number}")
        for page in PAGES
        for number, (found, text) in enumerate(FENCE.findall((ROOT / page).read_text()), 1)
        if found == language
    ]


def run(*command, **options) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, **options)


@pytest.mark.slow
@pytest.mark.parametrize("page, text", blocks("python"))
def test_python_block_runs(page, text):
    done = run(sys.executable, "-c", text, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert page != "README.md" or done.stdout.strip(), "a reader who tries it sees nothing"
    if "The weights are on" in text and INSTALLED.exists():
        assert done.stdout.strip().endswith("device:GPU:0")


def python_command(words):
    if words[1:3] == ["-m", "pytest"]:
        assert any((ROOT / word).exists() for word in words[3:]), "there is no such test"
        return
    assert (ROOT / words[1]).is_file(), f"there is no {words[1]}"
    if words[1].startswith("tools/"):
        source = (ROOT / words[1]).read_text()
        unknown = [word for word in words[2:] if word.startswith("-") and f'"{word}"' not in source]
        assert not unknown, f"{words[1]} has no option {unknown}"


def make_command(words):
    done = run("make", "--dry-run", *words[1:])
    assert done.returncode == 0, done.stderr


def tf_anvil_command(words):
    done = run(str(Path(sys.executable).parent / "tf-anvil"), *words[1:])
    assert done.returncode == 0 and done.stdout.strip(), done.stdout + done.stderr


def pip_command(words):
    assert words[1] == "install"
    known = (ROOT / "pyproject.toml").read_text() + (ROOT / "requirements-dev.txt").read_text()
    assert words[2] == "." or f"{words[2]}==" in known, f"nothing here is tested with {words[2]}"


def preset_command(words):
    presets = (ROOT / "CMakePresets.json").read_text()
    assert "--preset" not in words or f'"{words[words.index("--preset") + 1]}"' in presets


# Commands that would take minutes or change the machine are held to what can be checked: that what they name exists.
KNOWN = {
    "make": make_command,
    "python": python_command,
    "tf-anvil": tf_anvil_command,
    "pip": pip_command,
    "cmake": preset_command,
    "ctest": preset_command,
}


@pytest.mark.parametrize("page, text", blocks("sh"))
def test_commands_are_right(page, text):
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words.pop(0)
        if words:
            assert words[0] in KNOWN, f"{line}: this test does not know the command {words[0]}"
            KNOWN[words[0]](words)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    targets = [t for t in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in t]
    missing = [t for t in targets if not ((ROOT / page).parent / t).exists()]
    assert not missing


def test_options_are_documented():
    done = run(sys.executable, "tools/document_options.py", "--check")
    assert done.returncode == 0, done.stdout


def test_counters_named_in_the_documents_exist():
    known = (ROOT / "src" / "base" / "counters.cc").read_text()
    named = re.findall(r'stats\(\)\["(\w+)"\]', (ROOT / "README.md").read_text())
    assert named and all(f'"{name}"' in known for name in named)
