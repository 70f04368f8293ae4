"""Layers declare whether they couple samples. With False, the outputs of shards equal those of the whole batch."""

import inspect

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import thorough
from tests.nn.test_layer_tables import TABLE, made
from tinygrad_edu import Tensor, nn
from tinygrad_edu.engine import values_of
from tinygrad_edu.nn.losses.common import LossModule
from tinygrad_edu.nn.sample_independence import couples_samples, declaration
from tinygrad_edu.nn.sharding import WholeBatchNeeded, shard_forward
from tinygrad_edu.pytree import tree_leaves

LAYERS = {
    name: cls
    for name in nn.__all__
    if inspect.isclass(cls := getattr(nn, name)) and issubclass(cls, nn.Module) and not issubclass(cls, LossModule)
}
UNDECLARED = {
    "Lambda": "a function cannot declare it",
    "Module": "it has no forward",
    "RNN": "h_n has the samples on axis 1",
    "LSTM": "h_n has the samples on axis 1",
    "GRU": "h_n has the samples on axis 1",
    **dict.fromkeys(("Orthogonal", "SpectralNorm", "WeightNorm"), "it computes a parameter, without samples"),
}

# Layers that declare True for their arguments, with the shape of an input.
COUPLED = {
    "nn.Softmax(0)": (4, 3),
    "nn.LogSoftmax(axis=0)": (4, 3),
    "nn.Softmin(0)": (4, 3),
    "nn.GLU(0)": (4, 3),
    "nn.Flatten(0)": (4, 3),
    "nn.Flatten(0, 1)": (4, 3, 2),
    "nn.Unflatten(0, (2, -1))": (4, 3),
    "nn.BatchNorm1D(3)": (4, 3),
    "nn.BatchNorm2D(3, track_running_stats=False).eval()": (4, 3, 2, 2),
    "nn.InstanceNorm1D(3, track_running_stats=True)": (4, 3, 2),
    "nn.Embedding(9, 3, max_norm=1.0)": (4, 3),
    "nn.Embedding(9, 3, scale_grad_by_freq=True)": (4, 3),
    "nn.EmbeddingBag(9, 3, max_norm=1.0)": (4, 3),
    "nn.Sequential(nn.Linear(3, 3), nn.Residual(nn.BatchNorm1D(3)))": (4, 3),
    "nn.ModuleList([nn.BatchNorm1D(3)])": (4, 3),
    "nn.ModuleDict({'a': nn.Softmax(0)})": (4, 3),
    "nn.TransformerEncoderLayer(4, 2, 8, activation=nn.Softmax(0), batch_first=True)": (2, 3, 4),
}  # fmt: skip
NEEDING = [
    ("nn.Softmax()", (4,)), ("nn.Softmax(-2)", (4, 3)), ("nn.LogSoftmax()", (4,)), ("nn.Softmin(-3)", (4, 3, 2)),
    ("nn.GLU()", (4,)), ("nn.GLU(-2)", (4, 3)), ("nn.Softmax2D()", (4, 2, 2)),
    ("nn.Flatten(-2)", (4, 3)), ("nn.Flatten(-3, -2)", (4, 3, 2)), ("nn.Unflatten(-2, (2, 2))", (4, 3)),
    ("nn.Linear(4, 4)", (4,)), ("nn.Linear(1, 1)", (1,)),
    ("nn.Conv1D(4, 4, 1)", (4, 3)), ("nn.Conv2D(4, 4, 1)", (4, 3, 3)), ("nn.ConvTranspose1D(4, 4, 1)", (4, 3)),
    ("nn.ConvTranspose2D(4, 4, 1)", (4, 3, 3)), ("nn.Conv3D(4, 4, 1)", (4, 3, 3, 3)),
    ("nn.ConvTranspose3D(4, 4, 1)", (4, 3, 3, 3)), ("nn.InstanceNorm3D(4)", (4, 3, 3, 3)),
    ("nn.Unfold(1)", (4, 3, 3)), ("nn.Fold((1, 3), 1)", (4, 3)),
    ("nn.LayerNorm((4, 3))", (4, 3)), ("nn.RMSNorm(4)", (4,)),
    ("nn.InstanceNorm1D(4)", (4, 3)), ("nn.InstanceNorm2D(4)", (4, 3, 3)),
    *((f"nn.{kind}Pad1D(1)", (4,)) for kind in ("Zero", "Reflection", "Replication", "Circular")),
    *((f"nn.{kind}Pad2D(1)", (4, 4)) for kind in ("Zero", "Reflection", "Replication", "Circular")),
    *((f"nn.{kind}Pad3D(1)", (4, 4, 4)) for kind in ("Zero", "Reflection", "Replication", "Circular")),
    ("nn.ConstantPad3D(1, 2.0)", (4, 3, 2)), ("nn.ConstantPad1D(-1, 2.0)", (4,)), ("nn.ConstantPad2D(1, 2.0)", (4, 3)),
    ("nn.PixelShuffle(1)", (4, 3, 3)), ("nn.PixelUnshuffle(1)", (4, 3, 3)),
    ("nn.RotaryEmbedding(4)", (4, 4)),
    ("nn.RNNCell(4, 4)", (4,)), ("nn.LSTMCell(4, 4)", (4,)), ("nn.GRUCell(4, 4)", (4,)),
    ("nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)", (4, 4)),
    ("nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 1)", (4, 4)),
]  # fmt: skip
# Layers that can be sharded, with the shapes of their inputs, in addition to those in PyTorch's table.
CUT = {
    "nn.Bilinear(3, 4, 2)": [(5, 3), (5, 4)],
    "nn.MultiheadAttention(4, 2, batch_first=True)": [(5, 3, 4), (5, 2, 4), (5, 2, 4)],
    "nn.Transformer(4, 2, 1, 1, 8, dropout=0.0, batch_first=True)": [(5, 3, 4), (5, 2, 4)],
    "nn.TransformerEncoderLayer(4, 2, 8, 0.0, tg.silu, batch_first=True)": [(5, 3, 4)],
    "nn.TransformerEncoderLayer(4, 2, 8, 0.0, nn.PReLU(), batch_first=True)": [(5, 3, 4)],
    "nn.LSTMCell(3, 2)": [(5, 3)],
    "nn.RotaryEmbedding(4)": [(5, 3, 4)],
    "nn.Sequential(nn.Conv1D(2, 3, 2), nn.Flatten(), nn.Linear(9, 2))": [(5, 2, 4)],
    "nn.Residual(nn.Linear(3, 3), nn.Tanh())": [(5, 3)],
    "nn.Sequential()": [(5, 3)],
    "nn.Identity()": [(5, 3)],
    "nn.BatchNorm1D(3).eval()": [(5, 3)],
    "nn.InstanceNorm1D(3, track_running_stats=True).eval()": [(5, 3, 2)],
    "nn.InstanceNorm2D(3, affine=True)": [(5, 3, 2, 2)],
    "nn.PReLU(3)": [(5, 3)],
    "nn.PReLU()": [(5,)],
    "nn.Dropout(0.5).eval()": [(5,)],
    "nn.MaxPool1D(2)": [(5, 4)],
    "nn.AvgPool2D(2)": [(5, 4, 4)],
    "nn.AdaptiveAvgPool1D(2)": [(5, 4)],
    "nn.ZeroPad1D(1)": [(5, 4)],
    "nn.Softmax(1)": [(5, 4)],
    "nn.Flatten(-2, -1)": [(5, 4, 2)],
    "nn.Unflatten(-1, (2, 2))": [(5, 4)],
    "nn.Upsample(scale_factor=2)": [(5, 2, 3)],
}  # fmt: skip


