"""Containers of modules, and a module that wraps a function."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from tinygrad_edu import core
from tinygrad_edu.engine import Tensor, TensorLike, listed_tensors, shape_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn.module import Module, library_layer, name_of

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import Element, Out, SameOutput
else:
    Element, Out = TypeVar("Element"), TypeVar("Out")

__all__ = ["Identity", "Lambda", "ModuleDict", "ModuleList", "Residual", "Sequential"]


class Identity(Module):
    """Return the input unchanged: a placeholder for a layer. The constructor ignores all arguments.

    Parameters
    ----------
    *unused : Any
        Ignored.
    **also_unused : Any
        Ignored.

    Examples
    --------
    >>> Identity()(3.0), Identity(54, bias=False)
    (3.0, Identity())
    """

    def __init__(self, *unused: Any, **also_unused: Any) -> None: ...

    __call__: SameOutput

    def forward(self, x: Any) -> Any:
        """Return x."""
        return x


class Lambda(Module):
    """Wrap a function as a module, so that `repr` and `summary` show it.

    Parameters
    ----------
    function : callable
        A function of one or more tensors.

    Raises
    ------
    DTypeError
        `function` is not callable.

    Examples
    --------
    >>> import numpy as np
    >>> double = Lambda(lambda x: 2 * x)
    >>> double(3.0)
    6.0
    >>> Lambda(np.tanh)
    Lambda(tanh)
    """

    def __init__(self, function: Any) -> None:
        if not callable(function):
            raise DTypeError(f"Lambda: function must be callable, got {type(function).__name__}.")
        self.function = function

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """Call the function."""
        return self.function(*inputs, **settings)

    def extra_repr(self) -> str:
        """Return the name of the function."""
        return name_of(self.function)

    def _members(self) -> Iterable[tuple[str, Any]]:
        return ((name, part) for name, part in super()._members() if name != "function" or isinstance(part, Module))


class _Container(Module):
    """Base class of containers of named modules. As in PyTorch, names in the state dict have no prefix ``layers.``."""

    layers: dict[str, Any]

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """Raise NotImplementedError: a list or dict of modules has no forward."""
        kind = type(self).__name__
        raise NotImplementedError(f"{kind} has no forward: call its modules in the forward of the enclosing module.")

    def __len__(self) -> int:
        return len(self.layers)

    def _members(self) -> Iterable[tuple[str, Any]]:
        return ((name.removeprefix("layers."), part) for name, part in super()._members())

    def _as_module(self, name: Any, layer: Any) -> Module:
        """Convert a layer to a module, or raise if it is not callable."""
        where = f"{type(self).__name__}: layer {name}"
        if isinstance(layer, type):
            raise DTypeError(f"{where} is the class {layer.__name__}; expected an instance, {layer.__name__}().")
        if not callable(layer):
            hint = " For a list of layers, use Sequential(*layers)." if isinstance(layer, list | tuple) else ""
            raise DTypeError(f"{where} must be callable, got {type(layer).__name__}.{hint}")
        return library_layer(where, layer) if isinstance(layer, core.Module) else Lambda(layer)

    def _as_modules(self, layers: Mapping[str, Any]) -> dict[str, Any]:
        """Convert layers to modules by name, or raise for an invalid name."""
        for name in layers:
            if not isinstance(name, str) or not name or "." in name:
                raise ValueError(f"{type(self).__name__}: a name must be a non-empty str without dots, got {name!r}.")
        return {name: self._as_module(name, layer) for name, layer in layers.items()}


class _OrderedContainer(_Container, Generic[Element]):
    """Base class of containers of ordered modules. The name of a module is its index unless given."""

    def __iter__(self) -> Iterator[Element]:
        return iter(self.layers.values())

    def __setitem__(self, index: int, layer: Any) -> None:
        name = list(self.layers)[operator.index(index)]
        self.layers[name] = self._as_module(name, layer)

    def __delitem__(self, index: int | slice) -> None:
        named = list(self.layers.items())
        del named[index]
        self.layers = _renumbered(named)

    def append(self, layer: Any) -> Self:
        """Append a layer. Return this module."""
        return self.insert(len(self), layer)

    def insert(self, index: int, layer: Any) -> Self:
        """Insert a layer before `index`, and renumber the layers after it. Return this module."""
        if not -len(self) <= index <= len(self):
            raise IndexError(f"{type(self).__name__}: cannot insert at index {index} of {len(self)} layers.")
        named = list(self.layers.items())
        named.insert(index, ("0", self._as_module(index, layer)))
        self.layers = _renumbered(named)
        return self

    def extend(self, layers: Iterable[Any]) -> Self:
        """Append layers. Return this module."""
        new = [("0", self._as_module(number, layer)) for number, layer in enumerate(layers, len(self))]
        self.layers = _renumbered([*self.layers.items(), *new])
        return self


def _renumbered(named: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return layers by name. Each decimal name becomes the index of its layer."""
    return {str(position) if name.isdecimal() else name: layer for position, (name, layer) in enumerate(named)}


