"""tinygrad on WebGPU (Dawn, which runs on Vulkan); every call is a TinyJit, as its users write it.

Its device is chosen by the environment (DEV, WEBGPU_BACKEND); bench/peers/run.py sets it.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from rounds import cases
from rounds.worker import serve
from tinygrad import Device, Tensor, TinyJit, nn


def synchronize() -> None:
    Device[Device.DEFAULT].synchronize()


def case(f, arrays, check):
    def prepare():
        jit = TinyJit(lambda *a: f(*a).realize())
        args = [Tensor(a).realize() for a in arrays()]

        def call():
            result = jit(*args)
            synchronize()
            return result

        call()  # a TinyJit records at its second call
        return call, lambda: check(call().numpy())

    return prepare


def near(want, allowed=1e-4):
    return lambda y: cases.near(y, want(), allowed)


class Network:
    def __init__(self, net: str):
        Tensor.manual_seed(0)
        edge, channels = cases.NETS[net]
        self.first = nn.Conv2d(channels, 32, 3, padding=1)
        self.second = nn.Conv2d(32, 64, 3, padding=1)
        self.hidden = nn.Linear(edge * edge // 4 * 64, 128)
        self.out = nn.Linear(128, 10)

    def __call__(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x).relu()).relu().max_pool2d(2).flatten(1)
        return self.out(self.hidden(x).relu())


def infer(net: str):
    def prepare():
        model, x = Network(net), Tensor(cases.batch(net, "NCHW")[0]).realize()
        jit = TinyJit(lambda x: model(x).realize())

        def call():
            jit(x)
            synchronize()

        call()
        return call, lambda: None

    return prepare


def train(net: str):
    def prepare():
        model = Network(net)
        x, y = cases.batch(net, "NCHW")
        x, y = Tensor(x).realize(), Tensor(y.astype(np.int32)).realize()
        optimizer = nn.optim.Adam(nn.state.get_parameters(model), lr=cases.LEARNING_RATE)
        losses: list[float] = []

        @TinyJit
        def step(x: Tensor, y: Tensor) -> Tensor:
            optimizer.zero_grad()
            loss = model(x).sparse_categorical_crossentropy(y).backward()
            return loss.realize(*optimizer.schedule_step())

        def call():
            Tensor.training = True
            losses.append(step(x, y).item())
            synchronize()

        call()
        return call, lambda: (call(), cases.check_falls(losses))

    return prepare


def main() -> None:
    square = lambda: (cases.square(),)  # noqa: E731
    table = {
        **{n: case(lambda a, b: a @ b, lambda n=n: cases.matrices(n), near(lambda n=n: np.matmul(*cases.matrices(n)))) for n in cases.MATRICES},
        "conv56": case(lambda x, w: x.conv2d(w, padding=1), lambda: cases.convolution("NCHW"), lambda y: cases.check_convolution(y, "NCHW")),
        "add16M": case(lambda a, b: a + b, cases.vectors, near(lambda: np.add(*cases.vectors()))),
        "rowsum4096": case(lambda a: a.sum(1), square, near(lambda: cases.square().sum(1))),
        "softmax4096": case(lambda a: a.softmax(1), square, near(lambda: cases.softmax(cases.square()))),
        **{f"infer_{n}": infer(n) for n in cases.NETS},
        **{f"train_{n}": train(n) for n in cases.NETS},
    }  # fmt: skip
    serve(
        "tinygrad",
        {"tinygrad": version("tinygrad"), "dawn-python": version("dawn-python"), "device": Device.DEFAULT},
        table,
    )


if __name__ == "__main__":
    main()