def built(text, *shapes):
    """Return a float64 layer and its inputs."""
    layer, rng = eval(text, {"nn": nn, "tg": tg}), np.random.default_rng(0)
    if "Embedding" in text:
        return layer, [rng.integers(0, 9, shape) for shape in shapes]
    return layer.astype(np.float64), [rng.standard_normal(shape) for shape in shapes]


def outcome(layer, call, inputs, cotangents=None):
    """Return the leaves of an output, and the gradients of the parameters for cotangents of these leaves."""
    layer.zero_grad()
    leaves = [leaf for leaf in tree_leaves(call(*inputs)) if leaf is not None]
    for leaf, cotangent in zip(leaves, cotangents or [], strict=bool(cotangents)):
        if isinstance(leaf, Tensor) and leaf.requires_grad:
            leaf.backward(cotangent, retain_graph=True)
    gradients = [np.zeros(p.shape) if p.grad is None else p.grad for p in layer.parameters()]
    return [values_of(leaf) for leaf in leaves], gradients


def parts_of(count, rng):
    """Yield three random partitions of `count` samples into slices."""
    for _ in range(3):
        cuts = sorted(rng.choice(np.arange(1, count), rng.integers(1, count), replace=False))
        yield [slice(a, b) for a, b in zip([0, *cuts], [*cuts, count], strict=True)]


