"""Tensor: an array that remembers how it was computed."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tinygrad_edu.core import checks
from tinygrad_edu.core.engine import Array, BackwardPass, Node, Storage, writing
from tinygrad_edu.core.operators import Operators


class Tensor(Operators):
    """An array with its memory and its node in the graph.

    The values are copied. Python numbers and lists become float32; arrays keep their dtype.
    """

    __slots__ = ("_data", "_node", "_storage")
    __array_ufunc__: Any = None  # NumPy leaves array * tensor to the Tensor

    result_class: ClassVar[type[Tensor]]  # Tensor itself, set below
    pass_class: ClassVar[type[BackwardPass]] = BackwardPass

    _data: Array
    _storage: Storage
    _node: Node | None  # None if no gradient flows to this Tensor

    def __new__(cls, *args: Any, **settings: Any) -> Any:
        # Tensor(...) makes what ops return, so that there is one class of Tensors.
        return object.__new__(cls.result_class if cls is Tensor else cls)

    def __init__(self, data: Any, requires_grad: bool = False, dtype: Any = None) -> None:
        if dtype is None and not hasattr(data, "dtype"):
            dtype = np.float32
        self._data = checks.real_numbers(np.array(values_of(data), dtype))
        self._storage = Storage()
        self._node = Node(self.shape, checks.floating(self.dtype)) if requires_grad else None

    @classmethod
    def _from_parts(cls, array: Array, storage: Storage, node: Node | None = None) -> Any:
        """Return a Tensor of these three parts, without a copy."""
        tensor = object.__new__(cls.result_class)
        tensor._data, tensor._storage, tensor._node = array, storage, node
        return tensor

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Compute the gradient of this Tensor with respect to each leaf, and add it to the leaf's `grad`.

        `gradient` is the gradient of a final number with respect to this Tensor: 1 if this is that number.
        """
        node = checks.has_graph(self)  # returns self._node
        backward_pass = self.pass_class(retain_graph)
        backward_pass.add(node, self._initial_gradient(gradient))
        backward_pass.run()
        backward_pass.accumulate()

    def _initial_gradient(self, gradient: Any) -> Array:
        if gradient is None:
            checks.single_element(self)
            return np.ones(self.shape, self.dtype)
        return checks.same_shape("the gradient given to backward()", np.asarray(values_of(gradient), self.dtype), self)

    @property
    def grad(self) -> Array | None:
        """The sum of the gradients of all backward passes since `zero_grad`, for a leaf."""
        return self._node.grad if self._node else None

    def zero_grad(self) -> None:
        """Set `grad` to None."""
        if self._node:
            self._node.grad = None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this Tensor."""
        return self._node is not None

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op computed this Tensor."""
        return self._node is None or self._node.op is None

    def detach(self) -> Any:
        """Return a Tensor of the same memory to which no gradient flows."""
        return self._from_parts(self._data, self._storage)

    def assign(self, values: Any) -> None:
        """Write values into the memory. Graphs that saved the old ones become stale."""
        values = checks.same_shape("assign", np.asarray(values_of(values)), self)
        with self.writing():
            self._data[...] = values

    def writing(self) -> Any:
        """Return the ``with`` block for a write to `_data`."""
        return writing(self._storage)

    def numpy(self) -> Array:
        """Return the values as a read-only view."""
        view = self._data.view()
        view.flags.writeable = False
        return view

    def item(self) -> Any:
        """Return the only element as a Python number."""
        return self._data.item()

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
        """The dtype of the elements."""
        return self._data.dtype

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        origin = "" if self._node is None else f", op={self._node.op.name}" if self._node.op else ", requires_grad=True"
        return f"Tensor({np.array2string(self._data, separator=', ', prefix='Tensor(', threshold=100)}{origin})"


Tensor.result_class = Tensor


def values_of(x: Any) -> Any:
    """Return the array of a Tensor, and any other object as it is."""
    return x._data if isinstance(x, Tensor) else x
