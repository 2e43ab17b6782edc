"""Runs a script after loading the Vulkan drivers: python tools/drivers_first.py SCRIPT.

TensorFlow shows its copy of LLVM to the whole process, and drivers that bring their own would call into it.  The plug-in
shields them (src/tf/isolate.h), but not under sanitizers, which do not work with the way it does it.  There this helps:
a driver that is loaded and bound before TensorFlow keeps its own.
"""

import contextlib
import ctypes
import json
import os
import runpy
import sys
from pathlib import Path

for manifest in Path("/usr/share/vulkan/icd.d").glob("*.json"):
    with contextlib.suppress(OSError):
        ctypes.CDLL(json.loads(manifest.read_text())["ICD"]["library_path"], mode=os.RTLD_NOW)

sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
