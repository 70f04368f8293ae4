"""The suite of the core: values, gradients against differences, memory, modules, SGD and errors. It runs in seconds."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_edu import core
from tinygrad_edu.core import Tensor, check_gradient, no_grad, op
from tinygrad_edu.core.differences import differences
from tinygrad_edu.errors import (
    DTypeError,
    GraphFreedError,
    IntegerGradientError,
    MissingVJPError,
    NoGraphError,
    NonScalarBackwardError,
    ShapeError,
    StaleValueError,
    VJPDefinitionError,
    WrongGradientError,
)

Array = Any
SEEDS = range(3)
F64 = np.float64


def draw(seed: int, *shapes: Any) -> list[Array]:
    """Return random arrays. In their shapes, each letter stands for a random length, the same in all of them."""
    rng = np.random.default_rng(seed)
    lengths = {letter: int(rng.integers(1, 4)) for letter in string.ascii_letters}
    return [rng.uniform(0.3, 2, [lengths.get(c) or int(c) for c in shape]) for shape in shapes]


def leaf(values: Any, dtype: Any = F64) -> Any:
    """Return a Tensor that requires a gradient."""
    return Tensor(values, requires_grad=True, dtype=dtype)


def numpy_softmax(x: Array, axis: int = -1) -> Array:
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def numpy_scatter(x: Array) -> Array:
    return np.stack([x[0] + x[2], 0 * x[0], x[1], 0 * x[0]])


def numpy_im2col(x: Array) -> Array:
    """Return windows of 2x3 pixels, with stride (2, 1), padding (1, 2) and dilation (2, 1)."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (2, 2)))
    corners = [(i, j) for i in range(0, padded.shape[2] - 2, 2) for j in range(padded.shape[3] - 2)]
    windows = [padded[:, :, i : i + 3 : 2, j : j + 3].reshape(len(x), -1) for i, j in corners]
    return np.stack(windows, axis=-1)


def numpy_col2im(columns: Array) -> Array:
    """Return the sum of the windows of `numpy_im2col` in images of 4x5 pixels, by its transposed matrix."""
    pixels = np.eye(40).reshape(40, 2, 4, 5)
    return np.einsum("ncl,pcl->np", columns, numpy_im2col(pixels)).reshape(-1, 2, 4, 5)


