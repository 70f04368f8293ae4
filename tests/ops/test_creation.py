"""Creation functions: values and shapes of NumPy, default dtypes, and random numbers of the Generator."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import with_each
from tests.ops.groups import written
from tinygrad_edu import Tensor
from tinygrad_edu.errors import DataError, DTypeError, IntegerGradientError, ShapeError

F32 = np.ones((2, 3), np.float32)
WHOLE = np.arange(6, dtype=np.int8).reshape(3, 2).T

# Calls that are valid for both `np` and `tg`, and the dtype of the tensor.
SAME = [
    ("zeros((2, 3))", "float32"), ("zeros(4)", "float32"), ("zeros([2], int)", "int64"), ("zeros((0, 2))", "float32"),
    ("zeros(())", "float32"), ("ones((2, 3))", "float32"), ("ones(2, dtype='>f8')", "float64"),
    ("ones(2, bool)", "bool"), ("full((2, 3), 7)", "float32"), ("full(2, True)", "bool"),
    ("full((2, 3), F32[0])", "float32"), ("full(2, np.float64(0.1))", "float64"), ("full((2, 2), [1, 2])", "float32"),
    ("full(2, 1.5, dtype=int)", "int64"), ("eye(3)", "float32"), ("eye(2, 3)", "float32"),
    ("eye(3, M=2, k=-1, dtype=int)", "int64"), ("tri(3)", "float32"), ("tri(2, 4, 1)", "float32"),
    ("tri(3, dtype=bool)", "bool"), ("zeros_like(F32)", "float32"), ("zeros_like(WHOLE)", "int8"),
    ("ones_like(WHOLE, dtype=float)", "float64"), ("ones_like(F32, shape=(2,))", "float32"),
    ("full_like(WHOLE, 3)", "int8"), ("full_like(F32, [1, 2, 3])", "float32"),
    ("full_like(F32, 0.5, dtype=np.float16)", "float16"), ("arange(5)", "int64"), ("arange(5.0)", "float32"),
    ("arange(1, 3)", "int64"), ("arange(1, 2, 0.25)", "float32"), ("arange(5, 0, -2)", "int64"), ("arange(0)", "int64"),
    ("arange(stop=3)", "int64"), ("arange(0, 1, 0.1)", "float32"), ("arange(3, dtype=float)", "float64"),
    ("arange(1, step=1, stop=3)", "int64"), ("arange(2, dtype=bool)", "bool"), ("arange(np.float64(3))", "float64"),
    ("arange(0, 5, 0.5, dtype=int)", "int64"), ("linspace(0, 1)", "float32"), ("linspace(0, 1, 5)", "float32"),
    ("linspace(2.0, -1.0, 4, False)", "float32"), ("linspace(0, 1, num=1)", "float32"),
    ("linspace(0, F32[0], 3, axis=-1)", "float32"), ("linspace(0, 9, 4, dtype=int)", "int64"),
    ("linspace(np.float64(0), 1, 3)", "float64"), ("linspace(-3, 0, 3, dtype=int)", "int64"),
    ("logspace(0, 2, 3)", "float32"), ("logspace(0, 3, 4, base=2, endpoint=False)", "float32"),
    ("geomspace(1, 1000, 4)", "float32"), ("geomspace(1, F32[0] * 8, 4, axis=1, dtype=float)", "float64"),
]  # fmt: skip


@with_each(("code", "dtype"), SAME)
def test_what_is_made_is_numpys(code, dtype):
    found, wanted = (eval(f"{place}.{code}") for place in ("tg", "np"))
    assert (type(found), found.dtype, found.requires_grad, found.is_leaf) == (Tensor, dtype, False, True)
    assert found.shape == wanted.shape
    np.testing.assert_array_equal(found.numpy(), wanted.astype(dtype))


# Arguments of each function.
MAKERS = {
    "zeros": (2,), "ones": (2,), "empty": (2,), "full": (2, 1.0), "eye": (2,), "tri": (2,), "zeros_like": (F32,),
    "ones_like": (F32,), "empty_like": (F32,), "full_like": (F32, 2), "arange": (2.0,), "linspace": (0, 1, 3),
    "logspace": (0, 1, 3), "geomspace": (1, 2, 3), "normal": (0.0, 1.0, 3), "uniform": (0.0, 1.0, 3),
}  # fmt: skip
RANDOM = ("normal", "uniform")


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_made_can_be_a_leaf_of_any_float(name):
    drawn = {"rng": np.random.default_rng(0)} if name in RANDOM else {}
    make = partial(getattr(tg, name), *MAKERS[name], **drawn)
    for dtype in (np.float16, np.float32, np.float64):
        made = make(dtype=dtype, requires_grad=True)
        assert (made.dtype, made.requires_grad, made.is_leaf) == (dtype, True, True)
        made.data[...] = 1
        (made * made).sum().backward()
        np.testing.assert_array_equal(made.grad, 2 * made.numpy())
    with pytest.raises(DTypeError):
        make(dtype=complex)
    with pytest.raises(DTypeError, match="requires_grad must be True or False"):
        make(requires_grad=1)
    if name not in RANDOM:
        with pytest.raises(IntegerGradientError):
            make(dtype=int, requires_grad=True)


def test_a_likeness_of_a_tensor_is_a_constant_of_its_shape_and_dtype():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    for made in (tg.zeros_like(x), tg.ones_like(x * 2), tg.full_like(x, 3), tg.empty_like(x)):
        assert (made.shape, made.dtype, made.requires_grad) == ((2, 3), np.float64, False)
    assert tg.zeros_like([1, 2]).dtype == np.float32
    assert tg.zeros_like(WHOLE).strides == np.zeros_like(WHOLE).strides


def test_the_distance_in_a_row():
    made, step = tg.linspace(0, 1, 5, retstep=True)
    assert (made.tolist(), step) == ([0, 0.25, 0.5, 0.75, 1], 0.25)


def test_a_long_row_in_float32_is_rounded_once():
    np.testing.assert_array_equal(tg.arange(0, 1e5, 0.1).numpy(), np.arange(0, 1e5, 0.1).astype(np.float32))
    ends = np.float32(1e-3), np.float32(1e5)
    wanted = np.linspace(*map(np.float64, ends), 1001).astype(np.float32)
    np.testing.assert_array_equal(tg.linspace(*ends, 1001).numpy(), wanted)


X, RNG = Tensor([1.0], requires_grad=True), np.random.default_rng(0)
REFUSED = {
    "zeros(2, 3)": (DTypeError, r"zeros: 3 is not a dtype; pass the shape as one argument"),
    "arange()": (DTypeError, "arange: missing stop"), "full(2, 1j)": (DTypeError, "real numbers"),
    "full(2, X)": (DTypeError, r"fill_value is not differentiable.*detach\(\) it"),
    "linspace(0, X, 3)": (DTypeError, r"stop is not differentiable.*detach\(\) it"),
    "normal(rng=5)": (DTypeError, r"rng must be a numpy\.random\.Generator, got 5"),
    "permutation(3, rng=5)": (DTypeError, "rng must be a numpy"), "uniform(size=3)": (TypeError, "rng"),
    "normal(0, -1, rng=RNG)": (DataError, "must be >= 0, got -1"),
    "uniform(1, 0, rng=RNG)": (DataError, "bound a finite range"),
    "uniform(0, np.inf, rng=RNG)": (DataError, "finite range"), "normal(rng=RNG, dtype=int)": (DTypeError, "got int64"),
    "normal(np.zeros(3), size=2, rng=RNG)": ((ShapeError, ValueError), "shape"),
    "permutation(2.5, rng=RNG)": (DTypeError, "must be an integer"),
}  # fmt: skip


@pytest.mark.parametrize("call", REFUSED)
def test_what_cannot_be_made_is_refused(call):
    error, message = REFUSED[call]
    with pytest.raises(error, match=message):
        eval(f"tg.{call}")


# --- Random numbers ---

seeds = st.integers(0, 2**32 - 1)
DRAWN = """
normal(1.0, 2.0, (2, 3), rng=rng, dtype=np.float64); normal([0.0, 5.0], np.ones((3, 2)), rng=rng)
uniform(-1.0, 2.0, (2, 3), rng=rng, dtype=np.float64); uniform([0.0, 5.0], np.full((3, 2), 6.0), rng=rng)
integers(5, size=9, rng=rng); integers(-2, 3, (2, 2), np.int8, True, rng=rng); permutation(6, rng=rng)
permutation(np.arange(8.0).reshape(4, 2), rng=rng); permutation(np.arange(8.0).reshape(2, 4), axis=-1, rng=rng)
"""


class NumPys:
    """The Generator's methods, called like the functions of `tg`."""

    def __getattr__(self, name):
        return lambda *args, rng, dtype=None, **how: np.asarray(getattr(rng, name)(*args, **how))


