"""Corners of TensorFlow's semantics that no row reaches: conversions out of range, NaN in pools, very large tensors,
in-place chains, many dimensions, attributes at their edges."""

import engine
import numpy as np
import pytest
import tensorflow as tf
from engine import CPU, DEVICE
from row import TABLE, Case, numpy_type


def has(op, dtype):
    return DEVICE.name == CPU or dtype in engine.registered_keys(TABLE[op])


def needs(op, dtype="float32"):
    if not has(op, dtype):
        pytest.skip(f"{op} {dtype} has no kernel")


def gpu(op, attrs=None, **args):
    row = TABLE[op]
    out = engine.on_device(row, Case("", args, attrs or {}))
    return out[0] if len(out) == 1 else out


def cpu(op, attrs=None, **args):
    out = engine.on_cpu(TABLE[op], Case("", args, attrs or {}))
    return out[0] if len(out) == 1 else out


HALVES = ["float16", "bfloat16"]


@pytest.mark.parametrize("dtype", HALVES)
def test_half_results_overflow_to_infinity(dtype):
    top = {"float16": 65504.0, "bfloat16": 3.3895e38}[dtype]
    x = np.array([top, -top, top], numpy_type(dtype))
    y = np.array([top, -top, 1e-3], numpy_type(dtype))
    for op in ("AddV2", "Mul"):
        needs(op, dtype)
        np.testing.assert_array_equal(gpu(op, x=x, y=y).astype(np.float64), cpu(op, x=x, y=y).astype(np.float64))


def test_float16_keeps_subnormal_numbers():
    needs("AddV2", "float16")
    x = np.array([1, 2, 3, 513, 1023, 1024], np.uint16).view(np.float16)
    y = np.array([1, 1, 5, 510, 1, 1], np.uint16).view(np.float16)
    np.testing.assert_array_equal(gpu("AddV2", x=x, y=y).view(np.uint16), (x + y).view(np.uint16))
    np.testing.assert_array_equal(gpu("Neg", x=x).view(np.uint16), (-x).view(np.uint16))


def test_float32_division_rounds_as_ieee_has_it():
    """To the bit, wherever the device runs: divisors above 2^126, denormals on either side, ties, overflow."""
    needs("RealDiv")
    rng = np.random.default_rng(11)
    x, y = rng.integers(0, 1 << 32, (2, 200_000), np.uint64).astype(np.uint32).view(np.float32)
    top = np.array([1, 2, 3, 0x7FFFFF, 0x800000, 0x800001, 0x3F800000, 0x7E800000, 0x7F000000, 0x7F7FFFFF], np.uint32)
    near = np.concatenate([top, top | 0x80000000, np.uint32([0, 0x80000000, 0x7F800000, 0x7FC00000])]).view(np.float32)
    exact = rng.integers(1, 1 << 12, (2, 20_000)).astype(
        np.float32
    )  # quotients that are integers, and their neighbours
    x = np.concatenate(
        [x, np.repeat(near, len(near)), exact[0] * exact[1], np.nextafter(exact[0] * exact[1], 0, dtype=np.float32)]
    )
    y = np.concatenate([y, np.tile(near, len(near)), exact[0], exact[0]])
    with np.errstate(all="ignore"):
        wanted = x / y
    got = gpu("RealDiv", x=x, y=y)
    assert np.array_equal(np.isnan(got), np.isnan(wanted))
    good = ~np.isnan(wanted)
    if DEVICE.name == CPU:  # TensorFlow's CPU kernels flush denormals
        good &= (np.abs(wanted) >= 1.2e-38) & (np.abs(x) >= 1.2e-38) & (np.abs(y) >= 1.2e-38)
    np.testing.assert_array_equal(got[good].view(np.uint32), wanted[good].view(np.uint32))


POWERS = [(0, 0), (0, 1), (0, -1), (-0.0, -1), (-0.0, -3), (-0.0, 3), (-0.0, 2), (1, np.nan), (np.nan, 0), (-1, np.inf), (2, np.inf), (2, -np.inf),
          (0.5, np.inf), (0.5, -np.inf), (np.inf, -1), (np.inf, 2), (-np.inf, 3), (-np.inf, -3), (-np.inf, 2), (-2, 3), (-2, 2), (-2, -3), (-2, 0.5),
          (-8, 1 / 3), (1e30, 2), (1e-30, 2), (2, 127), (2, -126), (10, 38), (np.nan, 1), (1, np.inf), (-1, 5001), (-1.5, 7)]  # fmt: skip