def numpy_conv2d(x: Array, weight: Array, bias: Array) -> Array:
    maps = np.einsum("kc,ncl->nkl", weight.reshape(len(weight), -1), numpy_im2col(x))
    return maps.reshape(len(x), -1, (x.shape[2] - 1) // 2 + 1, x.shape[3] + 2) + bias[:, None, None]


LABELS = np.array([2, 0, 1, 2])
WINDOW: dict[str, Any] = {"kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 2), "dilation": (2, 1)}
SETTINGS = {name: value for name, value in WINDOW.items() if name != "kernel_size"}
Case = tuple[Callable[..., Any], Callable[..., Any], list[Any]]


def case(function: Callable[..., Any], *shapes: Any, as_numpy: Any = None) -> Case:
    """Return a function of Tensors, the same in NumPy, and the shapes of the inputs."""
    return function, as_numpy or function, list(shapes)


CASES: dict[str, Case] = {
    "add": case(lambda x, y: x + y, "nm", "m"),
    "add, both broadcast": case(lambda x, y: x + y, "n1", "1m"),
    "add, more axes": case(lambda x, y: x + y, "", "nm"),
    "add to a number": case(lambda x: 2 + x, "n"),
    "subtract": case(lambda x, y: x - y, "nm", "n1"),
    "subtract from a number": case(lambda x: 2 - x, "n"),
    "multiply": case(lambda x, y: x * y, "1m", "knm"),
    "multiply by itself": case(lambda x: x * x, "nm"),
    "multiply a number": case(lambda x: 2 * x, "n"),
    "divide": case(lambda x, y: x / y, "n", "mn"),
    "divide a number": case(lambda x: 2 / x, "n"),
    "negative": case(lambda x: -x, "nm"),
    "power": case(lambda x, y: x**y, "nm", "m"),
    "power of a number": case(lambda x: 2**x, "n"),
    "exp": case(core.exp, "nm", as_numpy=np.exp),
    "log": case(core.log, "nm", as_numpy=np.log),
    "tanh": case(core.tanh, "nm", as_numpy=np.tanh),
    "maximum": case(core.maximum, "nm", "1m", as_numpy=np.maximum),
    "reshape": case(lambda x: x.reshape(3, -1), "n3m"),
    "reshape in columns": case(lambda x: core.reshape(x, -1, "F"), "nm", as_numpy=lambda x: x.reshape(-1, order="F")),
    "transpose": case(lambda x: x.T, "nmk"),
    "transpose axes": case(lambda x: x.transpose(1, -1, 0), "nmk"),
    "broadcast_to": case(
        lambda x: core.broadcast_to(x, (2, 3, 4)), "31", as_numpy=lambda x: np.broadcast_to(x, (2, 3, 4))
    ),
    "sum": case(lambda x: x.sum(), "nm"),
    "sum along an axis": case(lambda x: x.sum(-2), "nmk"),
    "sum along axes": case(lambda x: x.sum((0, -1), keepdims=True), "nmk"),
    "mean": case(lambda x: x.mean(), "nm"),
    "mean along an axis": case(lambda x: x.mean(1), "nmk"),
    "mean along axes": case(lambda x: x.mean((0, -1), keepdims=True), "nmk"),
    "getitem": case(lambda x: x[1:, ..., 0], "3nm"),
    "getitem, repeated indices": case(lambda x: x[[0, 2, 0, 0]], "3n"),
    "getitem, mask": case(lambda x: x[np.array([True, False, True])], "3n"),
    "scatter": case(lambda x: core.scatter(x, np.array([0, 2, 0]), (4, *x.shape[1:])), "3n", as_numpy=numpy_scatter),
    "matmul": case(lambda x, y: x @ y, "nm", "mk"),
    "matmul of stacks": case(lambda x, y: x @ y, "anm", "b1mk"),
    "matmul, vectors": case(lambda x, y: x @ y, "n", "n"),
    "matmul, matrix and vector": case(lambda x, y: x @ y, "anm", "m"),
    "matmul, vector and matrix": case(lambda x, y: x @ y, "n", "anm"),
    "linear": case(core.linear, "anm", "km", "k", as_numpy=lambda x, w, b: x @ w.T + b),
    "softmax": case(core.softmax, "nm", as_numpy=numpy_softmax),
    "softmax along an axis": case(lambda x: core.softmax(x, 0), "nm", as_numpy=lambda x: numpy_softmax(x, 0)),
    "log_softmax": case(core.log_softmax, "nm", as_numpy=lambda x: np.log(numpy_softmax(x))),
    "cross_entropy": case(
        lambda x: core.cross_entropy(x, LABELS),
        "43",
        as_numpy=lambda x: -np.log(numpy_softmax(x))[range(4), LABELS].mean(),
    ),
    "im2col": case(lambda x: core.im2col(x, **WINDOW), "nm45", as_numpy=numpy_im2col),
    "col2im": case(lambda x: core.col2im(x, (4, 5), **WINDOW), ("n", 12, 14), as_numpy=numpy_col2im),
    "conv2d": case(lambda x, w, b: core.conv2d(x, w, b, **SETTINGS), "nm45", "km23", "k", as_numpy=numpy_conv2d),
}


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name: str, seed: int) -> None:
    function, as_numpy, shapes = CASES[name]
    arrays = draw(seed, *shapes)
    out = function(*map(Tensor, arrays))
    np.testing.assert_allclose(out.numpy(), as_numpy(*arrays), 1e-12, 1e-12)
    assert out.dtype == F64
    check_gradient(function, *arrays)


def test_each_op_has_a_case() -> None:
    ops = {name for name, x in vars(core).items() if isinstance(x, core.Op)}
    assert ops == ops & {name.partition(",")[0].partition(" ")[0] for name in CASES}


def test_arrays_on_both_sides_of_an_operator() -> None:
    array, tensor, values = np.array([[1.0, 2.0], [3.0, 4.0]]), leaf([[5.0, 6.0], [7.0, 8.0]]), core.values_of
    for operator in ("+", "-", "*", "/", "**", "@"):
        for left, right in ((array, tensor), (tensor, array)):
            out = eval(f"x {operator} y", {"x": left, "y": right})
            assert isinstance(out, Tensor)
            np.testing.assert_allclose(out.numpy(), eval(f"x {operator} y", {"x": values(left), "y": values(right)}))


def test_ops_of_arrays_return_arrays() -> None:
    assert isinstance(core.exp(np.ones(2)), np.ndarray)


def test_equal_elements_of_a_maximum_share_the_gradient() -> None:
    x, y = leaf([1.0, 2.0, 3.0]), leaf([3.0, 2.0, 1.0])
    core.maximum(x, y).sum().backward()
    assert x.grad.tolist() == [0, 0.5, 1]
    assert y.grad.tolist() == [1, 0.5, 0]


def test_powers_at_0() -> None:
    x, y = leaf([0.0, 2.0]), leaf([2.0, 0.0])
    (x**0 + x**2).sum().backward()
    (0**y).sum().backward()
    assert x.grad.tolist() == [0, 4]
    assert y.grad[0] == 0


def test_softmax_and_log_softmax_of_large_numbers() -> None:
    x = Tensor([1000.0, 0.0])
    assert core.softmax(x).numpy().tolist() == [1, 0]
    assert core.log_softmax(x).numpy().tolist() == [0, -1000]


# --- An op of one's own ---


def test_an_op_with_its_vjp() -> None:
    @op(broadcasts=True)
    def hypotenuse(x: Any, y: Any) -> Any:
        """Return the square root of x * x + y * y."""
        return np.hypot(x, y)

    hypotenuse.vjps(x=lambda g, x, out: g * x / out, y=lambda g, y, out: g * y / out)
    check_gradient(hypotenuse, *draw(0, "nm", "m"))
    assert (hypotenuse.name, repr(hypotenuse)) == ("hypotenuse", "<op hypotenuse>")


def test_an_op_with_settings_saves_what_its_vjp_requests() -> None:
    @op
    def scaled(x: Any, /, factor: float = 2.0) -> Any:
        return x * factor

    def vjp(g: Any, factor: float, x_shape: Any, x_dtype: Any) -> Any:
        assert (x_shape, x_dtype) == ((2, 3), F64)
        return g * factor

    scaled.vjps(x=vjp)
    check_gradient(lambda x: scaled(x, factor=3.0), np.ones((2, 3)))


def test_a_wrong_vjp_is_found() -> None:
    @op
    def double(x: Any) -> Any:
        return 2 * x

    double.vjps(x=lambda g: 3 * g)
    with pytest.raises(WrongGradientError):
        check_gradient(double, np.ones(2))


@pytest.mark.parametrize("result", [lambda g: g.sum(), lambda g: g[:1], lambda g: np.stack([g, g]), lambda g: 1.0])
def test_a_vjp_of_the_wrong_shape(result: Any) -> None:
    @op
    def double(x: Any) -> Any:
        return 2 * x

    double.vjps(x=result)
    with pytest.raises(WrongGradientError, match="double: the vjp of x returned"):
        double(leaf([1.0, 2.0])).sum().backward()


def test_a_missing_vjp() -> None:
    @op
    def divided(x: Any, y: Any) -> Any:
        return x / y

    divided.vjps(x=lambda g, y: g / y)
    x, y = leaf(3.0), leaf(2.0)
    divided(x, 2.0).backward()
    assert x.grad == 0.5
    with pytest.raises(MissingVJPError, match="divided"):
        divided(x, y).backward()


@pytest.mark.parametrize(
    "vjps",
    [{"z": lambda g: g}, {"x": lambda g, X: g}, {"x": lambda g, out_shape: g}, {"axis": lambda g: g}],
)
def test_misspelt_names(vjps: Any) -> None:
    @op
    def double(x: Any, /, axis: int = 0) -> Any:
        return 2 * x

    with pytest.raises(VJPDefinitionError, match="op double has no"):
        double.vjps(**vjps)


# --- The backward pass ---


def test_a_value_used_twice_gets_both_contributions() -> None:
    x = leaf([1.0, 2.0])
    y = x * x
    (y + y * x).sum().backward()
    np.testing.assert_allclose(x.grad, 2 * x.numpy() + 3 * x.numpy() ** 2)


def test_paths_of_different_lengths() -> None:
    x = leaf(0.5)
    early = core.exp(x)
    late = core.tanh(core.tanh(early) * early)
    (early * late).backward()
    slope = differences(lambda: core.exp(x) * core.tanh(core.tanh(core.exp(x)) * core.exp(x)), x)
    np.testing.assert_allclose(x.grad, slope, 1e-6)


def test_a_long_chain() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(5000):
        y = y + x
    y.backward()
    assert x.grad == 5001


@pytest.mark.parametrize("values", [[1.0, 2.0], 1.0])
def test_grad_is_the_sum_of_passes(values: Any) -> None:
    x = leaf(values)
    for _ in range(3):
        (3 * x).sum().backward()
    assert (x.grad == 9).all()
    assert isinstance(x.grad, np.ndarray)
    x.zero_grad()
    assert x.grad is None


def test_leaves_do_not_share_their_gradients() -> None:
    x, y, gradient = leaf([1.0, 2.0]), leaf([1.0, 2.0]), np.ones(2)
    (x + y).backward(gradient)
    assert not np.shares_memory(x.grad, y.grad)
    assert not np.shares_memory(x.grad, gradient)


def test_backward_from_a_leaf_and_with_a_gradient() -> None:
    x = leaf([1.0, 2.0])
    x.backward([3.0, 4.0])
    (2 * x).backward(np.array([5.0, 6.0]))
    assert x.grad.tolist() == [13, 16]


def test_no_gradient_for_what_does_not_require_one() -> None:
    x, y = leaf([1.0]), Tensor([2.0])
    (x * y).sum().backward()
    assert y.grad is None
    assert not (y * y).requires_grad


def test_a_freed_graph() -> None:
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GraphFreedError):
        y.backward()


