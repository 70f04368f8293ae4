"""Table of the fast functions, each with its plain twin and a strategy of the arguments of both."""

from functools import partial, wraps
from importlib import import_module
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.engine.fast import scatter_add
from tinygrad_edu.engine.fast.parameters import parameters
from tinygrad_edu.engine.fast.sums import sum_first
from tinygrad_edu.engine.plain import plain_add_at, plain_parameters, plain_sum_first
from tinygrad_edu.ops import on_demand
from tinygrad_edu.ops.elementwise import error_function
from tinygrad_edu.ops.fast import blocks, deviations, transpose
from tinygrad_edu.ops.fast.images import conv_columns, conv_gemm, convolution, depthwise
from tinygrad_edu.ops.images import pooling
from tinygrad_edu.ops.networks import activations, attention, normalization, recurrent
from tinygrad_edu.ops.sliding_windows import window_of
from tinygrad_edu.testing.numeric.sampling import draw_signed
from tinygrad_edu.testing.strategies import arrays, axes, broadcastable, calls, masks, shapes, special_arrays
from tinygrad_edu.testing.strategies.arrays import positions
from tinygrad_edu.transforms import vjp

FAST = Path(tg.ops.__file__).parent / "fast"
SINGLE = (np.float64, np.float32)
FLOATS = (*SINGLE, *SINGLE, np.float16, np.longdouble)  # most fast forms support only the first two
NUMBERS = (*FLOATS, np.int64, np.uint8, np.bool_)

on_demand.import_all()  # the files of ops declare the twins


class Twins(NamedTuple):
    """A fast function, its plain twin, a strategy of their arguments, and the tolerance of the comparison.

    `units` are units in the last place (ulp): 0 for equal bits, None for sums in another order.
    """

    fast: Any
    plain: Any
    arguments: st.SearchStrategy
    units: int | None = 0


def declared(name):
    """Return the fast function named "file.function", and the plain one that it declares with `faster_than`."""
    file, function = name.partition(",")[0].split(".")
    [path] = FAST.rglob(f"{file}.py")
    fast = getattr(import_module(".".join(path.relative_to(FAST.parents[2]).with_suffix("").parts)), function)
    return fast, getattr(fast, "plain", fast)


# --- Arguments ---


def numbers(shape=None, dtypes=FLOATS):
    """Draw an array of any layout; with special values if the dtype is floating-point."""

    def of(dtype):
        return special_arrays(shape, dtype) if dtype in FLOATS else arrays(shape, 0, 3, dtype=dtype).map(np.asarray)

    return st.sampled_from(dtypes).flatmap(of)


@st.composite
def ties(draw, shape, values, dtypes=FLOATS):
    """Draw a contiguous array of only a few values."""
    lengths = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    return np.array(values, draw(st.sampled_from(dtypes)))[draw(positions(lengths, len(values)))]


def images(shape):
    """Draw images or feature maps without strides of 0: einsum sums before it multiplies by a repeated number."""
    return numbers(shape, SINGLE[:1]).map(lambda x: x if all(x.strides) else np.array(x))


@st.composite
def alike(draw, count, dtypes=FLOATS, **of_shape):
    """Draw several arrays of one shape and one dtype."""
    shape, dtype = draw(shapes(**of_shape)), draw(st.sampled_from(dtypes))
    return tuple(draw(numbers(shape, (dtype,))) for _ in range(count))


@st.composite
def masked(draw):
    of_x, of_mask = draw(broadcastable())
    return draw(numbers(of_x, NUMBERS)), draw(masks(of_mask))


@st.composite
def choices(draw):
    of_mask, of_x, of_y = draw(broadcastable(3))
    x, y = draw(numbers(of_x, NUMBERS)), draw(numbers(of_y, NUMBERS))
    return draw(masks(of_mask)), draw(st.sampled_from([x, 0.0, 1])), y


def slopes():
    return st.tuples(numbers(), st.sampled_from([0, 0.25, 1.0, -1.5, 3, np.array(0.5)]))


@st.composite
def parts_above_0(draw):
    cotangent, x = draw(alike(2))
    return cotangent, activations.plain_relu_values(x)


