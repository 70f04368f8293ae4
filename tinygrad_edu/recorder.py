"""Op: a forward function of arrays, one derivative rule per input, and the call that records them.

The call of an op is the hot path of everything, so it is written out once, as Python source, when the op is defined
(as `collections.namedtuple` does): no loop over arguments, nothing looked up or inspected at call time. Print
``tg.multiply.source`` to read the result.
"""

from __future__ import annotations

import difflib
import inspect
import linecache
from collections.abc import Callable, Iterable, Set
from copy import deepcopy
from functools import partial, update_wrapper
from inspect import Parameter
from types import BuiltinFunctionType, EllipsisType, FunctionType, NoneType
from typing import Any, NamedTuple, NoReturn, overload

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from tinygrad_edu.engine import (
    Cell,
    Node,
    Tensor,
    clock,
    innermost_block,
    is_grad_enabled,
    refuse_stale,
    wrap,
)
from tinygrad_edu.errors import DTypeError, MissingRuleError, RuleDefinitionError, ShapeError, TinygradError

Array = NDArray[Any]

FLOAT32 = np.dtype(np.float32)
_KEPT_AS_GIVEN = frozenset({ndarray, float, int, bool})
# Calls with more arrays than this are not written out: each number of arrays is a function of its own.
_MOST_WRITTEN_OUT = 16


class Saved(NamedTuple):
    """Something that rules may ask for.

    Attributes
    ----------
    name : str
        By which they do: ``x``, ``x_shape``, ``out``, ``axis``.
    source : int or None
        Which input it is, by position; the number of inputs for the result; None for a plain value.
    code : str
        The expression that gives it in the written-out call.
    """

    name: str
    source: int | None
    code: str


