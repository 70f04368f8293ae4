"""NAdam: Adam that looks ahead, as Nesterov's momentum does."""

import math
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.optim.formulas import average_of_gradients, average_of_squares, counted, descend, downhill
from tinygrad_edu.optim.optimizer import GroupSettings, MovePart, Optimizer
from tinygrad_edu.optim.settings import AT_LEAST_0, BETAS, FLAG, Setting


class NAdam(Optimizer):
    """NAdam, as in PyTorch: p -= lr * (mu' * m / (1 - M') + (1 - mu) * g / (1 - M)) / (sqrt(v) + eps).

    m and v are those of `Adam`, m here without its divisor. The momentum of step t is
    mu = beta1 * (1 - 0.96**(t * momentum_decay) / 2), mu' that of the next step, M and M' the products of all so far.
    From T. Dozat, "Incorporating Nesterov momentum into Adam", ICLR 2016 workshop.

    Parameters
    ----------
    params : iterable
        As for every `Optimizer`, as are the errors.
    lr, betas, eps, weight_decay, decoupled_weight_decay, maximize
        As for `Adam`.
    momentum_decay : float
        How fast the momentum rises to beta1.

    Examples
    --------
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> NAdam([w], lr=0.25).step()
    >>> w.numpy().round(2)
    array([ 0.74, -1.74], dtype=float32)
    """

    __slots__ = ()
    _counts = ("step", "mu_product")
    _remembers = ("exp_avg", "exp_avg_sq")

    betas = Setting(BETAS)
    eps = Setting(AT_LEAST_0)
    weight_decay = Setting(AT_LEAST_0)
    momentum_decay = Setting(AT_LEAST_0)
    decoupled_weight_decay = Setting(FLAG)
    maximize = Setting(FLAG)

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            momentum_decay=momentum_decay,
            decoupled_weight_decay=decoupled_weight_decay,
            maximize=maximize,
        )

    def _begin(self, name: str, p: Tensor, s: GroupSettings) -> ndarray:
        return np.ones((), np.float32) if name == "mu_product" else super()._begin(name, p, s)

    def _moves(self, p: Tensor, s: GroupSettings) -> MovePart:
        state, (beta1, beta2) = self._state_of(p, s), s["betas"]
        t = counted(state)
        mu, mu_next = (beta1 * (1 - 0.96 ** (k * s["momentum_decay"]) / 2) for k in (t, t + 1))
        state["mu_product"] *= mu
        product = float(state["mu_product"])
        root = math.sqrt(1 - beta2**t)
        rate, share = s["lr"] * root * (1 - mu) / (1 - product), s["eps"] * root
        ahead = mu_next / (1 - product * mu_next) * (1 - product) / (1 - mu)

        def move(w: ndarray, g: ndarray, a: ndarray, b: ndarray, m: ndarray, v: ndarray) -> None:
            g = downhill(w, g, s, a)
            average_of_gradients(m, g, beta1, b)
            average_of_squares(v, g, beta2, b)
            np.multiply(m, ahead, out=b)
            np.add(g, b, out=a)
            np.sqrt(v, out=b)
            b += share
            a /= b
            descend(w, a, rate, a)

        return move
