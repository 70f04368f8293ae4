"""The forward of every op is compared with NumPy, or with naive formulas and loops."""

import itertools
import linecache
import math
import re
import sys
import warnings
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, linalg, special

import tinygrad_edu as tg
from tests.effort import thorough, with_each
from tests.ops.groups import written
from tests.ops.missing import MISSING
from tests.ops.network_references import NETWORK_REFERENCES, batched, convolve, max_pool
from tinygrad_edu.errors import DTypeError, MissingExtraError, ShapeError, TinygradError
from tinygrad_edu.errors.extras import remedy
from tinygrad_edu.ops.reductions.scans import recurrence
from tinygrad_edu.testing import check_vjp
from tinygrad_edu.testing.laws.op_laws import forward_is_plain
from tinygrad_edu.testing.strategies import OP_CALLS, arrays, calls, illegal_windows, shapes
from tinygrad_edu.testing.strategies.op_calls.several import JOINING, SEVERAL, in_one, in_rows, of_a_list

# --- References: formulas in extended precision, and loops over pixels and samples ---


def exact(formula):
    """Compute a formula in extended precision, and round once."""

    def reference(x, *rest, **settings):
        return np.asarray(formula(x.astype(np.longdouble), *rest, **settings)).astype(x.dtype)

    return reference


def by_sample(formula):
    """Compute each sample, along the first axes of two arrays, by the formula."""
    return lambda x, y, **settings: np.stack([formula(*pair, **settings) for pair in zip(x, y, strict=True)])


def log_softmax_by_pairs(x, axis=-1):
    return x - np.logaddexp.reduce(x, axis=axis, keepdims=True)


def softmax_by_pairs(x, axis=-1):
    return np.exp(log_softmax_by_pairs(x, axis))


def naive_cross_entropy(logits, targets, weight=None, *, reduction, ignore_index=-100, label_smoothing=0.0):
    """Compute the losses in a loop, each with its weight in the mean."""
    log_p, classes, of_labels = log_softmax_by_pairs(logits, 1), logits.shape[1], targets.dtype.kind != "f"
    weight = np.ones(classes) if weight is None else weight
    losses = np.zeros((len(logits), *logits.shape[2:]), np.longdouble)
    counts = np.zeros_like(losses)
    for sample, *position in np.ndindex(losses.shape):
        here, column = (sample, *position), (sample, slice(None), *position)
        if of_labels and targets[here] == ignore_index:
            continue
        q = np.eye(classes)[targets[here]] if of_labels else targets[column]
        q = (1 - label_smoothing) * q + label_smoothing / classes
        losses[here] = -np.sum(weight * q * log_p[column])
        counts[here] = weight[targets[here]] if of_labels else 1
    return {"none": losses, "mean": losses.sum() / counts.sum(), "sum": losses.sum()}[reduction]


def scatter_by_loop(x, index, shape):
    places = np.arange(np.prod(shape, dtype=int)).reshape(shape)[index]
    out = np.zeros(np.prod(shape, dtype=int))
    for place, value in zip(np.ravel(places), np.ravel(x), strict=True):
        out[place] += value
    return out.reshape(shape)


def parts_by_loop(x, axis):
    return [x.take(k, axis) for k in range(x.shape[axis])]


def flatten_by_loop(x, start_axis, end_axis):
    """Merge two axes at a time."""
    first, last = (axis % max(x.ndim, 1) for axis in (start_axis, end_axis))
    for _ in range(last - first):
        x = x.reshape(*x.shape[:first], x.shape[first] * x.shape[first + 1], *x.shape[first + 2 :])
    return x.reshape(x.shape or 1)


def index_add_by_loop(x, positions, axis, length):
    out = np.zeros((length, *np.moveaxis(x, axis, 0).shape[1:]))
    for part, position in zip(np.moveaxis(x, axis, 0), positions, strict=True):
        out[position] += part
    return np.moveaxis(out, 0, axis)


def scatter_add_flat_by_loop(x, indices, shape):
    out = np.zeros(shape)
    for at, value in np.ndenumerate(x):
        out.flat[indices[at]] += value
    return out


def im2col_by_loop(x, kernel_size, stride, padding, dilation):
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    reach = [d * (k - 1) + 1 for k, d in zip(kernel_size, dilation, strict=True)]
    starts = (range(0, n - r + 1, s) for n, r, s in zip(x.shape[2:], reach, stride, strict=True))
    windows = [
        x[:, :, top : top + reach[0] : dilation[0], left : left + reach[1] : dilation[1]]
        for top, left in itertools.product(*starts)
    ]
    return np.stack([w.reshape(len(x), math.prod(w.shape[1:])) for w in windows], axis=-1)


def col2im_by_loop(columns, output_size, kernel_size, **settings):
    """Number the pixels, follow them through im2col, and sum the columns by number."""
    n, c = columns.shape[0], columns.shape[1] // (kernel_size[0] * kernel_size[1])
    numbers = np.arange(1, n * c * output_size[0] * output_size[1] + 1).reshape(n, c, *output_size)
    places = im2col_by_loop(numbers, kernel_size, **settings).astype(int)
    out = np.zeros(numbers.size + 1)
    for place, value in zip(places.ravel(), np.ravel(columns), strict=True):
        out[place] += value
    return out[1:].reshape(numbers.shape)


def topk_by_sorting(x, k, axis, largest):
    x = np.sort(x, axis)
    return (np.flip(x, axis) if largest else x).take(range(k), axis)


def kth_by_sorting(x, k, axis, keepdims):
    return np.sort(x, axis).take([k - 1] if keepdims else k - 1, axis)


def by_element(function):
    """Apply a function of a scalar to each element."""
    return lambda x: np.array([function(value) for value in np.ravel(x)], x.dtype).reshape(x.shape)


