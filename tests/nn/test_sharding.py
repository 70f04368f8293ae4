"""Layers in shards: a layer that couples samples raises `ShardError`, and the others equal the whole batch."""

import contextlib
import functools
import inspect
import re
import threading

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import thorough, with_each
from tests.nn.test_layer_tables import TABLE, kind, made
from tinygrad_edu import nn
from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import ShardError
from tinygrad_edu.nn.losses.common import LossModule
from tinygrad_edu.nn.sharding import refuse_in_shard, shard_forward
from tinygrad_edu.parallel import sharded_value_and_grad
from tinygrad_edu.parallel.sharded_model import ShardedModel
from tinygrad_edu.testing import LawBroken
from tinygrad_edu.testing.laws.module_call import ModuleCall
from tinygrad_edu.testing.laws.sample_independence import count_samples, require_sample_independence

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 3)).astype(np.float32), np.zeros(4, int)
LAYERS = {
    name
    for name in nn.__all__
    if inspect.isclass(cls := getattr(nn, name)) and issubclass(cls, nn.Module) and not issubclass(cls, LossModule)
}
# Layers whose samples are not independent for any options in training. All others are.
COUPLED = {
    **dict.fromkeys(("Module", "ModuleDict", "ModuleList"), "it has no forward"),
    **dict.fromkeys(("BatchNorm1D", "BatchNorm2D", "BatchNorm3D"), "it normalizes with the statistics of the batch"),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), "its last states have the samples on axis 1"),
    "SpectralNorm": "it writes to its buffers",
}
# Calls of layers whose samples are independent, in addition to those in PyTorch's tables.
INDEPENDENT = {
    "Identity": ("nn.Identity()", (5, 3)),
    "Lambda": ("nn.Lambda(tg.tanh)", (5, 3)),
    "Orthogonal": ("nn.parametrize(nn.Linear(3, 3), 'weight', nn.Orthogonal())", (5, 3)),
    "Residual": ("nn.Residual(nn.Linear(3, 3), nn.Tanh())", (5, 3)),
    "RotaryEmbedding": ("nn.RotaryEmbedding(4)", (5, 3, 4)),
    "Sequential": ("nn.Sequential(nn.Conv1D(2, 3, 2), nn.Flatten(), nn.Linear(9, 2))", (5, 2, 4)),
    "WeightNorm": ("nn.parametrize(nn.Linear(3, 3), 'weight', nn.WeightNorm())", (5, 3)),
    "MultiheadAttention": ("nn.MultiheadAttention(4, 2, batch_first=True)", (5, 3, 4), (5, 2, 4), (5, 2, 4)),
    "Transformer": ("nn.Transformer(4, 2, 1, 1, 8, 0.0, batch_first=True)", (5, 3, 4), (5, 2, 4)),
    "TransformerDecoder": (
        "nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, 0.0, batch_first=True), 1)", (5, 3, 4), (5, 2, 4)
    ),
    "a function as activation": ("nn.TransformerEncoderLayer(4, 2, 8, 0.0, tg.silu, batch_first=True)", (5, 3, 4)),
    "batch normalization in evaluation": ("nn.BatchNorm1D(3).eval()", (5, 3)),
    "spectral norm in evaluation": ("nn.parametrize(nn.Linear(3, 3), 'weight', nn.SpectralNorm()).eval()", (5, 3)),
    "running statistics in evaluation": ("nn.InstanceNorm1D(3, track_running_stats=True).eval()", (5, 3, 2)),
}  # fmt: skip
NO_AXIS, AXIS_0 = "has no sample axis", "has the samples on axis 0"
WRITES, ROWS = "its forward writes to ", "its output for 4 samples is"
# Calls that couple samples, and the message. The name of the layer is in each.
REFUSED = [
    *((f"nn.BatchNorm{n}D(3)", (4, 3, *(n - 1) * (2,), 2), "statistics of the batch") for n in (1, 2, 3)),
    ("nn.BatchNorm1D(3, track_running_stats=False).eval()", (4, 3), "statistics of the batch"),
    *((f"nn.InstanceNorm{n}D(3, track_running_stats=True)", (4, 3, *n * (2,)), WRITES + "the buffer running_mean")
      for n in (1, 2, 3)),
    ("nn.parametrize(nn.Linear(3, 3), 'weight', nn.SpectralNorm())", (4, 3),
     WRITES + "the buffer parametrizations.weight.0._u"),
    ("nn.Embedding(9, 3, max_norm=99.0)", (4, 3), "max_norm writes to the table"),
    ("nn.Embedding(9, 3, scale_grad_by_freq=True)", (4, 3), "scale_grad_by_freq"),
    *((f"nn.{name}(3, 3)", (4, 3), NO_AXIS) for name in ("RNN", "LSTM", "GRU")),
    *((f"nn.{name}(3, 3)", (4, 2, 3), AXIS_0) for name in ("RNN", "LSTM", "GRU")),
    *((f"nn.{name}(3, 3, batch_first=True)", (4, 2, 3), ROWS) for name in ("RNN", "LSTM", "GRU")),
    *((f"nn.{name}(4, 4)", (4,), NO_AXIS) for name in ("RNNCell", "LSTMCell", "GRUCell", "Linear")),
    ("nn.Bilinear(4, 4, 1)", [(4,), (4,)], NO_AXIS),
    ("nn.MultiheadAttention(4, 2)", 3 * [(4, 4)], NO_AXIS),
    ("nn.MultiheadAttention(4, 2)", 3 * [(4, 2, 4)], AXIS_0),
    ("nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)", (4, 4), "MultiheadAttention.* " + NO_AXIS),
    ("nn.TransformerEncoderLayer(4, 2, 8)", (4, 2, 4), "MultiheadAttention.* " + AXIS_0),
    ("nn.RotaryEmbedding(4)", (4, 4), NO_AXIS),
    ("nn.LayerNorm((4, 3))", (4, 3), NO_AXIS), ("nn.RMSNorm(4)", (4,), NO_AXIS),
    *((f"nn.{name}{n}D(4, 4, 1)", (4, *n * (3,)), NO_AXIS) for name in ("Conv", "ConvTranspose") for n in (1, 2, 3)),
    *((f"nn.{kind}Pad{n}D(1)", n * (4,), NO_AXIS)
      for kind in ("Zero", "Reflection", "Replication", "Circular") for n in (1, 2, 3)),
    *((f"nn.{name}({axis})", (4, 3), "is the sample axis")
      for name in ("Softmax", "LogSoftmax", "Softmin") for axis in (0, -2)),
    ("nn.Softmax()", (4,), "is the sample axis"), ("nn.GLU(0)", (4, 3), "is the sample axis"),
    ("nn.Softmax2D()", (4, 2, 2), NO_AXIS),
    ("nn.Flatten(0)", (4, 3), "merges the sample axis"), ("nn.Flatten(-3, -2)", (4, 3, 2), "merges the sample axis"),
    ("nn.Unflatten(0, (2, 2))", (4, 3), "splits the sample axis"), ("nn.Unflatten(-2, (2, 2))", (4, 3), "splits the"),
    ("nn.Sequential(nn.Linear(3, 3), nn.Residual(nn.BatchNorm1D(3)))", (4, 3), "BatchNorm1D: "),
]  # fmt: skip


