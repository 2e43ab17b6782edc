"""Runs ops that take variables, on the device or on the CPU."""

from __future__ import annotations

import engine
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import kernels


def types_of(op: str, attr: str) -> list[str]:
    """The types of `attr` that the device has kernels for."""
    return sorted({c[attr] for c in engine.registered(op) if attr in c})


def run(op: str, variables: dict, args: dict, device: str | None = None, **attrs):
    """Calls tf.raw_ops.<op>; the results: outputs that are tensors, then the variables afterwards."""
    device = device or engine.DEVICE.name
    with tf.device(device):
        held = {name: tf.Variable(engine.to_tensor(value)) for name, value in variables.items()}
        resources = {name: v.handle for name, v in held.items()}
        tensors = {name: engine.to_tensor(value) for name, value in args.items()}
        outputs = getattr(tf.raw_ops, op)(**resources, **tensors, **attrs)
        values = [v.read_value() for v in held.values()]
    outputs = [outputs] if isinstance(outputs, tf.Tensor) else []
    return [t.numpy() for t in (*outputs, *values)]


def error_of(*call, **more):
    """The class of what run() raises, or None."""
    try:
        run(*call, **more)
    except Exception as e:  # the class is the result
        return type(e)
    return None


def same_error_as_the_cpu(*call, **more) -> None:
    wanted = error_of(*call, device=engine.CPU, **more)
    assert wanted is not None, "the CPU's kernel takes this"
    assert error_of(*call, **more) is wanted


def equal(got, wanted, what="") -> None:
    """Equal to the bit; NaN is equal to itself."""
    np.testing.assert_array_equal(np.asarray(got, dtype=got.dtype), wanted, err_msg=str(what))


def on_device(op: str) -> bool:
    return any(k.device_type == "GPU" and k.priority >= 0 for k in kernels.get_registered_kernels_for_op(op).kernel)
