"""Muon: a step along the matrix nearest to the momentum whose singular values are all about 1."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.optim.formulas import descend
from tinygrad_edu.optim.optimizer import GroupSettings, Optimizer
from tinygrad_edu.optim.settings import AT_LEAST_0, FLAG, SHARE, THREE, Setting, one_of, whole_number_below


class Muon(Optimizer):
    """Muon, as in PyTorch, for matrices: p -= lr * lr' * O(momentum), where O makes all singular values about 1.

    The momentum is the running mean of the gradients, m, or with Nesterov's (1 - momentum) * g + momentum * m. Before,
    p shrinks to (1 - lr * weight_decay) * p. From K. Jordan and others, "Muon: an optimizer for hidden layers in neural
    networks", 2024. Biases, embeddings and the first and last layer are for another optimizer, such as `AdamW`.

    Parameters
    ----------
    params : iterable
        Matrices. Else, and in the errors, as for every `Optimizer`; `ShapeError` for a parameter that is no matrix.
    lr : float
        The learning rate.
    weight_decay : float
        Shrinks every parameter, decoupled from its gradient.
    momentum : float
        How much of m remains from one step to the next.
    nesterov : bool
        Look ahead along m.
    ns_coefficients : (float, float, float)
        Of the polynomial that takes the singular values nearer to 1.
    eps : float
        What a norm is at least.
    ns_steps : int
        How often it does so, from 0 to 99.
    adjust_lr_fn : str, optional
        What lr' is for a matrix (A, B): "original", which is also None, is sqrt(max(1, A / B)); "match_rms_adamw" is
        0.2 * sqrt(max(A, B)).

    Notes
    -----
    PyTorch computes O in bfloat16, and gives two digits of it. Here it is of the dtype of the parameter.

    Examples
    --------
    >>> w = Tensor([[3.0, 0.0], [0.0, 4.0]], requires_grad=True)
    >>> w.grad = [[1.0, 0.0], [0.0, 2.0]]
    >>> Muon([w], lr=0.5, weight_decay=0.0).step()
    >>> w.numpy().round(1)
    array([[2.4, 0. ],
           [0. , 3.7]], dtype=float32)
    """

    __slots__ = ()
    _remembers = ("momentum_buffer",)

    weight_decay = Setting(AT_LEAST_0)
    momentum = Setting(SHARE)
    nesterov = Setting(FLAG)
    ns_coefficients = Setting(THREE)
    eps = Setting(AT_LEAST_0)
    ns_steps = Setting(whole_number_below(100))
    adjust_lr_fn = Setting(one_of(None, "original", "match_rms_adamw"))

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            weight_decay=weight_decay,
            momentum=momentum,
            nesterov=nesterov,
            ns_coefficients=ns_coefficients,
            eps=eps,
            ns_steps=ns_steps,
            adjust_lr_fn=adjust_lr_fn,
        )

    def _refuse(self, label: str, p: Any) -> None:
        super()._refuse(label, p)
        if p.ndim != 2:
            raise ShapeError(
                f"Muon: {label} has shape {p.shape}, and Muon moves matrices: give it the weights of hidden linear "
                f"layers, and the rest to another optimizer, such as AdamW."
            )

    def _move(self, p: Tensor, s: GroupSettings) -> None:
        m, momentum, w = self._state_of(p, s)["momentum_buffer"], s["momentum"], p._data
        wide = (min(p.shape), max(p.shape))
        x, y, gram, polynomial = self._scratch.arrays(p.dtype, wide, wide, wide[:1] * 2, wide[:1] * 2)
        tall = p.shape != wide
        turned, spare = (x.T, y.T) if tall else (x, y)
        np.multiply(p.grad, 1 - momentum, out=turned)  # type: ignore[arg-type]
        m *= momentum
        m += turned
        if s["nesterov"]:
            np.multiply(m, momentum, out=spare)
            turned += spare
        else:
            np.copyto(turned, m)
        x /= max(np.linalg.norm(x), s["eps"])
        for _ in range(s["ns_steps"]):
            _towards_1(x, y, gram, polynomial, s["ns_coefficients"])
            x, y = y, x
        w *= 1 - s["lr"] * s["weight_decay"]
        descend(w, x.T if tall else x, s["lr"] * _adjusted(s["adjust_lr_fn"], *p.shape), y.T if tall else y)


def _towards_1(x: ndarray, out: ndarray, gram: ndarray, polynomial: ndarray, coefficients: Sequence[float]) -> None:
    """Let out = a * x + b * (x x^T) x + c * (x x^T)^2 x: the same polynomial of each singular value."""
    a, b, c = coefficients
    np.matmul(x, x.T, out=gram)
    np.matmul(gram, gram.T, out=polynomial)  # as the product of a matrix with its transpose it costs half
    polynomial *= c
    gram *= b
    polynomial += gram
    np.matmul(polynomial, x, out=out)
    x *= a
    out += x


def _adjusted(rule: str | None, rows: int, columns: int) -> float:
    """Return what the learning rate of a matrix is multiplied with."""
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
