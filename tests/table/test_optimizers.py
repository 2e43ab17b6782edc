"""Resource[Sparse]Apply*: one step of each optimiser, against its rule in float64."""

import engine
import numpy as np
import on_variables
import pytest
import tensorflow as tf

rsqrt = lambda x: 1 / np.sqrt(x)  # noqa: E731


def gradient_descent(s, g, alpha):
    return {"var": s["var"] - alpha * g}


def momentum(s, g, lr, momentum, use_nesterov=False):
    accum = s["accum"] * momentum + g
    step = lr * g + lr * momentum * accum if use_nesterov else lr * accum
    return {"var": s["var"] - step, "accum": accum}


def keras_momentum(s, g, lr, momentum, use_nesterov=False):
    accum = s["accum"] * momentum - lr * g
    step = momentum * accum - lr * g if use_nesterov else accum
    return {"var": s["var"] + step, "accum": accum}


def adagrad(s, g, lr, epsilon=0.0, update_slots=True):
    accum = s["accum"] + g * g if update_slots else s["accum"]
    return {"var": s["var"] - lr * g / (np.sqrt(accum) + epsilon), "accum": accum}


def proximal_adagrad(s, g, lr, l1, l2):
    accum = s["accum"] + g * g
    rate = lr * rsqrt(accum)
    near = s["var"] - rate * g
    var = np.sign(near) * np.maximum(np.abs(near) - rate * l1, 0) / (1 + l2 * rate)
    return {"var": var, "accum": accum}


def adadelta(s, g, lr, rho, epsilon):
    accum = rho * s["accum"] + (1 - rho) * g * g
    step = np.sqrt(s["accum_update"] + epsilon) * rsqrt(accum + epsilon) * g
    return {
        "var": s["var"] - lr * step,
        "accum": accum,
        "accum_update": rho * s["accum_update"] + (1 - rho) * step * step,
    }


def ftrl(s, g, lr, l1, l2, lr_power, l2_shrinkage=0.0, multiply_linear_by_lr=False):
    accum = s["accum"] + g * g
    change = accum**-lr_power - s["accum"] ** -lr_power
    shrunk = g + 2 * l2_shrinkage * s["var"]
    if multiply_linear_by_lr:
        linear = s["linear"] + lr * shrunk - change * s["var"]
        l1, slope = l1 * lr, accum**-lr_power + 2 * l2 * lr
    else:
        linear = s["linear"] + shrunk - change / lr * s["var"]
        slope = accum**-lr_power / lr + 2 * l2
    var = np.where(np.abs(linear) > l1, (np.sign(linear) * l1 - linear) / slope, 0)
    return {"var": var, "accum": accum, "linear": linear}


def adam(s, g, beta1_power, beta2_power, lr, beta1, beta2, epsilon, use_nesterov=False):
    m, v = beta1 * s["m"] + (1 - beta1) * g, beta2 * s["v"] + (1 - beta2) * g * g
    alpha = lr * np.sqrt(1 - beta2_power) / (1 - beta1_power)
    top = s.get("vhat")
    new = {"m": m, "v": v}
    if top is not None:
        new["vhat"] = np.maximum(top, v)
    step = beta1 * m + (1 - beta1) * g if use_nesterov else m
    return new | {"var": s["var"] - alpha * step / (np.sqrt(new.get("vhat", v)) + epsilon)}


def adamax(s, g, beta1_power, lr, beta1, beta2, epsilon):
    m, v = beta1 * s["m"] + (1 - beta1) * g, np.maximum(beta2 * s["v"], np.abs(g))
    return {"var": s["var"] - lr / (1 - beta1_power) * m / (v + epsilon), "m": m, "v": v}


def rms_prop(s, g, lr, rho, momentum, epsilon):
    ms = rho * s["ms"] + (1 - rho) * g * g
    mom = momentum * s["mom"] + lr * g * rsqrt(ms + epsilon)
    return {"var": s["var"] - mom, "ms": ms, "mom": mom}


