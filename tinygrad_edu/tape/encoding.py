"""Encode a backward pass as JSON for the page. Equal arrays are stored once, and large arrays are subsampled."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.tape.reading import RowGroup, TapeRow
from tinygrad_edu.tape.text import Tape
from tinygrad_edu.tape.values import array_of, in_a_word
from tinygrad_edu.tape.walking import VJPCall, Walk

_MOST_NUMBERS = 2048  # per array
_ALL_NUMBERS = 400_000  # of all arrays, which limits the size of the page
_FEWEST_NUMBERS = 16
_FEW_PICTURES = 4


class Pool:
    """List of items without duplicates, which are referred to by index."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, key: Any, make: Callable[[], Any]) -> int:
        """Return the index of the item with a key, and make the item if it is missing."""
        if key not in self._places:
            self._places[key] = len(self.items)
            self.items.append(make())
        return self._places[key]


class Encoder:
    """Encodes a backward pass as lists and dicts of plain values, which ``player.js`` reads."""

    def __init__(self, walk: Walk, tape: Tape) -> None:
        self.walk, self.tape = walk, tape
        self.rows = {row.node: row.index for row in walk.rows}
        self.arrays, self.texts, self.groups = Pool(), Pool(), Pool()
        count = 4 * len(walk) + 2 * len(walk.rows) + 1
        self._most = int(np.clip(_ALL_NUMBERS // count, _FEWEST_NUMBERS, _MOST_NUMBERS))

    def whole(self) -> dict[str, Any]:
        """Return the encoded backward pass."""
        rows, steps = [self._row(row) for row in self.walk.rows], [self._step(step) for step in self.walk]
        return {
            "rows": rows, "steps": steps, "ended": self.walk.ended,
            "initial": [[self.rows[node], self._value(g)] for node, g in self.walk.initial_gradients],
            "ends": [[self.rows[node], self._value(g)] for node, g in self.walk.gradients.items() if node in self.rows],
            "arrays": self.arrays.items, "texts": self.texts.items, "groups": self.groups.items,
        }  # fmt: skip

    def _row(self, row: TapeRow) -> dict[str, Any]:
        node = row.node
        saved = [[name, self._given(value), ", ".join(vjps)] for name, value, vjps in row.saved]
        return {
            "name": self.tape.names.get(node, ""), "op": row.op, "inputs": list(row.inputs), "shape": list(node.shape),
            "dtype": str(node.dtype), "value": self._value(self.tape.values.get(node)), "saved": saved,
            "bytes": row.bytes, "line": row.line, "code": row.code,
            "groups": [self._group(group) for group in row.groups],
        }  # fmt: skip

    def _step(self, step: VJPCall) -> dict[str, Any]:
        return {
            "row": self.rows[step.node], "to": self.rows[step.parent], "argument": step.argument,
            "vjp": self._text(step.vjp), "substituted": self._text(step.substituted), "g": self._value(step.g),
            "asked": [[name, self._given(value)] for name, value in step.asked.items()],
            "returned": self._value(step.returned), "contribution": self._value(step.contribution),
            "total": self._value(step.total), "us": round(1e6 * step.seconds, 1), "anomalies": step.anomalies,
        }  # fmt: skip

    def _group(self, group: RowGroup) -> int:
        return self.groups.place(group, lambda: group.label)

    def _text(self, text: str) -> int:
        return self.texts.place(text, lambda: text)

    def _given(self, value: Any) -> Any:
        """Return an encoded argument of a vjp. A setting may be None."""
        return "None" if value is None else self._value(value)

    def _value(self, value: Any) -> Any:
        """Return the index of an array, or the text of any other value."""
        if value is None:
            return None
        array = array_of(value)
        if not isinstance(array, ndarray) or array.dtype.kind not in "fiub":
            return in_a_word(value)
        return self.arrays.place((array.shape, array.dtype.str, array.tobytes()), lambda: self._array(array))

    def _array(self, array: ndarray) -> dict[str, Any]:
        numbers = array[np.isfinite(array)] if array.dtype.kind == "f" else array.ravel()
        steps = _steps(array.shape, self._most)
        shown = array[tuple(slice(None, None, step) for step in steps)]
        encoded: dict[str, Any] = {"shape": list(array.shape), "dtype": str(array.dtype), "shown": list(shown.shape)}
        if max(steps, default=1) > 1:
            encoded["every"] = steps
        if numbers.size:
            encoded["low"], encoded["high"] = _number(numbers.min()), _number(numbers.max())
        encoded["odd"] = int(array.size - numbers.size)
        encoded["numbers"] = [_number(x) for x in shown.ravel().tolist()]
        return encoded


def _steps(shape: tuple[int, ...], most: int) -> list[int]:
    """Return a step for each axis, so that the subsampled array has at most `most` elements.

    The last two axes are pictures. Leading axes are subsampled first, so that pictures keep their resolution.
    """
    steps = [1] * len(shape)
    while math.prod(lengths := [-(-n // step) for n, step in zip(shape, steps, strict=True)]) > most:
        leading = lengths[:-2]
        if math.prod(leading) > _FEW_PICTURES:
            steps[leading.index(max(leading))] += 1
        else:
            longest = max(lengths[-2:])
            steps[-2:] = [step + (2 * n > longest) for step, n in zip(steps[-2:], lengths[-2:], strict=True)]
    return steps


def _number(x: Any) -> Any:
    """Round a number to four digits. Return NaN and infinities as text, because JSON lacks them."""
    if isinstance(x, bool | np.bool_ | int | np.integer):
        return int(x)
    return float(f"{x:.4g}") if np.isfinite(x) else str(float(x))
