"""Trains some steps inside TensorFlow with the plug-in built with sanitizers.

    python tools/train_sanitized.py asan|tsan

TensorFlow and Mesa are not instrumented.  AddressSanitizer and UBSan report nothing but real faults then, so any report
fails.  ThreadSanitizer does not see how TensorFlow's and Mesa's own locks order their threads, and reports hundreds of
races inside them: a report counts when the code that made the access, on either side, is ours.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = "libtensorflow_anvil.so"
RUNTIME = re.compile(r"libsanitizer|lib[at]san\.so|libubsan\.so")
STACK = re.compile(r"^  \S.*:$")  # "  Write of size 8 at 0x... by thread T1:"
FRAME = re.compile(r"^    #\d+ ")


def site_packages(prefix: Path) -> Path:
    return prefix / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"


def overlay(preset: str) -> Path:
    """An environment like this one, but with the sanitized plug-in: TensorFlow loads one per platform, no more."""
    home = ROOT / "build" / preset / "venv"
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, symlinks=True, with_pip=False)
    site = site_packages(home)
    for entry in site_packages(Path(sys.prefix)).iterdir():
        if entry.name != "tensorflow-plugins":
            (site / entry.name).symlink_to(entry)
    (site / "tensorflow-plugins").mkdir()
    for file in (ROOT / "build" / preset / "tensorflow-plugins").iterdir():
        (site / "tensorflow-plugins" / file.name).symlink_to(file)
    return home / "bin" / "python"


def runtime(library: str) -> str:
    found = subprocess.run(["g++", f"-print-file-name={library}"], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def reports(folder: Path) -> list[str]:
    text = "\n".join(p.read_text(errors="replace") for p in sorted(folder.glob("log.*")))
    return [part for part in re.split(r"^={18,}$", text, flags=re.M) if "Sanitizer" in part or "runtime error" in part]


def ours(report: str) -> bool:
    """Is the first frame outside the sanitizer's runtime, in any of the report's access stacks, in our library?"""
    searching = False
    for line in report.splitlines():
        if STACK.match(line):
            searching = not re.match(r"  (Location|Thread|Mutex|As if synchronized)", line)
        elif searching and FRAME.match(line) and not RUNTIME.search(line):
            if LIBRARY in line:
                return True
            searching = False
    return False


def main() -> int:
    preset = sys.argv[1]
    logs = ROOT / "build" / preset / "sanitizer-logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    shared = f"log_path={logs}/log:log_exe_name=0"
    environment = {
        **os.environ,
        "ANVIL_SOFTWARE_DEVICE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # Without leaks: Python and TensorFlow leave most of their memory to the exit.
        "ASAN_OPTIONS": f"{shared}:detect_leaks=0",
        "UBSAN_OPTIONS": f"{shared}:print_stacktrace=1",
        "TSAN_OPTIONS": f"{shared}:exitcode=0:history_size=4",
    }
    preload = {
        # libstdc++ beside it: Python brings none, and the runtime looks up __cxa_throw as it starts.
        "asan": [runtime("libasan.so"), runtime("libstdc++.so.6")],
        "tsan": [runtime("libtsan.so")],
    }[preset]
    python = overlay(preset)
    done = subprocess.run(
        [python, ROOT / "tools" / "some_steps.py"], env={**environment, "LD_PRELOAD": " ".join(preload)}
    )
    found = reports(logs)
    counted = [r for r in found if preset == "asan" or ours(r)]
    for report in counted[:10]:
        print(report)
    print(f"{preset}: exit status {done.returncode}, {len(found)} reports, {len(counted)} of them count")
    return 1 if done.returncode or counted else 0


if __name__ == "__main__":
    sys.exit(main())
