"""Calls of the ops of networks: products, classification, dropout, windows over images."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.calls import Call
from tinygrad_edu.testing.strategies.arrays import (
    Strategy,
    arrays,
    broadcastable,
    labels,
    masks,
    shapes,
)
from tinygrad_edu.testing.strategies.op_calls.common import (
    one_axis,
    one_input,
)
from tinygrad_edu.testing.strategies.windows import WindowProblem, windows


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
def _dropouts(draw: Any) -> Call:
    x = draw(arrays())
    bits = np.packbits(draw(masks((x.size,))))
    axes = tuple(draw(st.permutations(range(x.ndim))))
    return Call("dropout", [x], bits=bits, scale=draw(st.floats(1, 4)), axes=axes)


@st.composite
def _images(draw: Any, /, window: WindowProblem, channels: int | None = None, **values: Any) -> Any:
    samples = draw(st.integers(1, 2))
    channels = draw(st.integers(1, 2)) if channels is None else channels
    return draw(arrays((samples, channels, *window.size), **values))


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


NETWORKS: dict[str, Strategy[Call]] = {
    "matmul": _products(), "linear": _linears(), "dropout": _dropouts(),
    **{name: one_input(name, one_axis, least_axes=1, least_size=1) for name in ("softmax", "softmin", "log_softmax")},
    **{name: _classifications(name) for name in ("softmax_cross_entropy", "cross_entropy")},
    "sigmoid_cross_entropy": _binary_classifications(), "im2col": _im2cols(), "col2im": _col2ims(),
    **{name: _correlations(name) for name in ("conv2d", "correlate", "correlate_images", "correlate_kernels")},
    "greatest": _greatests(), **{name: _choices(name) for name in ("share_out", "mean_of_chosen")},
    "max_pool2d": _poolings("max_pool2d", distinct=True), "avg_pool2d": _poolings("avg_pool2d"),
}  # fmt: skip
