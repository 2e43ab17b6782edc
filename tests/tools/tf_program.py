"""What tests/tools/test_tf_*.py run in processes of their own: python tf_program.py TASK ...

Each task is a function; what it returns is printed as one line of JSON.
"""

import json
import os
import signal
import sys
import threading
import time

import numpy as np
import tensorflow as tf
from tf_arrays import arrays, wrong_arrays  # noqa: F401
from tf_proxies import crossing_proxies, fallbacks, proxies, raised, references, stats  # noqa: F401


def load() -> None:
    """The plug-in is the installed one, or the library that ANVIL_PLUGIN names (a build tree)."""
    library = os.environ.get("ANVIL_PLUGIN")
    if library and not tf.config.list_physical_devices("GPU"):
        from tensorflow.python.framework import load_library

        load_library.load_pluggable_device_library(library)


def listing():
    import tensorflow_anvil

    gpus = tf.config.list_physical_devices("GPU")
    return {
        "gpus": len(gpus),
        "details": tf.config.experimental.get_device_details(gpus[0]) if gpus else {},
        "ours": tensorflow_anvil.devices(),
        "why": tensorflow_anvil.why_no_device(),
        "sum_on_cpu": float(tf.reduce_sum(tf.ones([10]))),
    }


def memory():
    before = tf.config.experimental.get_memory_info("GPU:0")["current"]
    x = tf.zeros([64, 1024])
    held = tf.config.experimental.get_memory_info("GPU:0")
    del x
    after = tf.config.experimental.get_memory_info("GPU:0")["current"]
    tf.config.experimental.reset_memory_stats("GPU:0")
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    return {"held": held["current"] - before, "peak": held["peak"], "left": after - before, "peak_after_reset": peak}


