"""For each op, what it can be called with: legal inputs away from kinks, and every setting. A table, `OP_CALLS`.

`Call` says which inputs are differentiated: floating-point ones that have a rule. An op of yours gets an entry with
``OP_CALLS["cube"] = one_input("cube")``, or any other strategy of `Call`.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.engine import Op
from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.strategies.arrays import (
    Shape,
    Strategy,
    arrays,
    axes,
    broadcastable,
    indices,
    labels,
    masks,
    shapes,
)
from tinygrad_edu.testing.strategies.windows import WindowProblem, windows

Settings = dict[str, Any]


def calls(op: str | Op) -> Strategy[Call]:
    """Draw a call of an op: its inputs, with every kind of shape and layout that it takes, and its settings.

    Raises
    ------
    LookupError
        For an op without an entry in `OP_CALLS`.
    """
    name = op.name if isinstance(op, Op) else op
    if name not in OP_CALLS:
        raise LookupError(f"op {name} has no strategy: add one, OP_CALLS[{name!r}] = a strategy of Call.")
    return OP_CALLS[name]


# --- The settings of an op with one input, for an input of a given shape ---


@st.composite
def _reshapings(draw: Any, shape: Shape) -> Settings:
    """Factor the size anew; one length may be given as -1."""
    lengths: list[int] = []
    rest = prod(shape)
    for _ in range(draw(st.integers(0, 2))):
        factor = draw(st.sampled_from([n for n in range(1, rest + 1) if rest % n == 0])) if rest else 0
        lengths.append(factor)
        rest = rest // factor if factor else 1
    if rest != 1 or draw(st.booleans()):
        lengths.append(rest)
    if rest and all(lengths) and lengths and draw(st.booleans()):
        lengths[draw(st.integers(0, len(lengths) - 1))] = -1
    return {"shape": tuple(lengths)}


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
    ones = [axis for axis, n in enumerate(shape) if n == 1]
    some = draw(st.lists(st.sampled_from(ones), unique=True)) if ones else []
    return {"axis": draw(st.sampled_from([None, tuple(some), *ones, *(a - len(shape) for a in ones)]))}


@st.composite
def _larger_shapes(draw: Any, shape: Shape) -> Settings:
    grown = tuple(draw(st.integers(1, 3)) if n == 1 else n for n in shape)
    return {"shape": (*draw(shapes(0, 2)), *grown)}


@st.composite
def _paddings(draw: Any, shape: Shape) -> Settings:
    widths = st.integers(0, 2)
    pairs = st.tuples(widths, widths)
    each = st.tuples(*[pairs] * len(shape))
    width = draw(widths | pairs | each)
    return {"pad_width": width, "constant_values": draw(st.sampled_from([0, 1.5]))}


@st.composite
def _two_axes(draw: Any, shape: Shape) -> Settings:
    axis = st.integers(-len(shape), len(shape) - 1)
    return {"axis1": draw(axis), "axis2": draw(axis)}


def _along(shape: Shape) -> Strategy[Settings]:
    return st.fixed_dictionaries({"axis": axes(len(shape)), "keepdims": st.booleans()})


def reduced(shape: Shape, axis: Any) -> int:
    """Return how many elements a reduction over `axis` takes together."""
    every = range(len(shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return prod(shape[a] for a in every)


def _along_at_least(least: int) -> Callable[[Shape], Strategy[Settings]]:
    return lambda shape: _along(shape).filter(lambda s: reduced(shape, s["axis"]) >= least)


def _one_axis(shape: Shape) -> Strategy[Settings]:
    return st.fixed_dictionaries({"axis": axes(len(shape), none=False, several=False)})


SETTINGS: dict[str, Callable[[Shape], Strategy[Settings]]] = {
    "reshape": _reshapings, "transpose": _transpositions, "swapaxes": _two_axes, "expand_dims": _new_axes,
    "squeeze": _squeezings, "broadcast_to": _larger_shapes, "pad": _paddings,
    "flip": lambda shape: st.fixed_dictionaries({"axis": axes(len(shape))}),
    "getitem": lambda shape: st.fixed_dictionaries({"index": indices(shape)}),
    "sum": _along, "logsumexp": _along_at_least(1), "max": _along_at_least(1), "min": _along_at_least(1),
    "mean": _along_at_least(1), "std": _along_at_least(2),
    "var": lambda shape: st.builds(lambda s, d: s | {"ddof": d}, _along_at_least(2)(shape), st.integers(0, 1)),
    "astype": lambda shape: st.just({"dtype": np.float64}), "softmax": _one_axis, "log_softmax": _one_axis,
}  # fmt: skip

_LEAST_AXES = {"swapaxes": 1, "softmax": 1, "log_softmax": 1, "pad": 1}
_NOT_EMPTY = {"max", "min", "mean", "std", "var", "logsumexp", "softmax", "log_softmax"}


# --- Strategies of Call ---


@st.composite
def one_input(draw: Any, /, name: Any, **values: Any) -> Call:
    """Draw a call of an op of one input, whose values are `arrays(**values)`, with the settings in `SETTINGS`."""
    shape = draw(shapes(_LEAST_AXES.get(name, 0), empty=name not in _NOT_EMPTY))
    if name in ("std", "var") and prod(shape) < 2:
        shape = (2, *shape[1:])
    settings = draw(SETTINGS[name](shape)) if name in SETTINGS else {}
    return Call(name, [draw(arrays(shape, **values))], **settings)


@st.composite
def two_inputs(draw: Any, name: Any, x: Settings | None = None, y: Settings | None = None) -> Call:
    """Draw a call of an op of two inputs that broadcast; now and then one is a Python number, that is held fixed."""
    of_x, of_y = draw(broadcastable())
    if draw(st.integers(0, 5)) == 5:
        inputs: list[Any] = [draw(arrays(of_x, **(x or {}))), draw(arrays((), **(y or {}))).item()]
        return Call(name, inputs, differentiable=(0,))
    return Call(name, [draw(arrays(of_x, **(x or {}))), draw(arrays(of_y, **(y or {})))])


@st.composite
def _extrema(draw: Any, name: str) -> Call:
    """Draw two operands that are never equal: one on the multiples of 1/4, one an eighth beside them."""
    of_x, of_y = draw(broadcastable())
    x, y = (draw(arrays(shape)) for shape in (of_x, of_y))
    return Call(name, [np.floor(x * 4) / 4, np.floor(y * 4) / 4 + 0.125])


@st.composite
def _wheres(draw: Any) -> Call:
    of_condition, of_x, of_y = draw(broadcastable(3))
    return Call("where", [draw(masks(of_condition)), draw(arrays(of_x)), draw(arrays(of_y))])


@st.composite
def _keeps(draw: Any) -> Call:
    of_x, of_mask = draw(broadcastable())
    return Call("keep", [draw(arrays(of_x)), draw(masks(of_mask))])


@st.composite
def _tanh_gradients(draw: Any) -> Call:
    shape = draw(shapes())
    return Call("tanh_gradient", [draw(arrays(shape)), draw(arrays(shape))])


@st.composite
def _divisions(draw: Any, name: str) -> Call:
    """Draw operands whose quotients are all away from whole numbers, where floor jumps."""
    of_x, of_y = draw(broadcastable())
    x = 2 * np.round(draw(arrays(of_x, -1.0, 1.0))) + draw(st.sampled_from([0.25, 0.3]))
    y = draw(arrays(of_y, away_from=(0.0,)))
    return Call(name, [x, np.sign(y) * np.exp2(np.round(y / 3))])


@st.composite
def _powers(draw: Any) -> Call:
    """Draw a positive base and any exponent; or any base but 0 and whole exponents, held fixed; or a number as one."""
    of_x, of_y = draw(broadcastable())
    kind = draw(st.sampled_from(("any exponent", "whole exponents", "a number as exponent", "a number as base")))
    if kind == "a number as exponent":
        return Call("power", [draw(arrays(of_x, 0.25, 3.0)), draw(st.sampled_from((2, 3, -1, 0.5, 0)))], (0,))
    if kind == "a number as base":
        base = draw(st.sampled_from((2, 0.5, np.array(3), np.array([1, 2, 3]))))
        return Call("power", [base, draw(arrays((*of_y[:-1], 1), -2.0, 2.0))], (1,))
    if kind == "any exponent":
        return Call("power", [draw(arrays(of_x, 0.25, 3.0)), draw(arrays(of_y, -2.0, 2.0))])
    x, y = draw(arrays(of_x, away_from=(0.0,))), np.round(draw(arrays(of_y)))
    return Call("power", [x, y.astype(draw(st.sampled_from((np.float64, np.int64))))], differentiable=(0,))


@st.composite
def _clips(draw: Any) -> Call:
    bounds = draw(st.sampled_from([(-1.0, 1.0), (None, 0.5), (0.0, None), (None, None)]))
    x = draw(arrays(away_from=[b for b in bounds if b is not None]))
    return Call("clip", [x], min=bounds[0], max=bounds[1])


@st.composite
def _concats(draw: Any) -> Call:
    shape = draw(shapes(1, 3))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for _ in range(draw(st.integers(1, 3))):
        length = draw(st.integers(0, 3))
        parts.append(draw(arrays(tuple(length if a == axis % len(shape) else n for a, n in enumerate(shape)))))
    return Call("concat", parts, axis=axis, ends=np.cumsum([part.shape[axis] for part in parts]))


@st.composite
def _scatters(draw: Any) -> Call:
    shape = draw(shapes())
    index = draw(indices(shape))
    return Call("scatter_add", [draw(arrays(np.empty(shape)[index].shape))], index=index, shape=shape)


@st.composite
def _products(draw: Any) -> Call:
    """Draw vectors, matrices and stacks of them, whose inner lengths agree."""
    n, k, m = (draw(st.integers(1, 3)) for _ in range(3))
    k = draw(st.sampled_from([k, k, k, k, 0]))
    stack_x, stack_y = draw(broadcastable(max_dims=2).filter(all))
    of_x = draw(st.sampled_from([(n, k), (k,), (*stack_x, n, k)]))
    of_y = draw(st.sampled_from([(k, m), (k,), (*stack_y, k, m)]))
    return Call("matmul", [draw(arrays(of_x)), draw(arrays(of_y))])


@st.composite
def _linears(draw: Any) -> Call:
    of_x, out = (*draw(shapes(0, 2)), draw(st.integers(0, 3))), draw(st.integers(1, 3))
    return Call("linear", [draw(arrays(of_x)), draw(arrays((out, of_x[-1])))])


@st.composite
def _classifications(draw: Any, name: str) -> Call:
    """Draw logits with labels, or with probabilities, which are differentiated too."""
    samples, classes = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    positions = draw(shapes(0, 1, empty=False))
    logits, reduction = draw(arrays((samples, classes, *positions))), draw(st.sampled_from(["none", "mean", "sum"]))
    target = labels((samples, *positions), classes) if draw(st.booleans()) else arrays(logits.shape, 0.0, 1.0)
    return Call(name, [logits, draw(target)], reduction=reduction)


@st.composite
def _binary_classifications(draw: Any) -> Call:
    logits = draw(arrays())
    return Call("sigmoid_cross_entropy", [logits, draw(arrays(logits.shape, 0.0, 1.0))])


@st.composite
def _images(draw: Any, /, window: WindowProblem, channels: int | None = None, **values: Any) -> Any:
    samples = draw(st.integers(1, 2))
    channels = draw(st.integers(1, 2)) if channels is None else channels
    return draw(arrays((samples, channels, *window.size), **values))


@st.composite
def _dropouts(draw: Any) -> Call:
    x = draw(arrays())
    bits = np.packbits(draw(masks((x.size,))))
    axes = tuple(draw(st.permutations(range(x.ndim))))
    return Call("dropout", [x], bits=bits, scale=draw(st.floats(1, 4)), axes=axes)


@st.composite
def _im2cols(draw: Any) -> Call:
    window = draw(windows())
    return Call("im2col", [draw(_images(window))], **window.settings)


@st.composite
def _col2ims(draw: Any) -> Call:
    window = draw(windows())
    channels = draw(st.integers(1, 2)) * prod(window.kernel_size)
    columns = draw(arrays((draw(st.integers(1, 2)), channels, prod(window.output))))
    return Call("col2im", [columns], output_size=window.size, **window.settings)


@st.composite
def _correlations(draw: Any, name: str) -> Call:
    """Draw a correlation, or one of the two ops that are its rules; or a convolution, now and then with a bias."""
    window, groups = draw(windows()), draw(st.integers(1, 2))
    per_group, out = draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    images = draw(_images(window, groups * per_group))
    kernels = draw(arrays((out, per_group, *window.kernel_size)))
    settings = window.settings | {"groups": groups}
    kernel_size = settings.pop("kernel_size")
    if name == "conv2d":
        return Call(name, [images, kernels, *draw(st.sampled_from([[], [draw(arrays((out,)))]]))], **settings)
    if name == "correlate":
        return Call(name, [images, kernels], **settings)
    maps = draw(arrays((len(images), out, *window.output)))
    if name == "correlate_images":
        return Call(name, [maps, kernels], size=window.size, **settings)
    return Call(name, [maps, images], kernel_size=kernel_size, **settings)


@st.composite
def _poolings(draw: Any, /, name: str, **values: Any) -> Call:
    window = draw(windows(dilated=False, max_padding=0))
    padding = tuple(draw(st.integers(0, k // 2)) for k in window.kernel_size)
    stride = draw(st.sampled_from([None, window.stride]))
    image = draw(_images(window, **values))
    return Call(name, [image], kernel_size=window.kernel_size, stride=stride, padding=padding)


@st.composite
def _greatests(draw: Any) -> Call:
    window = draw(windows(dilated=False, max_padding=0))
    ph, pw = border = tuple(draw(st.integers(0, k // 2)) for k in window.kernel_size)
    image = np.pad(draw(_images(window, distinct=True)), ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=-100.0)
    return Call("greatest", [image], kernel_size=window.kernel_size, stride=window.stride, border=border)


@st.composite
def _choices(draw: Any, name: str) -> Call:
    """Draw what pooling's rule is made of, with at least one chosen pixel in each window."""
    window = draw(windows(dilated=False, max_padding=0))
    images = draw(_images(window))
    maps = (*images.shape[:2], *window.output)
    chosen = draw(masks((*window.kernel_size, *maps)))
    chosen[-1, -1] |= ~chosen.any(axis=(0, 1))
    settings = {"chosen": chosen, "kernel_size": window.kernel_size, "stride": window.stride}
    if name == "mean_of_chosen":
        return Call(name, [images], **settings)
    return Call(name, [draw(arrays(maps))], size=window.size, **settings)


