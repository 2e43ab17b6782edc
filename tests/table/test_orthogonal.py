"""Decompositions whose vectors are free in their signs, and where values coincide in more: put together again they are
the matrix they came of."""

import engine
import numpy as np
import pytest
import tensorflow as tf

EPS = float(np.finfo(np.float32).eps)
SHAPES = [(1, 1), (6, 6), (3, 9, 5), (2, 5, 9), (60, 47)]


def on_device(op, x, **attrs):
    return [y.numpy() for y in engine.call(op, {"input": engine.to_tensor(x)}, attrs, engine.DEVICE.name)]


def turned(x):
    return np.swapaxes(x, -1, -2)


def assert_near(got, want, size):
    assert got.shape == want.shape
    assert np.max(np.abs(got - want), initial=0) <= 64 * EPS * size


def assert_unitary(q):
    wide = q.astype(np.float64)
    assert_near(turned(wide) @ wide, np.broadcast_to(np.eye(q.shape[-1]), (*q.shape[:-2], q.shape[-1], q.shape[-1])), 1)


def degenerate():
    """Matrices that are singular, have values that coincide, and lie far from 1."""
    x = np.random.default_rng(3).uniform(-1, 1, (8, 5)).astype(np.float32)
    yield np.zeros((3, 4), np.float32)
    yield np.ones((5, 5), np.float32)
    yield np.eye(6, dtype=np.float32)
    yield np.concatenate([x, x], 1)
    yield x * np.float32(1e30)
    yield x * np.float32(1e-30)
    yield x * np.array([1, 1e-3, 1e-6, 1e-9, 1e-12], np.float32)


def matrices():
    rng = np.random.default_rng(1)
    yield from (rng.uniform(-1, 1, shape).astype(np.float32) for shape in SHAPES)
    yield from degenerate()


@pytest.mark.parametrize("full", [True, False])
def test_qr_is_the_matrix(full):
    for x in matrices():
        q, r = on_device("Qr", x, full_matrices=full)
        size = np.max(np.abs(x), initial=1e-37)
        if size != 1e-37 and not 1e-18 < size < 1e18:  # squares overflow or vanish: the CPU kernel's too
            continue
        assert_near(q.astype(np.float64) @ r, x.astype(np.float64), size * 4)
        assert_unitary(q)
        assert np.all(np.tril(r, -1) == 0)


def test_eigenvectors_are_the_matrix():
    for x in matrices():
        n = min(x.shape[-2:])
        x = x[..., :n, :n]
        e, v = on_device("SelfAdjointEigV2", x, compute_v=True)
        wide = np.tril(x).astype(np.float64)
        wide += turned(np.tril(wide, -1))
        assert_near((v.astype(np.float64) * e[..., None, :]) @ turned(v), wide, n * np.max(np.abs(x), initial=1e-37))
        assert_unitary(v)
        assert np.all(np.diff(e, axis=-1) >= 0)


@pytest.mark.parametrize("full", [True, False])
def test_singular_vectors_are_the_matrix(full):
    for x in matrices():
        s, u, v = on_device("Svd", x, compute_uv=True, full_matrices=full)
        few = s.shape[-1]
        size = np.max(np.abs(x), initial=1e-37)
        again = (u[..., :few].astype(np.float64) * s[..., None, :]) @ turned(v[..., :few])
        assert_near(again, x.astype(np.float64), size * 2)
        assert_unitary(u)
        assert_unitary(v)
        assert np.all(np.diff(s, axis=-1) <= 0)
        assert np.all(s >= 0)
        rows, columns = x.shape[-2:]
        assert u.shape[-1] == (rows if full else few)
        assert v.shape[-1] == (columns if full else few)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nothing_comes_of_what_is_not_finite(bad):
    x = np.random.default_rng(2).uniform(-1, 1, (5, 5)).astype(np.float32)
    x[3, 1] = bad
    assert np.isnan(on_device("SelfAdjointEigV2", x, compute_v=True)[0]).any()
    assert np.isnan(on_device("Svd", x, compute_uv=True, full_matrices=False)[0]).any()
    assert not np.isfinite(on_device("Qr", x, full_matrices=False)[1]).all()


def test_the_same_answer_twice():
    x = np.random.default_rng(4).uniform(-1, 1, (3, 21, 21)).astype(np.float32)
    for op, attrs in (("Qr", {}), ("SelfAdjointEigV2", {}), ("Svd", {"full_matrices": True})):
        for a, b in zip(on_device(op, x, **attrs), on_device(op, x, **attrs), strict=True):
            assert engine.same_bits(a, b)


def of_qr(x, weights):
    q, r = tf.linalg.qr(x)
    return tf.reduce_sum(weights[0] * tf.matmul(q, r)) + tf.reduce_sum(q[..., 0] * weights[1]) + tf.reduce_sum(r * r)


def of_eigenvectors(x, weights):
    e, v = tf.linalg.eigh(x)
    squared = tf.matmul(v * (e * e)[..., None, :], v, adjoint_b=True)
    return tf.reduce_sum(weights[0] * squared) + tf.reduce_sum(e * weights[1])


def of_singular_vectors(x, weights):
    s, u, v = tf.linalg.svd(x)
    squared = tf.matmul(u * (s * s)[..., None, :], v, adjoint_b=True)
    return tf.reduce_sum(weights[0] * squared) + tf.reduce_sum(s * weights[1][..., : s.shape[-1]])


def gradient(f, x, weights, device, dtype):
    with tf.device(device), tf.GradientTape() as tape:
        t = tf.constant(x, dtype)
        tape.watch(t)
        y = f(t, [tf.constant(w, dtype) for w in weights])
        return tape.gradient(y, t).numpy()


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (of_qr, (5, 5)),
        (of_qr, (2, 7, 4)),
        (of_eigenvectors, (5, 5)),
        (of_eigenvectors, (2, 4, 4)),
        (of_singular_vectors, (5, 5)),
        (of_singular_vectors, (2, 7, 4)),
        (of_singular_vectors, (4, 6)),
    ],
)
def test_gradients_are_the_cpus(f, shape):
    """On the device against the CPU in float64, of losses that do not depend on what is free."""
    rng = np.random.default_rng(6)
    n = min(shape[-2:])
    x = rng.uniform(-0.3, 0.3, shape)
    x[..., np.arange(n), np.arange(n)] += np.arange(1, n + 1)  # values apart
    x = x.astype(np.float32)
    weights = rng.uniform(-1, 1, shape), rng.uniform(-1, 1, shape[:-1])
    got = gradient(f, x, weights, engine.DEVICE.name, tf.float32)
    want = gradient(f, x.astype(np.float64), weights, engine.CPU, tf.float64)
    assert np.max(np.abs(got - want)) <= 512 * EPS * np.max(np.abs(want))
