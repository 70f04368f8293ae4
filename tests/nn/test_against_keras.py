"""Layers and losses compared with Keras on the JAX backend: values, and gradients for random cotangents.

JAX computes in float32 and sums in another order, so the tolerance is that of float32.
"""

import os
from functools import partial

os.environ["KERAS_BACKEND"] = "jax"

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.effort import share
from tests.judges import COMPILED_ONCE
from tinygrad_edu import Tensor, nn

keras = pytest.importorskip("keras", reason="needs the extra keras")
jax = pytest.importorskip("jax")
theirs = keras.layers
pytestmark = pytest.mark.thorough  # the quick suite compares with PyTorch's tables

# JAX compiles every op for each shape: few examples, no deadline, and no optimization of code that runs once.
jax.config.update("jax_disable_most_optimizations", True)
few = settings(max_examples=share(10), deadline=None)
seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 4)


@partial(jax.jit, static_argnums=0, compiler_options=COMPILED_ONCE)  # a single program instead of dozens
def value_and_gradients(function, cotangent, *values):
    result, pullback = jax.vjp(function, *values)
    return result, pullback(cotangent)


def agree(ours, theirs, arrays, seed, parameters=(), translate=lambda gradients: gradients):
    """Compare values, and the gradients of the arrays and of the parameters.

    ours
        A function of tensors, which also reads the tensors `parameters`.
    theirs
        The same function of JAX arrays: the arrays, followed by the parameters in Keras's layout.
    translate
        Converts a list of our parameters, or of their gradients, to Keras's layout.
    """
    inputs = [Tensor(array, requires_grad=True) for array in arrays]
    out = ours(*inputs)
    cotangent = np.random.default_rng(seed).standard_normal(out.shape).astype(np.float32)
    out.backward(cotangent)
    found = [x.grad for x in inputs] + list(translate([parameter.grad for parameter in parameters]))

    values = [*arrays, *translate([parameter.numpy() for parameter in parameters])]
    expected, gradients = value_and_gradients(theirs, cotangent, *values)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-4, atol=1e-5)
    for mine, other in zip(found, gradients, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-4)


class Blank(keras.initializers.Initializer):
    """Initializer with zeros, until the test sets the weights: JAX would compile a random one for each shape."""

    def __call__(self, shape, dtype=None):
        return np.zeros(shape, dtype)


def built(layer, *shapes):
    """Build a layer of Keras with zero weights, and return it."""
    for part in layer._flatten_layers():
        for name in [name for name in vars(part) if name.endswith("_initializer")]:
            setattr(part, name, Blank())
    layer.build(*shapes)
    return layer


def stateless(layer, shape):
    """Return a layer of Keras as a function of its input and parameters."""
    built(layer, shape)
    return lambda x, *parameters: layer.stateless_call(list(parameters), [], x)[0]


def drawn(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# --- layers with parameters ---


@few
@given(st.lists(sizes, max_size=2), sizes, sizes, st.booleans(), seeds)
def test_linear_is_dense(batch, n_in, n_out, bias, seed):
    x = drawn((*batch, n_in), seed) if batch else drawn((1, n_in), seed)
    layer = nn.Linear(n_in, n_out, bias, rng=np.random.default_rng(seed))
    agree(
        layer,
        stateless(theirs.Dense(n_out, use_bias=bias), x.shape),
        [x],
        seed,
        layer.parameters(),
        lambda ours: [ours[0].T, *ours[1:]],
    )


# Our layer, Keras's layer, and the axes of an input without the batch axis. Keras is inaccurate for only two values.
NORMALIZING = [
    (nn.LayerNorm, lambda c, eps: theirs.LayerNormalization(epsilon=eps), ("c",)),
    (nn.RMSNorm, lambda c, eps: theirs.RMSNormalization(epsilon=eps), (2, "c")),
    (lambda c, eps: nn.GroupNorm(2, c, eps), lambda c, eps: theirs.GroupNormalization(2, 1, eps), ("c", 3, 2)),
    (lambda c, eps: nn.GroupNorm(c, c, eps), lambda c, eps: theirs.GroupNormalization(c, 1, eps), ("c", 7)),
]


@few
@given(st.sampled_from(NORMALIZING), st.sampled_from([4, 6]), sizes, st.sampled_from([0.01, 0.1]), seeds)
def test_normalization_is_normalization(pair, c, n, eps, seed):
    ours, keras_layer, axes = pair
    x, layer = drawn((n, *(c if axis == "c" else axis for axis in axes)), seed), ours(c, eps)
    agree(layer, stateless(keras_layer(c, eps), x.shape), [x], seed, layer.parameters())


@few
@given(st.integers(2, 4), sizes, st.sampled_from([1e-5, 0.1]), st.floats(0.125, 0.875), st.booleans(), seeds)
def test_batch_normalization_is_that_of_images_with_their_running_statistics(n, c, eps, momentum, training, seed):
    x = drawn((n, c, 2, 3), seed)
    layer = nn.BatchNorm2D(c, eps, momentum).train(training)
    layer.running_mean.assign(drawn(c, seed))
    layer.running_var.assign(0.5 + drawn(c, seed) ** 2)
    keras_layer = built(theirs.BatchNormalization(axis=1, epsilon=eps, momentum=1 - momentum), x.shape)
    states = [layer.running_mean.numpy().copy(), layer.running_var.numpy().copy()]

    def apply(x, *parameters):
        return keras_layer.stateless_call(list(parameters), states, x, training=training)

    agree(layer, lambda *inputs: apply(*inputs)[0], [x], seed, layer.parameters())
    mean, var = apply(x, *(parameter.numpy() for parameter in layer.parameters()))[1]
    unbiased = var + momentum * x.var((0, 2, 3)) / (n * 6 - 1) if training else var
    np.testing.assert_allclose(layer.running_mean.numpy(), mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), unbiased, rtol=1e-5, atol=1e-6)