def model(**options):
    import keras

    keras.utils.set_random_seed(1)
    layers = keras.layers
    net = keras.Sequential(
        [
            layers.Input((8, 8, 3)),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPool2D(),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer="adam", loss=loss, metrics=["accuracy"], **options)
    return net


def images(n: int = 160):
    rng = np.random.default_rng(0)
    return rng.random((n, 8, 8, 3), np.float32), rng.integers(0, 10, n)


def train():
    """Losses with and without XLA asked for, in graph and eager mode, and what training cost in waits."""
    out = {}
    x, y = images()
    for name, options in {
        "auto": {"jit_compile": "auto"},
        "compiled": {"jit_compile": True},
        "plain": {"jit_compile": False},
        "eager": {"run_eagerly": True},
    }.items():
        net = model(**options)
        history = net.fit(x, y, batch_size=32, epochs=2, shuffle=False, verbose=0)
        out[name] = history.history["loss"]
    net = model()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(32).repeat()
    net.fit(data, steps_per_epoch=3, epochs=1, verbose=0)
    before = stats()
    net.fit(data, steps_per_epoch=20, epochs=1, verbose=0)
    after = stats()
    out["cost"] = {key: after[key] - before[key] for key in ("launches", "submissions", "waits", "script_reads")}
    out["fallbacks"] = after["fallbacks"]
    return out


def xla():
    @tf.function(jit_compile=True)
    def f(x):
        return tf.reduce_sum(tf.matmul(x, x) * 2)

    with tf.device("GPU:0"):
        on_gpu = f(tf.ones([4, 4]))
    with tf.device("CPU:0"):
        x = tf.ones([4, 4])
        on_cpu = f(x)
        compiled = f.experimental_get_compiler_ir(x)(stage="hlo")
    return {"gpu": [on_gpu.device, float(on_gpu)], "cpu": [on_cpu.device, float(on_cpu)], "hlo": compiled[:9]}


def variables():
    out = {}
    v = tf.Variable(tf.ones([100, 7]))
    out["device"] = v.device
    before = v.read_value()
    v.assign_add(tf.ones([100, 7]) * 2)
    v.assign_sub(tf.ones([100, 7]) * 0.5)
    out["updated"] = [float(tf.reduce_mean(v)), float(tf.reduce_mean(before))]
    v.assign(v.read_value() * 4)
    out["assigned"] = float(tf.reduce_mean(v))
    for name, dtype in {"int64": tf.int64, "float16": tf.float16, "bfloat16": tf.bfloat16, "uint32": tf.uint32}.items():
        w = tf.Variable(tf.cast(tf.fill([3], 5), dtype))
        w.assign_add(tf.cast(tf.fill([3], 2), dtype))
        out[name] = np.asarray(w.numpy(), np.float64).tolist()
    raw = tf.raw_ops
    out["wrong_shape_update"] = raised(lambda: raw.AssignAddVariableOp(resource=v.handle, value=tf.ones([3])))
    wrong = tf.ones([3])
    out["wrong_shape_assign"] = raised(
        lambda: raw.AssignVariableOp(resource=v.handle, value=wrong, validate_shape=True)
    )
    out["wrong_type"] = raised(lambda: raw.AssignVariableOp(resource=v.handle, value=tf.ones([100, 7], tf.float16)))
    out["after_errors"] = float(tf.reduce_mean(v))
    raw.AssignVariableOp(resource=v.handle, value=wrong, validate_shape=False)
    out["reshaped"] = raw.ReadVariableOp(resource=v.handle, dtype=tf.float32).shape.as_list()
    unset = raw.VarHandleOp(dtype=tf.float32, shape=[2], shared_name="never_set")
    out["unset"] = raised(lambda: raw.AssignAddVariableOp(resource=unset, value=tf.ones([2])))
    with tf.device("CPU:0"):
        unset = raw.VarHandleOp(dtype=tf.float32, shape=[2], shared_name="never_set")
        out["unset_on_cpu"] = raised(lambda: raw.AssignAddVariableOp(resource=unset, value=tf.ones([2])))
    empty = tf.Variable(tf.zeros([0, 4]))
    empty.assign_add(tf.zeros([0, 4]))
    out["empty"] = empty.shape.as_list()
    return out


def concurrent():
    """One thread adds to a variable while others read it: every read sees one whole state, none in between."""
    with tf.device("GPU:0"):
        v = tf.Variable(tf.zeros([1000]))
        one = tf.ones([1000])
        torn = []
        done = threading.Event()

        def read():
            while not done.is_set():
                value = v.read_value().numpy()
                if value.min() != value.max():
                    torn.append([float(value.min()), float(value.max())])

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        for _ in range(200):
            v.assign_add(one)
        done.set()
        for reader in readers:
            reader.join()
        return {"torn": torn, "final": float(v.numpy()[0])}


def joined():
    """Graphs that TensorFlow's remapper joins ops in: how far from the CPU's values, and which ops it made."""
    from tensorflow.python.eager import context

    rng = np.random.default_rng(3)
    scale, offset = rng.uniform(0.5, 1, 16).astype("f"), rng.uniform(-1, 1, 16).astype("f")
    filters = rng.uniform(-1, 1, (3, 3, 16, 16)).astype("f")

    def normalized(x, axes):
        mean, variance = tf.nn.moments(x, axes, keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)

    def batch(x):
        y, *_ = tf.compat.v1.nn.fused_batch_norm(x, scale, offset, offset, scale, epsilon=1e-3, is_training=False)
        return tf.nn.relu(y)

    graphs = {
        "instance": lambda x: normalized(x, [1, 2]),
        "instance and relu": lambda x: tf.nn.relu(normalized(x, [1, 2])),
        "instance and leaky relu": lambda x: tf.nn.leaky_relu(normalized(x, [1, 2]), 0.3),
        "layer": lambda x: normalized(tf.reshape(x, [10, 5, 16]), [2]),
        "batch": batch,
        "convolution": lambda x: tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, filters, 1, "SAME"), offset)),
        "product": lambda x: tf.nn.gelu(tf.nn.bias_add(tf.matmul(tf.reshape(x, [50, 16]), filters[0, 0]), offset)),
        "swish": lambda x: x * tf.nn.sigmoid(x),
        "mish": lambda x: x * tf.nn.tanh(tf.nn.softplus(x)),
    }
    out = {}
    for name, graph in graphs.items():
        x = tf.constant(rng.uniform(-1, 1, (2, 5, 5, 16)).astype("f"))
        with tf.device("CPU:0"):
            want = graph(x).numpy()
        with tf.device("GPU:0"):
            context.context().enable_graph_collection()
            got = tf.function(graph)(x).numpy()
            parts = context.context().export_run_metadata().partition_graphs
            context.context().disable_graph_collection()
        made = {node.op for part in parts for node in part.node if node.op.startswith(("_Fused", "_Mkl"))}
        out[name] = [float(np.abs(got - want).max()), sorted(made)]
    return out


