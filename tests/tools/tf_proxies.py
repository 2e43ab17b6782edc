"""Tasks of tf_program.py: ops that the CPU computes, by placement or by proxy, and TensorFlow 1's variables."""

import functools
import tempfile
import threading

import numpy as np
import tensorflow as tf


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


def fallbacks():
    """Which of these count: an op that we lack and CUDA has, unless the script or the input pipeline wants the CPU."""
    import tensorflow_anvil

    x = tf.eye(4, dtype=tf.float64)  # whose decompositions the device leaves to the CPU
    single = tf.eye(4)
    out = {}

    def measure(name, call):
        tensorflow_anvil.reset_stats()
        call()
        counted = stats()
        for kind, number in (("fallbacks", "fallback_nodes"), ("cpu_ops", "cpu_nodes")):
            assert sum(counted[kind].values()) == counted[number]
        out[name] = [counted["fallbacks"], counted["cpu_ops"]]

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

    @tf.function
    def mixed_graph(y):
        _, indices = tf.nn.top_k(y[0], 2)  # int32, in device memory
        rank = tf.raw_ops.NthElement(input=y, n=1)
        tf.debugging.assert_less(y, 2.0)
        tf.raw_ops.HistogramSummary(tag="y", values=y)
        return tf.linalg.svd(x)[0], rank * 2, tf.strings.as_string(y), tf.cast(y, tf.complex128), indices

    def saved():
        with tempfile.TemporaryDirectory() as folder:
            tf.io.write_file(f"{folder}/x", tf.io.serialize_tensor(single))
            v = tf.Variable(single)
            tf.train.Checkpoint(v=v).restore(tf.train.Checkpoint(v=v).save(f"{folder}/c"))
            writer = tf.summary.create_file_writer(folder)
            with writer.as_default():
                tf.summary.write("x", single, step=0)
            writer.close()

    measure("svd", lambda: tf.linalg.svd(x))
    measure("rank", lambda: [tf.raw_ops.NthElement(input=single, n=1) for _ in range(2)])
    measure("cast", lambda: tf.cast(single, tf.complex128))
    measure("mixed_graph", lambda: [mixed_graph(single) for _ in range(2)])
    logged = tensorflow_anvil.fallback_log()
    with tf.device("CPU:0"):
        host = tf.eye(4)
    measure("from_host", lambda: tf.raw_ops.NthElement(input=host, n=1))
    measure("files", saved)
    measure("numbers_as_strings", lambda: tf.strings.as_string(single))
    measure("python", lambda: tf.py_function(lambda a: a, [single], tf.float32))
    measure("eager", lambda: [tf.linalg.inv(x) for _ in range(3)])
    measure("graph", lambda: [graph(x) for _ in range(3)])
    measure("eager_on_cpu", eager_on_cpu)
    measure("graph_on_cpu", lambda: graph_on_cpu(x))
    measure("pipeline", pipeline)
    measure("strings", lambda: tf.strings.join([tf.constant("a"), tf.constant("b")]))
    measure("shapes", lambda: tf.reduce_prod(tf.shape(x)) + tf.range(3))
    return {**out, "logged": logged}


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
