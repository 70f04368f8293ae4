"""Calls of functions of samples: integrals, slopes, interpolation, covariances, distances, vectors and histograms."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, axes, broadcastable, shapes
from tinygrad_edu.testing.strategies.op_calls.common import call_of, inputs_of, moderate
from tinygrad_edu.testing.strategies.op_calls.several import in_one

# --- Calculus ---


@st.composite
def _positions(draw: Any, n: int) -> Array:
    """Draw increasing positions at distances from 0.75 to 1.25."""
    return np.asarray(np.arange(n) + draw(arrays((n,), 0.0625, 0.3125)))


@st.composite
def _integrals(draw: Any, name: str) -> Call:
    shape = draw(shapes(1, 3, empty=False))
    axis = draw(axes(len(shape), none=False, several=False))
    settings = {"axis": axis} | ({"initial": draw(st.sampled_from((None, 0)))} if "cumulative" in name else {})
    y, x_shape = draw(arrays(shape)), draw(st.sampled_from([None, (shape[axis],), shape]))
    if x_shape is None:
        return Call(name, [y], dx=draw(st.sampled_from((1.0, 0.25))), **settings)
    return Call(name, [y, draw(moderate(x_shape))], **settings)


@st.composite
def _gradients(draw: Any) -> Call:
    shape = tuple(draw(st.lists(st.integers(3, 4), min_size=1, max_size=3)))
    axis = draw(st.sampled_from([None, 0, -1, (len(shape) - 1, 0) if len(shape) > 1 else 0]))
    count = len(shape) if axis is None else np.size(axis)
    inputs = [draw(arrays(shape))]
    if draw(st.booleans()):
        inputs += [draw(_positions(shape[0 if axis is None else axis])) if count == 1 else 0.5]
    arrays_only = [k for k, x in enumerate(inputs) if isinstance(x, np.ndarray)]
    return Call(in_one("gradient"), inputs, arrays_only, axis=axis, edge_order=draw(st.sampled_from((1, 2))))


@st.composite
def _interpolations(draw: Any) -> Call:
    n = draw(st.integers(1, 4))
    x = np.floor(draw(arrays(draw(shapes(0, 2)), -2, 6))) + 0.65  # positions have fractions from 0.06 to 0.32
    inputs = [x, draw(_positions(n)), draw(moderate((n,)))]
    border = st.sampled_from((None, 0.5))
    period = draw(st.sampled_from((None, None, n + 1)))
    return Call("interp", inputs, left=draw(border), right=draw(border), period=period)


# --- Covariances and distances ---


@st.composite
def _covariances(draw: Any, name: str) -> Call:
    variables, n = draw(st.integers(1, 3)), draw(st.integers(3, 5))
    rowvar = draw(st.booleans())
    shape = (variables, n) if rowvar else (n, variables)
    m = draw(arrays(draw(st.sampled_from([shape, shape, (n,)])), -8, 8, distinct=True))
    y = draw(st.none() | arrays(draw(st.sampled_from([shape, (n,)])), -8, 8, distinct=True))
    if m.ndim == 1 and not rowvar:
        y = None
    elif y is not None and y.ndim == 1 and not rowvar:
        y = y[:, None]
    if name == "corrcoef":
        return Call(name, [8 * x for x in (m, y) if x is not None], rowvar=rowvar)  # their deviations are at least 1
    weights = draw(st.none() | arrays((n,), 0.5, 2.0))
    counts = draw(st.none() | arrays((n,), 1, 3).map(lambda x: np.round(x).astype(np.int64)))
    inputs = [m, y, rowvar, draw(st.booleans()), draw(st.sampled_from((None, 0, 1))), counts, weights]
    return Call(name, inputs, tuple(k for k in (0, 1, 6) if inputs[k] is not None))


_ORDERS = st.sampled_from([2.0, 2.0, 1.0, 3.0, np.inf, 0.5])


@st.composite
def _cdists(draw: Any, name: str) -> Call:
    """Draw rows whose differences have no zeros, and elements of different absolute values."""
    k, stack = draw(st.integers(1, 3)), draw(st.sampled_from([(), (), (2,)]))
    x1, x2 = (np.round(draw(moderate((*stack, draw(st.integers(0, 3)), k)))) for _ in range(2))
    return Call(name, [x1, x2 + 0.55 + 0.03 * np.arange(k)], p=draw(_ORDERS))


@st.composite
def _pdists(draw: Any) -> Call:
    n, k = draw(st.integers(0, 4)), draw(st.integers(1, 3))
    rows = np.round(draw(moderate((n, k), layouts=False)))
    return Call("pdist", [rows + np.arange(n)[:, None] * (0.17 + 0.03 * np.arange(k))], p=draw(_ORDERS))


# --- Vectors ---


@st.composite
def _crosses(draw: Any) -> Call:
    a_shape, b_shape = draw(broadcastable(2, 2))
    if draw(st.booleans()):
        return Call("cross", [draw(arrays((3, *a_shape))), draw(arrays((*b_shape, 3)))], axisa=0, axisb=-1, axisc=0)
    if len(a_shape) == len(b_shape):
        return Call("cross", [draw(arrays((3, *shape))) for shape in (a_shape, b_shape)], axis=0)
    return Call("cross", [draw(arrays((*shape, 3))) for shape in (a_shape, b_shape)])


@st.composite
def _vecdots(draw: Any) -> Call:
    (x_shape, y_shape), n = draw(broadcastable(2, 2)), draw(st.integers(0, 3))
    if len(x_shape) == len(y_shape) and draw(st.booleans()):
        return Call("vecdot", [draw(arrays((n, *shape))) for shape in (x_shape, y_shape)], axis=0)
    return Call("vecdot", [draw(arrays((*shape, n))) for shape in (x_shape, y_shape)])


_FEW_NUMBERS = st.integers(0, 4).flatmap(lambda n: arrays((n,), -2, 2))


# --- Histograms ---


@st.composite
def _counts(draw: Any) -> Call:
    n = draw(st.integers(1, 6))
    numbers = np.round(draw(arrays((n,), 0, 4))).astype(np.int64)
    return Call("bincount", [numbers, draw(arrays((n,)))], (1,), minlength=draw(st.integers(5, 6)))  # a law changes x


@st.composite
def _histograms(draw: Any) -> Call:
    shape = draw(shapes(1, 2, empty=False))
    bins, limits = draw(st.sampled_from([(3, None), (4, (-2.0, 1.0)), ([-4.0, -1.0, 0.5, 900.0], None)]))
    weights = draw(arrays(shape, 0.25, 4.0))
    a = np.round(draw(arrays(shape, layouts=False)) * 8) / 8  # in float32, an element at an edge remains there
    a.reshape(-1)[0] = 0.0  # so that the total is not 0
    return Call(in_one("histogram"), [a, bins, limits, draw(st.sampled_from((None, True))), weights], (4,))


SAMPLED: dict[str, Strategy[Call]] = {
    **{name: _integrals(name) for name in ("trapezoid", "cumulative_trapezoid")},
    "gradient": _gradients(), "interp": _interpolations(),
    **{name: _covariances(name) for name in ("cov", "corrcoef")}, "pdist": _pdists(),
    **{name: _cdists(name) for name in ("cdist", "distances")},
    "cross": _crosses(), "vecdot": _vecdots(),
    "vander": call_of("vander", _FEW_NUMBERS, N=st.none() | st.integers(0, 5), increasing=st.booleans()),
    "block_diag": inputs_of("block_diag", st.lists(shapes(0, 2), min_size=1, max_size=3)),
    "bincount": _counts(), "histogram": _histograms(),
}  # fmt: skip
