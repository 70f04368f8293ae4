"""Record the steps of a backward pass while the engine runs it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from html import escape
from textwrap import indent
from time import perf_counter
from typing import Any, overload

from numpy import ndarray

from tinygrad_edu.engine import Node, Observer, PassObserver, Tensor
from tinygrad_edu.engine.modes import Mode
from tinygrad_edu.shared.display.html import array_html, fold_html
from tinygrad_edu.tape.reading import TapeRow, node_of, rows_behind
from tinygrad_edu.tape.values import array_of, copied, in_a_word, kinds_of
from tinygrad_edu.tape.vjps import substituted, vjp_source


@dataclass(slots=True)
class VJPCall:
    """One call of a vjp.

    Arrays are copies, so later in-place changes do not affect them. In a backward pass that is itself recorded, they
    are Tensors.

    Parameters
    ----------
    node : Node
        Node whose vjp was called.
    argument : str
        Name of the input whose gradient is computed, in the op's signature.
    parent : Node
        Node of that input.
    g : ndarray or Tensor
        The complete gradient of the node.
    asked : dict
        The other arguments of the vjp, by parameter name.
    returned : ndarray or Tensor, optional
        The output of the vjp.
    contribution : ndarray or Tensor, optional
        The output, summed over broadcast axes and cast to the dtype of the input.
    total : ndarray or Tensor, optional
        The gradient of the parent so far, including this contribution.
    seconds : float, default 0.0
        Time of the vjp and of undoing broadcasting.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor(3.0, requires_grad=True)
    >>> (call,) = steps(tg.square(x))
    >>> call.argument, float(call.returned)
    ('x', 6.0)
    """

    node: Node
    argument: str
    parent: Node
    g: Any
    asked: dict[str, Any]
    returned: Any = None
    contribution: Any = None
    total: Any = None
    seconds: float = 0.0

    @property
    def vjp(self) -> str:
        """The source of the vjp."""
        op = self.node.op
        assert op is not None
        return vjp_source(op, op.inputs[0] if op.variadic else self.argument)

    @property
    def substituted(self) -> str:
        """The expression of the vjp with values substituted, or "" if the vjp is not a single expression."""
        first = self.vjp.removeprefix("lambda ").partition(":")[0].partition(",")[0].strip()
        return substituted(self.vjp, {first: self.g, **self.asked})

    @property
    def anomalies(self) -> list[str]:
        """The kinds of non-finite numbers that the vjp returned and its inputs did not contain."""
        went_in = [kind for value in (self.g, *self.asked.values()) for kind in kinds_of(value)]
        return [kind for kind in kinds_of(self.returned) if kind not in went_in]

    def _repr_html_(self) -> str:
        values = {"g": self.g, **self.asked, "returns": self.returned, "contributes": self.contribution}
        arrays = {name: array_of(value) for name, value in {**values, "so far": self.total}.items()}
        shown = "".join(
            f"<div><b>{escape(name)}</b> {array_html(x) if isinstance(x, ndarray) else escape(in_a_word(x))}</div>"
            for name, x in arrays.items()
            if x is not None
        )
        return f"<pre>{escape(self.vjp)}</pre>{shown}"

    def __str__(self) -> str:
        op = self.node.op
        assert op is not None
        vjp = self.vjp if "\n" not in self.vjp else f"\n{indent(self.vjp, '        ')}"
        lines = [f"{op.name}.{self.argument}: {vjp}"]
        lines += [f"    {name} = {in_a_word(value)}" for name, value in {"g": self.g, **self.asked}.items()]
        lines.append(f"    returns {in_a_word(self.returned)}" if self.returned is not None else "    raises")
        if self.contribution is None:
            lines.append("    rejected by the engine" if self.returned is not None else "")
        elif array_of(self.returned).shape != array_of(self.contribution).shape:
            lines.append(f"    summed back to {in_a_word(self.contribution)}")
        lines.append(f"    so far {in_a_word(self.total)}" if self.total is not None else "")
        return "\n".join(filter(None, lines))


class Walk(Sequence[VJPCall]):
    """A backward pass: the sequence of its steps, in order. Its repr prints all of them.

    Parameters
    ----------
    values : dict of Node to ndarray, optional
        Known results, to which the pass adds.

    Attributes
    ----------
    initial_gradients : list of (Node, gradient)
        The nodes at which the pass began, with their gradients.
    gradients : dict of Node to gradient
        The gradient of each node, after its hooks.
    values : dict of Node to ndarray
        Known results: inputs of vjps, and all results computed inside `watch`.
    ended : bool
        Whether the pass ended without an error.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> x = tg.Tensor(3.0, requires_grad=True)
    >>> walk = steps(tg.square(x))
    >>> [float(call.returned) for call in walk], walk.ended
    ([6.0], True)
    """

    def __init__(self, values: dict[Node, Any] | None = None) -> None:
        self.initial_gradients: list[tuple[Node, Any]] = []
        self.gradients: dict[Node, Any] = {}
        self.values: dict[Node, Any] = {} if values is None else values
        self.ended = False
        self._rows: list[TapeRow] = []
        self._steps: list[VJPCall] = []

    @property
    def rows(self) -> list[TapeRow]:
        """The rows of the graph of the initial nodes, in order of creation."""
        if not self._rows:
            self._rows = rows_behind([node for node, _ in self.initial_gradients])
        return self._rows

    def __len__(self) -> int:
        return len(self._steps)

    @overload
    def __getitem__(self, index: int) -> VJPCall: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[VJPCall]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._steps[index]

    def gradient(self, tensor: Tensor) -> Any:
        """Return the gradient of a tensor, a leaf or not, or None if it has none.

        Examples
        --------
        >>> import tinygrad_edu as tg
        >>> from tinygrad_edu import tape
        >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
        >>> y = x * x
        >>> tape.steps((3 * y).sum()).gradient(y)
        array([3., 3.], dtype=float32)
        """
        return None if tensor._node is None else self.gradients.get(tensor._node)

    def _repr_html_(self) -> str:
        heads = (f"step {k}: {call.node!r}, gradient of {call.argument}" for k, call in enumerate(self._steps))
        return "".join(fold_html(head, call._repr_html_()) for head, call in zip(heads, self._steps, strict=True))

    def __repr__(self) -> str:
        bad = next(((k, step) for k, step in enumerate(self._steps) if step.anomalies), None)
        lines = [f"step {k}  {step}" for k, step in enumerate(self._steps)]
        if bad is not None:
            lines.append(f"Step {bad[0]} is the first to return {bad[1].anomalies[0]} from inputs without it.")
        return "\n".join(lines)


@dataclass(eq=False)
class Recording(Observer):
    """The record of a `watch` block: its backward passes, and the results of its ops.

    Attributes
    ----------
    walks : list of Walk
    values : dict of Node to ndarray
    """

    walks: list[Walk] = field(default_factory=list)
    values: dict[Node, Any] = field(default_factory=dict)

    def on_op(self, op: Any, arrays: dict[str, Any], settings: dict[str, Any], made: Any, site: Any) -> None:
        """Record the result of an op, and its leaf inputs."""
        if made._node is not None:
            self.values[made._node] = made._data.copy()
            leaves = ((x, parent) for x, parent in made._node.parents.items() if parent.op is None)
            self.values |= {parent: arrays[x].copy() for x, parent in leaves}

    def on_backward(self, gradients: dict[Node, Any]) -> PassObserver:
        """Return an observer that records the backward pass in a new Walk."""
        return RecordedWalk(self.begin_walk(), gradients)

    def begin_walk(self) -> Walk:
        """Return a new Walk, and add it to `walks`."""
        self.walks.append(Walk(self.values))
        return self.walks[-1]


class RecordedWalk(PassObserver):
    """Fills a Walk while the backward pass runs."""

    def __init__(self, walk: Walk, gradients: dict[Node, Any]) -> None:
        self.walk, self.gradients = walk, gradients
        self._kept: dict[int, tuple[Any, Any]] = {}

    def vjp(self, node: Node, x: str, vjp: Any) -> Any:
        """Wrap the vjp so that each call adds a step."""
        return partial(self._step, node, x, vjp)

    def _step(self, node: Node, x: str, vjp: Any, g: Any, saved: dict[str, Any]) -> Any:
        walk, op = self.walk, node.op
        walk.rows  # noqa: B018 (reads the saved values before they are freed)
        asked = {name: self._copy(saved[name]) for name in op.vjp_arguments[x]}
        asked |= op.position(x)
        about = {**node.parents, "out": node}
        for name, value in saved.items():
            if name in about:
                walk.values.setdefault(about[name], array_of(self._copy(value)))
        step = VJPCall(node, x, node.parents[x], self._whole(node, g), asked)
        walk._steps.append(step)
        began = perf_counter()
        returned = vjp(g, saved)
        step.seconds = perf_counter() - began
        step.returned = copied(returned)
        return returned

    def like_input(self, node: Node, x: str, like_input: Any) -> Any:
        """Wrap the step that undoes broadcasting so that the step records its result."""

        def recorded(returned: Any) -> Any:
            step, began = self.walk._steps[-1], perf_counter()
            contribution = like_input(returned)
            step.seconds += perf_counter() - began
            step.contribution = step.returned if contribution is returned else copied(contribution)
            return contribution

        return recorded

    def add(self, add: Any) -> Any:
        """Wrap the addition so that the step records the sum."""

        def added(node: Node, g: Any) -> None:
            walk = self.walk
            add(node, g)
            total = walk.gradients[node] = copied(self.gradients[node])
            if walk._steps:
                walk._steps[-1].total = total
            else:
                walk.initial_gradients.append((node, total))

        return added

    def end(self, gradients: dict[Node, Any]) -> None:
        """Record the gradients after the hooks of the leaves."""
        self.walk.gradients |= {node: copied(g) for node, g in gradients.items()}
        self.walk.ended = True
        self._kept.clear()

    def _whole(self, node: Node, g: Any) -> Any:
        """Return the gradient of a node after its hooks, one copy for all of its vjps."""
        before = self._kept.get(id(node))
        if before is None or before[0] is not g:
            before = self._kept[id(node)] = (g, copied(g))
            self.walk.gradients[node] = before[1]
        return before[1]

    def _copy(self, value: Any) -> Any:
        """Return one copy of a saved value, which cannot change during the backward pass."""
        if not isinstance(value, ndarray | Tensor):
            return value
        return self._kept.setdefault(id(value), (value, copied(value)))[1]


@contextmanager
def watch() -> Iterator[list[Walk]]:
    """Record each backward pass inside the block: ``with tape.watch() as walks``, a list of `Walk`.

    If the forward pass also runs inside, the tape records each result, the line that called each op, and its layer. The
    pass that a `checkpoint` runs comes after the pass that called it.

    All results are kept as long as the list, so use this for a few steps, not for training. The mode belongs to the
    thread or task that set it, as with `no_grad`. If a vjp raises, the Walk contains the steps up to it.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import tape
    >>> with tape.watch() as walks:
    ...     slope = tg.grad(tg.grad(lambda x: x**3))(2.0)
    >>> [len(walk) for walk in walks]
    [1, 5]
    """
    recording = Recording()
    with Mode(observer=recording):
        yield recording.walks


def steps(result: Tensor, gradient: Any = None, retain_graph: bool = False) -> Walk:
    """Call ``result.backward(gradient)``, and return its calls of vjps, in order. It sets ``grad`` as usual.

    Parameters
    ----------
    result : Tensor
    gradient : array_like, optional
        As in `Tensor.backward`.
    retain_graph : bool, default False
        As in `Tensor.backward`.

    Returns
    -------
    Walk
        A sequence of `VJPCall`.

    Raises
    ------
    TinygradError
        As in `Tensor.backward`. To see the steps before an error, use ``with tape.watch() as walks:`` around it.

    Notes
    -----
    The pass runs to its end before it is returned. A pass that pauses between two vjps would hold incomplete gradients
    while the caller could change a parameter. A recorded pass can also be iterated in reverse.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> from tinygrad_edu import tape
    >>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
    >>> for step in tape.steps(x * x, gradient=[1.0, 1.0]):
    ...     print(step)
    multiply.x: lambda g, y: g * y
        g = [1.0, 1.0]
        y = [1.0, 2.0]
        returns [1.0, 2.0]
        so far [1.0, 2.0]
    multiply.y: lambda g, x: g * x
        g = [1.0, 1.0]
        x = [1.0, 2.0]
        returns [1.0, 2.0]
        so far [2.0, 4.0]
    >>> x.grad
    array([2., 4.], dtype=float32)
    """
    node_of(result)
    with watch() as walks:
        result.backward(gradient, retain_graph=retain_graph)
    return walks[0]  # the passes of checkpoints come after it
