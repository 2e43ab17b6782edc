"""The cases every engine runs: their data, their work, and how a result is checked.  Needs NumPy alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BATCH = 64
# Small enough for the loss to fall from the first step on: with 1e-3 the first steps of the larger net overshoot, on any
# engine, since each moves a logit by the rate times the sum of 16,384 inputs.
LEARNING_RATE = 1e-4
NETS = {"digits": (8, 1), "c32": (32, 3)}  # height = width, channels
MATRICES = {"gemm256": 256, "gemm512": 512, "gemm1024": 1024, "gemm2048": 2048}
ELEMENTS = 1 << 24
SIDE = 4096
F32 = 4


@dataclass(frozen=True)
class Work:
    title: str
    flops: float = 0  # one or the other: what the rate is counted in
    bytes: float = 0

    def rate(self, ms: float) -> str:
        amount = self.flops or self.bytes
        return f"{amount / ms / 1e6:.1f} {'GFLOP/s' if self.flops else 'GB/s'}"


def cnn_flops(edge: int, channels: int) -> tuple[float, float]:
    """(forward, first convolution) of conv32-conv64-pool-dense128-dense10, 'same' padding, for one batch"""
    pixels = edge * edge
    first = pixels * 9 * channels * 32
    rest = pixels * 9 * 32 * 64 + pixels // 4 * 64 * 128 + 128 * 10
    return 2.0 * BATCH * (first + rest), 2.0 * BATCH * first


WORK = {
    **{name: Work(f"GEMM {n} x {n} x {n}", flops=2.0 * n**3) for name, n in MATRICES.items()},
    "conv56": Work("Conv2D 8x56x56x64 -> 64, 3x3", flops=2.0 * 8 * 56 * 56 * 64 * 64 * 9),
    "add16M": Work("add, 16 Mi elements", bytes=3.0 * ELEMENTS * F32),
    "mul16M": Work("multiply, 16 Mi elements", bytes=3.0 * ELEMENTS * F32),
    "relu16M": Work("relu, 16 Mi elements", bytes=2.0 * ELEMENTS * F32),
    "rowsum4096": Work("row sum 4096 x 4096", bytes=1.0 * SIDE * SIDE * F32),
    "colsum4096": Work("column sum 4096 x 4096", bytes=1.0 * SIDE * SIDE * F32),
    "softmax4096": Work("softmax 4096 x 4096", bytes=2.0 * SIDE * SIDE * F32),
}
for _net, (_edge, _channels) in NETS.items():
    _forward, _first = cnn_flops(_edge, _channels)
    _size = f"{_edge}x{_edge}x{_channels}, batch {BATCH}"
    WORK[f"infer_{_net}"] = Work(f"inference, CNN {_size}", flops=_forward)
    # The first convolution needs no gradient of its input.
    WORK[f"train_{_net}"] = Work(f"Adam step, CNN {_size}", flops=3 * _forward - _first)
for _pass in ("input", "filter"):
    WORK[f"conv56_{_pass}"] = Work(f"Conv2D gradient of the {_pass}", flops=WORK["conv56"].flops)

# The ops that other models are made of: bench/model/families.py has what each computes.
FAMILIES = {
    "lstm": Work("LSTM, 64 x 64 steps x 128 -> 128", flops=2.0 * 64 * 64 * 256 * 512),
    "lstm_gradient": Work("LSTM with its gradients", flops=6.0 * 64 * 64 * 256 * 512),
    "gru": Work("GRU, 64 x 64 steps x 128 -> 128", flops=2.0 * 64 * 64 * 256 * 384),
    "attention": Work("attention, 8 x 8 heads x 256 x 64", flops=4.0 * 64 * 256 * 256 * 64),
    "layer_norm": Work("layer normalisation, 8192 x 768", bytes=2.0 * 8192 * 768 * F32),
    "batch_norm": Work("batch normalisation in training, 16x56x56x64", bytes=3.0 * 16 * 56 * 56 * 64 * F32),
    "gelu": Work("gelu, 8 Mi elements", bytes=2.0 * (1 << 23) * F32),
    "cross_entropy": Work("softmax cross entropy, 2048 x 10000", bytes=1.0 * 2048 * 10000 * F32),
    "gather": Work("embedding, 65536 rows of 128", bytes=2.0 * 65536 * 128 * F32),
    "segment_sum": Work("sum of 65536 rows of 128 by key", bytes=1.0 * (65536 + 10000) * 128 * F32),
    "top_k": Work("top 10 of 10000, 256 rows", bytes=1.0 * 256 * 10000 * F32),
    "sort": Work("sort, 256 rows of 4096", bytes=2.0 * 256 * 4096 * F32),
    "cumsum": Work("cumulative sum, 4096 x 4096", bytes=2.0 * SIDE * SIDE * F32),
    "transpose": Work("transpose NHWC to NCHW, 32x56x56x64", bytes=2.0 * 32 * 56 * 56 * 64 * F32),
    "concat": Work("concatenation of 4, 16 Mi elements", bytes=2.0 * ELEMENTS * F32),
    "max_pool": Work("max pooling 2x2, 16x112x112x64", bytes=1.25 * 16 * 112 * 112 * 64 * F32),
    "max_pool_gradient": Work("max pooling with its gradient", bytes=3.5 * 16 * 112 * 112 * 64 * F32),
    "depthwise": Work("depthwise 3x3, 16x56x56x128", flops=2.0 * 16 * 56 * 56 * 128 * 9),
    "conv3d": Work("Conv3D 2x16x28x28x32 -> 32, 3x3x3", flops=2.0 * 2 * 16 * 28 * 28 * 32 * 32 * 27),
    "resize": Work("bilinear 224 to 448, batch 8 x 3", bytes=5.0 * 8 * 224 * 224 * 3 * F32),
    "random": Work("stateless uniform, 16 Mi elements", bytes=1.0 * ELEMENTS * F32),
    "fft": Work("FFT, 1024 of 1024", bytes=2.0 * 1024 * 1024 * 2 * F32),
    "cholesky": Work("Cholesky, 64 of 64 x 64", flops=64 * 64**3 / 3.0),
    "adam": Work("ResourceApplyAdam, 4 Mi weights", bytes=7.0 * (1 << 22) * F32),
}
WORK |= FAMILIES

# The same cases in anvil_bench.
MICRO = {
    **{name: f"gemm/{n}/f32" for name, n in MATRICES.items()},
    "conv56": "conv/8x56x56x64-64k3s1/forward/f32",
    "conv56_input": "conv/8x56x56x64-64k3s1/input/f32",
    "conv56_filter": "conv/8x56x56x64-64k3s1/filter/f32",
    "add16M": "element/add/f32",
    "mul16M": "element/mul/f32",
    "relu16M": "element/relu/f32",
    "rowsum4096": "reduce/sum-rows/f32",
    "colsum4096": "reduce/sum-columns/f32",
    "softmax4096": "reduce/softmax/f32",
}


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def matrices(name: str) -> tuple[np.ndarray, np.ndarray]:
    n = MATRICES[name]
    return normal(1, n, n), normal(11, n, n)


def convolution(layout: str = "NHWC") -> tuple[np.ndarray, np.ndarray]:
    """(x, filter): NHWC with HWIO, or NCHW with OIHW"""
    x, w = normal(2, 8, 56, 56, 64), normal(12, 3, 3, 64, 64) * np.float32(0.05)
    if layout == "NCHW":
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2)), np.ascontiguousarray(w.transpose(3, 2, 0, 1))
    return x, w


def vectors() -> tuple[np.ndarray, np.ndarray]:
    return normal(3, ELEMENTS), normal(13, ELEMENTS)


def square() -> np.ndarray:
    return normal(4, SIDE, SIDE)


def batch(net: str, layout: str = "NHWC") -> tuple[np.ndarray, np.ndarray]:
    edge, channels = NETS[net]
    x = normal(5, BATCH, edge, edge, channels)
    labels = np.random.default_rng(15).integers(0, 10, BATCH)
    return (np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if layout == "NCHW" else x), labels


def near(got: np.ndarray, want: np.ndarray, allowed: float) -> None:
    """Raises unless every value is within `allowed` of what is wanted, relative to the largest."""
    error = float(np.abs(np.asarray(got, np.float64) - want).max() / max(1e-30, float(np.abs(want).max())))
    if not error <= allowed:
        raise ValueError(f"wrong result: error {error:.2g}, allowed {allowed:.2g}")


def check_convolution(y: np.ndarray, layout: str = "NHWC") -> None:
    """Some output pixels against NumPy in float64, corners included."""
    x, w = convolution()
    y = y.transpose(0, 2, 3, 1) if layout == "NCHW" else y
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))).astype(np.float64)
    for n, i, j in ((0, 0, 0), (0, 55, 55), (3, 17, 29), (7, 40, 1)):
        near(y[n, i, j], np.einsum("ijc,ijck->k", padded[n, i : i + 3, j : j + 3], w), 1e-4)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def check_falls(losses: list[float]) -> None:
    """The batch is always the same one, so its loss must fall."""
    if not losses[-1] < losses[0]:
        raise ValueError(f"the loss did not fall: {losses[0]:.4g} to {losses[-1]:.4g}")


Call = Callable[[], object]
Check = Callable[[], None]
