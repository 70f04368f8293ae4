"""What is checked of lesson 8: who shares a cell, what is stale and what is not, and recorded changes in place."""

import numpy as np
from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import case, check_engine, demand, demand_equal, new_leaf, raised
from tinygrad_edu.testing.strategies import arrays

PAIRS = st.tuples(arrays((2, 3), layouts=False), arrays((2, 3), layouts=False))


@case("assign")
def writing(mine):
    """assign writes the values, and sets the cell to a later time than that of anything before."""
    x = new_leaf(mine)
    x.assign([4.0, 5.0, 6.0])
    demand_equal("x.data after assign", x.data, [4.0, 5.0, 6.0])
    now = next(mine.clock)
    demand(0 < x.cell.changed < now, f"the cell says {x.cell.changed}, and the clock is at {now}.")
    before = x.cell.changed
    x.assign(0.0)
    demand(x.cell.changed > before, "after a second assign, the cell still has the time of the first.")


@case("cell_of")
def views_share_a_cell(mine):
    """A view has the cell of what it is a view of, a view of a view too; and a new array a new cell."""
    x = new_leaf(mine)
    view = mine.cell_of(x.data[1:], (2.0, x))
    demand(view is x.cell, "of an array that is a view of an input, cell_of returns another cell than the input's.")
    demand(mine.cell_of(np.ones(3), (x,)) is not x.cell, "of an array of its own, cell_of returns the input's cell.")
    demand(
        x.reshape((3, 1)).transpose((1, 0)).cell is x.cell, "x.reshape(...).transpose(...) has another cell than x has."
    )


def _error(mine, call):
    return raised(mine.StaleError, call)


@case("guarded")
def saved_and_changed(mine):
    """backward raises where an op saved a value that was changed since; the error names the op and the value."""
    x = new_leaf(mine)
    out = x * x
    x.assign(0.0)
    message = _error(mine, lambda: out.backward(np.ones(3)))
    demand(message, "x * x saved x, x was changed, and backward() returned a gradient all the same.")
    demand("multiply" in message and "x" in message, f"the error does not say that multiply saved x: {message!r}.")


@case("guarded")
def changed_through_a_view(mine):
    """It raises also where the change was made through a view."""
    x = new_leaf(mine)
    view, out = x.reshape((3, 1)), x * x
    view.assign(0.0)
    demand(
        _error(mine, lambda: out.backward(np.ones(3))), "a view of x was changed, x * x saved x, and nobody noticed."
    )


@case("guarded")
def changed_and_not_saved(mine):
    """It does not raise where what was changed had not been saved."""
    x = new_leaf(mine)
    out = mine.lesson06_ops.tanh(x)
    x.assign(0.0)
    message = _error(mine, lambda: out.backward(np.ones(3)))
    demand(not message, f"tanh saves its result alone, x was changed, and backward() raises: {message}")
    demand_equal("x.grad of tanh(x)", x.grad, 1 - np.tanh([1.0, 2.0, 3.0]) ** 2)


@case("guarded")
def changed_before(mine):
    """It does not raise where the change came before the op."""
    x = new_leaf(mine)
    x.assign([4.0, 5.0, 6.0])
    out = x * x
    message = _error(mine, lambda: out.backward(np.ones(3)))
    demand(not message, f"x was changed, and then came x * x, and backward() raises: {message}")
    demand_equal("x.grad of x * x", x.grad, [8.0, 10.0, 12.0])


@case("guarded")
def changed_result(mine):
    """It raises where a result was changed that its own rule needs."""
    out = mine.lesson06_ops.tanh(new_leaf(mine))
    out.assign(0.0)
    demand(_error(mine, lambda: out.backward(np.ones(3))), "tanh saved its result, that was changed, nobody noticed.")


@case("kept")
def arrays_of_others(mine):
    """Of a plain array a node keeps a copy: its owner may change it."""
    x, weights = new_leaf(mine), np.array([2.0, 3.0, 4.0])
    out = x * weights
    weights[:] = 0.0
    out.backward(np.ones(3))
    demand_equal("x.grad of x * weights, after weights[:] = 0,", x.grad, [2.0, 3.0, 4.0])


@case("kept")
def arrays_of_tensors(mine):
    """Of a Tensor a node keeps the array itself: a copy would cost memory, and its changes are noted."""
    x = new_leaf(mine)
    demand(mine.kept(x, x.data) is x.data, "kept(x, x.data) is a copy.")
    demand(mine.kept(2.0, 2.0) == 2.0, f"kept(2.0, 2.0) is {mine.kept(2.0, 2.0)!r}.")


@case("demand_fresh")
def a_view_with_an_old_history(mine):
    """A computed tensor whose memory was changed later cannot be used any more."""
    t = new_leaf(mine) * 1.0
    view = t.reshape((3, 1))
    demand(not _error(mine, lambda: view * 2.0), "view * 2 raises, and nothing was changed yet.")
    t.assign(0.0)
    demand(
        _error(mine, lambda: view * 2.0),
        "view = t.reshape(...), then t was changed: view's node tells of other values, and view * 2 goes on.",
    )


@case("demand_fresh")
def computed_after_the_change(mine):
    """What was computed after the change tells of the values as they are, and can be used."""
    x = new_leaf(mine)
    x.assign(0.0)
    view = x.reshape((3, 1))
    message = _error(mine, lambda: view * 2.0)
    demand(not message, f"x was changed, and then came view = x.reshape(...), and view * 2 raises: {message}")


@case("in_place", pair=PAIRS)
def recorded_in_place(mine, pair):
    """t += y and t *= y are recorded, and their gradients are right."""

    def program(x, y):
        t = x * 1.0
        t += y
        t *= y
        t += x
        return t

    check_engine(mine, program, *pair)


@case("in_place", x=arrays((2, 3), layouts=False))
def with_itself(mine, x):
    """t *= t is right, too, where both operands are overwritten."""

    def program(x):
        t = x + 1.0
        t *= t
        return t

    check_engine(mine, program, x)


@case("in_place")
def what_was_saved_before(mine):
    """What an earlier op saved of t is stale after t += 1, and t itself is not."""
    x = new_leaf(mine)
    t = x * 1.0
    earlier = t * t
    t += 1.0
    demand(_error(mine, lambda: earlier.backward(np.ones(3))), "t * t saved t, then came t += 1, and nobody noticed.")
    message = _error(mine, lambda: (t * 2.0).backward(np.ones(3)))
    demand(not message, f"after t += 1, t * 2 raises: {message}")
    demand_equal("x.grad", x.grad, np.full(3, 2.0))