@few
@given(st.lists(sizes, max_size=2), sizes, sizes, seeds)
def test_embedding_is_embedding(shape, count, width, seed):
    layer = nn.Embedding(count, width, rng=np.random.default_rng(seed))
    indices = np.random.default_rng(seed).integers(count, size=(1, *shape))
    function = stateless(theirs.Embedding(count, width), indices.shape)
    agree(lambda: layer(indices), lambda table: function(indices, table), [], seed, layer.parameters())


@few
@given(st.integers(1, 3), sizes, sizes, sizes, st.integers(1, 3), st.booleans(), seeds)
def test_attention_of_many_heads(heads, n, queries, keys, width, causal, seed):
    features = heads * width
    layer = nn.MultiheadAttention(features, heads, batch_first=True, rng=np.random.default_rng(seed))
    judge = built(theirs.MultiHeadAttention(heads, width), (n, queries, features), (n, keys, features))
    state = [variable.value for variable in judge.non_trainable_variables]

    def attended(q, k, v, *parameters):
        return judge.stateless_call(list(parameters), state, q, v, key=k, use_causal_mask=causal)[0]

    def translate(ours):  # (3 E, E) -> (E, heads, width) for each of query, key and value; (E, E) -> (heads, width, E)
        weights, biases = np.split(ours[0], 3), np.split(ours[1], 3)
        each = [
            (w.T.reshape(features, heads, width), b.reshape(heads, width)) for w, b in zip(weights, biases, strict=True)
        ]
        return [part for pair in each for part in pair] + [ours[2].T.reshape(heads, width, features), ours[3]]

    arrays = [drawn((n, length, features), seed + k) for k, length in enumerate((queries, keys, keys))]
    agree(
        lambda q, k, v: layer(q, k, v, need_weights=False, is_causal=causal)[0],
        attended, arrays, seed, layer.parameters(), translate,
    )  # fmt: skip


# --- layers without parameters ---


@few
@given(st.lists(st.integers(2, 4), min_size=2, max_size=3).map(tuple), st.sampled_from([0, 1, -1, -2]), seeds)
@pytest.mark.parametrize(
    ("ours", "function"),
    [
        (nn.Softmax, lambda axis: lambda x: keras.ops.softmax(x, axis)),
        (nn.LogSoftmax, lambda axis: lambda x: keras.ops.log_softmax(x, axis)),
    ],
)
def test_softmax_along_any_axis(ours, function, shape, axis, seed):
    agree(ours(axis), function(axis), [3 * drawn(shape, seed)], seed)