def built(text, *shapes):
    """Return a layer and its inputs, in float64."""
    layer = eval(text, {"nn": nn, "tg": tg})
    if "Embedding(9" in text or "Bag(" in text:
        return layer, [RNG.integers(0, 9, shape) for shape in shapes]
    return layer.astype(np.float64), [RNG.standard_normal(shape) for shape in shapes]


def output(layer, *inputs):
    """Return the output of a layer for a shard."""
    sharded = ShardedModel(layer)
    sharded.begin_batch(layer.parameters())
    return sharded.output(list(inputs), slice(0, len(inputs[0])), RNG)


@with_each(("text", "shapes", "message"), REFUSED)
def test_a_layer_that_couples_samples_raises_in_a_shard_only(text, shapes, message):
    layer, inputs = built(text, *(shapes if isinstance(shapes, list) else [shapes]))
    layer(*inputs)
    with pytest.raises(ShardError, match=message) as caught:
        output(layer, *inputs)
    assert type(layer).__name__ in str(caught.value) or len([*layer.modules()]) > 1
    assert "In a shard: rows 0 to 3 of the batch." in caught.value.__notes__


def test_packed_sequences_and_bags_with_offsets_have_no_sample_axis():
    packed = nn.pack_padded_sequence(X[None], [4], batch_first=True)
    with pytest.raises(ShardError, match="GRU: a packed sequence has no sample axis"), shard_forward(1):
        nn.GRU(3, 3)(packed)
    with (
        pytest.raises(ShardError, match=r"EmbeddingBag: its input of shape \(4,\) has no sample axis"),
        shard_forward(4),
    ):
        nn.EmbeddingBag(9, 3)(Y, np.array([0, 2]))


def failure(module, inputs):
    """Return how the samples of a module depend on each other in training or, if it has that mode, in evaluation."""
    try:
        for mode in ("train", "eval") if module.training else ("eval",):
            getattr(module, mode)()
            require_sample_independence(ModuleCall.of(module, inputs), mode, np.random.default_rng(2))
    except LawBroken as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", INDEPENDENT)
def test_the_samples_of_a_layer_are_independent(name):
    layer, inputs = built(*INDEPENDENT[name])
    assert failure(layer, inputs) == ""


