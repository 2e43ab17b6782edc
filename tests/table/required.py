"""What the device must have: the ops of a Keras CNN's training step, in the types of TensorFlow's CUDA build (complex and
float64 aside)."""

from row import FLOATS, INTS, SIGNED
from rows_layout import CASTS

ARITHMETIC = FLOATS + INTS
EVERY = ARITHMETIC + ("bool",)

REQUIRED = {
    "AddN": FLOATS + ("int64", "uint32"),
    "AddV2": ARITHMETIC,
    "All": ("bool",),
    "ArgMax": FLOATS + ("bool",),
    "AssignVariableOp": EVERY,
    "AssignAddVariableOp": ARITHMETIC,
    "AssignSubVariableOp": ARITHMETIC,
    "BiasAdd": FLOATS,
    "BiasAddGrad": FLOATS,
    "Bitcast": FLOATS + INTS,
    "BitwiseAnd": INTS + ("int32",),
    "BroadcastTo": FLOATS + ("bool", "int64"),
    "Cast": tuple(c for c in CASTS if "float64" not in c),
    "Conv2D": FLOATS,
    "Conv2DBackpropFilter": FLOATS,
    "Conv2DBackpropInput": FLOATS,
    "DivNoNan": FLOATS,
    "Equal": EVERY,
    "Fill": FLOATS + ("bool", "int8", "int16", "int64", "uint8", "uint16"),
    "FloorDiv": ARITHMETIC,
    "FloorMod": ("float32", "float16") + INTS,
    "GreaterEqual": ARITHMETIC,
    "IsFinite": FLOATS,
    "LogicalAnd": ("bool",),
    "MatMul": FLOATS,
    "MaxPool": FLOATS,
    "MaxPoolGrad": FLOATS,
    "Maximum": ARITHMETIC,
    "Mean": FLOATS,
    "Mul": ARITHMETIC,
    "Neg": FLOATS + SIGNED,
    "Pack": FLOATS + ("bool", "int16", "int64", "uint32", "uint64"),
    "Pow": FLOATS + SIGNED,
    "Prod": FLOATS + ("int64",),
    "RealDiv": FLOATS,
    "Relu": ARITHMETIC,
    "ReluGrad": FLOATS,
    "Rsqrt": FLOATS,
    "RsqrtGrad": FLOATS,
    "SelectV2": EVERY + ("int32",),
    "SparseSoftmaxCrossEntropyWithLogits": FLOATS,
    "Sqrt": FLOATS,
    "Square": ARITHMETIC,
    "SquaredDifference": FLOATS + ("int64",),
    "StatelessRandomGetKeyCounter": ("any",),
    "StatelessRandomUniformV2": FLOATS,
    "StridedSlice": EVERY,
    "Sub": ARITHMETIC,
    "Sum": FLOATS + ("int64",),
    "Tile": FLOATS + ("bool", "int16", "int32", "int64"),
}

# In float64, where every device computes with doubles.
REQUIRED_DOUBLES = (
    "Abs", "Add", "AddN", "AddV2", "BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "BiasAdd", "BiasAddGrad", "Ceil", "Cos",
    "Cosh", "Cumprod", "Cumsum", "Div", "DivNoNan", "Elu", "EluGrad", "Equal", "EuclideanNorm", "Exp", "Expm1", "Floor", "FloorDiv", "FloorMod",
    "Greater", "GreaterEqual", "Inv", "IsFinite", "IsInf", "IsNan", "L2Loss", "Less", "LessEqual", "Log", "Log1p", "LogSoftmax", "MatMul",
    "Max", "Maximum", "Mean", "Min", "Minimum", "Mul", "NotEqual", "Pow", "Prod", "RealDiv", "Reciprocal", "Relu", "ReluGrad",
    "Rint", "Round", "Rsqrt", "RsqrtGrad", "Selu", "Sigmoid", "SigmoidGrad", "Sign", "Sin", "Sinh", "Softmax", "SoftmaxCrossEntropyWithLogits", "Softplus", "Sqrt",
    "SqrtGrad", "Square", "SquaredDifference", "Sub", "Sum", "Tanh", "TanhGrad", "Xdivy", "Xlog1py", "Xlogy",
)  # fmt: skip