def test_retain_graph() -> None:
    x = leaf([1.0, 2.0])
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8]


def test_no_grad() -> None:
    x = leaf([1.0])
    with no_grad():
        with no_grad():
            assert not (x * x).requires_grad
        assert not (x * x).requires_grad
    with pytest.raises(ShapeError), no_grad():
        x.assign([1.0, 2.0])
    assert (x * x).requires_grad
    assert not no_grad()(lambda: x * x)().requires_grad


def test_a_result_without_fractions_has_no_gradient() -> None:
    @op
    def truncate(x: Any) -> Any:
        return np.asarray(x, int)

    assert not truncate(leaf([1.5])).requires_grad


def test_detach() -> None:
    x = leaf([1.0, 2.0])
    (x * (x * x).detach()).sum().backward()
    assert x.grad.tolist() == [1, 4]
    x.detach().assign([5.0, 6.0])
    assert x.numpy().tolist() == [5, 6]


# --- Memory ---


def test_a_tensor_has_its_own_memory() -> None:
    array = np.array([1.0, 2.0])
    x = Tensor(array)
    array[0] = 9
    assert x.numpy().tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        x.numpy()[0] = 9


@pytest.mark.parametrize(
    "write",
    [
        lambda x, y: x.assign([3.0, 4.0]),
        lambda x, y: y.assign([3.0, 4.0]),
        lambda x, y: x[:1].assign([3.0]),
        lambda x, y: x.reshape(2, 1).assign([[3.0], [4.0]]),
        lambda x, y: x.detach().T.assign([3.0, 4.0]),
        lambda x, y: core.SGD([x], lr=0.1).step(),
    ],
)
def test_a_change_of_saved_values(write: Any) -> None:
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    x.backward(np.ones(2))
    loss = (x * y).sum()
    write(x, y)
    with pytest.raises(StaleValueError, match="multiply"):
        loss.backward()