@st.composite
def exponents(draw, dtypes):
    x, n = draw(numbers(None, dtypes)), draw(st.sampled_from([*range(-9, 10), 3.0, -2.0, 0.5, -0.5]))
    wide = np.array(n, np.longdouble)
    return x, draw(st.sampled_from([n, np.array(n, x.dtype), x.dtype.type(n), wide, np.full(x.shape, n, x.dtype)]))


@st.composite
def along(draw, count, dtypes=FLOATS, **of_shape):
    """Draw arrays of one shape, and an axis."""
    drawn = draw(alike(count, dtypes, **{"min_dims": 1, **of_shape}))
    ndim = max(drawn[0].ndim, 1)  # NumPy accepts the axes 0 and -1 for a 0-d array
    return *drawn, draw(st.just(-1) | st.integers(-ndim, ndim - 1))


@st.composite
def reduced(draw, function, dtypes):
    x = draw(numbers(shapes(1), dtypes) | ties(shapes(1), (0.0, -0.0, 2.5), dtypes))
    begins = [{"initial": 2.5}, {"initial": 0, "dtype": np.float64}]
    settings = draw(st.sampled_from([*begins, {}, {"dtype": np.float64}] if x.size else begins))
    return function, x, draw(st.just(-1) | axes(x.ndim)), draw(st.booleans()), settings


@st.composite
def sums_of_halves(draw):
    """Draw float16 arrays whose sums overflow, or absorb a term, unless they are computed in float32."""
    x = draw(ties(shapes(1, empty=False), (6e4, -6e4, 2048, 1), (np.float16,)))
    return np.add, x, -1, draw(st.booleans()), {}


# Also rows that are long enough for BLAS.
LONG_SHAPES = (
    st.lists(st.sampled_from([1, 2, 3, 8, 12]), min_size=2, max_size=4)
    .map(tuple)
    .filter(lambda shape: prod(shape) < 400)
)


@st.composite
def summed_rows(draw):
    """Draw an array, the axis that is last in memory, and the other axes in any order."""
    lengths = (*draw(st.lists(st.integers(2, 3), min_size=2, max_size=3)), draw(st.sampled_from([8, 12, 24])))
    order = draw(st.permutations(range(len(lengths))))
    return draw(numbers(lengths, SINGLE)).transpose(order), (order.index(len(lengths) - 1),)


@st.composite
def summed_axes(draw):
    x = draw(numbers(shapes(2, 4) | LONG_SHAPES, (*SINGLE, np.float16, np.int64)))
    over = draw(axes(x.ndim, none=False).map(lambda axis: tuple(np.atleast_1d(axis).astype(int))))
    kept = [axis for axis in range(x.ndim) if axis not in np.arange(x.ndim)[list(over)]]
    order = draw(st.permutations(kept).map(lambda outer: (*outer, *over)) | st.permutations(range(x.ndim)))
    order = np.arange(x.ndim)[list(order)]
    return np.ascontiguousarray(x.transpose(order)).transpose(np.argsort(order)), over


@st.composite
def sums_over_first_axes(draw):
    x = draw(summed_axes())[0]
    return draw(st.sampled_from([x, np.ascontiguousarray(x)])), draw(st.integers(0, x.ndim))


def summed():
    """Return the arguments of a sum."""
    settings = st.tuples(st.booleans(), st.sampled_from([None, np.float64]))
    return st.tuples(summed_axes() | summed_rows(), settings).map(lambda drawn: (*drawn[0], *drawn[1]))


@st.composite
def ranked(draw, one=True):
    n = draw(st.integers(1, 12))
    shape = (*draw(shapes(0, 1)), n)
    x = draw(numbers(shape, NUMBERS) | ties(shape, (np.nan, 1.0)) | ties(shape, (np.nan, 2.0, 1.0, -np.inf)))
    if one:
        return x, draw(st.integers(0, n)), draw(st.booleans())
    return x, np.array(draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=3)))


@st.composite
def indexed(draw, values=False):
    call = draw(calls("getitem"))
    x, index = call.arrays[0], draw(st.sampled_from([call.settings["index"], np.array([[0, -1]], np.int8)]))
    if not call.arrays[0].ndim or not call.arrays[0].size:
        index = call.settings["index"]
    return (x, index, draw(arrays(draw(st.sampled_from([x[index].shape, ()]))))) if values else (x, index)


