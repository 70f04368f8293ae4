"""Nondifferentiable functions return plain boolean arrays, as NumPy does; and the operators on booleans."""

import operator

import numpy as np
import pytest

import tinygrad_edu as tg

X, Y = np.array([0.0, 1.0, np.nan, np.inf]), np.array([[0.0], [1.0], [np.nan]])
OF_TWO = ["isclose", "logical_and", "logical_or", "logical_xor"]
ANSWERS = ["isfinite", "isinf", "isnan", "logical_not", *OF_TWO]


@pytest.mark.parametrize("name", ANSWERS)
def test_questions_are_answered_as_numpy_does(name):
    given = (X, Y) if name in OF_TWO else (X,)
    expected, ask = getattr(np, name)(*given), getattr(tg, name)
    leaves = [tg.Tensor(x, requires_grad=True) for x in given]
    for found in (ask(*given), ask(*leaves), getattr(leaves[0], name)(*leaves[1:]), ask(given[0].tolist(), *given[1:])):
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, expected)


def test_close_has_numpys_settings():
    x = tg.Tensor([1.0, 2.0, np.nan])
    assert tg.isclose(x, [1.1, 2.3, np.nan], rtol=0.0, atol=0.2, equal_nan=True).tolist() == [True, False, True]
    assert x.isclose(x).tolist() == [True, True, False]
    assert np.isclose(X[:2], 0.1, 0, tg.Tensor([0.2, 0.2])).tolist() == [True, False]


@pytest.mark.parametrize("combine", [operator.and_, operator.or_, operator.xor])
def test_booleans_are_combined_into_plain_arrays(combine):
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    for found in (combine(tg.Tensor(a), tg.Tensor(b)), combine(tg.Tensor(a), b), combine(tg.Tensor(a), b.tolist())):
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, combine(a, b))
    assert combine(True, tg.Tensor(a)).tolist() == combine(True, a).tolist()
    assert (~tg.Tensor(a)).tolist() == (~a).tolist()


@pytest.mark.parametrize("combine", [lambda t: t & True, lambda t: True | t, lambda t: ~t, lambda t: (t > 0) ^ t])
def test_fractions_are_not_combined(combine):
    with pytest.raises(TypeError):
        combine(tg.Tensor([1.0]))
