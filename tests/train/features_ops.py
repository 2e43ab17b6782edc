"""Corners of the library: linear algebra, signals, pictures, random numbers, indices, other types."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from feature import POSITIVE, SQUARE, W, X, feature


@feature(near=3e-4)
def linear_algebra():
    a, p, b = (
        tf.constant(SQUARE),
        tf.constant(POSITIVE),
        tf.constant(SQUARE[:, :, 2:4]),
    )
    l = tf.linalg.cholesky(p)  # noqa: E741
    q, r = tf.linalg.qr(a)
    sign, log = tf.linalg.slogdet(p)
    return (tf.linalg.inv(a), tf.linalg.det(a), l, tf.linalg.solve(a, b), tf.linalg.cholesky_solve(l, b), tf.linalg.triangular_solve(l, b),
            tf.matmul(q, r), sign, log, tf.linalg.svd(a, compute_uv=False), tf.linalg.eigvalsh(p), tf.linalg.trace(a), tf.norm(a, axis=(1, 2)),
            tf.linalg.diag_part(a), tf.linalg.band_part(a, 1, 1), tf.linalg.set_diag(a, tf.ones((3, 5))), tf.linalg.adjoint(a),
            tf.linalg.lstsq(a, b, fast=False) if not tf.executing_eagerly() else tf.linalg.solve(a, b), tf.linalg.expm(a * 0.1), tf.linalg.cross(a[:, :1, :3], a[:, 1:2, :3]))  # fmt: skip


@feature(near=1e-3)
def gradients_of_linear_algebra():
    p, b = tf.constant(POSITIVE), tf.constant(SQUARE[:, :, :2])
    with tf.GradientTape() as tape:
        tape.watch([p, b])
        y = (
            tf.reduce_sum(tf.linalg.solve(p, b))
            + tf.reduce_sum(tf.linalg.logdet(p))
            + tf.reduce_sum(tf.linalg.cholesky(p))
            + tf.reduce_sum(tf.linalg.inv(p))
        )
    return tape.gradient(y, [p, b])


@feature(near=5e-4)  # the logarithm of small powers: the CPU itself is 2.3e-4 from float64
def short_time_fourier():
    x = tf.constant(np.sin(np.arange(400) ** 1.3 / 20).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        s = tf.signal.stft(x, 64, 16, 64)
        power = tf.abs(s) ** 2
        mel = tf.tensordot(power, tf.signal.linear_to_mel_weight_matrix(10, 33, 8000, 50.0, 3900.0), 1)
        loss = tf.reduce_mean(tf.math.log(mel + 1e-2))
    back = tf.signal.inverse_stft(s, 64, 16, 64, window_fn=tf.signal.inverse_stft_window_fn(16))
    return (
        power,
        tf.signal.mfccs_from_log_mel_spectrograms(tf.math.log(mel + 1e-2)),
        back,
        tape.gradient(loss, x),
        tf.signal.dct(x[:32]),
    )


@feature
def where_unique_and_masks():
    x = tf.constant(X)
    ids = tf.constant([3, 1, 3, 2, 1, 1])
    y, at = tf.unique(ids)
    parts = tf.dynamic_partition(x, [0, 1, 0, 1], 2)
    return (tf.where(x > 0), tf.boolean_mask(x, x > 0), tf.boolean_mask(x, [True, False, True, True]), y, at, *parts,
            tf.dynamic_stitch([[0, 2], [1, 3]], parts), tf.math.bincount(ids), tf.argsort(x), tf.sort(x, direction="DESCENDING"), *tf.math.top_k(x, 2))  # fmt: skip


@feature
def gathers_and_scatters():
    x, at = tf.constant(X), tf.constant([[0], [2], [0]])
    rows = tf.constant(W[:3])
    with tf.GradientTape() as tape:
        tape.watch([x, rows])
        y = [tf.gather(x, [2, 0, 2]), tf.gather(x, [[1, 0]] * 4, axis=1, batch_dims=1), tf.gather_nd(x, [[0, 1], [3, 2]]),
             tf.scatter_nd(at, rows, (4, 5)), tf.tensor_scatter_nd_add(x[:, :5], at, rows), tf.tensor_scatter_nd_update(x[:, :5], at[:2], rows[:2]),
             tf.math.segment_sum(x, [0, 0, 1, 3]), tf.math.unsorted_segment_mean(x, [1, 0, 1, 2], 3), tf.one_hot([0, 3, 5], 4)]  # fmt: skip
        loss = tf.add_n([tf.reduce_sum(v * v) for v in y])
    return y, tape.gradient(loss, [x, rows])


@feature
def sparse_tensors():
    at = np.array([[0, 1], [1, 4], [3, 0]], np.int64)
    values = tf.constant(X[0, :3])
    with tf.GradientTape() as tape:
        tape.watch(values)
        s = tf.SparseTensor(at, values, (4, 6))
        y = tf.sparse.sparse_dense_matmul(s, tf.constant(W))
        loss = tf.reduce_sum(y * y)
    return (
        y,
        tape.gradient(loss, values),
        tf.sparse.to_dense(s),
        tf.sparse.reduce_sum(s, 1),
        tf.sparse.to_dense(tf.sparse.transpose(s)),
    )


@feature
def einsum_and_tensordot():
    a, b = tf.constant(SQUARE), tf.constant(POSITIVE)
    with tf.GradientTape() as tape:
        tape.watch([a, b])
        y = [
            tf.einsum("bij,bjk->bik", a, b),
            tf.einsum("bij,cij->bc", a, b),
            tf.einsum("bii->bi", a),
            tf.tensordot(a, b, [[1], [2]]),
            tf.einsum("...ij->...ji", a),
        ]
        loss = tf.add_n([tf.reduce_sum(v * v) for v in y])
    return y, tape.gradient(loss, [a, b])


@feature
def images():
    x = tf.reshape(tf.linspace(0.0, 1.0, 2 * 8 * 8 * 3), (2, 8, 8, 3))
    return (tf.image.resize(x, (5, 11)), tf.image.resize(x, (16, 16), "nearest"), tf.image.flip_left_right(x), tf.image.rot90(x), tf.image.adjust_contrast(x, 1.5),
            tf.image.adjust_hue(x, 0.2), tf.image.adjust_saturation(x, 0.5), tf.image.rgb_to_grayscale(x), tf.image.crop_and_resize(x, [[0.1, 0.1, 0.8, 0.9]], [1], (4, 4)),
            tf.image.total_variation(x), tf.image.ssim(x[:1], x[1:], 1.0, filter_size=3), tf.image.psnr(x[:1], x[1:], 1.0), tf.image.extract_patches(x, [1, 3, 3, 1], [1, 2, 2, 1], [1, 1, 1, 1], "SAME"),
            *tf.image.image_gradients(x), tf.image.central_crop(x, 0.5), tf.image.per_image_standardization(x), tf.image.rgb_to_hsv(x), tf.image.sobel_edges(x))  # fmt: skip


@feature
def random_numbers():
    tf.random.set_seed(5)
    g = tf.random.Generator.from_seed(3, alg="philox") if tf.executing_eagerly() else None
    own = [g.uniform((7,)), g.normal((5,)), g.uniform((4,), 0, 9, tf.int32)] if g else []
    return (tf.random.stateless_uniform((9,), (1, 2)), tf.random.stateless_normal((9,), (1, 2)), tf.random.stateless_truncated_normal((9,), (3, 2)),
            tf.random.stateless_uniform((9,), (1, 2), 0, 10, tf.int32), tf.random.uniform((6,), seed=2), tf.random.normal((6,), seed=2), tf.random.shuffle(tf.range(9), seed=1),
            tf.random.experimental.stateless_shuffle(tf.constant(X), (1, 2)), tf.random.stateless_categorical(tf.constant(X), 5, (1, 2)), own)  # fmt: skip


@feature
def other_types():
    x = tf.constant(X)
    d, c = tf.cast(x, tf.float64), tf.complex(x, x * 2)
    n, u = tf.cast(x * 9, tf.int32), tf.cast(tf.abs(x) * 90, tf.uint8)
    return (d @ tf.cast(W, tf.float64), tf.abs(c), tf.math.real(c * tf.math.conj(c)), tf.math.angle(c), n * n + n // 3, tf.bitwise.bitwise_xor(n, n + 1), u + u,
            tf.reduce_max(n), tf.cast(u, tf.float16) * 2, tf.cast(x, tf.bfloat16) + 1, tf.bitcast(x, tf.int32), tf.saturate_cast(x * 900, tf.uint8),
            tf.reduce_sum(n, 0), tf.cumsum(n, 1), tf.math.floormod(n, 4), tf.range(3, 11, 2), tf.cast(tf.range(5), tf.float32) ** 2, tf.reduce_any(x > 2))  # fmt: skip


@feature(near=2e-4)
def special_functions():
    x = tf.constant(np.abs(X) + 0.2)
    return (tf.math.lgamma(x), tf.math.digamma(x), tf.math.erf(x), tf.math.igamma(x, x + 1), tf.math.betainc(x, x + 1, tf.nn.sigmoid(x)), tf.math.zeta(x + 1.5, x),
            tf.math.polygamma(1.0, x), tf.math.bessel_i0e(x), tf.math.ndtri(tf.nn.sigmoid(x)), tf.math.xlogy(x, x), tf.math.cumulative_logsumexp(x, 1), tf.math.nextafter(x, x + 1))  # fmt: skip


@feature(near=1e-4)
def losses_and_layers():
    x = tf.constant(X)
    logits, labels = (
        tf.constant(X[None, :2, :4] * np.arange(1, 6, dtype="float32")[:, None, None]),
        tf.constant([[1, 2], [2, 3]]),
    )
    ctc = tf.nn.ctc_loss(labels, logits, [2, 2], [5, 5], blank_index=0)
    picture = tf.reshape(tf.linspace(-1.0, 1.0, 2 * 6 * 6 * 4), (2, 6, 6, 4))
    return (ctc, tf.nn.local_response_normalization(picture), tf.nn.max_pool_with_argmax(picture, 2, 2, "SAME")[0], tf.nn.space_to_depth(picture, 2), tf.nn.depth_to_space(picture, 2),
            tf.nn.l2_loss(x), tf.nn.weighted_cross_entropy_with_logits(tf.nn.sigmoid(x), x, 2.0), tf.nn.in_top_k([1, 2, 3, 0], x, 2), tf.nn.crelu(x), tf.nn.selu(x), tf.nn.elu(x),
            tf.nn.moments(x, 0), tf.nn.erosion2d(picture, tf.zeros((2, 2, 4)), (1, 1, 1, 1), "SAME", "NHWC", (1, 1, 1, 1)), tf.nn.conv1d(x[None], tf.constant(W[None]), 1, "SAME"),
            tf.nn.avg_pool3d(picture[None], 2, 2, "SAME"), tf.nn.conv3d(picture[None], tf.ones((2, 2, 2, 4, 3)), (1, 1, 1, 1, 1), "SAME"), tf.nn.atrous_conv2d(picture, tf.ones((2, 2, 4, 3)), 2, "SAME"),
            tf.space_to_batch(picture, [2, 2], [[0, 0], [0, 0]]), tf.reverse_sequence(x, [1, 3, 6, 0], seq_axis=1), tf.roll(x, 2, 1), tf.sequence_mask([1, 3], 4), tf.nn.embedding_lookup_sparse(tf.constant(W), tf.sparse.from_dense([[1, 2], [3, 0]]), None, combiner="mean"))  # fmt: skip
