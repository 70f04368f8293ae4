"""Learning rates that change: each schedule is a function of the number of the step (or epoch), counted from 0.

>>> from tinygrad_edu.optim import SGD
>>> from tinygrad_edu import Tensor
>>> optimizer = SGD([Tensor(1.0, requires_grad=True)], lr=0.1)
>>> schedule = cosine(0.1, steps=100)
>>> optimizer.lr = schedule(50)
>>> round(optimizer.lr, 3)
0.05
"""

import math
from collections.abc import Callable

__all__ = ["constant", "cosine", "step"]

Schedule = Callable[[float], float]


def constant(lr: float) -> Schedule:
    """Return the schedule that stays at `lr`.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    return lambda number: lr


def cosine(lr: float, steps: float) -> Schedule:
    """Return the schedule that sinks from `lr` to 0 at `steps` along half a wave of the cosine, and stays there.

    From I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017; no restarts.

    Examples
    --------
    >>> [round(cosine(1.0, steps=4)(number), 3) for number in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    if not steps > 0:
        raise ValueError(f"cosine: steps is a number greater than 0, not {steps!r}.")
    return lambda number: lr * (1 + math.cos(math.pi * min(number / steps, 1))) / 2


def step(lr: float, step_size: int, gamma: float = 0.1) -> Schedule:
    """Return the schedule that begins at `lr` and is multiplied with `gamma` after each `step_size` steps.

    Examples
    --------
    >>> [step(8.0, step_size=2, gamma=0.5)(number) for number in range(6)]
    [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]
    """
    if not step_size >= 1:
        raise ValueError(f"step: step_size is a number of at least 1, not {step_size!r}.")
    return lambda number: lr * gamma ** (number // step_size)
