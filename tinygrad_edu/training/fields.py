"""Construct dataclasses from saved fields, with type checks."""

from collections.abc import Mapping
from dataclasses import fields
from reprlib import repr as brief
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from numpy import ndarray

from tinygrad_edu.errors import StateDictError

Record = TypeVar("Record")


def from_fields(kind: type[Record], saved: Any, where: str) -> Record:
    """Return a dataclass with saved fields.

    Parameters
    ----------
    kind : type
        The dataclass. Its fields have the types Any, classes, lists and dicts of them, or unions.
    saved : mapping
        A value for each field.
    where : str
        Name of the dataclass in error messages.

    Raises
    ------
    StateDictError
        A field is missing, unknown, or of another type.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Point:
    ...     x: float
    ...     y: float
    >>> from_fields(Point, {"x": 1.0, "y": 2.0}, "the point")
    Point(x=1.0, y=2.0)
    >>> from_fields(Point, {"x": 1.0, "y": "two"}, "the point")
    Traceback (most recent call last):
        ...
    tinygrad_edu.errors.StateDictError: y of the point must be a float, got 'two'.
    """
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if not isinstance(saved, Mapping) or saved.keys() != set(names):
        raise StateDictError(f"{where} must have the fields {', '.join(names)}, got {brief(saved)}.")
    for name in names:
        if not _has_type(saved[name], hints[name]):
            raise StateDictError(f"{name} of {where} must be a {_type_name(hints[name])}, got {brief(saved[name])}.")
    return kind(**saved)


def require_same_arrays(where: str, saved: Mapping[str, ndarray], here: Mapping[str, ndarray]) -> None:
    """Raise StateDictError unless two dicts of arrays have equal names, shapes and dtypes."""
    there, wanted = ({name: (a.shape, a.dtype) for name, a in arrays.items()} for arrays in (saved, here))
    for name in there.keys() | wanted.keys():
        if there.get(name) != wanted.get(name):
            found, needed = (
                f"{each[name][0]} of {each[name][1]}" if name in each else "missing" for each in (there, wanted)
            )
            raise StateDictError(f"{where}: array {name} must be {needed}, got {found}.")


def _has_type(value: Any, hint: Any) -> bool:
    """Return whether a value has the type of an annotation. An int counts as a float; a bool does not."""
    if isinstance(hint, UnionType):
        return any(_has_type(value, each) for each in get_args(hint))
    if hint is Any:
        return True
    kind, inner = get_origin(hint) or hint, get_args(hint)
    kinds: Any = (int, float) if kind is float else kind
    if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
        return False
    parts: list[Any] = [value] if kind is list else [value.keys(), value.values()] if kind is dict else []
    return all(_has_type(item, each) for part, each in zip(parts, inner, strict=False) for item in part)


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")