def centered_rms_prop(s, g, lr, rho, momentum, epsilon):
    ms, mg = rho * s["ms"] + (1 - rho) * g * g, rho * s["mg"] + (1 - rho) * g
    mom = momentum * s["mom"] + lr * g * rsqrt(ms - mg * mg + epsilon)
    return {"var": s["var"] - mom, "mg": mg, "ms": ms, "mom": mom}


def add_sign(s, g, lr, alpha, sign_decay, beta):
    m = beta * s["m"] + (1 - beta) * g
    return {"var": s["var"] - lr * (alpha + sign_decay * np.sign(g) * np.sign(m)) * g, "m": m}


def power_sign(s, g, lr, logbase, sign_decay, beta):
    m = beta * s["m"] + (1 - beta) * g
    return {"var": s["var"] - lr * np.exp(logbase * sign_decay * np.sign(g) * np.sign(m)) * g, "m": m}


ADAM = {"beta1_power": 0.81, "beta2_power": 0.98, "lr": 0.125, "beta1": 0.9, "beta2": 0.99, "epsilon": 0.001}
RMS = {"lr": 0.125, "rho": 0.875, "momentum": 0.5, "epsilon": 0.0625}
FTRL = {"lr": 0.125, "l1": 0.25, "l2": 0.125}
#          rule, slots, scalars, attributes to try
DENSE = {
    "ApplyGradientDescent": (gradient_descent, (), {"alpha": 0.125}, [{}]),
    "ApplyMomentum": (momentum, ("accum",), {"lr": 0.125, "momentum": 0.875}, [{}, {"use_nesterov": True}]),
    "ApplyKerasMomentum": (keras_momentum, ("accum",), {"lr": 0.125, "momentum": 0.875}, [{}, {"use_nesterov": True}]),
    "ApplyAdagrad": (adagrad, ("accum",), {"lr": 0.125}, [{}, {"update_slots": False}]),
    "ApplyAdagradV2": (adagrad, ("accum",), {"lr": 0.125, "epsilon": 0.25}, [{}, {"update_slots": False}]),
    "ApplyProximalAdagrad": (proximal_adagrad, ("accum",), {"lr": 0.125, "l1": 0.5, "l2": 0.25}, [{}]),
    "ApplyAdadelta": (adadelta, ("accum", "accum_update"), {"lr": 0.5, "rho": 0.875, "epsilon": 0.25}, [{}]),
    "ApplyFtrl": (ftrl, ("accum", "linear"), FTRL | {"lr_power": -0.5}, [{}, {"multiply_linear_by_lr": True}]),
    "ApplyFtrlV2": (
        ftrl, ("accum", "linear"), FTRL | {"l2_shrinkage": 0.25, "lr_power": -0.75},
        [{}, {"multiply_linear_by_lr": True}],
    ),
    "ApplyAdam": (adam, ("m", "v"), ADAM, [{}, {"use_nesterov": True}]),
    "ApplyAdamWithAmsgrad": (adam, ("m", "v", "vhat"), ADAM, [{}]),
    "ApplyAdaMax": (adamax, ("m", "v"), {k: x for k, x in ADAM.items() if k != "beta2_power"}, [{}]),
    "ApplyRMSProp": (rms_prop, ("ms", "mom"), RMS, [{}]),
    "ApplyCenteredRMSProp": (centered_rms_prop, ("mg", "ms", "mom"), RMS, [{}]),
    "ApplyAddSign": (add_sign, ("m",), {"lr": 0.125, "alpha": 1.0, "sign_decay": 0.5, "beta": 0.875}, [{}]),
    "ApplyPowerSign": (power_sign, ("m",), {"lr": 0.125, "logbase": 1.0, "sign_decay": 0.5, "beta": 0.875}, [{}]),
}  # fmt: skip
SPARSE = ("KerasMomentum", "Adagrad", "AdagradV2", "ProximalAdagrad", "Adadelta", "Ftrl", "FtrlV2")
GRADIENT = {"ApplyGradientDescent": "delta"}
ERROR = {"float64": 1e-14, "float32": 8e-6, "float16": 1e-2}


