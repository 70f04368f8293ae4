"""Mapped: a Tensor inside of `vmap` that holds the values of all samples.

Its array has one hidden axis for each open `vmap` that maps it, outermost first. Ops see the other axes only. The graph
contains no mapped values: an op is recorded on Tensors whose hidden axis is visible.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import numpy as np
from numpy import ndarray

from tinygrad_edu.core import Storage
from tinygrad_edu.engine.memory import share
from tinygrad_edu.engine.tensor import Tensor, real_numbers, wrap
from tinygrad_edu.errors import MappedValueError

_numbers = itertools.count()


class Level:
    """One call of a function by `vmap`.

    Attributes
    ----------
    number : int
        Greater than that of the calls around it.
    size : int
        Number of samples.
    randomness : str
        ``"error"``, ``"same"`` or ``"different"``, as given to `vmap`.
    """

    __slots__ = ("number", "randomness", "size")
    place = "vmap"  # the public function that opens it, for errors
    read: Callable[[tuple[int, ...]], None] | None = None  # receives the shapes that are read
    # What to do about random numbers, drawn by this package and by a layer.
    random_numbers = (
        "Pass vmap randomness='different' for other numbers for each sample, or randomness='same' for the same numbers"
    )
    own_random_numbers = (
        "Pass randomness='same' for the same numbers for all samples, or draw them with tinygrad_edu, as in tg.normal"
    )

    def __init__(self, size: int, randomness: str) -> None:
        self.number, self.size, self.randomness = next(_numbers), size, randomness

    @property
    def meaning(self) -> str:
        """What a value of this level stands for, for errors."""
        return f"{self.size} samples"


class Trace(Level):
    """One call of a function by an exporter, which receives each op and each composite instead of a batching rule.

    Attributes
    ----------
    record : callable
        ``record(function, name, inputs, settings)`` returns the result of the call, as a value of this level. The
        hidden axis has length 1.
    read : callable
        ``read(shape)`` is called when the shape of a value of this level is read.
    """

    __slots__ = ("read", "record")
    place = "onnx.export"
    meaning = "the inputs that the exported model will get"
    random_numbers = own_random_numbers = "Make them an input of the model: in the file they would be constants"

    def __init__(
        self, record: Callable[[Any, str, tuple[Any, ...], dict[str, Any]], Any],
        read: Callable[[tuple[int, ...]], None],
    ) -> None:  # fmt: skip
        super().__init__(1, "error")
        self.record, self.read = record, read


_open: ContextVar[tuple[Level, ...]] = ContextVar("tinygrad_edu_vmap_levels", default=())
open_levels: Callable[[], tuple[Level, ...]] = _open.get


@contextmanager
def opened(levels: tuple[Level, ...]) -> Iterator[None]:
    """Run a block inside of these levels only."""
    token = _open.set(levels)
    try:
        yield
    finally:
        _open.reset(token)


def _refuse(what: str, instead: str) -> Callable[..., NoReturn]:
    def method(self: Any, *args: Any, **settings: Any) -> NoReturn:
        raise MappedValueError(
            f"{what} of a Tensor of shape {self.shape} inside of {(level := self.levels[-1]).place}: it stands for "
            f"{level.meaning}. {instead.format(place=level.place)}."
        )

    method.__doc__ = f"Raise `MappedValueError`: {what} differs between the samples."
    return method


_NO_NUMBER = "Compute with Tensors, or call this function outside of {place}"


def _on_values(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    return lambda self, other: ufunc(self, other)


def _reflected(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    return lambda self, other: ufunc(other, self)


class Mapped(Tensor):  # type: ignore[misc] # it is final for users
    """A Tensor with hidden leading axes, one for each of its `levels`."""

    __slots__ = ()
    _kind = Tensor  # the class of the gradients in a backward pass that begins with a mapped one

    @property
    def levels(self) -> tuple[Level, ...]:
        """The calls of `vmap` that map this value, outermost first."""
        return self._levels

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis of one sample."""
        shape = self._data.shape[len(self._levels) :]
        if (read := self._levels[-1].read) is not None:
            read(shape)
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes of one sample."""
        return self._data.ndim - len(self._levels)

    @property
    def size(self) -> int:
        """The number of elements of one sample."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def nbytes(self) -> int:
        """The size of the elements of one sample in bytes."""
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """The distance in bytes between neighbouring elements of one sample along each axis."""
        return self._data.strides[len(self._levels) :]

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor.")
        return self.shape[0]

    def detach(self) -> Tensor:
        """Return a value that shares the memory but not the graph."""
        share(self._storage)
        return with_levels(wrap(self._data, None, self._storage), self.levels)

    def __repr__(self) -> str:
        sizes = " x ".join(str(level.size) for level in self.levels)
        return f"Tensor(shape={self.shape}, dtype={self.dtype}, inside of vmap over {sizes} samples)"

    def __format__(self, spec: str) -> str:
        return self._format() if spec else repr(self)

    __hash__ = Tensor.__hash__
    __eq__, __ne__, __lt__ = _on_values(np.equal), _on_values(np.not_equal), _on_values(np.less)
    __le__, __gt__, __ge__ = _on_values(np.less_equal), _on_values(np.greater), _on_values(np.greater_equal)
    __and__, __or__, __xor__ = _on_values(np.bitwise_and), _on_values(np.bitwise_or), _on_values(np.bitwise_xor)
    __rand__, __ror__, __rxor__ = _reflected(np.bitwise_and), _reflected(np.bitwise_or), _reflected(np.bitwise_xor)

    def __invert__(self) -> Any:
        return np.invert(self)

    item, tolist, numpy = (_refuse(f"{name}()", _NO_NUMBER) for name in ("item", "tolist", "numpy"))
    __float__, __int__, __complex__ = (_refuse(f"{name}()", _NO_NUMBER) for name in ("float", "int", "complex"))
    __index__ = _refuse("an index", "Index a Tensor with it; lengths and axes must be equal for all samples")
    __floor__, __ceil__, __trunc__ = (_refuse(name, _NO_NUMBER) for name in ("floor()", "ceil()", "trunc()"))
    __contains__, _format = (_refuse(name, _NO_NUMBER) for name in ("`in`", "a format"))
    __bool__ = _refuse("the truth value", "Choose elements with tg.where(condition, x, y) instead of if")
    __array__ = _refuse("the NumPy array", f"tg.Tensor(a)[x] indexes an array a with it. {_NO_NUMBER}")
    __dlpack__ = _refuse("a copy for another library", _NO_NUMBER)
    __reduce__ = __copy__ = __deepcopy__ = _refuse("a copy", "Tensors do not change inside of {place}: use it itself")
    backward = _refuse("backward()", "Use tg.grad, or call backward() on the result of {place}")
    assign = __setitem__ = _refuse("a write in place", "Build the result with where() or concatenate()")
    data = property(_refuse(".data", _NO_NUMBER), _refuse("a write to .data", "Compute a new Tensor"))
    register_hook = retain_grad = _refuse("a hook", "Register it outside of {place}")
    _repr_html_ = None  # type: ignore[assignment]