def test_pow_at_its_corners():
    needs("Pow")
    x, y = (np.array(v, np.float32) for v in zip(*POWERS, strict=True))
    with np.errstate(all="ignore"):
        want = np.power(x, y)
    got = gpu("Pow", x=x, y=y)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    zero = want == 0
    np.testing.assert_array_equal(np.signbit(got[zero]), np.signbit(want[zero]))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int64"])
def test_integer_powers_wrap(dtype):
    needs("Pow", dtype)
    x = np.array([-3, -2, -1, 0, 1, 2, 3, 7, 11, 2], dtype)
    y = np.array([5, 63, 101, 0, 100, 62, 40, 3, 2, 7], dtype)
    np.testing.assert_array_equal(gpu("Pow", x=x, y=y), cpu("Pow", x=x, y=y))


SIGNS = np.array([7.5, -7.5, 7.5, -7.5, 6.0, -6.0, 6.0, -6.0, 0.0, -0.0, 1e-20, -1e-20, 5.3, 1e10], np.float32)
DIVISORS = np.array([2.0, 2.0, -2.0, -2.0, 3.0, 3.0, -3.0, -3.0, 3.0, 3.0, 3.0, 3.0, 1.1, 7.0], np.float32)


@pytest.mark.parametrize("op", ["FloorMod", "FloorDiv"])
def test_floor_division_signs(op):
    needs(op)
    np.testing.assert_allclose(gpu(op, x=SIGNS, y=DIVISORS), cpu(op, x=SIGNS, y=DIVISORS), rtol=1e-6, atol=0)


