"""Calls of functions with several arrays or several results: joining, splitting, grids.

A `Call` must have one result, so wrappers concatenate several results. The original function is
``call.function.__wrapped__``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu import ops
from tinygrad_edu.testing.op_call import Call, resolve
from tinygrad_edu.testing.strategies.arrays import Shape, Strategy, arrays, axes, broadcastable, shapes
from tinygrad_edu.testing.strategies.op_calls.common import each_of, inputs_of, one_axis


def of_a_list(function: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a list as a function of the arrays in the list. `function` may be a name."""
    list_function = resolve(function)

    def wrapped(*inputs: Any, **settings: Any) -> Any:
        return list_function(list(inputs), **settings)

    return _with_code_name("of_a_list", wrapped, list_function)


def in_one(function: str | Callable[..., Any], concatenate: Callable[..., Any] = ops.concatenate) -> Callable[..., Any]:
    """Return a function with several results as a function that returns their concatenation."""
    several_results = resolve(function)

    def wrapped(*inputs: Any, **settings: Any) -> Any:
        results = several_results(*inputs, **settings)
        return concatenate([r.reshape(-1) for r in (results if isinstance(results, tuple | list) else [results])])

    return _with_code_name("in_one", wrapped, several_results)


def first_of(function: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return a function with several results as a function that returns the first result."""
    several_results = resolve(function)

    def wrapped(*inputs: Any, **settings: Any) -> Any:
        return several_results(*inputs, **settings)[0]

    return _with_code_name("first_of", wrapped, several_results)


def in_rows(function: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of nested lists as a function of the arrays in them, `columns` per row or 0 for a flat list."""
    rows_function = resolve(function)

    def wrapped(*inputs: Any, columns: int) -> Any:
        rows = [list(inputs[k : k + columns]) for k in range(0, len(inputs), columns or 1)]
        return rows_function(rows if columns else list(inputs))

    return _with_code_name("in_rows", wrapped, rows_function)


def _with_code_name(wrapper: str, wrapped: Callable[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """Set the name of a wrapped function to the code that creates it, so that the repr of a call is code."""
    wraps(function)(wrapped)
    wrapped.__name__ = f"{wrapper}({function.__name__!r})"
    return wrapped


# --- Joining ---


@st.composite
def _parts(draw: Any, shape: Shape, axis: int, least: int = 0) -> list[Any]:
    """Draw one to three arrays whose shapes differ only in their lengths along an axis."""
    lengths = draw(st.lists(st.integers(least, 3), min_size=1, max_size=3))
    return [draw(arrays((*shape[:axis], n, *shape[axis + 1 :]))) for n in lengths]


@st.composite
def _concats(draw: Any) -> Call:
    shape = draw(shapes(1, 3))
    axis = draw(axes(len(shape), several=False))
    parts = draw(_parts(shape, (axis or 0) % len(shape)))
    lengths = [part.size if axis is None else part.shape[axis] for part in parts]
    return Call("concat", parts, axis=axis, ends=np.cumsum(lengths))


@st.composite
def _concatenations(draw: Any) -> Call:
    shape = draw(shapes(1, 3))
    axis = draw(axes(len(shape), several=False))
    return Call(of_a_list(ops.concatenate), draw(_parts(shape, (axis or 0) % len(shape))), axis=axis)


@st.composite
def _blocks(draw: Any) -> Call:
    heights, widths = (draw(st.lists(st.integers(0, 2), min_size=1, max_size=2)) for _ in range(2))
    if draw(st.booleans()):
        return Call(in_rows(ops.block), [draw(arrays((n,))) for n in heights], columns=0)
    outer = draw(shapes(0, 1))
    parts = [draw(arrays((*outer, h, w))) for h in heights for w in widths]
    return Call(in_rows(ops.block), parts, columns=len(widths))


# --- Several results ---


@st.composite
def _splits(draw: Any, name: str, least_axes: int) -> Call:
    """Draw a call with one array, an axis if the function takes one, and a number of parts or positions to split at."""
    shape = draw(shapes(least_axes))
    settings = draw(one_axis(shape)) if name in ("split", "array_split") else {}
    axis = settings.get("axis", {"vsplit": 0, "hsplit": min(len(shape) - 1, 1)}.get(name, 2))
    n = shape[axis]
    parts = [k for k in range(1, 6) if name == "array_split" or n % k == 0]
    positions = st.lists(st.integers(-n - 1, n + 1), max_size=3)
    where = draw(st.sampled_from(parts) | positions | positions.map(np.array).filter(len))
    return Call(in_one(name), [draw(arrays(shape))], indices_or_sections=where, **settings)


@st.composite
def _layers(draw: Any, name: str) -> Call:
    """Draw a call with one array and an axis of length 1 or more."""
    shape = draw(shapes(1).filter(any))
    axis = draw(st.sampled_from([a for a, n in enumerate(shape) if n]))
    return Call(in_one(name), [draw(arrays(shape))], axis=draw(st.sampled_from((axis, axis - len(shape)))))


_OF_ONE_SHAPE = st.builds(lambda shape, count: (shape,) * count, shapes(0, 3), st.integers(1, 3))
_BROADCASTABLE = st.integers(1, 3).flatmap(broadcastable)
_MESHGRID_SETTINGS = each_of(copy=(False, True), sparse=(False, True), indexing=("xy", "ij"))

SEVERAL: dict[str, Strategy[Call]] = {
    **{name: inputs_of(in_one(name), _BROADCASTABLE) for name in (
        "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays",
    )},
    "meshgrid": inputs_of(in_one("meshgrid"), _BROADCASTABLE, settings_for=_MESHGRID_SETTINGS),
    "split": _splits("split", 1), "array_split": _splits("array_split", 1), "hsplit": _splits("hsplit", 1),
    "vsplit": _splits("vsplit", 2), "dsplit": _splits("dsplit", 3),
    "unstack": _layers("unstack"), "unbind": _layers("unbind"),
}  # fmt: skip

JOINING: dict[str, Strategy[Call]] = {
    "concat": _concats(), "concatenate": _concatenations(), "block": _blocks(),
    "stack": inputs_of(
        of_a_list("stack"), _OF_ONE_SHAPE,
        settings_for=lambda s: st.fixed_dictionaries({"axis": st.integers(-len(s) - 1, len(s))}),
    ),
    "stacked": inputs_of(
        "stacked", _OF_ONE_SHAPE, settings_for=lambda s: st.fixed_dictionaries({"axis": st.integers(0, len(s))})
    ),
    **{name: inputs_of(of_a_list(name), _OF_ONE_SHAPE) for name in ("vstack", "hstack", "dstack", "column_stack")},
}  # fmt: skip
