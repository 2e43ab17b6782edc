"""Non-maximum suppression, box for box as the CPU kernels choose."""

import numpy as np
from row import Case, Row, Tol, add


def boxes(rng, n, spread=20.0):
    at, size = rng.uniform(-spread, spread, (n, 2)), rng.uniform(0.1, 9, (n, 2))
    pairs = np.stack([at, at + size], 1)
    pairs[::5] = pairs[::5, ::-1]  # corners in the other order
    return pairs.reshape(n, 4).astype(np.float32)


def add_suppression(op):
    version = int(op[-1])
    names = ("max_output_size", "iou_threshold", "score_threshold")[: 2 if version == 2 else 3]

    def call(label, box, scores, limits, pad=False):
        given = dict(zip(names, limits, strict=False))
        host = {k: np.array(v, np.int32 if k == "max_output_size" else np.float32) for k, v in given.items()}
        args = {"boxes": box, "scores": scores} | host
        return Case(label, args, {"pad_to_max_output_size": pad} if version == 4 else {})

    def cases(dtype, rng):
        for n, limits in (
            (0, (3, 0.5, 0.1)),
            (1, (3, 0.5, -1)),
            (7, (0, 0.5, 0)),
            (60, (20, 0.3, 0.2)),
            (60, (100, 0.0, -5)),
            (33, (100, 1.0, 0.5)),
            (300, (1000, 0.1, 0.3)),
            (1500, (1200, 0.4, -9)),
        ):
            for pad in (False, True) if version == 4 else (False,):
                yield call(f"{n} {limits} {pad}", boxes(rng, n), rng.uniform(0, 1, n).astype(np.float32), limits, pad)
        same = np.float32([0.5, 0.9, 0.5, 0.9, 0.1] * 8)
        yield call("ties", boxes(rng, 40), same, (40, 0.2, 0.1))
        yield call("one box again and again", np.repeat(boxes(rng, 1), 40, 0), same, (40, 0.9, 0.1))
        yield call("no area", np.zeros((5, 4), np.float32), same[:5], (5, 0.5, 0.0))

    def invalid(dtype):
        rng = np.random.default_rng(1)
        box, scores = boxes(rng, 5), rng.uniform(0, 1, 5).astype(np.float32)
        yield call("overlap above 1", box, scores, (3, 1.5, 0))
        yield call("overlap below 0", box, scores, (3, -0.5, 0))
        yield call("scores", box, scores[:4], (3, 0.5, 0))
        yield call("columns", box[:, :3].copy(), scores, (3, 0.5, 0))

    # NaN has no place in an order, equal scores have several, and boxes that overflow have no overlap.
    add(Row(op, ("float32",), cases, None, tol=lambda _: Tol(), invalid=invalid, strewn=()))


for name in ("NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4"):
    add_suppression(name)
