"""Broken environments, built for real: each is what the doctor must find in it, and how it came to be."""

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wheels import Environment, anvil_wheel, installed_wheel, write_wheel

# What stands for TensorFlow: a module that imports, beside the libraries of the real one, which the plug-in loads.
TENSORFLOW = """
class config:
    @staticmethod
    def list_physical_devices(kind):
        return ["/physical_device:GPU:0"]

__version__ = "2.21.0"
"""
BUILD_INFO = (
    "import collections\nbuild_info = collections.OrderedDict([('is_cuda_build', {}), ('is_rocm_build', False)])\n"
)
NEEDS = (
    "keras>=3.12.0",
    "numpy>=1.26.0",
    "protobuf<8.0.0,>=6.31.1",
    "h5py<3.15.0,>=3.11.0",
    'nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
)
OLD_PROTOBUF = """
raise TypeError("Descriptors cannot be created directly.")
"""
OLD_NUMPY = """
raise ImportError("numpy.core.multiarray failed to import")
"""
CRASH = """
import os, signal
os.kill(os.getpid(), signal.SIGILL)
"""
HANG = """
import time
time.sleep(600)
"""


class Shop:
    """Makes the wheels that environments are made of; `usual` are those of the healthy one, by package."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.usual = {
            "tensorflow": self.tensorflow(),
            "keras": self.simple("keras", "3.15.1"),
            "numpy": self.simple("numpy", "2.4.6"),
            "protobuf": self.simple("protobuf", "7.36.2", {"google/protobuf/__init__.py": ""}),
            "h5py": self.simple("h5py", "3.14.0"),
            "rich": self.simple("rich", "15.0.0"),
            "packaging": installed_wheel(folder, "packaging"),
            "anvil": anvil_wheel(folder),
        }

    def simple(self, name: str, version: str, files: dict | None = None, requires=()) -> Path:
        """A package with one module of its name, or with these files."""
        content = files or {f"{name.replace('-', '_')}/__init__.py": f'__version__ = "{version}"\n'}
        return write_wheel(Path(tempfile.mkdtemp(dir=self.folder)), name, version, content, requires)

    def tensorflow(self, name="tensorflow-cpu", version="2.21.0", code=TENSORFLOW, cuda=False, needs=NEEDS) -> Path:
        files = {
            "tensorflow/__init__.py": code,
            "tensorflow/python/__init__.py": "",
            "tensorflow/python/platform/build_info.py": BUILD_INFO.format(cuda),
        }
        return self.simple(name, version, files, needs)


def link_libraries(environment: Environment) -> None:
    real = Path(importlib.util.find_spec("tensorflow").submodule_search_locations[0])
    folder = environment.site / "tensorflow"
    if folder.is_dir():
        for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"):
            (folder / name).symlink_to(real / name)


@dataclass
class Case:
    name: str
    found: dict[str, str]  # the ids that must be found, no others, with what the evidence must say
    exit_code: int = 2
    change: Callable[[Shop, dict], None] = lambda shop, wheels: None  # the wheels that are installed
    after: Callable[[Environment, Shop], None] = lambda environment, shop: None  # what happens to them then
    variables: Callable[[Path], dict[str, str]] = lambda folder: {}  # the folder is there to be used
    arguments: tuple[str, ...] = ()
    here: Callable[[Path], None] = lambda folder: None  # what lies in the working folder
    before: tuple[str, ...] = ()  # what the command is run by


CASES: list[Case] = []


def case(name: str, found: dict[str, str], **rest) -> None:
    CASES.append(Case(name, found, **rest))


def put(**wanted) -> Callable[[Shop, dict], None]:
    """Changes what is installed: each value makes a wheel, or is None for "not installed"."""

    def change(shop: Shop, wheels: dict) -> None:
        for name, make in wanted.items():
            if make is None:
                del wheels[name]
            else:
                wheels[name] = make(shop)

    return change


def package(name: str, version: str, files: dict | None = None, requires=()):
    return lambda shop: shop.simple(name, version, files, requires)


def tensorflow(**rest):
    return lambda shop: shop.tensorflow(**rest)


def plugin(name: str, version: str, file: str, **rest):
    return lambda shop: shop.simple(name, version, {f"tensorflow-plugins/{file}": "no library"}, **rest)


def overwritten(environment: Environment, shop: Shop) -> None:
    """A second TensorFlow is installed over the first and taken away again, with the files that both have."""
    environment.install(shop.tensorflow("tensorflow", "2.21.0"), options=("--force-reinstall",))
    environment.pip("uninstall", "--quiet", "-y", "tensorflow")


def half_upgraded(environment: Environment, shop: Shop) -> None:
    shutil.copytree(environment.site / "protobuf-7.36.2.dist-info", environment.site / "protobuf-6.31.1.dist-info")
    metadata = environment.site / "protobuf-6.31.1.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("7.36.2", "6.31.1"))


def conda(environment: Environment, shop: Shop) -> None:
    folder = environment.folder / "conda-meta"
    folder.mkdir()
    (folder / "numpy-1.26.4-py311h64a7726_0.json").write_text("{}")
    (folder / "python-3.11.9-hb806964_0_cpython.json").write_text("{}")


def spoilt_plugin(environment: Environment, shop: Shop) -> None:
    (environment.site / "tensorflow-plugins" / "libtensorflow_anvil.so").write_text("no library")


def no_plugin(environment: Environment, shop: Shop) -> None:
    shutil.rmtree(environment.site / "tensorflow-plugins")


def other_libraries(*names: str) -> Callable[[Path], dict[str, str]]:
    def make(folder: Path) -> dict[str, str]:
        for name in names:
            (folder / name).write_text("no library")
        return {"LD_LIBRARY_PATH": str(folder)}

    return make


def numpy_in_front(folder: Path) -> dict[str, str]:
    (folder / "numpy").mkdir()
    (folder / "numpy" / "__init__.py").write_text("")
    return {"PYTHONPATH": str(folder)}


def file_for_a_folder(folder: Path) -> dict[str, str]:
    (folder / "file").write_text("")
    return {"ANVIL_CACHE_DIR": str(folder / "file" / "cache")}


def always(**values: str) -> Callable[[Path], dict[str, str]]:
    return lambda folder: values


case("healthy", {}, exit_code=0)
case("no TensorFlow", {"tensorflow-missing": "no package"}, change=put(tensorflow=None))
case(
    "tensorflow-macos",
    {"tensorflow-macos": "tensorflow-macos 2.15.0"},
    change=put(tensorflow=tensorflow(name="tensorflow-macos", version="2.15.0", needs=())),
)
case(
    "tensorflow-metal",
    {"tensorflow-metal": "libmetal_plugin.dylib"},
    change=put(metal=plugin("tensorflow-metal", "1.2.0", "libmetal_plugin.dylib")),
)
case(
    "a plug-in that offers the type GPU",
    {"other-plugin": "it belongs to tensorflow-directml-plugin"},
    change=put(other=plugin("tensorflow-directml-plugin", "0.4.0", "libtfdml_plugin.so")),
)
case(
    "a plug-in of no package",
    {"other-plugin": "it belongs to no installed package"},
    exit_code=1,
    after=lambda environment, shop: (environment.site / "tensorflow-plugins" / "libmine.so").write_text(""),
)
case(
    "the CUDA build",
    {"tensorflow-cuda": "was built with CUDA"},
    change=put(tensorflow=tensorflow(name="tensorflow", cuda=True)),
)
case(
    "two TensorFlows",
    {"several-tensorflows": "tensorflow-cpu 2.21.0 in "},
    change=put(second=tensorflow(name="tensorflow", version="2.20.0")),
)
case("one of two TensorFlows removed", {"tensorflow-damaged": "lacks tensorflow/__init__.py"}, after=overwritten)
case(
    "an old TensorFlow",
    {"tensorflow-unsupported": "tensorflow-cpu 2.15.1"},
    change=put(tensorflow=tensorflow(version="2.15.1", needs=())),
)
case("Keras 2", {"keras-mixed": "keras 2.15.0 is Keras 2"}, change=put(keras=package("keras", "2.15.0")))
case(
    "a tf-keras for another TensorFlow",
    {"keras-mixed": "tf-keras 2.16.0 is made for another"},
    change=put(legacy=package("tf-keras", "2.16.0", requires=["tensorflow<2.17,>=2.16"])),
)
case(
    "Keras 2 is asked for and missing",
    {"keras-mixed": "TF_USE_LEGACY_KERAS"},
    variables=always(TF_USE_LEGACY_KERAS="1"),
)
case(
    "Keras on PyTorch",
    {"keras-backend": "KERAS_BACKEND is torch"},
    exit_code=1,
    variables=always(KERAS_BACKEND="torch"),
)
case("conda and pip", {"conda-pip-mixed": "conda lists 1.26.4, pip wrote 2.4.6"}, exit_code=1, after=conda)
case(
    "an old protobuf",
    {"protobuf-conflict": "needs protobuf<8.0.0,>=6.31.1; 3.20.3 is installed"},
    change=put(
        protobuf=package("protobuf", "3.20.3", {"google/protobuf/__init__.py": ""}),
        tensorflow=tensorflow(code=OLD_PROTOBUF),
    ),
)
case(
    "an old NumPy",
    {"numpy-conflict": "needs numpy>=1.26.0; 1.21.6 is installed"},
    change=put(numpy=package("numpy", "1.21.6")),
)
case(
    "a NumPy that only the import complains of",
    {"numpy-conflict": "numpy.core.multiarray failed to import"},
    change=put(tensorflow=tensorflow(code=OLD_NUMPY)),
)
case(
    "another package too old",
    {"package-conflict": "needs h5py<3.15.0,>=3.11.0; 3.1.0 is installed"},
    change=put(h5py=package("h5py", "3.1.0")),
)
case("no Keras", {"package-missing": "tensorflow-cpu needs keras>=3.12.0"}, change=put(keras=None))
case("no parser of versions", {"package-missing": "tensorflow-anvil needs packaging>=21"}, change=put(packaging=None))
case("an interrupted upgrade", {"package-twice": "protobuf 6.31.1 in "}, after=half_upgraded)
case(
    "a TensorFlow of the future",
    {"missing-shim": "there is no libanvil_shim_2_99.so"},
    change=put(tensorflow=tensorflow(version="2.99.0")),
)
case(
    "a TensorFlow that crashes",
    {"tensorflow-import": "it crashed (SIGILL)"},
    change=put(tensorflow=tensorflow(code=CRASH)),
)
case(
    "a TensorFlow that hangs",
    {"tensorflow-import": "it did not finish within 1 seconds"},
    change=put(tensorflow=tensorflow(code=HANG)),
    arguments=("--seconds", "1"),
)
case("a spoilt plug-in", {"anvil-damaged": "the plug-in cannot be loaded"}, after=spoilt_plugin)
case("no plug-in", {"anvil-damaged": "libtensorflow_anvil.so is not beside"}, after=no_plugin)
case(
    "a file called tensorflow.py",
    {"tensorflow-shadowed": "tensorflow.py is imported by programs"},
    here=lambda folder: (folder / "tensorflow.py").write_text("print('mine')"),
)
case(
    "no Vulkan driver",
    {"no-vulkan-driver": "VK_DRIVER_FILES is /dev/null"},
    variables=always(VK_DRIVER_FILES="/dev/null"),
)
case(
    "a Vulkan loader that does not load",
    {"no-vulkan-loader": "libvulkan.so.1 cannot be loaded", "library-path": "libvulkan.so.1"},
    variables=other_libraries("libvulkan.so.1"),
)
case(
    "other libraries in front",
    {"library-path": "libprotobuf.so"},
    exit_code=1,
    variables=other_libraries("libprotobuf.so"),
)
case("other packages in front", {"python-path": "has numpy"}, exit_code=1, variables=numpy_in_front)
case("no room for caches", {"cache-unwritable": "is a file, not a folder"}, exit_code=1, variables=file_for_a_folder)
case(
    "little memory",
    {"little-memory": "the limit on address space"},
    exit_code=1,
    before=("bash", "-c", 'ulimit -v 3900000; exec "$@"', "-"),
)
case(
    "another environment is active",
    {"wrong-environment": "VIRTUAL_ENV is /elsewhere"},
    exit_code=1,
    variables=always(VIRTUAL_ENV="/elsewhere"),
)
case("a GPU that is not there", {"no-device": '"no-such-gpu" names none'}, variables=always(ANVIL_DEVICE="no-such-gpu"))
case(
    "no pip to ask the index with", {"index-unreachable": "pip is not installed"}, exit_code=0, arguments=("--online",)
)
