"""Calls of functions and methods with Tensors, arrays and numbers. `test_types.py` checks the types."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import tinygrad_edu as tg
from tinygrad_edu import nn

Array = NDArray[Any]
t, a = tg.Tensor([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0, 2.0], [3.0, 5.0]])
anything: Any = t


@tg.op
def cube(x: Array, /, by: float = 1.0) -> Array:
    y: Array = x * x * x * by
    return y


# ops, of one input and of several
assert_type(tg.sum(t), tg.Tensor)
assert_type(tg.sum(t, axis=0), tg.Tensor)
assert_type(tg.sum(a, axis=0), Array)
assert_type(tg.exp([1.0, 2.0]), Array)
assert_type(tg.multiply(2.0, t), tg.Tensor)
assert_type(tg.multiply(a, t), tg.Tensor)
assert_type(tg.multiply(a, 2.0), Array)
assert_type(tg.multiply(t, anything), tg.Tensor)
assert_type(tg.where(a > 0, 1.0, t), tg.Tensor)
assert_type(cube(t, by=2.0), tg.Tensor)
assert_type(cube(a, 2.0), Array)

# functions composed of ops
assert_type(tg.gelu(t), tg.Tensor)
assert_type(tg.softmax(a), Array)
assert_type(tg.clip(a, 0.0, t), tg.Tensor)
assert_type(tg.linear(a, a, bias=t[0]), tg.Tensor)
assert_type(tg.linear(a, a), Array)
assert_type(nn.mse_loss(a, a), Array)
assert_type(nn.mse_loss(a, t, "sum"), tg.Tensor)
assert_type(tg.cross_entropy(t, np.array([0, 1])), tg.Tensor)
assert_type(tg.linalg.norm(t), tg.Tensor)
assert_type(tg.norm(t, 2, axis=1), tg.Tensor)
assert_type(tg.dot(a, t), tg.Tensor)

# sequences
assert_type(tg.concatenate([t, t]), tg.Tensor)
assert_type(tg.concatenate([t, a]), tg.Tensor)
assert_type(tg.stack((np.ones(2), np.ones(2))), Array)
assert_type(tg.split(t, 2), list[tg.Tensor])
assert_type(tg.unstack(a), tuple[Array, ...])
assert_type(tg.atleast_2d(t), tg.Tensor)
assert_type(tg.atleast_2d(t, t), tuple[tg.Tensor, ...])
assert_type(tg.broadcast_arrays(t, a), tuple[tg.Tensor | Array, ...])
assert_type(tg.einsum("ij,jk->ik", t, np.ones((2, 2))), tg.Tensor)
assert_type(tg.block([[t, t]]), tg.Tensor)
assert_type(nn.pad_sequence([t, t]), tg.Tensor)

# several results
assert_type(tg.topk(t, 1), tuple[tg.Tensor, Array])
assert_type(tg.max_pool2d(tg.ones((1, 1, 4, 4)), 2), tg.Tensor)
assert_type(tg.max_pool2d(tg.ones((1, 1, 4, 4)), 2, return_indices=True), tuple[tg.Tensor, Array])
assert_type(tg.unique(t), tg.Tensor)
assert_type(tg.unique(t, return_counts=True), tuple[tg.Tensor, *tuple[Array, ...]])
assert_type(tg.linalg.svd(t).S, tg.Tensor)
assert_type(tg.linalg.svd(t, compute_uv=False), tg.Tensor)
assert_type(tg.linalg.qr(a).Q, Array)
assert_type(tg.linalg.slogdet(a).sign, Array)

# results without gradient, and new Tensors
assert_type(tg.argmax(t), np.intp)
assert_type(tg.argmax(t, axis=1), Array)
assert_type(tg.all(t > 0), np.bool)
assert_type(tg.isnan(t), Array)
assert_type(tg.zeros((2, 3)), tg.Tensor)
assert_type(tg.linspace(0, 1, 3), tg.Tensor)
assert_type(tg.permutation(3, rng=np.random.default_rng(0)), tg.Tensor)

# operators and methods
assert_type(2 * t + a, tg.Tensor)
assert_type(t @ t.T, tg.Tensor)
assert_type(-t, tg.Tensor)
assert_type(t > 0, Array)
assert_type(t[0, None], tg.Tensor)
assert_type(t.mean(), tg.Tensor)
assert_type(t.reshape(1, -1)[0], tg.Tensor)
assert_type(t.split(2), list[tg.Tensor])
assert_type(t.max(axis=1), tg.Tensor)
assert_type(t.argmax(axis=1), Array)
assert_type(t.any(), np.bool)
assert_type(t.unique(return_index=True), tuple[tg.Tensor, *tuple[Array, ...]])
assert_type(t.sum().item(), float)
assert_type(t.numpy(), Array)
assert_type(t.grad, Array | None)
