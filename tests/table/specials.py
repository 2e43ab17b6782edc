"""Whether results for NaN, infinities and extremes are the CPU kernel's."""

import engine
import numpy as np
from row import finfo, is_float, numpy_type


def compare_special(row, key, case, got, want, exact):
    name = engine.type_name(want)
    if not is_float(name):
        return [engine.first_bad(got, want, got != want)] if (got != want).any() else []
    with np.errstate(all="ignore"):
        ok = agree(row, name, got.astype(np.float64), want.astype(np.float64))
        if exact is not None and exact.shape == got.shape:
            # Where every number is finite the exact result is as good: the CPU kernels flush, clamp and approximate.
            finite = np.ones(got.shape, bool)
            for v in case.args.values():
                v = np.isfinite(np.asarray(v).astype(np.float64))
                finite &= v if v.shape in ((), got.shape) else v.all()
            ok |= finite & agree(row, name, got.astype(np.float64), exact.astype(numpy_type(name)).astype(np.float64))
    if ok.all():
        return []
    shown = [np.broadcast_to(v, got.shape)[~ok][:1] for v in case.args.values() if np.shape(v) in (got.shape, ())]
    return [f"{engine.first_bad(got, want, ~ok)} for {[str(s) for s in shown]}"]


def agree(row, name, g, w):
    """Equal, or near: what is finite is measured by test_values, here the kinds of numbers count."""
    least = max(row.tol(name).abs, 4 * float(finfo(name).tiny))
    near = np.abs(g - w) <= 64 * float(finfo(name).eps) * np.abs(w) + least
    top = float(finfo(name).max)
    edge = (np.abs(w) > top * 0.98) & (np.abs(g) > top * 0.98) & (np.sign(g) == np.sign(w))
    ok = (np.isnan(g) & np.isnan(w)) | (g == w) | near | edge
    if row.exact_zero_sign:
        ok &= ~((g == 0) & (w == 0)) | (np.signbit(g) == np.signbit(w))
    return ok