_POSITIVE = {"low": 0.25}
_NO_ZERO: Settings = {"away_from": (0.0,)}
_DISTINCT = {"distinct": True}

OP_CALLS: dict[str, Strategy[Call]] = {
    # one element at a time
    **{name: two_inputs(name) for name in ("add", "subtract", "multiply")},
    "divide": two_inputs("divide", y=_NO_ZERO), "power": _powers(), "where": _wheres(),
    "keep": _keeps(), "tanh_gradient": _tanh_gradients(),
    **{name: _divisions(name) for name in ("floor_divide", "remainder")},
    **{name: _extrema(name) for name in ("maximum", "minimum")},
    **{name: one_input(name) for name in ("negative", "exp", "square", "sin", "cos", "tanh", "sigmoid")},
    **{name: one_input(name, **_POSITIVE) for name in ("log", "sqrt")},
    **{name: one_input(name, **_NO_ZERO) for name in ("sign", "abs", "relu")},
    "clip": _clips(), "astype": one_input("astype"),
    # shapes and indices
    **{name: one_input(name) for name in (
        "identity", "reshape", "transpose", "swapaxes", "expand_dims", "squeeze", "broadcast_to", "flip", "pad",
        "getitem",
    )},
    "concat": _concats(), "scatter_add": _scatters(),
    # reductions
    **{name: one_input(name) for name in ("sum", "logsumexp", "mean", "var")},
    **{name: one_input(name, **_DISTINCT) for name in ("max", "min", "std")},
    # products, classification, images
    "matmul": _products(), "linear": _linears(),
    "dropout": _dropouts(), "softmax": one_input("softmax"), "log_softmax": one_input("log_softmax"),
    **{name: _classifications(name) for name in ("softmax_cross_entropy", "cross_entropy")},
    "sigmoid_cross_entropy": _binary_classifications(), "im2col": _im2cols(), "col2im": _col2ims(),
    **{name: _correlations(name) for name in ("conv2d", "correlate", "correlate_images", "correlate_kernels")},
    "greatest": _greatests(), **{name: _choices(name) for name in ("share_out", "mean_of_chosen")},
    "max_pool2d": _poolings("max_pool2d", **_DISTINCT), "avg_pool2d": _poolings("avg_pool2d"),
}  # fmt: skip
