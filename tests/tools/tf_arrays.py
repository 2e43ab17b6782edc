"""Tasks of tf_program.py: the TensorArrays of TensorFlow 1's loops, right and wrong."""

import re

import numpy as np
import tensorflow as tf

v1 = tf.compat.v1
X = np.linspace(-1, 1, 30, dtype="f").reshape(6, 5)


def in_session(device, build, soft=False) -> list:
    """The values of what `build` makes of a placeholder with TensorFlow 1's control flow, placed on `device`."""
    v1.disable_control_flow_v2()
    try:
        graph = tf.Graph()
        with graph.as_default(), tf.device(device):
            x = v1.placeholder(tf.float32, [None, 5])
            values = build(x)
        with v1.Session(graph=graph, config=v1.ConfigProto(allow_soft_placement=soft)) as session:
            return session.run(values, {x: X})
    finally:
        v1.enable_control_flow_v2()


def uses(kind):
    """Every op on arrays, in a loop and outside, with rows that are not aligned; and the gradients of floats."""

    def build(x):
        x = tf.cast(x * 10, kind)
        array = tf.TensorArray(kind, size=0, dynamic_size=True, element_shape=[6, 5], clear_after_read=False)

        def body(i, array, state):
            state = state + x - tf.cast(i, kind)
            return i + 1, array.write(i, state), state

        _, array, _ = v1.while_loop(lambda i, *_: i < 4, body, [0, array, x])
        parts = tf.TensorArray(kind, size=3, infer_shape=False, clear_after_read=False).split(x, [1, 0, 5])
        rows = tf.TensorArray(kind, size=6, clear_after_read=False).unstack(x)
        spread = tf.TensorArray(kind, size=0, dynamic_size=True).scatter([3, 1, 0, 2, 5, 4], x)
        unwritten = tf.TensorArray(kind, size=2, element_shape=[3])
        values = [array.stack(), array.concat(), array.gather([2, 0, 2]), array.read(1), array.size()]
        values += [parts.concat(), parts.read(0), parts.read(1), parts.read(2)]
        values += [rows.gather([5, 0]), rows.read(3), spread.stack(), unwritten.stack(), array.gather([])]
        if kind.is_floating:
            # Rows that are read twice: their gradients meet in one element.
            twice = tf.reduce_sum(rows.read(3) * rows.read(3) * rows.read(4)) + tf.reduce_sum(rows.gather([3, 2, 3]))
            values += tf.gradients([twice, tf.reduce_sum(values[0] ** 2), tf.reduce_sum(parts.concat() * 3)], [x])
        return values

    return build


def arrays():
    import tensorflow_anvil

    out = {}
    for kind in (tf.float32, tf.float16, tf.bfloat16, tf.int64, tf.int32):
        places = out[kind.name] = {}
        for device in ("/GPU:0", "/CPU:0", None):
            tensorflow_anvil.reset_stats()
            values = in_session(device, uses(kind))
            stats = tensorflow_anvil.stats()
            places[str(device)] = {
                "values": [np.asarray(v).astype("float64").tolist() for v in values],
                "proxies": stats["proxies"],
                "fallbacks": {op: n for op, n in stats["fallbacks"].items() if op.startswith("TensorArray")},
            }
    return out


def array(**options):
    return tf.TensorArray(tf.float32, **{"size": 3, "infer_shape": False, **options})


def raw(op, a, **inputs):
    """An op that the Python class would not let us call like this."""
    return getattr(tf.raw_ops, op)(handle=a.handle, flow_in=a.flow, **inputs)


def written_after(a, event, x):
    with tf.control_dependencies([event(a)]):
        return tf.identity(raw("TensorArrayWriteV3", a, index=0, value=x))


WRONG = {
    "written twice": lambda x: array().write(0, x).write(0, x).stack(),
    "written behind the end": lambda x: array().write(3, x).flow,
    "written before the start": lambda x: array(dynamic_size=True).write(-1, x).flow,
    "read behind the end": lambda x: array(element_shape=[5]).read(7),
    "read before it was written": lambda x: array().read(1),
    "read twice": lambda x: [a.read(0) for a in [array().unstack(x[:3])] * 2],
    "read, then written": lambda x: written_after(array(clear_after_read=False).write(0, x), lambda a: a.read(0), x),
    "closed": lambda x: written_after(array(), lambda a: a.close(), x),
    "an element of another shape": lambda x: raw(
        "TensorArrayWriteV3", array(element_shape=[4]), index=0, value=unknown([1.0])
    ),
    "elements of two shapes": lambda x: array(size=2).write(0, x[0]).write(1, x[0, :2]).stack(),
    "stacked as another shape": lambda x: raw(
        "TensorArrayGatherV3", array(size=1).write(0, x), indices=[0], dtype=tf.float32, element_shape=[2]
    ),
    "stacked as another type": lambda x: raw(
        "TensorArrayGatherV3", array().unstack(x[:3]), indices=[0], dtype=tf.int64
    ),
    "written as another type": lambda x: raw("TensorArrayWriteV3", array(), index=0, value=tf.cast(x, tf.int64)),
    "nothing of unknown shape": lambda x: array(size=0).stack(),
    "nothing to join of unknown shape": lambda x: array(size=0).concat(),
    "scalars joined": lambda x: array(size=2).write(0, x[0, 0]).write(1, x[0, 1]).concat(),
    "rows of two widths joined": lambda x: array(size=2).write(0, x).write(1, x[:, :2]).concat(),
    "lengths that are too much": lambda x: array().split(x, [2, 2, 3]).flow,
    "more lengths than elements": lambda x: array(size=2).split(x, [2, 2, 2]).flow,
    "lengths in a matrix": lambda x: raw("TensorArraySplitV3", array(), value=x, lengths=unknown([[6]], tf.int64)),
    "a scalar split": lambda x: raw("TensorArraySplitV3", array(), value=unknown(1.0), lengths=unknown([1], tf.int64)),
    "a scalar spread": lambda x: raw(
        "TensorArrayScatterV3", array(), indices=unknown([0], tf.int32), value=unknown(1.0)
    ),
    "fewer places than rows": lambda x: raw("TensorArrayScatterV3", array(), indices=[0, 1], value=x),
    "a place behind the end": lambda x: array().scatter([0, 1, 9], x[:3]).flow,
    "an index that is no scalar": lambda x: raw(
        "TensorArrayReadV3", array(), index=unknown([1], tf.int32), dtype=tf.float32
    ),
    "less than nothing": lambda x: array(size=unknown(-2, tf.int32)).flow,
}


def unknown(value, kind=tf.float32):
    """A value whose shape is only known when it is computed, so that nothing objects before a kernel does."""
    return v1.placeholder_with_default(tf.constant(value, kind), None)


def said(device, build) -> list:
    try:
        in_session(device, lambda x: tf.nest.flatten(build(x)))
    except Exception as error:
        words = re.search(r"^(?: *\(0\)[^:]*: )?(.*)\n\t \[\[", str(error), re.M)
        return [
            type(error).__name__,
            re.sub(r"TensorArray\w*?_(anvil_)?\d+", "NAME", words[1] if words else str(error)),
        ]
    return ["", ""]


def wrong_arrays():
    # The CPU ends the process here, so there is nothing to compare with.
    found = {"a negative length": [said("/GPU:0", lambda x: array().split(x, [-1, 3, 4]).flow)] * 2}
    return found | {name: [said(device, build) for device in ("/GPU:0", "/CPU:0")] for name, build in WRONG.items()}