def require_open(levels: Sequence[Level], name: str) -> None:
    """Raise for a value of a call of `vmap` that has returned, or that another thread runs."""
    if not set(levels) <= set(open_levels()):
        raise MappedValueError(
            f"{name}: a Tensor of a call of vmap is used outside of it, after its return or in another thread. Return "
            f"it from the function that vmap calls; a thread needs a copy of the context, contextvars.copy_context()."
        )


def levels_of(x: Any) -> tuple[Level, ...]:
    """Return the levels of a value, outermost first; () unless it is mapped."""
    return x.levels if isinstance(x, Mapped) else ()


def with_levels(x: Tensor, levels: tuple[Level, ...]) -> Tensor:
    """Return a Tensor whose leading axes these levels hide, with the graph and the storage of x; x if it has them."""
    if levels_of(x) == levels:
        return x
    result = wrap(x._data, x._node, x._storage)
    if levels:
        result.__class__ = Mapped
        result._levels = levels
    return result


def bare(x: Tensor) -> Tensor:
    """Return a value as a Tensor whose hidden axes are visible."""
    return wrap(x._data, x._node, x._storage) if isinstance(x, Mapped) else x


def peeled(x: Tensor) -> Tensor:
    """Return a mapped value with the axis of its innermost level visible."""
    return with_levels(x, levels_of(x)[:-1])


def hidden(x: Any, level: Level) -> Tensor:
    """Return a Tensor or array as a value whose first axis `level` hides."""
    x = x if isinstance(x, Tensor) else wrap(real_numbers("a Tensor inside of vmap", x), None, share(Storage()))
    return with_levels(x, (*levels_of(x), level))


def with_levels_of(x: Tensor, like: Tensor) -> Tensor:
    """Return a Tensor whose leading axes are hidden as those of `like`."""
    return with_levels(x, levels_of(like))


def spread(x: Tensor, levels: tuple[Level, ...]) -> Tensor:
    """Return x as a value that all these levels map; a level that did not map it gets the same value for all samples.

    The broadcast is recorded, so gradients are summed over the samples.
    """
    missing = [level for level in levels if level not in levels_of(x)]
    for level in missing:
        own = levels_of(x)
        position = sum(other.number < level.number for other in own)
        visible = bare(x)
        shape = visible.shape
        visible = visible.expand_dims(position).broadcast_to((*shape[:position], level.size, *shape[position:]))
        x = with_levels(visible, (*own[:position], level, *own[position:]))
    return x