def require_cut(layer, call, inputs):
    """Compare shards with the whole batch. Return False if a call needs the whole batch."""
    count, rng = len(inputs[0]), np.random.default_rng(1)
    leaves, _ = outcome(layer, call, inputs)
    cotangents = [rng.standard_normal(leaf.shape) for leaf in leaves]
    _, gradients = outcome(layer, call, inputs, cotangents)
    for parts in parts_of(count, rng):
        shards = []
        for part in parts:
            mine = [x[part] if np.shape(x)[:1] == (count,) else x for x in inputs]
            try:
                with shard_forward():
                    shards.append(outcome(layer, call, mine, [c[part] for c in cotangents]))
            except WholeBatchNeeded:
                return False
        for k, leaf in enumerate(leaves):
            assert [len(found[k]) for found, _ in shards] == [part.stop - part.start for part in parts]
            np.testing.assert_allclose(np.concatenate([found[k] for found, _ in shards]), leaf, rtol=1e-12, atol=1e-12)
        for k, gradient in enumerate(gradients):
            np.testing.assert_allclose(sum(found[k] for _, found in shards), gradient, rtol=1e-9, atol=1e-12)
    return True


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("line", thorough(TABLE, quick=[*TABLE][::3]))
def test_a_layer_of_the_table_that_declares_false_can_be_cut(line, training):
    called, inputs = made(TABLE[line])
    called.train(training)
    arrays = [values_of(x) for x in inputs.values()]
    if isinstance(called.m, LossModule):
        return
    if declaration(called.m) is False and arrays[0].ndim and len(arrays[0]) > 1:
        require_cut(called, called, arrays)


@pytest.mark.parametrize("text", CUT)
def test_a_layer_can_be_cut(text):
    layer, inputs = built(text, *CUT[text])
    assert couples_samples(layer) is False
    assert require_cut(layer, layer, inputs)


@pytest.mark.parametrize("text", COUPLED)
def test_a_layer_couples_samples_for_its_settings(text):
    layer, _ = built(text, COUPLED[text])
    assert layer.couples_samples is True
    assert couples_samples(layer) is True


@pytest.mark.parametrize(("text", "shape"), NEEDING)
def test_a_layer_needs_the_whole_batch_for_its_input(text, shape):
    layer, inputs = built(text, shape)
    assert couples_samples(layer) is False
    layer(Tensor(inputs[0]))  # no error outside of a shard
    for part in (slice(None), slice(0, 2)):
        with pytest.raises(WholeBatchNeeded, match=f"{type(layer).__name__}|MultiheadAttention"), shard_forward():
            layer(Tensor(inputs[0][part]))


def test_layers_of_several_inputs_and_recurrent_layers_need_the_whole_batch():
    x, attention = np.ones((4, 4), np.float32), nn.MultiheadAttention(4, 2, batch_first=True)
    calls = [lambda: attention(x, x, x), lambda: nn.Bilinear(4, 4, 1)(x[0], x[0])]
    calls += [lambda kind=kind: kind(4, 4)(x) for kind in (nn.RNN, nn.LSTM, nn.GRU)]
    for call in calls:
        with pytest.raises(WholeBatchNeeded, match="has no sample axis"), shard_forward():
            call()
    pooled = nn.MaxPool2D(2, return_indices=True)(x[None])
    with pytest.raises(WholeBatchNeeded, match="MaxUnpool2D"), shard_forward():
        nn.MaxUnpool2D(2)(*(part[0] for part in pooled))


@pytest.mark.parametrize(
    "text",
    [
        "nn.MultiheadAttention(4, 2)",
        "nn.TransformerEncoderLayer(4, 2, 8)",
        "nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8), 1)",
        "nn.Transformer(4, 2, 1, 1, 8)",
        "nn.TransformerEncoderLayer(4, 2, 8, activation=lambda x: x, batch_first=True)",
        "nn.TransformerEncoderLayer(4, 2, 8, activation=nn.Lambda(tg.relu), batch_first=True)",
    ],
)
def test_transformers_declare_nothing_where_samples_are_on_axis_1_or_a_function_is_inside(text):
    assert couples_samples(eval(text, {"nn": nn, "tg": tg})) is None


def test_every_layer_declares():
    texts = [*TABLE, *COUPLED, *CUT, *(text for text, _ in NEEDING)]
    for name in LAYERS:
        layers = [built_for(text) for text in texts if text.startswith(f"nn.{name}(")]
        declared = any(declaration(layer) is not None for layer in layers)
        assert declared != (name in UNDECLARED), name


def built_for(text):
    return made(TABLE[text])[0].m if text in TABLE else built(text)[0]
