"""Stand-ins for the CUDA libraries that PyPI's torch links against, so that torch's CPU part imports without them.

PyPI's Linux torch is the CUDA build: `import torch` fails unless a dozen NVIDIA libraries (some 2.5 GB) can be loaded,
though a Vulkan back end calls none of them.  This makes one small shared object per missing library, with every symbol
torch asks of it; each function returns "no device" (100), so torch.cuda.is_available() is false, as on a machine without
a GPU of that maker.  Used for the peers benchmark only.

    cuda_stubs.py TORCH_LIB_DIR OUT_DIR        then run python with LD_LIBRARY_PATH=OUT_DIR
"""

from __future__ import annotations

import pathlib
import re
import subprocess
import sys

SYSTEM = ("libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so", "libgcc_s", "libstdc++", "ld-linux", "libgomp")
NO_DEVICE = 100
VENDOR = re.compile(
    r"_?_?(cu[A-Z]|cuda|cublas|cudnn|cufft|curand|cusolver|cusparse|cupti|nccl|nvrtc|nvshmem|nvJit)", re.I
)


def readelf(flag: str, path: pathlib.Path) -> str:
    return subprocess.run(["readelf", flag, "-W", str(path)], capture_output=True, text=True, check=True).stdout


def symbols(path: pathlib.Path) -> tuple[set[str], set[str]]:
    """(defined, undefined) dynamic symbols, versions kept as name@version."""
    defined, undefined = set(), set()
    for line in readelf("--dyn-syms", path).splitlines():
        part = line.split()
        if len(part) < 8 or not part[0].endswith(":") or part[4] not in ("GLOBAL", "WEAK", "UNIQUE"):
            continue
        if part[6] != "UND":
            defined.add(part[7].split("@")[0])
        elif part[4] == "GLOBAL":
            undefined.add(part[7].replace("@@", "@"))
    return defined, undefined


def needed(path: pathlib.Path) -> set[str]:
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", readelf("-d", path)))


def homes(path: pathlib.Path) -> dict[str, str]:
    """version -> the library that `path` expects it from"""
    found, library = {}, ""
    for line in readelf("-V", path).splitlines():
        if m := re.search(r"File: (\S+)", line):
            library = m[1]
        elif library and (m := re.search(r"Name: (\S+)", line)):
            found[m[1]] = library
    return found


def function(name: str) -> str:
    """One C function; the assembler name is given apart, since some are C++ names."""
    c_name = "stub_" + re.sub(r"\W", "_", name)
    if "String" in name:
        body = 'return (long)"no CUDA libraries here";'
    else:
        body = "return 0;" if name.startswith("__cuda") else f"return {NO_DEVICE};"
    return f'long {c_name}(void) __asm__("{name}");\nlong {c_name}(void) {{ {body} }}\n'


def build(soname: str, versions: dict[str, set[str]], out: pathlib.Path) -> None:
    source = out / f"{soname}.c"
    script = out / f"{soname}.map"
    source.write_text("".join(function(n) for names in versions.values() for n in sorted(names)))
    nodes = []
    for version, names in versions.items():
        if version:
            nodes.append(f"{version} {{ global: {' '.join(f'{n};' for n in sorted(names))} }};")
    command = ["cc", "-shared", "-fPIC", "-O1", f"-Wl,-soname,{soname}", "-o", str(out / soname), str(source)]
    if nodes:
        script.write_text("\n".join(nodes))
        command.insert(1, f"-Wl,--version-script={script}")
    subprocess.run(command, check=True)
    source.unlink()
    script.unlink(missing_ok=True)


def main() -> None:
    lib, out = map(pathlib.Path, sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    libraries = [p for p in lib.glob("*.so*") if p.is_file()]
    defined: set[str] = set()
    undefined: set[str] = set()
    wanted: set[str] = set()
    home: dict[str, str] = {}
    for path in libraries:
        d, u = symbols(path)
        defined |= d
        undefined |= u
        wanted |= needed(path)
        home |= homes(path)
    missing = sorted(n for n in wanted if not n.startswith(SYSTEM) and not (lib / n).exists())
    versions: dict[str, dict[str, set[str]]] = {n: {} for n in missing}
    plain: set[str] = set()
    for symbol in undefined:
        name, _, version = symbol.partition("@")
        if name in defined:
            continue
        if not version:
            plain.add(name)
        elif home.get(version) in versions:
            versions[home[version]].setdefault(version, set()).add(name)
    # Symbols without a version may come from any library: every one that has no versioned symbols offers them all.
    plain = {n for n in plain if VENDOR.match(n)}
    for parts in versions.values():
        if not parts:
            parts[""] = plain
    for soname in missing:
        build(soname, versions[soname], out)
    print(f"{len(missing)} libraries in {out}")


if __name__ == "__main__":
    main()
