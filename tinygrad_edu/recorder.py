"""Op: a forward function of arrays, one derivative rule per input, and the call that records them.

The call of an op is the hot path of everything, so it is written out once, as Python source, when the op is defined
(as `collections.namedtuple` does): no loop over arguments, nothing looked up or inspected at call time. Print
``tg.multiply.source`` to read the result.
"""

from __future__ import annotations

import difflib
import inspect
import linecache
from collections.abc import Callable
from functools import update_wrapper
from inspect import Parameter
from typing import Any, NoReturn, overload

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from tinygrad_edu.engine import FLOAT32, Node, Tensor, is_grad_enabled, refuse_stale, tick
from tinygrad_edu.errors import DTypeError, RuleDefinitionError, ShapeError, TinygradError

Array = NDArray[Any]

_KEPT_AS_GIVEN = frozenset({ndarray, float, int, bool})


class Rule:
    """The derivative of an op with respect to one input: ``function(g, *saved)`` is the gradient of `argument`.

    Attributes
    ----------
    argument : str
        The input's name.
    function : callable
        Of the incoming gradient and the saved values; arrays in, array out, and Tensors in, Tensor out.
    saves : tuple of str
        What is saved, as expressions of the written-out call.
    sources : tuple of (int or None)
        Which input each saved value is, by position; the number of inputs for the result; None for a plain value.
    """

    __slots__ = ("argument", "function", "saves", "sources")

    def __init__(
        self,
        argument: str,
        function: Callable[..., Any],
        saves: tuple[str, ...],
        sources: tuple[int | None, ...],
    ) -> None:
        self.argument, self.function, self.saves, self.sources = argument, function, saves, sources