class Rules:
    """The derivatives of an op with respect to each input, and what they need saved. Nodes of one op share them.

    Attributes
    ----------
    names : tuple of str
        The inputs' names.
    saves : dict
        What a node saves, each with the list of the inputs whose rules ask for it.
    calls : list of (callable, dict)
        For each input, the function that `Op.vjps` was given, and by parameter which of the saved values it gets.
    functions : tuple of (int, callable)
        For each input, its position and its rule: ``rule(g, saved)`` is its gradient.
    """

    __slots__ = ("_places", "calls", "functions", "names", "saves")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.saves: dict[Saved, list[int]] = {}
        self.calls: list[tuple[Callable[..., Any], dict[str, int]]] = []
        self.functions: tuple[tuple[int, Callable[[Any, Any], Any]], ...] = ()
        self._places: dict[Saved, int] = {}

    def save(self, value: Saved, k: int) -> int:
        """Note that the rule of input `k` asks for a value, and return where among the saved ones it will be."""
        self.saves.setdefault(value, []).append(k)
        return self._places.setdefault(value, len(self._places))


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
        Whether the engine sums a gradient back to its input's shape.
    promotes : tuple of str
        The inputs that follow one dtype; the engine casts their gradients back to their own.
    call : callable
        The written-out call: of arrays, an array; of Tensors, a Tensor. Calling the op calls it.
    """

    # A method __call__ would cost a call of its own; Python finds this slot's content instead.
    __slots__ = ("__call__", "__dict__", "__weakref__")

    name: str
    call: Callable[..., Any]
    __call__: Callable[..., Any]
    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(
        self, forward: Callable[..., Any], broadcasts: bool = False, promotes: bool | Iterable[str] = True
    ) -> None:
        update_wrapper(self, forward)
        self.name = forward.__name__
        self.forward = forward
        self.broadcasts = broadcasts
        parameters = inspect.signature(forward).parameters.values()
        kinds = {p.kind for p in parameters}
        self.variadic = Parameter.VAR_POSITIONAL in kinds
        self.slash = Parameter.POSITIONAL_ONLY in kinds
        self.inputs = tuple(p.name for p in parameters if self._is_input(p))
        self.settings = {p.name: p.default for p in parameters if not self._is_input(p)}
        self.by_keyword = frozenset(p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY)
        self.functions: dict[str, Callable[..., Any]] = {}
        self._check_names(kinds)
        self.promotes = tuple(promotes) if not isinstance(promotes, bool) else self.inputs if promotes else ()
        for name in self.promotes:
            if name not in self.inputs:
                self._unknown(name, f"@op(promotes={self.promotes})", self.inputs)
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
        for argument in functions:
            if argument not in self.inputs:
                self._unknown(argument, f"{self.name}.vjps", self.inputs)
        before, self.functions = self.functions, self.functions | functions
        try:
            self._rebuild()
        except RuleDefinitionError:
            self.functions = before
            raise

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def names(self, count: int) -> tuple[str, ...]:
        """Return the name of each of `count` inputs: ``arrays0, arrays1, ...`` where there may be any number."""
        return tuple(f"{self.inputs[0]}{k}" for k in range(count)) if self.variadic else self.inputs

    def promoted(self, k: int) -> bool:
        """Whether input `k` follows the dtype of the others."""
        return self.inputs[0 if self.variadic else k] in self.promotes

    @property
    def source(self) -> str:
        """The written-out call and rules (of a variadic op: with two inputs)."""
        return _source(self, self._rules(self.names(2)))

    def _check_names(self, kinds: Set[Any]) -> None:
        """Refuse names that the written-out call, or a rule, could not tell from its own."""
        names = {*self.inputs, *self.settings}
        taken = {"out", *(f"{x}_{what}" for x in self.inputs for what in ("shape", "dtype", "shapes"))}
        if self.variadic:
            taken.add("k")
        faults = sorted(name for name in names if name in taken or name.startswith("_"))
        if faults or not self.name.isidentifier() or Parameter.VAR_KEYWORD in kinds or not self.inputs:
            raise RuleDefinitionError(
                f"an op is a named function of at least one input, with settings by name and no **: {self.name!r} with "
                f"the parameters {sorted(names)}. Its names do not begin with _, and are none of {sorted(taken)}."
            )

    def _is_input(self, parameter: Parameter) -> bool:
        if self.slash or self.variadic:
            return parameter.kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
        return parameter.default is Parameter.empty and parameter.kind is not Parameter.KEYWORD_ONLY

    def _rebuild(self) -> None:
        if not self.variadic:
            self.call = self.__call__ = _write_call(self, self._rules(self.inputs))
            return
        written: dict[int, Callable[..., Any]] = {}
        self._rules(self.names(1))

        def call(*inputs: Any, **settings: Any) -> Any:
            count = len(inputs)
            if not count:
                return self.forward(**settings)  # which says what it thinks of that
            if count > _MOST_WRITTEN_OUT:
                return plain_call(self, inputs, self.settings | settings)
            if count not in written:
                written[count] = _write_call(self, self._rules(self.names(count)))
            return written[count](*inputs, **settings)

        self.call = self.__call__ = call

    def _rules(self, names: tuple[str, ...]) -> Rules:
        rules, offered = Rules(names), self._offers(names)
        arguments = self.inputs[:1] if self.variadic else names
        asked = [self._asked(argument, offered) for argument in arguments]
        for k in range(len(names)):
            function, parameters, takes_k = asked[0 if self.variadic else k]
            places = {parameter: rules.save(offered[parameter], k) for parameter in parameters}
            rules.calls.append((partial(function, k=k) if takes_k else function, places))
        return rules

    def _asked(self, argument: str, offered: dict[str, Saved]) -> tuple[Callable[..., Any], list[str], bool]:
        """Return the rule of an argument, what of the offered its parameters ask for, and whether it asks for k."""
        function = self.functions.get(argument, _missing_rule(self.name, argument))
        wanted = list(inspect.signature(function).parameters.values())[1:]
        named = [p.name for p in wanted if p.kind is not Parameter.VAR_KEYWORD]
        asked = [name for name in named if not (self.variadic and name == "k")]
        for name in asked:
            if name not in offered:
                self._unknown(name, f"{self.name}.vjps({argument}=...)", tuple(offered))
        if len(named) < len(wanted):  # **settings
            asked += [setting for setting in self.settings if setting not in named]
        return function, asked, "k" in named and self.variadic

    def _offers(self, names: tuple[str, ...]) -> dict[str, Saved]:
        """Return what the rule of any input may name."""
        offered = [Saved("out", len(names), "_out")]
        for i, x in enumerate(names):
            # A plain array is copied when it is saved: nobody would notice if its owner changed it.
            offered += [
                Saved(x, i, f"(_{x}_data if _{x}_cell is not None else _frozen(_op, {x!r}, _{x}_data))"),
                Saved(f"{x}_shape", None, f"_shape_of(_{x}_data)"),
                Saved(f"{x}_dtype", None, f"_{x}_data.dtype"),
            ]
        if self.variadic:
            shapes = "".join(f"_shape_of(_{x}_data), " for x in names)
            offered.append(Saved(f"{self.inputs[0]}_shapes", None, f"({shapes})"))
        offered += [Saved(setting, None, f"_frozen(_op, {setting!r}, {setting})") for setting in self.settings]
        return {saved.name: saved for saved in offered}

    def _unknown(self, name: str, where: str, offered: tuple[str, ...]) -> NoReturn:
        close = difflib.get_close_matches(name, offered, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"it can name {', '.join(offered)}."
        raise RuleDefinitionError(f"{where}: op {self.name} has nothing named {name!r}; {hint}")


def _missing_rule(name: str, argument: str) -> Callable[..., NoReturn]:
    """Return the rule of an argument that has none: it says so when a gradient reaches it."""

    def rule(g: Any) -> NoReturn:
        raise MissingRuleError(
            f"op {name} has no rule for its argument {argument} (a gradient of shape {g.shape} reached it): define one "
            f"with {name}.vjps({argument}=lambda g, ...: ...), or detach() the argument."
        )

    return rule


@overload
def op(forward: Callable[..., Any]) -> Op: ...
@overload
def op(*, broadcasts: bool = ..., promotes: bool | Iterable[str] = ...) -> Callable[[Callable[..., Any]], Op]: ...
def op(forward: Any = None, *, broadcasts: bool = False, promotes: bool | Iterable[str] = True) -> Any:
    """Make an `Op` of a function of arrays: ``@op``, or ``@op(broadcasts=True)``. Its rules come with `Op.vjps`.

    The parameters before a ``/`` are the inputs, those after it settings; without a ``/``, the inputs are the
    parameters that have no default.

    Parameters
    ----------
    broadcasts : bool
        The inputs broadcast against each other: the engine undoes it in their gradients.
    promotes : bool or iterable of str
        Which inputs are numbers that are computed with, and so follow one dtype: plain ones that of the tensors,
        integers that of the floating-point numbers. All, unless given; not conditions, masks, labels and indices, and
        none where the op decides on the dtype of its result.
    """
    if forward is None:
        return lambda function: Op(function, broadcasts, promotes)
    return Op(forward)


def _header(op: Op, names: tuple[str, ...]) -> str:
    parts = [*names, "/"] if op.slash else [*names]
    for name, default in op.settings.items():
        if name in op.by_keyword and "*" not in parts:
            parts.append("*")
        parts.append(name if default is Parameter.empty else f"{name}=_default_{name}")
    return f"def {op.name}({', '.join(parts)}):"


def _source(op: Op, rules: Rules) -> str:
    """Write the call of `op`, and its rules, as Python source. What it names itself begins with an underscore."""
    names = rules.names

    def each(form: str, between: str = "") -> str:
        return between.join(form.format(x=name) for name in names)

    datas = each("_{x}_data, ")
    given = ", ".join(f"{setting}={setting}" for setting in op.settings)
    lines = [_header(op, names)]
    for x in names:
        lines += [
            f"    if {x}.__class__ is _Tensor:",
            f"        _{x}_data = {x}._data; _{x}_node = {x}._node; _{x}_cell = {x}._cell",
            "    else:",
            f"        _{x}_data = {x} if {x}.__class__ in _KEPT_AS_GIVEN else _plain(_op, {x!r}, {x})",
            f"        _{x}_node = _{x}_cell = None",
        ]
    for setting in op.settings:
        lines.append(f"    if {setting}.__class__ is _Tensor: {setting} = _setting(_op, {setting!r}, {setting})")
    lines += [
        # Before the values are read: what is written from here on makes them stale.
        "    _number = _next(_clock)",
        "    try:",
        f"        _out = _forward({datas}{given})",
        "    except _Exception as _error:",
        f"        _explain(_op, _error, ({datas}))",
        "        raise",
        f"    if {each('_{x}_cell is None', ' and ') or 'True'}:",
        "        return _out",
        "    if _out.__class__ is not _ndarray:",
        "        _out = _whole(_op, _out)",
        "    _dtype = _out.dtype",
        f"    if {each('(_{x}_cell is not None and _{x}_data.dtype is not _dtype)', ' or ')}:",
        f"        {datas}_out = _follow(_op, ({each('{x}, ')}), ({datas}), _out, _dict({given}))",
        "        _dtype = _out.dtype",
        "    _tensor = _make(_Tensor)",
        "    _tensor._data = _out",
        f"    if _out.base is None and {each('_out is not _{x}_data', ' and ')}:",
        "        _cell = _Cell()",
        "    else:",
        f"        _cell = _cell_of(_out, ({each('{x}, ')}))",
        "    _tensor._cell = _cell",
        "    _block = _innermost_block()",
        f"    if ({each('_{x}_node is None', ' and ')}) or (_block is not None and not _block.recording)"
        " or (_dtype is not _FLOAT32 and _dtype.kind != 'f'):",
        "        _tensor._node = None",
        "        return _tensor",
    ]
    for x in names:
        lines += [
            f"    if _{x}_node is not None and _{x}_cell.changed:",
            f"        _refuse_stale('op {op.name}', 'argument {x}', {x})",
        ]
    lines += [
        "    _tensor._node = _node = _Node()",
        f"    _node.saved = ({_saved(rules)})",
        f"    _node.links = ({each('_{x}_node, ')}{each('_{x}_cell, ')}_cell)",
        "    _node.shape = _out.shape; _node.dtype = _dtype",
        "    _node.number = _number; _node.op = _op; _node.rules = _rules",
        "    return _tensor",
    ]
    for x, (_, places) in zip(names, rules.calls, strict=True):
        arguments = "".join(f", {parameter}=_saved[{i}]" for parameter, i in places.items())
        lines += ["", "", f"def _rule_{x}(_g, _saved):", f"    return _vjp_{x}(_g{arguments})"]
    return "\n".join(lines) + "\n"


def _saved(rules: Rules) -> str:
    """Write what a node saves: all that the rules of inputs with a gradient ask for. At least one input has one."""
    written = ""
    for saved, askers in rules.saves.items():
        wanted = " or ".join(f"_{rules.names[k]}_node is not None" for k in askers)
        written += f"{saved.code}, " if len(askers) == len(rules.names) else f"{saved.code} if {wanted} else None, "
    return written


def _write_call(op: Op, rules: Rules) -> Callable[..., Any]:
    """Compile the source, and show it in tracebacks."""
    source = _source(op, rules)
    filename = f"<op {op.name}, {len(rules.names)} inputs>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    space: dict[str, Any] = {
        **{f"_default_{name}": default for name, default in op.settings.items()},
        **{f"_vjp_{name}": function for name, (function, _) in zip(rules.names, rules.calls, strict=True)},
        "_op": op, "_forward": op.forward, "_rules": rules, "_dict": dict, "_Exception": Exception, "_next": next,
        "_Tensor": Tensor, "_Node": Node, "_make": object.__new__, "_clock": clock, "_Cell": Cell,
        "_ndarray": ndarray, "_shape_of": np.shape, "_FLOAT32": FLOAT32, "_KEPT_AS_GIVEN": _KEPT_AS_GIVEN,
        "_innermost_block": innermost_block, "_plain": _plain, "_frozen": _frozen, "_whole": _whole,
        "_follow": _follow, "_explain": _explain, "_cell_of": _cell_of, "_refuse_stale": refuse_stale,
        "_setting": _setting,
    }  # fmt: skip
    exec(compile(source, filename, "exec"), space)
    rules.functions = tuple((k, space[f"_rule_{name}"]) for k, name in enumerate(rules.names))
    call: Callable[..., Any] = space[op.name]
    call.__doc__, call.__module__ = op.forward.__doc__, op.forward.__module__
    return call


def plain_call(op: Op, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Call an op in plain loops: the same as the written-out call, at twice the time of a small op."""
    rules, tensors = op._rules(op.names(len(inputs))), [x for x in inputs if x.__class__ is Tensor]
    arrays = tuple(_data_of(op, name, x) for name, x in zip(rules.names, inputs, strict=True))
    settings = {k: _setting(op, k, v) if v.__class__ is Tensor else v for k, v in settings.items()}
    number = next(clock)
    try:
        out = op.forward(*arrays, **settings)
    except Exception as error:
        _explain(op, error, arrays)
        raise
    if not tensors:
        return out
    out = out if out.__class__ is ndarray else _whole(op, out)
    *arrays, out = _follow(op, inputs, arrays, out, settings)  # type: ignore[assignment]
    result = wrap(out, None, _cell_of(out, inputs))
    if is_grad_enabled() and out.dtype.kind == "f" and any(x._node is not None for x in tensors):
        for name, x in zip(rules.names, inputs, strict=True):
            if x.__class__ is Tensor:
                refuse_stale(f"op {op.name}", f"argument {name}", x)
        result._node = _plain_node(op, rules, number, inputs, arrays, result, settings)
    return result


