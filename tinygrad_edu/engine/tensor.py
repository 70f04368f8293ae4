"""The Tensor class: an array, its storage, and its node in the graph."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.core import Node, Storage, recording
from tinygrad_edu.engine.backward import BackwardPass
from tinygrad_edu.engine.debug.call_site import call_site
from tinygrad_edu.engine.debug.lost_gradients import called_by_numpy_testing, warn_of_a_lost_gradient
from tinygrad_edu.engine.debug.observers import ObservedPass
from tinygrad_edu.engine.fast.backward import FastPass
from tinygrad_edu.engine.hooks import Hook, HookHandle, hooks_in, hooks_of
from tinygrad_edu.engine.memory import TrackedArray, share, tracked_view, writing
from tinygrad_edu.engine.modes import is_grad_enabled
from tinygrad_edu.engine.node import leaf
from tinygrad_edu.engine.scalar_protocol import NumberProtocol
from tinygrad_edu.errors import DTypeError, MappedValueError, NoGraphError, ReadOnlyError, ShapeError
from tinygrad_edu.shared.speed.plain_mode import PLAIN

if TYPE_CHECKING:
    from tinygrad_edu.shared.surface import Surface
else:  # hints for the names of other libraries
    from tinygrad_edu.errors.hints import NameHints as Surface


# The role of a tensor in a module. The result of an op has none, which saves time in the call.
PARAMETER, BUFFER = "parameter", "buffer"


def as_array(data: Any, dtype: Any = None) -> ndarray:
    """Copy `data` into a new array: Python numbers and lists become float32, arrays keep their dtype."""
    data = values_of(data)
    numbers = real_numbers("a Tensor", data)
    if dtype is None and not isinstance(data, ndarray | np.generic) and numbers.dtype.kind in "iuf":
        dtype = np.float32
    array = np.array(data if dtype is not None else numbers, dtype=dtype)
    if dtype is not None:
        real_numbers("a Tensor", array)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def real_numbers(where: str, values: Any) -> ndarray:
    """Return `values` as an array. Raise unless they are real numbers or booleans."""
    array = values if type(values) is ndarray else to_array(values, "{} must hold real numbers or booleans", where)
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"{where} must hold real numbers or booleans, got a {type(values).__name__} of dtype {array.dtype}."
        )
    return array


def to_array(values: Any, demand: str = "", *names: str) -> ndarray:
    """Return `values` as an array. Raise an error for Tensors that NumPy cannot join.

    It begins with `demand`, formatted with the names.
    """
    if isinstance(values, core.Tensor) and not isinstance(values, Tensor):  # NumPy would read it as a sequence
        begin = demand.format(*names) or "expected a Tensor or an array"
        raise DTypeError(f"{begin}, got a {type(values).__name__}, which is no tinygrad_edu.Tensor: pass its numpy().")
    try:
        return np.asarray(values_of(values))
    except (DTypeError, MappedValueError, ValueError):
        if tensors := listed_tensors(values):
            begin = demand.format(*names) or f"expected a Tensor or an array{call_site().layer()}"
            raise DTypeError(f"{begin}, got {tensors[:-1]}.") from None
        raise


def listed_tensors(values: Any) -> str:
    """Describe Tensors in a list or tuple, and how to pass one array; return an empty string if there are none."""
    kind, advice = type(values).__name__, "To join tensors of the same shape, use tg.stack(tensors)."
    parts = values if isinstance(values, list | tuple) else ()
    shapes = [str(part.shape) if isinstance(part, Tensor) else listed_tensors(part) and "nested" for part in parts]
    if not any(shapes):
        return ""
    if isinstance(values, tuple):
        advice = f"If a layer returned it, as GRU returns (output, h), pass one element, such as out[0]. {advice}"
    return f"a {kind} of tensors of shapes {', '.join(filter(None, shapes))}. {advice}"


def flag(name: str, value: Any) -> bool:
    """Return a flag as a bool. Raise unless it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise DTypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