def sinc_derivative_by_integral(x, order):
    """Differentiate sin(t) / t, the integral of cos(s t) over s from 0 to 1, under the integral, at t = pi x."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    s = (nodes + 1) / 2
    wave = (np.cos, lambda t: -np.sin(t), lambda t: -np.cos(t), np.sin)[order % 4]
    waves = s**order * wave(s * np.pi * np.expand_dims(x, -1))
    return np.pi**order * np.sum(weights * waves, axis=-1) / 2


def elu_by_exp(x, alpha, rate=1.0):
    return np.where(x > 0, x, alpha * (np.exp(rate * np.minimum(x, 0)) - 1))


def gelu_tanh(x):
    return x * (1 + np.tanh(np.sqrt(np.longdouble(2) / np.pi) * (x + 0.044715 * x**3))) / 2


def gelu_by_erfc(x):
    return x * math.erfc(-x / math.sqrt(2)) / 2


def prelu_by_channel(x, weight):
    channels = np.moveaxis(x, 1 if x.ndim > 1 else -1, -1) if x.ndim else x
    slopes = np.moveaxis(np.broadcast_to(weight, channels.shape), -1, 1) if x.ndim > 1 else np.ravel(weight)[0]
    return np.asarray(np.maximum(x, 0) + slopes * np.minimum(x, 0))


def gates(x, axis):
    first, second = np.split(x, 2, axis)
    return first, 1 / (1 + np.exp(-second))


def correlate_images_by_loop(maps, weight, size, **settings):
    """Compute each pixel as the inner product of the maps and the correlation of a unit image at that pixel."""
    images = np.zeros((len(maps), weight.shape[1] * settings["groups"], *size))
    pixels = np.eye(images.size).reshape(images.size, *images.shape)
    images.ravel()[:] = [np.sum(maps * convolve(pixel, weight, **settings)) for pixel in pixels]
    return images


def affine_images_by_loop(maps, weight, bias, size, **settings):
    return correlate_images_by_loop(maps, weight, size, **settings) + bias[:, np.newaxis, np.newaxis]


def correlate_kernels_by_loop(maps, x, kernel_size, **settings):
    kernels = np.zeros((maps.shape[1], x.shape[1] // settings["groups"], *kernel_size))
    weights = np.eye(kernels.size).reshape(-1, *kernels.shape)
    kernels.ravel()[:] = [np.sum(maps * convolve(x, weight, **settings)) for weight in weights]
    return kernels


def dropout_by_element(x, bits, scale, axes):
    out = x.transpose(axes).copy()
    for k, place in enumerate(np.ndindex(out.shape)):
        kept = bits[k // 8] >> (7 - k % 8) & 1
        out[place] = out[place] * scale if kept else 0
    return out.transpose(np.argsort(axes))


def chosen_pixels(chosen, stride, dilation):
    """Yield the index of each chosen pixel in the images, the index of its window, and the number of its rivals."""
    axes = len(stride)
    for tap, (n, c, *place) in ((each[:axes], each[axes:]) for each in np.argwhere(chosen)):
        pixel = [i * s + j * d for i, j, s, d in zip(place, tap, stride, dilation, strict=True)]
        yield (n, c, *pixel), (n, c, *place), chosen[..., n, c, *place].sum()


def distribute_by_loop(values, chosen, size, kernel_size, stride, dilation):
    images = np.zeros((*values.shape[:2], *size))
    for pixel, window, count in chosen_pixels(chosen, stride, dilation):
        images[pixel] += values[window] / count
    return images


def mean_of_chosen_by_loop(images, chosen, kernel_size, stride, dilation):
    out = np.zeros(chosen.shape[len(stride) :])
    for pixel, window, count in chosen_pixels(chosen, stride, dilation):
        out[window] += images[pixel] / count
    return out


def diagonal_by_index(x, labels):
    """Copy the elements whose indices agree on equal labels."""
    distinct = list(dict.fromkeys(labels))
    out = np.zeros([x.shape[labels.index(label)] for label in distinct])
    for place in np.ndindex(out.shape):
        out[place] = x[tuple(place[distinct.index(label)] for label in labels)]
    return out


def on_diagonal_by_index(x, labels, shape):
    distinct = list(dict.fromkeys(labels))
    out = np.zeros(shape)
    for place in np.ndindex(x.shape):
        out[tuple(place[distinct.index(label)] for label in labels)] = x[place]
    return out


def cofactors_by_minors(x):
    out = np.zeros(x.shape)
    for *at, i, j in np.ndindex(x.shape):
        minor = np.delete(np.delete(x[tuple(at)], i, 0), j, 1)
        out[(*at, i, j)] = (-1) ** (i + j) * np.linalg.det(minor)
    return out


def cofactors_change_by_difference(direction, x):
    """Return a central difference; it is exact for up to three rows, where cofactors have degree two.

    The direction is scaled by a power of 2 to about the size of x, to avoid cancellation.
    """
    of_x, of_direction = (np.abs(array).max(initial=0) for array in (x, direction))
    longer = np.exp2(np.round(np.log2(of_x / of_direction))) if of_x and of_direction else 1
    change = cofactors_by_minors(x + longer * direction) - cofactors_by_minors(x - longer * direction)
    return change / (2 * longer)


def symmetric(x):
    return (x + np.swapaxes(x, -1, -2)) / 2


def diag_embed_by_loop(x, offset, axis1, axis2):
    n = x.shape[-1] + abs(offset)
    out = np.zeros((n, n, *x.shape[:-1]))
    for k in range(x.shape[-1]):
        out[k - min(offset, 0), k + max(offset, 0)] = x[..., k]
    return np.moveaxis(out, (0, 1), (axis1, axis2))


def areas(name):
    """Return SciPy's integral, with `initial` inserted by hand."""
    return lambda y, x=None, **settings: getattr(integrate, name)(y, x, **settings)


def slopes(f, *spacing, **settings):
    return in_one(np.gradient, np.concatenate)(f - f.reshape(-1)[0], *spacing, **settings)  # 0 for a constant


def distances(x1, x2, p):
    return np.linalg.vector_norm(x1[..., :, None, :] - x2[..., None, :, :], ord=p, axis=-1)


