"""Law of earlier calls: a function and its derivative depend on the arguments of their own call only."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.layouts import copy_with_layout_of
from tinygrad_edu.testing.differentiable import copies
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.laws.probe import agree

_FAR, _CLOSE = 1 / 8, 2.0**-17  # relative to each number; `np.allclose` does not notice the latter


def require_no_memory(
    title: str, f: Callable[..., Array], derivative: Callable[..., Array], point: Sequence[Array]
) -> None:
    """Raise `LawBroken` if a result depends on earlier calls, as that of a cache that does not notice a new point.

    Calls at neighbouring points, with one array that is changed in place, must equal calls after one at a distant
    point. The functions take a list of arrays.
    """
    buffers, far = copies(point), [copy_with_layout_of(x + _FAR * _scale(x), x) for x in point]
    calls = [(f"the result of {title}", f), (f"the derivative of {title}", derivative)]
    _results(calls, buffers)
    near = []
    for words, neighbour in _neighbours(point):
        for buffer, x in zip(buffers, neighbour, strict=True):
            buffer[...] = x
        near.append((words, neighbour, _results(calls, buffers)))
    for words, neighbour, found in near:
        _results(calls, far)
        expected = _results(calls[::-1], copies(neighbour))
        for name, result in found.items():
            if name in expected and not agree(result, expected[name]):
                raise LawBroken(
                    f"{name} depends on earlier calls: it is not the same after a distant point and after the change "
                    f"of {words} in place. A cache must compare all arguments with copies of the last ones. A "
                    f"derivative must not use values of the last call of the function."
                )


def _results(calls: Sequence[tuple[str, Callable[..., Array]]], arrays: Sequence[Array]) -> dict[str, Array]:
    """Return the results of functions; none if one of them rejects the arrays."""
    with contextlib.suppress(Exception), np.errstate(all="ignore"):
        return {name: function(arrays) for name, function in calls}
    return {}


def _neighbours(point: Sequence[Array]) -> Iterator[tuple[str, list[Array]]]:
    """Yield a point with another last number, and one in which the first number changes, too."""
    moved = copies(point)
    for words, index, x in (("the last number", -1, moved[-1]), ("the first number", 0, moved[0])):
        if x.size:
            x.flat[index] += _CLOSE * _scale(x).flat[index]
            yield words, copies(moved)


def _scale(x: Array) -> Array:
    return np.where(x == 0, 1.0, x)