def start(rng, slots, shape, dtype):
    """Values that every type holds, slots that are squares or their sums above 0."""
    state = {"var": rng.integers(-16, 17, shape) / 8}
    for slot in slots:
        signed = slot in ("m", "mom", "linear", "mg")
        state[slot] = rng.integers(-4, 5, shape) / 16 if signed else rng.integers(8, 32, shape) / 8
    return {name: np.asarray(value).astype(dtype) for name, value in state.items()}


def skip_what_has_no_kernel(name, dtype):
    have = engine.DEVICE.name == engine.CPU or {"T": dtype} in engine.registered(f"Resource{name}")
    if dtype == "float64" and not have:
        pytest.skip("no kernel in float64: the rule has none, or the device no doubles")
    if engine.DEVICE.name == engine.CPU and (name.endswith("ProximalAdagrad") and dtype == "float16"):
        pytest.skip("the CPU has no kernel for it")


def check(op, rule, state, grad, scalars, attrs, dtype, expected, **more):
    args = {GRADIENT.get(op.removeprefix("Resource"), "grad"): grad, **more}
    args |= {name: np.asarray(value, dtype) for name, value in scalars.items()}
    got = on_variables.run(op, state, args, **attrs)
    for (name, _), value in zip(state.items(), got, strict=True):
        want = expected[name]
        worst = np.max(np.abs(value.astype("float64") - want) / np.maximum(np.abs(want), 1), initial=0)
        assert worst <= ERROR[dtype], f"{op} {attrs} {dtype}: {name} is off by {worst}"


@pytest.mark.parametrize("name", DENSE)
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_dense(name, dtype):
    rule, slots, scalars, choices = DENSE[name]
    skip_what_has_no_kernel(name, dtype)
    rounded = {k: float(np.asarray(v, dtype)) for k, v in scalars.items()}
    rng = np.random.default_rng(11)
    for attrs in choices:
        for shape in [(), (0,), (7,), (300,), (3, 5)]:
            state = start(rng, slots, shape, dtype)
            grad = np.asarray(rng.integers(-16, 17, shape) / 16).astype(dtype)
            exact = {k: v.astype("float64") for k, v in state.items()}
            expected = exact | rule(exact, grad.astype("float64"), **rounded, **attrs)
            check(f"Resource{name}", rule, state, grad, scalars, attrs, dtype, expected)


@pytest.mark.parametrize("name", SPARSE)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_sparse(name, dtype):
    """Rows in the order of their indices, also where a row is named more than once; others keep their values."""
    rule, slots, scalars, choices = DENSE[f"Apply{name}"]
    skip_what_has_no_kernel(name, dtype)
    rounded = {k: float(np.asarray(v, dtype)) for k, v in scalars.items()}
    rng = np.random.default_rng(12)
    for attrs in choices:
        for shape, count, index_type in [
            ((5, 3), 4, "int32"),
            ((40, 1), 9, "int64"),
            ((3,), 5, "int32"),
            ((4, 2), 0, "int32"),
        ]:
            state = start(rng, slots, shape, dtype)
            grad = np.asarray(rng.integers(-16, 17, (count, *shape[1:])) / 16).astype(dtype)
            indices = rng.integers(0, shape[0], count).astype(index_type)
            expected = {k: v.astype("float64") for k, v in state.items()}
            for i, g in zip(indices, grad.astype("float64"), strict=True):
                # A row named again starts from what was stored.
                row = {k: v[i].astype(dtype).astype("float64") for k, v in expected.items()}
                for k, v in rule(row, g, **rounded, **attrs).items():
                    expected[k][i] = v
            check(
                f"ResourceSparse{'Apply' + name}", rule, state, grad, scalars, attrs, dtype, expected, indices=indices
            )


def test_many_sparse_steps_are_the_same_every_time():
    rng = np.random.default_rng(13)
    state = start(rng, ("accum",), (50, 8), "float32")
    args = {"lr": np.float32(0.1), "grad": rng.standard_normal((5000, 8)).astype("f")}
    args["indices"] = rng.integers(0, 50, 5000).astype("int32")
    first = on_variables.run("ResourceSparseApplyAdagrad", state, args)
    second = on_variables.run("ResourceSparseApplyAdagrad", state, args)
    np.testing.assert_array_equal(first, second)


