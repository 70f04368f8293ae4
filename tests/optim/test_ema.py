"""MovingAverage: its formula, swap, state dict and errors."""

import numpy as np
import pytest

from tinygrad_edu import Tensor, from_numpy
from tinygrad_edu.errors import DTypeError, ReadOnlyError, StateDictError
from tinygrad_edu.nn import Linear
from tinygrad_edu.optim import MovingAverage


def after(values, decay):
    p = Tensor(np.zeros(3), requires_grad=True)
    average = MovingAverage([p], decay)
    for value in values:
        p.assign(value)
        average.update()
    return p, average


@pytest.mark.parametrize("decay", [0.0, 0.75, 1.0])
def test_it_begins_at_the_first_weights_and_follows_the_formula(decay):
    values = np.random.default_rng(0).standard_normal((5, 3))
    _, average = after(values, decay)
    expected = values[0]
    for value in values[1:]:
        expected = decay * expected + (1 - decay) * value
    np.testing.assert_allclose(average.averages[0], expected, rtol=1e-12)


def test_a_swap_ends_whatever_happens():
    p, average = after([np.zeros(3), np.full(3, 4.0)], 0.75)
    memory, state = p.data, average.averages[0].copy()

    def fail_inside(error):
        with average.swap():
            np.testing.assert_array_equal(p.numpy(), [1, 1, 1])
            p.data[0] = 9.0
            raise error

    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            fail_inside(error)
        np.testing.assert_array_equal(p.numpy(), [4, 4, 4])
    assert p.data is memory
    np.testing.assert_array_equal(average.averages[0], state)


def test_what_is_saved_goes_on_the_same():
    values = np.random.default_rng(0).standard_normal((4, 3))
    _, whole = after(values, 0.9)
    p, part = after(values[:2], 0.9)
    other = MovingAverage([p], 0.9)
    other.load_state_dict(part.state_dict())
    for value in values[2:]:
        p.assign(value)
        other.update()
    np.testing.assert_array_equal(other.averages[0], whole.averages[0])


def test_mistakes_are_explained():
    locked = np.ones(2)
    model, average = Linear(1, 1), MovingAverage([Tensor([1.0])])
    still = MovingAverage([from_numpy(locked)])
    locked.flags.writeable = False
    for call, error, message in [
        (lambda: MovingAverage(model.parameters(), 1.5), ValueError, "decay must be a number from 0 to 1, got 1.5"),
        (lambda: MovingAverage(model.parameters(), "0.9"), ValueError, "decay must be a number from 0 to 1, got '0.9'"),
        (lambda: MovingAverage(model), DTypeError, r"got Linear: pass model.parameters\(\)"),
        (lambda: MovingAverage(model.bias), DTypeError, r"got Tensor: .* or \[w\]"),
        (lambda: MovingAverage([]), ValueError, "got an empty parameter list"),
        (lambda: MovingAverage([np.ones(2)]), DTypeError, "parameter 0 must be a Tensor, got ndarray"),
        (lambda: average.load_state_dict({}), StateDictError, r"expected averages of shapes \[\(1,\)\], got \[\]"),
        (lambda: still.swap().__enter__(), ReadOnlyError, r"MovingAverage.swap writes parameter 0 in place"),
    ]:
        with pytest.raises(error, match=message):
            call()
