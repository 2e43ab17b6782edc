"""Whether results for NaN, infinities and extremes are the CPU kernel's."""

import engine
import numpy as np
from row import finfo, is_float, numpy_type


def compare_special(row, key, case, got, answers):
    """What agrees with none of the answers.  Each is a CPU kernel's, and the reference's in float64 with the scale of its
    errors, or None; the first is told."""
    agreed = [agreement(row, key, case, got, *answer) for answer in answers]
    ok = np.logical_or.reduce(agreed)
    if ok.all():
        return []
    args = [np.asarray(v) for v in case.args.values() if not isinstance(v, list)]
    shown = [np.broadcast_to(v, got.shape)[~ok][:1] for v in args if v.shape in (got.shape, ())]
    return [f"{engine.first_bad(got, answers[0][0], ~ok)} from the CPU for {[str(s) for s in shown]}"]


def agreement(row, key, case, got, want, exact, scale):
    """Where an answer is the CPU kernel's, or as near to the reference's."""
    if got.dtype.kind == "c":
        return parts_agreement(row, key, case, got, want, exact, scale).all(-1)
    return parts_agreement(row, key, case, got, want, exact, scale)


def parts_agreement(row, key, case, got, want, exact, scale):
    if got.dtype.kind == "c":  # part by part
        got, want = (np.stack([v.real, v.imag], -1) for v in (got, want))
        exact = None if exact is None else np.stack([np.real(exact), np.imag(exact)], -1)
        scale = None if scale is None else np.asarray(scale)[..., None]
    name = engine.type_name(want)
    exact = None if np.shape(exact) != got.shape else exact
    if not is_float(name):
        return (got == want) | (False if exact is None else got == exact)
    tol = engine.tolerance(row, key)
    with np.errstate(all="ignore"):
        g, w = got.astype(np.float64), want.astype(np.float64)
        ok = agree(row, tol, name, g, w)
        if exact is not None:
            ok |= as_exact(row, name, tol, g, w, exact, scale)
            ok |= finite(case, got.shape) & agree(row, tol, name, g, exact.astype(numpy_type(name)).astype(np.float64))
        unknown = np.isfinite(w) & (True if exact is None else ~np.isfinite(exact))
        ok |= unknown & (np.abs(g - w) <= engine.allowance(w, name, tol)) & ~((g == 0) & (w == 0))
    return ok


def finite(case, shape):
    """Where all that an element may depend on is finite: there the exact result is as good as the CPU kernel's, which
    flushes, clamps and approximates."""
    ok = np.ones(shape, bool)
    for v in case.args.values():
        for part in v if isinstance(v, list) else [v]:
            at = np.isfinite(np.asarray(part).astype(np.float64))
            ok &= at if is_broadcast(at.shape, shape) else at.all()
    return ok


def is_broadcast(shape, to):
    return len(shape) <= len(to) and all(a in (1, b) for a, b in zip(shape[::-1], to[::-1], strict=False))


def as_exact(row, name, tol, g, w, exact, scale):
    """Where both are finite the row's own tolerance holds: near a zero, and where terms cancel, it is not relative."""
    both = np.isfinite(exact) & ~((g == 0) & (w == 0))
    ok = np.zeros(g.shape, bool)
    if name in ("float16", "bfloat16"):  # in which the CPU kernels compute, and overflow on the way
        ok |= agree(row, tol, name, g, exact)
    if scale is None:
        both &= np.isfinite(w)
    else:  # CPU kernels add the products of zeros that they pad with; and what overflows is a matter of the order
        ok |= ~np.isfinite(g) & ~np.isfinite(w) & ~np.isfinite(scale)
        ok |= np.isnan(exact) & np.isnan(g)
        ok |= np.isfinite(scale) & (np.asarray(scale) > float(finfo(name).max) / 2)
    return ok | (both & (np.abs(g - exact) <= engine.allowance(exact, name, tol, scale)))


def agree(row, tol, name, g, w):
    """Equal, or near: what is finite is measured by test_values, here the kinds of numbers count."""
    least = max(tol.abs, 4 * float(finfo(name).tiny))
    near = np.abs(g - w) <= 64 * float(finfo(name).eps) * np.abs(w) + least
    top = float(finfo(name).max)
    edge = (np.abs(w) > top * 0.98) & (np.abs(g) > top * 0.98) & (np.sign(g) == np.sign(w))
    ok = (np.isnan(g) & np.isnan(w)) | (g == w) | near | edge
    if row.exact_zero_sign and row.scale is None:  # a sum that is zero has the sign that its order gives it
        ok &= ~((g == 0) & (w == 0)) | (np.signbit(g) == np.signbit(w))
    return ok