def triangular_by_solve(a, b, upper, left=True, unitriangular=False):
    a = np.triu(a) if upper else np.tril(a)
    if unitriangular:
        a = np.where(np.eye(a.shape[-1]), 1, a)
    return np.linalg.solve(a, b) if left else np.linalg.solve(a.mT, b.mT).mT


def gram(lower):
    return lower @ lower.mT


def elimination(x):
    """Return the triangular factors row by row."""
    out = x.copy()
    for i, k in itertools.product(range(x.shape[-1]), repeat=2):
        out[..., i, k] -= (out[..., i, : min(i, k)] * out[..., : min(i, k), k]).sum(-1)
        if i > k:
            out[..., i, k] /= out[..., k, k]
    return out


def bessel_of_any_order(x, kind, order):
    """Return the function by SciPy's routine for real orders."""
    return getattr(special, {"ie": "ive"}.get(kind, f"{kind}v"))(float(order), x)


def quiet_at_nan(function):
    def reference(*inputs, **settings):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return function(*inputs, **settings)

    return reference


def by_segment(ufunc):
    def reference(data, segment_ids, num_segments):
        rows = [data[segment_ids == k] for k in range(num_segments)]
        return np.stack([ufunc.reduce(part, axis=0) for part in rows])

    return reference


def extrema_by_loop(x, indices, shape, largest):
    return np.array([(max if largest else min)(x[indices == k]) for k in range(math.prod(shape))]).reshape(shape)


def scatter_reduce_by_loop(x, axis, indices, src, reduce, include_self):
    elements = {at: [value] if include_self else [] for at, value in np.ndenumerate(x)}
    for at in np.ndindex(indices.shape):
        target = list(at)
        target[axis] = indices[at] % x.shape[axis]
        elements[tuple(target)].append(src[at])
    reduced = {at: getattr(np, reduce)(some) if some else x[at] for at, some in elements.items()}
    return np.array(list(reduced.values())).reshape(x.shape)


def joined(decompose, parts, count=lambda found: None):
    """Return a reference that joins the parts of NumPy's result along the rows, without columns beyond the count."""

    def reference(x, **settings):
        found = decompose(x, **settings)
        return np.concatenate([part[..., : count(found)] for part in parts(*found)], axis=-2)

    return reference


def recurrence_by_loop(a, b, axis, reverse):
    a, out = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0).copy()
    for k in range(len(out))[:: -1 if reverse else 1]:
        before = k + 1 if reverse else k - 1
        if 0 <= before < len(out):
            out[k] += a[k] * out[before]
    return np.moveaxis(out, 0, axis)


def scan_by(extremum):
    """Return a scan by a ufunc; with axis None, over the flattened array."""
    return lambda x, axis: extremum.accumulate(x.ravel() if axis is None else x, axis=axis or 0)


def put_by_loop(x, indices, values, axis):
    out = x.copy()
    np.put_along_axis(out, indices, values, axis)
    return out