class Op:
    """A differentiable function of arrays. Made by the decorator `op`, completed by `vjps`.

    On plain arrays it is its forward function, and returns an array. On Tensors it also records a node.

    Attributes
    ----------
    name : str
    inputs : tuple of str
        The parameters before a ``/``, or, without one, those that have no default: the tensors. ``*arrays`` stands
        for any number of them.
    settings : dict
        The other parameters, with their defaults: plain values that no gradient flows to.
    broadcasts : bool
        Whether the engine sums a gradient back to its input's shape, and casts it back to its dtype.
    views : bool
        Whether the result may share the memory of the first input.
    """

    name: str
    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(self, forward: Callable[..., Any], broadcasts: bool = False, views: bool = False) -> None:
        update_wrapper(self, forward)
        self.name = forward.__name__
        self.forward = forward
        self.broadcasts = broadcasts
        self.views = views
        parameters = inspect.signature(forward).parameters.values()
        kinds = {p.kind for p in parameters}
        self.variadic = Parameter.VAR_POSITIONAL in kinds
        self.slash = Parameter.POSITIONAL_ONLY in kinds
        self.inputs = tuple(p.name for p in parameters if self._is_input(p))
        self.settings = {p.name: p.default for p in parameters if not self._is_input(p)}
        self.functions: dict[str, Callable[..., Any]] = {}
        self._rebuild()

    def vjps(self, **functions: Callable[..., Any]) -> None:
        """Give the rule of each input: a function of ``g`` and of what it names, returning the input's gradient.

        A parameter named like an input, or ``out``, saves that value; ``x_shape`` and ``x_dtype`` save only the shape
        or the dtype of x; a setting's name saves the setting, and ``**settings`` all that are not named. Of a variadic
        input, ``k`` is the position of the one whose gradient is asked, and ``arrays_shapes`` all their shapes.

        Raises
        ------
        RuleDefinitionError
            For a name that the op does not have.

        Examples
        --------
        >>> @op
        ... def cube(x):
        ...     return x * x * x
        >>> cube.vjps(x=lambda g, x: 3 * g * x * x)
        >>> x = Tensor(2.0, requires_grad=True)
        >>> cube(x).backward()
        >>> float(x.grad)
        12.0
        """
        for argument, function in functions.items():
            if argument not in self.inputs:
                self._unknown(argument, f"{self.name}.vjps", self.inputs)
            self.functions[argument] = function
        self._rebuild()

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        """Apply the op: to arrays, for an array; to Tensors, for a Tensor."""
        return self.call(*inputs, **settings)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def names(self, count: int) -> tuple[str, ...]:
        """Return the name of each of `count` inputs: ``arrays0, arrays1, ...`` where there may be any number."""
        return tuple(f"{self.inputs[0]}{k}" for k in range(count)) if self.variadic else self.inputs

    @property
    def source(self) -> str:
        """The written-out call (of a variadic op: with two inputs)."""
        return _source(self, self.names(2), self._rules(self.names(2)))

    def _is_input(self, parameter: Parameter) -> bool:
        if self.slash or self.variadic:
            return parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
        return parameter.default is Parameter.empty and parameter.kind is not Parameter.KEYWORD_ONLY

    def _rebuild(self) -> None:
        if not self.variadic:
            self.call = _write_call(self, self.inputs, self._rules(self.inputs))
            return
        written: dict[int, Callable[..., Any]] = {}
        self._rules(self.names(1))

        def call(*inputs: Any, **settings: Any) -> Any:
            count = len(inputs)
            if count not in written:
                names = self.names(count)
                written[count] = _write_call(self, names, self._rules(names))
            return written[count](*inputs, **settings)

        self.call = call

    def _rules(self, names: tuple[str, ...]) -> list[Rule | None]:
        if self.variadic:
            return [self._rule(self.inputs[0], name, names, k) for k, name in enumerate(names)]
        return [self._rule(name, name, names, k) for k, name in enumerate(names)]

    def _rule(self, argument: str, name: str, names: tuple[str, ...], k: int) -> Rule | None:
        """Translate what the rule's parameters ask for into expressions of the written-out call."""
        if argument not in self.functions:
            return None
        function = self.functions[argument]
        wanted = inspect.signature(function).parameters
        offered = self._offers(names, k)
        saves: list[tuple[str, int | None]] = []
        keywords: list[str] = []
        for parameter in list(wanted.values())[1:]:
            if parameter.kind is Parameter.VAR_KEYWORD:
                keywords = [setting for setting in self.settings if setting not in wanted]
                saves += [(setting, None) for setting in keywords]
            elif parameter.name in offered:
                saves.append(offered[parameter.name])
            else:
                self._unknown(parameter.name, f"{self.name}.vjps({argument}=...)", tuple(offered))
        if keywords:
            function = _pass_by_keyword(function, len(saves) - len(keywords), keywords)
        return Rule(name, function, tuple(s for s, _ in saves), tuple(source for _, source in saves))

    def _offers(self, names: tuple[str, ...], k: int) -> dict[str, tuple[str, int | None]]:
        """Return what a rule may name: the expression that gives it, and which input it is."""
        offered: dict[str, tuple[str, int | None]] = {"out": ("out", len(names))}
        for i, name in enumerate(names):
            # A plain array is copied when it is saved: nobody would notice if its owner changed it.
            offered[name] = (f"({name}_data if {name}_cell else kept({name}_data))", i)
            offered[f"{name}_shape"] = (f"shape_of({name}_data)", None)
            offered[f"{name}_dtype"] = (f"{name}_data.dtype", None)
        if self.variadic:
            shapes = "".join(f"shape_of({name}_data), " for name in names)
            offered |= {"k": (str(k), None), f"{self.inputs[0]}_shapes": (f"({shapes})", None)}
        return offered | {setting: (setting, None) for setting in self.settings}

    def _unknown(self, name: str, where: str, offered: tuple[str, ...]) -> NoReturn:
        close = difflib.get_close_matches(name, offered, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it can name {', '.join(offered)}."
        raise RuleDefinitionError(f"{where}: op {self.name} has nothing named {name!r}; {hint}")


def _pass_by_keyword(function: Callable[..., Any], positional: int, keywords: list[str]) -> Callable[..., Any]:
    def rule(g: Any, *saved: Any) -> Any:
        return function(g, *saved[:positional], **dict(zip(keywords, saved[positional:], strict=True)))

    return rule


@overload
def op(forward: Callable[..., Any]) -> Op: ...
@overload
def op(*, broadcasts: bool = ..., views: bool = ...) -> Callable[[Callable[..., Any]], Op]: ...
def op(forward: Any = None, *, broadcasts: bool = False, views: bool = False) -> Any:
    """Make an `Op` of a function of arrays: ``@op``, or ``@op(broadcasts=True)``. Its rules come with `Op.vjps`.

    The parameters before a ``/`` are the inputs, those after it settings; without a ``/``, the inputs are the
    parameters that have no default.

    Parameters
    ----------
    broadcasts : bool
        The inputs broadcast against each other: the engine undoes it in their gradients.
    views : bool
        The result may share memory with the first input.
    """
    if forward is None:
        return lambda function: Op(function, broadcasts, views)
    return Op(forward)


def _header(op: Op, names: tuple[str, ...]) -> str:
    mark = ["/"] if op.slash else ["*"] if op.settings else []
    settings = [
        name if default is Parameter.empty else f"{name}=default_{name}" for name, default in op.settings.items()
    ]
    return f"def {op.name}({', '.join([*names, *mark, *settings])}):"


def _source(op: Op, names: tuple[str, ...], rules: list[Rule | None]) -> str:
    """Write the call of `op` with inputs `names` as Python source."""
    given = "".join(f", {setting}={setting}" for setting in op.settings)
    tensors = "".join(f"{name}, " for name in names)
    datas = "".join(f"{name}_data, " for name in names)
    lines = [_header(op, names)]
    for x in names:
        lines += [
            f"    if {x}.__class__ is Tensor:",
            f"        {x}_data = {x}._data; {x}_node = {x}._node; {x}_cell = {x}._cell",
            "    else:",
            f"        {x}_data = {x} if {x}.__class__ in KEPT_AS_GIVEN else plain(op, {x!r}, {x})",
            f"        {x}_node = {x}_cell = None",
        ]
    lines += [
        "    try:",
        f"        out = forward({datas}{given[2:]})",
        "    except Exception as error:",
        f"        explain(op, error, ({datas}))",
        "        raise",
        f"    if {' and '.join(f'{x}_cell is None' for x in names) or 'True'}:",
        "        return out",
        "    if out.__class__ is not ndarray:",
        "        out = asarray(out)",
        "    if out.dtype is not FLOAT32:",
        f"        {datas}out = follow(forward, ({tensors}), ({datas}), out, dict({given[2:]}))",
        "    tensor = make(Tensor)",
        "    tensor._data = out",
        f"    tensor._cell = cell = {_cell(op, names)}",
        f"    if ({' and '.join(f'{x}_node is None' for x in names) or 'True'}) or not is_grad_enabled()"
        " or (out.dtype is not FLOAT32 and out.dtype.kind != 'f'):",
        "        tensor._node = None",
        "        return tensor",
        "    edges = []",
    ]
    for k, (x, rule) in enumerate(zip(names, rules, strict=True)):
        saved = "" if rule is None else "".join(f"{save}, " for save in rule.saves)
        lines += [
            f"    if {x}_node is not None:",
            f"        if {x}_cell[0] > {x}_node.number: refuse_stale(op, {x!r}, {x})",
            f"        edges.append(({x}_node, rules[{k}], ({saved})))",
        ]
    lines += [
        "    tensor._node = node = make(Node)",
        "    node.number = tick(); node.op = op; node.edges = edges",
        f"    node.parents = ({''.join(f'{x}_node, ' for x in names)})",
        f"    node.cells = ({''.join(f'{x}_cell, ' for x in names)}cell)",
        "    node.shape = out.shape; node.dtype = out.dtype",
        "    return tensor",
    ]
    return "\n".join(lines) + "\n"


def _cell(op: Op, names: tuple[str, ...]) -> str:
    x = names[0] if names else ""
    return f"share({x}_cell) if shares_memory(out, {x}_data) else [0, 0]" if op.views else "[0, 0]"


def _write_call(op: Op, names: tuple[str, ...], rules: list[Rule | None]) -> Callable[..., Any]:
    """Compile the source, and show it in tracebacks."""
    source = _source(op, names, rules)
    filename = f"<op {op.name}, {len(names)} inputs>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    space: dict[str, Any] = {
        **{f"default_{name}": default for name, default in op.settings.items()},
        "op": op, "forward": op.forward, "rules": rules,
        "Tensor": Tensor, "Node": Node, "make": object.__new__, "tick": tick, "is_grad_enabled": is_grad_enabled,
        "ndarray": ndarray, "asarray": np.asarray, "shape_of": np.shape, "shares_memory": np.may_share_memory,
        "FLOAT32": FLOAT32, "KEPT_AS_GIVEN": _KEPT_AS_GIVEN, "plain": _plain, "kept": _kept, "follow": _follow,
        "explain": _explain, "share": _share, "refuse_stale": refuse_stale,
    }  # fmt: skip
    exec(compile(source, filename, "exec"), space)
    call: Callable[..., Any] = space[op.name]
    call.__doc__, call.__module__ = op.forward.__doc__, op.forward.__module__
    return call