@st.composite
def numbered_rows(draw):
    count, n, length = draw(st.integers(1, 4)), draw(st.integers(0, 12)), draw(st.integers(0, 12))
    total, rows = (draw(numbers((size, length), SINGLE[:1])) for size in (count, n))
    return np.array(total, order="C"), draw(arrays((n,), 0, count - 1, dtype=np.int64)), rows


@st.composite
def places(draw):
    shape = draw(shapes(1))
    axis = draw(st.integers(0, len(shape) - 1))
    n = draw(st.integers(0, 5)) if shape[axis] else 0
    of_places = [n if a == axis else draw(st.sampled_from([1, length])) for a, length in enumerate(shape)]
    return draw(arrays(tuple(of_places), 0, max(shape[axis] - 1, 0), dtype=np.int64)), axis, shape


@st.composite
def bells(draw):
    return draw(numbers(None, (np.float32, np.float64))), draw(
        st.sampled_from([error_function.ERF, error_function.NORMAL])
    )


@st.composite
def channels(draw, affine=False):
    a, k, b = (draw(st.integers(1, 3)) for _ in range(3))
    dtype = draw(st.sampled_from((*SINGLE, np.float16) if affine else SINGLE))
    x = draw(numbers((a, k, b), (dtype,)))
    if not affine:
        return (x,)
    x = draw(st.sampled_from([x, x * x.dtype.type(2.0**-10)]))  # its variance is below eps
    weight, bias = (draw(arrays((1, k, 1), dtype=dtype)) for _ in range(2))
    with np.errstate(all="ignore"):
        return x, weight, bias, draw(st.sampled_from([1e-5, 0.25])), normalization.plain_moments(x)


@st.composite
def gradients_of_channels(draw):
    x, weight, _, eps, moments = draw(channels(affine=True))
    return draw(arrays(x.shape, dtype=x.dtype)), x, weight, eps, moments


@st.composite
def pairs_of_channels(draw):
    (x,) = draw(channels())
    return x, draw(arrays(x.shape, dtype=x.dtype))


def moments_of_deviations(x):
    found = deviations.channel_deviations(x, 1e-5)
    if found is None:
        return normalization.plain_moments(x)
    mean, _, variance = found[0]
    return np.stack([mean.astype(x.dtype), mean - mean.astype(x.dtype), variance]).astype(x.dtype)


def norm_of_deviations(x, weight, bias, eps, moments):
    found = deviations.channel_deviations(x, eps)
    if found is None:
        return normalization.plain_channel_norm_values(x, weight, bias, eps, moments)
    return deviations.deviations_norm(x, weight[0] * found[2], bias, found[1])


def norm_x_of_deviations(g, x, weight, eps, moments):
    found = deviations.channel_deviations(x, eps)
    if found is None:
        return normalization.plain_channel_norm_x(g, x, weight, eps, moments)
    return deviations.deviations_norm_x(g, weight[0] * found[2], *found[1:])


def norm_weight_of_deviations(g, x, eps, moments):
    found = deviations.channel_deviations(x, eps)
    if found is None:
        return normalization.plain_channel_norm_weight(g, x, eps, moments)
    return deviations.deviations_norm_weight(g, *found[1:])


@st.composite
def multiplied(draw):
    """Draw arrays without both infinities and subnormals: the order decides whether their product is NaN."""

    def fits(drawn):
        x, axis = drawn
        return x.shape[axis] and (np.isfinite(x).all() or not ((x != 0) & (np.abs(x) < np.finfo(x.dtype).tiny)).any())

    x, axis = draw(along(1, (*SINGLE, np.float16)).filter(fits))
    return x, {"axis": axis}


@st.composite
def factors(draw, stacked=True):
    m, k, n = (draw(st.integers(0, 9)) for _ in range(3))
    n += draw(st.sampled_from([0, 16]))
    stack_x, stack_y = draw(broadcastable(max_dims=2)) if stacked else ((), ())
    one, other = draw(st.sampled_from([(dtype, dtype) for dtype in SINGLE] * 2 + [SINGLE, SINGLE[::-1]]))
    return draw(matrices(stack_x, m, k, one)), draw(matrices(stack_y, k, n, other))


