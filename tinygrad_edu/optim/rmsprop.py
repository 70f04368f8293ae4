"""RMSprop: a step as long as the gradient is large beside its root mean square."""

from typing import Any, ClassVar

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.optim.formulas import average_of_gradients, average_of_squares, counted, descend, downhill
from tinygrad_edu.optim.optimizer import GroupSettings, MovePart, Optimizer
from tinygrad_edu.optim.settings import AT_LEAST_0, FLAG, SHARE, Setting


class RMSprop(Optimizer):
    """RMSprop, as in PyTorch: p -= lr * g / (sqrt(v) + eps), with v the running mean of g**2.

    From T. Tieleman and G. Hinton, lecture 6.5 of "Neural networks for machine learning", 2012; centered, it is that of
    A. Graves, "Generating sequences with recurrent neural networks", 2013.

    Parameters
    ----------
    params : iterable
        As for every `Optimizer`, as are the errors.
    lr : float
        The learning rate.
    alpha : float
        How much of the running means remains from one step to the next.
    eps : float
        Keeps the denominator from 0.
    weight_decay : float
        Pulls every parameter towards 0.
    momentum : float
        How much of a velocity remains that g / (sqrt(v) + eps) is added to; the step is then along that.
    centered : bool
        Divide by the standard deviation: take the square of the running mean of g from v.
    maximize : bool
        Go up.

    Examples
    --------
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [2.0, -4.0]
    >>> RMSprop([w], lr=0.25, alpha=0.75).step()
    >>> w.numpy()
    array([ 0.5, -1.5], dtype=float32)
    """

    __slots__ = ()
    _counts = ("step",)
    _remembers = ("square_avg",)
    _remembers_for: ClassVar = {"momentum_buffer": "momentum", "grad_avg": "centered"}

    alpha = Setting(SHARE)
    eps = Setting(AT_LEAST_0)
    weight_decay = Setting(AT_LEAST_0)
    momentum = Setting(AT_LEAST_0)
    centered = Setting(FLAG)
    maximize = Setting(FLAG)

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
            maximize=maximize,
        )

    def _moves(self, p: Tensor, s: GroupSettings) -> MovePart:
        counted(self._state_of(p, s))
        lr, alpha, momentum, eps = s["lr"], s["alpha"], s["momentum"], s["eps"]

        def move(w: ndarray, g: ndarray, a: ndarray, b: ndarray, v: ndarray, *more: ndarray) -> None:
            g = downhill(w, g, s, a)
            average_of_squares(v, g, alpha, b)
            if s["centered"]:
                mean = more[-1]
                average_of_gradients(mean, g, alpha, b)
                np.multiply(mean, mean, out=b)
                v = np.subtract(v, b, out=b)
                np.maximum(v, 0, out=v)  # rounding can leave a little less than 0
            np.sqrt(v, out=b)
            b += eps
            direction = np.divide(g, b, out=b)
            if momentum:
                velocity = more[0]
                velocity *= momentum
                velocity += direction
                direction = velocity
            descend(w, direction, lr, b)

        return move
