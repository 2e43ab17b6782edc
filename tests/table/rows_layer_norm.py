"""Layer and instance normalization in the forms that TensorFlow's remapper makes where oneDNN is on."""

import numpy as np
from row import FLOATS, Case, Row, Tol, add, finfo, values

ALPHA, EPSILON = 0.3, 1e-3
# shape of x, reduced axes, shape of scale, shape of offset
LAYERS = [((4, 6, 16), (-1,), (16,), (16,)), ((3, 7), (-1,), (7,), (7,)), ((5, 1), (-1,), (1,), (1,))]
LAYERS += [((2, 3, 4, 129), (-1,), (129,), (129,)), ((0, 8), (-1,), (8,), (8,)), ((9,), (-1,), (9,), ())]
INSTANCES = [((2, 5, 7, 16), (1, 2), (16,), (16,)), ((2, 3, 4, 5, 3), (1, 2, 3), (3,), (1, 1, 1, 1, 3))]
INSTANCES += [((2, 5, 6, 7), (2, 3), (5, 1, 1), (1, 5, 1, 1)), ((1, 3, 2, 4, 5), (2, 3, 4), (3, 1, 1, 1), ())]
INSTANCES += [((2, 5, 7, 6), (1, 2), (5, 1, 6), (7, 6)), ((3, 4, 5, 6), (1, 3), (4, 1, 6), (6,))]
INSTANCES += [((1, 200, 200, 3), (1, 2), (3,), (3,)), ((3, 0, 4, 2), (1, 2), (2,), (2,))]


def cases(shapes, names, instance):
    def make(dtype, rng):
        for n, (shape, axes, scale, offset) in enumerate(shapes):
            args = {"x": values(rng, shape, dtype, -2, 3)}
            args |= {names[0]: values(rng, scale, dtype, 0.5, 2), names[1]: values(rng, offset, dtype, -1, 1)}
            attrs = {"epsilon": EPSILON}
            if instance:
                fused = [[], ["Relu"], ["LeakyRelu"]][n % 3]
                attrs |= {"reduction_axes": list(axes), "fused_ops": fused, "leakyrelu_alpha": ALPHA}
            yield Case(f"{shape} {axes} {scale} {offset} {attrs.get('fused_ops')}", args, attrs, cpu=False)

    return make


def reference(args, attrs):
    x, scale, offset = args.values()
    axes = tuple(attrs.get("reduction_axes", (-1,)))
    if not x.size:
        return x
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    y = (x - mean) / np.sqrt(variance + np.float64(np.float32(EPSILON))) * scale + offset
    fused = attrs.get("fused_ops") or ["Identity"]
    slope = {"Identity": 1, "Relu": 0, "LeakyRelu": np.float64(np.float32(ALPHA))}[fused[0]]
    return np.where(y > 0, y, slope * y)


def tol(dtype):
    return Tol(ulp=8, abs=1e-5) if dtype == "float32" else Tol(ulp=2, abs=4 * float(finfo(dtype).eps))


add(Row("_MklLayerNorm", FLOATS, cases(LAYERS, ("scale", "offset"), False), reference, tol=tol))
add(Row("_MklFusedInstanceNorm", FLOATS, cases(INSTANCES, ("gamma", "beta"), True), reference, tol=tol))