@pytest.mark.parametrize("target", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"])
def test_nan_and_out_of_range_to_integers(target):
    """C++ leaves these conversions open and TensorFlow's CPU kernels differ between types; what must hold is that the
    neighbours are right and that a repetition gives the same bits."""
    needs("Cast", f"float32>{target}")
    x = np.array([1.0, np.nan, 2.9, np.inf, 3.5, -np.inf, 100.0, 3e38, 5.0, -3e38, 0.0, 7.99], np.float32)
    a, b = (gpu("Cast", {"DstT": target}, x=x) for _ in range(2))
    assert a.tobytes() == b.tobytes()
    fine = np.isfinite(x) & (np.abs(x) < 1e6)
    np.testing.assert_array_equal(a[fine], x[fine].astype(target))


@pytest.mark.parametrize("target", ["int32", "int64"])
def test_truncation_is_toward_zero(target):
    needs("Cast", f"float32>{target}")
    x = np.array(
        [-2.99, -2.5, -1.5, -0.99, -0.5, -0.0, 0.5, 0.99, 1.5, 2.5, 2.99, 16777217.0, -2147483648.0, 2147483520.0],
        np.float32,
    )
    np.testing.assert_array_equal(gpu("Cast", {"DstT": target}, x=x), cpu("Cast", {"DstT": target}, x=x))


@pytest.mark.parametrize("source", ["int64", "uint64", "int32", "uint32"])
@pytest.mark.parametrize("target", ["float32", "float16", "bfloat16"])
def test_large_integers_round_to_the_nearest_float(source, target):
    needs("Cast", f"{source}>{target}")
    info = np.iinfo(source)
    x = np.array(
        [info.max, info.min, 16777217, 16777219, 33554435, 2049, 2051, 65519, 65520, 70000, 257, 259, 0, 1], source
    )
    with np.errstate(all="ignore"):
        want = cpu("Cast", {"DstT": target}, x=x).astype(np.float64)
    np.testing.assert_array_equal(gpu("Cast", {"DstT": target}, x=x).astype(np.float64), want)


def test_int64_arithmetic_uses_all_64_bits():
    x = np.array([2**40 + 3, -(2**41), 2**62, 123456789012345], np.int64)
    y = np.array([2**33 + 5, 2**35 - 1, 3, -98765432109], np.int64)
    with np.errstate(all="ignore"):
        for op, f in (
            ("AddV2", np.add),
            ("Sub", np.subtract),
            ("Mul", np.multiply),
            ("FloorDiv", np.floor_divide),
            ("FloorMod", np.mod),
        ):
            if has(op, "int64"):
                np.testing.assert_array_equal(gpu(op, x=x, y=y), f(x, y), err_msg=op)


@pytest.mark.parametrize("shape_x,shape_y", [((2, 1, 2, 1, 2, 1, 2), (1, 3, 1, 2, 1, 3, 1)), ((2, 1, 2, 1, 2, 1, 2, 1), (1, 2, 1, 2, 1, 2, 1, 2)),
                                             ((2, 2, 2, 2, 2, 2, 2, 2), (2, 1, 1, 1, 1, 1, 1, 2)), ((1,) * 8, (2,) * 8)])  # fmt: skip
def test_broadcasting_beyond_rank_six(shape_x, shape_y):
    """Past what TensorFlow's own kernels broadcast: right, or refused as they do."""
    if DEVICE.name == CPU:
        pytest.skip("TensorFlow's CPU kernels end below rank 6")
    x = np.arange(np.prod(shape_x), dtype=np.float32).reshape(shape_x)
    y = np.arange(np.prod(shape_y), dtype=np.float32).reshape(shape_y)
    np.testing.assert_array_equal(gpu("AddV2", x=x, y=y), x + y)


BIG = 65535 * 256 + 12345  # more groups of 256 than one axis of a grid may have


def test_a_tensor_past_one_grid_axis():
    needs("AddV2")
    x = np.arange(BIG, dtype=np.float32)
    np.testing.assert_array_equal(gpu("AddV2", x=x, y=np.float32(1)), x + 1)
    np.testing.assert_array_equal(gpu("Relu", features=-x[::-1] + 5), np.maximum(-x[::-1] + 5, 0))


def test_large_reductions():
    needs("Sum")
    x = np.ones(BIG, np.float32)
    assert gpu("Sum", {"keep_dims": False}, input=x, axis=np.array([0], np.int32)) == BIG
    wide = x[: 4096 * 4096].reshape(4096, 4096)
    np.testing.assert_array_equal(
        gpu("Sum", {"keep_dims": False}, input=wide, axis=np.array([0], np.int32)), np.full(4096, 4096)
    )
    np.testing.assert_array_equal(
        gpu("Sum", {"keep_dims": False}, input=wide[:2000], axis=np.array([1], np.int32)), np.full(2000, 4096)
    )


def test_more_rows_than_one_grid_axis():
    """70,000 rows of three: a reduction, a softmax and a cross-entropy that give each row a group."""
    x = np.random.default_rng(0).normal(size=(70_000, 3)).astype(np.float32)
    np.testing.assert_allclose(
        gpu("Sum", {"keep_dims": False}, input=x, axis=np.array([1], np.int32)), x.sum(1), rtol=1e-5, atol=1e-5
    )
    if has("Softmax", "float32"):
        np.testing.assert_allclose(gpu("Softmax", logits=x), cpu("Softmax", logits=x), rtol=1e-4)
    labels = np.arange(70_000, dtype=np.int64) % 3
    name = "SparseSoftmaxCrossEntropyWithLogits"
    for g, w in zip(gpu(name, features=x, labels=labels), cpu(name, features=x, labels=labels), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-6)


def test_max_pool_of_nan():
    """A window of nothing but NaN gives NaN or the least number, and no other window is touched."""
    needs("MaxPool")
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 5)).astype(np.float32)
    x[0, 2:4, 2:4, :] = np.nan
    attrs = {"ksize": [1, 2, 2, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
    got, want = gpu("MaxPool", attrs, input=x), x.reshape(1, 4, 2, 4, 2, 5).max(axis=(2, 4))
    clean = ~np.isnan(want)
    np.testing.assert_array_equal(got[clean], want[clean])
    assert not np.isfinite(got[~clean]).any() or (got[~clean] <= np.finfo(np.float32).min).all()


def test_max_pool_over_channels():
    """A window over depth: the CPU kernel's answer, or its refusal."""
    needs("MaxPool")
    case = Case("", {"input": np.random.default_rng(0).normal(size=(2, 4, 4, 6)).astype(np.float32)},
                {"ksize": [1, 1, 1, 2], "strides": [1, 1, 1, 2], "padding": "VALID"})  # fmt: skip
    want = engine.error_of("MaxPool", case, CPU)
    if want is None:
        error = engine.error_of("MaxPool", case, DEVICE.name)
        assert error in (None, tf.errors.UnimplementedError)
        if error is None:
            np.testing.assert_array_equal(
                engine.on_device(TABLE["MaxPool"], case)[0], engine.on_cpu(TABLE["MaxPool"], case)[0]
            )
    else:
        assert engine.error_of("MaxPool", case, DEVICE.name) is want


def test_convolution_carries_nan_and_infinity():
    needs("Conv2D")
    x = np.random.default_rng(0).normal(size=(1, 9, 9, 3)).astype(np.float32)
    w = np.random.default_rng(1).normal(size=(3, 3, 3, 9)).astype(np.float32)
    x[0, 4, 4, 1], x[0, 0, 0, 0] = np.nan, np.inf
    attrs = {"strides": [1, 1, 1, 1], "padding": "SAME"}
    got, want = gpu("Conv2D", attrs, input=x, filter=w), cpu("Conv2D", attrs, input=x, filter=w)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_in_place_results_do_not_change_their_inputs():
    """An output may take the buffer of an input that nobody else needs; here somebody does."""
    with tf.device(DEVICE.name):
        x = tf.identity(tf.constant(np.arange(1000, dtype=np.float32)))
        y = tf.nn.relu(x - 500.0)
        z = x + y
        w = tf.sqrt(z * z)
    np.testing.assert_array_equal(x.numpy(), np.arange(1000))
    np.testing.assert_array_equal(y.numpy(), np.maximum(np.arange(1000) - 500, 0))
    np.testing.assert_array_equal(w.numpy(), z.numpy())


def test_the_same_tensor_twice():
    with tf.device(DEVICE.name):
        x = tf.identity(tf.constant(np.arange(1, 1001, dtype=np.float32)))
        np.testing.assert_array_equal((x * x).numpy(), np.arange(1, 1001, dtype=np.float32) ** 2)
        np.testing.assert_array_equal((x - x).numpy(), np.zeros(1000))
        np.testing.assert_array_equal(tf.add_n([x, x, x]).numpy(), 3 * np.arange(1, 1001, dtype=np.float32))


def test_views_at_odd_offsets():
    """Rows of a tensor handed out without a copy do not start at a multiple of 16 bytes."""
    with tf.device(DEVICE.name):
        x = tf.identity(tf.constant(np.arange(7 * 9, dtype=np.float32).reshape(7, 9)))
        for i, row in enumerate(tf.unstack(x)):
            np.testing.assert_array_equal((row + 1.0).numpy(), np.arange(9) + 9 * i + 1)
        for i in range(7):
            np.testing.assert_array_equal(
                tf.nn.relu(x[i:]).numpy(), np.arange(7 * 9, dtype=np.float32).reshape(7, 9)[i:]
            )


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 9, 17, 33, 63, 65])
@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16"])
def test_narrow_types_write_only_their_own_bytes(n, dtype):
    """Elements smaller than a machine word next to one another."""
    if dtype == "bool":
        x = np.arange(n) % 3 == 0
        np.testing.assert_array_equal(gpu("LogicalAnd", x=x, y=np.array(True)), x)
    else:
        needs("AddV2", dtype)
        x = np.arange(n).astype(dtype)
        np.testing.assert_array_equal(
            gpu("AddV2", x=x, y=np.array(250 if dtype != "int8" else 120, dtype)),
            (x + np.array(250 if dtype != "int8" else 120, dtype)).astype(dtype),
        )