# References other than NumPy's function of the same name.
REFERENCES = {
    **dict.fromkeys(("clip_by_arrays", "clip_by_scalars"), np.clip), "identity": lambda x: x,
    "keep": lambda x, mask: np.where(mask, x, 0.0),
    "drop": lambda x, mask: np.where(mask, 0.0, x), "tanh_gradient": lambda cotangent, t: cotangent * (1 - t**2),
    "astype": lambda x, dtype: x.astype(dtype), "dropout_by_bits": dropout_by_element, "recurrence": recurrence_by_loop,
    "cummax": scan_by(np.maximum), "cummin": scan_by(np.minimum),
    "logcumsumexp": exact(lambda x, axis: np.log(np.cumsum(np.exp(x), axis))), "put_along_axis": put_by_loop,
    "sort": lambda x, axis, descending, **_: -np.sort(-x, axis) if descending else np.sort(x, axis),
    "weighted_mean": lambda x, weights, **along: np.average(x, weights=weights + 0 * x, **along),
    "diff": lambda x, n, axis, **beside: np.diff(x, n, axis, **{k: v for k, v in beside.items() if v is not None}),
    "one_minus_square": lambda x: 1 - x * x, "rsqrt": lambda x: 1 / np.sqrt(x),
    "lerp": lambda x, y, weight: x * (1 - weight) + y * weight,
    "masked_fill": lambda x, mask, value: np.where(mask, value, x), "xlogy": lambda x, y: x * np.log(y * 1.0),
    "hypot_ratio": lambda x, y: x / np.sqrt(x * x + y * y), "sinc_derivative": sinc_derivative_by_integral,
    "logit": lambda x, eps: -np.log(1 / np.clip(x, eps or 0, 1 - (eps or 0)) - 1),
    "logsigmoid": exact(lambda x: -np.logaddexp(0, -x)),
    "softplus": exact(lambda x, beta, threshold: np.where(beta * x > threshold, x, np.log1p(np.exp(beta * x)) / beta)),
    "erf": by_element(math.erf), "normal_cdf": by_element(lambda x: math.erfc(-x / math.sqrt(2)) / 2),
    "erfc": by_element(math.erfc), "ndtr": by_element(lambda x: math.erfc(-x / math.sqrt(2)) / 2),
    **{name: getattr(special, name)
       for name in ("erfcx", "erfinv", "ndtri", "log_ndtr", "entr", "xlog1py", "polygamma")},
    "log_ndtr_slope": lambda x: np.exp(-x * x / 2 - special.log_ndtr(x)) / math.sqrt(2 * math.pi),
    "lgamma": by_element(math.lgamma), "digamma": special.psi,
    "polygamma_of_order": lambda x, n: special.polygamma(n, x), "bessel_of_order": bessel_of_any_order,
    **{name: partial(bessel_of_any_order, kind=kind, order=order) for name, kind, order in (
        ("bessel_j0", "j", 0), ("bessel_j1", "j", 1), ("bessel_y0", "y", 0), ("bessel_y1", "y", 1), ("i0", "i", 0),
        ("i1", "i", 1), ("i0e", "ie", 0), ("i1e", "ie", 1), ("modified_bessel_k0", "k", 0),
        ("modified_bessel_k1", "k", 1),
    )},
    **{name: quiet_at_nan(getattr(np, name)) for name in ("nanquantile", "nanmedian")},
    "leaky": lambda x, slope: x * np.where(x > 0, 1.0, slope), "prelu": prelu_by_channel,
    "leaky_relu": lambda x, negative_slope: x * np.where(x > 0, 1.0, negative_slope),
    "relu6": lambda x: np.minimum(np.maximum(x, 0), 6), "hardsigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hardswish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "hardtanh": lambda x, min_val, max_val: np.minimum(np.maximum(x, min_val), max_val),
    "threshold": lambda x, threshold, value: np.where(x > threshold, x, np.float64(value)),
    "hardshrink": lambda x, lambd: x * (np.abs(x) > lambd),
    "softshrink": lambda x, lambd: np.maximum(x - lambd, 0) - np.maximum(-x - lambd, 0), "elu": elu_by_exp,
    "celu": lambda x, alpha: elu_by_exp(x, alpha, 1 / alpha), "exponential_unit": elu_by_exp,
    "selu": lambda x: 1.0507009873554804934193349852946 * elu_by_exp(x, 1.6732632423543772848170429916717),
    **dict.fromkeys(("silu", "silu_from_sigmoid"), lambda x: x / (1 + np.exp(-x))),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "gelu": lambda x, approximate: exact(gelu_tanh)(x) if approximate == "tanh" else by_element(gelu_by_erfc)(x),
    "gelu_exact": by_element(gelu_by_erfc), "gelu_tanh": exact(gelu_tanh), "softsign": lambda x: x / (1 + np.abs(x)),
    "tanhshrink": lambda x: np.where(
        np.abs(x) < 0.02, x**3 / 3 - 2 * x**5 / 15 + 17 * x**7 / 315 - 62 * x**9 / 2835, x - np.tanh(x)),
    "glu": lambda x, axis: np.multiply(*gates(x, axis)), "softmin": exact(lambda x, axis: softmax_by_pairs(-x, axis)),
    "relu": lambda x: np.where(x > 0, x, 0.0),
    **dict.fromkeys(("sigmoid", "softplus_slope"), exact(lambda x: 1 / (1 + np.exp(-x)))),
    "getitem": lambda x, index: x[index], "scatter": scatter_by_loop, "scatter_add": scatter_by_loop,
    "scatter_slices": lambda *arrays, indices, shape: sum(map(scatter_by_loop, arrays, indices, [shape] * len(arrays))),
    "concat": lambda *arrays, axis, ends: np.concatenate(arrays, axis),
    "stacked": lambda *arrays, axis: np.stack(arrays, axis),
    **{name: of_a_list(getattr(np, name)) for name in JOINING if name not in ("concat", "stacked", "block")},
    **{name: in_one(getattr(np, name), np.concatenate) for name in SEVERAL if name not in ("unbind", "unstack")},
    **{name: in_one(parts_by_loop, np.concatenate) for name in ("unbind", "unstack")}, "block": in_rows(np.block),
    "flatten": flatten_by_loop, "pad_constant": np.pad,
    "index_select": lambda x, positions, axis: np.take(x, positions, axis), "add_positions": index_add_by_loop,
    "scatter_add_flat": scatter_add_flat_by_loop,
    "cumulative_extremum": lambda x, axis, largest: (np.maximum if largest else np.minimum).accumulate(x, axis),
    "take_flat": lambda x, indices: x.reshape(-1)[indices],
    "logsumexp": exact(np.logaddexp.reduce),
    "softmax": exact(softmax_by_pairs), "log_softmax": exact(log_softmax_by_pairs),
    "sigmoid_cross_entropy": exact(lambda x, t: t * np.log(1 + np.exp(-x)) + (1 - t) * np.log(1 + np.exp(x))),
    "clamped_cross_entropy": exact(lambda p, t: -t * np.log(p) - (1 - t) * np.log(1 - p)),
    "softmax_gradient": lambda cotangent, p, axis: p * (cotangent - (cotangent * p).sum(axis, keepdims=True)),
    "softmax_cross_entropy": exact(naive_cross_entropy), "cross_entropy": exact(naive_cross_entropy),
    "im2col": im2col_by_loop, "col2im": col2im_by_loop, "unfold": batched(im2col_by_loop, 4),
    "fold": batched(col2im_by_loop, 3), "correlate": convolve, "affine_maps": convolve,
    "correlate_images": correlate_images_by_loop, "correlate_kernels": correlate_kernels_by_loop,
    "correlate_by_sample": by_sample(convolve), "images_by_sample": by_sample(correlate_images_by_loop),
    "kernels_by_sample": by_sample(correlate_kernels_by_loop), "linear_by_sample": by_sample(lambda x, w: x @ w.T),
    "affine_images": affine_images_by_loop,
    "window_max": lambda x, border, **window: max_pool(x, **window), "distribute_to_chosen": distribute_by_loop,
    "mean_of_chosen": mean_of_chosen_by_loop, "bmm": np.matmul, "take_diagonal": diagonal_by_index,
    "put_diagonal": on_diagonal_by_index,
    **{name: getattr(np.linalg, name) for name in
       ("inv", "solve", "det", "svdvals", "matrix_power", "pinv", "norm", "vector_norm", "matrix_norm", "cond")},
    "pseudo_inverse": np.linalg.pinv, "logabsdet": lambda x: np.linalg.slogdet(x)[1],
    "sign_of_det": lambda x: np.sign(np.linalg.det(x)), "cofactors": cofactors_by_minors,
    "cofactors_jvp": cofactors_change_by_difference,
    "cholesky_factor": lambda x: np.linalg.cholesky(symmetric(x)),
    "eigenvalues": lambda x, UPLO: np.linalg.eigvalsh(symmetric(x), UPLO),
    "eigenpairs": joined(lambda x, UPLO: np.linalg.eigh(symmetric(x), UPLO), lambda w, v: (w[..., None, :], v)),
    "singular_triplets": joined(
        np.linalg.svd, lambda u, s, v: (u, s[..., None, :], np.swapaxes(v, -1, -2)), lambda s: s[1].shape[-1]),
    "orthogonal_triangular": joined(np.linalg.qr, lambda q, r: (q, np.swapaxes(r, -1, -2))),
    "undifferentiable": lambda x, values, description: values,
    "p_norm": lambda x, p, axis, keepdims: np.linalg.vector_norm(x, axis=axis, ord=p, keepdims=keepdims),
    "diag_embed": diag_embed_by_loop, "cumulative_trapezoid": areas("cumulative_trapezoid"), "cdist": distances,
    "distances": distances,
    "pdist": lambda x, p: distances(x, x, p)[np.triu_indices(len(x), 1)], "gradient": slopes,
    "block_diag": linalg.block_diag, "bincount": lambda x, w, minlength: np.bincount(x, w, minlength),
    "histogram": in_one(np.histogram, np.concatenate),
    **{f"segment_{name}": by_segment(ufunc) for name, ufunc in
       (("sum", np.add), ("prod", np.multiply), ("max", np.maximum), ("min", np.minimum))},
    "extremum_flat": extrema_by_loop, "scatter_reduce": scatter_reduce_by_loop,
    "index_add": lambda x, axis, indices, source, alpha: x + alpha * index_add_by_loop(
        source, indices, axis, x.shape[axis]),
    **dict.fromkeys(("solve_triangular", "substitute"), triangular_by_solve),
    "lstsq": lambda a, b, rcond: np.linalg.pinv(a) @ b,
    "cholesky_solve": lambda b, x, upper: np.linalg.solve(gram(np.triu(x).mT if upper else np.tril(x)), b),
    "lu": lambda x: np.concatenate([part.ravel() for part in linalg.lu(x)]), "expm": linalg.expm,
    "triangular_factors": elimination,
    **{name: getattr(np.linalg, name) for name in ("tensorinv", "tensorsolve")},
    "topk": topk_by_sorting, "kthvalue": kth_by_sorting, **NETWORK_REFERENCES,
}  # fmt: skip


