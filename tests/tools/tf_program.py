"""What tests/tools/test_tf_*.py run in processes of their own: python tf_program.py TASK ...

Each task is a function; what it returns is printed as one line of JSON.
"""

import functools
import json
import os
import signal
import sys
import threading
import time

import numpy as np
import tensorflow as tf


def load() -> None:
    """The plug-in is the installed one, or the library that ANVIL_PLUGIN names (a build tree)."""
    library = os.environ.get("ANVIL_PLUGIN")
    if library and not tf.config.list_physical_devices("GPU"):
        from tensorflow.python.framework import load_library

        load_library.load_pluggable_device_library(library)


def stats() -> dict:
    import tensorflow_anvil

    return tensorflow_anvil.stats()


def raised(call) -> list[str]:
    """The class and the words of what `call` raises."""
    try:
        call()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["", ""]


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


def fallbacks():
    """Which of these count: an op that we lack and CUDA has, unless the script or the input pipeline wants the CPU."""
    import tensorflow_anvil

    x = tf.eye(4, dtype=tf.float64)  # whose inverse the device leaves to the CPU
    out = {}

    def measure(name, call):
        tensorflow_anvil.reset_stats()
        call()
        out[name] = stats()["fallbacks"]

    @tf.function
    def graph(x):
        return tf.linalg.inv(x), tf.ones(3) + 1

    @tf.function
    def graph_on_cpu(x):
        with tf.device("CPU:0"):
            return tf.linalg.inv(x), tf.ones(3) + 1

    def eager_on_cpu():
        with tf.device("CPU:0"):
            tf.linalg.inv(x)

    def pipeline():
        data = tf.data.Dataset.from_tensor_slices(np.stack([np.eye(4)] * 4))
        for batch in data.map(lambda a: tf.cast(tf.linalg.inv(a), tf.float32)).batch(2):
            batch + 1

    measure("eager", lambda: [tf.linalg.inv(x) for _ in range(3)])
    measure("graph", lambda: [graph(x) for _ in range(3)])
    measure("eager_on_cpu", eager_on_cpu)
    measure("graph_on_cpu", lambda: graph_on_cpu(x))
    measure("pipeline", pipeline)
    measure("strings", lambda: tf.strings.join([tf.constant("a"), tf.constant("b")]))
    measure("shapes", lambda: tf.reduce_prod(tf.shape(x)) + tf.range(3))
    return out


def proxies():
    """Ops that must run on the device and have no kernel there: the CPU's runs, and says so."""
    import tensorflow_anvil

    def slots(device):
        with tf.device(device):
            return tf.Variable(tf.reshape(tf.range(12.0), [4, 3])), tf.Variable(tf.ones([4, 3]))

    def momentum(var, accum, grad=None, index=3):
        grad = tf.ones([2, 3]) if grad is None else grad
        with tf.control_dependencies(
            [
                tf.raw_ops.ResourceSparseApplyMomentum(
                    var=var.handle, accum=accum.handle, lr=0.5, grad=grad, indices=[1, index], momentum=0.5
                )
            ]
        ):
            return var.read_value(), accum.read_value()

    out = {"steps": {}, "errors": {}}
    tensorflow_anvil.reset_stats()
    for mode, step in {"eager": momentum, "graph": tf.function(momentum)}.items():
        for device in ("GPU:0", "CPU:0"):
            held = slots(device)
            before = held[0].read_value()
            for _ in range(2):
                values = step(*held)
            out["steps"][f"{mode} {device}"] = [v.numpy().tolist() for v in (before, *values)]
    out["counted"] = {kind: stats()[kind] for kind in ("proxies", "fallbacks")}
    out["logged"] = tensorflow_anvil.fallback_log()
    for name, wrong in {"shape": {"grad": tf.ones([2, 2])}, "index": {"index": 9}}.items():
        calls = [functools.partial(momentum, *slots(device), **wrong) for device in ("GPU:0", "CPU:0")]
        out["errors"][name] = [raised(call)[0] for call in calls]
    # Placed outright, where TensorFlow may not choose another device.
    soft = tf.config.get_soft_device_placement()
    tf.config.set_soft_device_placement(False)
    with tf.device("GPU:0"):
        x = tf.linalg.inv(tf.constant([[2.0, 0], [0, 4.0]], tf.float64))
        out["placed"] = [x.device, (x + 1).numpy().tolist()]
        out["double"] = float(tf.reduce_sum(tf.matmul(tf.ones([2, 2], tf.float64), tf.ones([2, 2], tf.float64))))
    tf.config.set_soft_device_placement(soft)
    # Free to go where it likes, the op itself runs on the CPU, with no proxy.
    tensorflow_anvil.reset_stats()
    out["free"] = [tf.linalg.inv(tf.eye(2, dtype=tf.float64)).device, stats()["proxies"]]
    return out


