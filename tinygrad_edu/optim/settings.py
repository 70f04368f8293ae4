"""The settings of optimizers: what each may be, and how it is read and set for all parameter groups at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from operator import index
from typing import Any, NamedTuple

import numpy as np

INITIAL_LR = "initial_lr"  # in a group: the rate that a schedule scales, under PyTorch's name


class Rule(NamedTuple):
    """What a setting may be, in words, and a function that returns such a value, cleaned, or raises for any other."""

    words: str
    clean: Callable[[Any], Any]


def checked(where: str, rules: Mapping[str, Rule], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of settings, cleaned, or raise the ValueError that says what one of them may be."""
    try:
        return {name: rule.clean(values[name]) for name, rule in rules.items()}
    except (TypeError, ValueError):
        for name, rule in rules.items():
            try:
                rule.clean(values[name])
            except (TypeError, ValueError) as error:
                raise ValueError(f"{where}: {name} is {rule.words}, not {values[name]!r}.") from error
        raise


class Setting:
    """A setting of an optimizer: the attribute reads or sets it in all parameter groups, which must agree on it."""

    __slots__ = ("name", "rule")

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type) -> Any:
        if optimizer is None:
            return self
        return self._common(optimizer, f'Read that of one group, param_groups[0]["{self.name}"].')

    def __set__(self, optimizer: Any, value: Any) -> None:
        cleaned = checked(type(optimizer).__name__, {self.name: self.rule}, {self.name: value})
        help = f'Assign that of each group, param_groups[0]["{self.name}"] = {value!r}'
        by_schedule = ", or scale them together, with apply_schedule(schedule, step)" if self.name == "lr" else ""
        self._common(optimizer, f"{help}{by_schedule}.")
        for group in optimizer.param_groups:
            group.update(cleaned)
            if self.name == "lr":
                group.pop(INITIAL_LR, None)  # the next schedule begins at the rate that was assigned

    def _common(self, optimizer: Any, help: str) -> Any:
        """Return the value that all groups have, or raise with what to do instead."""
        values = [group[self.name] for group in optimizer.param_groups]
        if any(value != values[0] for value in values):
            where = type(optimizer).__name__
            raise ValueError(f"{where}: {self.name} differs between the parameter groups: {values}. {help}")
        return values[0]


@cache
def rules_of(kind: Any) -> dict[str, Rule]:
    """Return the rule of each setting of a class of optimizers, by name."""
    members = {name: getattr(kind, name) for name in dir(kind)}
    return {name: member.rule for name, member in members.items() if isinstance(member, Setting)}


def _number_in(low: float, high: float, below: float = math.inf) -> Callable[[Any], float]:
    def clean(value: Any) -> float:
        number: float = value if value.__class__ is float else _number(value)
        if not low <= number <= high or number >= below:
            raise ValueError
        return number

    return clean


def _number(value: Any) -> float:
    if isinstance(value, str | bool | np.bool_) or np.ndim(value):
        raise TypeError
    return float(value)  # a NumPy scalar, from a schedule say, would compute in its own precision


def _numbers(count: int, clean: Callable[[Any], float]) -> Callable[[Any], tuple[float, ...]]:
    def clean_all(values: Any) -> tuple[float, ...]:
        if len(values) != count:
            raise ValueError
        return tuple(clean(value) for value in values)

    return clean_all


def _flag(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError
    return bool(value)


def whole_number_below(high: int) -> Rule:
    """Return the rule of a count."""

    def clean(value: Any) -> int:
        if isinstance(value, bool) or not 0 <= index(value) < high:
            raise ValueError
        return index(value)

    return Rule(f"a whole number from 0 to {high - 1}", clean)


def one_of(*choices: Any) -> Rule:
    """Return the rule of a setting that is one of these values."""

    def clean(value: Any) -> Any:
        if value not in choices:
            raise ValueError
        return value

    return Rule(" or ".join(map(repr, choices)), clean)


_MOST = float(np.finfo(float).max)
AT_LEAST_0 = Rule("a finite number of at least 0", _number_in(0, _MOST))
FINITE = Rule("a finite number", _number_in(-_MOST, _MOST))
SHARE = Rule("a number from 0 to 1", _number_in(0, 1))
BETAS = Rule("two numbers from 0 to below 1", _numbers(2, _number_in(0, 1, below=1)))
THREE = Rule("three finite numbers", _numbers(3, FINITE.clean))
FLAG = Rule("True or False", _flag)