@final
class Tensor(NumberProtocol, Surface, core.Tensor):
    """An array with a record of its computation, for gradients.

    `tinygrad_edu.ops` attaches the operators and the methods named as in NumPy (``sum``, ``reshape``, ``tanh``, ...),
    and documents them.

    Parameters
    ----------
    data : array_like
        The values, which are copied. Python numbers and lists become float32; arrays keep their dtype. See `from_numpy`
        for a tensor without a copy.
    requires_grad : bool, default False
        Whether `backward` computes the gradient of this tensor and stores it in ``grad``.
    dtype : dtype, optional
        The dtype of the tensor. By default as described for `data`.

    Raises
    ------
    IntegerGradientError
        `requires_grad` is true and the values are not floating point.
    DTypeError
        The values are not real numbers or booleans.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> y = (x * x).sum()
    >>> y
    Tensor(14., shape=(), dtype=float32, op=sum)
    >>> y.backward()
    >>> x.grad
    array([2., 4., 6.], dtype=float32)
    """

    __slots__ = ("_levels", "_role", "_tracked_view")

    _tracked_view: TrackedArray
    _role: str | None
    _levels: tuple[Any, ...]  # of a value inside of vmap only

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        if isinstance(data, Tensor) and data.requires_grad and is_grad_enabled():
            warn_of_a_lost_gradient(
                "Tensor(t) copies the values of t, and no gradient flows back to t: use t itself, or "
                "Tensor(t.detach()) to copy the values on purpose.",
                depth=1,
            )
        if type(requires_grad) is int:
            raise DTypeError(
                f"requires_grad must be True or False, got {requires_grad}: a Tensor is made from its values, as in "
                f"Tensor([[1, 2]]); to make one from a shape, use zeros((2, 3)) or empty((2, 3))."
            )
        self._data = as_array(data, dtype)
        self._storage = Storage()
        self._node = leaf(self._data) if flag("requires_grad", requires_grad) else None
        self._role = BUFFER if self._node is None else PARAMETER

    @property
    def data(self) -> ndarray:
        """The values, as an array that shares the memory. Writes to it are detected: ``p.data -= 0.1 * p.grad``."""
        view = getattr(self, "_tracked_view", None)
        if view is None or view.array is not self._data:
            view = self._tracked_view = tracked_view(self._data, self._storage)
        return view

    @data.setter
    def data(self, values: Any) -> None:
        self.assign(values)

    @property
    def grad(self) -> ndarray | None:
        """The gradient that `backward` accumulated on this leaf, an array of its shape and dtype, or None.

        A tensor computed by an op has a gradient only after `retain_grad`. Otherwise it is None, with a warning.
        """
        if self._node is None or self._node.op is None or self._keeps_grad(self._node):
            return self._node.grad if self._node else None
        warn_of_a_lost_gradient(
            f"a tensor computed by op {self._node.op.name} has no .grad: backward() sets it on leaves only. Call "
            f"t.retain_grad() before backward(), or see all gradients with tape.steps(loss).",
            depth=1,
        )
        return None

    @grad.setter
    def grad(self, values: Any) -> None:
        if values is None:
            self.zero_grad()
            return
        if self._node is None or not self._keeps_grad(self._node):
            raise NoGraphError(
                "cannot set .grad: the tensor must be a leaf that requires a gradient, or retain_grad() must have been "
                "called on it."
            )
        values = real_numbers("a gradient", values).astype(self.dtype, copy=False)
        demand_shape("assigning .grad", values.shape, self.shape)
        self._node.grad = values

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor. It can be set on a leaf only."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise NoGraphError("requires_grad can be set on a leaf only; t.detach() makes a leaf of this tensor.")
        if flag("requires_grad", value) != self.requires_grad:
            self._node = leaf(self._data) if value else None
            self._role = PARAMETER

    @property
    def retains_grad(self) -> bool:
        """Whether an op computed this tensor and `retain_grad` was called on it."""
        return self._node is not None and not self.is_leaf and self._keeps_grad(self._node)

    @staticmethod
    def _keeps_grad(node: Node) -> bool:
        return node.op is None or ((hooks := hooks_in(node)) is not None and hooks.retains)

    @property
    def frozen(self) -> bool:
        """Whether this is a frozen parameter: ``requires_grad`` was true and has been set to False."""
        return self._node is None and role_of(self) == PARAMETER

    @property
    def itemsize(self) -> int:
        """The size of an element in bytes."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """The size of all elements in bytes."""
        return self._data.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        """The distance in bytes between neighbouring elements along each axis."""
        return self._data.strides

    if TYPE_CHECKING:

        def item(self) -> float:  # or an int or a bool, which are floats for type checkers
            """Return the only element as a Python number."""

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers, or the number of a 0-d tensor."""
        return self._data.tolist()

    def to_numpy(self) -> ndarray:
        """Return `numpy()`: Matplotlib and pandas call this name to read the values."""
        return self.numpy()

    def detach(self) -> Tensor:
        """Return a tensor that shares the memory but not the graph: no gradient flows through it."""
        share(self._storage)
        result: Tensor = super().detach()
        if role_of(self) is not None:
            result._role = BUFFER
        return result

    def assign(self, values: Any) -> None:
        """Write `values` to this tensor in place, without recording. Views change too, and saved values become stale.

        Parameters
        ----------
        values : array_like
            The values, of exactly this tensor's shape. They are cast to its dtype.

        Raises
        ------
        ShapeError
            `values` has another shape.
        """
        values = real_numbers("a Tensor", values)
        demand_shape("assigning to a tensor in place", values.shape, self.shape)
        refuse_read_only("assign", self)
        super().assign(values)

    def writing(self) -> writing:
        """Return the block for a write, which the threads and the guards know."""
        return writing(self._storage)

    def backward(self, gradient: Any = None, retain_graph: bool = False, *, create_graph: bool = False) -> None:
        """Compute the gradient of this tensor with respect to each leaf, and add it to the leaf's ``grad``.

        Parameters
        ----------
        gradient : array_like, optional
            The initial gradient (cotangent), of this tensor's shape: the gradient of a final scalar with respect to
            this tensor. The default is 1, for a tensor of one element.
        retain_graph : bool
            Whether to keep the saved values, for another backward pass through this graph. Default False.
        create_graph : bool
            PyTorch's option for second derivatives raises TypeError: they are functions of functions here.

        Raises
        ------
        NoGraphError, NonScalarBackwardError, ShapeError
            There is no graph, no gradient for a tensor of several elements, or a gradient of another shape.
        GraphFreedError, StaleValueError, MissingVJPError, WrongGradientError
            Saved values were freed or changed in place, a vjp is missing, or it returned an invalid gradient.
        """
        if create_graph:
            raise TypeError(
                "backward() has no create_graph. Second derivatives are functions of functions here: write "
                "tg.grad(tg.grad(f)), or tg.hvp(f, x, v)."
            )
        super().backward(gradient, retain_graph)

    def _initial_gradient(self, gradient: Any) -> ndarray:
        return super()._initial_gradient(gradient if gradient is None else real_numbers("a gradient", gradient))

    def retain_grad(self) -> None:
        """Make `backward` store the gradient of this tensor in ``grad``, although an op computed it.

        Leaves always store their gradient. Hooks run first, and several backward passes accumulate. Call it again after
        ``t += 1``, which gives t a new node.

        Raises
        ------
        NoGraphError
            No gradient flows to this tensor.

        Examples
        --------
        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> y = x * x
        >>> y.retain_grad()
        >>> (3 * y).sum().backward()
        >>> y.grad
        array([3., 3.], dtype=float32)
        """
        node = self._require_node("retain_grad()")
        if not self._keeps_grad(node):
            node.grad = None
            hooks_of(node).retains = True

    def register_hook(self, hook: Hook) -> HookHandle:
        """Call ``hook(gradient)`` when the gradient of this tensor is complete, until the handle removes the hook.

        The hook runs once in each backward pass that reaches the tensor, before any vjp uses the gradient and before
        ``grad`` stores it. Several hooks run in the order of their registration.

        Parameters
        ----------
        hook : callable
            Receives the gradient: a read-only array, or a Tensor in a backward pass that is recorded, as in the inner
            ``tg.grad`` of ``tg.grad(tg.grad(f))``. It returns None, or a replacement of the same shape and dtype.

        Returns
        -------
        HookHandle
            Removes the hook, by ``remove()`` or at the end of a ``with`` block.

        Raises
        ------
        NoGraphError
            No gradient flows to this tensor.
        WrongGradientError
            Raised in the backward pass: the hook returned another type, shape or dtype.

        Notes
        -----
        A hook belongs to the node that the tensor has at registration. ``t += 1`` gives the tensor a new node, and
        so does ``requires_grad = True`` after it was False. Inside of `tg.grad` and the other transforms, the function
        receives tensors with nodes of their own.

        Examples
        --------
        >>> x = Tensor([3.0, 4.0], requires_grad=True)
        >>> with x.register_hook(lambda g: g.clip(-1, 1)):
        ...     (x * x).sum().backward()
        >>> x.grad
        array([1., 1.], dtype=float32)
        """
        return HookHandle(hooks_of(self._require_node("register_hook()")), hook)

    def _require_node(self, where: str) -> Node:
        if self._node is None:
            raise NoGraphError(
                f"{where} on a tensor without a gradient: it does not require one, or was computed under "
                f"no_grad() or detached."
            )
        return self._node

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        return bool(np.any(self._data == values_of(value)))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        values = np.array2string(self._data, prefix="Tensor(", separator=", ", threshold=100, edgeitems=2)
        suffix = "" if self._node is None else ", requires_grad=True"
        if self._node is not None and self._node.op is not None:
            suffix = f", op={self._node.op.name}"
        return f"Tensor({values}, shape={self.shape}, dtype={self.dtype}{suffix})"

    def _repr_html_(self) -> str:
        from tinygrad_edu.shared.display.html import array_html  # imported only in a notebook

        text = f"{self.dtype} {self.shape}{', requires_grad=True' if self.is_leaf and self.requires_grad else ''}"
        op_text = "" if self._node is None or self._node.op is None else f", op={self._node.op.name}"
        return f"<div><code>Tensor</code> {text}{op_text}{array_html(self._data)}</div>"

    def __treescope_repr__(self, path: Any, subtree_renderer: Any) -> Any:
        from treescope.repr_lib import render_object_constructor

        parts = {"data": self.numpy(), "requires_grad": self.requires_grad}
        return render_object_constructor(Tensor, parts, path, subtree_renderer)

    def __reduce__(self) -> tuple[Any, ...]:
        # The graph is not pickled: a computed tensor becomes a constant, and a leaf stays a leaf.
        trained = self.requires_grad and self.is_leaf
        kept: dict[str, Any] = {"grad": self.grad} if trained else {}
        return Tensor, (self._data, trained), (None, {**kept, "_role": role_of(self)})

    def __copy__(self) -> Tensor:
        if not self.is_leaf:
            raise NoGraphError(
                f"cannot copy a computed tensor of shape {self.shape}: the copy would not be part of the graph. Use "
                f"the tensor itself, or copy its values with copy(t.detach())."
            )
        result = Tensor(self._data, self.requires_grad)
        result._role = role_of(self)
        if self.grad is not None:
            result.grad = self.grad.copy()
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.__copy__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        if self._node is not None and not called_by_numpy_testing():
            raise DTypeError(
                "cannot convert a tensor that requires a gradient to a NumPy array: the gradient would be lost. "
                "Use a tinygrad_edu op, or .numpy() for the values; join a list of tensors with tg.stack(tensors)."
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **how: Any) -> Any:
        """Share the memory with another library, as a DLPack capsule. Writes by that library are not detected."""
        return self._detach_for_dlpack()._data.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return DLPack's numbers for the device of the memory, which is the CPU."""
        return self._data.__dlpack_device__()

    def _detach_for_dlpack(self) -> Tensor:
        """Return a constant that shares the memory, or raise if the tensor requires a gradient."""
        if self._node is not None:
            raise DTypeError(
                "cannot export a tensor that requires a gradient by DLPack: the gradient would be lost. "
                "Export t.detach()."
            )
        return self.detach()


