"""The walk back as a sequence of steps: the engine's own walk, looked at while it runs."""

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
from tinygrad_edu.notebook import array_html, fold_html
from tinygrad_edu.tape.reading import TapeRow, node_of, rows_behind
from tinygrad_edu.tape.values import array_of, copied, in_a_word, kinds_of
from tinygrad_edu.tape.vjps import substituted, vjp_source


@dataclass(slots=True)
class VJPCall:
    """One call of a vjp.

    Arrays are copies, and stay as they were; of a walk that was recorded in its turn they are Tensors.

    Attributes
    ----------
    node : Node
        Whose gradient was taken further.
    argument : str
        The input that this gives a gradient to, as the op calls it.
    parent : Node
        The node of that input.
    g
        The gradient of the node, whole.
    asked : dict
        What the vjp asked for, by the names of its parameters.
    returned
        What the vjp returned.
    contribution
        The same after the engine undid broadcasting and promotion.
    total
        The gradient of the parent so far, with this contribution.
    seconds : float
        That the vjp took, and undoing broadcasting.
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
        """The text of the vjp as it stands in the source."""
        op = self.node.op
        assert op is not None
        return vjp_source(op, op.inputs[0] if op.variadic else self.argument)

    @property
    def substituted(self) -> str:
        """The expression of the vjp with the values in it; "" where the vjp is no single expression."""
        first = self.vjp.removeprefix("lambda ").partition(":")[0].partition(",")[0].strip()
        return substituted(self.vjp, {first: self.g, **self.asked})

    @property
    def anomalies(self) -> list[str]:
        """Which of NaN and infinities the vjp returned, though nothing that went in held them."""
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
            lines.append("    which is refused" if self.returned is not None else "")
        elif array_of(self.returned).shape != array_of(self.contribution).shape:
            lines.append(f"    summed back to {in_a_word(self.contribution)}")
        lines.append(f"    so far {in_a_word(self.total)}" if self.total is not None else "")
        return "\n".join(filter(None, lines))


class Walk(Sequence[VJPCall]):
    """A walk back: its steps in the order in which they were made. ``str`` of it, or its repr, is all of them.

    Attributes
    ----------
    seeds : list of (Node, gradient)
        Where it began.
    gradients : dict of Node to gradient
        What arrived at each node, as its hooks left it.
    values : dict of Node to ndarray
        The results that are known: those that a vjp asked for, and all that were computed inside of `watch`.
    ended : bool
        Whether it came to its end, and did not raise.
    """

    def __init__(self, values: dict[Node, Any] | None = None) -> None:
        self.seeds: list[tuple[Node, Any]] = []
        self.gradients: dict[Node, Any] = {}
        self.values: dict[Node, Any] = {} if values is None else values
        self.ended = False
        self._rows: list[TapeRow] = []
        self._steps: list[VJPCall] = []

    @property
    def rows(self) -> list[TapeRow]:
        """What was recorded of the nodes behind the seeds, in the order of the clock."""
        if not self._rows:
            self._rows = rows_behind([node for node, _ in self.seeds])
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
        """Return what arrived at a tensor, computed or not; None where nothing did.

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
            lines.append(f"The first to make {bad[1].anomalies[0]} of none: step {bad[0]}.")
        return "\n".join(lines)


@dataclass(eq=False)
class Recording(Observer):
    """What a `watch` keeps: each walk, and the results of the ops.

    Attributes
    ----------
    walks : list of Walk
    values : dict of Node to ndarray
    """

    walks: list[Walk] = field(default_factory=list)
    values: dict[Node, Any] = field(default_factory=dict)

    def on_op(self, vjps: Any, arrays: Any, settings: dict[str, Any], made: Any, site: Any) -> None:
        """Keep the result, and what it was made of."""
        if made._node is not None:
            self.values[made._node] = made._data.copy()
            for parent, array in zip(made._node.parents, arrays, strict=True):
                if parent is not None and parent.op is None:
                    self.values[parent] = array.copy()

    def on_backward(self, gradients: dict[Node, Any]) -> PassObserver:
        """Begin a Walk."""
        return RecordedWalk(self.begin_walk(), gradients)

    def begin_walk(self) -> Walk:
        """Return a new Walk, which is one of those that are kept."""
        self.walks.append(Walk(self.values))
        return self.walks[-1]