def crossing_proxies():
    """Proxies that take the same variables in every order, in threads and sessions at once: they must not block."""
    v1 = tf.compat.v1
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j]
    graph = tf.Graph()
    with graph.as_default(), tf.device("/GPU:0"):
        held = {
            kind: [v1.get_variable(f"v{kind}{i}", [4, 3], use_resource=kind) for i in range(3)]
            for kind in (True, False)
        }
        step = {"lr": 0.01, "grad": tf.ones([2, 3]), "indices": [1, 3], "momentum": 0.5}
        steps = []
        for i, j in pairs * 3:
            var, accum = held[True][i].handle, held[True][j].handle
            steps.append(tf.raw_ops.ResourceSparseApplyMomentum(var=var, accum=accum, **step))
            steps.append(tf.raw_ops.SparseApplyMomentum(var=held[False][i], accum=held[False][j], **step))
        steps += [v1.assign_add(v, tf.ones([4, 3])) for v in held[True] + held[False]]
        init = v1.global_variables_initializer()
    with v1.Session(graph=graph, config=v1.ConfigProto(inter_op_parallelism_threads=2)) as session:
        session.run(init)
        workers = [threading.Thread(target=lambda: [session.run(steps) for _ in range(4)]) for _ in range(3)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        return [bool(np.isfinite(session.run(v)).all()) for v in held[True] + held[False]]


def references():
    """A TensorFlow 1 graph with reference variables, trained on each device: its variables and what ran by proxy."""
    import tensorflow_anvil

    v1 = tf.compat.v1

    def train(device, optimizer):
        graph = tf.Graph()
        with graph.as_default(), tf.device(device):
            w = v1.get_variable("w", [4, 3], initializer=v1.constant_initializer(0.5), use_resource=False)
            table = v1.get_variable("table", [5, 3], initializer=v1.constant_initializer(0.25), use_resource=False)
            step = v1.get_variable("step", [], initializer=v1.zeros_initializer(), use_resource=False)
            x = v1.placeholder(tf.float32, [None, 4])
            rows = tf.gather(table, [0, 2, 2])
            loss = tf.reduce_mean(tf.square(tf.matmul(x, w) - 1.0)) + tf.reduce_sum(tf.square(rows - 1.0))
            made = getattr(v1.train, optimizer)(0.125, **({"momentum": 0.5} if optimizer.startswith("Mom") else {}))
            train_op = made.minimize(loss, var_list=[w, table])
            count = v1.assign_add(step, 1.0)
            changed = v1.scatter_update(table, [4], [[7.0, 8.0, 9.0]])
            init = v1.global_variables_initializer()
        data = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
        with v1.Session(graph=graph) as session:
            session.run(init)
            losses = [float(session.run([loss, train_op, count], {x: data})[0]) for _ in range(4)]
            session.run(changed)
            held = session.run([w, table, step])
        return [losses, *(np.asarray(v).tolist() for v in held)]

    out = {}
    for optimizer in ("GradientDescentOptimizer", "AdamOptimizer", "AdagradOptimizer", "MomentumOptimizer"):
        tensorflow_anvil.reset_stats()
        out[optimizer] = [train("/GPU:0", optimizer), train("/CPU:0", optimizer), stats()["proxies"]]
    return out


def normalizations():
    """Graphs that TensorFlow's remapper makes ops of oneDNN's of, where oneDNN is on."""
    rng = np.random.default_rng(3)
    scale, offset = rng.uniform(0.5, 1, 16).astype("f"), rng.uniform(-1, 1, 16).astype("f")

    def normalized(x, axes):
        mean, variance = tf.nn.moments(x, axes, keepdims=True)
        return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3))

    out = {}
    for name, shape, axes in (("instance", (2, 5, 5, 16), [1, 2]), ("layer", (4, 6, 16), [2])):
        x = rng.uniform(-1, 1, shape).astype("f")
        values = []
        for device in ("GPU:0", "CPU:0"):
            with tf.device(device):
                values.append(tf.function(normalized)(tf.constant(x), axes).numpy())
        out[name] = float(np.abs(values[0] - values[1]).max())
    return out


def arrays():
    """A TensorFlow 1 loop that writes a TensorArray, and its gradient: placed on each device, and free to choose."""
    import tensorflow_anvil

    v1 = tf.compat.v1
    v1.disable_control_flow_v2()

    def run_loop(device):
        graph = tf.Graph()
        with graph.as_default(), tf.device(device):
            x = v1.placeholder(tf.float32, [None, 3])
            array = tf.TensorArray(tf.float32, size=4, element_shape=[2, 3], clear_after_read=False)

            def body(i, array, state):
                state = tf.tanh(state + x)
                return i + 1, array.write(i, state), state

            _, array, _ = v1.while_loop(lambda i, *_: i < 4, body, [0, array, x * 0])
            values = [array.stack(), array.concat(), array.gather([2, 0]), array.read(1)]
            values.append(tf.TensorArray(tf.float32, size=2).split(x, [1, 1]).stack())
            values.append(tf.TensorArray(tf.float32, size=2).unstack(x).stack())
            values.append(tf.gradients(tf.reduce_sum(values[0] ** 2), [x])[0])
        with v1.Session(graph=graph) as session:
            return [v.tolist() for v in session.run(values, {x: np.linspace(-1, 1, 6, dtype="f").reshape(2, 3)})]

    out = {}
    for device in ("/GPU:0", "/CPU:0", None):
        tensorflow_anvil.reset_stats()
        out[str(device)] = [run_loop(device), stats()["proxies"]]
    v1.enable_control_flow_v2()
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
    """Microseconds of host time for a whole small eager op, here and on the CPU."""
    out = {}
    for device in ("CPU:0", "GPU:0"):
        with tf.device(device):
            x = tf.ones([16])
            best = 1e9
            for _ in range(5):
                start = time.perf_counter()
                for _ in range(200):
                    tf.raw_ops.Neg(x=x)
                best = min(best, (time.perf_counter() - start) / 200 * 1e6)
            out[device] = best
    return out


def main() -> None:
    load()
    for task in sys.argv[1:]:
        print("RESULT", json.dumps([task, globals()[task]()]), flush=True)


if __name__ == "__main__":
    main()
