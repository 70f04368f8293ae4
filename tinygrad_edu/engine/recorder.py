"""The call of an op in plain loops: compute the result, and record a node if an input needs a gradient.

By default `fast/generated_call.py` runs instead. It does the same, in half the time for a small op.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import arguments
from tinygrad_edu.engine.batching import call_mapped
from tinygrad_edu.engine.debug.observers import site_of_call
from tinygrad_edu.engine.mapped import innermost_level, open_levels
from tinygrad_edu.engine.memory import clock
from tinygrad_edu.engine.modes import innermost_block
from tinygrad_edu.engine.node import Node
from tinygrad_edu.engine.op import Op, VJPs
from tinygrad_edu.engine.tensor import Tensor, refuse_stale, wrap
from tinygrad_edu.names import raise_unexpected_keyword


def plain_call(op: Op) -> Callable[..., Any]:
    """Return the call of an op: bind the arguments as Python does, then `record`."""
    signature = inspect.signature(op.forward)

    @wraps(op.forward)
    def call(*args: Any, **keywords: Any) -> Any:
        try:
            bound = signature.bind(*args, **keywords)
        except TypeError as error:
            others = [name for name in keywords if name not in signature.parameters]
            if others:
                return call_with_keywords(op, args, keywords, {name: keywords.pop(name) for name in others})
            raise TypeError(f"{op.name}() got unexpected arguments: {error}.") from None
        bound.apply_defaults()
        values = bound.arguments
        inputs = values[op.inputs[0]] if op.variadic else tuple(values[x] for x in op.inputs)
        return record(op, inputs, {name: values[name] for name in op.settings})

    return call


def call_with_keywords(op: Op, args: Any, settings: dict[str, Any], others: dict[str, Any]) -> Any:
    """Compute a call with keywords that the forward lacks by the op's composition. Raise for unknown keywords."""
    unknown = [name for name in others if name not in op.keywords]
    if unknown:
        raise_unexpected_keyword(op.name, unknown, (*op.settings, *op.keywords))
    given = {k: x for k, x in others.items() if x is not op.keywords[k]}
    values = {k: arguments.setting(op, k, x) if x.__class__ is Tensor else x for k, x in (settings | given).items()}
    function = op.composition if given and op.composition else op
    return function(*args, **values)


def record(op: Op, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Compute an op. If an input is a Tensor, return a Tensor, with a node if an input needs a gradient."""
    if open_levels() and innermost_level((inputs, settings)) is not None:
        return call_mapped(op, op.name, op.batching, inputs, settings)
    vjps, tensors = op.vjps_for(len(inputs)), [x for x in inputs if x.__class__ is Tensor]
    arrays = tuple(_data(op, name, x) for name, x in zip(vjps.names, inputs, strict=True))
    settings = {k: arguments.setting(op, k, x) if x.__class__ is Tensor else x for k, x in settings.items()}
    number = next(clock)  # taken before the values are read: a later write makes them stale
    try:
        out = op.forward(*arrays, **settings)
    except Exception as error:
        arguments.add_context(op, error, arrays)
        raise
    return recorded(vjps, number, inputs, arrays, settings, out) if tensors else out


def recorded(
    vjps: VJPs, number: int, inputs: tuple[Any, ...], arrays: tuple[Any, ...], settings: dict[str, Any], out: Any
) -> Tensor:
    """Wrap the output of the forward in a Tensor, with a node if an input needs a gradient."""
    op, tensors = vjps.op, [x for x in inputs if x.__class__ is Tensor]
    assert op is not None
    out = out if out.__class__ is ndarray else arguments.result(op, out)
    *arrays, out = arguments.promote_result(op, inputs, arrays, out, settings)  # type: ignore[assignment]
    result = wrap(out, None, arguments.storage_of(out, inputs))
    block = innermost_block()
    observers = block.observers if block is not None else ()
    site = site_of_call() if observers else ""
    if (block is None or block.recording) and out.dtype.kind == "f" and any(x._node is not None for x in tensors):
        for name, x in zip(vjps.names, inputs, strict=True):
            if x.__class__ is Tensor:
                refuse_stale(f"op {op.name}", f"argument {name}", x)
        result._node = node = Node()
        node.number, node.vjps, node.shape, node.dtype = number, vjps, out.shape, out.dtype
        if observers:
            node.site = site
        nodes = [x._node if x.__class__ is Tensor else None for x in inputs]
        storages = [x._storage if x.__class__ is Tensor else None for x in inputs]
        node.links = (*nodes, *storages, result._storage)
        saveable = _saveable_getter(op, vjps, storages, arrays, out, settings)
        # The vjp of an input without a gradient never runs, so its values are not saved.
        needs = [any(nodes[k] is not None for k in vjp_indices) for vjp_indices in vjps.saves.values()]
        node.saved = tuple(
            saveable(saved.name) if needed else None for saved, needed in zip(vjps.saves, needs, strict=True)
        )
    for observer in observers:
        observer.on_op(vjps, arrays, arguments.given(settings), result, site)
    return result


def _saveable_getter(
    op: Op, vjps: VJPs, storages: list[Any], arrays: Any, out: ndarray, settings: dict[str, Any]
) -> Callable[[str], Any]:
    """Return a function that maps a name to the value that a vjp saves by that name."""
    values = {"out": out, f"{op.inputs[0]}_shapes": tuple(map(np.shape, arrays)), **settings}
    for x, array in zip(vjps.names, arrays, strict=True):
        values |= {x: array, f"{x}_shape": np.shape(array), f"{x}_dtype": getattr(array, "dtype", None)}
    # A plain value is copied when it is saved: it has no version counter that would detect a change.
    plain = {*settings, *(x for x, storage in zip(vjps.names, storages, strict=True) if storage is None)}
    return lambda name: arguments.copy_saved(op, name, values[name]) if name in plain else values[name]


def _data(op: Op, argument: str, x: Any) -> Any:
    if x.__class__ is Tensor:
        return x._data
    return x if x.__class__ in arguments.UNCONVERTED_TYPES else arguments.operand(op, argument, x)