def _plain_node(
    op: Op, rules: Rules, number: int, inputs: tuple[Any, ...], arrays: Any, result: Tensor, settings: dict[str, Any]
) -> Node:
    """Return the node of a call: its links, and what the rules of inputs with a gradient ask for."""
    node, out = Node(), result._data
    nodes, cells = zip(*((x._node, x._cell) if x.__class__ is Tensor else (None, None) for x in inputs), strict=True)
    values: dict[str, Any] = {"out": out, f"{op.inputs[0]}_shapes": tuple(map(np.shape, arrays))}
    values |= {name: _frozen(op, name, value) for name, value in settings.items()}
    for x, array, cell in zip(rules.names, arrays, cells, strict=True):
        values[x] = array if cell is not None else _frozen(op, x, array)
        values[f"{x}_shape"], values[f"{x}_dtype"] = np.shape(array), getattr(array, "dtype", None)
    node.saved = tuple(
        values[saved.name] if any(nodes[k] is not None for k in askers) else None
        for saved, askers in rules.saves.items()
    )
    node.links = (*nodes, *cells, result._cell)
    node.shape, node.dtype, node.number, node.op, node.rules = out.shape, out.dtype, number, op, rules
    rules.functions = tuple((k, partial(_apply, *call)) for k, call in enumerate(rules.calls))
    return node


