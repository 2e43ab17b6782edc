"""What the sanitizers' runs share: their options, and which of their reports count.

    python tools/sanitizers.py FOLDER     judge the reports that a run left in FOLDER

Libraries that are not ours, TensorFlow, Mesa and LLVM among them, are not instrumented: of what they do only memcpy, free
and the like are seen, and hardly any of the locks that order it; LeakSanitizer finds what they never free.  So

- a race counts when the code that made both accesses is ours.  With one access in a library, whether its locks order the
  two cannot be told; memory that we use after they gave it back is AddressSanitizer's to find.  An access whose stack
  is lost may be ours.
- a leak, a lock order or a thread left behind counts when the code that allocated, locked or started it is ours.
- every other report, a bad access or undefined behaviour, counts wherever it is.

What TensorFlow orders between two accesses of ours is told to ThreadSanitizer in src/tf/handover.h.
"""

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OURS = re.compile(r"libtensorflow_anvil\.so|\b(base|drv|ops|apple)_test\b|[ /](src|tests)/[\w/]+\.(cc|h):\d+")
# Frames of the runtime, the standard library and GoogleTest: it is their caller that counts.
TRANSPARENT = re.compile(r"libsanitizer|lib[atl]san\.so|libubsan\.so|/include/c\+\+/|testing::internal|libstdc\+\+")
# What a stack stands under: "  Write of size 8 at 0x... by thread T1:", "Direct leak of 8 byte(s) ... from:", "WARNING: ...".
TITLE = re.compile(r"^ *\S.*:$|^WARNING: ")
ACCESS = re.compile(r" *(Previous )?(atomic )?(read|write) of size \d+ at ", re.I)
ACTOR = re.compile(r"(?! *(Location|Thread T\d+ .*created|Mutex M\d+ .*created))")  # who allocated or locked
FRAME = re.compile(r"^ +#\d+ ")
RACE = re.compile(r"WARNING: ThreadSanitizer: data race")
CONDITIONAL = re.compile(r"leak|lock-order-inversion|destroy of a locked mutex|signal-unsafe")


def environment(logs: Path, leaks: bool) -> dict[str, str]:
    """Options for a run whose reports go to `logs`, a folder that is emptied."""
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    path = f"log_path={logs}/log:log_exe_name=0"
    return {
        "ASAN_OPTIONS": f"{path}:detect_leaks={int(leaks)}",
        "LSAN_OPTIONS": "exitcode=0",
        "UBSAN_OPTIONS": f"{path}:print_stacktrace=1",
        "TSAN_OPTIONS": f"{path}:exitcode=0:history_size=7:suppressions={ROOT / 'tests' / 'tsan.supp'}",
    }


def reports(folder: Path) -> list[str]:
    text = "\n".join(file.read_text(errors="replace") for file in sorted(folder.glob("log*")))
    parts = re.split(r"^=+$|(?=^(?:Direct|Indirect) leak of)|(?=^\S+: runtime error)", text, flags=re.M)
    return [part for part in parts if re.search(r"WARNING: \w+San|ERROR: (?!Leak)\w+San|leak of|runtime error:", part)]


def ours(report: str, title: re.Pattern) -> list[bool | None]:
    """Of each stack under a title of this kind: is its first frame that is not transparent ours?  None if it is lost."""
    found, searching = [], False
    for line in report.splitlines():
        if TITLE.match(line) and not FRAME.match(line):
            searching = bool(title.match(line))
            found += [None] * searching
        elif searching and FRAME.match(line) and not TRANSPARENT.search(line):
            found[-1] = bool(OURS.search(line))
            searching = False
    return found


def counts(report: str) -> bool:
    if RACE.search(report):
        return False not in ours(report, ACCESS)
    if CONDITIONAL.search(report):
        return True in ours(report, TITLE if "thread leak" in report else ACTOR)
    return True


def counted(folder: Path) -> list[str]:
    """The reports that count; prints how many there were."""
    found = reports(folder)
    count = [report for report in found if counts(report)]
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
