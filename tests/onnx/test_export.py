"""What becomes of parameters, shapes, masks and random numbers in an exported model, and what is refused."""

import subprocess
import sys

import numpy as np
import onnx
import pytest

import tinygrad_edu as tg
from tests.onnx.runtime import assert_exported, batches
from tinygrad_edu import nn
from tinygrad_edu.errors import DTypeError, ExportError, ShapeError
from tinygrad_edu.onnx import export

RNG = np.random.default_rng(0)


def module(function, **state):
    """Return a module with a forward and tensors."""

    class Model(nn.Module):
        def __init__(self):
            vars(self)["function"] = function
            for name, value in state.items():
                setattr(self, name, value)

        def forward(self, *inputs):
            return function(self, *inputs)

    return Model()


def floats(*shape):
    return lambda n, rng: (rng.normal(size=(n, *shape)).astype(np.float32),)


def tokens(length):
    return lambda n, rng: (rng.integers(0, 6, (n, length)),)


def pooled(self, ids):
    """Return the mean of the embeddings that are not padding: the mask and the shares depend on the token ids."""
    mask = np.not_equal(ids, 0)
    share = tg.astype(mask, np.float32) / tg.maximum(tg.astype(mask, np.float32).sum(1, keepdims=True), 1.0)
    return (self.table(ids) * share[..., None]).sum(1)


def masked_attention(self, ids):
    x = self.table(ids)
    return self.attention(x, x, x, key_padding_mask=np.equal(ids, 0), need_weights=False)[0]


def logic(a, b):
    return np.logical_or(a & b, np.logical_and(a, ~b)) ^ np.logical_xor(a | b, np.logical_not(b))


def with_vmap(self, x):
    return tg.vmap(lambda row: tg.softmax(row * row, 0) @ self.weight)(x)


def attended():
    state = {"table": nn.Embedding(6, 8, rng=RNG), "attention": nn.MultiheadAttention(8, 2, batch_first=True, rng=RNG)}
    return module(masked_attention, **state)


