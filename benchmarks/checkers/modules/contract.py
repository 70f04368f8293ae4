"""The check of a module with a contract, and parameters for small modules."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import tinygrad_edu as tg
from benchmarks.checkers.cases import Case
from tinygrad_edu.testing import check_module

Contract = Callable[[Any], dict[str, Any]]  # maps a module to the keyword arguments of `check_module`


def case(name: str, wrong: Any, right: Any, *inputs: Any, contract: Contract = lambda module: {}) -> Case:
    return Case(name, partial(_check, contract), wrong, right, inputs, {})


def _check(contract: Contract, module: Any, *inputs: Any) -> None:
    check_module(module, *inputs, **contract(module))


def equals(f: Callable[..., Any], **settings: Any) -> Contract:
    """Return the contract that a module equals f(module, *inputs), in NumPy."""
    return lambda module: {"reference": partial(f, module), **settings}


def independent(_: Any) -> dict[str, Any]:
    """Return the contract that samples are independent."""
    return {"samples": "independent"}


def draw(*shape: int, seed: int = 0) -> Any:
    """Draw float32 numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def parameter(*shape: int, seed: int = 0) -> tg.Tensor:
    return tg.Tensor(0.5 * draw(*shape, seed=seed), requires_grad=True)


def softmax(x: Any, axis: int = -1) -> Any:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)