def _plain(op: Op, argument: str, value: Any) -> Any:
    """Make an array of an operand that is no Tensor, or refuse it."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"op {op.name}: its argument {argument} is a {type(value).__name__}; "
            f"it must be a Tensor, an array, or a list of numbers."
        )
    return array


def _share(cell: list[int]) -> list[int]:
    cell[1] = 1
    return cell


def _kept(value: Any) -> Any:
    return value.copy() if value.__class__ is ndarray else value


def _follow(
    forward: Callable[..., Any],
    inputs: tuple[Any, ...],
    arrays: tuple[Any, ...],
    out: ndarray,
    settings: dict[str, Any],
) -> tuple[Any, ...]:
    """Keep a float dtype that no Tensor asked for out of the result: plain operands follow the tensors they meet.

    The result's float dtype is the widest of the floating Tensors among the inputs, and float32 if there is none.
    """
    if out.dtype.kind in "iub":
        return *arrays, out
    if out.dtype.kind != "f":
        raise DTypeError(f"a Tensor holds real numbers or booleans; this would be {out.dtype}.")
    floats = [a.dtype for x, a in zip(inputs, arrays, strict=True) if x.__class__ is Tensor and a.dtype.kind == "f"]
    wanted = np.result_type(*floats) if floats else FLOAT32
    if out.dtype != wanted and not settings.get("dtype"):
        arrays = tuple(
            np.asarray(a, dtype=wanted) if np.asarray(a).dtype.kind in "fiu" and a.__class__ is not bool else a
            for a in arrays
        )
        out = np.asarray(forward(*arrays, **settings)).astype(wanted, copy=False)
    return *arrays, out


def _explain(op: Op, error: Exception, arrays: tuple[Any, ...]) -> None:
    """Say which op failed and on what; a plain ValueError of NumPy's that speaks of shapes is a ShapeError."""
    if isinstance(error, TinygradError):
        return
    names = op.names(len(arrays))
    what = ", ".join(
        f"{name} {getattr(a, 'dtype', type(a).__name__)} of shape {np.shape(a)}"
        for name, a in zip(names, arrays, strict=True)
    )
    if type(error) is ValueError and any(word in str(error) for word in ("shape", "dimension")):
        raise ShapeError(f"op {op.name}: {error} The inputs: {what}.") from error
    error.add_note(f"In op {op.name}, with {what}.")