def test_a_change_through_an_older_view() -> None:
    x = leaf([1.0, 2.0])
    view = x[1:]
    loss = (x * x).sum()
    view.assign([5.0])
    with pytest.raises(StaleValueError):
        loss.backward()


def test_a_change_of_a_saved_result() -> None:
    x = leaf([1.0, 2.0])
    y = core.exp(x)
    loss = (3 * y).sum()
    y.assign([0.0, 0.0])
    with pytest.raises(StaleValueError, match="exp"):
        loss.backward()


def test_a_changed_result_is_not_used() -> None:
    x = leaf([1.0, 2.0])
    y = 2 * x
    y.assign([0.0, 0.0])
    with pytest.raises(StaleValueError):
        y * 3
    with pytest.raises(StaleValueError):
        y.backward(np.ones(2))


def test_a_change_that_fails_halfway() -> None:
    x = leaf([1.0, 2.0])
    loss = (x * x).sum()
    with pytest.raises(ZeroDivisionError), x.writing():
        raise ZeroDivisionError
    with pytest.raises(StaleValueError):
        loss.backward()


def test_a_change_of_what_was_not_saved() -> None:
    x, y = leaf([1.0, 2.0]), Tensor([1.0, 2.0], dtype=F64)
    loss = (x * y + x).sum()
    x.assign([3.0, 4.0])
    loss.backward()
    assert x.grad.tolist() == [2, 3]


