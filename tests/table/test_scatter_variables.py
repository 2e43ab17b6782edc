"""Rows of variables read and written by index: ResourceGather*, ResourceScatter*, ResourceStridedSliceAssign."""

import engine
import numpy as np
import on_variables
import pytest
import tensorflow as tf
from row import FLOATS, INTS, special_values, values

NUMBERS = FLOATS + INTS  # int32 variables live on the CPU
EVERY = NUMBERS + ("bool", "float64", "complex64", "complex128")
SCATTERS = {
    "Update": lambda a, b: b,
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": lambda a, b: a / b if a.dtype.kind not in "iu" else np.trunc(a / b),
    "Min": np.minimum,
    "Max": np.maximum,
}
#        variable     indices  highest index drawn
CASES = [((5,), (3,), 5), ((5, 3), (11,), 5), ((4, 2, 3), (2, 3), 4), ((7, 1), (), 7), ((300, 5), (200,), 300)]
CASES += [((5, 0), (3,), 5), ((5, 3), (0,), 5)]


def numbers(rng, shape, dtype):
    """Values whose sums and products stay exact and in range."""
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("complex"):
        return (rng.integers(1, 4, shape) + 1j * rng.integers(1, 4, shape)).astype(dtype)
    return np.asarray(rng.integers(1, 4, shape)).astype(engine.numpy_type(dtype))


def one_after_the_other(apply, x, indices, updates):
    """The reference: updates taken in order, in the variable's own type."""
    y = x.copy()
    rows = updates.reshape((indices.size, *x.shape[1:])) if updates.shape else [updates] * indices.size
    for i, u in zip(indices.reshape(-1), rows, strict=True):
        y[i] = np.asarray(apply(y[i], u)).astype(x.dtype)
    return y


@pytest.mark.parametrize("name", SCATTERS)
@pytest.mark.parametrize("index_type", ["int32", "int64"])
def test_scatter(name, index_type):
    rng = np.random.default_rng(5)
    op = f"ResourceScatter{name}"
    for dtype in EVERY if name == "Update" else NUMBERS:
        for shape, index_shape, high in CASES[:4] if dtype != "float32" else CASES:
            x, indices = numbers(rng, shape, dtype), np.asarray(rng.integers(0, high, index_shape)).astype(index_type)
            updates = numbers(rng, (*index_shape, *shape[1:]), dtype)
            if name == "Mul":
                updates[...] = 1 if dtype != "float32" else 2
                x, updates = (x, updates) if indices.size < 50 else (x, np.ones_like(updates))
            want = one_after_the_other(SCATTERS[name], x, indices, updates)
            with np.errstate(all="ignore"):
                (got,) = on_variables.run(op, {"resource": x}, {"indices": indices, "updates": updates})
            np.testing.assert_array_equal(got, want, err_msg=f"{op} {dtype} {shape} {index_shape}")


@pytest.mark.parametrize("name", ["Update", "Add", "Sub", "Min", "Max"])
def test_scatter_nd(name):
    rng = np.random.default_rng(6)
    op = f"ResourceScatterNd{name}"
    for dtype in EVERY if name == "Update" else NUMBERS:
        for shape, batch, depth in [((6,), (4,), 1), ((4, 5), (9,), 2), ((3, 4, 2), (2, 3), 2), ((3, 2, 2), (5,), 1)]:
            indices = np.stack([rng.integers(0, shape[d], batch) for d in range(depth)], -1).astype("int32")
            x, updates = numbers(rng, shape, dtype), numbers(rng, (*batch, *shape[depth:]), dtype)
            x = x + x.dtype.type(40) if name == "Sub" else x
            want = x.copy()
            for at in np.ndindex(batch):
                row = tuple(indices[at])
                want[row] = np.asarray(SCATTERS[name](want[row], updates[at])).astype(x.dtype)
            (got,) = on_variables.run(op, {"ref": x}, {"indices": indices, "updates": updates})
            np.testing.assert_array_equal(got, want, err_msg=f"{op} {dtype} {shape} {batch}")


