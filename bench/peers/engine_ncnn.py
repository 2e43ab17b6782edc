"""ncnn on Vulkan, float32 throughout (half storage off).  Inference only.

Its Python package has no device matrices, so a run includes upload and download.  An op is therefore timed as a
difference: a net with 1 + EXTRA layers of the kind less a net with 1, over EXTRA: the layer alone, on the device.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import ncnn
import numpy as np
from rounds import cases
from rounds.worker import Timed, serve

RAW_FLOAT32 = np.zeros(1, np.float32)  # the tag before a weight: plain float32 follows
FOLDER = Path(tempfile.mkdtemp())


def load(name: str, lines: list[str], weights: list[np.ndarray]) -> ncnn.Net:
    blobs = {blob for line in lines for blob in line.split()[4 : 4 + int(line.split()[2]) + int(line.split()[3])]}
    param, model = FOLDER / f"{name}.param", FOLDER / f"{name}.bin"
    param.write_text("\n".join(["7767517", f"{len(lines)} {len(blobs)}", *lines]) + "\n")
    model.write_bytes(b"".join(np.ascontiguousarray(w, np.float32).tobytes() for w in weights) or b"\0\0\0\0")
    net = ncnn.Net()
    net.opt.use_vulkan_compute = True
    net.opt.num_threads = os.cpu_count()
    for option in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "bf16_packed", "int8_inference"):
        if hasattr(net.opt, f"use_{option}"):
            setattr(net.opt, f"use_{option}", False)
    if net.load_param(str(param)) != 0 or net.load_model(str(model)) != 0:
        raise RuntimeError(f"ncnn does not load {name}")
    return net


def run(net: ncnn.Net, x: ncnn.Mat) -> np.ndarray:
    extractor = net.create_extractor()
    extractor.input("a", x)
    return np.array(extractor.extract("out")[1])


def mat(a: np.ndarray) -> ncnn.Mat:
    return ncnn.Mat(np.ascontiguousarray(a)).clone()  # a Mat only borrows NumPy's memory


def layers(kind, count: int) -> list[str]:
    last = count - 1
    chain = [kind(i, "out" if i == last else f"t{i}", "a" if i == 0 else f"t{i - 1}") for i in range(count)]
    return ["Input in 0 1 a", *chain]


def by_difference(name: str, kind, weights, x, check, extra: int, times: int = 1):
    """`times`: how many such layers' work the case is (ncnn has no batch)."""

    def prepare():
        short, long = (load(f"{name}_{n}", layers(kind, n), weights() * n) for n in (1, 1 + extra))
        data = mat(x())

        def call() -> Timed:
            begin = time.perf_counter()
            run(short, data)
            middle = time.perf_counter()
            run(long, data)
            end = time.perf_counter()
            return Timed(max(1e-6, (end - middle) - (middle - begin)) / extra * times * 1e3)

        return call, lambda: check(run(short, data))

    return prepare


def gemm(name: str):
    n = cases.MATRICES[name]

    def kind(i, out, x):
        return f"Gemm g{i} 1 1 {x} {out} 0=1.0 1=1.0 2=0 3=0 4=0 5=1 6=1 7=0 8={n} 9={n} 10=-1"

    def check(y):
        a, b = cases.matrices(name)
        cases.near(y, a @ b, 1e-4)

    # The right-hand matrix is the layer's weight, as in a dense layer.
    return by_difference(
        name, kind, lambda: [RAW_FLOAT32, cases.matrices(name)[1]], lambda: cases.matrices(name)[0], check, 2
    )


def convolution():
    def kind(i, out, x):
        return f"Convolution c{i} 1 1 {x} {out} 0=64 1=3 4=1 5=0 6=36864"

    def check(y):
        x, w = cases.convolution("NCHW")
        want = np.einsum("cij,kcij->k", np.pad(x[0], ((0, 0), (1, 1), (1, 1)))[:, 0:3, 0:3].astype(np.float64), w)
        cases.near(y[:, 0, 0], want, 1e-3)  # Winograd's rounding

    weights = lambda: [RAW_FLOAT32, cases.convolution("NCHW")[1]]  # noqa: E731
    return by_difference("conv56", kind, weights, lambda: cases.convolution("NCHW")[0][0], check, 4, times=8)


def softmax():
    def check(y):
        cases.near(y, cases.softmax(cases.square()), 1e-4)

    return by_difference(
        "softmax", lambda i, out, x: f"Softmax s{i} 1 1 {x} {out} 0=1 1=1", list, cases.square, check, 4
    )


def infer(net: str):
    """The batch as 64 single images with their transfers: ncnn has no batch."""

    def prepare():
        edge, channels = cases.NETS[net]
        flat = edge * edge // 4 * 64
        lines = [
            "Input in 0 1 a",
            f"Convolution c1 1 1 a b 0=32 1=3 4=1 5=1 6={channels * 9 * 32} 9=1",
            "Convolution c2 1 1 b c 0=64 1=3 4=1 5=1 6=18432 9=1",
            "Pooling p 1 1 c d 0=0 1=2 2=2",
            "Flatten f 1 1 d e",
            f"InnerProduct d1 1 1 e g 0=128 1=1 2={flat * 128} 9=1",
            "InnerProduct d2 1 1 g out 0=10 1=1 2=1280",
        ]
        shapes = [(32, channels, 3, 3), (64, 32, 3, 3), (128, flat), (10, 128)]
        weights = []
        for seed, shape in enumerate(shapes):
            scale = np.float32((2 / np.prod(shape[1:])) ** 0.5)
            weights += [RAW_FLOAT32, cases.normal(20 + seed, *shape) * scale, np.zeros(shape[0], np.float32)]
        model = load(f"infer_{net}", lines, weights)
        images = [mat(i) for i in cases.batch(net, "NCHW")[0]]
        return (lambda: [run(model, i) for i in images]), lambda: None

    return prepare


def main() -> None:
    table = {
        **{name: gemm(name) for name in cases.MATRICES},
        "conv56": convolution(),
        "softmax4096": softmax(),
        **{f"infer_{n}": infer(n) for n in cases.NETS},
    }
    serve("ncnn", {"ncnn": ncnn.__version__, "device": ncnn.get_gpu_info(0).device_name()}, table)


if __name__ == "__main__":
    main()