def test_a_change_before_the_call() -> None:
    x = leaf([1.0, 2.0])
    x.assign([3.0, 4.0])
    (x * x).sum().backward()
    assert x.grad.tolist() == [6, 8]


def test_arrays_that_change_after_the_call() -> None:
    x, factor, index, nested = leaf([1.0, 2.0]), np.array([2.0, 2.0]), np.array([0, 0]), [1, 1]
    loss = (x * factor).sum() + x[index].sum() + x[(nested,)].sum()
    factor[:], index[:], nested[:] = 9, 1, [0, 0]
    loss.backward()
    assert x.grad.tolist() == [4, 4]


# --- Dtypes ---


@pytest.mark.parametrize(
    ("result", "dtype"),
    [
        (lambda: Tensor([1, 2]), "float32"),
        (lambda: Tensor(np.array([1, 2])), "int64"),
        (lambda: Tensor([1.0]) * 2.5, "float32"),
        (lambda: Tensor([1.0]) * np.array([2.0]), "float32"),
        (lambda: np.array([2.0]) - Tensor([1.0]), "float32"),
        (lambda: Tensor([1.0]) + np.array([2]), "float32"),
        (lambda: Tensor([1.0]) * Tensor([1.0], dtype=F64), "float64"),
        (lambda: Tensor([1.0], dtype=np.float16) * 2.0, "float16"),
        (lambda: Tensor([1], dtype=np.int8) * 2, "int8"),
        (lambda: Tensor([1], dtype=int) * 2.5, "float32"),
        (lambda: Tensor([1], dtype=int) / 2, "float32"),
        (lambda: Tensor([1], dtype=int) * Tensor([1.0]), "float32"),
        (lambda: Tensor([1], dtype=int).mean(), "float32"),
        (lambda: Tensor([True, False], dtype=bool).sum(), "int64"),
        (lambda: core.exp(Tensor([1], dtype=int)), "float32"),
        (lambda: core.sum(Tensor([1.0]), dtype=F64), "float64"),
    ],
)
def test_the_dtype_of_results(result: Any, dtype: str) -> None:
    assert result().dtype == dtype


def test_gradients_have_the_dtype_of_their_leaf() -> None:
    x, y = leaf([1.0, 2.0], np.float32), leaf([3.0, 4.0])
    (x * y * np.array([1.0, 2.0])).sum().backward()
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, F64)
    assert x.grad.tolist() == [3, 8]


def test_sums_of_float16() -> None:
    x, scale = leaf(np.ones((4096, 2)), np.float16), leaf([1.0, 1.0], np.float16)
    assert core.sum(x, 0).numpy().tolist() == [4096, 4096]
    (scale * x).backward(np.ones((4096, 2)))
    assert scale.grad.tolist() == [4096, 4096]


