"""Calls of layer functions: products, linear maps, normalization, embedding, attention, losses, dropout."""

from functools import partial
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu import ops
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.strategies.arrays import Strategy, arrays, broadcastable, labels, masks, shapes
from tinygrad_edu.testing.strategies.op_calls.common import (
    ANY_SIZE,
    MARGINS_OF_40,
    inputs_of,
    moderate,
    one_axis,
    one_input,
)
from tinygrad_edu.testing.strategies.op_calls.several import in_one

_EPS = st.sampled_from([1e-5, 0.25])


@st.composite
def _linears(draw: Any, name: str) -> Call:
    x_shape, out = (*draw(shapes(0, 2)), draw(st.integers(0, 3))), draw(st.integers(1, 3))
    inputs = [draw(arrays(x_shape)), draw(arrays((out, x_shape[-1])))]
    if name == "linear_with_bias":
        inputs.append(draw(arrays((out,))))
    if name == "linear":
        weight_shape = draw(st.sampled_from([(out, x_shape[-1]), (out, x_shape[-1]), (x_shape[-1],)]))
        inputs[1] = draw(arrays(weight_shape))
        inputs += draw(st.sampled_from([[], [draw(arrays(weight_shape[:-1]))]]))
    return Call(name, inputs)


@st.composite
def _bilinears(draw: Any) -> Call:
    batch, (n, m, out) = draw(shapes(0, 2)), (draw(st.integers(1, 3)) for _ in range(3))
    bias = draw(st.sampled_from([[], [draw(arrays((out,)))]]))
    inputs = [draw(arrays((*batch, n))), draw(arrays((*batch, m))), draw(arrays((out, n, m)))]
    return Call("bilinear", [*inputs, *bias])


# --- Normalization of distinct values, so that the variances are not 0 ---


def _optional(draw: Any, shape: tuple[int, ...]) -> Any:
    return draw(st.none() | moderate(shape))


def _array_positions(*inputs: Any) -> tuple[int, ...]:
    """Return the positions of the arrays among inputs."""
    return tuple(k for k, x in enumerate(inputs) if isinstance(x, np.ndarray))


@st.composite
def _last_axes(draw: Any, name: str) -> Call:
    shape = draw(shapes(1, 3, empty=False))
    shape = (*shape[:-1], shape[-1] + 1)
    last_axes = shape[draw(st.integers(0, len(shape) - 1)) :]
    normalized = draw(st.sampled_from([last_axes, list(last_axes), *last_axes][: 3 if len(last_axes) == 1 else 2]))
    inputs = [draw(moderate(shape, distinct=True)), normalized, _optional(draw, last_axes)]
    if name == "layer_norm":
        inputs.append(_optional(draw, last_axes))
    return Call(name, inputs, _array_positions(*inputs), eps=draw(_EPS))  # the default of None depends on the dtype


@st.composite
def _by_channel(draw: Any, name: str) -> Call:
    groups = draw(st.integers(1, 3))
    c = groups * draw(st.integers(1, 2 if groups < 3 else 1))
    spatial = draw(st.sampled_from([(2,), (3,), (2, 2), (1, 3)]))
    x = draw(moderate((draw(st.integers(1, 3)), c, *spatial), distinct=True))
    weight, bias = _optional(draw, (c,)), _optional(draw, (c,))
    if name == "group_norm":
        inputs = [x, groups, weight, bias]
        return Call(name, inputs, _array_positions(*inputs), eps=draw(_EPS))
    uses_batch = draw(st.booleans())
    running = [draw(arrays((c,))), draw(arrays((c,), 0.25, 3.0, layouts=False))] if not uses_batch else [None, None]
    flag = {"training" if name == "batch_norm" else "use_input_stats": uses_batch}
    k = [0, *(k for k, value in ((3, weight), (4, bias)) if value is not None)]
    return Call(
        name, [x, *running, weight, bias], k, momentum=draw(st.sampled_from([0.1, 0.5])), eps=draw(_EPS), **flag
    )


