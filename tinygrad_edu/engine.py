"""The engine: tensors, the graph that their ops record, and the walk back through it. No mathematics here.

Read it in this order: a `Tensor` is a handle on an array and on the `Node` that made it; a `Node` remembers, for
each input that needs a gradient, one rule and the values that the rule asked for; `walk` takes the nodes from the
newest to the oldest and hands each its gradient. How an op records a node is in the next file, `recorder.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from functools import wraps
from heapq import heappop, heappush
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from sys import getrefcount
from threading import Lock
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar, final
from weakref import getweakrefcount

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import (
    DTypeError,
    GraphFreedError,
    IntegerGradientError,
    NoGraphError,
    NonScalarBackwardError,
    ReadOnlyError,
    ShapeError,
    StaleValueError,
    WrongGradientError,
)

if TYPE_CHECKING:
    from tinygrad_edu.recorder import Op, Rules
    from tinygrad_edu.surface import Surface
else:
    Surface = object

P = ParamSpec("P")
R = TypeVar("R")

FLOAT32 = np.dtype(np.float32)

# A cell belongs to a piece of memory, and is common to its views. It is empty, but for "changed", the time of the last
# in-place change, and "shared", where others may hold the memory. Python's collector does not visit such a dict.
Cell = dict[str, int]
# One clock for nodes and in-place changes: a saved value is stale when it changed at a later time than its node's.
clock = itertools.count(1)
last_change = [0]

_changing, _accumulating = Lock(), Lock()
_recording = ContextVar("tinygrad_edu_recording", default=True)
_outer_modes: ContextVar[tuple[bool, ...]] = ContextVar("tinygrad_edu_outer_modes", default=())
is_grad_enabled: Callable[[], bool] = _recording.get


class GradientMode:
    """A gradient mode, as a context manager or as a decorator of a function."""

    def __init__(self, recording: bool) -> None:
        self._mode = recording

    def __enter__(self) -> None:
        _outer_modes.set((*_outer_modes.get(), _recording.get()))
        _recording.set(self._mode)

    def __exit__(self, *error: object) -> None:
        *outer, mode = _outer_modes.get()
        _outer_modes.set(tuple(outer))
        _recording.set(mode)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Wrap a function, so that each call of it runs in this mode."""
        if isgeneratorfunction(function) or iscoroutinefunction(function) or isasyncgenfunction(function):
            raise DTypeError(
                f"a gradient mode cannot decorate {function.__name__}: its body runs after the call, when the mode "
                f"is over. Write the `with` inside it, around what it computes between two yields or awaits."
            )

        @wraps(function)
        def in_mode(*args: P.args, **settings: P.kwargs) -> R:
            with GradientMode(self._mode):
                return function(*args, **settings)

        return in_mode


def no_grad() -> GradientMode:
    """Record nothing inside: ``with no_grad():``, or ``@no_grad()`` on a function.

    The mode belongs to the thread or task that set it, and is restored after an exception.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> with tg.no_grad():
    ...     w -= 0.5
    >>> w.numpy()
    array([0.5, 1.5], dtype=float32)
    """
    return GradientMode(False)


def enable_grad() -> GradientMode:
    """Record inside, also where `no_grad` surrounds it: the opposite of `no_grad`, used in the same two ways."""
    return GradientMode(True)


