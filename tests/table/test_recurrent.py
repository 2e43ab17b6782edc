"""Gradients, dropout and refusals of the recurrent layers."""

import engine
import numpy as np
import pytest
import recurrent
import rows_block_rnn
import rows_rnn
import tensorflow as tf
from row import FLOATS, finfo, numpy_type

NAMES = {1: "CudnnRNN", 2: "CudnnRNNV2", 3: "CudnnRNNV3"}


@pytest.fixture(autouse=True)
def device_only():
    if engine.DEVICE.name == engine.CPU:
        pytest.skip("TensorFlow's CPU has no such kernel")


def differentiated(names):
    return [n for n in names if n != "sequence_lengths"]


def on_device(version, case, upstream):
    args = {k: engine.to_tensor(v) for k, v in case.args.items()}
    watched = [args[n] for n in differentiated(args)]
    with tf.device(engine.DEVICE.name), tf.GradientTape() as tape:
        tape.watch(watched)
        out = engine.call(NAMES[version], args, case.attrs, engine.DEVICE.name)[:3]
        dy = [tf.identity(engine.to_tensor(u)) for u in upstream]
        return [g.numpy() for g in tape.gradient(out, watched, output_gradients=dy)]


def in_float64(case, upstream):
    args = {k: v if k == "sequence_lengths" else tf.constant(np.asarray(v, np.float64)) for k, v in case.args.items()}
    watched = [args[n] for n in differentiated(args)]
    with tf.device("/CPU:0"), tf.GradientTape() as tape:
        tape.watch(watched)
        out = recurrent.layer_output(args, case.attrs)
        dy = [tf.constant(u.astype(np.float64)) for u in upstream]
        found = tape.gradient(out, watched, output_gradients=dy, unconnected_gradients="zero")
    return [g.numpy() for g in found]


def gradient_cases(dtype, rng, version, mode):
    for sizes in rows_rnn.SIZES:
        yield rows_rnn.call(dtype, rng, mode, sizes, version)
        if version == 3:
            yield rows_rnn.call(dtype, rng, mode, sizes, version, major=False)
            yield rows_rnn.call(dtype, rng, mode, sizes, version, lengths=True)
            yield rows_rnn.call(dtype, rng, mode, sizes, version, major=False, lengths=True)
    yield rows_rnn.call(dtype, rng, mode, (2, 2, 3, 2, 4, 4), version, "skip_input")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("mode", recurrent.GATES)
@pytest.mark.parametrize("version", NAMES)
def test_gradients_agree_with_float64(version, mode, dtype):
    if dtype != "float32" and (version < 3 or mode == "rnn_relu"):
        pytest.skip("versions share all but their arguments; rounding moves a ReLU across its kink")
    rng = np.random.default_rng(3)
    failures = []
    for case in gradient_cases(dtype, rng, version, mode):
        shapes = [y.shape for y in engine.expected(engine.TABLE[NAMES[version]], case)]
        upstream = [rng.uniform(-1, 1, s).astype(numpy_type(dtype)) for s in shapes]
        got, want = on_device(version, case, upstream), in_float64(case, upstream)
        again = on_device(version, case, upstream)
        for name, g, w, a in zip(differentiated(case.args), got, want, again, strict=True):
            top = float(np.max(np.abs(w), initial=1))
            error = float(np.max(np.abs(g.astype(np.float64) - w), initial=0))
            if g.shape != w.shape or not error <= 24 * float(finfo(dtype).eps) * top:
                failures.append(f"{case.label}: {name} differs by {error:.2e}, the largest is {top:.2e}")
            if not engine.same_bits(g, a):
                failures.append(f"{case.label}: {name} differs between two runs")
    assert not failures, "\n".join(failures[:12])


def test_padding_is_never_looked_at():
    """NaN in the steps past a sequence's end reaches nothing."""
    rng = np.random.default_rng(5)
    for mode in recurrent.GATES:
        case = rows_rnn.call("float32", rng, mode, (1, 2, 5, 4, 3, 4), 3, lengths=True)
        case.args["sequence_lengths"][:] = [5, 1, 3, 2]
        padding = np.arange(5)[:, None] >= case.args["sequence_lengths"]
        upstream = [rng.uniform(-1, 1, y.shape) for y in engine.expected(engine.TABLE["CudnnRNNV3"], case)]
        upstream = [u.astype(np.float32) for u in upstream]
        want = on_device(3, case, upstream)
        case.args["input"][padding] = np.nan
        for g, w in zip(on_device(3, case, upstream), want, strict=True):
            np.testing.assert_array_equal(g, w)


