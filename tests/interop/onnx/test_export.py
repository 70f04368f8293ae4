"""Parameters, shapes, masks and random numbers of an exported model, and refused calls."""

import subprocess
import sys

import numpy as np
import onnx
import pytest

import tinygrad_edu as tg
from tests.interop.onnx.runtime import assert_exported, batches
from tinygrad_edu import nn
from tinygrad_edu.errors import DTypeError, ExportError, ShapeError
from tinygrad_edu.interop.onnx import export

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
    "slices of the batch": (
        lambda: module(lambda self, x: (x[1:] - x[:-1], x[::-1], x[:4], x[-2:], x - x[0])), floats(3),
    ),
    "products of samples": (lambda: module(lambda self, x: tg.softmax(x @ x.T, -1) @ x + x[:, None].sum(0)), floats(3)),
    "constants for each sample": (
        lambda: module(lambda self, x: (
            x[np.zeros(len(x), int)], tg.ones((len(x), len(x))) @ x, tg.tile(self.row, (len(x), 1)),
            tg.zeros((len(x), 2)), tg.ones_like(x), 3,
        ), row=tg.ones((1, 3))),
        floats(3),
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
    first, *others = batches(inputs, 2, 1, 7, 40, 64)
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
    "a loop over the batch": (grow, r"missing for 1 sample: the steps depend .* is read at test_export.py:\d+"),
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


def halves(self, x):
    n = len(x)  # the size is read here
    return x[: n // 2] - x[n // 2 + n % 2 :]


def layers(self, x):
    return (self.large if x.shape[0] > 10 else self.small)(x)


def loop(self, x):
    for _ in range(min(len(x), 4)):
        x = x + 1
    return x


# Functions of the batch size that agree for some sizes only.
READ = r".* The batch size is read at test_export.py:\d+"
DEPENDS = {
    "halves": (halves, f"getitem at test_export.py:{halves.__code__.co_firstlineno + 2} has a value.* 0 for 1 sample, "
                       f"1 for 2 samples. .* read at test_export.py:{halves.__code__.co_firstlineno + 1}."),
    "other layers": (layers, f"linear at .* small.weight for 1 sample, large.weight for (16|37) samples{READ}"),
    "a loop": (loop, "add at .* is missing for 1 sample: the steps depend on the batch size"),
    "a factor": (lambda self, x: x * min(len(x), 4), f"multiply at .*, 1 for 1 sample, 2 for 2 samples{READ}"),
    "one sample": (lambda self, x: x if len(x) == 1 else x * 2, "multiply at .* is missing for 1 sample"),
    "many samples": (lambda self, x: x * (2 if len(x) > 10 else 1), f"1 for 1 sample, 2 for (16|37) samples{READ}"),
    "an op": (lambda self, x: tg.exp(x) if x.shape[0] > 10 else tg.tanh(x), "tanh at .* is exp, at .* for (16|37) sam"),
    "np.shape": (lambda self, x: x * (2 if np.shape(x)[0] > 10 else 1), f"multiply at {READ}"),
    "the number of elements": (lambda self, x: x * (x.size % 2), f"multiply at {READ}"),
    "tg.eye": (lambda self, x: tg.eye(x.shape[0]) @ x, rf"matmul at .*an array of shape \(1, 1\) for 1 sample{READ}"),
    "np.tri": (lambda self, x: np.tri(len(x), dtype="f") @ x, "matmul at "),
    "one_hot": (lambda self, x: tg.one_hot(np.zeros(3, int), len(x)) @ x, "matmul at "),
    "tg.arange": (lambda self, x: x * tg.arange(len(x))[:, None], "multiply at "),
    "a bound": (lambda self, x: tg.clip(x, 0, len(x)), "clip at .* depends on the batch size, the batch size."),
    "a comparison": (lambda self, x: tg.where(np.greater(x, len(x) - 3), x, 0), "np.greater at "),
    "an index": (lambda self, x: x - x[len(x) - 1], "getitem at "),
    "a row of a table": (lambda self, x: x + self.table[len(x)], "at .* depends on the batch size, the batch size"),
    "a length": (lambda self, x: x.reshape(len(x) if len(x) % 2 else len(x) // 2, -1), "reshape at "),
    "a padding": (lambda self, x: tg.pad(x, ((0, max(8 - len(x), 0)), (0, 0))), "pad at "),
    "repetitions": (lambda self, x: tg.tile(x, (1, min(len(x), 3))), "tile at "),
    "a slice": (lambda self, x: x[:, : min(len(x), 2)], "getitem at "),
    "a rank": (lambda self, x: tg.topk(x, min(len(x), 3), axis=1)[0], "topk at "),
    "a number of arrays": (lambda self, x: tg.stack([x] * min(len(x), 3)), "stack at .* 1 Tensors for 1 sample"),
    "a number of axes": (lambda self, x: x.squeeze(), r"squeeze at .*shape \(3,\) for 1 sample"),
    "an axis": (lambda self, x: tg.softmax(x, 0 if len(x) > 10 else 1), "softmax at .* 1 for 1 sample, 0 for (16|37)"),
    "a flag": (lambda self, x: tg.sum(x, 1, keepdims=len(x) > 10), "sum at "),
    "a word": (lambda self, x: tg.gelu(x, approximate="tanh" if len(x) > 10 else "none"), "gelu at "),
    "a dtype": (lambda self, x: tg.astype(x, "f2" if len(x) > 10 else "f4"), "astype at "),
    "a small number": (lambda self, x: tg.layer_norm(x, 3, eps=1e-5 if len(x) > 10 else 0.1), "layer_norm at "),
    "swapped outputs": (lambda self, x: (x + 1, x + 2)[:: 1 if len(x) > 10 else -1], f"the output of Model has{READ}"),
    "a number of outputs": (lambda self, x: (x + 1, x + 2)[: len(x)], f"the output of Model .* 1 Tensors for 1{READ}"),
    "the size as an output": (lambda self, x: (x, len(x)), f"the output {READ}"),
    "positions as an output": (lambda self, x: (x, tg.arange(len(x))), f"the output {READ}"),
}  # fmt: skip


@pytest.mark.parametrize("name", DEPENDS)
def test_a_function_of_the_batch_size_that_a_file_cannot_compute_is_refused_for_any_example(name, tmp_path):
    forward, message = DEPENDS[name]
    state = {"small": nn.Linear(3, 3, rng=RNG), "large": nn.Linear(3, 3, rng=RNG), "table": tg.ones((99, 3))}
    for size in (1, 2, 5, 16):
        with pytest.raises(ExportError, match=message):
            export(module(forward, **state), np.ones((size, 3), "f"), tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()
    assert_exported(module(forward, **state), (tg.ones((5, 3)),), tmp_path / "model.onnx", batch_axes=None)


def test_a_function_of_the_batch_size_is_refused_on_any_axis(tmp_path):
    layers = nn.MaxPool1D(1, return_indices=True), nn.GroupNorm(1, 3), nn.ConvTranspose1D(3, 2, 3, rng=RNG)
    for layer in layers:
        with pytest.raises(ExportError, match=r"at test_export.py:\d+ .* depends on the batch size"):
            export(layer, np.ones((2, 3, 4), "f"), tmp_path / "model.onnx", batch_axes=2)


def test_a_model_that_cannot_run_with_some_number_of_samples_is_refused_by_name(tmp_path):
    normalized = nn.Sequential(nn.Linear(3, 3, rng=RNG), nn.BatchNorm1D(3, track_running_stats=False))
    for size in (1, 2, 5):
        message = "BatchNorm1D '1' cannot run with 1 sample, .*ShapeError: batch_norm.*pass batch_axes=None"
        with pytest.raises(ExportError, match=message):
            export(normalized, np.ones((size, 3), "f"), tmp_path / "model.onnx")
    with pytest.raises(ExportError, match=r"Model cannot run with 1 sample, .*op reshape.* at test_export.py:\d+"):
        export(module(lambda self, x: x.reshape(-1, 6)), np.ones((2, 3), "f"), tmp_path / "model.onnx")
    with pytest.raises(ExportError, match=r"0 samples\. Give an example with at least one sample"):
        export(normalized, np.ones((0, 3), "f"), tmp_path / "model.onnx")
    with pytest.raises(ShapeError, match=r"Linear\(3, 3\).*got shape \(1, 4\)"):
        export(normalized, np.ones((1, 4), "f"), tmp_path / "model.onnx")


def test_inputs_of_several_batch_sizes_are_refused(tmp_path):
    model = module(lambda self, x, y: x + y)
    with pytest.raises(ShapeError, match=r"\[1, 2\] samples. Pass None in batch_axes"):
        export(model, (np.ones((2, 3), "f"), np.ones((1, 3), "f")), tmp_path / "model.onnx")
    with pytest.raises(ShapeError, match="batch_axes has 1 entries for 2 inputs"):
        export(model, (np.ones(3, "f"), np.ones(3, "f")), tmp_path / "model.onnx", batch_axes=(0,))
    with pytest.raises(ShapeError, match=r"shape \(3,\) has no axis 1"):
        export(model, (np.ones(3, "f"), np.ones(3, "f")), tmp_path / "model.onnx", batch_axes=1)


ARGUMENTS = {
    "a function": (lambda path: export(tg.relu.forward, np.ones(3, "f"), path), "must be a Module, got function"),
    "another order": (lambda path: export(nn.ReLU(), path, np.ones(3)), "path must .* got ndarray. The order is"),
    "a dict": (lambda path: export(nn.ReLU(), {"x": np.ones(3)}, path), "inputs must .* got dict. The order is"),
    "input_names": (lambda path: export(nn.ReLU(), np.ones(3), path, input_names=["x"]), "leave it out: the inputs"),
    "dynamic_axes": (lambda path: export(nn.ReLU(), np.ones(3), path, dynamic_axes={}), "is batch_axes here"),
    "opset_version": (lambda path: export(nn.ReLU(), np.ones(3), path, opset_version=17), "a file has opset 20"),
    "other keywords": (lambda path: export(nn.ReLU(), args=np.ones(3), f=path), "expected model, inputs, path, batch"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARGUMENTS)
def test_wrong_arguments_are_named(name, tmp_path):
    call, message = ARGUMENTS[name]
    with pytest.raises((DTypeError, TypeError), match=message):
        call(tmp_path / "model.onnx")


def test_an_export_does_not_change_the_model(tmp_path):
    model = nn.Sequential(nn.Embedding(4, 3, max_norm=0.1, rng=RNG))
    before = model.state_dict()["0.weight"].copy()
    with pytest.raises(ExportError, match="max_norm"):
        export(model, np.array([[1, 2]]), tmp_path / "model.onnx")
    np.testing.assert_array_equal(model.state_dict()["0.weight"], before)


@pytest.mark.thorough
def test_the_error_without_onnx_names_the_extra():
    program = "import sys; sys.modules['onnx'] = None; import tinygrad_edu.interop.onnx"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (
        'MissingExtraError: tinygrad_edu.interop.onnx requires onnx: run python -m pip install -e ".[onnx]"'
        in done.stderr
    )
