"""Generated calls: the recorder as source code for one op, without loops or inspection.

The call is the hot path, so its Python source is generated and compiled at its first use, as in
`collections.namedtuple`. Print ``inspect.getsource(tg.multiply.call)`` to read one.
"""

from __future__ import annotations

import itertools
import linecache
import re
from collections.abc import Callable
from functools import partial
from inspect import Parameter, signature
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.core import Storage, checks, clock, recording
from tinygrad_edu.engine import arguments
from tinygrad_edu.engine.batching import call_mapped
from tinygrad_edu.engine.fast.generated_node import GeneratedNode, GeneratedVJPs, Saved
from tinygrad_edu.engine.fast.parameters import parameters
from tinygrad_edu.engine.mapped import Mapped, innermost_level
from tinygrad_edu.engine.modes import Block
from tinygrad_edu.engine.op import Op, call_with_keywords
from tinygrad_edu.engine.tensor import Tensor
from tinygrad_edu.errors import MappedValueError
from tinygrad_edu.errors.hints import RENAMED

# A line that begins with x is repeated for each input, one that begins with s for each setting; <x> and <s> are their
# names. A line that begins with k is used if a call may have keywords that the forward lacks. The content of
# <each ...>, <any ...> and <all ...> is repeated for each input and joined by nothing, by `or` and by `and`. The call's
# own names begin with an underscore; parameters of an op cannot.
_TEMPLATE = """\
  def <op>(<parameters>):
k     if _others: return _call_with_keywords(_op, (<each <x>, >), _dict(<keywords>), _others)
s     if <s>.__class__ is _Tensor: <s> = _setting(_op, '<s>', <s>)
      if <all <x>.__class__ is _ndarray>:
          try:
              return _forward(<each <x>, ><keywords>)
          except _MappedValueError as _error:
              return _call_with_mapped_settings(_op, (<each <x>, >), _dict(<keywords>), _error)
          except _Exception as _error:
              _add_context(_op, _error, (<each <x>, >))
              raise
x     if <x>.__class__ is _Tensor:
x         _<x>_data = <x>._data; _<x>_node = <x>._node; _<x>_storage = <x>._storage
x     elif <x>.__class__ in _UNCONVERTED_TYPES:
x         _<x>_data = <x>; _<x>_node = _<x>_storage = None
x     elif <x>.__class__ is _Mapped:
x         return _call_mapped(_op, '<op>', _op.batching, (<each <x>, >), _dict(<keywords>))
x     else:
x         _<x>_data = _operand(_op, '<x>', <x>); _<x>_node = _<x>_storage = None
      _block = _recording()
      if _block is not True and _block.__class__ is _Block and _block.observers and (<any _<x>_storage is not None>):
          return _record(_op, (<each <x>, >), _dict(<keywords>))
      _time = _next(_clock)
      try:
          _out = _forward(<each _<x>_data, ><keywords>)
      except _MappedValueError as _error:
          return _call_with_mapped_settings(_op, (<each <x>, >), _dict(<keywords>), _error)
      except _Exception as _error:
          _add_context(_op, _error, (<each _<x>_data, >))
          raise
      if <all _<x>_storage is None>:
          return _out
      if _out.__class__ is not _ndarray:
          if _out.__class__ is _Mapped:  # from a mapped setting
              return _call_mapped(_op, '<op>', _op.batching, (<each <x>, >), _dict(<keywords>))
          _out = _result(_op, _out)
      _dtype = _out.dtype
      if (<any (_<x>_storage is not None and _<x>_data.dtype is not _dtype)>) and not (<fits>):
          <each _<x>_data, >_out = _promote_result(
              _op, _names, (<each <x>, >), (<each _<x>_data, >), _out, _dict(<keywords>))
          _dtype = _out.dtype
      _tensor = _make(_Tensor)
      _tensor._data = _out
      if _out.base is None and <all _out is not _<x>_data>:
          _tensor._storage = _storage = _Storage(); _storage.version = 0
      else:
          _tensor._storage = _storage = _storage_of(_out, (<each <x>, >))
      _records = _block and (_dtype is _FLOAT32 or _dtype.kind == 'f')
      if not _records or <all _<x>_node is None>:
          _tensor._node = None
          return _tensor
x     if _<x>_node is not None and _<x>_storage.version:
x         _unchanged('op <op>', 'argument <x>', <x>)
      _tensor._node = _node = _Node()
      _node.time = _time; _node.hooks = None; _node.vjps = _vjps; _node.shape = _out.shape; _node.dtype = _dtype
      _node.links = (<each _<x>_node, ><each _<x>_storage, >_storage)
      _node.values = (<saved>)
      return _tensor
x
x
x def _vjp_<x>(_g, _saved):
x     return _function_<x>(_g<args>)
"""
_SEPARATORS = {"each": "", "any": " or ", "all": " and "}
# Calls with more arrays are not generated, since each number of arrays needs a separate function.
_MAX_GENERATED = 16


