"""TensorFlow on the CPU, or NumPy: what a user would run instead of a GPU."""

from __future__ import annotations

import os
import sys

import numpy as np
from rounds import cases
from rounds.worker import serve


def numpy_cases() -> dict:
    def binary(f, make, want, allowed=1e-5):
        def prepare():
            args = make()
            return (lambda: f(*args)), (lambda: cases.near(f(*args), want(*args), allowed))

        return prepare

    def one(f, want, allowed=1e-4):
        return binary(f, lambda: (cases.square(),), want, allowed)

    wide = {
        **{
            n: binary(np.matmul, lambda n=n: cases.matrices(n), lambda a, b: a.astype(np.float64) @ b)
            for n in cases.MATRICES
        },
        "add16M": binary(np.add, cases.vectors, lambda a, b: a.astype(np.float64) + b),
        "mul16M": binary(np.multiply, cases.vectors, lambda a, b: a.astype(np.float64) * b),
        "relu16M": binary(lambda a: np.maximum(a, 0), lambda: cases.vectors()[:1], lambda a: np.where(a < 0, 0, a)),
        "rowsum4096": one(lambda a: a.sum(1), lambda a: a.sum(1, dtype=np.float64)),
        "colsum4096": one(lambda a: a.sum(0), lambda a: a.sum(0, dtype=np.float64)),
        "softmax4096": one(cases.softmax, lambda a: cases.softmax(a.astype(np.float64))),
    }
    return wide


def main() -> None:
    if sys.argv[1:] == ["numpy"]:
        serve("numpy", {"numpy": np.__version__}, numpy_cases())
        return
    import tensorflow as tf
    from model import families, models

    versions = {"tensorflow": tf.__version__, "threads": os.cpu_count()}
    step = models.keras_step if sys.argv[1:] == ["keras"] else models.function_step
    ops = models.op_cases("CPU:0") | families.family_cases("CPU:0")
    serve("tensorflow-cpu", versions, ops | models.network_cases("CPU:0", step))


if __name__ == "__main__":
    main()
