"""Batching rules: the call of an op, or of a function of ops, with values inside of `vmap`.

A rule computes all samples by one call on Tensors whose axis 0 is the axis of the samples.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from inspect import Parameter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from tinygrad_edu.engine.mapped import (
    Level,
    Mapped,
    Trace,
    aligned,
    hidden,
    innermost_level,
    is_mapped_by,
    joined,
    leaves,
    open_levels,
    opened,
    peeled,
    require_open,
    sample,
    shifted,
    warn_of_a_loop,
)
from tinygrad_edu.engine.tensor import Tensor, shape_of
from tinygrad_edu.errors import MappedValueError, VJPDefinitionError
from tinygrad_edu.errors.hints import explain_arguments

_Function = TypeVar("_Function", bound=Callable[..., Any])


class MappedCall(NamedTuple):
    """A call with the axis of the samples visible, for a batching rule.

    Attributes
    ----------
    call : callable
        The op or function.
    inputs : list
        The inputs. Those that are mapped have the samples along axis 0.
    mapped : list of bool
        Which inputs are mapped.
    level : Level
        The call of `vmap`.
    settings : dict
        The settings of an op, or the keyword arguments of a function. None of them is mapped by this call of `vmap`.
    """

    call: Callable[..., Any]
    inputs: list[Any]
    mapped: list[bool]
    level: Level
    settings: dict[str, Any]

    @property
    def size(self) -> int:
        """The number of samples."""
        return self.level.size

    def on_leading(self, **changed: Any) -> Any:
        """Call the function on the inputs as they are, with some settings changed."""
        return self.call(*self.inputs, **{**self.settings, **changed})

    def with_inputs(self, *inputs: Any) -> MappedCall:
        """Return the call with other inputs, all of them mapped."""
        return self._replace(inputs=list(inputs), mapped=[True] * len(inputs))

    def shifted(self, axis: Any, ndim: int | None = None) -> Any:
        """Return the position of an axis of a sample, by default of input 0, behind the axis of the samples."""
        return shifted(axis, self.sample_ndim() if ndim is None else ndim)

    def spread(self) -> MappedCall:
        """Return the call with every input mapped: one that is not is broadcast along the axis of the samples."""
        pairs = zip(self.inputs, self.mapped, strict=True)
        return self.with_inputs(*(x if is_on else broadcast_along_samples(x, self.size) for x, is_on in pairs))

    def aligned(self) -> list[Any]:
        """Return inputs that broadcast with each other as their samples do."""
        return aligned(self.inputs, self.mapped, self.size)

    def sample_shape(self, k: int = 0) -> tuple[int, ...]:
        """Return the shape of a sample of input k."""
        shape = shape_of(self.inputs[k])
        return shape[1:] if self.mapped[k] else shape

    def sample_ndim(self, k: int = 0) -> int:
        """Return the number of axes of a sample of input k."""
        return len(self.sample_shape(k))


def broadcast_along_samples(x: Any, size: int) -> Any:
    """Return an array or Tensor with an axis of this length before its first."""
    x = x if isinstance(x, Tensor) else np.asarray(x)
    shape = (size, *x.shape)
    return x.expand_dims(0).broadcast_to(shape) if isinstance(x, Tensor) else np.broadcast_to(x, shape)


# Returns the results of all samples, stacked along axis 0, or NotImplemented, for a call that the rule does not cover.
BatchingRule = Callable[[MappedCall], Any]


def _elementwise(batch: MappedCall) -> Any:
    """Compute inputs that broadcast against each other."""
    if not getattr(batch.call, "broadcasts", True):
        return batch.spread().on_leading()
    return batch._replace(inputs=batch.aligned()).on_leading()


def _axis(batch: MappedCall) -> Any:
    """Compute along the setting `axis`: an axis of the input, or several; None means all."""
    axis, ndim = batch.settings["axis"], batch.sample_ndim()
    if not ndim and axis in (0, -1, None, ()):  # NumPy allows the axes 0 and -1 of a 0-d array
        if "keepdims" not in batch.settings:
            return NotImplemented if axis in (0, -1) else batch.on_leading(axis=())
        return batch.with_inputs(batch.inputs[0].expand_dims(1)).on_leading(axis=1, keepdims=False)
    return batch.on_leading(axis=tuple(range(1, ndim + 1)) if axis is None else shifted(axis, ndim))


def _along(batch: MappedCall) -> Any:
    """Compute along the setting `axis`, an axis of inputs of equal shapes; None flattens them."""
    axis, ndim = batch.settings["axis"], batch.sample_ndim()
    batch = batch.spread()
    if axis is None:
        return batch.with_inputs(*(x.reshape((batch.size, -1)) for x in batch.inputs)).on_leading(axis=1)
    if not ndim:
        return NotImplemented  # NumPy's functions differ in whether the result is 0-d or 1-d
    return batch.on_leading(axis=shifted(axis, ndim))


def _last_axes(count: int) -> BatchingRule:
    """Return the rule of an op on the last axes of its inputs; the axes before them are independent."""

    def rule(batch: MappedCall) -> Any:
        if any(batch.sample_ndim(k) < count for k in range(len(batch.inputs))):
            return NotImplemented  # the axis of the samples would be one of the last: the op decides about one sample
        return batch.spread().on_leading()

    return rule


def _first(batch: MappedCall) -> Any:
    """Compute inputs whose first axis is a batch, and that of the result: merge the axis of the samples with it."""
    merged = batch.with_inputs(*(x.reshape((batch.size * x.shape[1], *x.shape[2:])) for x in batch.spread().inputs))
    return _split_first(merged.on_leading(), batch.size)


def _split_first(out: Any, size: int) -> Any:
    """Split the first axis of a result, or of each of several, into that of the samples and the rest."""
    if isinstance(out, tuple):
        return tuple(_split_first(part, size) for part in out)
    return out if out is None else out.reshape((size, len(out) // size, *out.shape[1:]))


RULES: dict[str, BatchingRule] = {
    "elementwise": _elementwise, "axis": _axis, "along": _along, "vectors": _last_axes(1), "matrices": _last_axes(2),
    "first": _first,
}  # fmt: skip


def rule_of(name: str, rule: str | BatchingRule | None) -> BatchingRule | None:
    """Return the rule that a word names, or the rule itself."""
    if isinstance(rule, str):
        if rule not in RULES:
            raise VJPDefinitionError(
                f"op {name!r}: batching must be a function or one of {sorted(RULES)}, got {rule!r}."
            )
        return RULES[rule]
    return rule


def call_mapped(
    call: Callable[..., Any], name: str, rule: BatchingRule | None, inputs: tuple[Any, ...], settings: dict[str, Any]
) -> Any:
    """Call an op or a function of which an argument is mapped: by its rule, or once for each sample."""
    level = innermost_level((inputs, settings))
    assert level is not None
    require_open([level], name)
    if isinstance(level, Trace):
        return level.record(call, name, inputs, settings)
    out: Any = NotImplemented
    if rule is not None and _covers(rule, settings, level):
        mapped = [is_mapped_by(x, level) for x in inputs]
        nested = any(isinstance(x, list | tuple) and innermost_level(x) is level for x in inputs)
        if not nested:
            arguments = [peeled(x) if on else x for x, on in zip(inputs, mapped, strict=True)]
            try:
                out = rule(MappedCall(call, arguments, mapped, level, settings))
            except Exception as error:
                error.add_note(f"In vmap: axis 0 of the mapped inputs of {name} is that of the {level.size} samples.")
                raise
    if out is NotImplemented:
        return _loop(call, name, inputs, settings, level)
    return _hidden_results(out, level, name)


def _covers(rule: BatchingRule, settings: dict[str, Any], level: Level) -> bool:
    """Return whether a rule covers the mapped settings: those of other levels, or those of this level alone."""
    mapped_by = {x.levels for x in leaves(settings) if isinstance(x, Mapped)}
    if all(levels[-1] is not level for levels in mapped_by):
        return True
    return getattr(rule, "takes_mapped_settings", False) and mapped_by == {(level,)}


def _hidden_results(out: Any, level: Level, name: str) -> Any:
    if isinstance(out, tuple):
        parts = [_hidden_results(part, level, name) for part in out]
        return type(out)(*parts) if hasattr(out, "_fields") else tuple(parts)
    if out is None:
        return None
    if shape_of(out)[:1] != (level.size,):
        raise MappedValueError(f"{name}: its batching rule returned shape {shape_of(out)} for {level.size} samples.")
    return hidden(out, level)


def _loop(call: Callable[..., Any], name: str, inputs: tuple[Any, ...], settings: dict[str, Any], level: Level) -> Any:
    warn_of_a_loop(name)
    rows = []
    for index in range(level.size):
        args, keywords = sample((inputs, settings), level, index)
        rows.append(call(*args, **keywords))
    return joined(rows, level, name)


def random(function: _Function) -> _Function:
    """Declare a function that draws random numbers, which raises inside of `vmap` unless `randomness` allows it."""

    @wraps(function)
    def call(*args: Any, **settings: Any) -> Any:
        try:
            return draw_in_vmap(call, args, settings) if open_levels() else function(*args, **settings)
        except TypeError:
            explain_arguments(function, settings)
            raise

    return call  # type: ignore[return-value]


def draw_in_vmap(draw: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    """Draw random numbers as the randomness of the innermost level says."""
    *outer, level = open_levels()
    if level.randomness == "error":
        raise MappedValueError(f"{draw.__name__} draws random numbers inside of {level.place}. {level.random_numbers}.")
    is_same = level.randomness == "same"
    with opened(tuple(outer)):
        if is_same and innermost_level((args, settings)) is not level:
            return draw(*args, **settings)
        states = [(x, x.bit_generator.state) for x in leaves((args, settings)) if isinstance(x, np.random.Generator)]
        rows = []
        for index in range(level.size):
            for generator, state in states if is_same else ():
                generator.bit_generator.state = state
            row, keywords = sample((args, settings), level, index)
            rows.append(draw(*row, **keywords))
    return joined(rows, level, draw.__name__)


def batched(
    rule: str | BatchingRule | None = None, inputs: int | None = None, name: str | None = None
) -> Callable[[_Function], _Function]:
    """Declare the batching rule of a function that is composed of ops.

    Without a rule, the function runs once for each sample, because it reads values.

    Parameters
    ----------
    rule : str or callable, optional
        As for `op`.
    inputs : int, optional
        Number of leading parameters that are inputs. The others are settings. Default: those without a default.
    name : str, optional
        Name in errors and warnings. Default: that of the function.
    """

    def decorate(function: _Function) -> _Function:
        chosen, parameters = rule_of(function.__name__, rule), inspect.signature(function).parameters
        # The loop variable is not `name`: Python 3.12 and 3.13 then lose the value of `name` for `call`.
        required = [p for p in parameters.values() if p.default is Parameter.empty]
        names = list(parameters)[: len(required) if inputs is None else inputs]

        @wraps(function)
        def call(*args: Any, **settings: Any) -> Any:
            try:
                if not open_levels() or innermost_level((args, settings)) is None:
                    return function(*args, **settings)
                bound = inspect.signature(function).bind(*args, **settings)
            except TypeError:
                explain_arguments(function, settings)
                raise
            bound.apply_defaults()
            values = bound.arguments
            rest = {name: value for name, value in values.items() if name not in names}
            return call_mapped(call, name or function.__name__, chosen, tuple(values[name] for name in names), rest)

        return call  # type: ignore[return-value]

    return decorate


def composite(name: str) -> Callable[[_Function], _Function]:
    """Declare a function of ops that an exporter may replace as a whole, such as all steps of a recurrent layer.

    Parameters
    ----------
    name : str
        Name in errors.
    """

    def decorate(function: _Function) -> _Function:
        @wraps(function)
        def call(*args: Any, **settings: Any) -> Any:
            if open_levels() and isinstance(level := innermost_level((args, settings)), Trace):
                return level.record(call, name, args, settings)
            return function(*args, **settings)

        return call  # type: ignore[return-value]

    return decorate
