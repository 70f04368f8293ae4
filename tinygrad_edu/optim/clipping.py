"""Gradient clipping, by the norm of all gradients or by value."""

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
    """Scale all gradients by one factor, so that their norm, as one vector, is at most `max_norm`.

    As in PyTorch's ``clip_grad_norm_``, the factor is max_norm / (norm + 1e-6), if that is less than 1.

    Parameters
    ----------
    parameters : iterable of Tensor, or Tensor
        Parameters without a gradient are ignored.
    max_norm : float
    norm_type : float, default 2.0
        The order of the norm, greater than 0; ``math.inf`` or "inf" for the maximum absolute value.

    Returns
    -------
    float
        The norm before clipping. If it is infinite, infinite gradients become NaN and the others 0; if it is NaN, all
        become NaN.

    Raises
    ------
    ValueError
        For a `max_norm` less than 0, or a `norm_type` that is not greater than 0. No gradient is changed then.
    DTypeError, ReadOnlyError
        For a parameter that is not a Tensor, and a gradient in read-only memory. No gradient is changed then.

    Examples
    --------
    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = [3.0, 4.0]
    >>> clip_grad_norm([w], max_norm=1.0)
    5.0
    >>> w.grad.round(3)
    array([0.6, 0.8], dtype=float32)
    """
    most, order = _float_or_nan(max_norm), _float_or_nan(norm_type)
    if not most >= 0:
        raise ValueError(f"clip_grad_norm: max_norm is a number of at least 0, not {max_norm!r}.")
    if not order > 0:
        raise ValueError(f"clip_grad_norm: norm_type is a number greater than 0, or math.inf, not {norm_type!r}.")
    gradients = _gradients("clip_grad_norm", parameters)
    with np.errstate(all="ignore"):  # an infinite norm is a valid result
        norms = [_norm(g, order) for g in gradients if g.size]
        norm = float(np.linalg.norm(norms, order)) if norms else 0.0
        share = most / (norm + 1e-6)
        if not share >= 1:
            # One call from C: no Ctrl-C can come between two gradients.
            deque(map(np.multiply, gradients, repeat(share), gradients), maxlen=0)
    return norm


def clip_grad_value(parameters: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Clip every element of the gradients to [-clip_value, clip_value].

    Parameters
    ----------
    parameters : iterable of Tensor, or Tensor
    clip_value : float

    Raises
    ------
    ValueError, DTypeError, ReadOnlyError
        For a `clip_value` less than 0, and as for `clip_grad_norm`. No gradient is changed then.

    Examples
    --------
    >>> w = Tensor([0.0, 0.0], requires_grad=True)
    >>> w.grad = [3.0, -0.5]
    >>> clip_grad_value([w], 1.0)
    >>> w.grad
    array([ 1. , -0.5], dtype=float32)
    """
    most = _float_or_nan(clip_value)
    if not most >= 0:
        raise ValueError(f"clip_grad_value: clip_value is a number of at least 0, not {clip_value!r}.")
    gradients = _gradients("clip_grad_value", parameters)
    clipped = [np.clip(g, -most, most) for g in gradients]
    deque(map(np.ndarray.__setitem__, gradients, repeat(...), clipped), maxlen=0)  # one call from C, too


def _gradients(where: str, parameters: Any) -> list[ndarray]:
    """Return the gradients of parameters, or raise for one that cannot be changed."""
    found = as_parameters(where, [parameters] if isinstance(parameters, Tensor) else parameters)
    for k, p in enumerate(found):
        if p.grad is not None and not p.grad.flags.writeable:
            raise ReadOnlyError(
                f"{where}: the gradient of parameter {k}, of shape {p.shape}, is in read-only memory: "
                f"give the parameter a copy, p.grad = p.grad.copy()."
            )
    # A parameter given twice must not be changed twice.
    return list({id(p.grad): p.grad for p in found if p.grad is not None}.values())


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
