"""Learning-rate schedules: functions of the index of the step or epoch, which starts at 0.

Schedules compose: `warm_up` takes any other schedule. `Optimizer.apply_schedule` sets the rates of all parameter
groups; groups with different rates keep their ratio. `Plateau` is a function of a metric.

>>> from tinygrad_edu.optim import SGD
>>> from tinygrad_edu import Tensor
>>> optimizer = SGD([Tensor(1.0, requires_grad=True)], lr=0.1)
>>> schedule = warm_up(cosine(0.1, steps=100), steps=10)
>>> optimizer.apply_schedule(schedule, 60)
>>> round(optimizer.lr, 3)
0.05
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.errors.hints import getattr_with_hints as _getattr_with_hints

__all__ = ["Plateau", "constant", "cosine", "exponential", "multi_step", "one_cycle", "step", "warm_up"]

Schedule = Callable[[float], float]


def constant(lr: float) -> Schedule:
    """Return a schedule with the constant rate `lr`.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    return _with_base_lr(lr, lambda number: lr)


def step(lr: float, step_size: int, gamma: float = 0.1) -> Schedule:
    """Return a schedule that starts at `lr` and is multiplied by `gamma` after every `step_size` steps.

    Examples
    --------
    >>> [step(8.0, step_size=2, gamma=0.5)(number) for number in range(6)]
    [8.0, 8.0, 4.0, 4.0, 2.0, 2.0]
    """
    _require("step", "step_size", step_size, step_size >= 1, "a number >= 1")
    return _with_base_lr(lr, lambda number: lr * gamma ** (number // step_size))


def multi_step(lr: float, milestones: Sequence[float], gamma: float = 0.1) -> Schedule:
    """Return a schedule that starts at `lr` and is multiplied by `gamma` at each step in `milestones`.

    A duplicated milestone multiplies twice.

    Examples
    --------
    >>> [multi_step(8.0, [1, 4], gamma=0.5)(number) for number in range(6)]
    [8.0, 4.0, 4.0, 4.0, 2.0, 2.0]
    """
    steps = list(milestones)
    return _with_base_lr(lr, lambda number: lr * gamma ** sum(number >= milestone for milestone in steps))


def exponential(lr: float, gamma: float) -> Schedule:
    """Return a schedule that starts at `lr` and is multiplied by `gamma` after each step.

    Examples
    --------
    >>> [exponential(8.0, gamma=0.5)(number) for number in range(4)]
    [8.0, 4.0, 2.0, 1.0]
    """
    return _with_base_lr(lr, lambda number: lr * gamma**number)


def cosine(lr: float, steps: float, eta_min: float = 0.0) -> Schedule:
    """Return a schedule with cosine decay from `lr` to `eta_min` over `steps` steps, and constant afterwards.

    From I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017, without
    restarts. PyTorch's ``CosineAnnealingLR`` has the same values up to `steps`, but rises again afterwards.

    Examples
    --------
    >>> [round(cosine(1.0, steps=4)(number), 3) for number in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _require("cosine", "steps", steps, steps > 0, "a number > 0")
    return _with_base_lr(lr, lambda number: _cosine_decay(lr, eta_min, number / steps))


def one_cycle(
    max_lr: float, total_steps: int, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4,
) -> Schedule:  # fmt: skip
    """Return a schedule with cosine annealing up to `max_lr`, then down to nearly 0.

    From L. Smith and N. Topin, "Super-convergence: very fast training of neural networks using large learning rates",
    2018, in the form of PyTorch's ``OneCycleLR``.

    Parameters
    ----------
    max_lr : float
        Maximum rate, reached at step ``pct_start * total_steps - 1``.
    total_steps : int
        Number of steps. The rate is constant afterwards.
    pct_start : float, default 0.3
        Fraction of the steps in which the rate rises, greater than ``1 / total_steps`` and less than 1.
    div_factor : float, default 25.0
        The initial rate is ``max_lr / div_factor``.
    final_div_factor : float, default 1e4
        The final rate is the initial rate divided by this factor.

    Examples
    --------
    >>> schedule = one_cycle(1.0, total_steps=10, pct_start=0.5, div_factor=10.0)
    >>> [round(schedule(number), 2) for number in range(0, 10, 2)]
    [0.1, 0.55, 1.0, 0.65, 0.1]
    """
    peak_step = pct_start * total_steps - 1
    in_range = 0 < peak_step < total_steps - 1
    _require("one_cycle", "pct_start", pct_start, in_range, f"between 1 / {total_steps} (one step) and 1")
    start = max_lr / div_factor
    end = start / final_div_factor

    def schedule(number: float) -> float:
        if number <= peak_step:
            return _cosine_decay(start, max_lr, number / peak_step)
        return _cosine_decay(max_lr, end, (number - peak_step) / (total_steps - 1 - peak_step))

    return _with_base_lr(max_lr, schedule)


def warm_up(schedule: Schedule, steps: int, start_factor: float = 1 / 3) -> Schedule:
    """Return a schedule with a linear warm-up to ``schedule(0)``, followed by `schedule`.

    Parameters
    ----------
    schedule : callable
        Schedule after the warm-up, called with steps that start at 0.
    steps : int
        Number of steps of the warm-up.
    start_factor : float, default 1/3
        The initial rate is this fraction of ``schedule(0)``.

    Examples
    --------
    >>> [warm_up(exponential(8.0, gamma=0.5), steps=2, start_factor=0.25)(number) for number in range(5)]
    [2.0, 5.0, 8.0, 4.0, 2.0]
    """
    _require("warm_up", "steps", steps, steps >= 1, "a number >= 1")

    def warmed(number: float) -> float:
        if number >= steps:
            return schedule(number - steps)
        return schedule(0) * (start_factor + (1 - start_factor) * number / steps)

    return _with_base_lr(getattr(schedule, "base_lr", None), warmed)


@dataclass
class Plateau:
    """Multiply the learning rate by `factor` when a metric stops improving.

    Call it with the metric once per epoch. It returns the learning rate of the next epoch. As PyTorch's
    ``ReduceLROnPlateau``, it counts the calls without an improvement over the best metric.

    Parameters
    ----------
    lr : float
        Learning rate, updated by each call.
    mode : {"min", "max"}, default "min"
        Whether a lower or a higher metric is better.
    factor : float, default 0.1
        Factor of a reduction, less than 1.
    patience : int, default 10
        Number of consecutive calls without an improvement that are allowed.
    threshold : float, default 1e-4
        Minimum improvement: a fraction of the best metric, or absolute with ``threshold_mode="abs"``.
    threshold_mode : {"rel", "abs"}, default "rel"
        Whether `threshold` is a fraction of the best metric, or absolute.
    cooldown : int, default 0
        Number of calls after a reduction that are not counted.
    min_lr : float, default 0.0
        Minimum of the learning rate.

    Attributes
    ----------
    best : float
        The best metric so far.
    bad, cooling : int
        Number of consecutive calls without an improvement, and remaining calls of the cooldown.

    Notes
    -----
    ``vars(plateau)`` is the complete state. Save a copy, and restore it with ``vars(plateau).update(saved)``.

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
        if self.mode not in ("min", "max"):
            raise invalid_choice("Plateau: mode", self.mode, ("min", "max"))
        if self.threshold_mode not in ("rel", "abs"):
            raise invalid_choice("Plateau: threshold_mode", self.threshold_mode, ("rel", "abs"))
        _require("Plateau", "factor", self.factor, self.factor < 1, "a number less than 1")
        self.best = math.inf if self.mode == "min" else -math.inf

    def __call__(self, metric: float) -> float:
        """Return the learning rate after a new value of the metric. NaN is not an improvement."""
        metric = float(metric)
        improved = self._is_better(metric)
        if improved:
            self.best = metric
        self.bad = 0 if improved else self.bad + 1
        if self.cooling:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            reduced = max(self.lr * self.factor, self.min_lr)
            self.lr = reduced if self.lr - reduced > 1e-8 else self.lr  # as in PyTorch, a smaller change is ignored
            self.cooling, self.bad = self.cooldown, 0
        return self.lr

    def _is_better(self, metric: float) -> bool:
        sign = 1 if self.mode == "min" else -1
        if math.isinf(self.best):
            return sign * metric < sign * self.best
        margin = self.threshold * (self.best if self.threshold_mode == "rel" else 1)
        return sign * metric < sign * self.best - margin


def _with_base_lr(lr: float | None, schedule: Schedule) -> Schedule:
    """Store the base rate of a schedule, which `apply_schedule` compares with those of the groups."""
    vars(schedule)["base_lr"] = lr
    return schedule


def _cosine_decay(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(fraction, 1))) / 2


def _require(where: str, name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise ValueError(f"{where}: {name} must be {expected}, got {value!r}.")


# Set in globals(), which type checkers do not read: a visible __getattr__ would make every name valid.
globals()["__getattr__"] = _getattr_with_hints("tg.optim.schedules", __all__)