@pytest.mark.parametrize("name", SCATTERS)
def test_one_update_for_all(name):
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    args = {"indices": np.array([3, 0, 3], np.int32), "updates": np.float32(2)}
    want = one_after_the_other(SCATTERS[name], x, args["indices"], args["updates"])
    (got,) = on_variables.run(f"ResourceScatter{name}", {"resource": x}, args)
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("name", ["Add", "Sub", "Mul", "Div", "Min", "Max"])
@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values(name, dtype):
    """NaN and infinities, against the CPU's kernel."""
    x, y = special_values(dtype)[:31], special_values(dtype)[:31][::-1].copy()
    if name in ("Min", "Max"):  # which operand wins is open where one is NaN, and between zeros of two signs
        keep = ~(np.isnan(x) | np.isnan(y) | ((x == 0) & (y == 0)))
        x, y = x[keep], y[keep]
    if name == "Div":  # the CPU's kernel refuses zeros
        x, y = x[y != 0], y[y != 0]
    args = {"indices": np.arange(len(x), dtype=np.int32), "updates": y}
    (got,) = on_variables.run(f"ResourceScatter{name}", {"resource": x}, args)
    (want,) = on_variables.run(f"ResourceScatter{name}", {"resource": x}, args, device=engine.CPU)
    # Subnormal results may be 0.
    np.testing.assert_allclose(got.astype("float32"), want.astype("float32"), rtol=1e-6, atol=1.2e-38)


def test_sums_are_the_same_every_time():
    """Many updates of few rows, with sums that depend on their order: in the order of the indices."""
    rng = np.random.default_rng(7)
    indices = rng.integers(0, 9, 20000).astype(np.int32)
    updates = (rng.standard_normal((20000, 3)) * 10.0 ** rng.integers(-6, 6, (20000, 1))).astype(np.float32)
    x = np.zeros((9, 3), np.float32)
    want = one_after_the_other(np.add, x, indices, updates)
    for _ in range(2):
        (got,) = on_variables.run("ResourceScatterAdd", {"resource": x}, {"indices": indices, "updates": updates})
        np.testing.assert_array_equal(got, want)


def test_indices_out_of_range_touch_nothing():
    if engine.DEVICE.name == engine.CPU:
        pytest.skip("an error there; the device cannot see indices, as in the CUDA build")
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    far = np.array([-1, 3, 2**31 - 1, 1], np.int32)
    (got,) = on_variables.run("ResourceScatterAdd", {"resource": x}, {"indices": far, "updates": np.ones((4, 2), "f")})
    np.testing.assert_array_equal(got, x + [[0, 0], [1, 1], [0, 0]])


@pytest.mark.parametrize(
    ("op", "indices", "updates"),
    [
        ("ResourceScatterAdd", np.zeros(2, np.int32), np.zeros((3, 2), "f")),
        ("ResourceScatterUpdate", np.zeros(2, np.int32), np.zeros((3, 2), "f")),
        ("ResourceScatterNdAdd", np.zeros((2, 1), np.int32), np.zeros((2, 3), "f")),
        ("ResourceScatterNdUpdate", np.zeros((2, 3), np.int32), np.zeros((2,), "f")),
        ("ResourceScatterNdSub", np.zeros((2, 1), np.int32), np.zeros((), "f")),
    ],
)
def test_shapes_that_do_not_fit(op, indices, updates):
    variable = "ref" if "Nd" in op else "resource"
    args = {"indices": indices, "updates": updates}
    on_variables.same_error_as_the_cpu(op, {variable: np.zeros((4, 2), "f")}, args)


def test_readers_keep_what_they_read():
    """A sparse update does not change earlier reads, and later dense updates see it."""
    with tf.device(engine.DEVICE.name):
        v = tf.Variable(tf.zeros([4, 2]))
        before = v.read_value()
        v.scatter_nd_add([[1]], tf.ones([1, 2]))
        between = v.read_value()
        v.assign_add(tf.ones([4, 2]))
        tf.raw_ops.ResourceScatterUpdate(resource=v.handle, indices=tf.constant([3]), updates=tf.constant([[9.0, 9]]))
        v.assign(v * 2)
        tf.raw_ops.ResourceScatterAdd(resource=v.handle, indices=tf.constant([0, 0]), updates=tf.ones([2, 2]))
    np.testing.assert_array_equal(before, np.zeros((4, 2)))
    np.testing.assert_array_equal(between, [[0, 0], [1, 1], [0, 0], [0, 0]])
    np.testing.assert_array_equal(v.numpy(), [[4, 4], [4, 4], [2, 2], [18, 18]])