def reordered(x: Tensor, levels: tuple[Level, ...]) -> Tensor:
    """Return the bare Tensor of x with its hidden axes in the order of `levels`, which are those of x."""
    own = levels_of(x)
    if own == levels:
        return bare(x)
    visible = bare(x)
    rest = range(len(own), visible.ndim)
    return visible.transpose((*(own.index(level) for level in levels), *rest))


def anywhere(condition: Any) -> bool:
    """Return whether a condition holds for any element, of any sample inside of `vmap`.

    For a branch that is right for all elements, and needed for some.
    """
    return bool(np.any(condition._data if isinstance(condition, Tensor) else condition))


def everywhere(condition: Any) -> bool:
    """Return whether a condition holds for all elements, of all samples inside of `vmap`."""
    return bool(np.all(condition._data if isinstance(condition, Tensor) else condition))


def leaves(x: Any) -> Iterator[Any]:
    """Yield the values in nested lists, tuples, dicts and slices."""
    if isinstance(x, list | tuple):
        for part in x:
            yield from leaves(part)
    elif isinstance(x, dict):
        yield from leaves(list(x.values()))
    elif isinstance(x, slice):
        yield from (x.start, x.stop, x.step)
    else:
        yield x


def innermost_level(x: Any) -> Level | None:
    """Return the innermost level of the values in nested arguments, or None."""
    levels = [each.levels[-1] for each in leaves(x) if isinstance(each, Mapped)]
    return max(levels, key=lambda level: level.number, default=None)


def is_mapped_by(x: Any, level: Level) -> bool:
    """Return whether `level` is the innermost level of a value."""
    return isinstance(x, Mapped) and x.levels[-1] is level


def sample(x: Any, level: Level, index: int) -> Any:
    """Return nested arguments of one sample of a level."""
    if isinstance(x, list | tuple):
        parts = [sample(part, level, index) for part in x]
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        return {name: sample(part, level, index) for name, part in x.items()}
    if isinstance(x, slice):
        return slice(*(sample(part, level, index) for part in (x.start, x.stop, x.step)))
    return peeled(x)[index] if is_mapped_by(x, level) else x


def ndim_of(x: Any) -> int:
    """Return the number of visible axes of a Tensor, array or number."""
    return x.ndim if isinstance(x, Tensor | ndarray) else np.ndim(x)


def aligned(arguments: list[Any], on: list[bool], size: int) -> list[Any]:
    """Return inputs that broadcast with each other as their samples do, the axis of the samples first."""
    ndim = max(ndim_of(x) - is_on for x, is_on in zip(arguments, on, strict=True))
    return [
        x.reshape((size, *[1] * (ndim + 1 - x.ndim), *x.shape[1:])) if is_on and x.ndim <= ndim else x
        for x, is_on in zip(arguments, on, strict=True)
    ]


def joined(rows: list[Any], level: Level, name: str) -> Any:
    """Stack the results of all samples, nested as each of them."""
    first = rows[0]
    if isinstance(first, list | tuple):
        if any(len(row) != len(first) for row in rows):
            raise MappedValueError(f"{name} inside of vmap: the samples have different numbers of results.")
        parts = [joined(list(each), level, name) for each in zip(*rows, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    if first is None or isinstance(first, str):
        return first
    shapes = {np.shape(row) for row in rows}
    if len(shapes) > 1:
        raise MappedValueError(
            f"{name} inside of vmap: the results of the samples have different shapes, {sorted(shapes)[:3]}. Call it "
            f"outside of vmap, or make the shapes equal."
        )
    return hidden(np.stack([row if isinstance(row, Tensor) else np.asarray(row) for row in rows]), level)


def shifted(axis: Any, ndim: int) -> Any:
    """Return the position of an axis, or of several, of a sample with `ndim` axes, behind the axis of the samples."""
    if isinstance(axis, list | tuple):
        return tuple(shifted(a, ndim) for a in axis)
    return np.lib.array_utils.normalize_axis_index(axis, ndim) + 1


_warned: set[str] = set()


def warn_of_a_loop(name: str) -> None:
    """Warn once that a function runs once for each sample."""
    if name in _warned:
        return
    _warned.add(name)
    from tinygrad_edu.errors import LoopWarning
    from tinygrad_edu.errors.caller import warn_caller

    warn_caller(f"vmap: {name} has no batching rule for this call, and runs once for each sample.", LoopWarning)
