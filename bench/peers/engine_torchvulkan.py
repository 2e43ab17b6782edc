"""torchvulkan: PyTorch on Vulkan."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
import torchvulkan
from rounds import cases
from rounds.worker import serve
from torch import nn


def device(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array).to("vulkan")


def host(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def case(f, arrays, check):
    def prepare():
        args = [device(a) for a in arrays()]

        def call():
            with torch.no_grad():
                result = f(*args)
            torchvulkan.synchronize()
            return result

        return call, lambda: check(host(call()))

    return prepare


def near(want, allowed=1e-4):
    return lambda y: cases.near(y, want(), allowed)


def network(net: str) -> nn.Module:
    torch.manual_seed(0)
    edge, channels = cases.NETS[net]
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(edge * edge // 4 * 64, 128), nn.ReLU(), nn.Linear(128, 10),
    ).to("vulkan")  # fmt: skip


def infer(net: str):
    def prepare():
        model, x = network(net).eval(), device(cases.batch(net, "NCHW")[0])

        def call():
            with torch.no_grad():
                model(x)
            torchvulkan.synchronize()

        return call, lambda: None

    return prepare


def train(net: str):
    def prepare():
        model = network(net)
        x, y = (device(a) for a in cases.batch(net, "NCHW"))
        optimizer = torch.optim.Adam(model.parameters(), cases.LEARNING_RATE)
        losses: list[torch.Tensor] = []

        def call():
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            torchvulkan.synchronize()
            losses.append(loss.detach())

        return call, lambda: (call(), cases.check_falls([losses[0].item(), losses[-1].item()]))

    return prepare


def main() -> None:
    square = lambda: (cases.square(),)  # noqa: E731
    table = {
        **{n: case(torch.matmul, lambda n=n: cases.matrices(n), near(lambda n=n: np.matmul(*cases.matrices(n)))) for n in cases.MATRICES},
        "conv56": case(lambda x, w: F.conv2d(x, w, padding=1), lambda: cases.convolution("NCHW"), lambda y: cases.check_convolution(y, "NCHW")),
        "add16M": case(torch.add, cases.vectors, near(lambda: np.add(*cases.vectors()))),
        "rowsum4096": case(lambda a: a.sum(1), square, near(lambda: cases.square().sum(1))),
        "softmax4096": case(lambda a: torch.softmax(a, 1), square, near(lambda: cases.softmax(cases.square()))),
        **{f"infer_{n}": infer(n) for n in cases.NETS},
        **{f"train_{n}": train(n) for n in cases.NETS},
    }  # fmt: skip
    versions = {
        "torchvulkan": torchvulkan.__version__,
        "torch": torch.__version__,
        "device": torchvulkan.get_device_name(),
    }
    serve("torchvulkan", versions, table)


if __name__ == "__main__":
    main()
