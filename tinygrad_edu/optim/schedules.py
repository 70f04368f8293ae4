"""Learning rates that change: each schedule is a function of the number of the step (or epoch), counted from 0.

Being functions, they are put together as such: `warm_up` begins before any other. `Optimizer.apply_schedule` sets the
rates of all parameter groups, and groups with different rates keep their ratio. `Plateau` depends on a metric, and is a
function of that.

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
    return _made_with(lr, lambda number: lr)


def step(lr: float, step_size: int, gamma: float = 0.1) -> Schedule:
    """Return the schedule that begins at `lr` and is multiplied with `gamma` after each `step_size` steps.

    Examples
    --------
    >>> [step(8.0, step_size=2, gamma=0.5)(number) for number in range(6)]
    [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]
    """
    _demand("step", "step_size", step_size, step_size >= 1, "a number of at least 1")
    return _made_with(lr, lambda number: lr * gamma ** (number // step_size))


def multi_step(lr: float, milestones: Sequence[float], gamma: float = 0.1) -> Schedule:
    """Return the schedule that begins at `lr` and is multiplied with `gamma` at each of the steps `milestones`.

    At one that is there twice, it is so twice.

    Examples
    --------
    >>> [multi_step(8.0, [1, 4], gamma=0.5)(number) for number in range(6)]
    [8.0, 4.0, 4.0, 4.0, 2.0, 2.0]
    """
    steps = list(milestones)
    return _made_with(lr, lambda number: lr * gamma ** sum(number >= milestone for milestone in steps))


def exponential(lr: float, gamma: float) -> Schedule:
    """Return the schedule that begins at `lr` and is multiplied with `gamma` after each step.

    Examples
    --------
    >>> [exponential(8.0, gamma=0.5)(number) for number in range(4)]
    [8.0, 4.0, 2.0, 1.0]
    """
    return _made_with(lr, lambda number: lr * gamma**number)


def cosine(lr: float, steps: float, eta_min: float = 0.0) -> Schedule:
    """Return the schedule that sinks from `lr` to `eta_min` at `steps`, along half a wave of the cosine, and stays.

    From I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017; no restarts.
    PyTorch's ``CosineAnnealingLR`` has the same numbers up to `steps`, and rises again after that.

    Examples
    --------
    >>> [round(cosine(1.0, steps=4)(number), 3) for number in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _demand("cosine", "steps", steps, steps > 0, "a number greater than 0")
    return _made_with(lr, lambda number: _half_wave(lr, eta_min, number / steps))


def one_cycle(
    max_lr: float,
    total_steps: int,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> Schedule:
    """Return the schedule that rises to `max_lr` and sinks to nearly 0, each along half a wave of the cosine.

    From L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    2018, in the form of PyTorch's ``OneCycleLR``.

    Parameters
    ----------
    max_lr : float
        Reached at the step ``pct_start * total_steps - 1``.
    total_steps : int
        After the last of them, it stays.
    pct_start : float
        The share of the steps in which it rises; more than ``1 / total_steps``.
    div_factor : float
        It begins at ``max_lr / div_factor``.
    final_div_factor : float
        It ends at what it began at, divided by this.

    Examples
    --------
    >>> schedule = one_cycle(1.0, total_steps=10, pct_start=0.5, div_factor=10.0)
    >>> [round(schedule(number), 2) for number in range(0, 10, 2)]
    [0.1, 0.55, 1.0, 0.65, 0.1]
    """
    top = pct_start * total_steps - 1
    within = 0 < top < total_steps - 1
    _demand("one_cycle", "pct_start", pct_start, within, f"a share from 1 / {total_steps}, of one step, to 1")
    begin = max_lr / div_factor
    end = begin / final_div_factor

    def schedule(number: float) -> float:
        if number <= top:
            return _half_wave(begin, max_lr, number / top)
        return _half_wave(max_lr, end, (number - top) / (total_steps - 1 - top))

    return _made_with(max_lr, schedule)


def warm_up(schedule: Schedule, steps: int, start_factor: float = 1 / 3) -> Schedule:
    """Return a schedule with steps before it in which the learning rate rises to where it begins, in a straight line.

    Parameters
    ----------
    schedule : callable
        It is asked from its 0 on, once the warm-up is over.
    steps : int
        How long it takes.
    start_factor : float
        The share of ``schedule(0)`` that it begins at.

    Examples
    --------
    >>> [warm_up(exponential(8.0, gamma=0.5), steps=2, start_factor=0.25)(number) for number in range(5)]
    [2.0, 5.0, 8.0, 4.0, 2.0]
    """
    _demand("warm_up", "steps", steps, steps >= 1, "a number of at least 1")

    def warmed(number: float) -> float:
        if number >= steps:
            return schedule(number - steps)
        return schedule(0) * (start_factor + (1 - start_factor) * number / steps)

    return _made_with(getattr(schedule, "base_lr", None), warmed)


@dataclass
class Plateau:
    """The schedule that multiplies the learning rate with `factor` where a metric has got no better for a while.

    Call it with the metric once an epoch, and it returns the learning rate of the next; as PyTorch's
    ``ReduceLROnPlateau`` it counts the calls in which the metric is no better than the best so far.

    Parameters
    ----------
    lr : float
        The learning rate; it is the one that was returned last.
    mode : "min" or "max"
        Whether a lower or a higher metric is better.
    factor : float
        Below 1.
    patience : int
        How many calls in a row may be no better.
    threshold : float
        By how much a metric must be better to count: a share of the best, or with ``threshold_mode="abs"`` a number.
    threshold_mode : "rel" or "abs"
    cooldown : int
        How many calls after a reduction are not counted.
    min_lr : float
        Where it stops.

    Attributes
    ----------
    best : float
        The best metric so far.
    bad, cooling : int
        How many calls in a row were no better, and how many more are not counted.

    Notes
    -----
    ``vars(plateau)`` is all that it depends on: what to save, and to `update` later.

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
        _demand("Plateau", "mode", self.mode, self.mode in ("min", "max"), '"min" or "max"')
        of_two = self.threshold_mode in ("rel", "abs")
        _demand("Plateau", "threshold_mode", self.threshold_mode, of_two, '"rel" or "abs"')
        _demand("Plateau", "factor", self.factor, self.factor < 1, "a number less than 1")
        self.best = math.inf if self.mode == "min" else -math.inf

    def __call__(self, metric: float) -> float:
        """Return the learning rate after one more metric. NaN is never better."""
        metric = float(metric)
        better = self._is_better(metric)
        if better:
            self.best = metric
        self.bad = 0 if better else self.bad + 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            lower = max(self.lr * self.factor, self.min_lr)
            self.lr = lower if self.lr - lower > 1e-8 else self.lr  # as in PyTorch, too little is nothing
            self.cooling, self.bad = self.cooldown, 0
        return self.lr

    def _is_better(self, metric: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if math.isinf(self.best):
            return sign * metric < sign * self.best
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        return sign * metric < sign * self.best - margin


def _made_with(lr: float | None, schedule: Schedule) -> Schedule:
    """Note the learning rate that a schedule was made with: that of the groups that it is for."""
    vars(schedule)["base_lr"] = lr
    return schedule


def _half_wave(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * min(share, 1))) / 2


def _demand(where: str, name: str, value: object, holds: bool, words: str) -> None:
    if not holds:
        raise ValueError(f"{where}: {name} is {words}, not {value!r}.")


# To a type checker, which reads no globals(), a __getattr__ would make every name right.
globals()["__getattr__"] = _getattr_with_hints("tg.optim.schedules", __all__)