def batched(line):
    """Return a layer of the table and its inputs, and whether all of them have two or more samples."""
    called, inputs = made(TABLE[line])
    arrays = [values_of(x) for x in inputs.values()]
    return called, arrays, count_samples(arrays) > 1


LINES = [line for line in TABLE if kind(line) in LAYERS - COUPLED.keys() and batched(line)[2]]
KNOWN = (
    f"^$|{NO_AXIS}|{AXIS_0}|sample axis of|is the sample axis|scale_grad_by_freq|max_norm|attribute running"
    "|result contains an array of shape|raises ShapeError"  # a shard raises it, too
)


@pytest.mark.parametrize("line", thorough(LINES, quick=LINES[::9]))
def test_the_samples_of_a_layer_in_the_table_are_independent_or_it_raises(line):
    called, arrays, _ = batched(line)
    assert re.search(KNOWN, failure(called, arrays))


@with_each("name", sorted(LAYERS))
def test_each_layer_is_independent_or_declared_as_coupled(name):
    lines = (line for line in TABLE if kind(line) == name)
    found = name in INDEPENDENT or any(
        has and not failure(called, arrays) for called, arrays, has in map(batched, lines)
    )
    assert found != (name in COUPLED), f"{name}: add it to INDEPENDENT, or to COUPLED with the reason."


# --- The forward of a shard ---


def module(forward, **attributes):
    """Return a module of a class Part with this forward."""
    part = type("Part", (nn.Module,), {"forward": forward})()
    vars(part).update(attributes)
    return part


def after(act):
    """Return a forward that calls `act`, and returns its input."""

    def forward(self, x, *target):
        act(self, x)
        return (x - target[0][:, None] if target else x) * 1.0

    return forward


CHANGES = {
    "last": (lambda: module(after(lambda self, x: setattr(self, "last", x)))),
    "again": (lambda: module(after(lambda self, x: setattr(self, "again", x)), again=None)),
    "gone": (lambda: module(after(lambda self, x: self.__dict__.pop("gone", 0)), gone=1)),
    "seen": (lambda: module(after(lambda self, x: self.seen.append(len(x))), seen=[])),
    "named": (lambda: module(after(lambda self, x: self.named.update(a=len(x))), named={})),
    "sizes": (lambda: module(after(lambda self, x: self.sizes.add(len(x))), sizes=set())),
    "sums": (lambda: module(after(lambda self, x: np.add(self.sums, 1, out=self.sums)), sums=np.zeros(3))),
}


class AdditiveLoss(nn.Module):
    """A loss that each shard calls, since it has a denominator."""

    def __init__(self, part):
        self.part = part

    def forward(self, out, y):
        return self.part(out, y).mean()

    def denominator(self, y):
        return len(y)


@with_each("name", CHANGES)
@with_each("place", ["model", "nested", "loss"])
def test_a_call_that_changes_an_attribute_raises_and_the_attribute_is_restored(name, place):
    part = CHANGES[name]()
    before = {key: np.copy(value) for key, value in vars(part).items()}
    model = {"model": part, "nested": nn.Sequential(nn.Tanh(), nn.Residual(part)), "loss": nn.Tanh()}[place]
    loss = AdditiveLoss(part) if place == "loss" else nn.cross_entropy
    with pytest.raises(ShardError, match=f"Part: a call in a shard changes its attribute {name}"):
        sharded_value_and_grad(model, loss, X, Y, RNG, shard_size=2)
    assert vars(part).keys() == before.keys()
    assert all(np.array_equal(vars(part)[key], value) for key, value in before.items())


def test_a_cached_property_is_no_change():
    class Scaled(nn.Module):
        @functools.cached_property
        def table(self):
            return np.arange(3, dtype=np.float32)

        def forward(self, x):
            return x * self.table

    sharded_value_and_grad(Scaled(), nn.cross_entropy, X, Y, RNG, shard_size=2)


def test_a_refusal_that_the_forward_catches_is_raised_at_the_end():
    with pytest.raises(ShardError, match="caught"), shard_forward(4), contextlib.suppress(BaseException):
        refuse_in_shard("caught")


def test_other_threads_are_in_no_shard():
    found = []
    with shard_forward(4):
        thread = threading.Thread(target=lambda: found.append(refuse_in_shard("a shard")))
        thread.start()
        thread.join()
    assert found == [None]


def test_a_forward_may_make_modules():
    part = module(lambda self, x: nn.Dropout(0.5, rng=np.random.default_rng(0))(nn.Linear(3, 2)(x)))
    assert output(part, X).shape == (4, 2)


def test_functional_call_in_a_shard_raises():
    part = module(
        lambda self, x: nn.functional_call(self.line, {"bias": np.zeros(2, np.float32)}, x), line=nn.Linear(3, 2)
    )
    assert part(X).shape == (4, 2)
    with pytest.raises(ShardError, match="functional_call: it changes the parameters of Linear"):
        output(part, X)
