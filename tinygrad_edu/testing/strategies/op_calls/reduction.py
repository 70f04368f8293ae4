"""Calls of reductions, scans, selections by position or rank, means, and functions without a derivative."""

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Shape, Strategy, arrays, axes, broadcastable, labels, masks, shapes
from tinygrad_edu.testing.strategies.op_calls.common import (
    ANY_SIZE,
    MARGINS_OF_40,
    Settings,
    SettingsFor,
    along,
    along_at_least,
    axis_or_none,
    call_of,
    inputs_of,
    moderate,
    one_axis,
    one_input,
)
from tinygrad_edu.testing.strategies.op_calls.several import first_of, in_one

REDUCTION_SETTINGS: dict[str, SettingsFor] = {
    "sum": along, **{name: along_at_least(1) for name in ("logsumexp", "max", "min", "mean")}, "std": along_at_least(2),
    "var": lambda shape: st.builds(lambda s, d: s | {"ddof": d}, along_at_least(2)(shape), st.integers(0, 1)),
}  # fmt: skip


@st.composite
def _with_nans(draw: Any, name: str) -> Call:
    shape = draw(shapes(0, empty=False))
    settings = draw(along(shape))
    x = np.where(draw(masks(shape)), np.nan, draw(arrays(shape)))
    numbers = np.sum(~np.isnan(x), **settings)
    return Call(name, [np.where(numbers.all(), x, 1.5)], **settings)


