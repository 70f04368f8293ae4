"""Ways to write to tensors, and to create objects that change after an op received them, by name."""

import array
import mmap
import operator
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_edu as tg
from tinygrad_edu import nn, optim

Array = NDArray[Any]
Write = Callable[[tg.Tensor, Any], Any]
Owned = tuple[Any, Callable[[], Any]]  # an object and a function that changes it
Way = Callable[[Any, Any], Owned]

# --- Writes ---


class BrokenError(Exception):
    """The error of BrokenValue."""


class BrokenValue:
    """A value that raises when NumPy reads it."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        raise BrokenError


class Holder(nn.Module):
    """A module of one tensor, for `load_state_dict`."""

    def __init__(self, tensor: tg.Tensor) -> None:
        self.tensor = tensor


def write_into_data(t: tg.Tensor, values: Array) -> None:
    t.data[...] = values


def write_into_a_view_of_data(t: tg.Tensor, values: Array) -> None:
    t.data.reshape(-1)[:1] = np.ravel(values)[:1]


def write_by_a_ufunc(t: tg.Tensor, values: Array) -> None:
    np.add(values, values, out=t.data)


def write_by_copyto(t: tg.Tensor, values: Array) -> None:
    np.copyto(t.data, values, casting="unsafe")


def subtract_from_data(t: tg.Tensor, values: Array) -> None:
    t.data -= np.asarray(values)


def set_data(t: tg.Tensor, values: Array) -> None:
    t.data = values


def set_elements(t: tg.Tensor, values: Array) -> None:
    with tg.no_grad():
        t[...] = values


def set_the_first(t: tg.Tensor, values: Array) -> None:
    with tg.no_grad():
        t[tuple(0 for _ in t.shape)] = np.ravel(values)[0]


def add_without_recording(t: tg.Tensor, values: Array) -> None:
    with tg.no_grad():
        t += np.asarray(values)


@tg.no_grad()
def multiply_without_recording(t: tg.Tensor, values: Array) -> None:
    t *= np.asarray(values)


def load(t: tg.Tensor, values: Array) -> None:
    Holder(t).load_state_dict({"tensor": np.asarray(values)})


def stepping(t: tg.Tensor) -> Write:
    """Return a write by an optimizer step."""
    optimizer = optim.SGD([t], lr=1.0, momentum=0.5, nesterov=True, weight_decay=0.5)

    def step(t: tg.Tensor, values: Array) -> None:
        t.grad = np.array(values)
        optimizer.step()

    return step


WRITES: dict[str, Write] = {
    "assign": tg.Tensor.assign,
    "data[...] =": write_into_data,
    "data.reshape(-1)[:1] =": write_into_a_view_of_data,
    "ufunc out=data": write_by_a_ufunc,
    "copyto(data)": write_by_copyto,
    "data -=": subtract_from_data,
    "data =": set_data,
    "[...] =": set_elements,
    "[0, 0] =": set_the_first,
    "no_grad +=": add_without_recording,
    "no_grad *=": multiply_without_recording,
    "load_state_dict": load,
}
VALUES: dict[str, Callable[[Array], Any]] = {
    "an array": lambda values: values,
    "a list": lambda values: values.tolist(),
    "a Tensor": tg.Tensor,
    "one that overflows": lambda values: np.where(np.arange(values.size).reshape(values.shape) % 2, 1e300, values),
    "one that fails": lambda values: BrokenValue(),
}
IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.iadd,
    "subtract": operator.isub,
    "multiply": operator.imul,
    "divide": operator.itruediv,
}

# --- Objects that change: each way returns an object with the values `before` and a function that sets `after`. For an
# index, both are permutations of the positions along an axis. ---


class Subclass(np.ndarray):
    """A subclass of ndarray."""


class Moving:
    """A mutable integer."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def refill(container: Any, before: Any, after: Any) -> Owned:
    """Return a container with the values `before` and a function that sets `after`."""
    everything = ... if isinstance(container, np.ndarray) else slice(None)
    container[everything] = before
    return container, lambda: operator.setitem(container, everything, after)


def deque_of(before: Any, after: Any) -> Owned:
    numbers = deque(before)

    def change() -> None:
        numbers.clear()
        numbers.extend(after)

    return numbers, change


def memory_map(before: Any, after: Any) -> Owned:
    before = np.asarray(before)
    memory = mmap.mmap(-1, max(1, before.nbytes))
    return refill(np.ndarray.__new__(np.memmap, before.shape, before.dtype, memory), before, after)


def subclass(before: Any, after: Any) -> Owned:
    return refill(np.array(before).view(Subclass), before, after)


def copied(before: Any, after: Any) -> Owned:
    return refill(np.array(before), before, after)


def read_only(before: Any, after: Any) -> Owned:
    """Return a read-only array, which changes through an earlier writable view."""
    numbers = np.array(before)
    _, change = refill(numbers.view(), before, after)
    numbers.flags.writeable = False
    return numbers, change


def machine_array(before: Any, after: Any) -> Owned:
    numbers = array.array("q", before)
    return numbers, lambda: operator.setitem(numbers, slice(None), array.array("q", after))


def memory_view(before: Any, after: Any) -> Owned:
    numbers, change = machine_array(before, after)
    return memoryview(numbers), change


def plain_list(before: Any, after: Any) -> Owned:
    return refill([], before, after)


def tensor(before: Any, after: Any) -> Owned:
    numbers = tg.Tensor(np.array(before))
    return numbers, lambda: numbers.assign(np.array(after))


def in_a_tuple(way: Way) -> Way:
    def inside(before: Any, after: Any) -> Owned:
        numbers, change = way(before, after)
        return (numbers,), change

    return inside


def slice_of_0d_arrays(before: Any, after: Any) -> Owned:
    start, stop = np.array(before[0]), np.array(before[0] + 1)

    def change() -> None:
        start.fill(after[0])
        stop.fill(after[0] + 1)

    return slice(start, stop), change


def number_that_moves(before: Any, after: Any) -> Owned:
    number = Moving(before[0])
    return number, lambda: setattr(number, "value", after[0])


def zero_dimensional(before: Any, after: Any) -> Owned:
    number = np.array(before[0])
    return number, lambda: number.fill(after[0])


def mask(before: Any, after: Any) -> Owned:
    places = np.arange(len(before))
    return refill(places == 0, places == before[0], places == after[0])


INDICES: dict[str, Way] = {
    way.__name__: way
    for way in (
        copied, read_only, subclass, memory_map, machine_array, memory_view, deque_of, plain_list, tensor,
        slice_of_0d_arrays, number_that_moves, zero_dimensional, mask,
    )
}  # fmt: skip
IN_A_TUPLE = (copied, plain_list, tensor, deque_of, zero_dimensional)
INDICES |= {f"a tuple of {way.__name__}": in_a_tuple(way) for way in IN_A_TUPLE}
OPERANDS: dict[str, Way] = {
    "an array": copied,
    "a read-only one": read_only,
    "Fortran's order": lambda before, after: refill(np.array(before, order="F"), before, after),
    "a subclass": subclass,
    "a memory map": memory_map,
    "a view": lambda before, after: refill(np.zeros((2, *np.shape(before)))[1, ...], before, after),
}
LISTS: dict[str, Way] = {"a list": plain_list, "an array": copied, "a deque": deque_of, "array.array": machine_array}
