"""Cases of lesson 8: views share their memory, stale saved values raise, and in-place operations are recorded."""

import numpy as np

from tinygrad_edu.lessons.cases import case, check_engine, demand, demand_equal, new_leaf, raised
from tinygrad_edu.lessons.findings import type_and_shape
from tinygrad_edu.lessons.small_arrays import small_arrays

ARRAYS = small_arrays((2, 3))


@case("assign")
def writing(mine):
    """assign writes the values, and gives its storage a new version from the clock."""
    x, before = new_leaf(mine), next(mine.clock)
    array = x.data
    x.assign([4.0, 5.0, 6.0])
    demand_equal("x.data after x.assign([4, 5, 6])", x.data, [4.0, 5.0, 6.0])
    version, now = x.storage.version, next(mine.clock)
    demand(isinstance(version, int), f"storage.version must be a number from the clock, got {type_and_shape(version)}.")
    demand(
        before < version < now,
        f"the clock was at {before} before assign and is at {now} after it, but storage.version is {version}.",
    )
    demand(x.data is array, "after assign, x.data is another array: views of x have not changed.")
    before = x.storage.version
    x.assign(0.0)
    demand(x.storage.version > before, "after a second assign, storage.version is still that of the first.")


@case("storage_of")
def views_share_storage(mine):
    """A view shares the storage of its base, and so does a view of a view; a new array has a new one."""
    x = new_leaf(mine)
    view = mine.storage_of(x.data[1:], (2.0, x))
    demand(view is x.storage, "storage_of a view of an input must be the storage of the input.")
    new = mine.storage_of(np.ones(3), (2.0, x))
    demand(isinstance(new, mine.Storage), f"storage_of a new array must be a new Storage, got {type_and_shape(new)}.")
    demand(new is not x.storage, "storage_of a new array must be a new Storage.")
    view = x.reshape((3, 1)).transpose((1, 0))
    demand(view.storage is x.storage, "x.reshape(...).transpose(...) must have the storage of x.")


@case("kept")
def arrays_of_tensors(mine):
    """A node keeps the array of a Tensor without copying it: its storage records writes."""
    x = new_leaf(mine)
    found = mine.kept(x, x.data)
    demand(isinstance(found, np.ndarray), f"kept(x, x.data) must return an array, got {type_and_shape(found)}.")
    demand(found is x.data, "kept(x, x.data) is a copy.")
    demand(mine.kept(2.0, 2.0) == 2.0, f"kept(2.0, 2.0) is {mine.kept(2.0, 2.0)!r}.")


def _error(mine, call):
    return raised(mine.StaleValueError, call)


@case("guarded")
def saved_and_changed(mine):
    """backward raises if a saved value was changed; the error names the op and the value."""
    x = new_leaf(mine)
    out = x * x
    x.assign(0.0)
    message = _error(mine, lambda: out.backward(np.ones(3)))
    demand(message, "x was changed after x * x saved it, but no StaleValueError was raised.")
    demand("multiply" in message and "x" in message, f"the error must name the op multiply and its x: {message!r}.")


@case("guarded")
def changed_through_a_view(mine):
    """backward also raises if the value was changed through a view."""
    x = new_leaf(mine)
    view, out = x.reshape((3, 1)), x * x
    view.assign(0.0)
    demand(
        _error(mine, lambda: out.backward(np.ones(3))),
        "a view of x was changed after x * x saved x, but no StaleValueError was raised.",
    )


@case("guarded")
def changed_and_not_saved(mine):
    """backward does not raise if the changed tensor was not saved."""
    x = new_leaf(mine)
    out = mine.lesson06_ops.tanh(x)
    x.assign(0.0)
    message = _error(mine, lambda: out.backward(np.ones(3)))
    demand(not message, f"tanh saves only its result, x was changed, but backward() raises: {message}")
    demand_equal("x.grad of tanh(x)", x.grad, 1 - np.tanh([1.0, 2.0, 3.0]) ** 2)


@case("guarded")
def changed_before(mine):
    """backward does not raise if the change came before the op."""
    x = new_leaf(mine)
    x.assign([4.0, 5.0, 6.0])
    out = x * x
    message = _error(mine, lambda: out.backward(np.ones(3)))
    demand(not message, f"x was changed before x * x was computed, but backward() raises: {message}")
    demand_equal("x.grad of x * x", x.grad, [8.0, 10.0, 12.0])


@case("guarded")
def changed_result(mine):
    """backward raises if a result was changed that its own vjp needs."""
    out = mine.lesson06_ops.tanh(new_leaf(mine))
    out.assign(0.0)
    demand(
        _error(mine, lambda: out.backward(np.ones(3))),
        "the saved result of tanh was changed, but no StaleValueError was raised.",
    )


@case("kept")
def arrays_of_others(mine):
    """A node keeps a copy of a plain array, because its owner may change it."""
    x, weights = new_leaf(mine), np.array([2.0, 3.0, 4.0])
    out = x * weights
    weights[:] = 0.0
    out.backward(np.ones(3))
    demand_equal("x.grad of x * weights, after weights[:] = 0,", x.grad, [2.0, 3.0, 4.0])


@case("unchanged")
def a_view_with_an_old_history(mine):
    """A computed tensor whose storage was changed later cannot be used."""
    t = new_leaf(mine) * 1.0
    view = t.reshape((3, 1))
    demand(not _error(mine, lambda: view * 2.0), "view * 2 raises, but nothing was changed yet.")
    t.assign(0.0)
    demand(
        _error(mine, lambda: view * 2.0),
        "view = t.reshape(...), then t was changed: the node of view is stale, but view * 2 raises no StaleValueError.",
    )


@case("unchanged")
def computed_after_the_change(mine):
    """A tensor computed after the change can be used."""
    x = new_leaf(mine)
    x.assign(0.0)
    view = x.reshape((3, 1))
    message = _error(mine, lambda: view * 2.0)
    demand(not message, f"x was changed before view = x.reshape(...), but view * 2 raises: {message}")


@case("in_place", x=ARRAYS, y=ARRAYS)
def recorded_in_place(mine, x, y):
    """t += y and t *= y are recorded, and their gradients are correct."""

    def program(x, y):
        t = x * 1.0
        t += y
        t *= y
        t += x
        return t

    t = before = mine.Tensor(x.copy())
    t += 1.0
    demand(t is before, f"in_place must return the tensor itself, got {type_and_shape(t)}.")
    check_engine(mine, program, x, y)


@case("in_place", x=ARRAYS)
def with_itself(mine, x):
    """The gradient of t *= t, which overwrites both operands, is correct, too."""

    def program(x):
        t = x + 1.0
        t *= t
        return t

    check_engine(mine, program, x)


@case("in_place")
def what_was_saved_before(mine):
    """After t += 1, the t that an earlier op saved is stale, and t itself is not."""
    x = new_leaf(mine)
    t = x * 1.0
    earlier = t * t
    t += 1.0
    demand(
        _error(mine, lambda: earlier.backward(np.ones(3))),
        "t * t saved t, then t += 1 ran, but no StaleValueError was raised.",
    )
    message = _error(mine, lambda: (t * 2.0).backward(np.ones(3)))
    demand(not message, f"after t += 1, t * 2 raises: {message}")
    demand_equal("x.grad", x.grad, np.full(3, 2.0))
