"""The list of features that features.py runs, the numbers they run on, and how results are compared."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

FEATURES = {}
RNG = np.random.default_rng(20)
X = RNG.normal(size=(4, 6)).astype("float32")
W = RNG.normal(size=(6, 5)).astype("float32")
SQUARE = (RNG.normal(size=(3, 5, 5)) + 3 * np.eye(5)).astype("float32")
POSITIVE = (SQUARE @ np.swapaxes(SQUARE, 1, 2)).astype("float32")


def feature(f=None, *, graph=True, eager=True, near=2e-5):
    """Adds a function to the list; `near` is the allowed error in units of a result's largest value."""

    def add(g):
        FEATURES[g.__name__] = (g, graph, eager, near)
        return g

    return add(f) if f else add


def flat(result) -> list[np.ndarray]:
    return [np.asarray(v) for v in tf.nest.flatten(result, expand_composites=True)]


def difference(got: list, want: list, near: float) -> str:
    """What differs, or ""."""
    if len(got) != len(want):
        return f"{len(got)} results, the CPU has {len(want)}"
    for i, (g, w) in enumerate(zip(got, want, strict=True)):
        if g.shape != w.shape or g.dtype != w.dtype:
            return f"result {i} is {g.dtype}{g.shape}, the CPU's {w.dtype}{w.shape}"
        if w.dtype.kind in "biuSO":
            if not np.array_equal(g, w):
                return f"result {i} is {g.ravel()[:6]}, the CPU's {w.ravel()[:6]}"
            continue
        loose = near if w.dtype.itemsize > 2 else 1e-2
        g, w = (v.astype(np.complex128 if w.dtype.kind == "c" else np.float64) for v in (g, w))
        scale = float(np.max(np.abs(w[np.isfinite(w)]), initial=1e-3))
        if not np.allclose(g, w, rtol=loose, atol=loose * scale, equal_nan=True):
            return f"result {i} is {g.ravel()[:4]}, the CPU's {w.ravel()[:4]}: off by {np.nanmax(np.abs(g - w)):.2g} of {scale:.2g}"
    return ""
