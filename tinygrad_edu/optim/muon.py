"""Muon: step = the momentum with all singular values set to about 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import ShapeError
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.settings import FLAG, FRACTION, NON_NEGATIVE, TRIPLE, hyperparameter, integer_below, one_of
from tinygrad_edu.optim.state import Slot


class Muon(Optimizer):
    """Muon, as in PyTorch, for matrices: p -= lr * lr' * O(M), where O sets all singular values of M to about 1.

    M is the running mean m of the gradients, or (1 - momentum) * g + momentum * m with Nesterov momentum. Before the
    step, p is multiplied by 1 - lr * weight_decay. Use another optimizer, such as `AdamW`, for biases, embeddings and
    the first and last layer. From K. Jordan and others, "Muon: an optimizer for hidden layers in neural networks",
    2024.

    Parameters
    ----------
    params : iterable
        Matrices; other shapes raise `ShapeError`. Otherwise as in `Optimizer`, which also lists the errors.
    lr : float, default 1e-3
        Learning rate.
    weight_decay : float, default 0.1
        Decoupled weight decay.
    momentum : float, default 0.95
        Decay factor of m.
    nesterov : bool, default True
        Whether to use Nesterov momentum.
    ns_coefficients : (float, float, float), default (3.4445, -4.775, 2.0315)
        Coefficients of the Newton-Schulz polynomial, which moves singular values closer to 1.
    eps : float, default 1e-7
        Lower bound of the norm by which M is divided.
    ns_steps : int, default 5
        Number of Newton-Schulz steps, from 0 to 99.
    adjust_lr_fn : str, optional
        Formula of lr' for a matrix of shape (A, B): sqrt(max(1, A / B)) for "original" and None, 0.2 * sqrt(max(A, B))
        for "match_rms_adamw".

    Notes
    -----
    PyTorch computes O in bfloat16, with about two significant digits. Here O has the dtype of the parameter.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([[3.0, 0.0], [0.0, 4.0]], requires_grad=True)
    >>> w.grad = [[1.0, 0.0], [0.0, 2.0]]
    >>> Muon([w], lr=0.5, weight_decay=0.0).step()
    >>> w.numpy().round(1)
    array([[2.4, 0. ],
           [0. , 3.7]], dtype=float32)
    """

    state_slots: ClassVar = {"momentum_buffer": Slot()}

    lr: float = hyperparameter(default=1e-3, rule=NON_NEGATIVE)
    weight_decay: float = hyperparameter(default=0.1, rule=NON_NEGATIVE)
    momentum: float = hyperparameter(default=0.95, rule=FRACTION)
    nesterov: bool = hyperparameter(default=True, rule=FLAG)
    ns_coefficients: tuple[float, float, float] = hyperparameter(default=(3.4445, -4.775, 2.0315), rule=TRIPLE)
    eps: float = hyperparameter(default=1e-7, rule=NON_NEGATIVE)
    ns_steps: int = hyperparameter(default=5, rule=integer_below(100))
    adjust_lr_fn: str | None = hyperparameter(default=None, rule=one_of(None, "original", "match_rms_adamw"))

    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        m, momentum = state["momentum_buffer"], group["momentum"]
        m *= momentum
        m += (1 - momentum) * grad
        direction = (1 - momentum) * grad + momentum * m if group["nesterov"] else m
        direction = orthogonalized(direction, group["ns_coefficients"], group["eps"], group["ns_steps"])
        param *= 1 - group["lr"] * group["weight_decay"]
        param -= self._adjusted_lr(param.shape, group) * direction

    def _check_parameter(self, label: str, p: Any) -> None:
        super()._check_parameter(label, p)
        if p.ndim != 2:
            raise ShapeError(
                f"Muon: {label} must be a matrix, got shape {p.shape}. Use Muon for the weights of hidden linear "
                f"layers, and another optimizer, such as AdamW, for the other parameters."
            )

    def _adjusted_lr(self, shape: tuple[int, ...], group: Mapping[str, Any]) -> float:
        rows, columns = shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            factor = 0.2 * math.sqrt(max(rows, columns))
        else:
            factor = math.sqrt(max(1, rows / columns))
        return float(group["lr"] * factor)


def orthogonalized(matrix: ndarray, coefficients: Sequence[float], eps: float, steps: int) -> ndarray:
    """Return the matrix with all singular values set to about 1, by Newton-Schulz iteration.

    Each step applies the polynomial a * x + b * (x x^T) x + c * (x x^T)^2 x, which maps each singular value s to
    a * s + b * s**3 + c * s**5.
    """
    a, b, c = coefficients
    is_tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if is_tall else matrix
    x = x / max(float(np.linalg.norm(x)), eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram.T)) @ x  # BLAS multiplies by a transpose at half the cost
    return x.T if is_tall else x