def test_every_reference_is_of_an_op():
    assert set(REFERENCES) <= set(OP_CALLS)


@pytest.mark.parametrize("name", thorough(OP_CALLS, quick=MISSING))
@given(data=st.data())
def test_forward_is_the_reference_and_float32_stays_float32(name, data):
    call = data.draw(calls(name))
    quiet = np.errstate(over="ignore")  # the formula of a reference overflows where its result does not
    forward_is_plain(call, quiet(REFERENCES.get(name) or getattr(np, name)))
    if name != "astype":  # dtype is an argument
        float32_stays(call)


def float32_stays(call):
    narrow = call.map_arrays(lambda x: x.astype(np.float32) if x.dtype.kind == "f" else x)
    with np.errstate(over="ignore"):  # exp(100) is infinite in float32
        out = narrow(*(tg.Tensor(x) for x in narrow.arrays))
        expected = np.asarray(call(*call.arrays)).astype(np.float32)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-4, atol=1e-4)


# --- Functions of a list ---


@given(st.data(), shapes(1, 3), st.integers(1, 3))
def test_stack_and_concatenate_are_numpys(data, shape, count):
    parts = [data.draw(arrays(shape)) for _ in range(count)]
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    np.testing.assert_array_equal(tg.stack(parts, axis), np.stack(parts, axis))
    for where in (axis, None):
        np.testing.assert_array_equal(tg.concatenate(parts, where), np.concatenate(parts, where))


@pytest.mark.parametrize("join", [tg.stack, tg.concatenate])
@pytest.mark.parametrize("count", [15, 16, 17, 40])
def test_very_many_parts_are_joined_as_few_are(join, count):
    parts = [tg.Tensor([float(k)], requires_grad=k % 3 > 0) for k in range(count)]
    out = join(parts)
    np.testing.assert_array_equal(out.numpy().ravel(), range(count))
    out.backward(np.arange(1.0, count + 1).reshape(out.shape))
    assert [p.grad for p in parts if p.requires_grad] == [k + 1 for k in range(count) if k % 3]
    twice = tg.grad(lambda x: (join([x * float(k) for k in range(count)]) ** 2).sum())
    _, tangent = tg.jvp(twice, (np.ones(1),), (np.ones(1),))
    np.testing.assert_allclose(tangent, 2 * sum(k * k for k in range(count)))


@pytest.mark.thorough
def test_100_000_parts_are_joined_in_a_moment_and_leave_nothing_behind():
    parts = [tg.Tensor([1.0], requires_grad=True) for _ in range(100_000)]
    calls = len(linecache.cache)
    tg.stack(parts).sum().backward()
    assert len(linecache.cache) == calls
    assert all(p.grad == 1 for p in parts)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "var", "std", "logsumexp", "prod", "median"])
def test_axes_may_be_a_list(name):
    x = tg.Tensor(np.random.default_rng(0).random((2, 3, 4)), requires_grad=True)
    y = tg.Tensor(x.numpy(), requires_grad=True)
    for t, axes in ((x, [0, 2]), (y, (0, 2))):
        getattr(t, name)(axis=axes).backward(np.arange(3.0))
    np.testing.assert_array_equal(x.grad, y.grad)


def test_a_padding_may_be_a_dict_as_in_numpy():
    x = tg.Tensor(np.ones((2, 3)), requires_grad=True)
    out = tg.pad(x, {-1: (1, 2), 0: 1})
    np.testing.assert_array_equal(out.numpy(), np.pad(x.numpy(), {-1: (1, 2), 0: 1}))
    out.backward(np.arange(out.size).reshape(out.shape))
    np.testing.assert_array_equal(x.grad, np.arange(out.size).reshape(out.shape)[1:3, 1:4])


# --- Numerical stability ---


