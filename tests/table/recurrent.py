"""A recurrent layer in float64, as the CudnnRNN ops define it: the reference for their values and gradients."""

import numpy as np
import tensorflow as tf

GATES = {"lstm": 4, "gru": 3, "rnn_relu": 1, "rnn_tanh": 1}


def skips(attrs, inputs, units):
    mode = attrs.get("input_mode", "linear_input")
    return mode == "skip_input" or (mode == "auto_select" and inputs == units)


def pieces(attrs, layers, units, inputs):
    """Shapes of all matrices, for each layer and direction those of the input and of the state; of all biases."""
    gates, directions = GATES[attrs["rnn_mode"]], 2 if attrs.get("direction") == "bidirectional" else 1
    matrices, biases = [], []
    for layer in range(layers):
        width = inputs if layer == 0 else directions * units
        for _ in range(directions):
            if layer or not skips(attrs, inputs, units):
                matrices += [(units, width)] * gates
            matrices += [(units, units)] * gates
            biases += [(units,)] * (2 * gates)
    return matrices, biases


def params_size(attrs, layers, units, inputs):
    matrices, biases = pieces(attrs, layers, units, inputs)
    return sum(int(np.prod(s)) for s in matrices + biases)


def split(params, attrs, layers, units, inputs):
    """Per layer and direction: (input matrices or None, state matrices, input biases, state biases)."""
    gates, directions = GATES[attrs["rnn_mode"]], 2 if attrs.get("direction") == "bidirectional" else 1
    at = 0

    def take(rows, columns=None):
        nonlocal at
        n = rows * (columns or 1)
        found = tf.reshape(params[at : at + n], (rows, columns) if columns else (rows,))
        at += n
        return found

    found = []
    for layer in range(layers):
        width = inputs if layer == 0 else directions * units
        for _ in range(directions):
            w = take(gates * units, width) if layer or not skips(attrs, inputs, units) else None
            found.append([w, take(gates * units, units)])
    for pair in found:
        pair += [take(gates * units), take(gates * units)]
    return found


def cell(mode, x, state, weights):
    """One step: x is [batch, width], state (h, c)."""
    w, r, bw, br = weights
    h, c = state
    gates = GATES[mode]
    from_x = (tf.tile(x, [1, gates]) if w is None else tf.matmul(x, w, transpose_b=True)) + bw
    from_h = tf.matmul(h, r, transpose_b=True) + br
    if mode == "lstm":
        i, f, g, o = tf.split(from_x + from_h, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        return tf.sigmoid(o) * tf.tanh(c), c
    if mode == "gru":
        (xz, xr, xn), (hz, hr, hn) = tf.split(from_x, 3, axis=1), tf.split(from_h, 3, axis=1)
        z = tf.sigmoid(xz + hz)
        n = tf.tanh(xn + tf.sigmoid(xr + hr) * hn)
        return (1 - z) * n + z * h, c
    return (tf.nn.relu if mode == "rnn_relu" else tf.tanh)(from_x + from_h), c


def layer_output(args, attrs):
    """(output, output_h, output_c) from float64 tensors under the op's argument names."""
    with tf.device("/CPU:0"):
        mode, major = attrs["rnn_mode"], attrs.get("time_major", True)
        swap = (lambda t: t) if major else (lambda t: tf.transpose(t, (1, 0, 2)))
        x, h0 = swap(args["input"]), swap(args["input_h"])
        c0 = swap(args["input_c"]) if mode == "lstm" else tf.zeros_like(h0)
        steps, batch, inputs = x.shape
        directions = 2 if attrs.get("direction") == "bidirectional" else 1
        layers, units = h0.shape[0] // directions, h0.shape[2]
        lengths = np.asarray(args.get("sequence_lengths", np.full(batch, steps)))
        weights = split(args["params"], attrs, layers, units, inputs)
        hs, cs = [], []
        for layer in range(layers):
            outputs = []
            for d in range(directions):
                n = layer * directions + d
                state, ys = (h0[n], c0[n]), [None] * steps
                for t in range(steps) if d == 0 else reversed(range(steps)):
                    inside = (t < lengths)[:, None]
                    clean = tf.where(inside, x[t], tf.zeros_like(x[t]))
                    new = cell(mode, clean, state, weights[n])
                    state = tuple(tf.where(inside, a, b) for a, b in zip(new, state, strict=True))
                    ys[t] = tf.where(inside, new[0], tf.zeros_like(new[0]))
                outputs.append(tf.stack(ys))
                hs.append(state[0])
                cs.append(state[1])
            x = tf.concat(outputs, axis=2)
        c = swap(tf.stack(cs)) if mode == "lstm" else tf.zeros((), tf.float64)
        return swap(x), swap(tf.stack(hs)), c
