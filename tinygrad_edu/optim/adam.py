"""Adam: a step as long as the mean of the gradients is large beside their root mean square; and AdamW."""

import math
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.optim.formulas import average_of_gradients, average_of_squares, counted, descend, downhill
from tinygrad_edu.optim.optimizer import GroupSettings, MovePart, Optimizer
from tinygrad_edu.optim.settings import AT_LEAST_0, BETAS, FLAG, Setting, one_of


class Adam(Optimizer):
    """Adam, as in PyTorch: p -= lr * m / (sqrt(v) + eps).

    m is the running mean of the gradients and v that of their squares, each divided by what its weights add up to,
    1 - beta**t at step t. Algorithm 1 of D. Kingma and J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.

    Parameters
    ----------
    params : iterable
        As for every `Optimizer`, as are the errors.
    lr : float
        The learning rate.
    betas : (float, float)
        How much of m and of v remains from one step to the next.
    eps : float
        Keeps the denominator from 0.
    weight_decay : float
        Pulls every parameter towards 0: weight_decay * p is added to its gradient.
    amsgrad : bool
        Divide by the greatest v so far. From S. Reddi, S. Kale and S. Kumar, "On the convergence of Adam and beyond",
        ICLR 2018.
    maximize : bool
        Go up.
    decoupled_weight_decay : bool
        Decay as in `AdamW`.

    Examples
    --------
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = Adam([w], lr=0.25)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (w * w).sum().backward()
    ...     optimizer.step()
    >>> w.numpy().round(2)
    array([ 0.27, -1.26], dtype=float32)
    """

    __slots__ = ()
    _counts = ("step",)
    _remembers = ("exp_avg", "exp_avg_sq")
    _remembers_for: ClassVar = {"max_exp_avg_sq": "amsgrad"}

    betas = Setting(BETAS)
    eps = Setting(AT_LEAST_0)
    weight_decay = Setting(AT_LEAST_0)
    amsgrad = Setting(FLAG)
    maximize = Setting(FLAG)
    decoupled_weight_decay = Setting(FLAG)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            decoupled_weight_decay=decoupled_weight_decay,
        )

    def _moves(self, p: Tensor, s: GroupSettings) -> MovePart:
        t, (beta1, beta2) = counted(self._state_of(p, s)), s["betas"]
        # What v is divided by is put into the other two numbers: a pass less over the arrays.
        root = math.sqrt(1 - beta2**t)
        rate, eps = s["lr"] * root / (1 - beta1**t), s["eps"] * root

        def move(w: ndarray, g: ndarray, a: ndarray, b: ndarray, m: ndarray, v: ndarray, *greatest: ndarray) -> None:
            g = downhill(w, g, s, a)
            average_of_gradients(m, g, beta1, b)
            average_of_squares(v, g, beta2, b)
            for most in greatest:
                v = np.maximum(most, v, out=most)
            np.sqrt(v, out=b)
            b += eps
            np.divide(m, b, out=b)
            descend(w, b, rate, b)

        return move


class AdamW(Adam):
    """Adam with a decoupled weight decay: p shrinks to (1 - lr * weight_decay) * p, whatever its gradient.

    From I. Loshchilov and F. Hutter, "Decoupled weight decay regularization", ICLR 2019. The parameters are those of
    `Adam`.

    Examples
    --------
    >>> w = Tensor([1.0], requires_grad=True)
    >>> w.grad = [0.0]
    >>> AdamW([w], lr=0.5, weight_decay=0.5).step()
    >>> w.numpy()
    array([0.75], dtype=float32)
    """

    __slots__ = ()

    decoupled_weight_decay = Setting(one_of(True))

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)