GATHERS = [((4, 3, 5), (2, 3), 0), ((4, 3, 5), (4, 2), 1), ((2, 3, 4, 5), (2, 3, 7), 2), ((7,), (), 0), ((5, 0), (3,), 0),
           ((5, 3), (0,), 0), ((300, 33), (500,), 0)]  # fmt: skip


@pytest.mark.parametrize("dtype", EVERY)
def test_gather(dtype):
    rng = np.random.default_rng(8)
    for shape, index_shape, batch in GATHERS:
        x = values(rng, shape, dtype)
        for index_type in ("int32", "int64"):
            indices = rng.integers(0, shape[batch], index_shape).astype(index_type)
            args = {"resource": x}, {"indices": indices}
            got, left = on_variables.run("ResourceGather", *args, dtype=x.dtype, batch_dims=batch)
            np.testing.assert_array_equal(got, tf.gather(x, indices, batch_dims=batch).numpy())
            np.testing.assert_array_equal(left, x)


@pytest.mark.parametrize("dtype", [t for t in EVERY if t != "bool"])
def test_gather_nd(dtype):
    rng = np.random.default_rng(9)
    for shape, rows, depth in (((4, 3), (6,), 2), ((4, 3, 5), (2, 3), 1), ((4, 3), (3,), 0), ((4, 3), (0,), 2), ((7,), (), 1),
                               ((60, 7, 3), (500,), 2)):  # fmt: skip
        x = values(rng, shape, dtype)
        for index_type in ("int32", "int64"):
            each = [rng.integers(0, size, rows) for size in shape[:depth]]
            indices = (np.stack(each, -1) if each else np.zeros((*rows, 0))).astype(index_type)
            got, left = on_variables.run("ResourceGatherNd", {"resource": x}, {"indices": indices}, dtype=x.dtype)
            np.testing.assert_array_equal(got, x[tuple(each)] if each else np.broadcast_to(x, (*rows, *shape)))
            np.testing.assert_array_equal(left, x)


def test_gathering_fails_as_the_cpu_does():
    x, one = np.ones((4, 3), np.float32), np.zeros((2, 3), np.int32)
    on_variables.same_error_as_the_cpu("ResourceGather", {"resource": x}, {"indices": one}, dtype=x.dtype, batch_dims=3)
    on_variables.same_error_as_the_cpu("ResourceGatherNd", {"resource": x}, {"indices": one}, dtype=x.dtype)


SLICES = [
    lambda v, c: v[1:3].assign(c([[7, 8, 9, 1, 2], [1, 2, 3, 4, 5]])),
    lambda v, c: v[::-2, 1].assign(c([5, 6])),
    lambda v, c: v[..., -1].assign(c([1, 2, 3, 4])),
    lambda v, c: v[2, 3].assign(c(9)),
    lambda v, c: v[:, tf.newaxis, 2:4].assign(c([[[1, 2]], [[3, 4]], [[5, 6]], [[7, 8]]])),
    lambda v, c: v[3:1].assign(c(np.zeros((0, 5)))),
]


@pytest.mark.parametrize("assign", SLICES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "uint16", "int64", "bool", "complex64"])
def test_slice_assign(assign, dtype):
    def attempt(device):
        with tf.device(device):
            v = tf.Variable(tf.cast(tf.reshape(tf.range(20), [4, 5]), dtype))
            before = v.read_value()
            assign(v, lambda x: tf.cast(tf.constant(x, tf.float32), dtype))
            return before.numpy(), v.numpy()

    for got, want in zip(attempt(engine.DEVICE.name), attempt(engine.CPU), strict=True):
        np.testing.assert_array_equal(got, want)


def test_slice_assign_of_another_shape():
    def attempt(device):
        with tf.device(device):
            tf.Variable(tf.zeros([4, 5]))[1:3].assign(tf.ones([3, 5]))

    classes = []
    for device in (engine.DEVICE.name, engine.CPU):
        with pytest.raises((tf.errors.OpError, ValueError)) as raised:
            attempt(device)
        classes.append(raised.type)
    assert classes[0] is classes[1]
