"""Runs ops that take variables, on the device or on the CPU."""

from __future__ import annotations

import engine
import tensorflow as tf


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
