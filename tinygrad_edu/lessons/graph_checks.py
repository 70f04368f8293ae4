"""Checks in the graph of a student's result: the parents of each value, and the gradients that each vjp returns."""

import inspect
from typing import Any

import numpy as np

from tinygrad_edu.lessons.findings import Wrong, is_numeric, type_and_shape


def check_graph(root: Any) -> None:
    """Check the parents of each value or node, and from now on also the gradients that its vjp returns."""
    seen, waiting = {None}, [root]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        _check_parents(node)
        if node.vjp is not None and not isinstance(node.vjp, _Checked):
            node.vjp = _Checked(node.vjp, node.parents)
        waiting += node.parents


def _check_parents(node: Any) -> None:
    kind, parents = type(node), node.parents
    if isinstance(parents, tuple | list):
        if all(parent is None or isinstance(parent, kind) for parent in parents):
            return
        got = f"({', '.join(map(type_and_shape, parents))})"
    else:
        got = type_and_shape(parents)
    raise Wrong(f"the parents of a {kind.__name__} must be a tuple of {kind.__name__}s, got {got}.", of=node.vjp)


class _Checked:
    """The vjp of a value, which also checks its own results; its other attributes are those of the vjp."""

    def __init__(self, vjp: Any, parents: Any) -> None:
        self.vjp, self.parents = vjp, parents

    def __getattr__(self, name: str) -> Any:
        return getattr(self.vjp, name)

    def __call__(self, g: Any) -> Any:
        try:
            found = self.vjp(g)
        except Exception:
            _check_vjps(self.vjp, g)  # a wrong result of a vjp may be the cause
            raise
        count = len(self.parents)
        if not isinstance(found, tuple | list) or len(found) != count:
            kind = "list" if hasattr(_pullback(self.vjp), "op") else "tuple"
            wanted = f"a {kind} of {count} gradient{'s' * (count != 1)}"
            raise Wrong(f"{_name(self.vjp)} must return {wanted}, got {type_and_shape(found)}.", of=self.vjp)
        for k, (parent, x) in enumerate(zip(self.parents, found, strict=True)):
            if parent is not None and not is_numeric(x):
                _check_vjps(self.vjp, g)
                what = f"gradient {k + 1} of {count} from {_name(self.vjp)}"
                raise Wrong(f"{what} must be a number or an array, got {type_and_shape(x)}.", of=self.vjp)
        _check_shapes(_pullback(self.vjp), found)
        return found


def _check_vjps(pullback: Any, g: Any) -> None:
    """Raise `Wrong` if the pullback is that of an op, and a vjp of the op returns no array of the right shape."""
    pullback = _pullback(pullback)
    op: Any = getattr(pullback, "op", None)
    names = getattr(pullback, "names", getattr(op, "inputs", ()))
    for k, (name, shape) in enumerate(zip(names, getattr(pullback, "shapes", ()), strict=False)):
        vjp = getattr(op, "vjp_functions", {}).get(name)
        if shape is None or vjp is None:
            continue
        try:
            known = {"k": k} | pullback.saved
            found = vjp(g, **{each: known[each] for each in list(inspect.signature(vjp).parameters)[1:]})
        except Exception:  # it is reported where the student's pullback calls the vjp
            continue
        if not is_numeric(found):
            raise Wrong(f"op {op.name}: the vjp of {name} must return an array, got {type_and_shape(found)}.", of=vjp)


def _check_shapes(pullback: Any, found: Any) -> None:
    """Raise `Wrong` if a pullback returns a gradient of another shape than the input; closures know no shapes."""
    for name, x, shape in zip(getattr(pullback, "names", ()), found, getattr(pullback, "shapes", ()), strict=False):
        if shape is not None and np.shape(x) != shape:
            what = f"op {pullback.op.name}: the gradient of {name} must have the shape of {name}"
            raise Wrong(f"{what}, {shape}, got {np.shape(x)}.{_NOT_SUMMED * _broadcasts(shape, np.shape(x))}")


_NOT_SUMMED = " It is not summed over the broadcast axes."


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Return whether an array of this shape broadcasts to another shape."""
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _pullback(vjp: Any) -> Any:
    return getattr(vjp, "pullback", vjp)


def _name(vjp: Any) -> str:
    """Return the name of a vjp in messages: the function in which a closure is defined, or the op of a pullback."""
    op = getattr(_pullback(vjp), "op", None)
    if op is not None:
        return f"the pullback of op {op.name}"
    return f"the vjp in {getattr(vjp, '__qualname__', type(vjp).__name__).partition('.<locals>')[0]}"
