"""Lion: a step of one length in every element, along the sign of a mean of the gradients."""

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.optim.formulas import average_of_gradients, descend
from tinygrad_edu.optim.optimizer import GroupSettings, MovePart, Optimizer
from tinygrad_edu.optim.settings import AT_LEAST_0, BETAS, Setting


class Lion(Optimizer):
    """Lion: p -= lr * (sign(beta1 * m + (1 - beta1) * g) + weight_decay * p), then m = beta2 * m + (1 - beta2) * g.

    Program 1 of X. Chen and others, "Symbolic discovery of optimization algorithms", NeurIPS 2023. PyTorch has none;
    the settings and their defaults are the paper's.

    Parameters
    ----------
    params : iterable
        As for every `Optimizer`, as are the errors.
    lr : float
        The learning rate: what every element moves by. A third to a tenth of Adam's.
    betas : (float, float)
        How much of m is in the step, and how much of it remains for the next.
    weight_decay : float
        Shrinks every parameter, decoupled from its gradient.

    Examples
    --------
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> Lion([w], lr=0.25).step()
    >>> w.numpy()
    array([ 0.75, -1.75], dtype=float32)
    """

    __slots__ = ()
    _remembers = ("exp_avg",)

    betas = Setting(BETAS)
    weight_decay = Setting(AT_LEAST_0)

    def __init__(
        self, params: Any, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, weight_decay=weight_decay)

    def _moves(self, p: Tensor, s: GroupSettings) -> MovePart:
        (beta1, beta2), kept = s["betas"], 1 - s["lr"] * s["weight_decay"]
        tiny = np.finfo(p.dtype).tiny

        def move(w: ndarray, g: ndarray, a: ndarray, b: ndarray, m: ndarray) -> None:
            if kept != 1:
                w *= kept
            np.multiply(m, beta1, out=a)
            np.multiply(g, 1 - beta1, out=b)
            a += b
            # The sign, as a / abs(a): np.sign takes five times as long. 0 stays 0, and NaN stays NaN.
            np.abs(a, out=b)
            np.maximum(b, tiny, out=b)
            a /= b
            descend(w, a, s["lr"], a)
            average_of_gradients(m, g, beta2, b)

        return move
