"""Gradient clipping by norm and by value."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from itertools import repeat
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import ReadOnlyError
from tinygrad_edu.optim.groups import as_parameters

__all__ = ["clip_grad_norm", "clip_grad_value"]


def clip_grad_norm(parameters: Iterable[Tensor] | Tensor, max_norm: float, norm_type: float = 2.0) -> float:
    """Scale all gradients by one factor so that their total norm is at most `max_norm`.

    The total norm is the norm of all gradients concatenated into one vector. As in PyTorch's ``clip_grad_norm_``, the
    factor is max_norm / (norm + 1e-6), if that is less than 1.

    Parameters
    ----------
    parameters : iterable of Tensor, or Tensor
        Parameters without a gradient are ignored.
    max_norm : float
    norm_type : float, default 2.0
        Order of the norm, > 0. ``math.inf`` or "inf" is the maximum absolute value.

    Returns
    -------
    float
        The norm before clipping. If it is infinite, infinite gradients become NaN and the others 0. If it is NaN, all
        gradients become NaN.

    Raises
    ------
    ValueError
        `max_norm` is negative, or `norm_type` is not positive. No gradient is changed then.
    DTypeError, ReadOnlyError
        A parameter is not a Tensor, or a gradient is read-only. No gradient is changed then.

    Examples
    --------
    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = [3.0, 4.0]
    >>> clip_grad_norm([w], max_norm=1.0)
    5.0
    >>> w.grad.round(3)
    array([0.6, 0.8], dtype=float32)
    """
    limit, order = _float_or_nan(max_norm), _float_or_nan(norm_type)
    if not limit >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must be a number >= 0, got {max_norm!r}.")
    if not order > 0:
        raise ValueError(f"clip_grad_norm: norm_type must be a number > 0 or math.inf, got {norm_type!r}.")
    gradients = _gradients("clip_grad_norm", parameters)
    with np.errstate(all="ignore"):  # an infinite norm is a valid result
        norms = [_norm(g, order) for g in gradients if g.size]
        norm = float(np.linalg.norm(norms, order)) if norms else 0.0
        scale = limit / (norm + 1e-6)
        if not scale >= 1:
            # A single call in C, so that Ctrl-C cannot interrupt between two gradients.
            deque(map(np.multiply, gradients, repeat(scale), gradients), maxlen=0)
    return norm


def clip_grad_value(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Clip the gradients elementwise to [-clip_value, clip_value].

    Parameters
    ----------
    parameters : iterable of Tensor, or Tensor
    clip_value : float

    Raises
    ------
    ValueError, DTypeError, ReadOnlyError
        `clip_value` is negative, or as in `clip_grad_norm`. No gradient is changed then.

    Examples
    --------
    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = [3.0, -0.5]
    >>> clip_grad_value([w], 1.0)
    >>> w.grad
    array([ 1. , -0.5], dtype=float32)
    """
    limit = _float_or_nan(clip_value)
    if not limit >= 0:
        raise ValueError(f"clip_grad_value: clip_value must be a number >= 0, got {clip_value!r}.")
    gradients = _gradients("clip_grad_value", parameters)
    clipped = [np.clip(g, -limit, limit) for g in gradients]
    deque(map(np.ndarray.__setitem__, gradients, repeat(...), clipped), maxlen=0)  # a single call in C


def _gradients(where: str, parameters: Any) -> list[ndarray]:
    """Return the gradients of parameters. Raise for one that is read-only."""
    params = as_parameters(where, [parameters] if isinstance(parameters, Tensor) else parameters)
    for k, p in enumerate(params):
        if p.grad is not None and not p.grad.flags.writeable:
            raise ReadOnlyError(
                f"{where}: the gradient of parameter {k}, of shape {p.shape}, is read-only. "
                f"Assign a copy: p.grad = p.grad.copy()."
            )
    # A duplicated parameter must be changed only once.
    return list({id(p.grad): p.grad for p in params if p.grad is not None}.values())


def _float_or_nan(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _norm(g: ndarray, norm_type: float) -> float:
    wide = g.ravel(order="K").astype(np.result_type(g, np.float32), copy=False)  # squares of float16 overflow
    norm = float(np.linalg.norm(wide, norm_type))
    if math.isfinite(norm):
        return norm
    return float(np.linalg.norm(wide.astype(float), norm_type))  # squares of float32 overflow, too
