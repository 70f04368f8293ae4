"""Adagrad: step = gradient / root of the sum of squared gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.optim.fast.chunks import elementwise
from tinygrad_edu.optim.optimizer import Optimizer, with_weight_decay
from tinygrad_edu.optim.settings import FLAG, NON_NEGATIVE, hyperparameter
from tinygrad_edu.optim.state import Slot, count_step


class Adagrad(Optimizer):
    """Adagrad, as in PyTorch: p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(sum of g**2) + eps) at step t.

    From J. Duchi, E. Hazan and Y. Singer, "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12, 2011.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Parameters, such as ``model.parameters()``, or parameter groups. `Optimizer` lists the errors.
    lr : float, default 1e-2
        Learning rate.
    lr_decay : float, default 0.0
        Decay of the learning rate.
    weight_decay : float, default 0.0
        Weight decay (L2 penalty): adds weight_decay * p to the gradient.
    initial_accumulator_value : float, default 0.0
        Initial value of the sum.
    eps : float, default 1e-10
        Term added to the denominator for numerical stability.
    maximize : bool, default False
        Whether to maximize the loss instead of minimizing it.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> Adagrad([w], lr=0.25).step()
    >>> w.numpy()
    array([ 0.75, -1.75], dtype=float32)
    """

    state_slots: ClassVar = {"step": Slot(scalar=True), "sum": Slot(initial="initial_accumulator_value")}

    lr: float = hyperparameter(default=1e-2, rule=NON_NEGATIVE)
    lr_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    weight_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    initial_accumulator_value: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    eps: float = hyperparameter(default=1e-10, rule=NON_NEGATIVE)
    maximize: bool = hyperparameter(default=False, rule=FLAG, kw_only=True)

    @elementwise
    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        grad, total = with_weight_decay(param, grad, group), state["sum"]
        total += grad * grad
        lr = group["lr"] / (1 + (count_step(state) - 1) * group["lr_decay"])
        param -= lr * (grad / (np.sqrt(total) + group["eps"]))