def dropped(dtype, rate, seed, backward=False):
    """A second layer that hands on what it gets: ReLU of one unit's own input."""
    units, steps, batch = 32, 16, 16
    identity = np.zeros(recurrent.params_size({"rnn_mode": "rnn_relu"}, 2, units, units))
    eye, nothing = np.eye(units).ravel(), np.zeros(units * units)
    identity[: 4 * units * units] = np.concatenate([eye, nothing, eye, nothing])
    args = {
        "input": np.ones((steps, batch, units)),
        "input_h": np.zeros((2, batch, units)),
        "input_c": np.zeros(()),
        "params": identity,
    }
    args = {k: tf.constant(v.astype(numpy_type(dtype))) for k, v in args.items()}
    with tf.device(engine.DEVICE.name), tf.GradientTape() as tape:
        tape.watch(args["input"])
        y = tf.raw_ops.CudnnRNNV2(**args, rnn_mode="rnn_relu", dropout=rate, seed=seed[0], seed2=seed[1])[0]
    dx = tape.gradient(y, args["input"])
    return y.numpy().astype(np.float64), dx.numpy().astype(np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
def test_dropout_between_layers(dtype):
    y, dx = dropped(dtype, 0.25, (7, 8))
    kept = float(np.asarray(4 / 3, numpy_type(dtype)))
    assert set(np.unique(y)) == {0.0, kept}
    assert abs((y == 0).mean() - 0.25) < 0.02
    np.testing.assert_array_equal(dx, y)  # the gradient goes where the value went
    np.testing.assert_array_equal(dropped(dtype, 0.0, (7, 8))[0], 1)
    assert (dropped(dtype, 0.25, (9, 8))[0] != y).any()


def refused(**change):
    case = rows_rnn.call("float32", np.random.default_rng(1), "lstm", (1, 1, 3, 2, 4, 5), 3)
    attrs = {k: change.pop(k) for k in list(change) if k not in case.args}
    return engine.call("CudnnRNNV3", case.args | change, case.attrs | attrs, engine.DEVICE.name)


ZEROS = np.zeros
REFUSALS = {
    "input of rank 2": {"input": ZEROS((3, 2), np.float32)},
    "another batch": {"input_h": ZEROS((1, 3, 5), np.float32)},
    "a cell of another shape": {"input_c": ZEROS((1, 2, 4), np.float32)},
    "too few parameters": {"params": ZEROS(7, np.float32)},
    "a sequence too long": {"sequence_lengths": np.array([3, 4], np.int32)},
    "a negative length": {"sequence_lengths": np.array([3, -1], np.int32)},
    "too few lengths": {"sequence_lengths": np.array([3], np.int32)},
    "skipping into another width": {"input_mode": "skip_input"},
}


@pytest.mark.parametrize("what", REFUSALS)
def test_wrong_arguments_are_refused(what):
    with pytest.raises(tf.errors.InvalidArgumentError):
        refused(**REFUSALS[what])


def test_projections_are_declined_in_words():
    with pytest.raises(tf.errors.UnimplementedError, match="num_proj"):
        refused(num_proj=2)


def test_an_empty_sequence_keeps_its_state():
    case = rows_rnn.call("float32", np.random.default_rng(1), "lstm", (1, 2, 0, 2, 4, 5), 3)
    y, h, c = engine.call("CudnnRNNV3", case.args, case.attrs, engine.DEVICE.name)[:3]
    assert y.shape == (0, 2, 10)
    np.testing.assert_array_equal(h.numpy(), case.args["input_h"])
    np.testing.assert_array_equal(c.numpy(), case.args["input_c"])


@pytest.mark.parametrize("used", [4, -1])
@pytest.mark.parametrize("op", ["BlockLSTM", "BlockLSTMV2"])
def test_more_steps_than_there_are(op, used):
    """The CPU's kernel ends the process; ours refuses."""
    args = rows_block_rnn.whole_args(np.random.default_rng(1), "float32", (3, 2, 3, 4, used))
    with pytest.raises(tf.errors.InvalidArgumentError, match="seq_len_max must be between 0 and 3"):
        engine.call(op, {k: engine.to_tensor(v) for k, v in args.items()}, {}, engine.DEVICE.name)