@pytest.mark.parametrize("f", [tg.softmax, tg.softmin, tg.log_softmax])
def test_softmax_in_another_dtype(f):
    x = tg.Tensor(np.array([[0.25, 1.5], [3.0, -1.0]], np.float32), requires_grad=True)
    out = f(x, 0, dtype=np.float64)
    np.testing.assert_array_equal(out.numpy(), f(x.numpy().astype(np.float64), 0))
    out.sum().backward()
    assert (out.dtype, x.grad.dtype) == (np.float64, np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_large_logits(dtype):
    logits = tg.Tensor(np.array([[1e4, -1e4], [1e4, -1e4]], dtype), requires_grad=True)
    loss = tg.cross_entropy(logits, np.array([0, 1]), reduction="sum")
    loss.backward()
    assert loss.item() == 2e4
    np.testing.assert_array_equal(logits.grad, [[0, 0], [1, -1]])


def test_sigmoid_of_large_numbers():
    x = tg.Tensor([-1e4, 1e4], requires_grad=True)
    y = tg.sigmoid(x)
    y.backward([1.0, 1.0])
    np.testing.assert_array_equal(y.numpy(), [0, 1])
    np.testing.assert_array_equal(x.grad, [0, 0])


@pytest.mark.parametrize("op", [tg.softmax, tg.log_softmax, tg.logsumexp, tg.max, tg.sigmoid, tg.sum, tg.exp])
@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_nan_and_infinities_travel(op, value):
    x = np.array([1.0, value, 2.0])
    kept = {tg.softmax: softmax_by_pairs, tg.log_softmax: log_softmax_by_pairs,
            tg.logsumexp: lambda x: np.log(np.exp(x).sum()), tg.max: np.max, tg.sum: np.sum, tg.exp: np.exp,
            tg.sigmoid: lambda x: 1 / (1 + np.exp(-x))}[op]  # fmt: skip
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(op(x), kept(x))


# --- Errors ---

A, B = np.zeros((2, 3)), np.zeros((4, 3))
IMAGES = np.zeros((1, 2, 4, 4))

SHAPE_ERRORS = """
add(t(A), t(B)); where(A > 0, t(A), t(B)); matmul(t(A), t(B)); reshape(t(A), (4, 2)); broadcast_to(t(A), (3, 2))
concatenate([t(A), t(B)], axis=1); im2col(t(A), 2); col2im(t(np.zeros((1, 4, 8))), (4, 4), 2)
conv2d(t(IMAGES), t(np.zeros((1, 3, 2, 2)))); conv2d(t(IMAGES), t(np.zeros((3, 1, 2, 2))), groups=2)
conv2d(t(IMAGES), t(np.zeros((1, 2, 2, 2))), t(np.zeros(2))); max_pool2d(t(IMAGES), 2, padding=2)
cross_entropy(t(A), np.array([0, 1, 2])); linear(t(A), t(np.zeros((2, 2)))); linear(t(A), t(B), t(np.zeros(2)))
bilinear(t(A), t(A), t(np.zeros((2, 3, 2)))); conv2d(t(IMAGES), t(np.zeros((1, 2, 2, 2))), stride=2, padding="same")
conv1d(t(IMAGES), t(np.zeros((1, 2, 2)))); conv_transpose2d(t(IMAGES), t(np.zeros((3, 1, 2, 2))))
conv_transpose2d(t(IMAGES), t(np.zeros((2, 1, 2, 2))), output_padding=1)
conv_transpose2d(t(IMAGES), t(np.zeros((2, 1, 2, 2))), padding=3); max_pool1d(t(IMAGES), 2)
adaptive_avg_pool2d(t(IMAGES), (2, 2, 2)); interpolate(t(IMAGES), 2, mode="linear"); interpolate(t(IMAGES), 0)
conv3d(t(IMAGES), t(np.zeros((1, 1, 5, 1, 1)))); conv_transpose3d(t(IMAGES), t(np.zeros((1, 1, 1, 1, 1))), padding=1)
conv3d(t(IMAGES), t(np.zeros((1, 1, 1, 1, 1))), stride=(1, 1)); max_pool3d(t(IMAGES[0]), 2); avg_pool3d(t(IMAGES), 5)
adaptive_max_pool3d(t(IMAGES), (1, 1)); pixel_shuffle(t(IMAGES), 2); pixel_unshuffle(t(IMAGES), 3)
channel_shuffle(t(IMAGES), 3); layer_norm(t(A), 2)
layer_norm(t(A), 3, t(np.zeros(2))); group_norm(t(IMAGES), 3); batch_norm(t(IMAGES), np.zeros(3), np.ones(3))
batch_norm(t(A[:1]), None, None, training=True); local_response_norm(t(A), 2); cosine_similarity(t(A), t(A), 2)
embedding([0], t(IMAGES)); scaled_dot_product_attention(t(A), t(A[:, :2]), t(A))
"""


@with_each("call", written(SHAPE_ERRORS))
def test_shapes_that_do_not_fit_are_shape_errors(call):
    with pytest.raises(ShapeError):
        eval(f"tg.{call}", {**globals(), "t": tg.Tensor})


SENSELESS = {
    "embedding([0.5], A)": (DTypeError, "must be integers"),
    "avg_pool2d(IMAGES, 0)": (ValueError, "kernel_size must be an integer >= 1, got 0"),
    "local_response_norm(IMAGES, 10.5)": (DTypeError, "size must be an integer >= 1, got 10.5"),
    "embedding([0, 2], A)": (IndexError, "from 0 to 2"), "embedding([-1], A)": (IndexError, "must be from 0 to 1"),
    "embedding([0], A, padding_idx=2)": (IndexError, "padding_idx 2"),
    "scaled_dot_product_attention(A, A, A, dropout_p=0.5)": (ValueError, "rng"),
    "scaled_dot_product_attention(A, A, A, dropout_p=1.5)": (ValueError, "from 0 to 1"),
    "scaled_dot_product_attention(A, A, A, np.ones((2, 2)), is_causal=True)": (ValueError, "not both"),
    "scaled_dot_product_attention(A, A, A, np.ones((2, 2), int))": (DTypeError, "attn_mask"),
    "batch_norm(A, None, np.ones(3))": (ValueError, "running_mean must be given"),
    "batch_norm(A, tg.Tensor(np.ones(3), requires_grad=True), np.ones(3))": (DTypeError, "detach"),
    "batch_norm(A, np.zeros(3, int), np.ones(3), training=True)": (DTypeError, "in place, .* got int64"),
    "batch_norm(A, [0.0] * 3, np.ones(3), training=True)": (DTypeError, "running_mean is updated .* got list"),
    "avg_pool2d(IMAGES, 2, divisor_override=0)": (ValueError, "divisor_override"),
    "interpolate(IMAGES, 2, 2.0)": (ValueError, "exactly one"),
    "interpolate(IMAGES, 2, align_corners=True)": (ValueError, "align_corners"),
    'interpolate(IMAGES, 2, mode="cubic")': (ValueError, "mode must be 'nearest', .*'; did you mean 'bicubic'"),
    'interpolate(IMAGES, 2, mode="area", antialias=True)': (ValueError, "antialias=True requires mode 'bilinear' or"),
    "interpolate(IMAGES, 2, recompute_scale_factor=True)": (ValueError, "recompute_scale_factor"),
}  # fmt: skip


@with_each("call", SENSELESS)
def test_settings_of_networks_that_make_no_sense_are_refused(call):
    error, match = SENSELESS[call]
    with pytest.raises(error, match=match):
        eval(f"tg.{call}")


def test_attention_drops_weights_with_the_generator_given():
    query, value = np.zeros((50, 1)), np.ones((40, 1))
    out = tg.scaled_dot_product_attention(query, value, value, dropout_p=0.5, rng=np.random.default_rng(0))
    assert 0.8 < out.mean() < 1.2
    assert out.std() > 0


@given(illegal_windows())
def test_a_window_that_does_not_fit_is_refused(window):
    image = tg.Tensor(np.zeros((1, 1, *window.size)))
    with pytest.raises(ShapeError, match="is larger than the image"):
        tg.im2col(image, **window.settings)


FAR = 2**40
TOO_LARGE = {
    "unfold(IMAGES, FAR, padding=FAR // 2)": "kernel_size",
    "unfold(IMAGES, (1, FAR), padding=(0, FAR // 2))": "kernel_size", "unfold(IMAGES, 2, padding=FAR)": "padding",
    "unfold(IMAGES, 2, FAR, FAR // 2)": "padding", "fold(np.ones((1, 8, 9)), 4, FAR, padding=FAR // 2)": "kernel_size",
    "max_pool2d(IMAGES, FAR, ceil_mode=True)": "kernel_size", "max_pool1d(IMAGES[0], FAR, 1, FAR // 2)": "kernel_size",
    "avg_pool1d(IMAGES[0], FAR, 1, FAR // 2)": "kernel_size", "conv3d(IMAGES, np.ones((1, 1, 2, 2, 2)), padding=FAR)":
    "padding", "max_pool3d(IMAGES, (1, FAR, 1), ceil_mode=True)": "kernel_size",
    "conv2d(IMAGES, np.ones((1, 2, 2, 2)), padding=FAR)": "padding",
    "conv_transpose2d(IMAGES, np.ones((2, 1, 2, 2)), stride=FAR)": "pixels", "repeat(IMAGES, 2**62)": "repeats",
    "repeat(np.ones(4), [2**62] * 4)": "repeats",
}  # fmt: skip


@pytest.mark.parametrize("call", TOO_LARGE)
def test_sizes_too_large_for_an_array_are_refused_at_once(call):
    with pytest.raises(ShapeError, match=TOO_LARGE[call]):
        eval(f"tg.{call}")


@pytest.mark.parametrize("f", [
    lambda x, stride: tg.unfold(x, 2, stride=stride),
    lambda x, stride: tg.max_pool2d(x, 2, stride),
    lambda x, stride: tg.avg_pool2d(x, 2, stride),
    lambda x, stride: tg.conv2d(x, np.arange(16.0).reshape(2, 2, 2, 2), stride=stride),
    lambda x, stride: tg.fold(tg.unfold(x, 2, stride=9), 4, 2, stride=stride),
    lambda x, stride: tg.conv_transpose2d(x[:, :, :1, :1], np.ones((2, 2, 2, 2)), stride=stride),
    lambda x, stride: tg.conv3d(x, np.ones((1, 1, 2, 2, 2)), stride=stride),
    lambda x, stride: tg.max_pool3d(x, 2, stride), lambda x, stride: tg.avg_pool3d(x, 2, stride),
])  # fmt: skip
def test_a_stride_beyond_the_image_leaves_one_window(f):
    images = np.random.default_rng(0).standard_normal((1, 2, 4, 4))
    found = []
    for stride in (4, FAR, 2**62):
        x = tg.Tensor(images, requires_grad=True)
        out = f(x, stride)
        out.backward(np.arange(1.0, out.size + 1).reshape(out.shape))
        found.append((out.numpy(), x.grad))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][0], other[0], strict=True)
        np.testing.assert_array_equal(found[0][1], other[1], strict=True)