@st.composite
def _over_two_axes(draw: Any, name: str) -> Call:
    shape = tuple(draw(st.integers(*bounds)) for bounds in ((1, 2), (1, 3), (1, 3)))
    if name == "row_norm" or (name not in ("channel_norm_without_affine", "channel_norm") and draw(st.booleans())):
        shape = shape[1:]
    if name == "mean_product":
        return Call(name, [draw(arrays(shape, 0.25, 3.0)), draw(arrays(shape, -3.0, -0.25))])
    x, settings = draw(moderate(shape, distinct=True)), {} if name == "center" else {"eps": draw(_EPS)}
    affine = [draw(moderate((1, shape[1], 1))) for _ in range(2)] if name == "channel_norm" else []
    return Call(name, [x, *affine], **settings)


@st.composite
def _response_norms(draw: Any) -> Call:
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 4)), *draw(shapes(1, 2, empty=False)))
    choices = {"alpha": (1e-4, 0.5), "beta": (0.75, 1.5), "k": (1.0, 2.0), "size": (1, 2, 3, 4)}
    settings = {key: draw(st.sampled_from(values)) for key, values in choices.items()}
    return Call("local_response_norm", [draw(moderate(shape))], **settings)


_P = st.sampled_from([2.0, 2.0, 1.0, 3.0, 1.5, 0.5, -1.0, np.inf, -np.inf, 0.0])


@st.composite
def _normalizations(draw: Any) -> Call:
    shape = tuple(n + 1 for n in draw(shapes(1, 2, empty=False)))  # a single number has no slope
    axis = draw(st.integers(-len(shape), len(shape) - 1) | st.just(tuple(range(len(shape)))))
    x = draw(moderate(shape, distinct=True)) - 97 / 32  # no number is 0, and all absolute values differ
    return Call("normalize", [x], p=draw(_P), axis=axis, eps=draw(st.sampled_from([1e-12, 1e3])))


@st.composite
def _renorms(draw: Any) -> Call:
    """Draw slices of norms above and below the greatest one, 1e3."""
    shape = draw(shapes(2, 3, empty=False))
    x = draw(moderate(shape)) * np.where(np.indices(shape).sum(axis=0) % 2, 1, 4e3)
    return Call("renorm", [x], p=draw(st.sampled_from([1.0, 2.0, 3.0])), axis=draw(st.integers(-1, 1)), maxnorm=1e3)


@st.composite
def _cosines(draw: Any) -> Call:
    """Draw vectors that are not parallel: for parallel vectors the cosine is at its maximum, and its slope is 0."""
    x1_shape, x2_shape = draw(broadcastable(max_dims=2, empty=False))
    trailing, n = draw(st.integers(0, min(len(x1_shape), len(x2_shape)))), draw(st.integers(2, 3))
    x1_shape, x2_shape = (
        (*shape[: len(shape) - trailing], n, *shape[len(shape) - trailing :]) for shape in (x1_shape, x2_shape)
    )
    ramp = np.arange(n).reshape(n, *[1] * trailing) * 4.0
    x1, x2 = draw(arrays(x1_shape, 0.25, 3.0)) + ramp, draw(arrays(x2_shape, 0.25, 3.0)) - ramp
    axis = draw(st.sampled_from([-1 - trailing, max(len(x1_shape), len(x2_shape)) - 1 - trailing]))
    return Call("cosine_similarity", [x1, x2], axis=axis, eps=draw(st.sampled_from([1e-8, 1e3])))


@st.composite
def _distances(draw: Any) -> Call:
    batch = draw(broadcastable(max_dims=2, empty=False))
    n = draw(st.integers(1, 3))
    x1, x2 = draw(moderate((*batch[0], n), distinct=True)), draw(moderate((n,), distinct=True))
    x2 = np.broadcast_to(x2 / 64 - 3.0625, (*batch[1], n))
    settings = {"p": draw(_P), "eps": draw(st.sampled_from([1e-6, 0.01])), "keepdims": draw(st.booleans())}
    return Call("pairwise_distance", [x1, x2], **settings)