def matrices(stack, m, n, dtype):
    """Draw matrices in row-major, column-major or any other layout."""
    by_rows, by_columns = (numbers((*stack, *shape), (dtype,)) for shape in ((m, n), (n, m)))
    return by_rows | by_columns.map(lambda x: x.swapaxes(-1, -2))


@st.composite
def factors_in_blocks(draw):
    x, y = draw(factors(stacked=False).filter(lambda both: both[0].size and both[0].dtype == both[1].dtype))
    return x, y, blocks.BlockSize(draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.booleans()))


@st.composite
def stacks(draw):
    g, p, r, k, each, pieces = (draw(st.integers(1, 3)) for _ in range(6))
    at_a_time = draw(st.integers(1, 3))
    dtype = (draw(st.sampled_from(SINGLE)),)
    return draw(numbers((g, at_a_time * pieces, k), dtype)), draw(numbers((g, p, r, k, each), dtype)), at_a_time


@st.composite
def sums(draw):
    g, j, s, m, n = (draw(st.integers(1, 3)) for _ in range(5))
    k, dtype = draw(st.integers(0, 6)), (draw(st.sampled_from(SINGLE)),)
    return draw(numbers((g, j, s, m, k), dtype)), draw(numbers((g, n, s, k), dtype))


@st.composite
def correlations(draw, op, by_channels=False, finite=False):
    """Draw the arguments of the functions of `op`: arrays (C, H, W, N) in any layout, kernels, a window and groups.

    `finite` is whether the second argument is finite: most forms multiply kernels by the zeros around the maps.
    """
    call = draw(calls(op).filter(lambda call: not by_channels or is_by_channels(call)))
    first = draw(images(call.arrays[0].shape))
    second = draw((arrays if finite else images)(call.arrays[1].shape))
    window_settings = [call.settings[name] for name in ("stride", "padding", "dilation")]
    size = call.settings.get("size", call.arrays[op == "correlate_kernels"].shape[2:])
    window = window_of(size, call.settings.get("kernel_size", call.arrays[1].shape[2:]), *window_settings)
    second = second.transpose(1, 2, 3, 0) if op == "correlate_kernels" else second
    bias = [draw(numbers((len(second),), SINGLE[:1]) | st.none())] if op == "correlate" else []
    return first.transpose(1, 2, 3, 0), second, window, call.settings["groups"], *bias


def is_by_channels(call):
    """Return whether each kernel has one channel."""
    in_all = call.name == "correlate_kernels"  # its second input are the images
    return call.inputs[1].shape[1] == (call.settings["groups"] if in_all else 1)


@st.composite
def pools(draw, gradient=False):
    """Draw images (C, ..., N) and windows, with their maxima; or values for the windows, and a mask of pixels."""
    call = draw(calls("window_max"))
    x, settings = call.arrays[0], [call.settings[name] for name in ("kernel_size", "stride", "dilation")]
    window = window_of(x.shape[2:], *settings[:2], 0, *settings[2:])
    images = np.ascontiguousarray(np.moveaxis(draw(numbers(x.shape, FLOATS)), 0, -1))
    maxima = pooling.plain_window_maxima(images, window)
    if not gradient:
        return images, maxima, window
    return draw(numbers(maxima.shape, FLOATS)), draw(masks((*map(len, window.taps), *maxima.shape))), window


@st.composite
def linear_maps(draw):
    call = draw(calls("linear_with_bias"))
    x, weight = (draw(images(x.shape)) for x in call.arrays[:2])
    dtype = draw(st.sampled_from(SINGLE))
    with np.errstate(over="ignore"):
        x, weight = x.astype(dtype), weight.astype(dtype)
    return x, weight, draw(st.none() | numbers(call.arrays[2].shape, SINGLE))


@st.composite
def patches(draw, op):
    call = draw(calls(op))
    return draw(images(call.arrays[0].shape)), *call.settings.values()


@st.composite
def long_attentions(draw):
    call = draw(calls("attention_in_blocks"))
    return call.arrays[0], call.settings


@st.composite
def sequences(draw):
    call = draw(calls("recurrent"))
    return call.arrays[0], call.settings