class RecordedWalk(PassObserver):
    """Fills a Walk while the engine walks."""

    def __init__(self, walk: Walk, gradients: dict[Node, Any]) -> None:
        self.walk, self.gradients = walk, gradients
        self._kept: dict[int, tuple[Any, Any]] = {}

    def vjp(self, node: Node, k: int, vjp: Any) -> Any:
        """Return the vjp as one that makes a step."""
        return partial(self._step, node, k, vjp)

    def _step(self, node: Node, k: int, vjp: Any, g: Any, saved: Any) -> Any:
        walk, vjps = self.walk, node.vjps
        walk.rows  # noqa: B018 (before what the nodes saved is freed)
        function, places = vjps.functions[k]
        asked = {name: self._copy(saved[place]) for name, place in places.items()}
        asked |= getattr(function, "keywords", {})  # k, the position among any number of inputs
        for (_, source), value in zip(vjps.saves, saved, strict=True):
            about = None if source is None else (*node.parents, node)[source]
            if about is not None and value is not None:
                walk.values.setdefault(about, array_of(self._copy(value)))
        parent = node.parents[k]
        assert parent is not None
        step = VJPCall(node, vjps.names[k], parent, self._whole(node, g), asked)
        walk._steps.append(step)
        began = perf_counter()
        returned = vjp(g, saved)
        step.seconds = perf_counter() - began
        step.returned = copied(returned)
        return returned

    def match(self, node: Node, k: int, match: Any) -> Any:
        """Return the match as one that the step keeps."""

        def matched(returned: Any) -> Any:
            step, began = self.walk._steps[-1], perf_counter()
            contribution = match(returned)
            step.seconds += perf_counter() - began
            step.contribution = step.returned if contribution is returned else copied(contribution)
            return contribution

        return matched

    def add(self, add: Any) -> Any:
        """Return the addition as one that keeps what has arrived."""

        def added(node: Node, g: Any) -> None:
            walk = self.walk
            add(node, g)
            total = walk.gradients[node] = copied(self.gradients[node])
            if walk._steps:
                walk._steps[-1].total = total
            else:
                walk.seeds.append((node, total))

        return added

    def end(self, gradients: dict[Node, Any]) -> None:
        """Keep the gradients as the hooks of leaves left them."""
        self.walk.gradients |= {node: copied(g) for node, g in gradients.items()}
        self.walk.ended = True
        self._kept.clear()

    def _whole(self, node: Node, g: Any) -> Any:
        """Return the gradient of a node as its hooks left it, which is the same for all of its vjps."""
        before = self._kept.get(id(node))
        if before is None or before[0] is not g:
            before = self._kept[id(node)] = (g, copied(g))
            self.walk.gradients[node] = before[1]
        return before[1]

    def _copy(self, value: Any) -> Any:
        """Copy a saved value once: nobody can change it while the walk lasts."""
        if not isinstance(value, ndarray | Tensor):
            return value
        return self._kept.setdefault(id(value), (value, copied(value)))[1]


@contextmanager
def watch() -> Iterator[list[Walk]]:
    """Keep each walk back that is made inside: ``with tape.watch() as walks``, a list of `Walk`.

    With the forward inside, too, the tape knows each result, the line that called each op, and the layer.

    All that is computed inside is kept as long as the walks are: this is for a few steps, not for a training. The mode
    belongs to the thread or task that set it, as `no_grad` does. If a vjp raises, the walk has the steps up to it.

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
    """Call ``result.backward(gradient)``, and return each call of a vjp that it made, in their order.

    The engine's own walk runs, and leaves in ``grad`` what it always does.

    Parameters
    ----------
    result : Tensor
    gradient, retain_graph
        As `Tensor.backward` takes them.

    Returns
    -------
    Walk
        A sequence of `VJPCall`.

    Raises
    ------
    TinygradError
        As `Tensor.backward` does. To see the steps before an error, ``with tape.watch() as walks:`` around it.

    Notes
    -----
    The walk is recorded whole and iterated afterwards. One that pauses between two vjps would hold half of its
    gradients while the caller may change a parameter or never come back, and a recorded one can also be gone through
    backwards.

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
    return walks[-1]