class Node:
    """One recorded op, or a leaf. It points at older nodes and at arrays, never at a Tensor: no reference cycles.

    Attributes
    ----------
    number : int
        When it was made. Inputs are older than what is made of them, so this order is a topological order.
    op : Op or None
        None for a leaf.
    rules : Rules
        Those that the op had when it was called.
    links : tuple
        The `parents`, then the `cells`: one tuple, because each is one more object for Python's collector to visit.
    saved : tuple, or None
        What the rules asked for, where their inputs need a gradient. None once freed.
    shape, dtype
        Of the result, and so of its gradient.
    grad : ndarray or None
        What the backward walks left here, on a leaf.
    """

    __slots__ = ("dtype", "grad", "links", "number", "op", "rules", "saved", "shape")

    number: int
    op: Op | None
    rules: Rules
    links: tuple[Any, ...]
    saved: Any
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grad: ndarray | None

    @property
    def parents(self) -> tuple[Node | None, ...]:
        """The node of each input; None where the input has no gradient."""
        return self.links[: len(self.links) // 2]

    @property
    def cells(self) -> tuple[Any, ...]:
        """When each input, and last the result, was changed in place: shared with the tensors and their views."""
        return self.links[len(self.links) // 2 :]


def leaf(array: ndarray) -> Node:
    """Make the node of an input that a gradient is wanted for."""
    if array.dtype.kind != "f":
        raise IntegerGradientError(
            f"a tensor of dtype {array.dtype} cannot require a gradient: derivatives need floating-point values. "
            f"Make it Tensor(values, dtype=np.float32, requires_grad=True)."
        )
    node = Node()
    node.number, node.op, node.links, node.saved = next(clock), None, (), ()
    node.shape, node.dtype, node.grad = array.shape, array.dtype, None
    return node


def as_array(data: Any, dtype: Any = None) -> ndarray:
    """Copy `data` into a fresh array: Python numbers and lists become float32, arrays keep their dtype."""
    data = values_of(data)
    array = np.array(data, dtype=dtype)
    if dtype is None and not isinstance(data, ndarray | np.generic) and array.dtype.kind in "iuf":
        array = array.astype(np.float32)
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"a Tensor holds real numbers or booleans; {type(data).__name__} gave an array of dtype {array.dtype}."
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


@final
class Tensor(Surface):
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

    __slots__ = ("_cell", "_data", "_node")

    _data: ndarray
    _node: Node | None
    _cell: Cell

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        self._data = as_array(data, dtype)
        self._cell = {}
        self._node = leaf(self._data) if requires_grad else None

    @property
    def data(self) -> ndarray:
        """The array itself. Assigning writes into its memory and is noticed: ``p.data -= 0.1 * p.grad``."""
        return self._data

    @data.setter
    def data(self, values: Any) -> None:
        self.assign(values)

    @property
    def grad(self) -> ndarray | None:
        """What `backward` accumulated on this leaf: an array of its shape and dtype. None on any other tensor."""
        return self._node.grad if self._node is not None and self._node.op is None else None

    @grad.setter
    def grad(self, values: Any) -> None:
        if self._node is None or self._node.op is not None:
            raise NoGraphError("only a leaf that requires a gradient has a .grad; this tensor is not one.")
        if values is not None:
            values = np.asarray(values, dtype=self.dtype)
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
        if value != self.requires_grad:
            self._node = leaf(self._data) if value else None

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

    def item(self) -> Any:
        """Return the only element as a Python number; ValueError where there are more."""
        return self._data.item()

    def numpy(self) -> ndarray:
        """Return the values as a read-only view; ``.numpy().copy()`` is yours to change."""
        view = self._data.view()
        view.flags.writeable = False
        return view

    def detach(self) -> Tensor:
        """Return a tensor on the same memory, through which no gradient flows."""
        self._cell["shared"] = True
        return wrap(self._data, None, self._cell)

    def zero_grad(self) -> None:
        """Forget the gradient: ``grad`` becomes None."""
        if self._node is not None and self._node.op is None:
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
        if values is not self._data:
            values = np.asarray(values_of(values))
            demand_shape("assigning to a tensor in place", values.shape, self.shape)
            refuse_read_only("assign", self)
            self._data[...] = values
        changed(self)

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
        GraphFreedError, StaleValueError, MissingRuleError, WrongGradientError
            Where a node on the way cannot answer.
        """
        if self._node is None:
            raise NoGraphError(
                "backward() on a tensor that no recorded op made: no input had requires_grad=True, "
                "or it was computed under no_grad() or detached."
            )
        refuse_stale("backward()", "tensor", self)
        gradients = walk([(self._node, _cotangent(self, gradient))], retain_graph=retain_graph)
        with _accumulating:
            for node, grad in gradients.items():
                node.grad = grad if node.grad is None else node.grad + grad

    def __len__(self) -> int:
        if not self._data.ndim:
            raise TypeError("len() of a 0-d tensor")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return float(self._data.item())

    def __int__(self) -> int:
        return int(self._data.item())

    def __bool__(self) -> bool:
        if self._data.size != 1:
            raise ValueError(
                f"a tensor of shape {self.shape} is neither true nor false: compare elements and use "
                f"(t > 0).any() or .all()."
            )
        return bool(self._data.item())

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        values = np.array2string(self._data, prefix="Tensor(", separator=", ", threshold=100, edgeitems=2)
        made_by = "" if self._node is None else ", requires_grad=True"
        if self._node is not None and self._node.op is not None:
            made_by = f", op={self._node.op.name}"
        return f"Tensor({values}, shape={self.shape}, dtype={self.dtype}{made_by})"

    def __reduce__(self) -> tuple[Any, ...]:
        # The graph is not pickled: a copy of a computed tensor is a constant, a copy of a leaf is a leaf.
        return Tensor, (self._data, self.requires_grad and self.is_leaf)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> ndarray:
        if self._node is not None:
            raise DTypeError(
                "NumPy asked for the values of a tensor that requires a gradient, and would lose the gradient: "
                "use a tinygrad_edu op, or .numpy() if the values are what you want."
            )
        return np.array(self.numpy(), dtype=dtype, copy=copy)


def values_of(x: Any) -> Any:
    """Return the values of a Tensor as a read-only view, and anything else as it is."""
    return x.numpy() if isinstance(x, Tensor) else x


def wrap(array: ndarray, node: Node | None, cell: Cell) -> Tensor:
    """Make a Tensor of its three parts, copying nothing."""
    tensor = Tensor.__new__(Tensor)
    tensor._data, tensor._node, tensor._cell = array, node, cell
    return tensor


def from_numpy(array: ndarray, requires_grad: bool = False) -> Tensor:
    """Make a Tensor that borrows the memory of `array`: nothing is copied.

    Changing `array` afterwards changes the tensor, and is not noticed; ``t.assign(values)`` is.

    Examples
    --------
    >>> a = np.zeros(2)
    >>> t = from_numpy(a)
    >>> a[0] = 7.0
    >>> t
    Tensor([7., 0.], shape=(2,), dtype=float64)
    """
    if not isinstance(array, ndarray) or array.dtype.kind not in "fiub" or not array.dtype.isnative:
        what = f"an array of dtype {array.dtype!r}" if isinstance(array, ndarray) else f"a {type(array).__name__}"
        raise DTypeError(
            f"from_numpy borrows the memory of an ndarray of real numbers or booleans in native byte order, not of "
            f"{what}; Tensor(values) copies, and takes more."
        )
    array = np.asarray(array)  # of a subclass, such as a memory map, the plain array on the same memory
    return wrap(array, leaf(array) if requires_grad else None, {"shared": True})


def changed(tensor: Tensor) -> None:
    """Note that the memory of `tensor`, and of every view that shares its cell, was changed just now."""
    with _changing:  # or a thread that is slow to write its time here would take back the later time of another
        tensor._cell["changed"] = last_change[0] = next(clock)


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
    if node is not None and node.op is not None and tensor._cell.get("changed", 0) > node.number:
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
    array = np.asarray(values_of(gradient), dtype=tensor.dtype)
    demand_shape("the gradient given to backward()", array.shape, tensor.shape)
    return array


def walk(
    seeds: Iterable[tuple[Node, Any]],
    targets: frozenset[Node] | None = None,
    *,
    retain_graph: bool = False,
    create_graph: bool = False,
) -> dict[Node, Any]:
    """Carry gradients from the seeds back to the leaves, or to the targets: the one backward pass there is.

    Parameters
    ----------
    seeds : iterable of (Node, ndarray or Tensor)
        Where to begin, each with its cotangent.
    targets : frozenset of Node, optional
        Where to stop. Without them the walk goes to every leaf.
    retain_graph : bool
        Keep the saved values of the nodes that were passed.
    create_graph : bool
        Run the rules on Tensors, so that they record in their turn; it retains the graph.

    Returns
    -------
    dict
        The gradient of each leaf or target that was reached: arrays that nobody else holds, or Tensors.
    """
    grads: dict[Node, Any] = {}
    owned: set[Node] = set()  # whose gradient so far is a sum made here; any other may be somebody else's array
    heap: list[tuple[int, Node]] = []  # of what is to be passed; where the walk ends, gradients only gather
    oldest = min((node.number for node in targets), default=0) if targets is not None else 0
    for root, g in seeds:
        if root not in grads and root.op is not None and (targets is None or root not in targets):
            heappush(heap, (-root.number, root))
        grads[root] = grads[root] + g if root in grads else g
    while heap:
        node = heappop(heap)[1]
        g = grads.pop(node)
        saved, links = node.saved, node.links
        if saved is None:
            _freed(node)
        if last_change[0] > node.number:
            _refuse_stale_saved(node)
        if create_graph:
            saved = _lift(node)
        for k, rule in node.rules.functions:
            parent = links[k]
            if parent is None:
                continue
            if targets is not None and (parent.number < oldest or (parent.op is None and parent not in targets)):
                continue  # no path leads from it to a target
            try:
                contribution = rule(g, saved)
            except Exception as error:
                error.add_note(f"In the rule of {node.op!r} for its argument {node.rules.names[k]}.")
                raise
            if (
                contribution.__class__ is not ndarray
                or contribution.shape != parent.shape
                or contribution.dtype is not parent.dtype
            ):
                contribution = _fit(node, k, contribution, create_graph)
            so_far = grads.get(parent)
            if so_far is None:
                grads[parent] = contribution
                if parent.op is not None and (targets is None or parent not in targets):
                    heappush(heap, (-parent.number, parent))
            elif parent in owned:
                so_far += contribution
            else:
                grads[parent] = so_far = so_far + contribution  # and so the borrowed one is let go
                if not create_graph and contribution.size > 1:  # one element is added out of place in half the time
                    owned.add(parent)
        if not retain_graph and not create_graph:
            node.saved = None
    saved = g = contribution = so_far = None  # so that these names hold no gradient
    for node in grads:  # all that is left: where the walk ended
        if not create_graph and node not in owned and not _is_free(grads, node):
            grads[node] = np.array(grads[node])
    return grads


def _is_free(grads: dict[Node, Any], node: Node) -> bool:
    """Whether a gradient has memory of its own, and nobody refers to it but `grads`: then it need not be copied."""
    return _owns_memory(grads[node]) and not getweakrefcount(grads[node]) and _references(grads, node) == _ONE


def _owns_memory(g: Any) -> bool:
    return g.__class__ is ndarray and g.base is None and g.flags.owndata and g.flags.writeable


def _references(arrays: dict[Any, ndarray], key: Any) -> int:
    return getrefcount(arrays[key])


# What that is for an array that only the dict refers to: counted here, because it differs between Pythons.
_ONE = _references({0: np.empty(0)}, 0)


def _lift(node: Node) -> tuple[Any, ...]:
    """Turn saved arrays back into the Tensors that they were, so that a rule records what it does with them."""
    nodes, cells = (*node.parents, node), node.cells
    return tuple(
        value if value is None or source is None or cells[source] is None else wrap(value, nodes[source], cells[source])
        for value, (_, source) in zip(node.saved, node.rules.saves, strict=True)
    )


def _fit(node: Node, k: int, contribution: Any, create_graph: bool) -> Any:
    """Undo broadcasting and promotion for an op that does them; demand the exact shape and dtype of any other."""
    op, parent, argument = node.op, node.links[k], node.rules.names[k]
    assert op is not None
    if isinstance(contribution, np.generic):
        contribution = np.asarray(contribution)
    where = f"op {op.name}: the rule of {argument}"
    if not isinstance(contribution, ndarray) and not (create_graph and isinstance(contribution, Tensor)):
        raise WrongGradientError(
            f"{where} returned a {type(contribution).__name__}; of arrays it must make an array, of Tensors a Tensor."
        )
    found: tuple[int, ...] = contribution.shape
    if found != parent.shape:
        if not op.broadcasts or not _reduces(found, parent.shape):
            hint = "" if op.broadcasts else " If the op broadcasts, declare it with @op(broadcasts=True)."
            raise WrongGradientError(
                f"{where} returned shape {found}; the gradient of {argument} has its shape, {parent.shape}.{hint}"
            )
        contribution = unbroadcast(contribution, parent.shape)
    if contribution.dtype != parent.dtype:
        if not op.broadcasts or contribution.dtype != node.dtype:
            raise WrongGradientError(
                f"{where} returned dtype {contribution.dtype}; the gradient of {argument} has its dtype, "
                f"{parent.dtype}."
            )
        contribution = contribution.astype(parent.dtype)
    return contribution


def _reduces(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    tail = shape[len(shape) - len(to) :]
    return len(shape) >= len(to) and all(n in (1, m) for n, m in zip(to, tail, strict=True))


def unbroadcast(g: Any, shape: tuple[int, ...]) -> Any:
    """Sum `g` (array or Tensor) over the axes along which `shape` was broadcast: the transpose of broadcasting."""
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(extra + i for i, n in enumerate(shape) if n == 1 and g.shape[extra + i] != 1)
    return g.sum(axis=axes).reshape(shape)


def _refuse_stale_saved(node: Node) -> None:
    op, names, parents, cells = node.op, node.rules.names, node.parents, node.cells
    assert op is not None
    for (_, source), askers in node.rules.saves.items():
        if source is None or not cells[source] or cells[source].get("changed", 0) <= node.number:
            continue
        for k in askers:
            if parents[k] is not None:
                raise StaleValueError(
                    f"op {op.name}: the rule of {names[k]} saved {(*names, 'its result')[source]}, which was changed "
                    f"in place since. "
                    f"Call backward() before the change, or change a copy: t = t + 1 makes one, t += 1 does not."
                )


def _freed(node: Node) -> NoReturn:
    op = node.op
    assert op is not None
    raise GraphFreedError(
        f"backward() a second time through op {op.name} (shape {node.shape}): its saved values were freed by the "
        f"first. Pass retain_graph=True to the first call, or compute the result again."
    )
