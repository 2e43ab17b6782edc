"""What the sanitizers' runs share: their options, and which of their reports count.

    python tools/sanitizers.py FOLDER     judge the reports that a run left in FOLDER

Libraries that are not ours, TensorFlow, Mesa and LLVM among them, are not instrumented.  ThreadSanitizer does not see how
their locks order their threads and reports races inside them; LeakSanitizer finds what they never free.  So a race, a
leak or a lock order counts when the code that made an access (or allocated, or locked) is ours; every other kind of
report, a bad access or undefined behaviour, always counts.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = re.compile(r"libtensorflow_anvil\.so|\b(base|drv|ops)_test\b|[ /](src|tests)/[\w/]+\.(cc|h):\d+")
# Frames of the runtime, the standard library and GoogleTest: it is their caller that counts.
TRANSPARENT = re.compile(r"libsanitizer|lib[atl]san\.so|libubsan\.so|/include/c\+\+/|testing::internal|libstdc\+\+")
BLOCK = re.compile(r"^ *\S.*:$")  # "  Write of size 8 at 0x... by thread T1:", "Direct leak of 8 byte(s) ... from:"
BESIDE = re.compile(r" *(Location|Thread T|Mutex M\d+ (acquired|created)|As if synchronized)")  # not accesses
FRAME = re.compile(r"^ +#\d+ ")
CONDITIONAL = re.compile(r"data race|leak|lock-order-inversion|destroy of a locked mutex|signal-unsafe|thread leak")


def environment(logs: Path, leaks: bool) -> dict[str, str]:
    """Options for a run whose reports go to `logs`, a folder that is emptied."""
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    path = f"log_path={logs}/log:log_exe_name=0"
    return {
        "ASAN_OPTIONS": f"{path}:detect_leaks={int(leaks)}",
        "LSAN_OPTIONS": "exitcode=0",
        "UBSAN_OPTIONS": f"{path}:print_stacktrace=1",
        "TSAN_OPTIONS": f"{path}:exitcode=0:history_size=4:suppressions={ROOT / 'tests' / 'tsan.supp'}",
    }


def reports(folder: Path) -> list[str]:
    text = "\n".join(file.read_text(errors="replace") for file in sorted(folder.glob("log*")))
    parts = re.split(r"^=+$|(?=^(?:Direct|Indirect) leak of)|(?=^\S+: runtime error)", text, flags=re.M)
    return [part for part in parts if re.search(r"WARNING: \w+San|ERROR: (?!Leak)\w+San|leak of|runtime error:", part)]


def made_by_us(report: str) -> bool:
    """Is the first frame that is not transparent, in any of the report's stacks, ours?"""
    searching = False
    for line in report.splitlines():
        if BLOCK.match(line) and not FRAME.match(line):
            searching = not BESIDE.match(line)
        elif searching and FRAME.match(line) and not TRANSPARENT.search(line):
            if OURS.search(line):
                return True
            searching = False
    return False


def counted(folder: Path) -> list[str]:
    """The reports that count; prints how many there were."""
    found = reports(folder)
    count = [report for report in found if not CONDITIONAL.search(report) or made_by_us(report)]
    for report in count[:10]:
        print(report)
    print(f"{folder.parent.name}: {len(found)} reports, {len(count)} of them count", flush=True)
    return count


def main() -> int:
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("sanitizers: name the folder with the reports")
    return 1 if counted(Path(sys.argv[1])) else 0


if __name__ == "__main__":
    sys.exit(main())
