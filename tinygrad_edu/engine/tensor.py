"""Tensor: an array, the storage of its memory, and the node that made it. No mathematics here."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import memory
from tinygrad_edu.engine.debug.hooks import Hook, HookHandle, hooks_of
from tinygrad_edu.engine.debug.lost_gradients import asked_by_a_test, warn_of_a_lost_gradient
from tinygrad_edu.engine.memory import Storage, TrackedArray, lend, writing
from tinygrad_edu.engine.modes import is_grad_enabled
from tinygrad_edu.engine.node import Node, leaf
from tinygrad_edu.engine.run_backward import backward_pass
from tinygrad_edu.engine.scalar_protocol import NumberProtocol
from tinygrad_edu.errors import (
    DTypeError,
    NoGraphError,
    NonScalarBackwardError,
    ReadOnlyError,
    ShapeError,
    StaleValueError,
)

if TYPE_CHECKING:
    from tinygrad_edu.surface import Surface
else:  # what a name means that is another library's
    from tinygrad_edu.names import NameHints as Surface


# What a tensor is to a module that holds it. The result of an op has no role, so that a call need not set one.
PARAMETER, BUFFER = "parameter", "buffer"


def as_array(data: Any, dtype: Any = None) -> ndarray:
    """Copy `data` into a fresh array: Python numbers and lists become float32, arrays keep their dtype."""
    data = values_of(data)
    found = real_numbers("a Tensor", data)
    if dtype is None and not isinstance(data, ndarray | np.generic) and found.dtype.kind in "iuf":
        dtype = np.float32
    array = np.array(data if dtype is not None else found, dtype=dtype)
    real_numbers("a Tensor", array)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def real_numbers(where: str, values: Any) -> ndarray:
    """Return `values` as an array, or say that they are no real numbers or booleans."""
    array = np.asarray(values_of(values))
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"{where} holds real numbers or booleans; a {type(values).__name__} gave an array of dtype {array.dtype}."
        )
    return array


def flag(name: str, value: Any) -> bool:
    """Return a setting that is either true or false, or say that it is neither."""
    if not isinstance(value, bool | np.bool_):
        raise DTypeError(f"{name} is True or False, not {value!r}.")
    return bool(value)


@final
class Tensor(NumberProtocol, Surface):
    """An array that remembers how it was computed.

    The operators, and the methods named like NumPy's (``sum``, ``reshape``, ``tanh``, ...), are attached by
    `tinygrad_edu.ops`; each is described there.

    Parameters
    ----------
    data : array_like
        Copied. Python numbers and lists become float32; arrays keep their dtype. See `from_numpy` to borrow.
    requires_grad : bool
        Whether `backward` shall leave a gradient in ``grad``.
    dtype : dtype, optional
        Of the tensor, instead of the above.

    Raises
    ------
    IntegerGradientError
        For ``requires_grad=True`` on values that are not floating point.
    DTypeError
        For values that are neither real numbers nor booleans.

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

    __slots__ = ("_data", "_node", "_role", "_storage", "_tracked_view")

    _data: ndarray
    _node: Node | None
    _storage: Storage
    _tracked_view: TrackedArray
    _role: str | None

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        if isinstance(data, Tensor) and data.requires_grad and is_grad_enabled():
            warn_of_a_lost_gradient(
                "Tensor(t) copies the values of t alone, and no gradient flows back to t: use t itself, or say that "
                "you mean its values, with Tensor(t.detach()).",
                depth=1,
            )
        if type(requires_grad) is int:
            raise DTypeError(
                f"requires_grad is True or False, not {requires_grad}: a Tensor is made of its values, as "
                f"Tensor([[1, 2]]) is; for one of a shape, there are zeros((2, 3)) and empty((2, 3))."
            )
        self._data = as_array(data, dtype)
        self._storage = Storage.new()
        self._node = leaf(self._data) if flag("requires_grad", requires_grad) else None
        self._role = BUFFER if self._node is None else PARAMETER

    @property
    def data(self) -> ndarray:
        """The values, as an array on the tensor's memory. Writing into it is noticed: ``p.data -= 0.1 * p.grad``."""
        view = getattr(self, "_tracked_view", None)
        if view is None or view.lent is not self._data:
            view = self._tracked_view = lend(self._data, self._storage)
        return view

    @data.setter
    def data(self, values: Any) -> None:
        self.assign(values)

    @property
    def grad(self) -> ndarray | None:
        """What `backward` accumulated on this leaf: an array of its shape and dtype. None on any other tensor.

        On a tensor that an op made, too, after `retain_grad`; before, asking for it warns.
        """
        if self._node is None:
            return None
        if not self._keeps_grad(self._node):
            assert self._node.op is not None
            warn_of_a_lost_gradient(
                f"a tensor that an op made ({self._node.op.name}) has no .grad, which backward() leaves on leaves "
                f"alone: call t.retain_grad() before backward(), or see all gradients with tape.steps(loss).",
                depth=1,
            )
            return None
        return self._node.grad

    @grad.setter
    def grad(self, values: Any) -> None:
        if values is None:
            self.zero_grad()
            return
        if self._node is None or not self._keeps_grad(self._node):
            raise NoGraphError(
                "only a leaf that requires a gradient, or a tensor that retain_grad() was called on, has a .grad; "
                "this tensor is neither."
            )
        values = real_numbers("a gradient", values).astype(self.dtype, copy=False)
        demand_shape("assigning .grad", values.shape, self.shape)
        self._node.grad = values

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient flows to this tensor. Can be set on a leaf."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            raise NoGraphError("requires_grad can be set on a leaf only; take .detach() of this tensor for a leaf.")
        if flag("requires_grad", value) != self.requires_grad:
            self._node = leaf(self._data) if value else None
            self._role = PARAMETER

    @property
    def retains_grad(self) -> bool:
        """Whether an op made this tensor, and `backward` shall leave a gradient on it none the less."""
        return self._node is not None and not self.is_leaf and self._keeps_grad(self._node)

    @staticmethod
    def _keeps_grad(node: Node) -> bool:
        return not node.links or (node.vjps.hooks is not None and node.vjps.hooks.retains)

    @property
    def frozen(self) -> bool:
        """Whether ``requires_grad`` was true and has been set to False: a parameter that is not trained now."""
        return self._node is None and role_of(self) == PARAMETER

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made this tensor."""
        return self._node is None or self._node.op is None

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        return self._data.dtype

    @property
    def itemsize(self) -> int:
        """How many bytes an element takes."""
        return self._data.itemsize

    @property
    def nbytes(self) -> int:
        """How many bytes the elements take together."""
        return self._data.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        """How many bytes lie between two neighbours along each axis."""
        return self._data.strides

    def item(self) -> Any:
        """Return the only element as a Python number; ValueError where there are more."""
        return self._data.item()

    def tolist(self) -> Any:
        """Return the elements as nested lists of Python numbers; of a 0-d tensor, the number."""
        return self._data.tolist()

    def numpy(self) -> ndarray:
        """Return the values as a read-only view; ``.numpy().copy()`` is yours to change."""
        view = self._data.view()
        view.flags.writeable = False
        return view

    def detach(self) -> Tensor:
        """Return a tensor on the same memory, through which no gradient flows."""
        self._storage.shared = True
        made = wrap(self._data, None, self._storage)
        if role_of(self) is not None:
            made._role = BUFFER
        return made

    def zero_grad(self) -> None:
        """Forget the gradient: ``grad`` becomes None."""
        if self._node is not None and self._keeps_grad(self._node):
            self._node.grad = None

    def assign(self, values: Any) -> None:
        """Write `values` into this tensor's memory, unrecorded. Its views see them; stale saved values will raise.

        Parameters
        ----------
        values : array_like
            Of this tensor's shape exactly; cast to its dtype.

        Raises
        ------
        ShapeError
            For any other shape.
        """
        values = real_numbers("a Tensor", values)
        demand_shape("assigning to a tensor in place", values.shape, self.shape)
        refuse_read_only("assign", self)
        with writing(self._storage):
            self._data[...] = values

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Walk back from here and add to ``grad`` of each leaf the derivative of this tensor with respect to it.

        Parameters
        ----------
        gradient : array_like, optional
            The cotangent: the derivative of the final scalar with respect to this tensor, of its shape. May be left
            out for a tensor of one element, where it is 1.
        retain_graph : bool
            Keep what the graph saved, so that it can be walked once more.

        Raises
        ------
        NoGraphError, NonScalarBackwardError, ShapeError
            Where there is nothing to walk, no cotangent, or one of another shape.
        GraphFreedError, StaleValueError, MissingVJPError, WrongGradientError
            Where a node on the way cannot answer.
        """
        if self._node is None:
            raise NoGraphError(
                "backward() on a tensor that no recorded op made: no input had requires_grad=True, "
                "or it was computed under no_grad() or detached."
            )
        refuse_stale("backward()", "tensor", self)
        gradients = backward_pass([(self._node, _cotangent(self, gradient))], retain_graph=retain_graph)
        with memory.lock:
            sums = [g if node.grad is None else np.asarray(node.grad + g) for node, g in gradients.items()]
            # In one call from C: no Ctrl-C comes between two leaves.
            deque(map(setattr, gradients, repeat("grad"), sums), maxlen=0)

    def retain_grad(self) -> None:
        """Have `backward` leave a gradient in ``grad`` of this tensor, though an op made it. On a leaf it does anyway.

        It is the gradient as the hooks leave it, and adds up as that of a leaf does. After ``t += 1``, which gives t
        another history, call it again.

        Raises
        ------
        NoGraphError
            Where no gradient flows to this tensor.

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
        """Have ``hook(gradient)`` called when the gradient of this tensor is whole, until the handle removes it.

        In each walk back that reaches the tensor, it is called once, before anything follows from that gradient: vjps,
        or ``grad`` of a leaf. Several are called in the order in which they came.

        Parameters
        ----------
        hook : callable
            Gets the gradient, a read-only array; a Tensor where the walk itself is recorded, as in the inner one of
            ``tg.grad(tg.grad(f))``. What it returns, of the same shape and dtype, takes the place of the gradient,
            unless it is None.

        Returns
        -------
        HookHandle
            Which removes the hook: with ``remove()``, or at the end of a ``with``.

        Raises
        ------
        NoGraphError
            Where no gradient flows to this tensor.
        WrongGradientError
            In the walk, for a result of another type, shape or dtype.

        Notes
        -----
        A hook belongs to the history that the tensor has when it is registered. Another begins with ``t += 1``, and
        with ``requires_grad = True`` after it was False. Inside of `tg.grad` and its like, the function gets tensors of
        their own.

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
                f"{where} on a tensor that no gradient flows to: it does not require one, or was computed under "
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
        made_by = "" if self._node is None else ", requires_grad=True"
        if self._node is not None and self._node.op is not None:
            made_by = f", op={self._node.op.name}"
        return f"Tensor({values}, shape={self.shape}, dtype={self.dtype}{made_by})"

    def _repr_html_(self) -> str:
        from tinygrad_edu.notebook import array_html  # in a notebook alone

        about = f"{self.dtype} {self.shape}{', requires_grad=True' if self.is_leaf and self.requires_grad else ''}"
        made_by = "" if self._node is None or self._node.op is None else f", op={self._node.op.name}"
        return f"<div><code>Tensor</code> {about}{made_by}{array_html(self._data)}</div>"

    def __treescope_repr__(self, path: Any, subtree_renderer: Any) -> Any:
        from treescope.repr_lib import render_object_constructor

        parts = {"data": self.numpy(), "requires_grad": self.requires_grad}
        return render_object_constructor(Tensor, parts, path, subtree_renderer)

    def __reduce__(self) -> tuple[Any, ...]:
        # The graph is not pickled: a copy of a computed tensor is a constant, a copy of a leaf is a leaf.
        trained = self.requires_grad and self.is_leaf
        kept: dict[str, Any] = {"grad": self.grad} if trained else {}
        return Tensor, (self._data, trained), (None, {**kept, "_role": role_of(self)})

    def __copy__(self) -> Tensor:
        if not self.is_leaf:
            raise NoGraphError(
                f"a copy of a tensor of shape {self.shape} that an op made would not be part of its graph: use the "
                f"tensor itself, or copy its values, with copy(t.detach())."
            )
        twin = Tensor(self._data, self.requires_grad)
        twin._role = role_of(self)
        if self.grad is not None:
            twin.grad = self.grad.copy()
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        return self.__copy__()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        if self._node is not None and not asked_by_a_test():
            raise DTypeError(
                "NumPy asked for the values of a tensor that requires a gradient, and would lose the gradient: "
                "use a tinygrad_edu op, or .numpy() if the values are what you want."
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **how: Any) -> Any:
        """Lend the memory to another library, as a capsule of DLPack. What is written there is not noticed here."""
        return self._detach_for_dlpack()._data.__dlpack__(**how)

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return the device that the memory is on, in the numbers of DLPack: the CPU."""
        return self._data.__dlpack_device__()

    def _detach_for_dlpack(self) -> Tensor:
        """Return a constant that shares the memory, or raise if the tensor requires a gradient."""
        if self._node is not None:
            raise DTypeError(
                "DLPack hands over the values of a tensor, and this one requires a gradient, which would get lost: "
                "lend t.detach()."
            )
        return self.detach()


def values_of(x: Any) -> Any:
    """Return the values of a Tensor as a read-only view, and anything else as it is."""
    return x.numpy() if isinstance(x, Tensor) else x


def shape_of(x: Any) -> tuple[int, ...]:
    """Return the shape of a Tensor, or of anything else: ``np.shape``, which takes ten times as long of a Tensor."""
    return x._data.shape if isinstance(x, Tensor) else np.shape(x)


def wrap(array: ndarray, node: Node | None, storage: Storage) -> Tensor:
    """Make a Tensor of its three parts, copying nothing."""
    tensor = Tensor.__new__(Tensor)
    tensor._data, tensor._node, tensor._storage = array, node, storage
    return tensor


def from_array(array: ndarray, requires_grad: bool, storage: Storage) -> Tensor:
    """Make a Tensor of an array that no op computed, copying nothing."""
    tensor = wrap(array, leaf(array) if flag("requires_grad", requires_grad) else None, storage)
    tensor._role = BUFFER if tensor._node is None else PARAMETER
    return tensor


def role_of(tensor: Tensor) -> str | None:
    """Return PARAMETER or BUFFER; None for what an op computed, recorded or not, and for what was detached from that.

    A parameter keeps its role while it is frozen. A module has tensors with a role in its state.
    """
    return getattr(tensor, "_role", None)


def refuse_read_only(where: str, tensor: Tensor) -> None:
    """Raise if the memory of a tensor cannot be written to."""
    if not tensor._data.flags.writeable:
        raise ReadOnlyError(
            f"{where} in place on a tensor of shape {tensor.shape} whose memory is read-only, as that of broadcast_to "
            f"is: change a copy, Tensor(t.numpy())."
        )


def refuse_stale(where: str, argument: str, tensor: Tensor) -> None:
    """Raise if the memory of a computed tensor changed after it was computed: its history is no longer its own."""
    node = tensor._node
    if node is not None and node.links and tensor._storage.version > node.number:
        assert node.op is not None
        raise StaleValueError(
            f"{where}: its {argument} (made by {node.op.name}, shape {node.shape}) shares memory that "
            f"was changed in place after it was computed, so its gradient would belong to other values. "
            f"Compute it again after the change, or change a copy."
        )


def demand_shape(where: str, found: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    """Raise if a shape is not the one that is needed."""
    if found != wanted:
        raise ShapeError(f"{where} needs shape {wanted}, and got {found}.")


def _cotangent(tensor: Tensor, gradient: Any) -> ndarray:
    if gradient is None:
        if tensor.size != 1:
            raise NonScalarBackwardError(
                f"backward() on a tensor of shape {tensor.shape} needs a gradient of that shape; "
                f"or reduce it to one number first, with .sum() or .mean()."
            )
        return np.ones(tensor.shape, tensor.dtype)
    array = real_numbers("a gradient", gradient).astype(tensor.dtype, copy=False)
    demand_shape("the gradient given to backward()", array.shape, tensor.shape)
    return array