def test_functions_loops_and_conditions():
    """Control flow around device ops, in a graph."""

    @tf.function
    def power(x):
        y = tf.ones_like(x)
        for _ in tf.range(10):
            y = y * x
        return tf.cond(tf.reduce_sum(x) > 0.0, lambda: y, lambda: -y)

    with tf.device(DEVICE.name):
        x = tf.identity(tf.constant([1.0, 2.0, -1.0]))
        y = power(x)
    np.testing.assert_array_equal(y.numpy(), [1.0, 1024.0, 1.0])


def test_many_threads_at_once():
    """Eager calls from eight threads: TensorFlow serves them on one stream, and none sees another's numbers."""
    from concurrent.futures import ThreadPoolExecutor

    def work(seed):
        x = np.full(2000, float(seed), np.float32)
        with tf.device(DEVICE.name):
            y = tf.constant(x)
            for _ in range(20):
                y = y * 2.0 - tf.constant(x)
        return y.numpy()

    with ThreadPoolExecutor(8) as pool:
        for seed, y in enumerate(pool.map(work, range(32))):
            np.testing.assert_array_equal(y, np.full(2000, float(seed)))


def test_a_neighbour_of_weight_zero_takes_part_in_a_resized_gradient():
    """An output that lies on a pixel reads it twice, with weights 1 and 0: NaN where its gradient is infinite."""
    dy = np.ones((1, 4, 4, 1), np.float32)
    dy[0, 2, 2, 0] = np.inf
    found = []
    for device in (engine.DEVICE.name, engine.CPU):
        with tf.device(device):
            found.append(
                tf.raw_ops.ResizeBilinearGrad(grads=dy, original_image=np.zeros((1, 2, 2, 1), np.float32)).numpy()
            )
    assert np.isnan(found[1]).any()
    np.testing.assert_array_equal(found[0], found[1])
