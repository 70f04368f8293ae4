"""Adam and AdamW: step = running mean of the gradients / their running RMS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.optim.fast.chunks import elementwise
from tinygrad_edu.optim.optimizer import Optimizer, with_weight_decay
from tinygrad_edu.optim.settings import BETAS, FLAG, NON_NEGATIVE, hyperparameter, one_of
from tinygrad_edu.optim.state import Slot, count_step


class Adam(Optimizer):
    """Adam, as in PyTorch: p -= lr * m / (sqrt(v) + eps).

    m and v are the running means of the gradients and of their squares, each divided by 1 - beta**t at step t (bias
    correction). Algorithm 1 of D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

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
    amsgrad : bool, default False
        Whether to use the maximum of v over all steps. From S. Reddi, S. Kale and S. Kumar, "On the convergence of Adam
        and beyond", ICLR 2018.
    maximize : bool, default False
        Whether to maximize the loss instead of minimizing it.
    decoupled_weight_decay : bool, default False
        Whether to apply the weight decay as in `AdamW`.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.25)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.numpy().round(2)
    array([ 0.27, -1.26], dtype=float32)
    """

    state_slots: ClassVar = {
        "step": Slot(scalar=True), "exp_avg": Slot(), "exp_avg_sq": Slot(), "max_exp_avg_sq": Slot(when="amsgrad"),
    }  # fmt: skip

    lr: float = hyperparameter(default=1e-3, rule=NON_NEGATIVE)
    betas: tuple[float, float] = hyperparameter(default=(0.9, 0.999), rule=BETAS)
    eps: float = hyperparameter(default=1e-8, rule=NON_NEGATIVE)
    weight_decay: float = hyperparameter(default=0.0, rule=NON_NEGATIVE)
    amsgrad: bool = hyperparameter(default=False, rule=FLAG)
    maximize: bool = hyperparameter(default=False, rule=FLAG, kw_only=True)
    decoupled_weight_decay: bool = hyperparameter(default=False, rule=FLAG, kw_only=True)

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
        if group["amsgrad"]:
            v = np.maximum(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
        # Both bias corrections are scalars here: dividing the arrays would take two more passes.
        root = math.sqrt(1 - beta2**t)
        lr, eps = group["lr"] * root / (1 - beta1**t), group["eps"] * root
        param -= lr * (m / (np.sqrt(v) + eps))


class AdamW(Adam):
    """Adam with decoupled weight decay: each step first multiplies p by 1 - lr * weight_decay.

    From I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019.

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
    weight_decay : float, default 1e-2
        Decoupled weight decay: multiplies p by 1 - lr * weight_decay before the step.
    amsgrad : bool, default False
        Whether to use the maximum of v over all steps. From S. Reddi, S. Kale and S. Kumar, "On the convergence of Adam
        and beyond", ICLR 2018.
    maximize : bool, default False
        Whether to maximize the loss instead of minimizing it.

    Examples
    --------
    >>> from tinygrad_edu import Tensor
    >>> w = Tensor([1.0], requires_grad=True)
    >>> w.grad = [0.0]
    >>> AdamW([w], lr=0.5, weight_decay=0.5).step()
    >>> w.numpy()
    array([0.75], dtype=float32)
    """

    weight_decay: float = hyperparameter(default=1e-2, rule=NON_NEGATIVE)
    decoupled_weight_decay: bool = hyperparameter(default=True, rule=one_of(True), init=False)