def with_every_kind(a, b=1, /, c=2, *rest, d, e=None, **others):
    """Accept a parameter of each kind."""


@wraps(with_every_kind)
def wrapped(*args, **kwargs):
    """Wrap a function, with its signature."""


def functions():
    """Draw a function: the forward function of an op, a vjp, or a callable of another kind."""
    ops = tg.ops.registry.values()
    of_ops = [*(op.forward for op in ops), *(f for op in ops for f in op.vjp_functions.values())]
    others = [with_every_kind, wrapped, partial(with_every_kind, 1), np.sum, lambda: 0]
    return st.tuples(st.sampled_from(others) | st.sampled_from(of_ops))


# --- Adapters for both twins ---


def listed(read):
    return lambda function: np.array([f"{p.name}, {p.kind}, {p.default}" for p in read(function)])


def reduction(reduce):
    return lambda function, x, axis, keepdims, settings: reduce(function, x, axis, keepdims, **settings)


def added(add):
    def function(total, index, values):
        out = total.copy("K")
        add(out, index, values)
        return out

    return function


def added_to_zeros(add):
    def function(like, index, values):
        out = np.zeros_like(like)
        add(out, index, values)
        return out

    return function


def last(put):
    def function(x):
        out = np.zeros((*x.shape[1:], len(x)), x.dtype)
        put(x, out)
        return out

    return function


def in_blocks(x, y, block):
    out = np.zeros((len(x), y.shape[1]), x.dtype)
    if out.size:
        blocks.product_in_blocks(x, y, block, out)
    return out


def in_blocks_of_their_own(x, y):
    block = blocks.block_size(x, y)
    return x @ y if block is None else in_blocks(x, y, block)


def with_blocks(multiply):
    def function(x, of_blocks, at_a_time):
        g, p, r, _, each = of_blocks.shape
        out = np.zeros((g, p, r, x.shape[1], each), x.dtype)
        multiply(x, of_blocks, at_a_time, out)
        return out

    return function


def all_steps(function):
    return lambda row, settings: np.asarray(function(row, **settings))


def images_by_choice(maps, weight, window, groups):
    """Return the images by the form that is chosen for these arguments."""
    return convolution.select_images_form(maps, weight, window, groups).images(maps, weight, window, groups)


def kernels_by_choice(maps, images, window, groups):
    """Return the kernels by the form that is chosen for these arguments."""
    form = convolution.select_form(len(maps), len(images), groups, maps.shape[3], window)
    return form.kernels(maps, images, window, groups)


def in_dtype(function):
    """Return a function whose result is cast to the dtype of its first argument."""
    return lambda x, *others: function(x, *others).astype(x.dtype)


def unsigned(function):
    """Return a function whose result has no -0: NumPy's maximum of 0 and -0 may be either, and 0 + -0 is 0."""
    return lambda x, *others: function(x, *others) + x.dtype.type(0)


# --- Gradients, and their definitions as references ---


def pulled_back(function):
    """Return a function of x and settings that computes the gradient of x for a random cotangent."""

    def gradient(x, settings):
        out, pullback = vjp(lambda x: function(x, **settings), x)
        return pullback(cotangent_of(np.asarray(out)))[0]

    return gradient


def cotangent_of(out):
    return draw_signed(np.random.default_rng(0), out.shape).astype(out.dtype)


def gradient_of_prod(x, settings):
    """Return, for each element, the product of the others times the cotangent."""
    axis = settings["axis"]
    rows = np.moveaxis(x, axis, -1)
    others = [np.delete(rows, k, -1).prod(-1) for k in range(rows.shape[-1])]
    return np.stack(others, axis) * np.expand_dims(cotangent_of(x.prod(axis)), axis)


# --- The tables, by file and function name ---

