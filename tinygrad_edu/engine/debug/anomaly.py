"""Detection of the first op or vjp that introduces NaN or infinity."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from reprlib import repr as shortened
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.core import Node
from tinygrad_edu.engine.debug.call_site import CallSite
from tinygrad_edu.engine.debug.observers import VJP, Add, LikeInput, Observer, PassObserver, site_of
from tinygrad_edu.engine.fast.indexed_slices import densify
from tinygrad_edu.engine.modes import Mode
from tinygrad_edu.engine.node import input_names
from tinygrad_edu.engine.op import Op
from tinygrad_edu.errors import AnomalyError

_Values = dict[str, Any]
_Site = CallSite | str
_KINDS: dict[str, Callable[[Any], Any]] = {"NaN": np.isnan, "infinite": np.isinf}


def detect_anomaly() -> Mode:
    r"""Raise an error at the first op or vjp that introduces NaN or infinity, in a ``with`` block or as a decorator.

    An op introduces NaN if its result contains NaN and no input or setting does; a vjp, if its output contains NaN and
    neither its upstream gradient nor a saved value does. The same holds for infinities. So a given mask of -inf is
    not an anomaly, but NaN computed from it is.

    The check covers ops on Tensors and the whole backward pass, but not the computations inside of an op. It reads
    every element and records every call site, so it is slow: use it for debugging. The mode belongs to the thread or
    task that set it, as for `no_grad`.

    Raises
    ------
    AnomalyError
        The message shows the op, the first such element, the ranges of the inputs, and the line of your code that
        called the op. For a vjp, the line is known if the forward pass ran inside, too.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> try:
    ...     with detect_anomaly(), np.errstate(divide="ignore"):
    ...         tg.log(tg.Tensor([1.0, 0.0]))
    ... except AnomalyError as error:
    ...     print("\n".join(str(error).splitlines()[:3]))
    op log: result[1] is -inf, of x[1] = 0.0, and no input is infinite.
      x: float32 of shape (2,), 0.0 to 1.0
      result: float32 of shape (2,), 0.0, 1 x -inf
    """
    return Mode(observer=_ANOMALY_OBSERVER)


class _AnomalyObserver(Observer):
    """Observer that checks every element for NaN and infinities."""

    def on_op(self, op: Op, arrays: _Values, settings: _Values, result: Any, site: _Site) -> None:
        computed = _Computation(op, site, arrays, settings, lambda parts: op.forward(*parts.values(), **settings))
        computed.check("result", result)

    def on_backward(self, gradients: dict[Node, Any]) -> PassObserver:
        return _AnomalyPassObserver(gradients)


class _AnomalyPassObserver(PassObserver):
    """Checks the outputs of vjps, the unbroadcast gradients and the sums of gradients of one backward pass."""

    def __init__(self, gradients: dict[Node, Any]) -> None:
        self.gradients = gradients

    def vjp(self, node: Node, x: str, vjp: VJP) -> VJP:
        return partial(_checked_vjp, node, x, vjp)

    def like_input(self, node: Node, x: str, like_input: LikeInput) -> LikeInput:
        def checked(contribution: Any) -> Any:
            matched, name = like_input(contribution), f"gradient of {x}"
            computation = _Computation(node.op, site_of(node), {name: contribution}, {}, lambda parts: parts[name])
            computation.check(f"unbroadcast {name}", matched)
            return matched

        return checked

    def add(self, add: Add) -> Add:
        gradients = self.gradients

        def checked(node: Node, g: Any) -> None:
            summand_kinds, site = _nonfinite_kinds((gradients.get(node), g)), site_of(node)
            add(node, g)
            for kind in _nonfinite_kinds(gradients[node]) - summand_kinds:
                where = f"the result of op {node.op.name}" if node.op is not None else "a leaf"
                raise AnomalyError(
                    f"the sum of the gradients of {where}, {node.dtype} of shape {node.shape}, is {kind}, "
                    f"and no summand is.\n{site if node.op is not None else ''}".rstrip()
                )

        return checked


_ANOMALY_OBSERVER = _AnomalyObserver()


def _checked_vjp(node: Node, x: str, vjp: VJP, g: Any, saved: _Values) -> Any:
    contribution = vjp(g, saved)
    requested = {name: saved[name] for name in node.op.vjp_arguments[x]}
    arrays = {*node.storages, *input_names(node)}
    values = {"g": g} | {name: value for name, value in requested.items() if name in arrays}
    constants = {name: value for name, value in requested.items() if name not in values}

    def recompute(parts: _Values) -> Any:
        known = constants | parts
        return node.op.vjp_functions[x](known["g"], **{name: known[name] for name in requested})

    _Computation(node.op, site_of(node), values, constants, recompute).check(f"gradient of {x}", contribution)
    return contribution


class _Computation(NamedTuple):
    """A repeatable computation from `values`, which may be elementwise, and from `constants`."""

    op: Op
    site: CallSite | str
    values: _Values
    constants: _Values
    recompute: Callable[[_Values], Any]

    def check(self, name: str, result: Any) -> None:
        """Raise if the result is an anomaly."""
        for kind in _nonfinite_kinds(result) - _nonfinite_kinds((self.values, self.constants)):
            array = _as_array(result)
            index = tuple(map(int, np.argwhere(_KINDS[kind](array))[0]))
            message = f"op {self.op.name}: {name}{_index_text(index)} is {array[index]!s}"
            message += self._describe_operands(array.shape, index, kind)
            shown = {**self.values, **self.constants, name: array}
            lines = [f"  {input_name}: {_describe_array(x)}" for input_name, x in shown.items()]
            raise AnomalyError("\n".join([f"{message}, and no input is {kind}.", *lines, str(self.site)]))

    def _describe_operands(self, shape: tuple[int, ...], index: tuple[int, ...], kind: str) -> str:
        """Describe the operands of one element of the result, if these reproduce it."""
        if self.op.variadic or not (self.op.broadcasts or len(self.op.inputs) == 1):
            return ""
        elements, operands = {}, []
        try:
            for name, value in self.values.items():
                array = np.asarray(_as_array(value))
                np.broadcast_to(array, shape)
                position = tuple(0 if n == 1 else i for n, i in zip(array.shape[::-1], index[::-1], strict=False))[::-1]
                elements[name] = array[position].reshape((1,) * len(shape)) if array.ndim else value
                operands.append(f"{name}{_index_text(position)} = {array[position]!s}")
            with np.errstate(all="ignore"):
                recomputed = np.asarray(self.recompute(elements))
        except Exception:  # it is not elementwise
            return ""
        return ", of " + ", ".join(operands) if recomputed.size == 1 and _KINDS[kind](recomputed).all() else ""


def _nonfinite_kinds(value: Any) -> set[str]:
    """Return the kinds of nonfinite numbers in a value or in a container of values."""
    if isinstance(value, dict | tuple | list):
        return set().union(*map(_nonfinite_kinds, value.values() if isinstance(value, dict) else value))
    value = _as_array(value)
    if isinstance(value, float) or getattr(getattr(value, "dtype", None), "kind", None) == "f":
        return {kind for kind, is_one in _KINDS.items() if is_one(value).any()}
    return set()


def _as_array(value: Any) -> Any:
    """Return the array of a Tensor or of indexed slices. Return any other value unchanged."""
    return getattr(densify(value), "_data", densify(value))


def _index_text(index: tuple[int, ...]) -> str:
    return str(list(index)) if index else ""


def _describe_array(value: Any) -> str:
    """Describe an array by dtype, shape, range and the counts of NaN and infinities."""
    value = np.asarray(value) if isinstance(value, np.generic) else _as_array(value)
    if not isinstance(value, ndarray) or value.dtype.kind not in "fiub":
        return shortened(value)
    text = f"{value.dtype} of shape {value.shape}"
    numbers = value[np.isfinite(value)]
    if numbers.size and value.dtype.kind != "b":
        low, high = str(numbers.min()), str(numbers.max())
        text += f", {low} to {high}" if low != high else f", {low}"
    counts = {"NaN": np.isnan(value), "inf": value == np.inf, "-inf": value == -np.inf}
    nonfinite = [f"{mask.sum()} x {name}" for name, mask in counts.items() if mask.any()]
    return ", ".join([text, *nonfinite])
