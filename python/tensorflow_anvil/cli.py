"""The command `tf-anvil`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import NoReturn

import tensorflow_anvil
from tensorflow_anvil import shim
from tensorflow_anvil.doctor import options as doctor


def size(n: int) -> str:
    """Bytes for people: GiB, or MiB where that would be less than one."""
    return f"{n / 2**30:.1f} GiB" if n >= 2**30 else f"{n / 2**20:.0f} MiB"


def show_devices(options: argparse.Namespace) -> int:
    """Lists the devices that TensorFlow gets; exits with 1 if there is none, and stderr says why."""
    found = tensorflow_anvil.devices()
    reason = "" if found else tensorflow_anvil.why_no_device()
    if options.json:
        print(json.dumps({"devices": found, "reason": reason}, indent=2))
        return 0 if found else 1
    if not found:
        print(f"No device: {reason}", file=sys.stderr)
        return 1
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Devices offered to TensorFlow", title_justify="left")
    for column in ("", *(f"GPU:{index}" for index in range(len(found)))):
        table.add_column(column)
    rows = {
        "name": lambda d: d["name"],
        "driver": lambda d: d["driver"],
        "kind": lambda d: d["kind"],
        "memory": lambda d: f"{size(d['memory'])}, {size(d['memory_free'])} free",
        "largest allocation": lambda d: size(d["max_allocation"]),
        "unified memory": lambda d: "yes" if d["unified"] else "no",
        "lanes, group, shared memory": lambda d: f"{d['subgroup']}, {d['max_group']}, {d['group_memory'] // 1024} KiB",
        "float16 arithmetic": lambda d: "yes" if d["f16"] else "no",
        "float64 arithmetic": lambda d: "yes" if d["f64"] else "no",
        "matrix units (float16)": lambda d: "yes" if d["matrix_f16"] else "no",
    }
    for name, value in rows.items():
        table.add_row(name, *(value(device) for device in found))
    Console().print(table)
    return 0


def build_shim(options: argparse.Namespace) -> int:
    """Builds the compat shim for the installed TensorFlow, where the plug-in finds it."""
    out = options.out or shim.cache_folder()
    if out is None:
        print("Say where with --out: neither HOME nor ANVIL_CACHE_DIR is set.", file=sys.stderr)
        return 1
    try:
        target = shim.build(shim.find_tensorflow(), shim.Path(out))
    except shim.BuildError as error:
        print(f"tf-anvil: {error}", file=sys.stderr)
        return 1
    print(f"Built {target}. TensorFlow finds it at its next start.")
    return 0


class Parser(argparse.ArgumentParser):
    """Exits with 3 where the command line is wrong: 1 and 2 are what the doctor says of an environment."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(doctor.FAILED, f"{self.prog}: error: {message}\n")


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(prog="tf-anvil", description="Looks after TensorFlow Anvil, GPUs for TensorFlow.")
    parser.add_argument("--version", action="version", version=tensorflow_anvil.__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    devices = commands.add_parser("devices", help="list the devices that TensorFlow gets")
    devices.add_argument("--json", action="store_true", help="print JSON")
    devices.add_argument("--all", action="store_true", help="software devices too, as with ANVIL_SOFTWARE_DEVICE=1")
    devices.set_defaults(run=show_devices)

    build = commands.add_parser("build-shim", help="build the compat shim for the installed TensorFlow")
    build.add_argument("--out", help="folder (default: the cache, where the plug-in looks)")
    build.set_defaults(run=build_shim)

    doctor.add(commands)

    options = parser.parse_args(arguments)
    # TensorFlow's library, which the plug-in needs, greets whoever loads it with a line about its CPU kernels.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    if getattr(options, "all", False):
        os.environ["ANVIL_SOFTWARE_DEVICE"] = "1"
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
