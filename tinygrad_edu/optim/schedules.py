"""Learning-rate schedules: functions of the number of the step (or epoch), counted from 0.

Functions compose: `warm_up` takes any other schedule. `Optimizer.apply_schedule` sets the rates of all parameter
groups; groups with different rates keep their ratio. `Plateau` is a function of a metric.

>>> from tinygrad_edu.optim import SGD
>>> from tinygrad_edu import Tensor
>>> optimizer = SGD([Tensor(1.0, requires_grad=True)], lr=0.1)
>>> schedule = warm_up(cosine(0.1, steps=100), steps=10)
>>> optimizer.apply_schedule(schedule, 60)
>>> round(optimizer.lr, 3)
0.05
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tinygrad_edu.names import getattr_with_hints as _getattr_with_hints

__all__ = ["Plateau", "constant", "cosine", "exponential", "multi_step", "one_cycle", "step", "warm_up"]

Schedule = Callable[[float], float]


def constant(lr: float) -> Schedule:
    """Return the schedule that stays at `lr`.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    return _with_base_lr(lr, lambda number: lr)


def step(lr: float, step_size: int, gamma: float = 0.1) -> Schedule:
    """Return the schedule that starts at `lr` and is multiplied by `gamma` after each `step_size` steps.

    Examples
    --------
    >>> [step(8.0, step_size=2, gamma=0.5)(number) for number in range(6)]
    [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]
    """
    _require("step", "step_size", step_size, step_size >= 1, "a number of at least 1")
    return _with_base_lr(lr, lambda number: lr * gamma ** (number // step_size))


def multi_step(lr: float, milestones: Sequence[float], gamma: float = 0.1) -> Schedule:
    """Return the schedule that starts at `lr` and is multiplied by `gamma` at each step in `milestones`.

    A milestone given twice counts twice.

    Examples
    --------
    >>> [multi_step(8.0, [1, 4], gamma=0.5)(number) for number in range(6)]
    [8.0, 4.0, 4.0, 4.0, 2.0, 2.0]
    """
    steps = list(milestones)
    return _with_base_lr(lr, lambda number: lr * gamma ** sum(number >= milestone for milestone in steps))


def exponential(lr: float, gamma: float) -> Schedule:
    """Return the schedule that starts at `lr` and is multiplied by `gamma` after each step.

    Examples
    --------
    >>> [exponential(8.0, gamma=0.5)(number) for number in range(4)]
    [8.0, 4.0, 2.0, 1.0]
    """
    return _with_base_lr(lr, lambda number: lr * gamma**number)


def cosine(lr: float, steps: float, eta_min: float = 0.0) -> Schedule:
    """Return the schedule that falls from `lr` to `eta_min` in `steps` steps, as half a cosine wave, and stays there.

    From I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017. It has no
    restarts. PyTorch's ``CosineAnnealingLR`` has the same values up to `steps`, and rises again afterwards.

    Examples
    --------
    >>> [round(cosine(1.0, steps=4)(number), 3) for number in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _require("cosine", "steps", steps, steps > 0, "a number greater than 0")
    return _with_base_lr(lr, lambda number: _cosine_decay(lr, eta_min, number / steps))


def one_cycle(
    max_lr: float, total_steps: int, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4,
) -> Schedule:  # fmt: skip
    """Return the schedule that rises to `max_lr` and falls to nearly 0, each as half a cosine wave.

    From L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    2018, in the form of PyTorch's ``OneCycleLR``.

    Parameters
    ----------
    max_lr : float
        The maximum, reached at step ``pct_start * total_steps - 1``.
    total_steps : int
        The number of steps. The rate stays constant afterwards.
    pct_start : float, default 0.3
        The fraction of the steps in which the rate rises; more than ``1 / total_steps``.
    div_factor : float, default 25.0
        The rate starts at ``max_lr / div_factor``.
    final_div_factor : float, default 1e4
        The rate ends at its start divided by this.

    Examples
    --------
    >>> schedule = one_cycle(1.0, total_steps=10, pct_start=0.5, div_factor=10.0)
    >>> [round(schedule(number), 2) for number in range(0, 10, 2)]
    [0.1, 0.55, 1.0, 0.65, 0.1]
    """
    top = pct_start * total_steps - 1
    within = 0 < top < total_steps - 1
    _require("one_cycle", "pct_start", pct_start, within, f"a share from 1 / {total_steps}, of one step, to 1")
    begin = max_lr / div_factor
    end = begin / final_div_factor

    def schedule(number: float) -> float:
        if number <= top:
            return _cosine_decay(begin, max_lr, number / top)
        return _cosine_decay(max_lr, end, (number - top) / (total_steps - 1 - top))

    return _with_base_lr(max_lr, schedule)


def warm_up(schedule: Schedule, steps: int, start_factor: float = 1 / 3) -> Schedule:
    """Return a schedule whose rate rises linearly to ``schedule(0)``, and then follows `schedule`.

    Parameters
    ----------
    schedule : callable
        Called with steps from 0 on, after the warm-up.
    steps : int
        The length of the warm-up.
    start_factor : float, default 1/3
        The warm-up starts at this fraction of ``schedule(0)``.

    Examples
    --------
    >>> [warm_up(exponential(8.0, gamma=0.5), steps=2, start_factor=0.25)(number) for number in range(5)]
    [2.0, 5.0, 8.0, 4.0, 2.0]
    """
    _require("warm_up", "steps", steps, steps >= 1, "a number of at least 1")

    def warmed(number: float) -> float:
        if number >= steps:
            return schedule(number - steps)
        return schedule(0) * (start_factor + (1 - start_factor) * number / steps)

    return _with_base_lr(getattr(schedule, "base_lr", None), warmed)


@dataclass
class Plateau:
    """The schedule that multiplies the learning rate by `factor` when a metric stops improving.

    Call it with the metric once an epoch. It returns the learning rate of the next epoch. As PyTorch's
    ``ReduceLROnPlateau``, it counts the calls in which the metric does not improve on the best so far.

    Parameters
    ----------
    lr : float
        The learning rate, updated by each call.
    mode : "min" or "max"
        Whether a lower or a higher metric is better.
    factor : float, default 0.1
        Less than 1.
    patience : int, default 10
        The number of calls in a row that may bring no improvement.
    threshold : float, default 1e-4
        The smallest improvement that counts: a fraction of the best, or absolute with ``threshold_mode="abs"``.
    threshold_mode : "rel" or "abs"
    cooldown : int, default 0
        The number of calls after a reduction that are not counted.
    min_lr : float, default 0.0
        The minimum of the learning rate.

    Attributes
    ----------
    best : float
        The best metric so far.
    bad, cooling : int
        The number of calls in a row without an improvement, and of further calls that are not counted.

    Notes
    -----
    ``vars(plateau)`` is its complete state: save it, and `update` it later.

    Examples
    --------
    >>> plateau = Plateau(lr=1.0, factor=0.5, patience=1)
    >>> [plateau(metric) for metric in (3.0, 2.0, 2.0, 2.5, 1.0)]
    [1.0, 1.0, 1.0, 0.5, 0.5]
    """

    lr: float
    mode: str = "min"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: str = "rel"
    cooldown: int = 0
    min_lr: float = 0.0
    best: float = field(default=math.inf, init=False)
    bad: int = field(default=0, init=False)
    cooling: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        _require("Plateau", "mode", self.mode, self.mode in ("min", "max"), '"min" or "max"')
        of_two = self.threshold_mode in ("rel", "abs")
        _require("Plateau", "threshold_mode", self.threshold_mode, of_two, '"rel" or "abs"')
        _require("Plateau", "factor", self.factor, self.factor < 1, "a number less than 1")
        self.best = math.inf if self.mode == "min" else -math.inf

    def __call__(self, metric: float) -> float:
        """Return the learning rate after one more metric. NaN is no improvement."""
        metric = float(metric)
        better = self._is_better(metric)
        if better:
            self.best = metric
        self.bad = 0 if better else self.bad + 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            lower = max(self.lr * self.factor, self.min_lr)
            self.lr = lower if self.lr - lower > 1e-8 else self.lr  # as in PyTorch, a smaller change is ignored
            self.cooling, self.bad = self.cooldown, 0
        return self.lr

    def _is_better(self, metric: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if math.isinf(self.best):
            return sign * metric < sign * self.best
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        return sign * metric < sign * self.best - margin


def _with_base_lr(lr: float | None, schedule: Schedule) -> Schedule:
    """Record the learning rate of a schedule, by which `apply_schedule` finds its groups."""
    vars(schedule)["base_lr"] = lr
    return schedule


def _cosine_decay(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * min(share, 1))) / 2


def _require(where: str, name: str, value: object, holds: bool, words: str) -> None:
    if not holds:
        raise ValueError(f"{where}: {name} is {words}, not {value!r}.")


# Set in globals(), which type checkers do not read: a __getattr__ would make every name valid for them.
globals()["__getattr__"] = _getattr_with_hints("tg.optim.schedules", __all__)
