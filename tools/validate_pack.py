"""Runs spirv-val over every kernel of a pack, for the Vulkan version the driver asks for.

    python tools/validate_pack.py [PACK]

The layout read here is described in src/drv/pack.h.
"""

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


def problem(name: str, code: bytes) -> str | None:
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