def test_indices_out_of_range_touch_nothing():
    if engine.DEVICE.name == engine.CPU:
        pytest.skip("an error there; the device cannot see indices, as in the CUDA build")
    state = {"var": np.ones((3, 2), "f"), "accum": np.ones((3, 2), "f")}
    args = {"lr": np.float32(1), "grad": np.ones((3, 2), "f"), "indices": np.array([-1, 3, 1], "int32")}
    var, accum = on_variables.run("ResourceSparseApplyAdagrad", state, args)
    np.testing.assert_array_equal(accum, [[1, 1], [2, 2], [1, 1]])
    np.testing.assert_array_equal(var[[0, 2]], np.ones((2, 2)))


BAD = [
    ("ResourceApplyMomentum", {"var": (3,), "accum": (3,)}, {"lr": (), "grad": (4,), "momentum": ()}),
    ("ResourceApplyMomentum", {"var": (3,), "accum": (2,)}, {"lr": (), "grad": (3,), "momentum": ()}),
    ("ResourceApplyMomentum", {"var": (3,), "accum": (3,)}, {"lr": (2,), "grad": (3,), "momentum": ()}),
    ("ResourceApplyAdam", {"var": (3,), "m": (3,), "v": (3, 1)}, dict.fromkeys(ADAM, ()) | {"grad": (3,)}),
    ("ResourceSparseApplyAdagrad", {"var": (3, 2), "accum": (3, 2)}, {"lr": (), "grad": (2, 3), "indices": (2,)}),
    ("ResourceSparseApplyAdagrad", {"var": (3, 2), "accum": (3, 2)}, {"lr": (), "grad": (3, 2), "indices": (2,)}),
    ("ResourceSparseApplyAdagrad", {"var": (3, 2), "accum": (3, 2)}, {"lr": (), "grad": (2, 2), "indices": (2, 1)}),
]


@pytest.mark.parametrize(("op", "variables", "args"), BAD)
def test_shapes_that_do_not_fit(op, variables, args):
    state = {name: np.ones(shape, "f") for name, shape in variables.items()}
    args = {name: np.zeros(shape, "int32" if name == "indices" else "f") for name, shape in args.items()}
    on_variables.same_error_as_the_cpu(op, state, args)


def test_an_unset_variable():
    def attempt(device):
        with tf.device(device):
            var = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[3], shared_name=f"unset{device}")
            tf.raw_ops.ResourceApplyGradientDescent(var=var, alpha=0.5, delta=tf.ones([3]))

    classes = []
    for device in (engine.DEVICE.name, engine.CPU):
        with pytest.raises(tf.errors.OpError) as raised:
            attempt(device)
        classes.append(raised.type)
    assert classes[0] is classes[1]


@pytest.mark.parametrize("optimizer", ["adam", "adagrad", "sgd"])
def test_an_embedding_trains_as_on_the_cpu(optimizer):
    """IndexedSlices all the way: gather, its gradient, a sparse step."""
    make = {
        "adam": lambda: tf.compat.v1.train.AdamOptimizer(0.1),
        "adagrad": lambda: tf.compat.v1.train.AdagradOptimizer(0.1),
        "sgd": lambda: tf.compat.v1.train.GradientDescentOptimizer(0.1),
    }[optimizer]
    tokens = np.random.default_rng(14).integers(0, 20, (6, 5)).astype("int32")

    def train(device):
        with tf.device(device):
            table = tf.Variable(np.arange(80, dtype="f").reshape(20, 4) / 80)
            chosen = make()

            @tf.function
            def step(ids):
                with tf.GradientTape() as tape:
                    loss = tf.reduce_sum(tf.square(tf.nn.embedding_lookup(table, ids) - 0.25))
                (grad,) = tape.gradient(loss, [table])
                assert isinstance(grad, tf.IndexedSlices)
                chosen.apply_gradients([(grad, table)])
                return loss

            return [float(step(tf.constant(tokens))) for _ in range(5)]

    np.testing.assert_allclose(train(engine.DEVICE.name), train(engine.CPU), rtol=1e-4)