@few
@given(st.sampled_from([(1, 1), (4, 3), (2, 1, 3), (3, 2, 1, 4)]), seeds)  # few shapes, because each is compiled
@pytest.mark.parametrize(
    ("ours", "function"),
    [
        (nn.Tanh(), keras.activations.tanh),
        (nn.ReLU(), keras.activations.relu),
        (nn.Sigmoid(), keras.activations.sigmoid),
        (nn.ReLU6(), keras.activations.relu6),
        (nn.LeakyReLU(0.25), lambda x: keras.activations.leaky_relu(x, 0.25)),
        (nn.ELU(0.5), lambda x: keras.activations.elu(x, 0.5)),
        (nn.CELU(0.5), lambda x: keras.activations.celu(x, 0.5)),
        (nn.SELU(), keras.activations.selu),
        (nn.SiLU(), keras.activations.silu),
        (nn.Mish(), keras.activations.mish),
        (nn.GELU(), lambda x: keras.activations.gelu(x, approximate=False)),
        (nn.GELU("tanh"), lambda x: keras.activations.gelu(x, approximate=True)),
        (nn.Softplus(), keras.activations.softplus),
        (nn.Softsign(), keras.activations.softsign),
        (nn.LogSigmoid(), keras.activations.log_sigmoid),
        (nn.Hardtanh(), keras.activations.hard_tanh),
        (nn.Hardsigmoid(), keras.activations.hard_sigmoid),
        (nn.Hardswish(), keras.activations.hard_silu),
        (nn.Hardshrink(0.25), lambda x: keras.activations.hard_shrink(x, 0.25)),
        (nn.Softshrink(0.25), lambda x: keras.activations.soft_shrink(x, 0.25)),
        (nn.Tanhshrink(), keras.activations.tanh_shrink),
        (nn.Threshold(0.25, 0.5), lambda x: keras.activations.threshold(x, 0.25, 0.5)),
        (nn.Flatten(), lambda x: theirs.Flatten()(x)),
        (nn.Dropout(0.5).eval(), lambda x: theirs.Dropout(0.5)(x, training=False)),
    ],
)
def test_functions_of_each_element_and_flatten(ours, function, shape, seed):
    agree(ours, function, [3 * drawn(shape, seed)], seed)


# --- losses ---

# Our reductions and Keras's names.
reductions = st.sampled_from([("mean", "sum_over_batch_size"), ("sum", "sum"), ("none", None)])


@few
@given(st.integers(1, 5), st.integers(2, 5), reductions, seeds)
def test_cross_entropy_of_labels_and_of_probabilities(n, classes, reduction, seed):
    x = 3 * drawn((n, classes), seed)
    labels = np.random.default_rng(seed).integers(classes, size=n)
    sparse = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction[1])
    agree(lambda x: nn.cross_entropy(x, labels, reduction=reduction[0]), lambda x: sparse(labels, x), [x], seed)
    agree(
        lambda x: nn.nll_loss(nn.LogSoftmax(1)(x), labels, reduction=reduction[0]),
        lambda x: sparse(labels, x),
        [x],
        seed,
    )
    p = np.random.default_rng(seed).dirichlet(np.ones(classes), n).astype(np.float32)
    full = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=reduction[1])
    agree(lambda x: nn.cross_entropy(x, p, reduction=reduction[0]), lambda x: full(p, x), [x], seed)


@few
@given(st.lists(sizes, min_size=2, max_size=3).map(tuple), seeds)
@pytest.mark.parametrize(
    ("ours", "loss"),
    [
        (nn.MSELoss(), keras.losses.MeanSquaredError()),
        (nn.L1Loss(), keras.losses.MeanAbsoluteError()),
        (nn.BCEWithLogitsLoss(), keras.losses.BinaryCrossentropy(from_logits=True)),
    ],
)
def test_losses_of_each_element(ours, loss, shape, seed):
    target = np.random.default_rng(seed).random(shape).astype(np.float32)
    agree(lambda x: ours(x, target), lambda x: loss(target, x), [3 * drawn(shape, seed)], seed)


# --- a whole network ---


def test_a_network_and_its_loss():
    rng = np.random.default_rng(0)
    conv, linear = nn.Conv2D(1, 4, 3, padding=1, rng=rng), nn.Linear(4 * 4 * 4, 10, rng=rng)
    model = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2D(2), nn.Tanh(), nn.Flatten(), linear)
    twin = keras.Sequential([
        theirs.Conv2D(4, 3, padding="same", activation="relu", data_format="channels_first"),
        theirs.MaxPooling2D(2, data_format="channels_first"),
        theirs.Activation("tanh"),
        theirs.Flatten(),
        theirs.Dense(10),
    ])  # fmt: skip
    x, labels = drawn((6, 1, 8, 8), 1), rng.integers(10, size=6)
    function = stateless(twin, x.shape)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def translate(ours):
        kernel, bias, weight, offset = ours
        return [kernel.transpose(2, 3, 1, 0), bias, weight.T, offset]

    agree(
        lambda x: nn.cross_entropy(model(x), labels),
        lambda x, *parameters: loss(labels, function(x, *parameters)),
        [x],
        2,
        model.parameters(),
        translate,
    )