# --- Modules ---


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (lambda rng: core.Linear(3, 4, rng=rng, dtype=F64), "nm3"),
        (lambda rng: core.Linear(3, 1, bias=False, rng=rng, dtype=F64), "n3"),
        (lambda rng: core.Conv2D(2, 3, (2, 3), (2, 1), (1, 2), (1, 2), rng=rng, dtype=F64), "n245"),
        (lambda rng: core.Conv2D(1, 2, 2, 3, 1, 2, bias=False, rng=rng, dtype=F64), "n164"),
        (lambda rng: core.Tanh(), "nm"),
        (lambda rng: core.Softmax(), "nm"),
        (lambda rng: core.Softmax(axis=1), "nmk"),
        (lambda rng: core.Dropout(0.5, rng).eval(), "nm"),
        (lambda rng: core.Flatten(), "nmk"),
        (lambda rng: network(rng), "n156"),
    ],
)
def test_gradients_of_layers(layer: Any, shape: str, seed: int) -> None:
    module, (x,) = layer(np.random.default_rng(seed)), draw(seed, shape)
    check_gradient(module, x)

    def loss() -> Any:
        return (module(x) ** 2).sum()

    module.zero_grad()
    if module.parameters():
        loss().backward()
    for parameter in module.parameters():
        np.testing.assert_allclose(parameter.grad, differences(loss, parameter), 1e-6, 1e-6)


def network(rng: Any) -> Any:
    convolution = core.Conv2D(1, 2, 3, rng=rng, dtype=F64)
    linear = core.Linear(24, 3, rng=rng, dtype=F64)
    return core.Sequential(convolution, core.Tanh(), core.Dropout(0.5, rng), core.Flatten(), linear).eval()


def test_a_convolution_has_the_settings_of_its_layer() -> None:
    layer, (x,) = core.Conv2D(2, 3, **WINDOW, dtype=F64), draw(0, "n246")
    expected = numpy_conv2d(x, *(parameter.numpy() for parameter in layer.parameters()))
    np.testing.assert_allclose(layer(x).numpy(), expected)


def test_initial_parameters() -> None:
    layer = core.Conv2D(4, 8, (3, 5), rng=np.random.default_rng(0))
    bound = 1 / np.sqrt(4 * 3 * 5)
    weight, bias = layer.parameters()
    assert 0.9 * bound < np.abs(weight.numpy()).max() <= bound
    assert np.abs(bias.numpy()).max() <= bound
    assert weight.dtype == bias.dtype == np.float32
    assert (weight.shape, bias.shape) == ((8, 4, 3, 5), (8,))
    assert core.Linear(2, 3, bias=False).bias is None


def test_dropout_in_training_and_evaluation() -> None:
    layer, x = core.Dropout(0.25, np.random.default_rng(0)), leaf(np.full(10_000, 3.0))
    out = layer(x)
    out.sum().backward()
    kept = out.numpy() != 0
    assert 0.73 < kept.mean() < 0.77
    np.testing.assert_allclose(out.numpy(), np.where(kept, 4, 0))
    np.testing.assert_allclose(x.grad, np.where(kept, 4 / 3, 0))
    assert (layer(x).numpy() != out.numpy()).any()
    assert layer.eval()(x) is x
    assert core.Dropout(0)(x) is x


class Nested(core.Module):
    def __init__(self) -> None:
        self.first = core.Linear(2, 2)
        self.again: list[Any] = [self.first, {"deep": (core.Dropout(0.5), core.Linear(2, 1))}]
        self.scale = Tensor(2.0, requires_grad=True)
        self.constant = Tensor(3.0)
        self.itself = self

    def forward(self, x: Any) -> Any:
        """Use the first layer twice."""
        return self.again[1]["deep"][1](self.first(self.first(x))) * self.scale


def test_nested_and_shared_parameters() -> None:
    model = Nested()
    names = [name for name, _ in model.named_parameters()]
    deep = ["again.1.deep.1.weight", "again.1.deep.1.bias"]
    assert names == ["first.weight", "first.bias", *deep, "scale"]
    assert [type(module).__name__ for module in model.modules()] == ["Nested", "Linear", "Dropout", "Linear"]


