"""A small autograd framework over NumPy, whole. The imports below are in the order of reading; `checks` may be skipped.

``loss = (x * w).sum(); loss.backward()`` does this:

1. ``x * w`` is ``multiply(x, w)`` (operators), and makes a Call (op). NumPy computes the array. If x or w needs a
   gradient, the result gets a Node (engine): the time, the nodes of these inputs, and the arrays for their vjps, which
   compute their gradients. Then ``sum`` does the same.
2. ``backward`` (tensor) starts a BackwardPass (engine) at the node of the loss, with the gradient 1.
3. The pass takes the newest node, computes the gradient of each of its parents by the vjps of its op, and adds it to
   what has arrived at that parent before. At last only leaves are left: their gradients are added to `grad`.

Seven ways to add to the core, to be read last. All are ordinary subclasses and assignments:

1. A subclass of Tensor, assigned to `Tensor.result_class`. There is one class of Tensors in a process: results,
   parameters and ``core.Tensor(...)`` are of that class.
2. A subclass of BackwardPass, assigned to `pass_class` of that class. Its steps are `add`, `pop_gradient`,
   `saved` (if it returns Tensors, the pass itself is recorded), `contribution`, `like_input` and `accumulate`.
3. A subclass of Call, assigned to `Op.call_class`. Its steps are `operand`, `compute`, `promoted`, `storage`, `node`
   and `values`. To watch calls, or to compute them in another way, extend `run`.
4. A subclass of Op, assigned to `Op.op_class`. Its steps are `bind` and `vjp`. What does not belong to a call stands in
   a table with ops as keys.
5. A subclass of Module. Its steps are `__call__` and `_members`. A layer then has two bases:
   ``class Linear(core.Linear, Module)``.
6. Another `forward` of an op, or another of its `vjps`, with the same result in less time.
7. A new op, by ``@op`` and `vjps`: to the engine, it is equal to those of this package.
"""

# isort: skip_file
from tinygrad_edu.core.engine import BackwardPass, Node, Storage, clock, no_grad, recording, unbroadcast, writing
from tinygrad_edu.core.operators import Operators
from tinygrad_edu.core.tensor import Tensor, values_of
from tinygrad_edu.core.op import Call, Op, op
from tinygrad_edu.core.arithmetic import add, divide, exp, log, maximum, multiply, negative, power, subtract, tanh
from tinygrad_edu.core.arrays import broadcast_to, getitem, linear, matmul, mean, reshape, scatter, sum, transpose
from tinygrad_edu.core.functional import col2im, conv2d, cross_entropy, dropout, im2col, log_softmax, softmax
from tinygrad_edu.core.module import Module
from tinygrad_edu.core.layers import Conv2D, Dropout, Flatten, Linear, Sequential, Softmax, Tanh
from tinygrad_edu.core.sgd import SGD, Optimizer
from tinygrad_edu.core.differences import check_gradient

__all__ = [
    "SGD", "BackwardPass", "Call", "Conv2D", "Dropout", "Flatten", "Linear", "Module", "Node", "Op", "Operators",
    "Optimizer", "Sequential", "Softmax", "Storage", "Tanh", "Tensor", "add", "broadcast_to", "check_gradient", "clock",
    "col2im", "conv2d", "cross_entropy", "divide", "dropout", "exp", "getitem", "im2col", "linear", "log",
    "log_softmax", "matmul", "maximum", "mean", "multiply", "negative", "no_grad", "op", "power", "recording",
    "reshape", "scatter", "softmax", "subtract", "sum", "tanh", "transpose", "unbroadcast", "values_of", "writing",
]  # fmt: skip
