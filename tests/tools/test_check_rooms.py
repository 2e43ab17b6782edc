"""Plants each kind of violation in a small tree and expects tools/check_rooms.py to name the file, line and reason."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(root: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, ROOT / "tools" / "check_rooms.py", root], capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path):
    """A tree in order; tests spoil one file of it."""
    files = {
        "src/base/error.h": "#pragma once\n#include <string>\n",
        "src/drv/driver.h": '#include "base/error.h"\n',
        "src/drv/pack.h": '#include "base/error.h"\n#include <zlib.h>\n',
        "src/drv/vulkan/device.h": '#include <volk.h>\n#include "drv/driver.h"\n#include "queue.h"\n',
        "src/drv/vulkan/queue.h": "#pragma once\n",
        "src/ops/op.h": '#include "drv/driver.h"\n',
        "src/tf/device.cc": '#include "ops/op.h"\n#include "tensorflow/c/kernels.h"\n',
        "src/capi/anvil.cc": '#include "drv/vulkan/device.h"\n#include "tf/device.h"\n',
        "src/tf/device.h": "#pragma once\n",
        "kernels/index.slang": "",
        "kernels/unary.slang": "import index;\n",
        "python/tensorflow_anvil/stats.py": "def f():\n    import tensorflow\n    return tensorflow\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_tree_in_order_passes(tree):
    done = run(tree)
    assert done.returncode == 0, done.stdout


def test_this_repository_is_in_order():
    done = run(ROOT)
    assert done.returncode == 0, done.stdout


VIOLATIONS = {
    "base sees drv": ("src/base/error.h", '#include "drv/driver.h"\n', "1: includes drv/driver.h"),
    "base sees zlib": ("src/base/error.h", "\n#include <zlib.h>\n", "2: includes zlib.h"),
    "drv sees ops": ("src/drv/driver.h", '#include "ops/op.h"\n', "1: includes ops/op.h"),
    "drv sees Vulkan": ("src/drv/driver.h", "#include <vulkan/vulkan.h>\n", "1: includes vulkan/vulkan.h"),
    "ops sees more of drv than its interface": ("src/ops/op.h", '#include "drv/pack.h"\n', "1: includes drv/pack.h"),
    "ops sees TensorFlow": (
        "src/ops/op.h",
        '#include "tensorflow/c/kernels.h"\n',
        "1: includes tensorflow/c/kernels.h",
    ),
    "tf sees a driver": ("src/tf/device.cc", '#include "drv/vulkan/device.h"\n', "1: includes drv/vulkan/device.h"),
    "tf sees TensorFlow's C++": (
        "src/tf/device.cc",
        "#include <tensorflow/core/x.h>\n",
        "1: includes tensorflow/core/x.h",
    ),
    "neighbour named without its folder": ("src/ops/op.h", '#include "../drv/pack.h"\n', "1: includes drv/pack.h"),
    "a new room nobody declared": ("src/helpers/thing.cc", "int x;\n", "1: lies in no room"),
    "slang import from nowhere": ("kernels/unary.slang", "import nowhere;\n", "1: imports nowhere"),
    "TensorFlow at module level": (
        "python/tensorflow_anvil/stats.py",
        "import tensorflow as tf\n",
        "1: imports tensorflow",
    ),
    "Keras at module level": ("python/tensorflow_anvil/stats.py", "from keras import layers\n", "1: imports keras"),
    "long file": ("kernels/unary.slang", "\n" * 501, "501: has 501 lines"),
    "long macro": ("src/ops/op.h", "#define A \\\n 1 + \\\n 2 + \\\n 3\n", "1: macro of 4 lines"),
    "banned name": ("src/ops/misc.cc", "", "1: is called misc.cc"),
    "banned name with a number": ("src/ops/misc2.cc", "", "1: is called misc2.cc"),
    "banned part of a name": ("tools/string_utils.py", "", "1: is called string_utils.py"),
}


@pytest.mark.parametrize("path, text, complaint", VIOLATIONS.values(), ids=VIOLATIONS)
def test_violation_is_named(tree, path, text, complaint):
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    (tree / path).write_text(text)
    done = run(tree)
    assert done.returncode == 1
    assert f"{path}:{complaint}" in done.stdout


@pytest.mark.parametrize(
    "path, text",
    [
        ("kernels/unary.slang", "\n" * 500),
        ("src/ops/op.h", "#define A \\\n 1 + \\\n 2\n"),
        ("src/ops/miscellany.cc", ""),
    ],
    ids=["500 lines", "three-line macro", "a name that only begins like a banned one"],
)
def test_at_the_limit_passes(tree, path, text):
    (tree / path).write_text(text)
    done = run(tree)
    assert done.returncode == 0, done.stdout
