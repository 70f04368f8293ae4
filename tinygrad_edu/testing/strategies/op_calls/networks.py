"""Calls of network ops: products, classification losses, dropout."""

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, broadcastable, labels, masks, shapes
from tinygrad_edu.testing.strategies.op_calls.common import ANY_SIZE, MARGINS_OF_40, inputs_of, one_axis, one_input


@st.composite
def _products(draw: Any) -> Call:
    """Draw vectors, matrices and stacks of matrices with equal inner lengths."""
    n, k, m = (draw(st.integers(1, 3)) for _ in range(3))
    k = draw(st.sampled_from([k] * 9 + [0]))
    stack_x, stack_y = draw(broadcastable(max_dims=2).filter(all))
    # Two vectors have a rule of their own, so they are drawn more often.
    x_shape = draw(st.sampled_from([(n, k), (k,), (k,), (*stack_x, n, k)]))
    y_shape = draw(st.sampled_from([(k, m), (k,), (k,), (*stack_y, k, m)]))
    return Call("matmul", [draw(arrays(x_shape, **ANY_SIZE)), draw(arrays(y_shape, **ANY_SIZE))])


@st.composite
def _classifications(draw: Any, name: str) -> Call:
    """Draw logits with labels, or with differentiable probabilities."""
    samples, classes = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    positions = draw(shapes(0, 1, empty=False))
    logits = draw(arrays((samples, classes, *positions), **MARGINS_OF_40))
    reduction = draw(st.sampled_from(["none", "mean", "sum"]))
    target = labels((samples, *positions), classes) if draw(st.booleans()) else arrays(logits.shape, 0.0, 1.0)
    return Call(name, [logits, draw(target)], reduction=reduction)


@st.composite
def _weighted_classifications(draw: Any) -> Call:
    """Draw a cross-entropy with class weights, label smoothing and ignored labels."""
    call = draw(_classifications("cross_entropy"))
    logits, targets = call.inputs
    classes, weights, ignored = logits.shape[1], [], -100
    if draw(st.booleans()):
        weights = [draw(arrays((classes,), 0.5, 2.0))]
    if targets.dtype.kind != "f" and (others := sorted(set(range(classes)) - {targets.flat[0]})):
        ignored = draw(st.sampled_from([-100, *others]))  # never the first label: the mean of no labels is undefined
    smoothing = draw(st.sampled_from([0.0, 0.0, 0.25, 1.0]))
    return Call(
        "cross_entropy", [logits, targets, *weights], ignore_index=ignored, label_smoothing=smoothing, **call.settings
    )


def _with_probabilities(name: str, **values: Any) -> Strategy[Call]:
    """Draw values, and probabilities of the same shape."""
    strategies = partial(arrays, **values), partial(arrays, low=0.0, high=1.0)
    return inputs_of(name, shapes().map(lambda shape: (shape, shape)), *strategies)


@st.composite
def _softmax_gradients(draw: Any) -> Call:
    call = draw(one_input("softmax", one_axis, least_axes=1, least_size=1))
    return Call("softmax_gradient", [draw(arrays(call.inputs[0].shape)), *call.inputs], **call.settings)


@st.composite
def _dropouts(draw: Any) -> Call:
    x = draw(arrays())
    bits = np.packbits(draw(masks((x.size,))))
    axes = tuple(draw(st.permutations(range(x.ndim))))
    return Call("dropout_by_bits", [x], bits=bits, scale=draw(st.floats(1, 4)), axes=axes)


NETWORKS: dict[str, Strategy[Call]] = {
    "matmul": _products(), "dropout_by_bits": _dropouts(),
    **{name: one_input(name, one_axis, least_axes=1, least_size=1) for name in (
        "softmax", "softmin", "log_softmax",
    )},
    "softmax_gradient": _softmax_gradients(),
    "softmax_cross_entropy": _classifications("softmax_cross_entropy"), "cross_entropy": _weighted_classifications(),
    "sigmoid_cross_entropy": _with_probabilities("sigmoid_cross_entropy"),
    "clamped_cross_entropy": _with_probabilities("clamped_cross_entropy", low=0.05, high=0.95),
}  # fmt: skip
