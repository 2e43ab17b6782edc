"""The fused recurrent cells of TensorFlow 1: LSTMBlockCell, BlockLSTM, GRUBlockCell and their gradients."""

import numpy as np
from row import Case, Row, Tol, add, finfo, values
from scipy.special import expit

HALF_AND_SINGLE = ("float32", "float16")
# steps, batch, inputs, units, steps that count
SIZES = [(4, 3, 5, 2, 4), (3, 2, 4, 8, 2), (1, 1, 1, 1, 1), (2, 2, 3, 4, 0), (5, 4, 16, 33, 3)]


def weights(rng, dtype, inputs, units):
    return {
        "w": values(rng, (inputs + units, 4 * units), dtype, -0.6, 0.6),
        **{k: values(rng, (units,), dtype, -0.6, 0.6) for k in ("wci", "wcf", "wco")},
        "b": values(rng, (4 * units,), dtype, -0.6, 0.6),
    }


def options(second):
    for peephole in (False, True):
        for clip in (0.4, -1.0):
            attrs = {"use_peephole": peephole, "cell_clip": clip}
            yield attrs if second else attrs | {"forget_bias": 0.5}


def cell_args(rng, dtype, batch, inputs, units):
    state = {k: values(rng, (batch, units), dtype, -1, 1) for k in ("cs_prev", "h_prev")}
    return {"x": values(rng, (batch, inputs), dtype, -1, 1)} | state | weights(rng, dtype, inputs, units)


def whole_args(rng, dtype, size):
    steps, batch, inputs, units, used = size
    args = cell_args(rng, dtype, batch, inputs, units)
    args["x"] = values(rng, (steps, batch, inputs), dtype, -1, 1)
    return {"seq_len_max": np.array(used, np.int64)} | args


def single(attrs):
    """The attribute as the kernel has it."""
    return {k: np.float64(np.float32(v)) if isinstance(v, float) else v for k, v in attrs.items()}


def cell(a, attrs, second=False):
    """i, cs, f, o, ci, co, h of one step."""
    g = np.concatenate([a["x"], a["h_prev"]], 1) @ a["w"] + a["b"]
    i, ci, f, o = np.split(g, 4, 1)
    if second:
        ci, f = f, ci
    peephole = attrs["use_peephole"]
    i = expit(i + (a["cs_prev"] * a["wci"] if peephole else 0))
    f = expit(f + attrs.get("forget_bias", 0) + (a["cs_prev"] * a["wcf"] if peephole else 0))
    ci = np.tanh(ci)
    cs = i * ci + f * a["cs_prev"]
    clip = attrs["cell_clip"]
    cs = np.clip(cs, -clip, clip) if clip > 0 else cs
    o = expit(o + (cs * a["wco"] if peephole else 0))
    co = np.tanh(cs)
    return i, cs, f, o, ci, co, o * co


def whole(a, attrs, second=False):
    steps, batch, _ = a["x"].shape
    out = [np.zeros((steps, batch, a["cs_prev"].shape[1])) for _ in range(7)]
    now = dict(a)
    for t in range(int(a["seq_len_max"])):
        now["x"] = a["x"][t]
        for y, value in zip(out, cell(now, attrs, second), strict=True):
            y[t] = value
        now["cs_prev"], now["h_prev"] = out[1][t], out[6][t]
    return tuple(out)


def step_gradient(a, k, attrs, second=False):
    """Gradients of the cell before and of the gates, and the gates apart."""
    p = {n: a[n] if attrs["use_peephole"] else np.zeros_like(a[n]) for n in ("wci", "wcf", "wco")}
    do = k["o"] * (1 - k["o"]) * k["h_grad"] * k["co"]
    dcs = (1 - k["co"] ** 2) * k["h_grad"] * k["o"] + k["cs_grad"] + do * p["wco"]
    dci = (1 - k["ci"] ** 2) * dcs * k["i"]
    df = k["f"] * (1 - k["f"]) * dcs * a["cs_prev"]
    di = k["i"] * (1 - k["i"]) * dcs * k["ci"]
    gates = np.concatenate([di, df, dci, do] if second else [di, dci, df, do], 1)
    return dcs * k["f"] + di * p["wci"] + df * p["wcf"], gates, (di, df, do)


