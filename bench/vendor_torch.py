"""The cases of anvil_bench in PyTorch on CUDA: what the vendor's own libraries reach on the same GPU.

    python vendor_torch.py --against micro.json [--rounds 10] [--out .]

Runs the cases that micro.json names and writes vendor.json (the same form) and vendor.md (both side by side).
float32 is float32: TF32 is off.  Convolutions are channels-last, with cuDNN's search for the fastest algorithm on.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F

SIDE = 4096
SAMPLE_SECONDS = 0.005
TYPES = {"f32": torch.float32, "f16": torch.float16}


def random(dtype: torch.dtype, *shape: int) -> torch.Tensor:
    return (torch.rand(shape, device="cuda") * 2 - 1).to(dtype)


def gemm(n: str, kind: str) -> Callable[[], object]:
    a, b = random(TYPES[kind], int(n), int(n)), random(TYPES[kind], int(n), int(n))
    out = torch.empty_like(a)
    return lambda: torch.matmul(a, b, out=out)


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    total = max(0, (-(-size // stride) - 1) * stride + window - size)
    return total // 2, total - total // 2


def convolution(shape: str, direction: str, kind: str) -> Callable[[], object]:
    n, h, w, c, k, window, stride = map(int, re.fullmatch(r"(\d+)x(\d+)x(\d+)x(\d+)-(\d+)k(\d+)s(\d+)", shape).groups())
    x = random(TYPES[kind], n, c, h, w)
    top, bottom = same_padding(h, window, stride)
    left, right = same_padding(w, window, stride)
    padding = [top, left]
    if (top, left) != (bottom, right):  # PyTorch pads both sides alike: what is left over is padded beforehand
        x, padding = F.pad(x, (left, right, top, bottom)), [0, 0]
    x = x.to(memory_format=torch.channels_last)
    weight = random(TYPES[kind], k, c, window, window).to(memory_format=torch.channels_last)
    if direction == "forward":
        return lambda: F.conv2d(x, weight, stride=stride, padding=padding)
    gradient = torch.rand_like(F.conv2d(x, weight, stride=stride, padding=padding))
    wanted = [direction == "input", direction == "filter", False]
    strides, ones, zeros = [stride, stride], [1, 1], [0, 0]
    return lambda: torch.ops.aten.convolution_backward(
        gradient, x, weight, None, strides, padding, ones, False, zeros, 1, wanted
    )


def element(name: str, kind: str) -> Callable[[], object]:
    dtype = TYPES[kind]
    full, row, column = (
        (lambda: random(dtype, SIDE, SIDE)),
        (lambda: random(dtype, 1, SIDE)),
        (lambda: random(dtype, SIDE, 1)),
    )
    out = torch.empty(SIDE, SIDE, dtype=dtype, device="cuda")
    if name == "relu":
        a = full()
        return lambda: torch.clamp_min(a, 0, out=out)
    operands = {
        "add": (full, full),
        "mul": (full, full),
        "add-row": (full, row),
        "add-column": (full, column),
        "outer-add": (column, row),
    }
    a, b = (make() for make in operands[name])
    return (lambda: torch.mul(a, b, out=out)) if name == "mul" else (lambda: torch.add(a, b, out=out))


def reduction(name: str, kind: str) -> Callable[[], object]:
    a = random(TYPES[kind], SIDE, SIDE)
    if name == "softmax":
        return lambda: torch.softmax(a, 1)
    axes = {"sum-rows": [1], "sum-columns": [0], "sum-all": [0, 1]}[name]
    return lambda: torch.sum(a, axes)


def make(case: str) -> Callable[[], object] | None:
    family, *rest = case.split("/")
    makers = {"gemm": gemm, "conv": convolution, "element": element, "reduce": reduction}
    return makers[family](*rest) if family in makers else None


def timed(call: Callable[[], object], calls: int) -> float:
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - begin) * 1e3 / calls


def measure(names: list[str], rounds: int) -> dict[str, list[float]]:
    """One group at a time, its cases in turn."""
    samples: dict[str, list[float]] = {}
    for group in dict.fromkeys(name.split("/")[0] for name in names):
        calls = {name: make(name) for name in names if name.split("/")[0] == group}
        ready = {}
        for name, call in calls.items():
            timed(call, 3)  # lets cuDNN search
            ready[name] = call, max(1, min(500, int(SAMPLE_SECONDS * 1e3 / timed(call, 1))))
        for _ in range(rounds):
            for name, (call, count) in ready.items():
                samples.setdefault(name, []).append(timed(call, count))
    return samples


def result(name: str, ours: dict, samples: list[float]) -> dict:
    low, middle, high = statistics.quantiles(samples, n=4, method="inclusive")
    rate = ours["rate"] * ours["ms"] / middle
    return {
        "name": name,
        "group": ours["group"],
        "ms": middle,
        "iqr_ms": high - low,
        "rate": rate,
        "unit": ours["unit"],
        "samples": samples,
    }


def table(ours: dict[str, dict], vendor: list[dict]) -> str:
    lines = ["| case | anvil | vendor's library | anvil / vendor |", "| --- | ---: | ---: | ---: |"]
    for v in vendor:
        o = ours[v["name"]]
        lines.append(
            f"| {v['name']} | {o['ms']:.4g} ms, {o['rate']:.1f} {o['unit']} | {v['ms']:.4g} ms, {v['rate']:.1f} | {v['ms'] / o['ms']:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path())
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    theirs = json.loads(args.against.read_text())
    ours = {
        c["name"]: c for c in theirs["cases"] if "rate" in c and c["group"] in ("gemm", "conv", "element", "reduce")
    }
    with torch.no_grad():
        samples = measure(list(ours), args.rounds)
    vendor = [result(name, ours[name], s) for name, s in samples.items()]
    facts = {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }
    (args.out / "vendor.json").write_text(
        json.dumps({"facts": facts, "rounds": args.rounds, "cases": vendor}, indent=1) + "\n"
    )
    words = ", ".join(f"{k} {v}" for k, v in facts.items())
    head = f"# Against the vendor's libraries\n\nanvil: {theirs['facts']['device']}, {theirs['facts']['driver']}. Vendor: {words}, TF32 off.\n\n"
    (args.out / "vendor.md").write_text(head + table(ours, vendor) + "\n")
    print(table(ours, vendor))


if __name__ == "__main__":
    main()
