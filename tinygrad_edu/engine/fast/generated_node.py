"""Nodes of generated calls: the parts of a `Node` in tuples, which are made in less time than dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tinygrad_edu.core import Node, Storage


class Saved(NamedTuple):
    """A value that a vjp requests by its name: ``x``, ``x_shape``, ``out``, ``axis``.

    Attributes
    ----------
    name : str
    source : int or None
        Position of the input whose array it is; the number of inputs for the result; None for other values.
    """

    name: str
    source: int | None


class GeneratedVJPs:
    """What all nodes of a generated call share: the vjps of an op for a number of inputs, and the values they save.

    Attributes
    ----------
    op : Op
    names : tuple of str
        Names of the inputs.
    saves : dict
        Maps each saved value to the positions of the inputs whose vjps request it.
    pairs : tuple of (int, callable)
        For each input, its position and its generated vjp, ``vjp(g, values)``.
    """

    __slots__ = ("functions", "names", "op", "pairs", "saves")

    def __init__(self, op: Any, names: tuple[str, ...]) -> None:
        self.op, self.names = op, names
        self.saves: dict[Saved, list[int]] = {}
        self.functions: list[tuple[Callable[..., Any], dict[str, int]]] = []
        self.pairs: tuple[tuple[int, Callable[[Any, Any], Any]], ...] = ()


class GeneratedNode(Node):
    """The record of one generated call.

    Attributes
    ----------
    vjps : GeneratedVJPs
    links : tuple
        The node of each input or None, the storage of each input or None, and the storage of the result.
    values : tuple, or None
        For each saved value of the vjps, the value, or None if no input that requests it has a gradient.
    """

    __slots__ = ("dtype", "hooks", "links", "shape", "time", "values", "vjps")
    __init__ = object.__init__  # a generated call sets the attributes, in less time

    vjps: GeneratedVJPs
    links: tuple[Any, ...]
    values: Any
    hooks: Any

    @property
    def op(self) -> Any:
        """The op that was called."""
        return self.vjps.op

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of all inputs."""
        return self.vjps.names

    @property
    def parents(self) -> dict[str, Node]:  # type: ignore[override]
        """The node of each input that needs a gradient, by name."""
        return {x: node for x, node in zip(self.vjps.names, self.links, strict=False) if node is not None}

    @property
    def storages(self) -> dict[str, Storage]:  # type: ignore[override]
        """The storage of each Tensor of the call, by name."""
        names = (*self.vjps.names, "out")
        return {x: s for x, s in zip(names, self.links[len(names) - 1 :], strict=True) if s is not None}

    @property
    def saved(self) -> dict[str, Any] | None:
        """The values that the vjps of the parents request, by name; None once they are freed."""
        values = self.values  # read once: another thread may free them
        if values is None:
            return None
        pairs = zip(self.vjps.saves.items(), values, strict=True)
        return {value.name: x for (value, askers), x in pairs if any(self.links[k] is not None for k in askers)}

    @saved.setter
    def saved(self, freed: Any) -> None:
        self.values = freed

    def wrapped(self, values: Any, wrap: Callable[[Any, Any, Any], Any]) -> tuple[Any, ...]:
        """Return saved values with each array of a Tensor as that Tensor."""
        count = len(self.vjps.names)
        nodes, storages = (*self.links[:count], self), self.links[count:]
        return tuple(
            x if x is None or source is None or storages[source] is None else wrap(x, nodes[source], storages[source])
            for x, (_, source) in zip(values, self.vjps.saves, strict=True)
        )