# --- Embedding and attention ---


@st.composite
def _embeddings(draw: Any, name: str) -> Call:
    count, width = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    indices = draw(labels(draw(shapes(0, 2)), count))
    if name == "scatter_add_rows":
        return Call(name, [draw(arrays((*indices.shape, width)))], indices=indices, count=count)
    weight = draw(arrays((count, width)))
    if name == "lookup_rows":
        return Call(name, [weight], indices=indices)
    unused = sorted({*range(count)} - {*indices.ravel()})  # omitting the gradient of these rows changes nothing
    return Call(name, [indices, weight], padding_idx=draw(st.sampled_from([None, *unused])))


@st.composite
def _bags(draw: Any) -> Call:
    """Draw bags of rows with different elements. The rows at `padding_idx` have no gradient, so it is not drawn."""
    count, width, mode = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.sampled_from(["mean", "sum", "max"]))
    weight, offsets = draw(arrays((count, width), distinct=True)), None
    if draw(st.booleans()):
        indices = draw(labels((draw(st.integers(1, 3)), draw(st.integers(1, 3))), count))
    else:
        indices = draw(labels((draw(st.integers(1, 5)),), count))
        offsets = np.array([0, *sorted(draw(st.lists(st.integers(0, len(indices)), max_size=2)))])
    return Call("embedding_bag", [indices, weight], (1,), offsets=offsets, mode=mode)


def _uneven(x: Any) -> Any:
    """Return numbers whose sums do not cancel."""
    return x / 2 + np.sqrt(np.arange(2.0, x.size + 2)).reshape(x.shape) / 4


@st.composite
def _attentions(draw: Any) -> Call:
    """Draw queries, keys and values, and no mask or any mask: causal, booleans with rows of False, or numbers."""
    queries, keys, width, out = (draw(st.integers(1, 3)) for _ in range(4))
    heads, batch = draw(st.integers(1, 2)), draw(st.sampled_from([(), (2,)]))
    grouped = draw(st.booleans())
    query_shape = (*batch, heads * draw(st.integers(1, 2)), queries) if grouped else (*batch, queries)
    key_shape = (*batch, heads, keys) if grouped else (*batch, keys)
    inputs = [
        _uneven(draw(moderate((*shape, n))))
        for shape, n in ((query_shape, width), (key_shape, width), (key_shape, out))
    ]
    settings = {"scale": draw(st.sampled_from([None, 0.5, -1.0])), "enable_gqa": grouped}
    kind = draw(st.sampled_from(["none", "causal", "booleans", "numbers"]))
    mask_shape = draw(st.sampled_from([(queries, keys), (*query_shape, keys)]))
    if kind == "causal":
        settings["is_causal"] = True
    elif kind != "none":
        inputs.append(draw(masks(mask_shape) if kind == "booleans" else moderate(mask_shape)))
    return Call("scaled_dot_product_attention", inputs, **settings)


@st.composite
def _attentions_in_blocks(draw: Any) -> Call:
    """Draw queries, keys and values in one row, and a mask of any shape that broadcasts to the scores."""
    count, queries, keys, width, out = (draw(st.integers(1, 3)) for _ in range(5))
    shapes = (count, queries, width), (count, keys, width), (count, keys, out)
    row = _uneven(draw(moderate((sum(map(prod, shapes)),))))
    mask_shape = tuple(draw(st.sampled_from([1, n])) for n in (count, queries, keys))
    mask = draw(st.one_of(masks(mask_shape), moderate(mask_shape)))
    scale = draw(st.sampled_from([0.5, -1.0]))
    mask = mask.astype(row.dtype) if mask.dtype.kind == "f" else mask
    return Call("attention_in_blocks", [row], mask=mask, shapes=shapes, scale=scale)