def test_train_and_eval_and_zero_grad_reach_every_module() -> None:
    model = Nested()
    assert model.training
    assert not any(module.training for module in model.eval().modules())
    assert all(module.training for module in model.train().modules())
    model(np.ones((1, 2), np.float32)).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_shared_layer_gets_the_gradients_of_both_calls() -> None:
    layer, x = core.Linear(2, 2, dtype=F64), np.ones((1, 2))
    layer(layer(x)).sum().backward()
    for p in layer.parameters():
        np.testing.assert_allclose(p.grad, differences(lambda: layer(layer(x)).sum(), p), 1e-6)


def test_a_sequence_of_layers() -> None:
    model = core.Sequential(core.Linear(1, 1), core.Tanh(), core.Linear(1, 1, bias=False))
    assert [name for name, _ in model.named_parameters()] == ["layers.0.weight", "layers.0.bias", "layers.2.weight"]
    assert [type(layer).__name__ for layer in model.layers.values()] == ["Linear", "Tanh", "Linear"]


def test_an_empty_batch() -> None:
    model, x = network(np.random.default_rng(0)), leaf(np.ones((0, 1, 5, 6)))
    model(x).sum().backward()
    assert x.grad.shape == (0, 1, 5, 6)
    assert all((p.grad == 0).all() for p in model.parameters())


# --- SGD ---


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd(momentum: float) -> None:
    p, unused = leaf([1.0, -2.0]), leaf([1.0])
    expected, buffer = p.numpy().copy(), np.zeros(2)
    optimizer = core.SGD([p, unused], lr=0.1, momentum=momentum)
    for _ in range(4):
        optimizer.zero_grad()
        (p * p * p).sum().backward()
        optimizer.step()
        buffer = momentum * buffer + 3 * expected**2
        expected = expected - 0.1 * buffer
        np.testing.assert_allclose(p.numpy(), expected)
    assert unused.numpy().tolist() == [1]


def test_training_learns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = core.Sequential(core.Linear(2, 16, rng=rng), core.Tanh(), core.Linear(16, 2, rng=rng))
    optimizer = core.SGD(model.parameters(), lr=0.5, momentum=0.9)
    for _ in range(100):
        optimizer.zero_grad()
        core.cross_entropy(model(x), labels).backward()
        optimizer.step()
    assert (model(x).numpy().argmax(1) == labels).mean() > 0.95


# --- Errors ---


@pytest.mark.parametrize(
    ("error", "function"),
    [
        (DTypeError, lambda: Tensor(np.array(["one"]))),
        (DTypeError, lambda: Tensor(np.array([1j]))),
        (IntegerGradientError, lambda: leaf([1, 2], int)),
        (ShapeError, lambda: Tensor([1.0, 2.0]).assign([1.0, 2.0, 3.0])),
        (ShapeError, lambda: Tensor([1.0, 2.0]).assign(1.0)),
        (NoGraphError, lambda: Tensor(1.0).backward()),
        (NonScalarBackwardError, lambda: (2 * leaf([1.0, 2.0])).backward()),
        (ShapeError, lambda: (2 * leaf([1.0, 2.0])).backward(np.ones(3))),
        (DTypeError, lambda: core.softmax(Tensor([1.0]), axis=leaf(0.0))),
        (ShapeError, lambda: core.cross_entropy(Tensor(np.ones((2, 3))), np.zeros((2, 1), int))),
        (ShapeError, lambda: core.cross_entropy(Tensor(np.ones((2, 3))), np.zeros(2))),
        (ValueError, lambda: core.cross_entropy(Tensor(np.ones((2, 3))), np.array([0, 3]))),
        (ValueError, lambda: core.cross_entropy(Tensor(np.ones((2, 3))), np.array([0, -1]))),
        (ShapeError, lambda: core.im2col(Tensor(np.ones((1, 1, 2, 2))), 3)),
        (NotImplementedError, lambda: core.Module()(1)),
    ],
)
def test_errors(error: type[Exception], function: Any) -> None:
    with pytest.raises(error):
        function()


def test_a_tensor_as_text() -> None:
    assert repr(Tensor([1.0, 2.0])).startswith("Tensor([1., 2.]")
    assert "requires_grad=True" in repr(leaf(1.0))
    assert "multiply" in repr(2 * leaf(1.0))
