"""Values that leave the graph: an error if this is always a mistake, a warning if it may be, otherwise nothing."""

import copy
import math
import warnings

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import DTypeError, LeafInPlaceError, LostGradientWarning, NoGraphError


def w():
    return Tensor(2.0, requires_grad=True)


def assign_to_an_element(t):
    array = np.zeros(3)
    array[0] = t


REFUSED = {
    "copy": (lambda t: copy.copy(t * 2), NoGraphError),
    "deepcopy": (lambda t: copy.deepcopy([t * 2]), NoGraphError),
    "np.array": (lambda t: np.array([t, 1.0], float), DTypeError),
    "np.asarray": (np.asarray, DTypeError),
    "a list": (lambda t: Tensor([t, 1.0]), DTypeError),
    "an operand": (lambda t: Tensor([1.0, 2.0]) * [t, t], DTypeError),
    "assign": (lambda t: Tensor([1.0]).assign([t]), DTypeError),
    "elements": (lambda t: Tensor([1.0]).__setitem__(0, t), LeafInPlaceError),
    "a NumPy function": (lambda t: np.linspace(0, t, 3), DTypeError),
}
WARNED = {
    "Tensor(t)": (Tensor, r"Tensor\(t\.detach\(\)\)"),
    "Tensor(computed)": (lambda t: Tensor(t * 2), r"Tensor\(t\.detach\(\)\)"),
    ".grad of a computed one": (lambda t: (t * 2).grad, "has no .grad"),
}
SILENT = {
    "float": float,
    "item": lambda t: t.item(),
    "math": math.exp,
    "an element": assign_to_an_element,
    "format": lambda t: f"{t:.3f} {t!r} {t}",
    "int": int,
    "comparison": lambda t: (t > 1, bool(t)),
    "numpy": lambda t: Tensor(t.numpy()),
    "np.testing": lambda t: np.testing.assert_allclose(t, 2),
    "a copy of a leaf": lambda t: (copy.copy(t), copy.deepcopy(t)),
    "a copy of a constant": lambda t: copy.deepcopy((t * 2).detach()),
    ".grad of a leaf": lambda t: t.grad,
}


@pytest.mark.parametrize("way", REFUSED)
def test_what_nobody_can_mean_is_refused(way):
    act, error = REFUSED[way]
    with pytest.raises(error):
        act(w())


@pytest.mark.parametrize("way", WARNED)
def test_what_some_mean_warns_at_their_line_and_says_how_to_mean_it(way):
    act, message = WARNED[way]
    with pytest.warns(LostGradientWarning, match=message) as caught:
        act(w())
    assert {each.filename for each in caught} == {__file__}
    with tg.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("error")
        act(w())


@pytest.mark.parametrize("way", SILENT)
def test_what_everybody_does_is_silent(way):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SILENT[way](w())


def test_a_warning_comes_once_for_a_line():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            (w() * 2).grad  # noqa: B018
    assert len(caught) == 1
