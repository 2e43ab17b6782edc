"""Ops that TensorFlow takes only in graphs of its first versions: the same kernels as those of their successors."""

import engine
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.attr_value_pb2 import AttrValue
from tensorflow.core.framework.graph_pb2 import GraphDef

RNG = np.random.default_rng(1)
A = RNG.uniform(-2, 2, (2, 4, 4)).astype(np.float32)
SIGNAL = (RNG.uniform(-1, 1, (2, 3, 4, 6)) + 1j * RNG.uniform(-1, 1, (2, 3, 4, 6))).astype(np.complex64)
VOLUME, KERNEL = (RNG.uniform(-1, 1, s).astype(np.float32) for s in ((1, 3, 4, 5, 2), (2, 1, 3, 2, 3)))
CONV = {"strides": [1, 1, 2, 1, 1], "padding": "SAME"}
DY = RNG.uniform(-1, 1, (1, 3, 2, 5, 3)).astype(np.float32)

# op, inputs, attributes, and what its successor makes of them
CALLS = [
    ("BatchMatrixDiag", [A], {}, lambda: tf.raw_ops.MatrixDiag(diagonal=A)),
    ("BatchMatrixDiagPart", [A], {}, lambda: tf.raw_ops.MatrixDiagPart(input=A)),
    ("BatchMatrixSetDiag", [A, A[:, 0]], {}, lambda: tf.raw_ops.MatrixSetDiag(input=A, diagonal=A[:, 0])),
    ("BatchMatrixBandPart", [A, np.int64(1), np.int64(0)], {}, lambda: tf.linalg.band_part(A, 1, 0)),
    ("BatchMatrixTriangularSolve", [A + 5, A], {}, lambda: tf.linalg.triangular_solve(A + 5, A)),
    ("BatchFFT", [SIGNAL], {}, lambda: np.fft.fft(SIGNAL)),
    ("BatchFFT2D", [SIGNAL], {}, lambda: np.fft.fft2(SIGNAL)),
    ("BatchFFT3D", [SIGNAL], {}, lambda: np.fft.fftn(SIGNAL, axes=(1, 2, 3))),
    ("BatchIFFT", [SIGNAL], {}, lambda: np.fft.ifft(SIGNAL)),
    ("BatchIFFT2D", [SIGNAL], {}, lambda: np.fft.ifft2(SIGNAL)),
    ("BatchIFFT3D", [SIGNAL], {}, lambda: np.fft.ifftn(SIGNAL, axes=(1, 2, 3))),
    ("Conv3DBackpropInput", [VOLUME, KERNEL, DY], CONV,
     lambda: tf.raw_ops.Conv3DBackpropInputV2(input_sizes=VOLUME.shape, filter=KERNEL, out_backprop=DY, **CONV)),
    ("Conv3DBackpropFilter", [VOLUME, KERNEL, DY], CONV,
     lambda: tf.raw_ops.Conv3DBackpropFilterV2(input=VOLUME, filter_sizes=KERNEL.shape, out_backprop=DY, **CONV)),
]  # fmt: skip


def attribute(value):
    if isinstance(value, list):
        return AttrValue(list=AttrValue.ListValue(i=value))
    return AttrValue(s=value.encode()) if isinstance(value, str) else AttrValue(type=value.as_datatype_enum)


def graph_of(op, inputs, attrs):
    """A graph of TensorFlow 0.6."""
    graph = GraphDef()
    graph.versions.producer = 8
    for i, x in enumerate(inputs):
        node = graph.node.add(name=f"x{i}", op="Placeholder")
        node.attr["dtype"].CopyFrom(attribute(tf.as_dtype(np.asarray(x).dtype)))
    node = graph.node.add(name="y", op=op, device=engine.DEVICE.name, input=[f"x{i}" for i in range(len(inputs))])
    for name, value in attrs.items():
        node.attr[name].CopyFrom(attribute(value))
    return graph


@pytest.mark.parametrize(("op", "inputs", "attrs", "successor"), CALLS, ids=[c[0] for c in CALLS])
def test_old_graph(op, inputs, attrs, successor):
    if engine.DEVICE.name == engine.CPU and "FFT" in op:
        pytest.skip("no kernel on the CPU")
    types = {} if "FFT" in op else {"T": tf.as_dtype(inputs[0].dtype)}
    with tf.device(engine.CPU):
        want = np.asarray(successor())
    config = tf.compat.v1.ConfigProto(allow_soft_placement=False)
    config.gpu_options.allow_growth = True
    with tf.Graph().as_default():
        tf.graph_util.import_graph_def(graph_of(op, inputs, attrs | types), name="")
        with tf.compat.v1.Session(config=config) as session:
            got = session.run("y:0", {f"x{i}:0": x for i, x in enumerate(inputs)})
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-5)