def _apply(function: Callable[..., Any], places: dict[str, int], g: Any, saved: Any) -> Any:
    """Call a rule with what it asked for."""
    return function(g, **{parameter: saved[i] for parameter, i in places.items()})


def _data_of(op: Op, argument: str, x: Any) -> Any:
    if x.__class__ is Tensor:
        return x._data
    return x if x.__class__ in _KEPT_AS_GIVEN else _plain(op, argument, x)


def _plain(op: Op, argument: str, value: Any) -> Any:
    """Make an array of a list or the like, leave NumPy's scalars as they are, and refuse what holds no numbers."""
    array = value if isinstance(value, np.generic) else np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise DTypeError(
            f"op {op.name}: its argument {argument} is a {type(value).__name__}; "
            f"it must be a Tensor, an array, or a list of numbers."
        )
    return array


def _setting(op: Op, name: str, value: Tensor) -> ndarray:
    """Read a setting that came as a Tensor, unless that would lose a gradient."""
    if value.requires_grad:
        raise DTypeError(
            f"op {op.name}: {name} is a setting, to which no gradient flows, and it is a Tensor that requires one: "
            f"detach() it."
        )
    return value.numpy()


def _whole(op: Op, out: Any) -> ndarray:
    """Make an array of a NumPy scalar, which is what a 0-d result comes as."""
    if not isinstance(out, np.generic | int | float):
        raise DTypeError(f"op {op.name}: its forward returned a {type(out).__name__}, and must return one array.")
    return np.asarray(out)


