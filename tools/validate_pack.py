"""Runs spirv-val over every kernel of a pack, for the Vulkan version the driver asks for.

    python tools/validate_pack.py [PACK]

The layout read here is described in src/drv/pack.h.
Kernels for matrix units use an extension younger than many distributions' spirv-val; they go to the validator inside
Slang's own package.
"""

import ctypes
import functools
import importlib.util
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = "vulkan1.2"
HEADER, BLOCK, ENTRY = struct.Struct("<6IQ"), struct.Struct("<Q4I"), struct.Struct("<10I")
MAGIC, VERSION, SPIRV = 0x4B564E41, 1, 0
HEADER_WORDS, OP_CAPABILITY, COOPERATIVE_MATRIX = 5, 17, 6022


def kernels(pack: bytes):
    """Yields (name, SPIR-V) for every SPIR-V kernel."""
    magic, version, blocks, entries, name_bytes, _, _ = HEADER.unpack_from(pack)
    if (magic, version) != (MAGIC, VERSION):
        sys.exit("validate_pack: no kernel pack of the version that this tool reads")
    table = [BLOCK.unpack_from(pack, HEADER.size + i * BLOCK.size) for i in range(blocks)]
    start = HEADER.size + blocks * BLOCK.size
    names_at = start + entries * ENTRY.size
    names = pack[names_at : names_at + name_bytes]
    plain = {}
    for i in range(entries):
        name, target, block, offset, size, *_ = ENTRY.unpack_from(pack, start + i * ENTRY.size)
        if target != SPIRV:
            continue
        if block not in plain:
            at, packed, *_ = table[block]
            plain[block] = zlib.decompress(pack[at : at + packed])
        yield names[name : names.index(0, name)].decode(), plain[block][offset : offset + size]


def uses_matrix_units(code: bytes) -> bool:
    words = struct.unpack(f"<{len(code) // 4}I", code)
    at = HEADER_WORDS
    while at < len(words) and words[at] & 0xFFFF == OP_CAPABILITY:
        if words[at + 1] == COOPERATIVE_MATRIX:
            return True
        at += words[at] >> 16
    return False


@functools.cache
def slang_validator():
    """bool validate(const uint32_t* words, int count), which prints what is wrong to stderr."""
    package = Path(importlib.util.find_spec("slangpy").submodule_search_locations[0])
    validate = ctypes.CDLL(str(next(package.glob("libslang-glslang*.so")))).glslang_validateSPIRV
    validate.restype, validate.argtypes = ctypes.c_bool, [ctypes.c_char_p, ctypes.c_int]
    return validate


def problem(name: str, code: bytes) -> str | None:
    if uses_matrix_units(code):
        return None if slang_validator()(code, len(code) // 4) else f"{name}: refused by Slang's validator (see above)"
    with tempfile.NamedTemporaryFile(suffix=".spv") as file:
        file.write(code)
        file.flush()
        command = ["spirv-val", "--target-env", ENVIRONMENT, "--scalar-block-layout", file.name]
        done = subprocess.run(command, capture_output=True, text=True)
    return f"{name}: {(done.stdout + done.stderr).strip()}" if done.returncode else None


def main() -> int:
    pack = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/release/tensorflow-plugins/kernels.pack"
    everything = list(kernels(pack.read_bytes()))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        problems = [p for p in pool.map(lambda kernel: problem(*kernel), everything) if p]
    print("\n".join(problems[:20]) or f"spirv-val: {len(everything)} kernels valid")
    if problems:
        print(f"spirv-val: {len(problems)} of {len(everything)} kernels are not valid")
    return 1 if problems or not everything else 0


if __name__ == "__main__":
    sys.exit(main())