def errors():
    """A kernel's error is the script's exception, and the next op works."""
    x = tf.ones([2, 3])
    before = stats()["op_errors"]

    @tf.function(input_signature=[tf.TensorSpec(None)] * 2)  # shapes that only the kernel sees
    def add_bias(value, bias):
        return tf.raw_ops.BiasAdd(value=value, bias=bias)

    return {
        "eager": raised(lambda: tf.raw_ops.MatMul(a=x, b=x)),
        "graph": raised(lambda: add_bias(x, tf.ones([5]))),
        "counted": stats()["op_errors"] - before,
        "afterwards": float(tf.reduce_sum(tf.matmul(x, x, transpose_b=True))),
        "too_large": raised(lambda: tf.zeros([4000, 1000, 1000]))[0],
        "after_too_large": float(tf.reduce_sum(x)),
    }


def exhausted():
    """Fills the device's memory with tensors of 8 MiB, then asks for more in three ways; then frees it and goes on."""
    v = tf.Variable(tf.zeros([6, 1024, 1024]))  # 24 MiB
    one = tf.ones([6, 1024, 1024])
    kept = v.read_value()  # so that a change has to make a copy
    held, out = [], {}

    def fill():
        while len(held) < 1000:
            held.append(tf.raw_ops.Fill(dims=[2, 1024, 1024], value=float(len(held))))

    @tf.function(input_signature=[tf.TensorSpec([], tf.float32)])
    def fill_in_graph(value):
        return tf.fill([2, 1024, 1024], value)

    value = tf.constant(2.0)
    fill_in_graph(value)
    out["op"] = raised(fill)
    out["filled"] = len(held)
    out["graph"] = raised(lambda: fill_in_graph(value))
    out["variable"] = raised(lambda: v.assign_add(one))
    held.clear()
    out["afterwards"] = float(tf.reduce_sum(kept[0, 0, :1] + 10.0))
    return out


def loaded_twice():
    """A second load of the same file and of a copy; the device goes on working."""
    import tensorflow_anvil
    from tensorflow.python.framework import load_library
    from tensorflow_anvil import _native

    path = _native.loaded_path()
    load_library.load_pluggable_device_library(path)
    load_library.load_pluggable_device_library(path)
    gpus = len(tf.config.list_physical_devices("GPU"))
    y = tf.nn.relu(tf.constant([-1.0, 2.0]))
    return {"gpus": gpus, "device": y.device, "value": y.numpy().tolist(), "devices": len(tensorflow_anvil.devices())}


def faulty():
    """Works until an injected fault strikes, then tries again."""
    out = {"first": ["", ""]}
    for _ in range(60):
        out["first"] = raised(lambda: tf.reduce_sum(tf.matmul(tf.ones([300, 300]), tf.ones([300, 300]))).numpy())
        if out["first"][0]:
            break
    out["second"] = raised(lambda: (tf.ones([8]) + 1).numpy())
    with tf.device("CPU:0"):
        out["cpu"] = float(tf.reduce_sum(tf.ones([10])))
    out["device_errors"] = stats()["device_errors"]
    return out


