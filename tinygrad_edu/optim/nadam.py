"""NAdam: Adam with Nesterov momentum."""

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


class NAdam(Optimizer):
    """NAdam, as in PyTorch: p -= lr * (mu' * m / (1 - M') + (1 - mu) * g / (1 - M)) / (sqrt(v) + eps).

    m and v are as in `Adam`, but m has no bias correction. The momentum of step t is
    mu = beta1 * (1 - 0.96**(t * momentum_decay) / 2); mu' belongs to step t + 1. M is the product of the momenta of
    steps 1 to t, and M' = M * mu'. From T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Parameters, such as ``model.parameters()``, or parameter groups. `Optimizer` lists the errors.
    lr : float, default 2e-3
        Learning rate.
    betas : (float, float), default (0.9, 0.999)
        Decay factors of m and of v.
    eps : float, default 1e-8
        Term added to the denominator for numerical stability.
    weight_decay : float, default 0.0
        Weight decay (L2 penalty): adds weight_decay * p to the gradient.
    momentum_decay : float, default 4e-3
        Rate at which the momentum approaches beta1.
    decoupled_weight_decay : bool, default False
        Whether to apply the weight decay as in `AdamW`.
    maximize : bool, default False
        Whether to maximize the loss instead of minimizing it.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> NAdam([w], lr=0.25).step()
    >>> w.numpy().round(2)
    array([ 0.74, -1.74], dtype=float32)
    """

    state_slots: ClassVar = {
        "step": Slot(scalar=True), "mu_product": Slot(initial=1.0, scalar=True),
        "exp_avg": Slot(), "exp_avg_sq": Slot(),
    }  # fmt: skip

    lr: float = hyperparameter(default=2e-3, rule=NON_NEGATIVE)
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), rule=BETAS)
    eps: float = hyperparameter(default=1e-8, rule=NON_NEGATIVE)
    weight_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    momentum_decay: float = hyperparameter(default=4e-3, rule=NON_NEGATIVE)
    decoupled_weight_decay: bool = hyperparameter(default=False, rule=FLAG)
    maximize: bool = hyperparameter(default=False, rule=FLAG, kw_only=True)

    @elementwise
    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place."""
        (beta1, beta2), t = group["betas"], count_step(state)
        m, v = state["exp_avg"], state["exp_avg_sq"]
        mu, mu_next = (beta1 * (1 - 0.96 ** (k * group["momentum_decay"]) / 2) for k in (t, t + 1))
        state["mu_product"] *= mu
        product = float(state["mu_product"])
        grad = with_weight_decay(param, grad, group)
        m *= beta1
        m += (1 - beta1) * grad
        v *= beta2
        v += (1 - beta2) * (grad * grad)
        # The bias corrections are scalars here: dividing the arrays would take more passes.
        root = math.sqrt(1 - beta2**t)
        lr, eps = group["lr"] * root * (1 - mu) / (1 - product), group["eps"] * root
        lookahead = mu_next / (1 - product * mu_next) * (1 - product) / (1 - mu)
        param -= lr * ((grad + lookahead * m) / (np.sqrt(v) + eps))