def generated_call(op: Op) -> Callable[..., Any]:
    """Return the call of an op. For a variadic op, generate a call for each number of inputs at its first use."""
    if not op.variadic:
        return _compile_call(op, op.inputs)
    written: dict[int, Callable[..., Any]] = {}

    def call(*inputs: Any, **settings: Any) -> Any:
        count = len(inputs)
        if not count:
            return op.forward(**settings)  # the forward raises its own error
        if count > _MAX_GENERATED:
            return _record(op, inputs, op.settings | settings)
        if count not in written:
            written[count] = _compile_call(op, op.names(count))
        return written[count](*inputs, **settings)

    return call


def _record(op: Op, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Compute a call that is not generated: one of many inputs, or one that observers watch."""
    named = {op.inputs[0]: inputs} if op.variadic else dict(zip(op.inputs, inputs, strict=True))
    return op.call_class(op, named, settings).run()


def vjps_of(op: Op, names: tuple[str, ...]) -> GeneratedVJPs:
    """Return the vjps of an op for these inputs, and the values that they request."""
    vjps, places = GeneratedVJPs(op, names), dict[str, int]()
    sources = {x: k for k, x in enumerate((*names, "out"))}
    for k, x in enumerate(names):
        argument = op.inputs[0] if op.variadic else x
        function = op.vjp_functions.get(argument) or partial(_missing_vjp, op, argument)
        for name in op.vjp_arguments[x]:
            vjps.saves.setdefault(Saved(name, sources.get(name)), []).append(k)
            places.setdefault(name, len(places))
        if op.variadic and "k" in (p.name for p in parameters(function)):
            function = partial(function, k=k)
        vjps.functions.append((function, {name: places[name] for name in op.vjp_arguments[x]}))
    return vjps


def _missing_vjp(op: Op, x: str, g: Any) -> None:
    without = SimpleNamespace(name=op.name, vjp_functions={})  # a vjp since the call would lack its saved values
    checks.has_vjp(without, x, g)


def call_with_mapped_settings(op: Op, inputs: tuple[Any, ...], settings: dict[str, Any], error: Exception) -> Any:
    """Call an op whose forward needs the values of a mapped setting, once for each sample."""
    if innermost_level(settings) is None:
        raise error
    return call_mapped(op, op.name, op.batching, inputs, settings)


def source(op: Op, vjps: GeneratedVJPs) -> str:
    """Return the call of an op and its vjps, as Python source."""
    values = {"op": op.name, "parameters": ", ".join(_parameters(op, vjps.names)), "saved": _saved_values(op, vjps)}
    values["fits"] = _fitting_dtype(op, vjps.names)
    values["keywords"] = ", ".join(f"{name}={name}" for name in op.settings)
    vjp_args = {x: _vjp_arguments(*call) for x, call in zip(vjps.names, vjps.functions, strict=True)}
    text = ""
    for kind, lines in itertools.groupby(_TEMPLATE.splitlines(), key=lambda line: line[0]):
        block = "".join(f"{line[2:]}\n" for line in lines)
        for name in {"x": vjps.names, "s": tuple(op.settings), "k": ("",) * _takes_kwargs(op), " ": ("",)}[kind]:
            text += _fill_template(block, vjps.names, {**values, "x": name, "s": name, "args": vjp_args.get(name, "")})
    return text


def _fill_template(text: str, names: tuple[str, ...], values: dict[str, str]) -> str:
    """Substitute the inputs into <each ...>, <any ...> and <all ...>, and the values for their names."""
    text = re.sub(
        r"<(each|any|all) ((?:<x>|[^<>])*)>",
        lambda match: _SEPARATORS[match[1]].join(match[2].replace("<x>", x) for x in names),
        text,
    )
    return re.sub(r"<(\w+)>", lambda match: values[match[1]], text)


def _parameters(op: Op, names: tuple[str, ...]) -> list[str]:
    """Return the parameters of the call, which are those of the forward."""
    parts = [*names, "/"] if op.slash else [*names]
    for p in op.signature.parameters.values():
        if p.name in op.settings:
            if p.kind is Parameter.KEYWORD_ONLY and "*" not in parts:
                parts.append("*")
            # A call with an unknown keyword reaches its hint although a setting is missing, which is a Tensor then.
            default = f"_default_{p.name}" if p.default is not Parameter.empty else "_MISSING" * _takes_kwargs(op)
            parts.append(f"{p.name}={default}" if default else p.name)
    return parts + ["**_others"] * _takes_kwargs(op)


def _takes_kwargs(op: Op) -> bool:
    """Return whether a call accepts any keyword: a composition takes it, or an error has a hint to its name here."""
    return op.composition is not None or not (RENAMED - {"axes"}).isdisjoint(op.settings)  # transpose stays fast


def _fitting_dtype(op: Op, names: tuple[str, ...]) -> str:
    """Return the source of whether a promoted Tensor has the dtype of the result, which then needs no promotion.

    If it is float64, a warning may be needed.
    """
    fits = [f"_{x}_storage is not None and _{x}_data.dtype is _dtype" for x in names if op.promoted(x)]
    return f"_dtype is not _FLOAT64 and ({' or '.join(fits) or False})"


def _saved_values(op: Op, vjps: GeneratedVJPs) -> str:
    """Return the source of the saved values: those that the vjps of inputs with a gradient need."""
    code = _expressions(op, vjps.names)
    written = ""
    for saved, vjp_indices in vjps.saves.items():
        condition = " or ".join(f"_{vjps.names[k]}_node is not None" for k in vjp_indices)
        unconditional = len(vjp_indices) == len(vjps.names)
        written += f"{code[saved.name]}, " if unconditional else f"{code[saved.name]} if {condition} else None, "
    return written


def _vjp_arguments(vjp: Callable[..., Any], positions: dict[str, int]) -> str:
    """Return the source of the arguments of a vjp, by position where possible, which is faster than by keyword."""
    first = [p.name for p in signature(vjp).parameters.values() if p.kind is Parameter.POSITIONAL_OR_KEYWORD][1:]
    return "".join(
        f", _saved[{position}]" if first[k : k + 1] == [name] else f", {name}=_saved[{position}]"
        for k, (name, position) in enumerate(positions.items())
    )


def _expressions(op: Op, names: tuple[str, ...]) -> dict[str, str]:
    """Return the source of each value that a vjp can save, by its name."""
    code = {"out": "_out", f"{op.inputs[0]}_shapes": f"({''.join(f'_shape_of(_{x}_data), ' for x in names)})"}
    for x in names:
        # A plain array is copied when it is saved: it has no version counter that would detect a change.
        code[x] = f"(_{x}_data if _{x}_storage is not None else _copy_saved(_op, {x!r}, _{x}_data))"
        code[f"{x}_shape"], code[f"{x}_dtype"] = f"_shape_of(_{x}_data)", f"_{x}_data.dtype"
    return code | {name: f"_copy_saved(_op, {name!r}, {name})" for name in op.settings}


def _compile_call(op: Op, names: tuple[str, ...]) -> Callable[..., Any]:
    """Compile the call of an op. Tracebacks show its source."""
    vjps = vjps_of(op, names)
    text = source(op, vjps)
    filename = f"<op {op.__name__}, {len(vjps.names)} inputs>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {
        **{f"_default_{name}": default for name, default in op.settings.items()},
        **{f"_function_{x}": vjp for x, (vjp, _) in zip(vjps.names, vjps.functions, strict=True)},
        "_op": op, "_forward": op.forward, "_vjps": vjps, "_dict": dict, "_Exception": Exception, "_next": next,
        "_Tensor": Tensor, "_Node": GeneratedNode, "_names": names,
        "_Storage": Storage, "_make": object.__new__, "_clock": clock,
        "_Mapped": Mapped, "_MappedValueError": MappedValueError,
        "_call_mapped": call_mapped, "_call_with_mapped_settings": call_with_mapped_settings,
        "_ndarray": ndarray, "_shape_of": np.shape, "_recording": recording.get, "_Block": Block, "_record": _record,
        "_unchanged": checks.unchanged, "_call_with_keywords": call_with_keywords,
        "_FLOAT32": arguments.FLOAT32, "_FLOAT64": np.dtype(np.float64),
        "_UNCONVERTED_TYPES": arguments.UNCONVERTED_TYPES, "_operand": arguments.operand,
        "_MISSING": arguments.MISSING, "_setting": arguments.setting,
        "_result": arguments.result, "_promote_result": arguments.promote_result,
        "_storage_of": arguments.storage_of, "_copy_saved": arguments.copy_saved, "_add_context": arguments.add_context,
    }  # fmt: skip
    exec(compile(text, filename, "exec"), namespace)
    vjps.pairs = tuple((k, namespace[f"_vjp_{x}"]) for k, x in enumerate(vjps.names))
    call: Callable[..., Any] = namespace[op.name]
    call.__doc__, call.__module__ = op.__doc__, op.__module__
    return call
