"""Gradients of functions of Tensors and of pytrees. `test_types.py` checks the types."""

from collections.abc import Callable
from typing import Any, assert_type

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import Tensor

x = Tensor([1.0, 2.0])
tree = {"weight": x}
a = np.ones(2)


def square(x: Tensor) -> Tensor:
    return (x * x).sum()


def cube(x: Tensor) -> Tensor:
    return x**3


def two(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).sum()


def of_tree(weights: dict[str, Tensor], x: Tensor) -> Tensor:
    return (weights["weight"] * x).sum()


def with_aux(x: Tensor) -> tuple[Tensor, str]:
    return square(x), "aux"


assert_type(tg.grad(square)(x), Tensor)
assert_type(tg.grad(square)([1.0, 2.0]), Tensor)
assert_type(tg.grad(tg.grad(cube))(2.0), Tensor)
assert_type(tg.grad(two, argnums=1)(x, x), Tensor)
assert_type(tg.grad(two, argnums=(0, 1))(x, 2.0), tuple[Tensor, Tensor])
assert_type(tg.grad(of_tree)(tree, x), dict[str, Tensor])
assert_type(tg.grad(of_tree, argnums=1)(tree, x), Tensor)
assert_type(tg.grad(of_tree, argnums=(0, 1))(tree, x), tuple[dict[str, Tensor], Tensor])
assert_type(tg.grad(with_aux, has_aux=True)(x), tuple[Tensor, str])
assert_type(tg.value_and_grad(square)(x), tuple[Tensor, Tensor])
assert_type(tg.value_and_grad(of_tree)(tree, x), tuple[Tensor, dict[str, Tensor]])
assert_type(tg.value_and_grad(with_aux, has_aux=True)(x), tuple[tuple[Tensor, str], Tensor])
assert_type(tg.jacobian(square)(x), Tensor)
assert_type(tg.hessian(square)(x), Tensor)
assert_type(tg.hvp(square, x, x), Tensor)
assert_type(tg.jvp(square, (x,), (x,)), tuple[Tensor, Tensor])
out, pullback = tg.vjp(two, x, 2.0)
assert_type(out, Tensor)
assert_type(pullback(1.0), tuple[Tensor, Tensor])
assert_type(tg.grad(square)(np.float64(2)), np.float64)
assert_type(tg.grad(square)(2.0), Tensor)
assert_type(tg.grad(tg.grad(cube))(Tensor(2.0)), Tensor)
gradient: np.ndarray = tg.grad(square)(a)
matrix: np.ndarray = tg.hessian(square)(a)
matrix = tg.jacobian(square)(a)
matrix = tg.jacobian(two, argnums=1)(2.0, a)
gradient = tg.grad(tg.grad(cube))(np.array(2.0))
gradient = tg.grad(two, argnums=1)(x, a)
gradient, by_tensor = tg.grad(two, argnums=(0, 1))(a, x)
assert_type(by_tensor, Tensor)
gradient, _ = tg.grad(with_aux, has_aux=True)(a)
value, gradient = tg.value_and_grad(square)(a)
assert_type(value, np.floating[Any])
gradient = tg.hvp(square, a, a)
_, of_arrays = tg.vjp(two, a, a)
by_x, by_y = of_arrays(1.0)
gradient = by_x
value_of_arrays: np.floating[Any] = tg.jvp(square, (a,), (a,))[0]
of_lambda: Callable[..., Any] = tg.grad(lambda x: x.sum())
of_lambda(x)
