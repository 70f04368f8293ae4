"""Reference implementations of network functions: plain loops and formulas, not written for speed."""

import math

import numpy as np


def batched(reference, axes):
    """Return a reference for batches that also accepts a single sample."""

    def of_any(x, *rest, **settings):
        return reference(x, *rest, **settings) if x.ndim == axes else reference(x[None], *rest, **settings)[0]

    return of_any


def of_any_axes(name, reference):
    """Return the references of a function for one, two and three spatial axes."""
    return {f"{name}{axes}d": batched(reference, axes + 2) for axes in (1, 2, 3)}


def per_axis(value, axes):
    return value if isinstance(value, tuple) else (value,) * axes


# --- Convolution: a loop over the pixels of the result or, transposed, of the input ---


def convolve(x, weight, bias=None, *, stride, padding, dilation, groups):
    (out, per_group, *kernel), axes = weight.shape, x.ndim - 2
    strides, spacing = per_axis(stride, axes), per_axis(dilation, axes)
    reach = [d * (k - 1) for d, k in zip(spacing, kernel, strict=True)]
    if padding == "same":
        widths = [(r // 2, r - r // 2) for r in reach]
    else:
        widths = [(p, p) for p in per_axis(0 if padding == "valid" else padding, axes)]
    x = np.pad(x, [(0, 0), (0, 0), *widths])
    size = [(n - r - 1) // s + 1 for n, r, s in zip(x.shape[2:], reach, strides, strict=True)]
    maps = np.zeros((len(x), out, *size))
    for n, o, *place in np.ndindex(*maps.shape):
        first = o // (out // groups) * per_group
        pixels = [slice(i * s, i * s + r + 1, d) for i, s, r, d in zip(place, strides, reach, spacing, strict=True)]
        window = x[n, first : first + per_group, *pixels]
        maps[n, o, *place] = np.sum(window * weight[o]) + (0 if bias is None else bias[o])
    return maps


def convolve_back(x, weight, bias=None, *, stride, padding, output_padding, dilation, groups):
    """Add each pixel times the kernels at its position, and crop the padding."""
    (into, per_group, *kernel), axes = weight.shape, x.ndim - 2
    s, p, e, d = (per_axis(v, axes) for v in (stride, padding, output_padding, dilation))
    size = [s[i] * (x.shape[2 + i] - 1) + d[i] * (kernel[i] - 1) + 1 + e[i] for i in range(axes)]
    whole = np.zeros((len(x), per_group * groups, *size))
    for n, c, o, *places in np.ndindex(*x.shape[:2], per_group, *x.shape[2:], *kernel):
        channel = c // (into // groups) * per_group + o
        pixel, tap = places[:axes], places[axes:]
        target = [i * s + j * d for i, j, s, d in zip(pixel, tap, s, d, strict=True)]
        whole[n, channel, *target] += x[n, c, *pixel] * weight[c, o, *tap]
    cut = whole[:, :, *(slice(p, n - p) for p, n in zip(p, size, strict=True))]
    return cut if bias is None else cut + bias.reshape(-1, *[1] * axes)


# --- Pooling: the pixels of each window ---


def starts(length, kernel, stride, padding, dilation, ceil_mode):
    """Return the starts of the windows: all that fit and, with `ceil_mode`, those that begin before the end."""
    reach, found, start = dilation * (kernel - 1), [], -padding
    while start + reach < length + padding or (
        ceil_mode and start < length and start - stride + reach < length + padding - 1
    ):
        found.append(start)
        start += stride
    return found


def pool(x, of_window, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Reduce each window: `of_window` receives its pixels (count, N, C), and its size within the padded image."""
    axes, size = x.ndim - 2, x.shape[2:]
    k, p, d = (per_axis(v, axes) for v in (kernel_size, padding, dilation))
    s = k if stride is None else per_axis(stride, axes)
    of = [starts(*each, ceil_mode) for each in zip(size, k, s, p, d, strict=True)]
    out = np.empty((*x.shape[:2], *map(len, of)))
    for place in np.ndindex(*out.shape[2:]):
        first = [of[axis][i] for axis, i in enumerate(place)]
        pixels = [[a + i * d for a, i, d in zip(first, tap, d, strict=True)] for tap in np.ndindex(*k)]
        inside = [pixel for pixel in pixels if all(0 <= i < n for i, n in zip(pixel, size, strict=True))]
        known = [1 for pixel in pixels if all(i < n + p for i, n, p in zip(pixel, size, p, strict=True))]
        values = np.array([x[:, :, *pixel] for pixel in inside]).reshape(len(inside), *x.shape[:2])
        out[:, :, *place] = of_window(values, len(known))
    return out


def max_pool(x, **settings):
    return pool(x, lambda pixels, known: np.max(pixels, axis=0, initial=-np.inf), **settings)


def avg_pool(x, count_include_pad, divisor_override, **settings):
    def mean(pixels, known):
        return pixels.sum(axis=0) / (divisor_override or (known if count_include_pad else len(pixels)))

    return pool(x, mean, **settings)


def adaptive(reduce):
    def reference(x, output_size):
        lengths = x.shape[2:]
        size = [
            length if n is None else n for n, length in zip(per_axis(output_size, x.ndim - 2), lengths, strict=True)
        ]
        out = np.empty((*x.shape[:2], *size))
        for place in np.ndindex(*size):
            edges = [(i * n / count, (i + 1) * n / count) for i, n, count in zip(place, lengths, size, strict=True)]
            window = x[:, :, *(slice(math.floor(a), math.ceil(b)) for a, b in edges)]
            out[:, :, *place] = reduce(window, axis=tuple(range(2, x.ndim)))
        return out

    return reference


# --- Interpolation: element by element ---


def interpolate(
    x, mode, size=None, scale_factor=None, align_corners=None, recompute_scale_factor=None, antialias=False
):
    lengths = x.shape[2:]
    given = scale_factor if size is None else size
    each = given if isinstance(given, tuple) else (given,) * len(lengths)
    for axis, (n, value) in enumerate(zip(lengths, each, strict=True)):
        to = value if size is not None else int(np.floor(n * value))
        step = n / to if size is not None or recompute_scale_factor else 1 / value
        if (to == n and "linear" in mode) or (mode == "nearest" and x.ndim == 4 and to in (n, 2 * n)):
            step = n / to
        if align_corners:
            places = [i * (n - 1) / (to - 1) if to > 1 else 0.0 for i in range(to)]
        else:
            places = [(i + 0.5) * step - 0.5 for i in range(to)]
        row = np.moveaxis(x, 2 + axis, 0)
        if antialias:
            step = n / to if to == n else (n - 1) / max(to - 1, 1) * (to > 1) if align_corners else step
            resized = np.array([below_kernel(row, mode, step * (i + 0.5) - 0.5, max(step, 1)) for i in range(to)])
            x = np.moveaxis(resized, 0, 2 + axis)
            continue
        resized = np.array([between(row, mode, i, place, step, to) for i, place in enumerate(places)])
        x = np.moveaxis(resized, 0, 2 + axis)
    return x


def between(row, mode, i, place, step, to):
    last = len(row) - 1
    if mode == "nearest":
        return row[min(int(np.float32(i) * np.float32(step)), last)]
    if mode == "nearest-exact":
        return row[min(int(np.float32(i + 0.5) * np.float32(step)), last)]
    if mode == "area":
        return row[i * len(row) // to : -(-(i + 1) * len(row) // to)].mean(axis=0)
    if mode == "bicubic":
        before = int(np.floor(place))
        return sum(keys(place - k) * row[min(max(k, 0), last)] for k in range(before - 1, before + 3))
    place = min(max(place, 0.0), last)
    before = int(place)
    return row[before] * (before + 1 - place) + row[min(before + 1, last)] * (place - before)


def below_kernel(row, mode, place, width):
    distances = (np.arange(len(row)) - place) / width
    weights = np.array([max(1 - abs(d), 0) if mode == "bilinear" else keys(d, -0.5) for d in distances])
    return np.tensordot(weights, row, 1) / weights.sum()


def keys(x, a=-0.75):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def grid_sample(x, grid, mode, padding_mode, align_corners):
    """Sum all pixels of the extended images, with a kernel as weight."""
    extension = {"zeros": "constant", "border": "edge", "reflection": "reflect" if align_corners else "symmetric"}
    wide = np.pad(x, [(0, 0), (0, 0), *[(12, 12)] * (x.ndim - 2)], extension[padding_mode])
    hat, box = (lambda d: max(1 - abs(d), 0), lambda d: float(abs(d) < 0.5))
    kernel = {"bilinear": hat, "nearest": box, "bicubic": keys}[mode]
    out = np.empty((*x.shape[:2], *grid.shape[1:-1]))
    for n, *place in np.ndindex(*grid.shape[:-1]):
        pixels = wide[n]
        for axis, at in enumerate(grid[n, *place]):  # the last axis of the images comes first
            length = x.shape[-1 - axis]
            at = (at + 1) * (length - 1) / 2 if align_corners else ((at + 1) * length - 1) / 2
            pixels = pixels @ np.array([kernel(at + 12 - k) for k in range(length + 24)])
        out[n, :, *place] = pixels
    return out


def affine_grid(theta, size, align_corners):
    out = np.empty((len(theta), *size[2:], theta.shape[1]))
    for n, *place in np.ndindex(*out.shape[:-1]):
        at = [
            (2 * i + 1 - align_corners) / (m - align_corners) - 1 if m > 1 else 0.0
            for i, m in zip(place, size[2:], strict=True)
        ]
        out[n, *place] = theta[n] @ [*at[::-1], 1]
    return out


def resample(x, index, weights, axis):
    matrix = np.zeros((index.shape[1], x.shape[axis]))
    for k, i in np.ndindex(*index.shape):
        matrix[i, index[k, i]] += weights[k, i]
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


def resample_transpose(y, index, weights, axis, length):
    matrix = np.zeros((length, y.shape[axis]))
    for k, i in np.ndindex(*index.shape):
        matrix[index[k, i], i] += weights[k, i]
    return np.moveaxis(np.tensordot(matrix, y, (1, axis)), 0, axis)


# --- Shuffling of channels and pixels ---


def pixel_shuffle(x, upscale_factor):
    r, (*batch, c, h, w) = upscale_factor, x.shape
    out = np.empty((*batch, c // r**2, h * r, w * r))
    for k, i, j in np.ndindex(*out.shape[-3:]):
        out[..., k, i, j] = x[..., k * r**2 + i % r * r + j % r, i // r, j // r]
    return out


def pixel_unshuffle(x, downscale_factor):
    r, (*batch, c, h, w) = downscale_factor, x.shape
    out = np.empty((*batch, c * r**2, h // r, w // r))
    for k, i, j in np.ndindex(c, h, w):
        out[..., k * r**2 + i % r * r + j % r, i // r, j // r] = x[..., k, i, j]
    return out


def channel_shuffle(x, groups):
    each = x.shape[1] // groups
    return np.stack([x[:, k % groups * each + k // groups] for k in range(x.shape[1])], axis=1)


# --- Normalization ---


def mean_of_channels(x):
    return x.mean(axis=(*range(x.ndim - 2), -1), keepdims=True)


def standardized(x, axis, eps):
    wide = x.astype(np.longdouble)
    apart = wide - wide.mean(axis=axis, keepdims=True)
    return (apart / np.sqrt((apart**2).mean(axis=axis, keepdims=True) + eps)).astype(x.dtype)


def affine(x, weight, bias):
    return x * (1.0 if weight is None else weight) + (0.0 if bias is None else bias)


def layer_norm(x, normalized_shape, weight, bias, eps):
    return affine(standardized(x, tuple(range(-np.size(normalized_shape), 0)), eps), weight, bias)


def rms_norm(x, normalized_shape, weight, eps):
    axes, eps = tuple(range(-np.size(normalized_shape), 0)), np.finfo(np.float64).eps if eps is None else eps
    return affine(x / np.sqrt((x**2).mean(axis=axes, keepdims=True) + eps), weight, None)


def by_channel(value, x):
    return None if value is None else value.reshape(1, -1, *[1] * (x.ndim - 2))


def group_norm(x, num_groups, weight, bias, eps):
    parts = [standardized(part, tuple(range(1, x.ndim)), eps) for part in np.split(x, num_groups, axis=1)]
    return affine(np.concatenate(parts, axis=1), by_channel(weight, x), by_channel(bias, x))


def running_norm(axes_of):
    def reference(x, running_mean, running_var, weight, bias, momentum, eps, training=None, use_input_stats=None):
        if training or use_input_stats:
            x = standardized(x, axes_of(x), eps)
        else:
            x = (x - by_channel(running_mean, x)) / np.sqrt(by_channel(running_var, x) + eps)
        return affine(x, by_channel(weight, x), by_channel(bias, x))

    return reference


def local_response_norm(x, size, alpha, beta, k):
    out = np.empty_like(x)
    for c in range(x.shape[1]):
        around = x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1]
        out[:, c] = x[:, c] / (k + alpha * (around**2).sum(axis=1) / size) ** beta
    return out


def p_norm(x, p, axis):
    size = np.abs(x)
    if p == 0:
        return (size != 0).sum(axis=axis, keepdims=True).astype(x.dtype)
    if np.isinf(p):
        return (np.max if p > 0 else np.min)(size, axis=axis, keepdims=True)
    return (size**p).sum(axis=axis, keepdims=True) ** (1 / p)


def normalize(x, p, axis, eps):
    return x / np.maximum(p_norm(x, p, axis), eps)


def cosine_similarity(x1, x2, axis, eps):
    x1, x2 = np.broadcast_arrays(x1, x2)
    lengths = [np.maximum(np.sqrt((x * x).sum(axis=axis)), eps) for x in (x1, x2)]
    return (x1 * x2).sum(axis=axis) / (lengths[0] * lengths[1])


def pairwise_distance(x1, x2, p, eps, keepdims):
    distance = p_norm(x1 - x2 + eps, p, -1)
    return distance if keepdims else distance[..., 0]


# --- Embedding and attention ---


def scatter_add_rows(rows, indices, count):
    out = np.zeros((count, rows.shape[-1]))
    for place in np.ndindex(*indices.shape):
        out[indices[place]] += rows[place]
    return out


def attention(query, key, value, mask=None, scale=None, is_causal=False, enable_gqa=False):
    if enable_gqa:
        key, value = (np.repeat(x, query.shape[-3] // x.shape[-3], axis=-3) for x in (key, value))
    scores = np.einsum("...le,...se->...ls", query, key) * (query.shape[-1] ** -0.5 if scale is None else scale)
    seen = np.ones(scores.shape, bool)
    if is_causal:
        seen = np.arange(scores.shape[-1]) <= np.arange(scores.shape[-2])[:, None]
    elif mask is not None and mask.dtype == bool:
        seen = mask
    elif mask is not None:
        scores = scores + mask
    weights = np.exp(scores) * seen
    total = weights.sum(axis=-1, keepdims=True)
    return np.einsum("...ls,...sv->...lv", weights / np.where(total == 0, 1, total), value)


def attention_in_blocks(row, mask, shapes, scale):
    rows = np.split(row, np.cumsum([*map(np.prod, shapes)])[:-1])
    parts = [part.reshape(shape) for part, shape in zip(rows, shapes, strict=True)]
    return attention(*parts, mask=mask, scale=scale)


def renorm(x, p, axis, maxnorm):
    slices = np.moveaxis(x, axis, 0)
    norms = [np.linalg.norm(part.reshape(-1), p) for part in slices]
    scaled = [s if n <= maxnorm else s * maxnorm / (n + 1e-7) for n, s in zip(norms, slices, strict=True)]
    return np.moveaxis(np.array(scaled), 0, axis)


def embedding_bag(indices, weight, offsets, mode):
    bags = indices if offsets is None else np.split(indices, offsets[1:])
    rows = [getattr(weight[bag], mode)(0) if len(bag) else np.zeros(weight.shape[1]) for bag in bags]
    return np.array(rows, weight.dtype)


def alignment_scores(emitted, can_skip, steps):
    """Return probabilities; see the strategy."""
    out = np.zeros((len(emitted) + 1, *emitted.shape[1:]))
    out[0, :, 0] = 1
    for t, n, s in np.ndindex(emitted.shape):
        before = [out[t, n, k] for k in (s, s - 1, s - 2)[: 3 if can_skip[n, s] else 2] if k >= 0]
        out[t + 1, n, s] = np.exp(emitted[t, n, s]) * np.sum(before) if t < steps[n] else out[t, n, s]
    return out.reshape(-1)


def recurrent(row, kind, shapes):
    """Compute each sample separately, with the formulas of PyTorch's documentation."""
    *rows, _ = np.split(row, np.cumsum([*map(np.prod, shapes)]))
    parts = [row.reshape(shape) for row, shape in zip(rows, shapes, strict=True)]
    count = 2 if kind == "LSTM" else 1
    (steps, samples), after = shapes[0][:2], [np.empty((shapes[0][0], *shape)) for shape in shapes[1 : 1 + count]]
    w_ih, b_ih, *rest = parts[1 + count :]
    for n in range(samples):
        states = [part[n] for part in parts[1 : 1 + count]]
        for t in range(steps):
            states = ONE_STEP[kind](w_ih @ parts[0][t, n] + b_ih, *states, *rest)
            for state, all_states in zip(states, after, strict=True):
                all_states[t, n] = state
    return np.concatenate([states.ravel() for states in after])


def logistic(x):
    return 1 / (1 + np.exp(-x))


def lstm_step(pre, h, c, w_hh, w_hr=1.0):
    i, f, g, o = (pre + w_hh @ h).reshape(4, -1)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    return np.dot(w_hr, logistic(o) * np.tanh(c)), c


def gru_step(pre, h, w_hh, b_hh):
    (r, z, n), (r_h, z_h, n_h) = pre.reshape(3, -1), (w_hh @ h + b_hh).reshape(3, -1)
    z = logistic(z + z_h)
    return ((1 - z) * np.tanh(n + logistic(r + r_h) * n_h) + z * h,)


ONE_STEP = {
    "RNN_TANH": lambda pre, h, w_hh: (np.tanh(pre + w_hh @ h),),
    "RNN_RELU": lambda pre, h, w_hh: (np.maximum(pre + w_hh @ h, 0),),
    "LSTM": lstm_step, "GRU": gru_step,
}  # fmt: skip


NETWORK_REFERENCES = {
    "linear_without_bias": lambda x, weight: np.einsum("...k,ok->...o", x, weight),
    "linear_with_bias": lambda x, weight, bias: np.einsum("...k,ok->...o", x, weight) + bias,
    "linear": lambda x, weight, bias=0.0: x @ weight.T + bias,
    "bilinear": lambda x1, x2, weight, bias=0.0: np.einsum("...i,oij,...j->...o", x1, weight, x2) + bias,
    **of_any_axes("conv", convolve), **of_any_axes("conv_transpose", convolve_back),
    **of_any_axes("max_pool", max_pool), **of_any_axes("avg_pool", avg_pool),
    **of_any_axes("adaptive_avg_pool", adaptive(np.mean)), **of_any_axes("adaptive_max_pool", adaptive(np.max)),
    "interpolate": interpolate, "resample": resample, "resample_transpose": resample_transpose,
    "grid_sample": grid_sample, "affine_grid": affine_grid,
    "pixel_shuffle": pixel_shuffle, "pixel_unshuffle": pixel_unshuffle, "channel_shuffle": channel_shuffle,
    "mean_product": lambda x, y: mean_of_channels(x * y), "center": lambda x: x - mean_of_channels(x),
    "divide_by_rms": lambda x, eps: x / np.sqrt(mean_of_channels(x**2) + eps),
    "row_norm": lambda x, eps: standardized(x, 1, eps),
    "channel_norm_without_affine": lambda x, eps: standardized(x, (0, 2), eps),
    "channel_norm": lambda x, weight, bias, eps: affine(standardized(x, (0, 2), eps), weight, bias),
    "layer_norm": layer_norm, "rms_norm": rms_norm, "group_norm": group_norm,
    "batch_norm": running_norm(lambda x: (0, *range(2, x.ndim))),
    "instance_norm": running_norm(lambda x: tuple(range(2, x.ndim))), "local_response_norm": local_response_norm,
    "normalize": normalize, "renorm": renorm,
    "cosine_similarity": cosine_similarity, "pairwise_distance": pairwise_distance,
    "embedding_bag": embedding_bag, "embedding": lambda indices, weight, padding_idx: weight[indices],
    "lookup_rows": lambda weight, indices: weight[indices], "scatter_add_rows": scatter_add_rows,
    "scaled_dot_product_attention": attention,
    "attention_in_blocks": attention_in_blocks, "alignment_scores": alignment_scores, "recurrent": recurrent,
}  # fmt: skip