def peephole_sums(a, cs, parts, attrs):
    if not attrs["use_peephole"]:
        return tuple(np.zeros_like(a[n]) for n in ("wci", "wcf", "wco"))
    di, df, do = parts
    return (di * a["cs_prev"]).sum(0), (df * a["cs_prev"]).sum(0), (do * cs).sum(0)


KEPT = ("i", "cs", "f", "o", "ci", "co", "h")


def cell_gradient(a, attrs):
    before, gates, parts = step_gradient(a, a, attrs)
    return (before, gates, *peephole_sums(a, a["cs"], parts, attrs))


def whole_gradient(a, attrs, second=False):
    x, w = a["x"], a["w"]
    steps, batch, inputs = x.shape
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(a["b"])
    dcs, dh = np.zeros_like(a["cs_prev"]), np.zeros_like(a["h_prev"])
    sums = [np.zeros_like(a[n]) for n in ("wci", "wcf", "wco")]
    for t in reversed(range(int(a["seq_len_max"]))):
        now = dict(a)
        if t:
            now["cs_prev"], now["h_prev"] = a["cs"][t - 1], a["h"][t - 1]
        k = {n: a[n][t] for n in (*KEPT, "cs_grad", "h_grad")}
        k["cs_grad"], k["h_grad"] = k["cs_grad"] + dcs, k["h_grad"] + dh
        dcs, gates, parts = step_gradient(now, k, attrs, second)
        back = gates @ w.T
        dx[t], dh = back[:, :inputs], back[:, inputs:]
        dw += np.concatenate([x[t], now["h_prev"]], 1).T @ gates
        db += gates.sum(0)
        sums = [s + more for s, more in zip(sums, peephole_sums(now, k["cs"], parts, attrs), strict=True)]
    return dx, dcs, dh, dw, *sums, db


def cell_cases(dtype, rng):
    for _, batch, inputs, units, _ in SIZES:
        for attrs in options(False):
            yield Case(f"{batch}x{inputs}x{units} {attrs}", cell_args(rng, dtype, batch, inputs, units), attrs)


def cell_gradient_cases(dtype, rng):
    for _, batch, inputs, units, _ in SIZES:
        for peephole in (False, True):
            args = cell_args(rng, dtype, batch, inputs, units)
            args |= {k: values(rng, (batch, units), dtype, -1, 1) for k in (*KEPT[:6], "cs_grad", "h_grad")}
            yield Case(f"{batch}x{inputs}x{units} {peephole}", args, {"use_peephole": peephole})


def whole_cases(second):
    def make(dtype, rng):
        for size in SIZES:
            for attrs in options(second):
                # Behind the steps that count the CPU's kernel leaves some outputs as they come.
                yield Case(f"{size} {attrs}", whole_args(rng, dtype, size), attrs, cpu=size[0] == size[4])

    return make


def whole_gradient_cases(dtype, rng):
    for size in SIZES:
        for peephole in (False, True):
            args = whole_args(rng, dtype, size)
            shape = (size[0], size[1], size[3])
            args |= {k: values(rng, shape, dtype, -1, 1) for k in (*KEPT, "cs_grad", "h_grad")}
            yield Case(f"{size} {peephole}", args, {"use_peephole": peephole})


def bad_cell(dtype):
    rng = np.random.default_rng(1)
    args, attrs = cell_args(rng, dtype, 2, 3, 4), {"use_peephole": True}
    yield Case("w", args | {"w": args["w"][:-1]}, attrs)
    yield Case("b", args | {"b": args["b"][:-1]}, attrs)
    yield Case("h_prev", args | {"h_prev": args["h_prev"][:1]}, attrs)


def bad_whole(dtype):
    args = whole_args(np.random.default_rng(1), dtype, (3, 2, 3, 4, 3))
    attrs = {"use_peephole": True}
    yield Case("w", args | {"w": args["w"][:-1]}, attrs)


def tol(dtype):
    return Tol(abs=4e-6, ulp=16) if dtype == "float32" else Tol(ulp=4, abs=8 * float(finfo(dtype).eps))


