"""How far a model's run on the device may be from the CPU's, and why.

The first number is for the losses, as a part of the largest loss; the second for the prediction after the last step, as
a part of its largest value.  The CPU's results do not depend on this file.
"""

ORDINARY = {"float32": (1e-3, 5e-3), "mixed_float16": (2e-2, 5e-2)}
WIDER: dict[str, dict[str, tuple[float, float]]] = {
    # Without its dropout, against a run in float64: the device's weights move by what is off by 8e-4 of the whole, the
    # CPU's by what is off by 8e-4 to 2e-3, as its input is moved by 1e-7, which moves its losses by 9e-4 and its
    # prediction by 2e-3.
    "EfficientNetV2B0": {"float32": (3e-3, 1e-2)},
}


def of(model: str, precision: str) -> tuple[float, float]:
    return WIDER.get(model, {}).get(precision, ORDINARY[precision])


# Waits of the host per step.  The optimizers before Keras 2.11 join the repeated rows of an embedding's gradient by
# tf.unique, whose result has as many rows as there are distinct values: the host has to know that number.
WAITS = {"tf-keras LSTM and GRU": 1}


def waits(model: str) -> int:
    return WAITS.get(model, 0)