class Sequential(core.Sequential, _OrderedContainer[Any], Generic[Out]):
    """Apply layers in sequence: the output of each is the input of the next.

    A Sequential behaves like a list: ``model[-1]``, ``len(model)``, ``model[1] = layer``, ``del model[0]`` and
    iteration. A slice such as ``model[:2]`` is a Sequential of the same layers with the same names.

    Parameters
    ----------
    *layers : callable
        Modules or functions of one tensor, or a single dict of layers by name. A function becomes a `Lambda`.

    Attributes
    ----------
    layers : dict of str to Module
        The layers by name. The default names are the indices.

    Raises
    ------
    DTypeError
        A layer is not callable, or is a class.
    ValueError
        A name is empty, has a dot, or is not a str.

    Examples
    --------
    >>> import numpy as np
    >>> from tinygrad_edu.nn import Linear, Tanh
    >>> model = Sequential(Linear(784, 32), Tanh()).append(Linear(32, 10))
    >>> model
    Sequential(
      (0): Linear(in_features=784, out_features=32)
      (1): Tanh()
      (2): Linear(in_features=32, out_features=10)
    )
    >>> [name for name, parameter in model[1:].named_parameters()]
    ['2.weight', '2.bias']
    >>> Sequential({"squash": np.tanh, "double": lambda x: 2 * x})
    Sequential(
      (squash): Lambda(tanh)
      (double): Lambda(<lambda>)
    )
    """

    @overload
    def __init__(self, layers: Mapping[str, Any], /) -> None: ...
    @overload
    def __init__(self, *layers: *tuple[*tuple[Any, ...], Callable[..., Out]]) -> None: ...
    @overload
    def __init__(self, *layers: Callable[..., Any]) -> None: ...
    def __init__(self, *layers: Any) -> None:  # type: ignore[misc]
        super().__init__(*layers)
        is_named = len(layers) == 1 and isinstance(layers[0], Mapping)
        self.layers = self._as_modules(layers[0] if is_named else self.layers)

    def forward(self, x: TensorLike) -> Out:
        """Apply the layers in order."""
        try:
            return super().forward(x)
        except DTypeError as error:
            self._explain_tuple(error)
            raise

    def _explain_tuple(self, error: DTypeError) -> None:
        """Raise an error that names the layer that returned a tuple of tensors, if the next layer refused it."""
        traceback: Any = error.__traceback__
        loop = traceback.tb_next.tb_frame.f_locals  # the variables of the loop over the layers, when it stopped
        x, layer, layers = loop["x"], loop["layer"], list(self.layers.values())
        k = layers.index(layer)
        if k and (tensors := listed_tensors(x)) and tensors in str(error):
            before, kind = layers[k - 1], type(x).__name__
            raise DTypeError(
                f"{type(self).__name__}: layer {k} ({type(layer).__name__}) got a {kind}: {type(before).__name__} "
                f"returns {getattr(before, '_returns', tensors.partition('. ')[0])}. Put a function that selects one "
                f"element between them, such as lambda out: out[0]."
            ) from None

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Any:
        named = list(self.layers.items())
        return Sequential(dict(named[index])) if isinstance(index, slice) else named[index][1]


class Residual(Sequential[Tensor]):
    """Add the input to the output of layers: x + f(x).

    From K. He and others, "Deep residual learning for image recognition", 2016.

    Parameters
    ----------
    *layers : callable
        Modules or functions, applied in order. Their output must have the shape of their input.

    Raises
    ------
    ShapeError
        The output of the layers has another shape than their input.

    Examples
    --------
    >>> import numpy as np
    >>> Residual(np.square)(np.array([1.0, 2.0, 3.0]))
    array([ 2.,  6., 12.])
    """

    def forward(self, x: TensorLike) -> Tensor:
        """Return x + f(x), where f applies the layers."""
        out = super().forward(x)
        if shape_of(out) != shape_of(x):
            raise ShapeError(
                f"Residual: shape mismatch: the input is {shape_of(x)}, the output of the layers {shape_of(out)}. "
                f"Choose sizes, strides and padding that preserve the shape."
            )
        return x + out


class ModuleList(_OrderedContainer[Element]):
    """A list of modules without a forward. A plain list in an attribute is registered, too.

    Parameters
    ----------
    modules : iterable of callable, default ()
        Modules or functions. A function becomes a `Lambda`.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear
    >>> blocks = ModuleList(Linear(2, 2, bias=False) for _ in range(3))
    >>> blocks[1:]
    ModuleList(
      (0): Linear(in_features=2, out_features=2, bias=False)
      (1): Linear(in_features=2, out_features=2, bias=False)
    )
    """

    def __init__(self, modules: Iterable[Element] = ()) -> None:
        self.layers = self._as_modules({str(k): layer for k, layer in enumerate(modules)})

    @overload
    def __getitem__(self, index: int) -> Element: ...
    @overload
    def __getitem__(self, index: slice) -> ModuleList[Element]: ...
    def __getitem__(self, index: int | slice) -> Any:
        layers = list(self.layers.values())
        return ModuleList(layers[index]) if isinstance(index, slice) else layers[index]


class ModuleDict(_Container, MutableMapping[str, Element]):
    """A dict of modules without a forward. A plain dict in an attribute is registered, too.

    It has the methods of a dict: ``keys``, ``items``, ``update``, ``pop`` and others.

    Parameters
    ----------
    modules : mapping of str to callable, or iterable of (str, callable), default ()
        Modules or functions. A function becomes a `Lambda`.

    Examples
    --------
    >>> from tinygrad_edu.nn import Linear, Tanh
    >>> heads = ModuleDict({"digit": Linear(4, 10), "act": Tanh()})
    >>> [name for name, parameter in heads.named_parameters()], list(heads)
    (['digit.weight', 'digit.bias'], ['digit', 'act'])
    """

    def __init__(self, modules: Mapping[str, Element] | Iterable[tuple[str, Element]] = ()) -> None:
        self.layers = self._as_modules(dict(modules))

    # Identity, as in every module; MutableMapping would compare contents.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __getitem__(self, name: str) -> Element:
        module: Element = self.layers[name]
        return module

    def __setitem__(self, name: str, module: Element) -> None:
        self.layers |= self._as_modules({name: module})

    def __delitem__(self, name: str) -> None:
        del self.layers[name]
