"""The mathematics: every op.

``registry`` has every `Op` of these files by name. The functions that are composed of ops need no rule of their own.
"""

from tinygrad_edu.engine import Op
from tinygrad_edu.ops import (  # and attach the methods of Tensor
    classification,
    convolution,
    dropout,
    elementwise,
    indexing,
    linalg,
    pooling,
    reduction,
    shape,
    windows,
)
from tinygrad_edu.ops import (
    methods as methods,
)
from tinygrad_edu.ops.classification import cross_entropy, log_softmax, softmax
from tinygrad_edu.ops.convolution import conv2d
from tinygrad_edu.ops.elementwise import (
    abs,
    add,
    astype,
    clip,
    cos,
    divide,
    exp,
    floor_divide,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    relu,
    remainder,
    sigmoid,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    tanh,
    where,
)
from tinygrad_edu.ops.indexing import getitem, scatter_add
from tinygrad_edu.ops.linalg import matmul
from tinygrad_edu.ops.pooling import avg_pool2d, max_pool2d
from tinygrad_edu.ops.reduction import logsumexp, max, mean, min, std, sum, var
from tinygrad_edu.ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    pad,
    reshape,
    squeeze,
    stack,
    swapaxes,
    transpose,
)
from tinygrad_edu.ops.windows import col2im, im2col

__all__ = [
    "abs", "add", "astype", "avg_pool2d", "broadcast_to", "clip", "col2im", "concatenate", "conv2d", "cos",
    "cross_entropy", "divide", "exp", "expand_dims", "flip", "floor_divide", "getitem", "im2col", "log",
    "log_softmax", "logsumexp", "matmul", "max", "max_pool2d", "maximum", "mean", "min", "minimum", "multiply",
    "negative", "pad", "power", "relu", "remainder", "reshape", "scatter_add", "sigmoid", "sign", "sin", "softmax",
    "sqrt", "square", "squeeze", "stack", "std", "subtract", "sum", "swapaxes", "tanh", "transpose", "var", "where",
]  # fmt: skip

registry: dict[str, Op] = {
    value.name: value
    for module in (
        elementwise,
        shape,
        indexing,
        reduction,
        linalg,
        classification,
        dropout,
        windows,
        convolution,
        pooling,
    )
    for value in vars(module).values()
    if isinstance(value, Op)
}
