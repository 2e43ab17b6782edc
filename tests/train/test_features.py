"""Programs that do more than train layers give on the device, eagerly and as graphs, what they give on the CPU."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def names() -> list[str]:
    """Read from the text: TensorFlow is loaded by the program, not by the tests."""
    found = []
    for path in sorted(HERE.glob("features_*.py")):
        lines = path.read_text().splitlines()
        found += [b.split()[1].split("(")[0] for a, b in itertools.pairwise(lines) if a.startswith("@feature")]
    return found


@pytest.fixture(scope="module")
def results(environment):
    """What the program printed of each feature.  Where it dies another process goes on behind that feature."""
    done, left = {}, names()
    while left:
        program = subprocess.run(
            [sys.executable, str(HERE / "features.py"), *left],
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
        for line in program.stdout.splitlines():
            if line.startswith("RESULT "):
                result = json.loads(line[7:])
                done[result["name"]] = result
        left = [name for name in left if name not in done]
        if left:
            done[left[0]] = {"ways": {"": f"ended with {program.returncode}\n{program.stderr[-3000:]}"}}
            left = left[1:]
    return done


@pytest.mark.parametrize("name", names())
def test_feature(results, name):
    wrong = {way: text for way, text in results[name]["ways"].items() if text}
    assert not wrong, wrong


# Variants have no kernels by the catalogue, so that nothing else would notice these on the CPU.
@pytest.mark.parametrize("name", ["gradient_of_a_loop_that_keeps_bools_and_arrays", "zeros_and_sums_of_lists"])
def test_variants_stay_on_the_device(results, name):
    assert results[name]["fallbacks"] == {}
