"""Checks of the arguments of `fit`, `evaluate`, `predict` and `Steps`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from reprlib import repr as brief
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import MovingAverage, Optimizer
from tinygrad_edu.training.checkpoints import Checkpoints
from tinygrad_edu.training.metrics import Metric


def check_arguments(**values: Any) -> None:
    """Raise DTypeError for the first value that its argument does not accept. None is an optional argument's default.

    Examples
    --------
    >>> check_arguments(schedule=None, stop=0.5)
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.DTypeError: stop must be a function without arguments that returns whether to stop, got 0.5.
    """
    for name, value in values.items():
        expected, accepts = _RULES[name]
        if not (accepts(value) or (value is None and name in _OPTIONAL)):
            raise argument_error(name, expected, value)


def check_batches(name: str, value: Any) -> None:
    """Raise DTypeError unless a value is an iterable of batches."""
    is_other = isinstance(value, str | Mapping | ndarray | Tensor | Module | type) or not hasattr(value, "__iter__")
    if is_other or (isinstance(value, list | tuple) and any(isinstance(part, ndarray | Tensor) for part in value)):
        raise argument_error(
            name, "a list of batches, such as [(x, y)], or a data.DataLoader(x, y, batch_size=32)", value
        )


def argument_error(name: str, expected: str, value: Any) -> DTypeError:
    """Return the error for a value that an argument does not accept."""
    is_short = value is None or isinstance(value, str | int | float)
    found = brief(value) if is_short else f"a {type(value).__name__}"
    found = f"the class {value.__name__}" if isinstance(value, type) else found
    found = f"{value.__name__}{inspect.signature(value)}" if inspect.isfunction(value) else found
    return DTypeError(f"{name} must be {expected}, got {found}.")


def takes(count: int) -> Callable[[Any], bool]:
    """Return a test whether a value is a function of a number of arguments. A class is none."""

    def accepts(value: Any) -> bool:
        if not callable(value) or isinstance(value, type):
            return False
        try:
            inspect.signature(value).bind(*range(count))
        except TypeError:
            return False
        except ValueError:  # a function written in C without a signature
            return True
        return True

    return accepts


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_input(value: Any) -> bool:
    return isinstance(value, tuple | Mapping) or (hasattr(value, "__array__") and not isinstance(value, type))


_RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "model": ("a Module, such as nn.Linear(3, 2)", _is(Module)),
    "optimizer": ("an Optimizer, such as optim.Adam(model.parameters())", _is(Optimizer)),
    "loss": (
        "a function of outputs and targets, such as nn.cross_entropy or nn.CrossEntropyLoss()",
        lambda value: takes(2)(value) and not isinstance(value, Metric),
    ),
    "schedule": ("a function of the step number that returns the learning rate", takes(1)),
    "max_norm": ("a number", _is_number),
    "average": ("an optim.MovingAverage(model)", _is(MovingAverage)),
    "workers": ("ALONE or a result of parallel.world", lambda value: hasattr(value, "collective")),
    "metrics": ('a dict of metrics by name, such as {"accuracy": Accuracy()}', _is(Mapping)),
    "evaluate_on": ('a dict of batches by name, such as {"test": [(x, y)]} or {"test": loader}', _is(Mapping)),
    "on_step": ("a function of a TrainingStep", takes(1)),
    "stop": ("a function without arguments that returns whether to stop", takes(0)),
    "history": ("a list", _is(list)),
    "checkpoints": ("Checkpoints(folder)", _is(Checkpoints)),
    "resume": ("True or False", _is(bool, np.bool_)),
    "value": ("a number, such as epoch.loss or a metric", _is_number),
    "min_delta": ("a number", _is_number),
    "x": ("an array of N inputs, or a tuple of arrays if the model has several inputs", _is_input),
}
_OPTIONAL = {"schedule", "max_norm", "average", "on_step", "stop", "history", "checkpoints"}