NUMERIC = (*FLOATS, np.int64)
SAME_BITS = {
    "elementwise.masked": masked(), "elementwise.zeroed": masked(), "elementwise.selected": choices(),
    "elementwise.leaky_relu_values": slopes(), "elementwise.leaky_relu_slope": slopes(),
    "elementwise.relu_vjp": parts_above_0(), "elementwise.silu_vjp": alike(3), "elementwise.tanh_vjp": alike(2),
    "elementwise.gelu_tanh_vjp": alike(3), "elementwise.gelu_vjp": alike(3),
    "reductions.mean_along": along(1), "partition.first_indices": ranked(), "partition.rank_indices": ranked(one=False),
    "softmax.subtract_max": along(1, min_dims=0), "indices.getitem_values": indexed(), "indices.flat_indices": places(),
    "chwn.samples_last": st.tuples(numbers(shapes(4, max_dims=4))),
    "chwn.samples_first": st.tuples(numbers(shapes(4, max_dims=4))), "im2col.im2col_values": patches("im2col"),
    "pooling.max_mask": pools(),
}  # fmt: skip
ROUNDED = {  # strategy, and units in the last place
    "elementwise.sigmoid_values": (alike(1, NUMERIC), 4), "elementwise.softplus_values": (alike(1, NUMERIC), 4),
    "powers.power_values": (exponents((*SINGLE, np.longdouble)), 20),
    "powers.power_values, float16": (exponents((np.float16,)), 1), "error_function.bell_integral": (bells(), 2),
}  # fmt: skip
SUMS = {
    "elementwise.logaddexp_values": alike(2, NUMERIC), "reductions.sum_along": summed(),
    "reductions.sum_of_squares": summed().map(lambda x: x[:3]),
    "softmax.softmax_values": along(1, min_dims=0),
    "softmax.log_softmax_vjp": along(2, min_dims=0), "softmax.softmax_vjp": along(2, min_dims=0),
    "normalization.moments": channels(), "normalization.channel_norm_values": channels(affine=True),
    "normalization.channel_norm_x": gradients_of_channels(),
    "normalization.channel_norm_weight": gradients_of_channels().map(lambda x: (*x[:2], *x[3:])),
    "linear.linear_values": linear_maps(),
    "reductions.log_sum": along(1, min_dims=0), "im2col.col2im_values": patches("col2im"),
    "products.product": factors(), "products.sum_of_products": sums(),
    "conv_gemm.correlated_maps": correlations("correlate"),
    "conv_gemm.correlated_images": correlations("correlate_images", finite=True),
    "conv_gemm.correlated_kernels": correlations("correlate_kernels"),
}  # fmt: skip
REDUCE = [reduction(reduce) for reduce in declared("reductions.reduce_along")]
TWINS = {
    **{name: Twins(*declared(name), arguments) for name, arguments in SAME_BITS.items()},
    **{name: Twins(*declared(name), *how) for name, how in ROUNDED.items()},
    **{name: Twins(*declared(name), arguments, None) for name, arguments in SUMS.items()},
    "elementwise.relu_values": Twins(*map(unsigned, declared("elementwise.relu_values")), alike(1)),
    "elementwise.nonpositive_values": Twins(*map(unsigned, declared("elementwise.nonpositive_values")), alike(1)),
    "elementwise.hardswish_vjp": Twins(*map(unsigned, declared("elementwise.hardswish_vjp")), alike(2)),
    "reductions.reduce_along": Twins(*REDUCE, reduced(np.maximum, FLOATS) | reduced(np.minimum, FLOATS)),
    "reductions.reduce_along, sums": Twins(*REDUCE, reduced(np.add, FLOATS), None),
    "reductions.reduce_along, sums of float16": Twins(*REDUCE, sums_of_halves(), 1),
    "reductions.other_factors": Twins(pulled_back(tg.prod), gradient_of_prod, multiplied(), None),
    "sums.sum_first": Twins(sum_first, plain_sum_first, sums_over_first_axes(), None),
    "parameters.parameters": Twins(listed(parameters), listed(plain_parameters), functions()),
    "scatter_add.add_at": Twins(added(scatter_add.add_at), added(plain_add_at), indexed(values=True), None),
    "scatter_add.add_rows": Twins(added(scatter_add.add_rows), added(plain_add_at), numbered_rows(), None),
    "scatter_add.add_at_zeros": Twins(
        added_to_zeros(scatter_add.add_at_zeros), added_to_zeros(plain_add_at), indexed(values=True), None),
    "deviations.channel_deviations": Twins(moments_of_deviations, normalization.plain_moments, channels(), None),
    "deviations.deviations_norm": Twins(
        norm_of_deviations, normalization.plain_channel_norm_values, channels(affine=True), None),
    "deviations.deviations_norm_x": Twins(
        norm_x_of_deviations, normalization.plain_channel_norm_x, gradients_of_channels(), None),
    "deviations.deviations_norm_weight": Twins(
        norm_weight_of_deviations, normalization.plain_channel_norm_weight,
        gradients_of_channels().map(lambda x: (*x[:2], *x[3:])), None),
    "normalization.mean_of_products": Twins(
        *map(in_dtype, declared("normalization.mean_of_products")), pairs_of_channels(), None),
    "products.product_of_blocks": Twins(*map(with_blocks, declared("products.product_of_blocks")), stacks(), None),
    "blocks.product_in_blocks": Twins(in_blocks, lambda x, y, block: x @ y, factors_in_blocks(), None),
    "blocks.block_size": Twins(in_blocks_of_their_own, lambda x, y: x @ y, factors(stacked=False), None),
    "transpose.put_last": Twins(*map(last, (transpose.put_last, transpose.plain_put_last)),
                                st.tuples(numbers(shapes(2)))),
    "conv_columns.maps_by_columns": Twins(
        conv_columns.maps_by_columns, conv_gemm.plain_correlated_maps, correlations("correlate"), None),
    "conv_columns.images_by_columns": Twins(
        conv_columns.images_by_columns, conv_gemm.plain_correlated_images, correlations("correlate_images"), None),
    "conv_columns.kernels_by_columns": Twins(
        conv_columns.kernels_by_columns, conv_gemm.plain_correlated_kernels, correlations("correlate_kernels"), None),
    "convolution, images": Twins(
        images_by_choice, conv_gemm.plain_correlated_images, correlations("correlate_images"), None),
    "convolution, kernels": Twins(
        kernels_by_choice, conv_gemm.plain_correlated_kernels, correlations("correlate_kernels"), None),
    "depthwise.depthwise_maps": Twins(
        depthwise.depthwise_maps, conv_gemm.plain_correlated_maps, correlations("correlate", True), None),
    "depthwise.depthwise_images": Twins(
        depthwise.depthwise_images, conv_gemm.plain_correlated_images,
        correlations("correlate_images", True, finite=True), None),
    "depthwise.depthwise_kernels": Twins(
        depthwise.depthwise_kernels, conv_gemm.plain_correlated_kernels, correlations("correlate_kernels", True), None),
    "pooling.window_maxima": Twins(
        *map(unsigned, declared("pooling.window_maxima")), pools().map(lambda drawn: (drawn[0], drawn[2]))),
    "pooling.add_to_chosen": Twins(*map(unsigned, declared("pooling.add_to_chosen")), pools(gradient=True)),
    "attention": Twins(
        all_steps(attention.attention_in_blocks), all_steps(attention.attention_of_row), long_attentions(), None),
    "attention, gradients": Twins(
        pulled_back(attention.attention_in_blocks), pulled_back(attention.attention_of_row), long_attentions(), None),
    "recurrent": Twins(all_steps(recurrent.recurrent), all_steps(recurrent.by_steps), sequences(), None),
    "recurrent, gradients": Twins(pulled_back(recurrent.all_steps), pulled_back(recurrent.by_steps), sequences(), None),
}  # fmt: skip

# Functions of the fast folders without a twin of their own, and the tests that cover them.
WITHOUT_A_TWIN = {
    "chwn": "moves images: test_layout.py, and the twins of the correlations",
    "convolution": "test_patches.py, to second derivatives",
    "polyphase": "the twins of correlated_images",
    "ring_buffer": "the twins of correlated_maps and correlated_images",
    "attention": "attention_of_row, through the op attention_in_blocks",
    "recurrent": "by_steps, through the op recurrent",
    "recurrent_products": "by_steps, through the op recurrent",
    "products.product_on_threads": "the twin of product, and test_fast.py",
    "products.tile_size": "chooses the tiles of the correlations",
    "conv_columns.should_use_columns": "chooses where columns are used",
    "transpose.items_of": "a view", "transpose.padded_copy": "a copy",
}  # fmt: skip