core.Tensor.result_class = Tensor
_PASS = BackwardPass if PLAIN else FastPass  # the plain one has no targets, which `backward` does not need


def _pass_class(tensor: Tensor) -> type[BackwardPass]:
    """Return the class of the pass that `backward` starts."""
    return ObservedPass if getattr(recording.get(), "observers", ()) else _PASS


core.Tensor.pass_class = property(_pass_class)  # type: ignore[assignment]


def values_of(x: Any) -> Any:
    """Return the values of a Tensor as a read-only view, and any other object unchanged.

    The values of a Tensor inside of `vmap` are such a Tensor without a graph.
    """
    return (x.numpy if x.__class__ is Tensor else x.detach)() if isinstance(x, Tensor) else x


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of a Tensor or of any other object. ``np.shape`` takes ten times as long for a Tensor."""
    return x.shape if isinstance(x, (Tensor, ndarray)) else to_array(x).shape


def wrap(array: ndarray, node: Node | None, storage: Storage) -> Tensor:
    """Make a Tensor from its three parts, without a copy."""
    tensor: Tensor = Tensor._from_parts(array, storage, node)
    return tensor


def from_array(array: ndarray, requires_grad: bool, storage: Storage) -> Tensor:
    """Make a Tensor from an array that is not the result of an op, without a copy."""
    tensor = wrap(array, leaf(array) if flag("requires_grad", requires_grad) else None, storage)
    tensor._role = BUFFER if tensor._node is None else PARAMETER
    return tensor


def role_of(tensor: Tensor) -> str | None:
    """Return PARAMETER or BUFFER, or None for the result of an op and for a tensor detached from one.

    A parameter keeps its role while it is frozen. The state of a module consists of its tensors with a role.
    """
    return getattr(tensor, "_role", None)


def time_of(result: Tensor) -> int:
    """Return the time at which an op computed a tensor, by the clock, and 0 for a constant."""
    return result._node.time if result._node is not None else 0


def refuse_read_only(where: str, tensor: Tensor) -> None:
    """Raise if the memory of a tensor is read-only."""
    if not tensor._data.flags.writeable:
        raise ReadOnlyError(
            f"{where} in place: a tensor of shape {tensor.shape} is read-only, as the result of broadcast_to is. "
            f"Change a copy, Tensor(t.numpy())."
        )


def demand_shape(where: str, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """Raise if a shape is not the expected one."""
    if shape != expected:
        raise ShapeError(f"{where}: expected shape {expected}, got {shape}.")