@pytest.mark.parametrize("call", written(DRAWN))
@given(seed=seeds)
def test_what_is_drawn_is_what_the_generator_draws(call, seed):
    found, again, wanted = (
        eval(f"place.{call}", {"np": np, "place": place, "rng": np.random.default_rng(seed)})
        for place in (tg, tg, NumPys())
    )
    np.testing.assert_array_equal(tg.engine.values_of(found), tg.engine.values_of(again))
    assert found.shape == wanted.shape
    if "axis=-1" in call:  # NumPy shuffles in another order
        np.testing.assert_array_equal(np.sort(found.ravel()), np.sort(wanted.ravel()))
        return
    np.testing.assert_allclose(tg.engine.values_of(found), wanted, rtol=1e-6, atol=1e-6)


@given(seeds, st.floats(-1e3, 1e3, width=16), st.floats(0, 2**-10, width=16), st.sampled_from("efd"))
def test_uniform_never_reaches_its_end(seed, low, width, dtype):
    low, high = (np.dtype(dtype).type(x) for x in (low, low + width))
    drawn = tg.uniform(low, high, 100, rng=np.random.default_rng(seed)).numpy()
    assert drawn.dtype == dtype
    assert np.all((low <= drawn) & ((drawn < high) | (low == high)))


def test_the_parameters_of_a_distribution_have_gradients():
    loc, scale = Tensor([1.0, 2.0], requires_grad=True), Tensor([[0.5], [2.0]], requires_grad=True)
    drawn = tg.normal(loc, scale, rng=np.random.default_rng(0))
    drawn.sum().backward()
    assert drawn.shape == (2, 2)
    assert loc.grad.tolist() == [2, 2]
    z = np.random.default_rng(0).standard_normal((2, 2), dtype=np.float32)
    np.testing.assert_allclose(scale.grad, z.sum(axis=1, keepdims=True), rtol=1e-6)
    high = Tensor(3.0, requires_grad=True)
    drawn = tg.uniform(1.0, high, 5, rng=np.random.default_rng(0), dtype=np.float64)
    assert drawn.dtype == np.float64
    drawn.sum().backward()
    np.testing.assert_allclose(high.grad, np.random.default_rng(0).random(5).sum(), rtol=1e-6)
    assert tg.normal(Tensor(1.0), rng=np.random.default_rng(0), requires_grad=True).is_leaf


def test_a_permutation_of_a_tensor_moves_the_gradient_back():
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    for axis in (0, 1, -1):
        x.zero_grad()
        out = tg.permutation(x, axis, rng=np.random.default_rng(1))
        out.backward(out.numpy())
        np.testing.assert_array_equal(x.grad, x.numpy())
    order = tg.permutation(3, rng=np.random.default_rng(1))
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(x[order].numpy(), axis=0), x.numpy())
