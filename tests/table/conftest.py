"""Finds the plug-in and puts this process on the software device, before TensorFlow is imported.

The plug-in is the one installed beside TensorFlow, or the library that ANVIL_PLUGIN names (a build tree).
--on-cpu runs the table on TensorFlow's CPU kernels instead: it checks the rows and their references, not the device.
"""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("ANVIL_SOFTWARE_DEVICE", "1")
os.environ.setdefault("ANVIL_GUARD", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # the CPU's plain kernels are what the results are compared with
sys.path.insert(0, str(Path(__file__).parent))


def pytest_addoption(parser):
    parser.addoption(
        "--on-cpu", action="store_true", help="run the rows on the CPU kernels: a check of the table itself"
    )


def pytest_configure(config):
    import engine

    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return  # the tests run in processes that this one starts
    engine.start(on_cpu=config.getoption("--on-cpu"))


@pytest.fixture(scope="session", autouse=True)
def measured_errors():
    """Writes the largest error of each op and type, for tools/gen_docs.py."""
    import engine

    yield
    engine.MEASURED.write()