def sums_tol(dtype):
    return Tol(abs=2e-5, ulp=16) if dtype == "float32" else Tol(ulp=4, abs=32 * float(finfo(dtype).eps))


STRICTER = {"stricter": ("must have the shape",), "awkward": "moderate"}
add(
    Row(
        "LSTMBlockCell",
        HALF_AND_SINGLE,
        cell_cases,
        lambda a, at: cell(a, single(at)),
        tol=tol,
        invalid=bad_cell,
        **STRICTER,
    )
)
add(Row("LSTMBlockCellGrad", HALF_AND_SINGLE, cell_gradient_cases, cell_gradient, tol=sums_tol, **STRICTER))
for name, second in (("", False), ("V2", True)):
    add(
        Row(
            f"BlockLSTM{name}",
            HALF_AND_SINGLE,
            whole_cases(second),
            lambda a, at, second=second: whole(a, single(at), second),
            tol=tol,
            invalid=bad_whole,
            **STRICTER,
        )
    )
    add(
        Row(
            f"BlockLSTMGrad{name}",
            HALF_AND_SINGLE,
            whole_gradient_cases,
            lambda a, at, second=second: whole_gradient(a, at, second),
            tol=sums_tol,
            **STRICTER,
        )
    )


def gru_args(rng, dtype, batch, inputs, units):
    return {
        "x": values(rng, (batch, inputs), dtype, -1, 1),
        "h_prev": values(rng, (batch, units), dtype, -1, 1),
        "w_ru": values(rng, (inputs + units, 2 * units), dtype, -0.6, 0.6),
        "w_c": values(rng, (inputs + units, units), dtype, -0.6, 0.6),
        "b_ru": values(rng, (2 * units,), dtype, -0.6, 0.6),
        "b_c": values(rng, (units,), dtype, -0.6, 0.6),
    }


def gru_cases(dtype, rng):
    for _, batch, inputs, units, _ in SIZES:
        yield Case(f"{batch}x{inputs}x{units}", gru_args(rng, dtype, batch, inputs, units))


def gru(a, attrs):
    g = expit(np.concatenate([a["x"], a["h_prev"]], 1) @ a["w_ru"] + a["b_ru"])
    r, u = np.split(g, 2, 1)
    c = np.tanh(np.concatenate([a["x"], r * a["h_prev"]], 1) @ a["w_c"] + a["b_c"])
    return r, u, c, u * a["h_prev"] + (1 - u) * c


def gru_gradient_cases(dtype, rng):
    for _, batch, inputs, units, _ in SIZES:
        more = {k: values(rng, (batch, units), dtype, -1, 1) for k in ("r", "u", "c", "d_h")}
        yield Case(f"{batch}x{inputs}x{units}", gru_args(rng, dtype, batch, inputs, units) | more)


def gru_gradient(a, attrs):
    inputs, r, u, c, d_h = a["x"].shape[1], a["r"], a["u"], a["c"], a["d_h"]
    d_c = d_h * (1 - u) * (1 - c**2)
    d_u = d_h * (a["h_prev"] - c) * u * (1 - u)
    by_c = d_c @ a["w_c"].T
    d_r = by_c[:, inputs:] * a["h_prev"] * r * (1 - r)
    d_gates = np.concatenate([d_r, d_u], 1)
    by_gates = d_gates @ a["w_ru"].T
    d_h_prev = by_gates[:, inputs:] + by_c[:, inputs:] * r + d_h * u
    return by_gates[:, :inputs] + by_c[:, :inputs], d_h_prev, d_c, d_gates


def bad_gru(dtype):
    args = gru_args(np.random.default_rng(1), dtype, 2, 3, 4)
    yield Case("w_c", args | {"w_c": args["w_c"][:-1]})
    yield Case("b_ru", args | {"b_ru": args["b_ru"][:-1]})


add(Row("GRUBlockCell", ("float32",), gru_cases, gru, tol=tol, invalid=bad_gru, **STRICTER))
add(Row("GRUBlockCellGrad", ("float32",), gru_gradient_cases, gru_gradient, tol=sums_tol, **STRICTER))