@st.composite
def _differences(draw: Any) -> Call:
    shape = draw(shapes(1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    n = draw(st.integers(1, 2))
    attached = arrays(tuple(n if a == axis % len(shape) else length for a, length in enumerate(shape)))
    settings = {name: draw(st.none() | st.just(0.5) | attached) for name in ("prepend", "append")}
    return Call("diff", [draw(arrays(shape))], n=draw(st.integers(0, 3)), axis=axis, **settings)


# Factors that include zeros: none, one or several for each element of the result.
_FACTORS: dict[str, Any] = {"low": -1.5, "high": 1.5, "change": lambda x: np.round(x * 2) / 2}

REDUCTION: dict[str, Strategy[Call]] = {
    "sum": one_input("sum", along, **ANY_SIZE), "prod": one_input("prod", along, **_FACTORS),
    **{name: _with_nans(name) for name in ("nansum", "nanmean")},
    "mean": one_input("mean", along_at_least(1), least_size=1, **ANY_SIZE),
    "logsumexp": one_input("logsumexp", along_at_least(1), least_size=1, **MARGINS_OF_40),
    **{name: one_input(name, REDUCTION_SETTINGS[name], least_size=1, distinct=True) for name in ("max", "min")},
    **{name: one_input(name, along_at_least(1), least_size=1, distinct=True) for name in ("amax", "amin", "ptp")},
    "std": one_input("std", REDUCTION_SETTINGS["std"], least_size=2, distinct=True),
    "var": one_input("var", REDUCTION_SETTINGS["var"], least_size=2, low=-1e3, high=1e3),
    "recurrence": inputs_of(
        "recurrence", shapes(1).map(lambda shape: (shape, shape)), moderate, moderate,
        settings_for=partial(one_axis, reverse=st.booleans()),
    ),
    "cumulative_extremum": one_input(
        "cumulative_extremum", partial(one_axis, largest=st.booleans()), least_axes=1, distinct=True
    ),
    "diff": _differences(), "cumprod": one_input("cumprod", axis_or_none, **_FACTORS),
    "cumsum": one_input("cumsum", axis_or_none, **ANY_SIZE),
    "logcumsumexp": one_input("logcumsumexp", axis_or_none, **MARGINS_OF_40),
    **{name: one_input(name, axis_or_none, distinct=True) for name in ("cummax", "cummin")},
}  # fmt: skip


# --- Positions, ranks and weighted means ---


def _integers(shape: Shape, low: int, high: int) -> Strategy[Array]:
    """Draw an integer array with elements from `low` to `high`."""
    return arrays(shape, low, high, layouts=False).map(lambda x: np.round(x).astype(np.int64))


@st.composite
def _takes(draw: Any) -> Call:
    shape = draw(shapes(0, empty=False))
    axis = draw(axes(len(shape), several=False))
    n = int(np.prod(shape)) if axis is None else shape[axis]
    mode = draw(st.sampled_from(["raise", "wrap", "clip"]))
    low, high = (-n, n - 1) if mode == "raise" else (-2 * n, 2 * n)
    indices = draw(_integers(draw(shapes(0, 2)), low, high))
    return Call("take", [draw(arrays(shape))], indices=indices, axis=axis, mode=mode)


@st.composite
def _positions(draw: Any, shape: Shape, least: int = 0) -> Settings:
    """Draw an axis or None, and positions along it, which may broadcast along the other axes."""
    axis = draw(axes(len(shape), several=False))
    indexed = shape if axis is not None else (int(np.prod(shape)),)
    along = -1 if axis is None else axis
    target = list(draw(st.sampled_from([indexed, (1,) * len(indexed)])))
    target[along] = draw(st.integers(least, 3))
    return {"indices": draw(_integers(tuple(target), -indexed[along], indexed[along] - 1)), "axis": axis}


@st.composite
def _puts(draw: Any) -> Call:
    shape = draw(shapes(1, empty=False))
    settings = draw(_positions(shape, least=1))
    taken = np.take_along_axis(np.empty(shape), **settings).shape
    values = draw(arrays(draw(st.sampled_from([taken, taken[1:], ()]))))
    return Call("put_along_axis", [draw(arrays(shape)), settings["indices"], values], (0, 2), axis=settings["axis"])


@st.composite
def _flat_indices(draw: Any, name: str) -> Call:
    shape = draw(shapes(0, empty=False))
    indices = draw(_integers(draw(shapes(0)), 0, int(np.prod(shape)) - 1))
    if name == "take_flat":
        return Call(name, [draw(arrays(shape)), indices], (0,))
    return Call(name, [draw(arrays(indices.shape)), indices], (0,), shape=shape)


def _factors(shape: Shape) -> Strategy[Array]:
    """Draw factors that include zeros."""
    return arrays(shape, -1.5, 1.5).map(lambda x: np.asarray(np.round(x * 2) / 2))


@st.composite
def _segments(draw: Any, name: str) -> Call:
    """Draw rows in five segments at most; all numbers differ for an extremum, of which no segment is empty."""
    n, is_extremum = draw(st.integers(0, 6)), name in ("segment_max", "segment_min")
    ids = draw(_integers((n,), 0, 3)) if n else np.zeros(0, np.int64)
    if is_extremum:
        ids = np.concatenate([ids, np.arange(5)])
    shape = (len(ids), *draw(shapes(0, 2)))
    data = _factors(shape) if name == "segment_prod" else arrays(shape, distinct=is_extremum)
    return Call(name, [draw(data), ids], (0,), num_segments=5)


@st.composite
def _extrema(draw: Any) -> Call:
    indices = np.concatenate([draw(_integers((draw(st.integers(1, 6)),), 0, 3)), np.arange(4)])
    x = draw(arrays(indices.shape, distinct=True))
    return Call("extremum_flat", [x, indices], (0,), shape=(2, 2), largest=draw(st.booleans()))


@st.composite
def _additions(draw: Any) -> Call:
    shape = draw(shapes(1, 3, empty=False))
    axis = draw(axes(len(shape), none=False, several=False))
    n, source_shape = shape[axis], list(shape)
    indices = draw(_integers((draw(st.integers(0, 4)),), -n, n - 1))
    source_shape[axis] = len(indices)
    inputs = [draw(arrays(shape)), axis, indices, draw(arrays(tuple(source_shape)))]
    return Call("index_add", inputs, (0, 3), alpha=draw(st.sampled_from((1, -0.5))))


@st.composite
def _scatter_reductions(draw: Any) -> Call:
    """Draw elements that all differ, or for a product factors that include zeros."""
    shape = draw(shapes(1, 2, empty=False))
    axis = draw(axes(len(shape), none=False, several=False))
    source_shape = tuple(draw(st.integers(1, 3)) if a == axis % len(shape) else m for a, m in enumerate(shape))
    indices = draw(_integers(source_shape, -shape[axis], shape[axis] - 1))
    reduce = draw(st.sampled_from(("sum", "prod", "mean", "amax", "amin")))
    x, src = (draw(_factors(each)) for each in (shape, source_shape))
    if reduce in ("amax", "amin"):
        x, src = (draw(arrays(each, distinct=True)) for each in (shape, source_shape))
        src = src + 1 / 16
    return Call("scatter_reduce", [x, axis, indices, src, reduce], (0, 3), include_self=draw(st.booleans()))


_orders = partial(
    axis_or_none,
    descending=st.booleans(),
    stable=st.sampled_from([None, True]),
    kind=st.sampled_from([None, "heapsort"]),
)


def _quantiles(name: str, scale: float = 1.0) -> Strategy[Call]:
    fraction = st.sampled_from([0.0, 0.125, 0.3, 0.5, 0.9, 1.0]).map(lambda q: q * scale)
    q = fraction | st.lists(fraction, max_size=3) | st.just(0) | st.just([[0.25 * scale], [0.5 * scale]])
    methods = st.sampled_from(["linear", "lower", "higher", "midpoint", "nearest"])
    return one_input(name, partial(along, q=q, method=methods), least_size=1, distinct=True)


@st.composite
def _among_nans(draw: Any, /, name: str, **settings: Strategy[Any]) -> Call:
    shape = draw(shapes(0, 3, empty=False))
    x = np.where(draw(masks(shape)), draw(arrays(shape, distinct=True)), np.nan)
    return Call(name, [x], **draw(along(shape, **settings)))


# The ranks of these quantiles are whole or away from whole numbers.
_RANKS = st.sampled_from([0.0, 0.3, 1.0]) | st.just([0.3, 0.0]) | st.just(1)


@st.composite
def _averages(draw: Any, name: str) -> Call:
    """Draw differentiable weights for all elements or along some axes."""
    shape = draw(shapes(0, empty=False))
    settings = draw(along(shape))
    chosen = range(len(shape)) if settings["axis"] is None else np.atleast_1d(settings["axis"]).astype(int)
    axes_shape = tuple(shape[a] for a in chosen)
    broadcast_shape = tuple(n if a in [c % len(shape) for c in chosen] else 1 for a, n in enumerate(shape))
    weights_shape = draw(st.sampled_from([shape, axes_shape if name == "average" else broadcast_shape]))
    x, weights = draw(arrays(shape)), draw(arrays(weights_shape, 0.25, 2.0))
    if name == "average":
        return Call(name, [x, settings.pop("axis"), weights], (0, 2), **settings)
    return Call(name, [x, weights], **settings)


@st.composite
def _chosen(draw: Any, name: str) -> Call:
    """Draw the `k` of topk or kthvalue, and an axis."""
    shape = draw(shapes(1, empty=False))
    axis = draw(axes(len(shape), none=False, several=False))
    settings = {"k": draw(st.integers(1, shape[axis])), "axis": axis}
    settings |= {"keepdims" if name == "kthvalue" else "largest": draw(st.booleans())}
    return Call(first_of(name), [draw(arrays(shape, distinct=True))], **settings)


RANKING: dict[str, Strategy[Call]] = {
    "take_along_axis": one_input("take_along_axis", _positions, least_axes=1, least_size=1),
    "take": _takes(), "put_along_axis": _puts(),
    **{name: _flat_indices(name) for name in ("take_flat", "scatter_add_flat")},
    "quantile": _quantiles("quantile"), "percentile": _quantiles("percentile", 100.0),
    "nanquantile": _among_nans("nanquantile", q=_RANKS, method=st.sampled_from(["linear", "lower", "higher"])),
    "nanmedian": _among_nans("nanmedian"),
    "sort": one_input("sort", _orders, distinct=True),
    **{name: _averages(name) for name in ("average", "weighted_mean")},
    **{name: _chosen(name) for name in ("topk", "kthvalue")},
    **{name: _segments(name) for name in ("segment_sum", "segment_prod", "segment_max", "segment_min")},
    "extremum_flat": _extrema(), "index_add": _additions(), "scatter_reduce": _scatter_reductions(),
    "median": one_input("median", along, least_size=1, distinct=True),
}  # fmt: skip


# --- Functions without a derivative, which return booleans, positions or counts ---


def _joined(results: list[Any]) -> Any:
    return np.concatenate([np.asarray(result) for result in results])


_questions = partial(one_input, change=np.round)  # rounding produces ties


_SORTED = st.integers(0, 6).flatmap(lambda n: arrays((n,))).map(np.sort)
_BINS = st.builds(lambda x, step: np.asarray(np.round(x))[::step], _SORTED, st.sampled_from((1, -1)))


def _triangles(name: str) -> Strategy[Call]:
    lengths = st.integers(0, 4)
    of_rows = in_one(name, _joined)
    return call_of(of_rows, lengths, differentiable=(), k=st.integers(-3, 3), m=st.none() | lengths)


def _classes(count: int) -> Strategy[Call]:
    numbers = shapes(0, 2).flatmap(lambda shape: labels(shape, count))
    return call_of("one_hot", numbers, differentiable=(), num_classes=count)


NONDIFFERENTIABLE_CALLS: dict[str, Strategy[Call]] = {
    **{name: _questions(name) for name in ("isfinite", "isinf", "isnan", "logical_not", "flatnonzero")},
    **{
        name: inputs_of(name, broadcastable(), *[lambda shape: arrays(shape).map(np.round)] * 2)
        for name in ("isclose", "logical_and", "logical_or", "logical_xor")
    },
    **{name: _questions(name, along) for name in ("all", "any", "count_nonzero")},
    **{name: _questions(name, one_axis, least_axes=1, least_size=1) for name in ("argmax", "argmin")},
    "argsort": _questions("argsort", partial(axis_or_none, descending=st.booleans())),
    "nonzero": _questions(in_one("nonzero", _joined), least_axes=1), "unique": _questions(in_one("unique", _joined)),
    "searchsorted": call_of(
        "searchsorted", _SORTED, arrays(), differentiable=(1,), side=st.sampled_from(["left", "right"])
    ),
    "digitize": call_of("digitize", arrays().map(np.round), _BINS, differentiable=(0,), right=st.booleans()),
    **{name: _triangles(name) for name in ("tril_indices", "triu_indices")},
    "one_hot": st.integers(1, 4).flatmap(_classes),
}  # fmt: skip
"""Strategies for calls of the functions without a derivative, by name."""
