"""Containers, Flatten and Dropout; dtypes, reproducibility and errors of layers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import with_each
from tinygrad_edu import Tensor, enable_grad, no_grad, tanh
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import (
    GRU,
    LSTM,
    AvgPool2D,
    Conv1D,
    Conv2D,
    Conv3D,
    ConvTranspose1D,
    ConvTranspose2D,
    Dropout,
    Flatten,
    Lambda,
    Linear,
    MaxPool2D,
    ModuleDict,
    ModuleList,
    ReLU,
    Residual,
    Sequential,
    Softmax,
    Tanh,
    Unflatten,
)
from tinygrad_edu.testing import check_module

seeds = st.integers(0, 2**32 - 1)
shapes = st.lists(st.integers(0, 5), max_size=4).map(tuple)
floats = st.sampled_from([np.float16, np.float32, np.float64])


# --- Sequential ---


def test_sequential_takes_functions_and_modules_and_is_a_sequence():
    layer = Linear(2, 2)
    model = Sequential(layer, tanh, lambda x: x * 2)
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(model(x).numpy(), 2 * np.tanh(layer(x).numpy()))
    assert len(model) == 3
    assert list(model) == list(model.layers.values())
    assert model[1].function is tanh


def test_an_empty_sequential_is_the_identity():
    x = Tensor([1.0])
    assert Sequential()(x) is x


@pytest.mark.parametrize("change", [lambda m: m.append(3), lambda m: m.extend([Tanh(), 3]), lambda m: m.insert(0, 3)])
def test_a_change_that_fails_leaves_what_was_there(change):
    model = Sequential(Tanh(), ReLU())
    before = list(model)
    with pytest.raises(DTypeError, match="must be callable"):
        change(model)
    assert list(model) == before


@pytest.mark.parametrize("container", [ModuleList([tanh]), ModuleDict({"a": tanh})])
def test_what_only_holds_modules_says_so_when_it_is_called(container):
    with pytest.raises(NotImplementedError, match="has no forward: call its modules in the forward"):
        container(1.0)
    assert {container: 1}[container] == 1


def test_a_residual_adds_its_input_and_its_layers_are_those_of_a_sequential():
    model = Residual(Linear(3, 3, dtype=np.float64), tanh)
    x = np.random.default_rng(0).standard_normal((2, 3))
    np.testing.assert_array_equal(model(x).numpy(), x + np.tanh(model[0](x).numpy()))
    assert type(model[:1]) is Sequential
    check_module(model, x)


def test_a_subclass_of_sequential_may_hold_more():
    class Scaled(Sequential):
        def __init__(self, *layers):
            super().__init__(*layers)
            self.scale = Tensor(2.0, requires_grad=True)

    assert [name for name, _ in Scaled(Linear(1, 1)).named_parameters()] == ["0.weight", "0.bias", "scale"]


# --- layers with parameters ---


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_parameters_is_that_of_the_result(dtype):
    model = Sequential(Conv2D(1, 2, 2, dtype=dtype), Flatten(), Linear(8, 3, dtype=dtype))
    out = model(np.ones((2, 1, 3, 3)))
    out.sum().backward()
    assert out.dtype == dtype
    assert {parameter.grad.dtype for parameter in model.parameters()} == {np.dtype(dtype)}


def test_without_a_generator_layers_differ():
    assert np.any(Linear(4, 4).weight.numpy() != Linear(4, 4).weight.numpy())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential(GRU(3, 4), Linear(4, 1)), r"layer 1 \(Linear\) got a tuple: GRU returns \(output, h\)"),
        (
            lambda: Sequential(LSTM(3, 4), Dropout(), Linear(4, 1)),
            r"layer 1 \(Dropout\) .*LSTM returns \(output, \(h, c\)",
        ),
        (
            lambda: Sequential(Linear(3, 3), lambda x: [x, x[0]], tanh),
            r"layer 2 \(Lambda\) .* returns a list of tensors",
        ),
        (lambda: Sequential(GRU(3, 4), lambda out: tanh([*out])), r"^op tanh: argument x must .* got a list"),
        (
            lambda: lambda x: Linear(4, 1)(GRU(3, 4)(x)),
            r"in Linear, got a tuple .* as GRU returns \(output, h\), pass .* out\[0\]",
        ),
    ],
)
@pytest.mark.parametrize("mode", [enable_grad, no_grad])
def test_a_tuple_or_list_of_tensors_is_explained(make, message, mode):
    with mode(), pytest.raises(DTypeError, match=message):
        make()(np.ones((2, 5, 3)))


# --- Flatten ---


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple), st.data())
def test_unflatten_undoes_flatten_between_any_axes(shape, data):
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(shape) - 1)] * 2)))
    sizes = list(shape[start : end + 1])
    if np.prod(sizes):
        sizes[data.draw(st.integers(0, len(sizes) - 1))] = -1
    x = np.arange(np.prod(shape)).reshape(shape)
    flat = Flatten(start, end - data.draw(st.sampled_from([0, len(shape)])))(x)
    assert flat.shape == (*shape[:start], np.prod(shape[start : end + 1]), *shape[end + 1 :])
    axis = start - data.draw(st.sampled_from([0, flat.ndim]))
    np.testing.assert_array_equal(Unflatten(axis, sizes)(flat), x)


# --- layers without parameters return arrays for arrays ---


@pytest.mark.parametrize("layer", [Tanh(), ReLU(), Softmax(axis=1), Flatten(), MaxPool2D(2), AvgPool2D(2)])
def test_a_layer_without_parameters_maps_arrays_to_arrays(layer):
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 4))
    out = layer(x)
    assert isinstance(out, np.ndarray)
    np.testing.assert_array_equal(out, layer(Tensor(x)).numpy())


# --- Dropout ---


@given(shapes, st.floats(0, 0.99), floats, seeds)
def test_dropout_zeroes_or_scales_and_its_gradient_is_its_mask(shape, p, dtype, seed):
    x = Tensor(np.full(shape, 0.5, dtype), requires_grad=True)
    out = Dropout(p, rng=np.random.default_rng(seed))(x)
    kept = out.numpy() != 0
    np.testing.assert_array_equal(out.numpy()[kept], dtype(0.5) * dtype(1 / (1 - p)))
    assert out.dtype == dtype
    cotangent = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    out.backward(cotangent)
    np.testing.assert_array_equal(x.grad, cotangent * (kept * dtype(1 / (1 - p))))


@pytest.mark.parametrize("p", [0.5, 0.25, 0.1, 0.3, 1 / 3, 0.9, 0.001, 0.9995])
def test_the_probability_is_exact_whatever_the_number_of_bits(p):
    n, size = 40, 100_000
    dropout = Dropout(p, rng=np.random.default_rng(1))
    ones = np.ones(size, np.float32)
    kept = sum(np.count_nonzero(dropout(ones)) for _ in range(n))
    deviation = (kept - n * size * (1 - p)) / np.sqrt(n * size * p * (1 - p))
    # With a probability rounded to 1/256, 0.1 would be off by 10 deviations, 0.001 by 60.
    assert abs(deviation) < 4


@pytest.mark.parametrize("p", [0.5, 0.3])
def test_neighbours_are_dropped_independently(p):
    kept = Dropout(p, rng=np.random.default_rng(2))(np.ones(2**20, np.float32)) > 0
    for lag in (1, 2, 7, 8, 64, 1000):
        assert abs(np.corrcoef(kept[:-lag], kept[lag:])[0, 1]) < 4 / 2**10


@pytest.mark.parametrize("dropout", [Dropout(0.5).eval(), Dropout(0.0)])
def test_dropout_that_drops_nothing_returns_its_input_and_draws_nothing(dropout):
    before = dropout.rng.bit_generator.state
    x = Tensor([1.0], requires_grad=True)
    assert dropout(x) is x
    assert dropout.rng.bit_generator.state == before


def test_dropout_is_a_matter_of_mode_not_of_gradients():
    with no_grad():
        out = Dropout(0.5, rng=np.random.default_rng(0))(np.ones(64, np.float32))
    assert np.count_nonzero(out) < 64


# --- Errors ---

GENERATOR = r"rng must be a numpy.random.Generator, got 0.*default_rng\(seed\)"
OUT_OF_RANGE = (ShapeError, np.exceptions.AxisError)
REFUSED = [
    (lambda: Sequential(Tanh(), 3), DTypeError, "layer 1 must be callable, got int"),
    (lambda: Sequential([Tanh()] * 2), DTypeError, r"layer 0 must be callable, got list.*use Sequential\(\*layers\)"),
    (lambda: Sequential(Tanh(), Tanh), DTypeError, r"layer 1 is the class Tanh; expected an instance, Tanh\(\)"),
    (lambda: Lambda(3), DTypeError, "function must be callable, got int"),
    (lambda: Linear(1, 1, rng=0), DTypeError, GENERATOR), (lambda: Dropout(0.5, rng=0), DTypeError, GENERATOR),
    *((lambda p=p: Dropout(p), ValueError, "Dropout: p must be a probability from 0 to 1")
      for p in (-0.1, 1.5, np.nan)),
    (lambda: Dropout(0.3)(np.ones(3, int)), DTypeError, "Dropout: the input must be floating point, got int64"),
    (lambda: Conv2D(1, 1, 0), ValueError, "kernel_size must be an integer >= 1, got 0"),
    (lambda: Conv2D(1, 1, 3, stride=(1, 0)), ValueError, "stride must be an integer >= 1, got 0"),
    (lambda: Conv2D(1, 1, 3, padding=-1), ValueError, "padding must be an integer >= 0, got -1"),
    (lambda: Conv2D(2, 3, 3, groups=2), ShapeError, "Conv2D: groups=2 must divide 2 and 3 channels"),
    (lambda: MaxPool2D((2, 2, 2)), ShapeError, "kernel_size must be an integer or a pair of integers"),
    *((lambda layer=layer, shape=shape: layer(np.ones(shape)), ShapeError, message) for layer, shape, message in (
        (Linear(3, 2), (4, 5), r"Linear\(3, 2\): .* must have length 3, got shape \(4, 5\)"),
        (Conv2D(3, 2, 1), (4, 1, 5, 5),
         r"^Conv2D\(3, 2, .*\): the input must have 3 channels along axis 1, got shape \(4, 1, 5, 5\)\.$"),
        (Conv2D(3, 2, 1), (4, 5, 5, 3), r"3 channels along axis 1, .*channels are last.*tg.moveaxis"),
        (Conv1D(3, 2, 1), (1, 5), r"^Conv1D\(.*3 channels along axis 0, got shape \(1, 5\)"),
        (Conv3D(4, 2, 1, groups=2), (1, 2, 3, 3, 3), r"^Conv3D\(.*4 channels along axis 1"),
        (ConvTranspose2D(3, 2, 1), (4, 2, 5, 5), r"^ConvTranspose2D\(.*3 channels along axis 1"),
        (Conv2D(3, 2, 3, padding=1, padding_mode="reflect"), (4, 1, 5, 5),
         r"^Conv2D\(.*3 channels along axis 1, got shape \(4, 1, 5, 5\)"),
        (Conv2D(1, 2, 3), (28, 28), r"x must have 4 axes, or 3 .*, got shape \(28, 28\)"),
        (Unflatten(1, (2, 3)), (3, 5), r"an axis of length 5 cannot be split into \(2, 3\)"),
        (Unflatten(1, (-1, 3)), (3, 5), "cannot be split"), (Unflatten(1, (-1, -1)), (3, 1), "cannot be split"),
        (Unflatten(1, (-2, -3)), (3, 6), "cannot be split"),
        (Residual(Linear(3, 1)), (5, 3), r"the input is \(5, 3\), the output of the layers \(5, 1\)"),
        (Flatten(-1, 0), (3, 4), "flatten: start_axis -1 must not be after end_axis"))),
    (lambda: Linear(3, 2)(1.0), ShapeError, r"got shape \(\)"),
    (lambda: ConvTranspose1D(3, 2, 1)(np.ones((4, 3)), [4]), ShapeError,
     r"^ConvTranspose1D\(.*3 channels along axis 0"),
    (lambda: Flatten()(np.ones(3)), OUT_OF_RANGE, "axis 1 is out of bounds for array of dimension 1"),
    (lambda: Unflatten(2, (1, 2))(np.ones((3, 2))), OUT_OF_RANGE, "axis 2 is out of bounds for array of dimension 2"),
]  # fmt: skip


@with_each(("call", "error", "message"), REFUSED)
def test_what_does_not_fit_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call()
