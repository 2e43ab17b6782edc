"""Checks the rules that keep the source readable: which room may include which, and how long files and macros may be.

    python tools/check_rooms.py [ROOT]

Prints one line per violation, as file:line: what, and exits with 1 if there is any.  The table below is the one in
docs/HACKING.md; to let a room see another, change both and say why.
"""

import ast
import re
import sys
from dataclasses import dataclass
from pathlib import Path

MAX_LINES = 500
MAX_MACRO_LINES = 3
BANNED_NAMES = {"misc", "extra", "common2", "utils"}
SOURCE_SUFFIXES = {".cc", ".h", ".mm", ".slang", ".metal", ".py", ".sh", ".cmake"}
SOURCE_FOLDERS = ("src", "kernels", "python", "tests", "bench", "tools", "examples", "cmake")


@dataclass(frozen=True)
class Room:
    project: tuple[str, ...]  # prefixes of our own headers it may include, as written after src/
    outside: tuple[str, ...] = ()  # prefixes of headers of other libraries and of the system


# The C++ standard library is free to all.  The longest matching folder decides.
ROOMS = {
    "src/base": Room(("base/",)),
    "src/drv": Room(("base/", "drv/"), ("zlib.h", "fcntl.h", "unistd.h", "sys/", "dlfcn.h", "pthread.h")),
    "src/drv/record": Room(("base/", "drv/"), ("sys/", "unistd.h")),
    "src/drv/vulkan": Room(
        ("base/", "drv/"), ("volk.h", "vulkan/", "zlib.h", "sys/", "unistd.h", "fcntl.h", "dlfcn.h")
    ),
    "src/drv/metal": Room(("base/", "drv/"), ("Metal/", "Foundation/", "metal_stdlib", "sys/", "unistd.h")),
    "src/ops": Room(("base/", "drv/driver.h", "ops/")),
    "src/select": Room(("base/", "drv/driver.h", "ops/", "select/")),
    "src/telemetry": Room(("base/", "telemetry/"), ("sys/", "unistd.h", "fcntl.h", "dlfcn.h")),
    "src/tf": Room(
        ("base/", "drv/driver.h", "ops/op.h", "tf/"),
        ("tensorflow/c/", "dlfcn.h", "unistd.h", "sys/auxv.h", "cuda_kernels.inc"),
    ),
    # Built against one TensorFlow's own C++ headers, and linked with nothing of ours.
    "src/tf/shim": Room(("tf/shim/",), ("tensorflow/", "absl/", "dlfcn.h")),
    "src/capi": Room(("base/", "drv/", "ops/", "select/", "telemetry/", "tf/", "capi/"), ("dlfcn.h",)),
}

STANDARD = set(
    """algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits
    clocale cmath compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint cstdio
    cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream
    functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
    memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore
    set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view strstream
    system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector
    version stdint.h stddef.h stdbool.h""".split()
)
INCLUDE = re.compile(r'^\s*#\s*(?:include|import)\s*([<"])([^>"]+)[>"]')
IMPORT_SLANG = re.compile(r"^\s*(?:__exported\s+)?import\s+([\w.]+)\s*;")
DEFINE = re.compile(r"^\s*#\s*define\b")


def room_of(path: str) -> Room | None:
    found = [name for name in ROOMS if path.startswith(name + "/")]
    return ROOMS[max(found, key=len)] if found else None


def allowed(header: str, prefixes: tuple[str, ...]) -> bool:
    return any(header == p or (p.endswith("/") and header.startswith(p)) for p in prefixes)


def check_includes(root: Path, path: Path, lines: list[str]):
    name = path.relative_to(root).as_posix()
    room = room_of(name)
    if room is None:
        if name.startswith("src/"):
            yield 1, "lies in no room; see the table in tools/check_rooms.py"
        return
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if not match or match[2] in STANDARD:
            continue
        header = match[2]
        # A plain "pack.h" means the header beside the file: the same as its full name.
        if match[1] == '"' and (path.parent / header).is_file() and not (root / "src" / header).is_file():
            header = (path.parent / header).resolve().relative_to((root / "src").resolve()).as_posix()
        ours = match[1] == '"' and (root / "src" / header).is_file()
        if not allowed(header, room.project if ours else room.outside):
            yield number, f"includes {header}, which its room may not see"


def check_slang_imports(root: Path, path: Path, lines: list[str]):
    if path.suffix != ".slang" or (root / "kernels") not in path.parents:
        return
    for number, line in enumerate(lines, 1):
        match = IMPORT_SLANG.match(line)
        if match and not (root / "kernels" / (match[1].replace(".", "/") + ".slang")).is_file():
            yield number, f"imports {match[1]}, which is not in kernels/"


def check_python_imports(root: Path, path: Path, lines: list[str]):
    """The package must load without TensorFlow: `tf-anvil devices` works where TensorFlow is broken."""
    if path.suffix != ".py" or (root / "python" / "tensorflow_anvil") not in path.parents:
        return
    for node in ast.parse("\n".join(lines)).body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        for imported in names:
            if imported.split(".")[0] in ("tensorflow", "keras"):
                yield node.lineno, f"imports {imported} at module level; do it inside the function that needs it"


def check_size(path: Path, lines: list[str]):
    if len(lines) > MAX_LINES:
        yield MAX_LINES + 1, f"has {len(lines)} lines; split it, {MAX_LINES} is the most"
    start = None
    for number, line in enumerate(lines, 1):
        if start is None and DEFINE.match(line) and path.suffix in {".cc", ".h", ".mm", ".slang", ".metal"}:
            start = number
        if start is not None and not line.rstrip().endswith("\\"):
            if number - start + 1 > MAX_MACRO_LINES:
                yield start, f"macro of {number - start + 1} lines; {MAX_MACRO_LINES} is the most, write a function"
            start = None


def check_name(path: Path):
    for part in path.stem.lower().replace("-", "_").split("_"):
        if part in BANNED_NAMES or part.rstrip("0123456789") in BANNED_NAMES:
            yield 1, f"is called {path.name}: name it after what it does"
            return


def violations(root: Path) -> list[str]:
    found = []
    for folder in SOURCE_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SOURCE_SUFFIXES and path.name != "CMakeLists.txt":
                continue
            lines = path.read_text(encoding="utf-8").splitlines()
            problems = [*check_name(path), *check_size(path, lines)]
            if path.suffix in {".cc", ".h", ".mm"}:
                problems += check_includes(root, path, lines)
            problems += check_slang_imports(root, path, lines)
            problems += check_python_imports(root, path, lines)
            name = path.relative_to(root).as_posix()
            found += [f"{name}:{number}: {what}" for number, what in problems]
    return found


def main() -> int:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent).resolve()
    found = violations(root)
    print("\n".join(found) if found else "rooms, sizes and names: in order")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
