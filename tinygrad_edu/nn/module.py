"""Module: what layers and models are. Its parameters are found by walking its plain attributes; nothing is magic."""

from __future__ import annotations

import textwrap
from collections import deque
from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import repeat
from reprlib import recursive_repr
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.engine import Tensor, values_of, writing
from tinygrad_edu.errors import DTypeError, StateDictError

Part = TypeVar("Part")


class Module:
    """A function with parameters: write `forward`, and keep tensors and other modules in attributes.

    Whatever is in an attribute, also inside nested lists, tuples and dicts, is found, in the order of definition.
    Its name is the path that leads to it: ``model.blocks[0].weight`` is ``"blocks.0.weight"``, as in PyTorch. What
    is reached twice is one thing with several names. A module that refers back to one that holds it is not walked
    again.

    Attributes
    ----------
    training : bool
        Whether layers such as `Dropout` behave as in training. Set by `train` and `eval`.
    couples_samples : bool
        Whether the result for one sample of a batch depends on the others, as in batch normalization. A module that
        does so says it here, in its class, and its batch is not cut into shards.

    Notes
    -----
    A tensor with ``requires_grad`` is a parameter. A tensor without it, a frozen parameter say, is none, but belongs
    to the state that `state_dict` saves. The result of a recorded op is neither.

    Examples
    --------
    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope = Tensor(2.0, requires_grad=True)
    ...         self.offsets = [Tensor(1.0, requires_grad=True)]
    ...
    ...     def forward(self, x):
    ...         return self.slope * x + self.offsets[0]
    >>> line = Line()
    >>> float(line(3.0))
    7.0
    >>> [name for name, parameter in line.named_parameters()]
    ['slope', 'offsets.0']
    """

    training: bool = True
    couples_samples: bool = False

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Compute `forward`."""
        return self.forward(*inputs, **settings)

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name)
        if isinstance(before, Tensor) and before.is_leaf and not _stays_in_the_state(value):
            what = "computed tensor" if isinstance(value, Tensor) else type(value).__name__
            raise DTypeError(
                f"{type(self).__name__}.{name} belongs to the state, and a {what} in its place would not: write into "
                f"it, with .assign(values), or give it a Tensor of its own, such as values.detach(). Where it shall be "
                f"no part of the state any more, delete it first."
            )
        super().__setattr__(name, value)

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """Compute the result. Every module defines its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward: define forward(self, x) in it.")

    def parameters(self) -> list[Tensor]:
        """Return the tensors that require a gradient, each once."""
        return [tensor for _, tensor in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Tensor]]:
        """Return the parameters with their names; a shared one once, under the first of its names."""
        return [(name, tensor) for name, tensor in _once(self._named_tensors()) if tensor.requires_grad]

    def modules(self) -> list[Module]:
        """Return this module and all modules in it, each once."""
        return [module for _, module in self.named_modules()]

    def named_modules(self) -> list[tuple[str, Module]]:
        """Return this module, under the name ``""``, and all modules in it with their names, each once."""
        return _once([(name, part) for name, part in self._walk() if isinstance(part, Module)])

    def train(self, mode: bool = True) -> Self:
        """Set ``training`` here and in all modules inside, and return this module."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set ``training`` to False here and in all modules inside, and return this module."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Forget the gradient of each parameter: ``grad`` becomes None."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """Return a copy of the values of each tensor, by name: what to save. A shared one appears under each name.

        The names and shapes are those of the same model in PyTorch, so that each loads what the other saved. Where two
        tensors have one name, it raises `StateDictError`.
        """
        return {name: tensor.numpy().copy() for name, tensor in self._state().items()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Write saved values into the tensors, in place: an optimizer that holds them goes on.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            Exactly the names of `state_dict`, each with an array, a Tensor or a PyTorch tensor of its shape; cast to
            its dtype.

        Raises
        ------
        StateDictError
            Naming every missing, unexpected and unfitting entry, and those with numbers that are finite and too large
            for the dtype. Then nothing was written.

        Examples
        --------
        >>> from tinygrad_edu.nn import Linear
        >>> layer = Linear(2, 1)
        >>> layer.load_state_dict({"weight": [[1.0, 2.0]], "bias": [3.0]})
        >>> layer.weight.numpy()
        array([[1., 2.]], dtype=float32)
        >>> layer.load_state_dict({"weight": [1.0, 2.0]})
        Traceback (most recent call last):
            ...
        tinygrad_edu.errors.StateDictError: this state dict does not fit Linear, and nothing was loaded:
          missing: bias, of shape (1,)
          wrong: weight has shape (2,), and needs (1, 2)
        Build the module as the saved one was built, or rename, reshape or leave out entries.
        """
        tensors = self._state()
        arrays = {name: _read(name, value) for name, value in dict(state_dict).items()}
        faults = [f"missing: {name}, of shape {tensors[name].shape}" for name in tensors if name not in arrays]
        faults += [f"unexpected: {name}, of shape {arrays[name].shape}" for name in arrays if name not in tensors]
        faults += [f"wrong: {name} {fault}" for name in tensors if (fault := _misfit(name, tensors, arrays))]
        if faults:
            raise StateDictError(
                f"this state dict does not fit {type(self).__name__}, and nothing was loaded:\n  "
                + "\n  ".join(faults)
                + "\nBuild the module as the saved one was built, or rename, reshape or leave out entries."
            )
        memories = [tensors[name]._data for name in arrays]
        values = [_cast(array, tensors[name].dtype) for name, array in arrays.items()]
        with writing(*(tensor._cell for tensor in tensors.values())):
            # In one call from C: no Ctrl-C comes between two tensors.
            deque(map(np.ndarray.__setitem__, memories, repeat(...), values), maxlen=0)

    def extra_repr(self) -> str:
        """Return what the printed form shows between the parentheses."""
        return ""

    @recursive_repr("...")
    def __repr__(self) -> str:
        children = "\n".join(f"({name}): {part!r}" for name, part in self._parts() if isinstance(part, Module))
        body = f"\n{textwrap.indent(children, '  ')}\n" if children else ""
        return f"{type(self).__name__}({self.extra_repr()}{body})"

    def _parts(self) -> Iterator[tuple[str, Module | Tensor]]:
        """Yield what this module holds itself, by name."""
        return _held(vars(self))

    def _walk(self, name: str = "", above: frozenset[int] = frozenset()) -> Iterator[tuple[str, Module | Tensor]]:
        """Yield this module and all in it, once for each path that leads there."""
        yield name, self
        above |= {id(self)}
        for part_name, part in self._parts():
            path = f"{name}.{part_name}" if name else part_name
            if isinstance(part, Tensor):
                yield path, part
            elif id(part) not in above:
                yield from part._walk(path, above)

    def _named_tensors(self) -> list[tuple[str, Tensor]]:
        return [(name, part) for name, part in self._walk() if isinstance(part, Tensor) and part.is_leaf]

    def _state(self) -> dict[str, Tensor]:
        """Return the tensors of the state by name, or say which two have one name."""
        state: dict[str, Tensor] = {}
        for name, tensor in self._named_tensors():
            if state.setdefault(name, tensor) is not tensor:
                raise StateDictError(
                    f"two tensors of {type(self).__name__} have the name {name}, of which a state dict holds one: "
                    f'rename an attribute or a key, such as 1 beside "1".'
                )
        return state