def forked():
    """A process forked from one with work under way: using the device there is an error, and it ends when it should."""
    x = tf.ones([64, 64])
    for _ in range(60):
        x = tf.matmul(x, x) * 1e-2
    out = {}
    for task in ("exit", "use"):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            if task == "use":
                os.write(write, json.dumps(raised(lambda: (x + 1.0).numpy())).encode())
            sys.exit(0)  # the ordinary way, with what is registered for the end of a process
        os.close(write)
        deadline = time.time() + 120
        ended = 0
        while not ended and time.time() < deadline:
            ended, status = os.waitpid(child, os.WNOHANG)
            time.sleep(0.05)
        if not ended:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        with os.fdopen(read) as pipe:
            out[task] = {"status": status if ended else "hangs", "raised": json.loads(pipe.read() or "null")}
    out["parent"] = float(tf.reduce_sum(tf.ones([10])))
    return out


def replaced():
    """The program replaces itself by exec, as reloaders do: same process, same environment, and the device is there."""
    if "ANVIL_TEST_REPLACED" not in os.environ:
        os.environ["ANVIL_TEST_REPLACED"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    return len(tf.config.list_physical_devices("GPU"))


# Shapes that TensorFlow cannot hold.  Given one by a kernel, it ends the process.
def hostile_shapes():
    raw, big = tf.raw_ops, 2**62
    with tf.device("CPU:0"):
        none = {shape: tf.zeros(shape) for shape in [(1, big, 0), (0, big), (2**40, 1, 0), (1, 2**40, 0), (2**40, 0)]}
        shapes = {v: tf.constant(v, tf.int64) for v in [(2**40, 2**40), (big, 8, 0), (big,), (2**63 - 1,), (1,)]}
        x, four = tf.ones([4]), tf.constant([0, 0, 0, 0])
        wraps = tf.constant([2**63 - 1, 2**63 - 1, 6], tf.int64)
        pads = tf.constant([[2**63 - 1, 2**63 - 1]], tf.int64)
    calls = {
        "Fill": lambda: raw.Fill(dims=shapes[(2**40, 2**40)], value=1.0),
        "Fill, behind a zero": lambda: raw.Fill(dims=shapes[(big, 8, 0)], value=1.0),
        "BroadcastTo": lambda: raw.BroadcastTo(input=1.0, shape=shapes[(2**40, 2**40)]),
        "RandomUniform": lambda: raw.RandomUniform(shape=shapes[(2**40, 2**40)], dtype=tf.float32),
        "AddV2": lambda: raw.AddV2(x=none[(2**40, 1, 0)], y=none[(1, 2**40, 0)]),
        "MatMul": lambda: raw.MatMul(a=none[(2**40, 0)], b=none[(2**40, 0)], transpose_b=True),
        "GatherV2": lambda: raw.GatherV2(params=none[(1, big, 0)], indices=four, axis=0),
        "ConcatV2": lambda: raw.ConcatV2(values=[none[(0, big)]] * 2, axis=1),
        "Tile": lambda: raw.Tile(input=x, multiples=shapes[(big,)]),
        "Pad": lambda: raw.Pad(input=x, paddings=pads),
        "Slice": lambda: raw.Slice(input=x, begin=shapes[(1,)], size=shapes[(2**63 - 1,)]),
        "SplitV": lambda: raw.SplitV(value=x, size_splits=wraps, axis=tf.constant(0), num_split=3),
    }
    return {name: raised(call)[0] for name, call in calls.items()}


def op_cost():
    """What 200 small eager ops make the library do."""
    with tf.device("GPU:0"):
        x = tf.ones([16])
        x.numpy()
        before = stats()
        for _ in range(200):
            tf.raw_ops.Neg(x=x)
        after = stats()
    counted = ("launches", "waits", "script_reads", "bytes_to_device", "bytes_to_host", "submissions")
    return {name: after[name] - before[name] for name in counted}


def main() -> None:
    load()
    for task in sys.argv[1:]:
        print("RESULT", json.dumps([task, globals()[task]()]), flush=True)


if __name__ == "__main__":
    main()