def _cell_of(out: ndarray, inputs: tuple[Any, ...]) -> Cell:
    """Return the cell of the input whose memory the result is a view of, or a new one."""
    for x in inputs:
        if x.__class__ is Tensor and np.may_share_memory(out, x._data):
            cell: Cell = x._cell
            cell.shared = True
            return cell
    return Cell()


_IMMUTABLE = (
    int, float, complex, bool, str, bytes, NoneType, EllipsisType, range, type, FunctionType, BuiltinFunctionType,
    np.dtype, np.ufunc, np.number, np.bool_,
)  # fmt: skip


def _frozen(op: Op, name: str, value: Any) -> Any:
    """Return what a node can keep of a plain value: the value itself, or a copy where its owner could change it."""
    kind = value.__class__
    if kind is ndarray and not value.dtype.hasobject:
        return value.copy("K")
    if isinstance(value, _IMMUTABLE):
        return value
    if kind is Tensor:
        return _setting(op, name, value).copy()
    if isinstance(value, ndarray | memoryview):
        return np.array(value)
    if kind in (tuple, list):
        return kind(_frozen(op, name, part) for part in value)
    if kind is slice:
        return slice(*(_frozen(op, name, part) for part in (value.start, value.stop, value.step)))
    try:
        return deepcopy(value)
    except Exception as error:
        raise DTypeError(
            f"op {op.name}: a rule asks for {name}, a {kind.__name__}, which cannot be copied ({error}): its owner "
            f"could change it before the rule runs. Give numbers, strings, arrays, or lists, tuples and dicts of them."
        ) from error


def _follow(
    op: Op, inputs: tuple[Any, ...], arrays: tuple[Any, ...], out: ndarray, settings: dict[str, Any]
) -> tuple[Any, ...]:
    """Keep a float dtype that no Tensor has out of the result: plain operands follow the tensors they meet.

    Where the op gave another, it gets what it promotes in the widest dtype of the floating Tensors, or in float32.
    """
    if out.dtype.kind in "iub":
        return *arrays, out
    if out.dtype.kind != "f":
        raise DTypeError(f"op {op.name}: a Tensor holds real numbers or booleans; this would be {out.dtype}.")
    numbers = [a.dtype for k, a in enumerate(arrays) if inputs[k].__class__ is Tensor and op.promoted(k)]
    floats = [dtype for dtype in numbers if dtype.kind == "f"]
    wanted = np.result_type(*floats) if floats else FLOAT32
    if not op.promotes or out.dtype in (*floats, wanted):
        return *arrays, out
    arrays = tuple(np.asarray(a, wanted) if op.promoted(k) else a for k, a in enumerate(arrays))
    return *arrays, np.asarray(op.forward(*arrays, **settings)).astype(wanted, copy=False)


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