@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 2, 4, 5, 9, 10, 11, 12, 30])
def test_local_response_norm_of_any_size(size, channels):
    x = np.random.default_rng(0).standard_normal((2, channels, 3))
    wanted = NETWORK_REFERENCES["local_response_norm"](x, size, 0.5, 0.75, 1.0)
    np.testing.assert_allclose(tg.local_response_norm(x, size, 0.5), wanted, rtol=1e-13)
    np.testing.assert_allclose(tg.local_response_norm(x, FAR, 0.5, 0.75, 4.0), x / 4**0.75, rtol=1e-11)
    check_vjp(lambda x: tg.local_response_norm(x, size, 0.5), x)


@pytest.mark.parametrize("axis", [0, 1, 2, -2])
def test_cosine_similarity_of_vectors_with_fewer_axes(axis):
    x, y = np.arange(1.0, 4.0), np.arange(1.0, 19.0).reshape(2, 3, 3)
    whole = np.broadcast_to(x, y.shape)
    np.testing.assert_allclose(tg.cosine_similarity(x, y, axis), tg.cosine_similarity(whole, y, axis), rtol=1e-15)


def test_labels_out_of_range_and_of_the_wrong_kind():
    logits = tg.Tensor(A)
    with pytest.raises(ValueError, match=r"labels from 0 to 3"):
        tg.cross_entropy(logits, np.array([0, 3]))
    with pytest.raises(DTypeError):
        tg.cross_entropy(logits, np.array([True, False]))


