"""RAdam: Adam whose denominator is used once enough gradients have been seen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.optim.fast.chunks import elementwise
from tinygrad_edu.optim.optimizer import Optimizer, with_weight_decay
from tinygrad_edu.optim.settings import BETAS, FLAG, NON_NEGATIVE, hyperparameter
from tinygrad_edu.optim.state import Slot, count_step


class RAdam(Optimizer):
    """RAdam, as in PyTorch: p -= lr * m at first, and p -= lr * r * m / (sqrt(v) + eps) later.

    m and v are as in `Adam`, with bias correction; eps is added before that of v. With
    rho_inf = 2 / (1 - beta2) - 1 and rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t), the approximate number of
    gradients in v at step t, later means rho > 5, and
    r**2 = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho). From L. Liu and others, "On the
    variance of the adaptive learning rate and beyond", ICLR 2020.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Parameters, such as ``model.parameters()``, or parameter groups. `Optimizer` lists the errors.
    lr : float, default 1e-3
        Learning rate.
    betas : (float, float), default (0.9, 0.999)
        Decay factors of m and of v.
    eps : float, default 1e-8
        Term added to the denominator for numerical stability.
    weight_decay : float, default 0.0
        Weight decay (L2 penalty): adds weight_decay * p to the gradient.
    decoupled_weight_decay : bool, default False
        Whether to apply the weight decay as in `AdamW`.
    maximize : bool, default False
        Whether to maximize the loss instead of minimizing it.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> RAdam([w], lr=0.25).step()
    >>> w.numpy()
    array([ 0.5, -1. ], dtype=float32)
    """

    state_slots: ClassVar = {"step": Slot(scalar=True), "exp_avg": Slot(), "exp_avg_sq": Slot()}

    lr: float = hyperparameter(default=1e-3, rule=NON_NEGATIVE)
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), rule=BETAS)
    eps: float = hyperparameter(default=1e-8, rule=NON_NEGATIVE)
    weight_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    decoupled_weight_decay: bool = hyperparameter(default=False, rule=FLAG)
    maximize: bool = hyperparameter(default=False, rule=FLAG, kw_only=True)

    @elementwise
    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        (beta1, beta2), t = group["betas"], count_step(state)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        grad = with_weight_decay(param, grad, group)
        m *= beta1
        m += (1 - beta1) * grad
        v *= beta2
        v += (1 - beta2) * (grad * grad)
        lr, correction = group["lr"] / (1 - beta1**t), 1 - beta2**t
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * t * beta2**t / correction
        if rho <= 5.0:
            param -= lr * m
            return
        squared = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
        param -= lr * math.sqrt(squared * correction) * (m / (np.sqrt(v) + group["eps"]))