# --- Alignments ---


@st.composite
def _alignments(draw: Any) -> Call:
    shape = steps, samples, states = tuple(draw(st.integers(1, most)) for most in (4, 2, 4))
    lengths = np.array([draw(st.integers(0, steps)) for _ in range(samples)])
    settings = {"can_skip": draw(masks((samples, states))), "steps": lengths}
    return Call(in_one("alignment_scores", _probabilities), [draw(moderate(shape))], (0,), **settings)


def _probabilities(scores: Any) -> Any:
    """Return probabilities, of which also those of states without a path are finite."""
    return ops.exp(ops.concatenate(scores))


# --- Recurrent layers ---


@st.composite
def _recurrent_layers(draw: Any) -> Call:
    """Draw the inputs of a recurrent layer. For relu, the biases are larger than all other numbers."""
    kind = draw(st.sampled_from(["RNN_TANH", "RNN_RELU", "LSTM", "GRU"]))
    steps, samples, inputs, hidden = (draw(st.integers(1, 3)) for _ in range(4))
    gates, state_size = {"LSTM": 4, "GRU": 3}.get(kind, 1), hidden
    extra_shapes: tuple[tuple[int, ...], ...] = ((gates * hidden,),) if kind == "GRU" else ()
    if kind == "LSTM" and draw(st.booleans()):
        state_size = draw(st.integers(1, 2))
        extra_shapes = ((state_size, hidden),)
    states = [(samples, state_size), (samples, hidden)][: 2 if kind == "LSTM" else 1]
    x_and_weights = [(steps, samples, inputs), *states, (gates * hidden, inputs)]
    shapes = (*x_and_weights, (gates * hidden,), (gates * hidden, state_size), *extra_shapes)
    row = draw(arrays((sum(map(prod, shapes)),), -2, 2))
    if kind == "RNN_RELU":
        start = sum(map(prod, x_and_weights))
        row = row / 8
        row[start : start + hidden] = np.where(draw(masks((hidden,))), 1, -1) * draw(arrays((hidden,), 1, 3))
    return Call("recurrent", [row], kind=kind, shapes=shapes)


@st.composite
def _linears_by_sample(draw: Any) -> Call:
    """Draw linear maps of samples with weights of their own, or with equal ones in one array."""
    count, rows, inputs, outputs = (draw(st.integers(1, 3)) for _ in range(4))
    weight = draw(arrays((count, outputs, inputs)))
    if draw(st.booleans()):
        weight = np.broadcast_to(weight[0], weight.shape)
    return Call("linear_by_sample", [draw(arrays((count, rows, inputs))), weight])


LAYERS: dict[str, Strategy[Call]] = {
    "linear_by_sample": _linears_by_sample(),
    **{name: _linears(name) for name in ("linear", "linear_without_bias", "linear_with_bias")},
    **{name: _last_axes(name) for name in ("layer_norm", "rms_norm")},
    **{name: _by_channel(name) for name in ("group_norm", "batch_norm", "instance_norm")},
    **{
        name: _over_two_axes(name)
        for name in (
            "mean_product", "center", "divide_by_rms", "row_norm", "channel_norm", "channel_norm_without_affine"
        )
    },
    "bilinear": _bilinears(), "local_response_norm": _response_norms(), "normalize": _normalizations(),
    "renorm": _renorms(), "cosine_similarity": _cosines(), "pairwise_distance": _distances(),
    **{name: _embeddings(name) for name in ("embedding", "lookup_rows", "scatter_add_rows")},
    "embedding_bag": _bags(), "scaled_dot_product_attention": _attentions(), "recurrent": _recurrent_layers(),
    "attention_in_blocks": _attentions_in_blocks(), "alignment_scores": _alignments(),
}  # fmt: skip


# --- Products, losses and dropout ---


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
