"""Adamax: Adam with the largest gradient in place of the running mean of squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.optim.fast.chunks import elementwise
from tinygrad_edu.optim.optimizer import Optimizer, with_weight_decay
from tinygrad_edu.optim.settings import BETAS, FLAG, NON_NEGATIVE, hyperparameter
from tinygrad_edu.optim.state import Slot, count_step


class Adamax(Optimizer):
    """Adamax, as in PyTorch: p -= lr / (1 - beta1**t) * m / u.

    m is the running mean of the gradients, and u = max(beta2 * u, abs(g) + eps). Algorithm 2 of D. Kingma and J. Ba,
    "Adam: a method for stochastic optimization", ICLR 2015.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Parameters, such as ``model.parameters()``, or parameter groups. `Optimizer` lists the errors.
    lr : float, default 2e-3
        Learning rate.
    betas : (float, float), default (0.9, 0.999)
        Decay factors of m and of u.
    eps : float, default 1e-8
        Term added to the absolute gradient for numerical stability.
    weight_decay : float, default 0.0
        Weight decay (L2 penalty): adds weight_decay * p to the gradient.
    maximize : bool, default False
        Whether to maximize the loss instead of minimizing it.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> Adamax([w], lr=0.25).step()
    >>> w.numpy().round(2)
    array([ 0.75, -1.75], dtype=float32)
    """

    state_slots: ClassVar = {"step": Slot(scalar=True), "exp_avg": Slot(), "exp_inf": Slot()}

    lr: float = hyperparameter(default=2e-3, rule=NON_NEGATIVE)
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), rule=BETAS)
    eps: float = hyperparameter(default=1e-8, rule=NON_NEGATIVE)
    weight_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    maximize: bool = hyperparameter(default=False, rule=FLAG, kw_only=True)

    @elementwise
    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        (beta1, beta2), t = group["betas"], count_step(state)
        m, u = state["exp_avg"], state["exp_inf"]
        grad = with_weight_decay(param, grad, group)
        m *= beta1
        m += (1 - beta1) * grad
        u *= beta2
        np.maximum(u, np.abs(grad) + group["eps"], out=u)
        param -= group["lr"] / (1 - beta1**t) * (m / u)
