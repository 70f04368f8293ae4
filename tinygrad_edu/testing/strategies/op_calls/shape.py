"""Calls of ops that move elements: reshaping, repeating, padding, diagonals, indexing."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Shape, Strategy, arrays, axes, shapes
from tinygrad_edu.testing.strategies.indices import indices
from tinygrad_edu.testing.strategies.op_calls.common import Settings, SettingsFor, each_of, one_input


@st.composite
def _reshapings(draw: Any, shape: Shape) -> Settings:
    """Draw another shape of the same size. One length may be -1."""
    lengths: list[int] = []
    remaining = prod(shape)
    for _ in range(draw(st.integers(0, 2))):
        factor = draw(st.sampled_from([n for n in range(1, remaining + 1) if remaining % n == 0])) if remaining else 0
        lengths.append(factor)
        remaining = remaining // factor if factor else 1
    if remaining != 1 or draw(st.booleans()):
        lengths.append(remaining)
    if remaining and all(lengths) and lengths and draw(st.booleans()):
        lengths[draw(st.integers(0, len(lengths) - 1))] = -1
    return {"shape": tuple(lengths), "order": draw(st.sampled_from("CF"))}


@st.composite
def _transpositions(draw: Any, shape: Shape) -> Settings:
    order = [draw(st.sampled_from((a, a - len(shape)))) for a in draw(st.permutations(range(len(shape))))]
    return {"axes": draw(st.sampled_from([None, tuple(order)]))}


@st.composite
def _new_axes(draw: Any, shape: Shape) -> Settings:
    count = draw(st.integers(0, 2))
    positions = st.integers(0, len(shape) + count - 1) if len(shape) + count else st.nothing()
    several = draw(st.lists(positions, min_size=count, max_size=count, unique=True))
    single = draw(st.integers(-len(shape) - 1, len(shape)))
    return {"axis": draw(st.sampled_from([single, tuple(several)]))}


@st.composite
def _squeezings(draw: Any, shape: Shape) -> Settings:
    unit_axes = [axis for axis, n in enumerate(shape) if n == 1]
    chosen = draw(st.lists(st.sampled_from(unit_axes), unique=True)) if unit_axes else []
    return {"axis": draw(st.sampled_from([None, tuple(chosen), *unit_axes, *(a - len(shape) for a in unit_axes)]))}


@st.composite
def _larger_shapes(draw: Any, shape: Shape) -> Settings:
    grown = tuple(draw(st.integers(1, 3)) if n == 1 else n for n in shape)
    return {"shape": (*draw(shapes(0, 2)), *grown)}


@st.composite
def _widths(draw: Any, shape: Shape, max_width: int = 2) -> Any:
    """Draw `pad_width` and `constant_values`: a number, a pair, or a pair for each axis."""
    pairs = st.tuples(st.integers(0, max_width), st.integers(0, max_width))
    for_each = pairs if len(shape) == 1 else st.tuples(pairs)
    return draw(st.integers(0, max_width) | for_each | st.tuples(*[pairs] * len(shape)))


@st.composite
def _borders(draw: Any, shape: Shape) -> Settings:
    return {"pad_width": draw(_widths(shape)), "constant_values": draw(st.sampled_from([0, 1.5]) | _widths(shape))}


@st.composite
def _paddings(draw: Any, shape: Shape) -> Settings:
    mode = draw(st.sampled_from(["constant", "edge", "reflect", "symmetric", "wrap"] if prod(shape) else ["constant"]))
    if mode == "constant":
        return {"mode": mode, **draw(_borders(shape))}
    width = st.integers(0, 4)
    width_by_axis = st.dictionaries(
        axes(len(shape), none=False, several=False), width | st.tuples(width, width), max_size=1
    )
    return {"mode": mode, "pad_width": draw(_widths(shape, 4) | width_by_axis)}


def _two_axes(shape: Shape) -> Strategy[Settings]:
    return st.fixed_dictionaries(dict.fromkeys(("axis1", "axis2"), st.integers(-len(shape), len(shape) - 1)))


@st.composite
def _different_axes(draw: Any, shape: Shape) -> tuple[int, int]:
    first, second = draw(st.permutations(range(len(shape))))[:2]
    return draw(st.sampled_from((first, first - len(shape)))), draw(st.sampled_from((second, second - len(shape))))


@st.composite
def _diagonals(draw: Any, shape: Shape) -> Settings:
    axis1, axis2 = draw(_different_axes(shape))
    return {"offset": draw(st.integers(-3, 3)), "axis1": axis1, "axis2": axis2}


def _embeddings(shape: Shape) -> Strategy[Settings]:
    """Draw the axes of a result that has an axis more than the input."""
    return _diagonals((*shape, 1))


@st.composite
def _moves(draw: Any, shape: Shape) -> Settings:
    count = draw(st.integers(0, len(shape)))
    positions = st.permutations(range(len(shape))).map(lambda order: tuple(order[:count]))
    if count == 1 and draw(st.booleans()):
        position = st.integers(-len(shape), len(shape) - 1)
        return {"source": draw(position), "destination": draw(position)}
    return {"source": draw(positions), "destination": draw(positions)}


@st.composite
def _rolls(draw: Any, shape: Shape) -> Settings:
    axis = draw(axes(len(shape)).filter(lambda axis: axis != ()))
    shift = st.integers(-5, 5)
    several = st.tuples(*[shift] * len(axis)) if isinstance(axis, tuple) else st.nothing()
    return {"shift": draw(shift | several), "axis": axis}


@st.composite
def _repetitions(draw: Any, shape: Shape) -> Settings:
    axis = draw(axes(len(shape), several=False))
    n = prod(shape) if axis is None else shape[axis]
    counts = st.lists(st.integers(0, 3), min_size=n, max_size=n)
    return {"repeats": draw(st.integers(0, 3) | counts | st.just(np.array([2]))), "axis": axis}


@st.composite
def _flattenings(draw: Any, shape: Shape) -> Settings:
    ndim = max(len(shape), 1)
    first, last = sorted((draw(st.integers(0, ndim - 1)), draw(st.integers(0, ndim - 1))))
    choices = ((first, last), (first - ndim, last), (first, last - ndim))
    return dict(zip(("start_axis", "end_axis"), draw(st.sampled_from(choices)), strict=True))


def _offset(shape: Shape) -> Strategy[Settings]:
    return st.fixed_dictionaries({"k": st.integers(-3, 3)})


_INDEXED = st.sampled_from([shapes(1, empty=False)] * 3 + [shapes()]).flatmap(lambda shape: shape)


@st.composite
def _indexings(draw: Any) -> Call:
    shape = draw(_INDEXED)
    return Call("getitem", [draw(arrays(shape))], index=draw(indices(shape)))


@st.composite
def _scatters(draw: Any, name: str) -> Call:
    shape = draw(_INDEXED)
    indices_list = [draw(indices(shape)) for _ in range(draw(st.integers(1, 3)) if name == "scatter_slices" else 1)]
    values = [draw(arrays(np.empty(shape)[index].shape)) for index in indices_list]
    where = {"indices": tuple(indices_list)} if name == "scatter_slices" else {"index": indices_list[0]}
    return Call(name, values, **where, shape=shape)


_TILES = st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=4).map(tuple)

# Strategies for the settings of a unary op, by name, given the shape of the input.
SHAPE_SETTINGS: dict[str, SettingsFor] = {
    "reshape": _reshapings, "transpose": _transpositions, "swapaxes": _two_axes, "expand_dims": _new_axes,
    "squeeze": _squeezings, "broadcast_to": _larger_shapes, "pad_constant": _borders, "pad": _paddings,
    "diagonal": _diagonals, "trace": _diagonals, "moveaxis": _moves, "roll": _rolls,
    "repeat": _repetitions, "flatten": _flattenings, "tril": _offset, "triu": _offset, "diagflat": _offset,
    "ravel": each_of(order="CF"), "fliplr": each_of(), "flipud": each_of(),
    "rot90": lambda shape: st.fixed_dictionaries({"k": st.integers(-3, 5), "axes": _different_axes(shape)}),
    "tile": lambda shape: st.fixed_dictionaries({"reps": _TILES}),
    "flip": lambda shape: st.fixed_dictionaries({"axis": axes(len(shape))}),
    "getitem": lambda shape: st.fixed_dictionaries({"index": indices(shape)}),
}  # fmt: skip
LEAST_AXES = {
    **dict.fromkeys(("swapaxes", "pad_constant", "pad", "flipud", "tril", "triu"), 1),
    **dict.fromkeys(("fliplr", "diagonal", "trace", "rot90"), 2),
}


@st.composite
def _positions(draw: Any, name: str) -> Call:
    """Draw positions along an axis: a few repeated, a single one many times, or a permutation."""
    shape = draw(shapes(1))
    axis = draw(st.integers(0, len(shape) - 1))
    n = shape[axis] if name == "index_select" else draw(st.integers(1, 3) | st.just(80))
    few = st.lists(st.integers(0, n - 1), max_size=5) if n else st.just([])
    count = draw(st.sampled_from([24, 96]))
    many = few.map(lambda drawn: drawn[:1] * 17) | few.map(lambda drawn: (drawn * 24)[:count])
    drawn = np.array(draw(few | many | st.permutations(range(n))), int)
    if name == "index_select":
        return Call(name, [draw(arrays(shape))], positions=drawn, axis=axis)
    parts = (*shape[:axis], len(drawn), *shape[axis + 1 :])
    return Call(name, [draw(arrays(parts))], positions=drawn, axis=axis, length=n)


SHAPE: dict[str, Strategy[Call]] = {
    "identity": one_input("identity"),
    **{name: one_input(name, how, least_axes=LEAST_AXES.get(name, 0)) for name, how in SHAPE_SETTINGS.items()},
    "diag_embed": one_input("diag_embed", _embeddings, least_axes=1, most_axes=3),
    "diag": one_input("diag", _offset, least_axes=1, most_axes=2), "getitem": _indexings(),
    **{name: _positions(name) for name in ("index_select", "add_positions")},
    **{name: _scatters(name) for name in ("scatter", "scatter_add", "scatter_slices")},
}  # fmt: skip