def duplicate(module: Module) -> Module:
    """Return a deep copy, which holds the same computed tensors: activations that a module keeps to look at, say."""
    computed = [part for _, part in module._walk() if isinstance(part, Tensor) and not part.is_leaf]
    return deepcopy(module, {id(tensor): tensor for tensor in computed})


def _stays_in_the_state(value: Any) -> bool:
    return value is None or (isinstance(value, Tensor) and value.is_leaf) or isinstance(value, Module)


def _held(
    container: Any, prefix: str = "", above: frozenset[int] = frozenset()
) -> Iterator[tuple[str, Module | Tensor]]:
    """Yield the modules and tensors in a list, tuple or dict, and in those inside it, with the paths to them."""
    for key, part in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(part, (Module, Tensor)):
            yield f"{prefix}{key}", part
        elif isinstance(part, (list, tuple, dict)) and id(part) not in above:
            yield from _held(part, f"{prefix}{key}.", above | {id(part)})


def _once(named: list[tuple[str, Part]]) -> list[tuple[str, Part]]:
    """Keep the first name of each thing."""
    first: dict[int, tuple[str, Part]] = {}
    for name, part in named:
        first.setdefault(id(part), (name, part))
    return list(first.values())


def _read(name: str, value: Any) -> NDArray[Any]:
    """Copy a saved value: it may be a view of the very memory that is to be written."""
    try:
        return np.asarray(values_of(value)).copy()
    except Exception as error:
        raise StateDictError(
            f"load_state_dict: NumPy cannot read {name}, a {type(value).__name__}: {error} Nothing was loaded."
        ) from error


def _cast(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def _lost_in(dtype: np.dtype[Any], array: NDArray[Any]) -> Any:
    """Return a number of an array that overflows in a dtype; None if there is none."""
    cast = _cast(array, dtype)
    lost = np.isfinite(array) & ~np.isfinite(cast) if dtype.kind == "f" else cast != array
    return array[lost][0] if lost.any() else None


def _misfit(name: str, tensors: dict[str, Tensor], arrays: dict[str, NDArray[Any]]) -> str | None:
    """Say why the array of that name cannot be written into its tensor."""
    if name not in arrays:
        return None
    tensor, array = tensors[name], arrays[name]
    if array.shape != tensor.shape:
        return f"has shape {array.shape}, and needs {tensor.shape}"
    if not np.can_cast(array.dtype, tensor.dtype, "same_kind"):
        return f"has dtype {array.dtype}, and needs {tensor.dtype}"
    if not tensor._data.flags.writeable:
        return "belongs to a tensor that borrows read-only memory; make it Tensor(array), which copies"
    if lost := _lost_in(tensor.dtype, array):
        return f"has {lost}, and {tensor.dtype} cannot hold it"
    first = next(other for other in tensors if tensors[other] is tensor)
    if first in arrays and not np.array_equal(array, arrays[first], equal_nan=True):
        return f"and {first} are one tensor here, and have different values"
    return None
