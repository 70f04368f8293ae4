"""Hyperparameters of optimizers: descriptors that check a value and set it in every parameter group."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from operator import index, is_
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, dataclass_transform

import numpy as np

from tinygrad_edu.errors.hints import KeywordHints, attribute_error, raise_unexpected_keyword

INITIAL_LR = "initial_lr"  # PyTorch's key of the base rate in a group


class Rule(NamedTuple):
    """A description of the valid values of a hyperparameter, and a function that converts a value.

    The function raises TypeError or ValueError for an invalid value.
    """

    expected: str
    convert: Callable[[Any], Any]


ANY_VALUE = Rule("any value", lambda value: value)


def hyperparameter(*, default: Any, rule: Rule = ANY_VALUE, kw_only: bool = False, init: bool = True) -> Any:
    """Declare a hyperparameter of an optimizer class, as `dataclasses.field` declares a field.

    Parameters
    ----------
    default
        Default value.
    rule : Rule, default ANY_VALUE
        Check of each value. This module defines the rules of the built-in optimizers.
    kw_only : bool, default False
        Whether it is a keyword-only argument of ``__init__``.
    init : bool, default True
        Whether it is an argument of ``__init__``.

    Examples
    --------
    >>> from tinygrad_edu import Tensor, optim
    >>> class Clipped(optim.Optimizer):
    ...     limit: float = hyperparameter(default=1.0, rule=NON_NEGATIVE)
    >>> optimizer = Clipped([Tensor(1.0, requires_grad=True)], lr=0.5)
    >>> optimizer.limit = 2
    >>> optimizer.param_groups[0]["limit"]
    2.0
    >>> optimizer.limit = -2.0
    Traceback (most recent call last):
        ...
    ValueError: Clipped: limit must be a finite number >= 0, got -2.0.
    """
    return Setting(default, rule, kw_only, init)


class Setting:
    """Descriptor of a hyperparameter: reads or sets its value in all parameter groups."""

    __slots__ = ("default", "init", "kw_only", "name", "rule")

    def __init__(self, default: Any, rule: Rule, kw_only: bool, init: bool) -> None:
        self.default, self.rule, self.kw_only, self.init = default, rule, kw_only, init

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, optimizer: Any, owner: type) -> Any:
        if optimizer is None:
            return self
        return self._shared_value(optimizer, f'Read the value of a group: param_groups[0]["{self.name}"].')

    def __set__(self, optimizer: Any, value: Any) -> None:
        checked = check_setting(type(optimizer).__name__, self.name, self.rule, value)
        help = f'Assign the value of each group: param_groups[0]["{self.name}"] = {value!r}'
        by_schedule = ", or scale all with apply_schedule(schedule, step)" if self.name == "lr" else ""
        self._shared_value(optimizer, f"{help}{by_schedule}.")
        for group in optimizer.param_groups:
            group[self.name] = checked
            if self.name == "lr":
                group.pop(INITIAL_LR, None)  # the next schedule starts from the assigned rate

    def _shared_value(self, optimizer: Any, help: str) -> Any:
        """Return the value that all groups share. Raise ValueError with `help` if their values differ."""
        values = [group[self.name] for group in optimizer.param_groups]
        if any(value != values[0] for value in values):
            where = type(optimizer).__name__
            raise ValueError(f"{where}: {self.name} differs between the parameter groups: {values}. {help}")
        return values[0]


@dataclass_transform(field_specifiers=(hyperparameter,))
class HasSettings(KeywordHints):
    """Base class that collects hyperparameters. Type checkers see them as arguments of ``__init__``."""

    _settings: ClassVar[dict[str, Setting]]  # base classes first

    if not TYPE_CHECKING:  # a visible __setattr__ would allow any attribute

        def __setattr__(self, name, value):
            if not hasattr(type(self), name):
                raise attribute_error(type(self).__name__, name, self._settings)
            super().__setattr__(name, value)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        members = {name: member for base in reversed(cls.__mro__) for name, member in vars(base).items()}
        cls._settings = {name: member for name, member in members.items() if isinstance(member, Setting)}


def init_of(settings: Mapping[str, Setting], init: Callable[..., None]) -> Callable[..., None]:
    """Return an ``__init__`` that calls `init` and has the hyperparameters in its signature."""

    def __init__(*args: Any, **keywords: Any) -> None:  # noqa: N807
        init(*args, **keywords)

    kinds = {False: Parameter.POSITIONAL_OR_KEYWORD, True: Parameter.KEYWORD_ONLY}
    listed = sorted((setting for setting in settings.values() if setting.init), key=lambda setting: setting.kw_only)
    arguments = [Parameter(name, kinds[False]) for name in ("self", "params")]
    arguments += [Parameter(setting.name, kinds[setting.kw_only], default=setting.default) for setting in listed]
    vars(__init__)["__signature__"] = Signature(arguments)
    return __init__


def defaults_of(where: str, settings: Mapping[str, Setting], values: Any, keywords: Any) -> dict[str, Any]:
    """Return the value of each hyperparameter from the positional and keyword arguments of ``__init__``."""
    if unknown := keywords.keys() - settings:
        raise_unexpected_keyword(where, unknown, settings)
    positional = [name for name, setting in settings.items() if setting.init and not setting.kw_only]
    defaults = {name: setting.default for name, setting in settings.items()}
    return {**defaults, **dict(zip(positional, values, strict=False)), **keywords}


def check_setting(where: str, name: str, rule: Rule, value: Any) -> Any:
    """Return the converted value. Raise ValueError with the valid values if it is invalid."""
    try:
        return rule.convert(value)
    except (TypeError, ValueError) as error:
        hint = " Pass a schedule to optimizer.apply_schedule(schedule, step), or to fit." if callable(value) else ""
        raise ValueError(f"{where}: {name} must be {rule.expected}, got {value!r}.{hint}") from error


def checked(where: str, settings: Mapping[str, Setting], group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the converted hyperparameters of a group. Raise ValueError for the first invalid one."""
    return {name: check_setting(where, name, setting.rule, group[name]) for name, setting in settings.items()}


