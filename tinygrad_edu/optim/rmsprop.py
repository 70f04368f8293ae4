"""RMSprop: step = gradient / its running RMS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.optim.fast.chunks import elementwise
from tinygrad_edu.optim.optimizer import Optimizer, with_weight_decay
from tinygrad_edu.optim.settings import FLAG, FRACTION, NON_NEGATIVE, hyperparameter
from tinygrad_edu.optim.state import Slot, count_step


class RMSprop(Optimizer):
    """RMSprop, as in PyTorch: p -= lr * g / (sqrt(v) + eps), with v the running mean of g**2.

    From T. Tieleman and G. Hinton, lecture 6.5 of "Neural networks for machine learning", 2012. The centered variant
    is from A. Graves, "Generating sequences with recurrent neural networks", 2013.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Parameters, such as ``model.parameters()``, or parameter groups. `Optimizer` lists the errors.
    lr : float, default 1e-2
        Learning rate.
    alpha : float, default 0.99
        Decay factor of the running means.
    eps : float, default 1e-8
        Term added to the denominator for numerical stability.
    weight_decay : float, default 0.0
        Weight decay (L2 penalty): adds weight_decay * p to the gradient.
    momentum : float, default 0.0
        Momentum factor: buffer = momentum * buffer + g / (sqrt(v) + eps), and p -= lr * buffer.
    centered : bool, default False
        Whether to divide by the standard deviation: subtracts the square of the running mean of g from v.
    maximize : bool, default False
        Whether to maximize the loss instead of minimizing it.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> RMSprop([w], lr=0.25, alpha=0.75).step()
    >>> w.numpy()
    array([ 0.5, -1.5], dtype=float32)
    """

    state_slots: ClassVar = {
        "step": Slot(scalar=True), "square_avg": Slot(), "momentum_buffer": Slot(when="momentum"),
        "grad_avg": Slot(when="centered"),
    }  # fmt: skip

    lr: float = hyperparameter(default=1e-2, rule=NON_NEGATIVE)
    alpha: float = hyperparameter(default=0.99, rule=FRACTION)
    eps: float = hyperparameter(default=1e-8, rule=NON_NEGATIVE)
    weight_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    momentum: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    centered: bool = hyperparameter(default=False, rule=FLAG)
    maximize: bool = hyperparameter(default=False, rule=FLAG, kw_only=True)

    @elementwise
    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        count_step(state)
        v, alpha = state["square_avg"], group["alpha"]
        grad = with_weight_decay(param, grad, group)
        v *= alpha
        v += (1 - alpha) * (grad * grad)
        if group["centered"]:
            mean = state["grad_avg"]
            mean *= alpha
            mean += (1 - alpha) * grad
            v = np.maximum(v - mean * mean, 0)  # rounding can make it negative
        direction = grad / (np.sqrt(v) + group["eps"])
        if group["momentum"]:
            buffer = state["momentum_buffer"]
            buffer *= group["momentum"]
            buffer += direction
            direction = buffer
        param -= group["lr"] * direction
