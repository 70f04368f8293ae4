"""Calls of image ops in one, two and three dimensions: sliding windows, convolution, pooling, resizing."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, masks
from tinygrad_edu.testing.strategies.windows import WindowProblem, windows

_SAMPLES = st.sampled_from([1, 2, 1, 2, 3, 0])
_GROUPS = st.sampled_from([1, 2, 1, 2, 3])


@st.composite
def _images(draw: Any, /, window: WindowProblem, channels: int | None = None, **values: Any) -> Any:
    channels = draw(st.integers(1, 2)) if channels is None else channels
    return draw(arrays((draw(_SAMPLES), channels, *window.size), **values))


@st.composite
def _im2cols(draw: Any) -> Call:
    window = draw(windows())
    return Call("im2col", [draw(_images(window))], **window.settings)


@st.composite
def _col2ims(draw: Any) -> Call:
    window = draw(windows())
    channels = draw(st.integers(1, 2)) * prod(window.kernel_size)
    columns = draw(arrays((draw(_SAMPLES), channels, prod(window.output))))
    return Call("col2im", [columns], output_size=window.size, **window.settings)


@st.composite
def _alone(draw: Any, images: Any) -> Any:
    """Drop the batch axis in some draws, if there is one sample."""
    return images[0] if len(images) == 1 and draw(st.booleans()) else images


@st.composite
def _unfoldings(draw: Any, name: str) -> Call:
    """Draw calls of unfold or fold, for a batch or one image."""
    call = draw(_im2cols() if name == "unfold" else _col2ims())
    return Call(name, [draw(_alone(call.inputs[0]))], **call.settings)


@st.composite
def _correlations(draw: Any, name: str, axes: int = 2) -> Call:
    """Draw a correlation with or without bias, or a call of one of the two ops that compute its vjps."""
    window, groups = draw(windows(axes=axes)), draw(_GROUPS)
    each = st.integers(1, 2 if groups < 3 else 1)
    per_group, out = draw(each), groups * draw(each)
    images = draw(_images(window, groups * per_group))
    kernels = draw(arrays((out, per_group, *window.kernel_size)))
    settings = window.settings | {"groups": groups}
    kernel_size = settings.pop("kernel_size")
    if name == "correlate":
        return Call(name, [images, kernels], **settings)
    if name == "affine_maps":
        return Call(name, [images, kernels, draw(arrays((out,)))], **settings)
    maps = draw(arrays((len(images), out, *window.output)))
    if name in ("correlate_images", "affine_images"):
        bias = [draw(arrays(images.shape[1:2]))] if name == "affine_images" else []
        return Call(name, [maps, kernels, *bias], size=window.size, **settings)
    return Call(name, [maps, images], kernel_size=kernel_size, **settings)


@st.composite
def _correlations_by_sample(draw: Any, name: str) -> Call:
    """Draw calls of the ops for several samples with kernels of their own, or with equal ones in one array."""
    plain = {"correlate_by_sample": "correlate", "images_by_sample": "correlate_images"}
    call = draw(_correlations(plain.get(name, "correlate_kernels")))
    count = draw(st.integers(1, 3))
    first, second = (np.stack([x * (1 - k / 8) for k in range(count)]) for x in call.inputs)
    if name != "kernels_by_sample" and draw(st.booleans()):
        second = np.broadcast_to(second[0], second.shape)
    return Call(name, [first, second], **call.settings)


@st.composite
def _convolutions(draw: Any, name: str) -> Call:
    """Draw a convolution, with or without bias and batch axis, with numeric or named padding."""
    call = draw(_correlations("correlate", _axes_of(name)))
    (images, kernels), settings = call.inputs, dict(call.settings)
    if draw(st.integers(0, 2)) == 2:
        settings["padding"] = draw(st.sampled_from(["same", "valid"]))
    if settings["padding"] == "same":
        settings["stride"] = 1
    if settings["padding"] == "valid":  # pad the image instead
        images = np.pad(images, [(0, 0), (0, 0), *((p, p) for p in call.settings["padding"])], mode="edge")
    bias = draw(st.sampled_from([[], [draw(arrays(kernels.shape[:1]))]]))
    return Call(name, [draw(_alone(images)), kernels, *bias], **settings)


def _axes_of(name: str) -> int:
    """Return the number of spatial axes of a function, such as 1 for conv1d."""
    return int(name[-2])


@st.composite
def _transposed_convolutions(draw: Any, name: str) -> Call:
    """Draw small inputs and kernels, and a padding that does not crop the whole result."""
    n, groups, axes = draw(_SAMPLES), draw(_GROUPS), _axes_of(name)
    most = 3 if axes < 3 else 2
    each = st.tuples(*[st.integers(1, most)] * axes)
    size, stride, dilation = draw(each), draw(each), draw(each)
    kernel_size = tuple(draw(st.integers(1, most + (axis == 0))) for axis in range(axes))
    c, per_group = groups * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    full = (
        s * (n - 1) + d * (k - 1) + e for n, k, s, d, e in zip(size, kernel_size, stride, dilation, extra, strict=True)
    )
    padding = tuple(draw(st.integers(0, min(2, length // 2))) for length in full)
    settings = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation, "groups": groups}
    images, kernels = draw(arrays((n, c, *size))), draw(arrays((c, per_group, *kernel_size)))
    bias = draw(st.sampled_from([[], [draw(arrays((groups * per_group,)))]]))
    return Call(name, [draw(_alone(images)), kernels, *bias], **settings)


@st.composite
def _poolings(draw: Any, /, name: str, **values: Any) -> Call:
    """Draw a pooling, batched or not."""
    window = draw(windows(dilated=name.startswith("max"), max_padding=0, axes=_axes_of(name)))
    reach = (d * (k - 1) + 1 for k, d in zip(window.kernel_size, window.dilation, strict=True))
    settings = {
        "kernel_size": window.kernel_size, "stride": draw(st.sampled_from([None, window.stride])),
        "padding": tuple(draw(st.integers(0, n // 2)) for n in reach), "ceil_mode": draw(st.booleans()),
    }  # fmt: skip
    if name.startswith("max"):
        settings["dilation"] = window.dilation
    else:
        settings["count_include_pad"] = draw(st.booleans())
        settings["divisor_override"] = draw(st.sampled_from([None, None, 3]))
    return Call(name, [draw(_alone(draw(_images(window, **values))))], **settings)


@st.composite
def _window_maxima(draw: Any) -> Call:
    window = draw(windows(max_padding=0, axes=draw(st.sampled_from([2, 3]))))
    edges = st.tuples(st.integers(0, 1), st.integers(0, 2))
    border = tuple(
        draw(edges) if k > 2 or d > 2 else (0, 0) for k, d in zip(window.kernel_size, window.dilation, strict=True)
    )
    image = np.pad(draw(_images(window, distinct=True)), ((0, 0), (0, 0), *border), constant_values=-100.0)
    settings = {"stride": window.stride, "border": border, "dilation": window.dilation}
    return Call("window_max", [image], kernel_size=window.kernel_size, **settings)


@st.composite
def _choices(draw: Any, name: str) -> Call:
    """Draw the inputs of the vjp of pooling. Any number of pixels may be selected in each window."""
    window = draw(windows(max_padding=0, axes=draw(st.sampled_from([2, 3]))))
    images = draw(_images(window))
    maps = (*images.shape[:2], *window.output)
    chosen = draw(masks((*window.kernel_size, *maps)))
    settings = {"kernel_size": window.kernel_size, "stride": window.stride, "dilation": window.dilation}
    if name == "mean_of_chosen":
        return Call(name, [images], chosen=chosen, **settings)
    return Call(name, [draw(arrays(maps))], chosen=chosen, size=window.size, **settings)


@st.composite
def _adaptive_poolings(draw: Any, /, name: str, **values: Any) -> Call:
    axes = _axes_of(name)
    lengths = draw(st.tuples(*[st.integers(1, 5 if axes < 3 else 3)] * axes))
    each = st.integers(1, 4 if axes < 3 else 3) | st.none()
    images = draw(arrays((draw(_SAMPLES), 1, *lengths), **values))
    return Call(name, [draw(_alone(images))], output_size=draw(each | st.tuples(*[each] * axes)))


@st.composite
def _interpolations(draw: Any) -> Call:
    """Draw a mode, and a size or a scale factor."""
    mode = draw(st.sampled_from(["nearest", "nearest-exact", "area", "linear", "bilinear", "bicubic", "trilinear"]))
    axes = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}.get(mode) or draw(st.integers(1, 3))
    lengths = tuple(draw(st.integers(1, 4 if axes < 3 else 2)) for _ in range(axes))
    settings: dict[str, Any] = {"mode": mode}
    if draw(st.booleans()):
        settings["size"] = draw(st.tuples(*[st.integers(1, 6 if axes < 3 else 3)] * axes) | st.integers(1, 3))
    else:
        factors = st.sampled_from([1.0, 1.3, 1.5, 2.0, 2.6])
        settings["scale_factor"] = draw(st.tuples(*[factors] * axes) | factors)
        settings["recompute_scale_factor"] = draw(st.sampled_from([None, False, True]))
    if mode.endswith(("linear", "cubic")):
        settings["align_corners"] = draw(st.sampled_from([None, False, True]))
    if mode in ("bilinear", "bicubic"):
        settings["antialias"] = draw(st.booleans())
    return Call("interpolate", [draw(arrays((draw(st.integers(1, 2)), 1, *lengths)))], **settings)


@st.composite
def _samplings(draw: Any) -> Call:
    """Draw images and points whose coordinates in pixels have fractions from 0.2 to 0.4: away from kinks and jumps."""
    axes = draw(st.integers(2, 3))
    mode = draw(st.sampled_from(["bilinear", "nearest", *["bicubic"] * (axes == 2)]))
    padding_mode, align_corners = draw(st.sampled_from(["zeros", "border", "reflection"])), draw(st.booleans())
    samples, lengths = draw(_SAMPLES), [draw(st.integers(1, 3)) for _ in range(axes)]
    places = (samples, *(draw(st.integers(1, 2)) for _ in range(axes)))
    pixels = np.stack([np.floor(draw(arrays(places, -3, n + 2, layouts=False))) + 0.2 for n in lengths[::-1]], -1)
    pixels += 0.2 * np.arange(pixels.size).reshape(pixels.shape) / pixels.size
    ends = np.array(lengths[::-1])
    grid = 2 * pixels / np.maximum(ends - 1, 1) - 1 if align_corners else (2 * pixels + 1) / ends - 1
    settings = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    return Call("grid_sample", [draw(arrays((samples, draw(st.integers(1, 2)), *lengths))), grid], **settings)


@st.composite
def _affine_grids(draw: Any) -> Call:
    axes = draw(st.integers(2, 3))
    size = (draw(st.integers(1, 3)), 1, *(draw(st.integers(1, 3)) for _ in range(axes)))
    theta = draw(arrays((size[0], axes, axes + 1)))
    return Call("affine_grid", [theta], size=size, align_corners=draw(st.booleans()))


@st.composite
def _resamplings(draw: Any, name: str) -> Call:
    """Draw tables of taps and weights. Weights may be 0, but do not cancel, because only rounding would remain."""
    shape = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(1, 3)))]
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    length, taps, size = shape[axis], draw(st.integers(1, 3)), draw(st.integers(1, 4))
    index = draw(arrays((taps, size), 0, length - 1, layouts=False)).astype(np.intp)
    weights = draw(arrays((taps, size), layouts=False) | masks((taps, size)))
    assume(np.all((np.abs(weights.sum(0)) > 2**-6) | ~weights.any(0)))
    settings = {"index": index, "weights": weights, "axis": axis}
    if name == "resample_transpose":
        shape[axis] = size
        settings["length"] = length
    return Call(name, [draw(arrays(tuple(shape)))], **settings)


@st.composite
def _shuffles(draw: Any, name: str) -> Call:
    r, batch = draw(st.integers(1, 2)), draw(st.sampled_from([(), (2,), (1, 2)]))
    c, h, w = (draw(st.integers(1, 2)) for _ in range(3))
    if name == "channel_shuffle":
        shape = (draw(st.integers(1, 2)), c * r, *draw(st.sampled_from([(2,), (1, 2)])))
        return Call(name, [draw(arrays(shape))], groups=r)
    if name == "pixel_shuffle":
        return Call(name, [draw(arrays((*batch, c * r * r, h, w)))], upscale_factor=r)
    return Call(name, [draw(arrays((*batch, c, h * r, w * r)))], downscale_factor=r)


IMAGES: dict[str, Strategy[Call]] = {
    "im2col": _im2cols(), "col2im": _col2ims(), **{name: _unfoldings(name) for name in ("unfold", "fold")},
    **{name: _correlations(name) for name in ("correlate", "correlate_images", "correlate_kernels")},
    **{name: _correlations(name) for name in ("affine_maps", "affine_images")},
    **{
        name: _correlations_by_sample(name)
        for name in ("correlate_by_sample", "images_by_sample", "kernels_by_sample")
    },
    **{f"conv{axes}d": _convolutions(f"conv{axes}d") for axes in (1, 2, 3)},
    **{f"conv_transpose{axes}d": _transposed_convolutions(f"conv_transpose{axes}d") for axes in (1, 2, 3)},
    "window_max": _window_maxima(), **{name: _choices(name) for name in ("distribute_to_chosen", "mean_of_chosen")},
    **{f"max_pool{axes}d": _poolings(f"max_pool{axes}d", distinct=True) for axes in (1, 2, 3)},
    **{f"avg_pool{axes}d": _poolings(f"avg_pool{axes}d") for axes in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{axes}d": _adaptive_poolings(f"adaptive_{kind}_pool{axes}d", distinct=kind == "max")
       for kind in ("max", "avg") for axes in (1, 2, 3)},
    "interpolate": _interpolations(), **{name: _resamplings(name) for name in ("resample", "resample_transpose")},
    "grid_sample": _samplings(), "affine_grid": _affine_grids(),
    **{name: _shuffles(name) for name in ("pixel_shuffle", "pixel_unshuffle", "channel_shuffle")},
}  # fmt: skip
