"""Module: the base class of layers and models. It finds its parameters in its attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from tinygrad_edu.core.tensor import Tensor


class Module:
    """Base class of layers and models: define `forward`, and assign Tensors and other Modules to attributes.

    They may be inside of lists, tuples and dicts, too. A Tensor that requires a gradient is a parameter.
    """

    training = True

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        return self.forward(*inputs, **settings)

    def forward(self, *inputs: Any, **settings: Any) -> Any:
        """Compute the output. Every subclass defines this method."""
        raise NotImplementedError(f"{type(self).__name__} has no forward: define forward(self, x) in it.")

    def parameters(self) -> list[Any]:
        """Return the parameters, each once."""
        return [parameter for _, parameter in self.named_parameters()]

    def named_parameters(self) -> list[tuple[str, Any]]:
        """Return each parameter with its path, such as ``blocks.0.weight``."""
        return unique((path, x) for path, x in walk(self) if isinstance(x, Tensor) and x.requires_grad and x.is_leaf)

    def modules(self) -> list[Any]:
        """Return this module and all modules inside of it, each once."""
        return [module for _, module in unique((path, x) for path, x in walk(self) if isinstance(x, Module))]

    def _members(self) -> Iterable[tuple[Any, Any]]:
        """Return the content of this module, with names."""
        return vars(self).items()

    def train(self, mode: bool = True) -> Self:
        """Set `training` in this module and all inside of it, and return it. Dropout acts in training only."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False in this module and all inside of it, and return it."""
        return self.train(False)

    def zero_grad(self) -> None:
        """Set the gradient of each parameter to None."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def __repr__(self) -> str:
        shown = (Module, int, float, str, tuple, list, dict)
        parts = (f"{name}={x!r}" for name, x in self._members() if isinstance(x, shown) and name != "training")
        return f"{type(self).__name__}({', '.join(parts)})"


def walk(part: Any, path: str = "", ancestors: frozenset[int] = frozenset()) -> Iterator[tuple[str, Any]]:
    """Yield a part and all objects inside of it, each with its path: once for each path."""
    yield path, part
    if id(part) not in ancestors:
        for name, x in members(part):
            yield from walk(x, f"{path}.{name}" if path else str(name), ancestors | {id(part)})


def members(part: Any) -> Iterable[tuple[Any, Any]]:
    """Return the content of a module, dict, list or tuple, with names. Other objects have none."""
    if isinstance(part, Module):
        return part._members()
    if isinstance(part, dict):
        return part.items()
    return enumerate(part) if isinstance(part, (list, tuple)) else ()


def unique(named: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return each object once, with its first name."""
    first: dict[int, tuple[str, Any]] = {}
    for name, x in named:
        first.setdefault(id(x), (name, x))
    return list(first.values())
