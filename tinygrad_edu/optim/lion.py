"""Lion: step = sign of an average of the gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.optim.fast.chunks import elementwise
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.settings import BETAS, NON_NEGATIVE, hyperparameter
from tinygrad_edu.optim.state import Slot


class Lion(Optimizer):
    """Lion: p -= lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * p), then m = beta2 * m + (1 - beta2) * g.

    Program 1 of X. Chen and others, "Symbolic discovery of optimization algorithms", NeurIPS 2023. PyTorch has no
    Lion; the parameters and their defaults are those of the paper.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Parameters, such as ``model.parameters()``, or parameter groups. `Optimizer` lists the errors.
    lr : float, default 1e-4
        Learning rate: the size of the step of every element. Typically a third to a tenth of Adam's.
    betas : (float, float), default (0.9, 0.99)
        Decay factors of m in the direction of the step, and in the update of m.
    weight_decay : float, default 0.0
        Decoupled weight decay.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> Lion([w], lr=0.25).step()
    >>> w.numpy()
    array([ 0.75, -1.75], dtype=float32)
    """

    state_slots: ClassVar = {"exp_avg": Slot()}

    lr: float = hyperparameter(default=1e-4, rule=NON_NEGATIVE)
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.99), rule=BETAS)
    weight_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)

    @elementwise
    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        m, (beta1, beta2) = state["exp_avg"], group["betas"]
        if group["weight_decay"]:
            param *= 1 - group["lr"] * group["weight_decay"]
        direction = beta1 * m + (1 - beta1) * grad
        direction /= np.maximum(np.abs(direction), np.finfo(param.dtype).tiny)  # np.sign takes five times as long
        param -= group["lr"] * direction
        m *= beta2
        m += (1 - beta2) * grad