def one_of(*choices: Any) -> Rule:
    """Return the rule of a hyperparameter with the given choices."""

    def convert(value: Any) -> Any:
        if value not in choices:
            raise ValueError
        return value

    return Rule(" or ".join(map(repr, choices)), convert)


def integer_below(stop: int) -> Rule:
    """Return the rule of an integer in [0, stop)."""

    def convert(value: Any) -> int:
        if isinstance(value, bool) or not 0 <= index(value) < stop:
            raise ValueError
        return index(value)

    return Rule(f"an integer from 0 to {stop - 1}", convert)


def optional(rule: Rule) -> Rule:
    """Return the rule of None, or of a value of another rule."""
    return Rule(f"None or {rule.expected}", lambda value: None if value is None else rule.convert(value))


def _positive_integer(value: Any) -> int:
    if isinstance(value, bool) or index(value) < 1:
        raise ValueError
    return index(value)


def _number_in(low: float, high: float) -> Callable[[Any], float]:
    def convert(value: Any) -> float:
        number: float = value if value.__class__ is float else _to_float(value)
        if low <= number <= high:
            return number
        raise ValueError

    return convert


def _to_float(value: Any) -> float:
    if isinstance(value, str | bool | np.bool_) or np.ndim(value):
        raise TypeError
    return float(value)  # a NumPy scalar would change the dtype of the computation


def _tuple_of(count: int, convert: Callable[[Any], float]) -> Callable[[Any], tuple[float, ...]]:
    def convert_all(values: Any) -> tuple[float, ...]:
        if len(values) != count:
            raise ValueError
        converted = tuple(map(convert, values))
        return values if type(values) is tuple and all(map(is_, values, converted)) else converted

    return convert_all


def _to_bool(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return bool(value)
    raise TypeError


_FLOAT_MAX = float(np.finfo(float).max)
NON_NEGATIVE = Rule("a finite number >= 0", _number_in(0, _FLOAT_MAX))
POSITIVE_INTEGER = Rule("an integer > 0", _positive_integer)
FINITE = Rule("a finite number", _number_in(-_FLOAT_MAX, _FLOAT_MAX))
FRACTION = Rule("a number from 0 to 1", _number_in(0, 1))
BETAS = Rule("two numbers >= 0 and < 1", _tuple_of(2, _number_in(0, math.nextafter(1, 0))))
TRIPLE = Rule("three finite numbers", _tuple_of(3, FINITE.convert))
FLAG = Rule("True or False", _to_bool)
