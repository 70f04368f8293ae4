"""The keywords ``where=`` and ``initial=`` of reductions, compared with NumPy and with finite differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.testing import check_vjp, check_vmap
from tinygrad_edu.testing.strategies import arrays
from tinygrad_edu.testing.strategies.arrays import masks, shapes

INITIAL = {"sum": (0.5, -2), "prod": (0.5, -2, 0), "max": (-2e3, 2e3, 0), "min": (-2e3, 2e3, 0)}
NAMES = [*INITIAL, "mean", "var", "std"]
NAN, INF = np.nan, np.inf


@st.composite
def reductions(draw, name):
    """Draw distinct values, a mask that selects two or more elements of each reduction, and the keywords."""
    shape = draw(shapes(1, empty=False).filter(lambda shape: shape[-1] > 1))
    axis = draw(st.sampled_from([None, -1, len(shape) - 1, tuple(range(len(shape)))]))
    x = draw(arrays(shape, low=-2, high=2) if name == "prod" else arrays(shape, distinct=True))
    x = x + 1e-2 * np.arange(x.size).reshape(shape)  # no two are equal
    mask = np.array(draw(masks(shape[draw(st.integers(0, 1)) * (len(shape) > 1) :])))
    mask[..., :2] = True
    settings = {"axis": axis, "keepdims": draw(st.booleans()), "where": mask}
    if name in INITIAL:
        settings["initial"] = draw(st.sampled_from(INITIAL[name])) + 0.00123
    return x, settings


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_values_and_derivatives(name, data):
    x, settings = data.draw(reductions(name))
    wanted = getattr(np, name)(x, **settings)
    for found in (getattr(tg, name)(x, **settings), getattr(np, name)(tg.Tensor(x), **settings).numpy()):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9 * np.abs(x).max())
    check_vjp(lambda x: getattr(tg.Tensor, name)(x, **settings), x)
    for dtype in (np.float16, np.float32):
        assert getattr(tg, name)(x.astype(dtype), **settings).dtype == dtype


@with_each("name", NAMES)
@with_each("axes", [(0, 0), (None, 0), (0, None)])
def test_each_sample_has_its_own_mask(name, axes):
    rng = np.random.default_rng(0)
    x, masks = rng.standard_normal((2, 4, 3)), rng.random((2, 4, 3)) < 0.5
    masks[:, :2] = masks[:, :, :2] = True
    x, masks = (a if axis == 0 else a[0] for a, axis in zip((x, masks), axes, strict=True))
    initial = {"initial": 0.25} if name in INITIAL else {}
    for axis in (None, 0, -1):
        check_vmap(lambda x, mask, axis=axis: getattr(tg, name)(x, axis, where=mask, **initial), x, masks, in_axes=axes)


@pytest.mark.parametrize(("name", "out", "first"), [
    ("sum", 6, [1, 0, 0, 1]), ("prod", 8, [4, 0, 0, 2]), ("mean", 3, [0.5, 0, 0, 0.5]), ("var", 1, [-1, 0, 0, 1]),
    ("std", 1, [-0.5, 0, 0, 0.5]), ("max", 4, [0, 0, 0, 1]), ("min", 2, [1, 0, 0, 0]),
])  # fmt: skip
def test_elements_that_the_mask_omits_do_not_matter(name, out, first):
    x, mask = [2.0, NAN, -INF, 4.0], np.array([True, False, False, True])
    initial = {"max": {"initial": -INF}, "min": {"initial": INF}}.get(name, {})

    def f(x):
        return getattr(tg, name)(x, where=mask, **initial)

    assert f(np.array(x)) == out
    assert tg.grad(f)(np.array(x)).tolist() == first
    assert np.isfinite(tg.hessian(f)(np.array(x))).all()


def test_an_initial_value_takes_half_of_a_tie():
    mask, x = np.array([True, True, False]), np.array([[1.0, 1, 1], [0.5, 1, 2], [2, 0, 3]])
    found = tg.grad(lambda x: tg.max(x, axis=1, initial=1.0, where=mask).sum())(x)
    assert found.tolist() == [[0.25, 0.25, 0], [0, 0.5, 0], [1, 0, 0]]
    assert tg.grad(lambda x: tg.min(x, initial=-INF))(np.ones(2)).tolist() == [0, 0]


def test_no_elements_give_the_initial_value():
    assert tg.max(np.zeros((0, 2)), axis=0, initial=3).tolist() == [3, 3]
    assert tg.min(np.zeros((2, 0), int), axis=1, initial=3, keepdims=True).tolist() == [[3], [3]]
    assert tg.sum([2, 3], where=[False, False], initial=1) == 1
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(tg.mean([2.0], where=[False]))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        assert np.isnan(tg.std([1.0, 2.0], where=[True, False], ddof=1))


def test_extreme_values_stay_in_range():
    mask = [True, True, False]
    for scale in (1e200, 1e-200):
        x = np.array([-scale, scale, np.nan])
        assert tg.std(x, where=mask) == scale
        np.testing.assert_allclose(tg.grad(lambda x: tg.std(x, where=mask))(x), [-0.5, 0.5, 0])
    assert tg.grad(lambda x: tg.std(x, where=mask))(np.array([2.0, 2.0, 5.0])).tolist() == [0, 0, 0]
    assert tg.mean(np.array([6e4, 6e4, 0], np.float16), where=mask) == np.float16(6e4)
    assert tg.sum(np.full(3, 3e4, np.float16), where=mask, initial=-6e4) == 0


def test_dtypes_are_numpys():
    for x, settings in [([1, 2], {"initial": 0.5}), ([True, True], {"initial": 2}), ([1, 2], {"where": [True, False]})]:
        found, wanted = tg.sum(np.array(x), **settings), np.sum(np.array(x), **settings)
        assert (found, found.dtype) == (wanted, wanted.dtype)
    assert tg.max(np.array([1, 2], np.int8), initial=np.float64(3.7)).dtype == np.int8
    assert tg.mean(tg.Tensor([1, 2], dtype=np.int64), where=[True, False]).dtype == np.float32


def test_defaults_call_the_op_alone():
    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    for name in NAMES:
        initial = {"initial": None} if name in INITIAL else {}
        assert getattr(tg, name)(x, where=True, **initial)._node.op is tg.ops.registry[name]


@pytest.mark.parametrize(("call", "kind", "message"), [
    (lambda x: tg.max(x, where=x > 0), ValueError, "max: where= requires initial="),
    (lambda x: tg.sum(x, where=[1, 0]), DTypeError, "sum: where must be boolean, got int64; pass a comparison"),
    (lambda x: tg.var(x, where=[[True, False]]), ShapeError, r"var: where of shape \(1, 2\) does not broadcast to x"),
    (lambda x: tg.prod(x, initial=[2, 3]), ShapeError, r"prod: initial must be a number, got shape \(2,\)"),
    (lambda x: tg.min(x, initial=tg.Tensor(2.0, requires_grad=True)), DTypeError, "op min: initial is a setting and"),
    (lambda x: tg.mean(x, initial=2), TypeError, r"mean\(\) got an .* 'initial': expected axis, keepdims, where"),
    (lambda x: tg.amax(x, keepdim=True, where=x > 0), TypeError, "keepdim of PyTorch is keepdims here"),
])  # fmt: skip
def test_errors(call, kind, message):
    with pytest.raises(kind, match=message):
        call(tg.Tensor([1.0, 2.0]))