MODELS = {
    "masks and shares of token ids": (lambda: module(pooled, table=nn.Embedding(6, 4, rng=RNG)), tokens(5)),
    "attention with a mask of token ids": (attended, tokens(5)),
    "lengths of the batch": (
        lambda: module(lambda self, x: x.reshape(len(x) * 2, -1).reshape(x.shape[0], -1) + tg.zeros((len(x), 1))),
        floats(4, 3),
    ),
    "a token for each sample": (
        lambda: module(
            lambda self, x: tg.concatenate([tg.broadcast_to(self.token, (len(x), 1, 3)), x], 1),
            token=nn.init.uniform((1, 1, 3), 1.0, RNG),
        ),
        floats(4, 3),
    ),
    "arrays that are flattened and joined": (
        lambda: module(lambda self, x: tg.concatenate([x, x.sum(1)], axis=None).reshape(4, -1)), floats(3),
    ),
    "a mean over the batch": (lambda: module(lambda self, x: x - x.mean(0)), floats(3)),
    "vmap in a model": (lambda: module(with_vmap, weight=nn.init.uniform((3, 2), 1.0, RNG)), floats(3)),
    "an index that is computed": (lambda: module(lambda self, x: tg.take_along_axis(x, tg.argmax(x, 1, True), 1)),
                                  floats(5)),
    "logic of masks": (lambda: module(lambda self, x: tg.where(logic(x > 0, x < 1), x, -x)), floats(4)),
    "bits of integers": (
        lambda: module(lambda self, x: (np.bitwise_and(x, 3), np.bitwise_or(x, 4), np.bitwise_xor(x, 5), np.invert(x))),
        lambda n, rng: (rng.integers(-9, 9, (n, 4)),),
    ),
    "tiny numbers": (
        lambda: module(lambda self, x: (tg.log1p(x * 1e-6) * 1e6, tg.expm1(x * 1e-6) * 1e6)), floats(4),
    ),
    "infinities and large numbers": (
        lambda: module(lambda self, x: (
            tg.logaddexp(x - np.inf, x - np.inf), tg.logaddexp2(x - np.inf, x), tg.hypot(x * 1e30, x * 1e30),
            tg.logsumexp(x - np.inf, 1), tg.logsumexp(x * 1000, 1), tg.average(x / 0.0, 1, weights=np.ones(4, "f")),
        )),
        lambda n, rng: (abs(rng.normal(size=(n, 4))).astype(np.float32),),
    ),
    "positions of all elements": (lambda: module(lambda self, x: (x, np.argmax(x, keepdims=True))), floats(4)),
    "negative zeros": (
        lambda: module(lambda self, x: (tg.copysign(2.0, x * 0), tg.arctan2(x * 0, -1.0))), floats(4),
    ),
    "integers and booleans": (
        lambda: module(lambda self, x: (
            tg.cumsum(x, 1), tg.cumsum(x > 2, 1), tg.pad(x > 2, ((0, 0), (1, 1))), x // 3, x % 3, x / 3, tg.round(x),
            np.any(x > 2, 1), np.count_nonzero(x, 1), tg.sum(x > 2, 1),
        )),
        lambda n, rng: (tg.Tensor(rng.integers(-9, 9, (n, 4))),),
    ),
    "bounds that are arrays": (lambda: module(lambda self, x: tg.clip(x, -x, np.full(3, 0.1, "f"))), floats(3)),
    "normalization by the batch": (
        lambda: nn.BatchNorm1D(3, track_running_stats=False), lambda n, rng: (rng.normal(size=(n + 1, 3)).astype("f"),),
    ),
    "a checkpoint": (lambda: module(lambda self, x: tg.checkpoint(lambda y: tg.exp(y) * y)(x).sum(1)), floats(3)),
    "several outputs": (lambda: module(lambda self, x: {"a": x + 1, "b": (x * 2, x.sum(1))}), floats(3)),
    "weight normalization": (
        lambda: nn.parametrize(nn.Linear(3, 2, rng=RNG), "weight", nn.WeightNorm()), floats(3),
    ),
    "an orthogonal weight, whose computation ONNX lacks": (
        lambda: nn.parametrize(nn.Linear(3, 3, rng=RNG), "weight", nn.Orthogonal()), floats(3),
    ),
    "tied weights": (
        lambda: module(lambda self, ids: self.table(ids) @ self.table.weight.T, table=nn.Embedding(6, 4, rng=RNG)),
        tokens(3),
    ),
    "float64": (lambda: nn.Linear(3, 2, rng=RNG).astype(np.float64), lambda n, rng: (rng.normal(size=(n, 3)),)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_a_model_computes_the_same_for_any_batch_size(name, tmp_path):
    make, inputs = MODELS[name]
    first, *others = batches(inputs, 2, 1, 7)
    assert_exported(make(), first, tmp_path / "model.onnx", others=others)


def test_the_batch_can_be_on_any_axis_and_an_input_can_have_none(tmp_path):
    model = module(lambda self, x, scale: self.lstm(x)[0] * scale, lstm=nn.LSTM(3, 4, rng=RNG))
    first, more = ((RNG.normal(size=(5, n, 3)).astype("f"), RNG.normal(size=4).astype("f")) for n in (2, 6))
    file = assert_exported(model, first, tmp_path / "model.onnx", batch_axes=(-2, None), others=[more])
    assert [node.op_type for node in file.graph.node].count("LSTM") == 1  # no loop over the steps
    shapes = [[d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] for x in file.graph.input]
    assert shapes == [[5, "batch", 3], [4]]


def test_initializers_have_the_names_of_the_state_dict_and_the_mode_is_restored(tmp_path):
    model = nn.Sequential(nn.Conv2D(1, 2, 3, rng=RNG), nn.BatchNorm2D(2), nn.Dropout(0.5), nn.Flatten())
    assert_exported(model, (np.ones((1, 1, 4, 4), "f"),), tmp_path / "model.onnx")
    export(model.train(), np.ones((1, 1, 4, 4), "f"), str(tmp_path / "model.onnx"))
    file = onnx.load(tmp_path / "model.onnx")
    names = {tensor.name for tensor in file.graph.initializer if not tensor.name.startswith("constant")}
    assert model.training
    assert names == set(model.state_dict()) - {"1.num_batches_tracked"}
    assert [x.name for x in file.graph.input] + [x.name for x in file.graph.output] == ["x", "output"]


@tg.op
def cube(x):
    return x**3


def grow(self, x):
    for row in x:
        x = x + row
    return x


REFUSED = {
    "x.sum()": (lambda self, x: x if x.sum() > 0 else -x, "the truth value .* test_export.py"),
    "float": (lambda self, x: x * float(x.mean()), "float.* test_export.py"),
    ".numpy()": (lambda self, x: x * np.sin(x.numpy()), "numpy.* test_export.py"),
    ".data": (lambda self, x: tg.Tensor(x.data) * x, "data.* test_export.py"),
    "a mask as an index": (lambda self, x: x[np.greater(x, 0)], "has a mask, and the shape .* use where"),
    "a loop over the batch": (grow, "missing for 1 sample: the steps depend on the batch size. The batch size is read at test_export.py"),
    "positions in the batch": (lambda self, x: x * np.arange(len(x))[:, None], "multiply at .* depends on the batch"),
    "a division by the batch size": (lambda self, x: x / len(x), "divide at test_export.py.*depends on the batch size"),
    "random numbers": (lambda self, x: x + tg.normal(0, 1, (3,)), "normal draws random numbers inside of onnx.export"),
    "a gradient": (lambda self, x: tg.grad(lambda x: (x * x).sum())(x) + 1, "is a gradient"),
    "integers rounded to tens": (lambda self, x: tg.round(tg.astype(x, int), -1), "rounds integers to tens"),
    "classes from labels": (lambda self, x: tg.one_hot(tg.astype(x, int)), "needs num_classes.* test_export.py"),
    "an own op": (lambda self, x: cube(x), r"cube at test_export.py:\d+ has no counterpart in ONNX"),
    "no use of the input": (lambda self, x: tg.ones((2, 2)), "does not depend on its inputs"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused_by_name_with_the_line(name, tmp_path):
    forward, message = REFUSED[name]
    with pytest.raises(ExportError, match=message):
        export(module(forward), np.ones((2, 3), "f"), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_inputs_of_several_batch_sizes_are_refused(tmp_path):
    model = module(lambda self, x, y: x + y)
    with pytest.raises(ShapeError, match=r"\[1, 2\] samples. Pass None in batch_axes"):
        export(model, (np.ones((2, 3), "f"), np.ones((1, 3), "f")), tmp_path / "model.onnx")
    with pytest.raises(ShapeError, match="batch_axes has 1 entries for 2 inputs"):
        export(model, (np.ones(3, "f"), np.ones(3, "f")), tmp_path / "model.onnx", batch_axes=(0,))
    with pytest.raises(ShapeError, match=r"shape \(3,\) has no axis 1"):
        export(model, (np.ones(3, "f"), np.ones(3, "f")), tmp_path / "model.onnx", batch_axes=1)
    with pytest.raises(DTypeError, match="must be a Module, got function"):
        export(tg.relu.forward, np.ones(3, "f"), tmp_path / "model.onnx")


def test_an_export_does_not_change_the_model(tmp_path):
    model = nn.Sequential(nn.Embedding(4, 3, max_norm=0.1, rng=RNG))
    before = model.state_dict()["0.weight"].copy()
    with pytest.raises(ExportError, match="max_norm"):
        export(model, np.array([[1, 2]]), tmp_path / "model.onnx")
    np.testing.assert_array_equal(model.state_dict()["0.weight"], before)


def test_the_error_without_onnx_names_the_extra():
    program = "import sys; sys.modules['onnx'] = None; import tinygrad_edu.onnx"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert 'MissingExtraError: tinygrad_edu.onnx requires onnx: run python -m pip install -e ".[onnx]"' in done.stderr