@pytest.mark.parametrize("call", [lambda t: tg.sum(t, axis=5), lambda t: tg.max(t, axis=(0, 0)), lambda t: t[7]])
def test_numpys_own_errors_come_through_and_name_the_op(call):
    with pytest.raises((IndexError, ValueError)) as caught:
        call(tg.Tensor(A))
    assert "op " in "".join(getattr(caught.value, "__notes__", ())) or isinstance(caught.value, TinygradError)


# --- Faster algorithms ---


@pytest.mark.parametrize("n", [31, 32, 33, 64, 65, 1025, 33_000])
@pytest.mark.parametrize("across", [(), (2,)])
def test_a_recurrence_over_many_places_goes_piece_by_piece(n, across):
    rng = np.random.default_rng(n)
    a, b = rng.uniform(-1.1, 1.1, (n, *across)), rng.standard_normal((n, *across))
    for axis, reverse in ((0, False), (-len(across) - 1, True)):
        found, expected = recurrence(a, b, axis, reverse), recurrence_by_loop(a, b, axis, reverse)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


def test_factors_that_are_out_of_range_together_take_no_result_out_of_range():
    a, b = np.where(np.arange(3000) % 200 < 100, 1e30, 1e-30), np.zeros(3000)
    b[[50, 2900]] = 1e-290, 1.0
    with np.errstate(over="ignore"):
        expected = recurrence_by_loop(a, b, 0, False)
        np.testing.assert_allclose(recurrence(a, b, 0), expected, rtol=1e-12)
    assert 0 < np.isfinite(expected).mean() < 1


# --- Aliasing and kinds of arguments ---


@pytest.mark.parametrize("window", [tg.max_pool2d, tg.avg_pool2d, tg.im2col, tg.max_pool3d, tg.avg_pool3d])
def test_a_window_of_one_pixel_is_a_copy(window):
    x = np.zeros((1, 1, 2, 2))
    out = window(x, 1)
    assert not np.shares_memory(out, x)
    constant = tg.Tensor(x)
    out = window(constant, 1)
    out += 1
    assert not constant.numpy().any()


def test_images_may_be_nested_lists():
    images = [[[[1.0, 2.0], [3.0, 4.0]]]]
    assert tg.avg_pool2d(images, 2).tolist() == [[[[2.5]]]]
    assert tg.max_pool2d(images, 2).tolist() == [[[[4.0]]]]
    assert tg.conv2d(np.array(images), np.ones((1, 1, 1, 1)), [1.0]).tolist() == [[[[2.0, 3.0], [4.0, 5.0]]]]


@pytest.mark.parametrize("axes", [2, 3])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("n", "c", "out"), [(0, 3, 4), (2, 0, 4), (2, 3, 0), (0, 0, 0)])
def test_a_convolution_of_nothing_and_its_gradients(n, c, out, stride, axes):
    size, kernel = (8, 28, 28)[-axes:], (3,) * axes
    x, weight = (tg.Tensor(np.ones(shape), requires_grad=True) for shape in ((n, c, *size), (out, c, *kernel)))
    maps = (tg.conv2d if axes == 2 else tg.conv3d)(x, weight, stride=stride, padding=1)
    assert maps.shape == (n, out, *(length // stride for length in size))
    maps.sum().backward()
    for each in (maps.numpy(), x.grad, weight.grad):
        np.testing.assert_array_equal(each, np.zeros(each.shape))
    assert (x.grad.shape, weight.grad.shape) == (x.shape, weight.shape)


def test_a_refused_size_spoils_no_later_call():
    with pytest.raises(DTypeError, match="output_size must be an integer"):
        tg.col2im(np.ones((1, 4, 9)), (8 / 2, 8 / 2), 2)
    assert tg.max_pool2d(np.ones((1, 1, 4, 4)), 2, 1).shape == (1, 1, 3, 3)
    assert tg.conv2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2))).shape == (1, 1, 3, 3)


def test_relu_and_sigmoid_of_whole_numbers():
    assert tg.relu(np.array([True])).dtype == np.maximum(np.array([True]), 0).dtype
    assert tg.relu(-2.0) == 0
    np.testing.assert_allclose(tg.sigmoid(np.array([1, 2], np.uint8)), 1 / (1 + np.exp([-1.0, -2.0])))


@with_each("f", [tg.softmax, tg.softmin, tg.log_softmax, tg.logsumexp, tg.silu, tg.logit, tg.tanhshrink])
@with_each("dtype", [bool, np.uint8, np.int64])
def test_whole_numbers_give_what_floats_give(f, dtype):
    x = np.array([1, 0, 1], dtype)
    with np.errstate(divide="ignore"):
        wanted = f(x.astype(np.float64))
        np.testing.assert_allclose(f(x), wanted, rtol=1e-3 if f is tg.tanhshrink else 1e-15)
        assert f(tg.Tensor(x)).dtype == np.float32
        np.testing.assert_allclose(f(tg.Tensor(x)).numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("f", [tg.erf, tg.gelu, tg.erfc, tg.ndtr, tg.lgamma, tg.i0])
def test_without_scipy_the_error_names_the_extra(f, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingExtraError, match=re.escape(remedy("scipy"))):
        f(1.0)
