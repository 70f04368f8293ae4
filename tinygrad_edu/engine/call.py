"""The call of an op of the library: values inside of `vmap`, conversions, notes on errors, and observers.

By default `fast/generated_call.py` runs instead. It does the same, in a tenth of the time for a small op.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.core import Node, Storage
from tinygrad_edu.engine import arguments
from tinygrad_edu.engine.batching import call_mapped
from tinygrad_edu.engine.debug.observers import site_of_call
from tinygrad_edu.engine.mapped import innermost_level, open_levels
from tinygrad_edu.engine.memory import share
from tinygrad_edu.engine.modes import observers
from tinygrad_edu.engine.op import Op
from tinygrad_edu.engine.tensor import Tensor

_NUMBERS = (ndarray, np.floating, np.integer, np.bool_, float, int)


class CheckedCall(core.Call):
    """A call of an op with arrays, Tensors, lists or numbers."""

    op: Op

    def run(self) -> Any:
        """Compute and record, for each sample inside of `vmap`, and show the result to observers."""
        if open_levels() and innermost_level((*self.inputs.values(), self.settings)) is not None:
            return call_mapped(self.op, self.op.name, self.op.batching, tuple(self.inputs.values()), self.settings)
        return super().run() if not observers() or not self.tensors else self.observed()

    def observed(self) -> Any:
        """Compute and record, and show the result to observers."""
        site, result = site_of_call(), super().run()
        if result._node is not None:
            vars(result._node)["site"] = site
        for observer in observers():
            observer.on_op(self.op, self.arrays, arguments.given(self.settings), result, site)
        return result

    def operand(self, x: str) -> Any:
        """Return an input as an array or a number. Convert a list, and raise for what is not a number."""
        is_known = self.inputs[x].__class__ is Tensor or isinstance(self.inputs[x], _NUMBERS)
        return super().operand(x) if is_known else arguments.operand(self.op, x, self.inputs[x])

    def compute(self) -> Any:
        """Compute the result. Name the op in errors."""
        try:
            out = super().compute()
        except Exception as error:
            arguments.add_context(self.op, error, tuple(self.arrays.values()))
            raise
        return out if isinstance(out, ndarray | np.generic) or not self.tensors else arguments.result(self.op, out)

    def promoted(self, out: ndarray) -> ndarray:
        """Return the result in the dtype of the floating-point Tensors among the inputs that the op promotes."""
        if out.dtype == np.float32 and any(t.dtype == np.float32 for t in self.tensors.values()):
            return super().promoted(out)
        names, inputs, arrays = tuple(self.inputs), tuple(self.inputs.values()), tuple(self.arrays.values())
        *arrays, out = arguments.promote_result(self.op, names, inputs, arrays, out, self.settings)  # type: ignore[assignment]
        self.arrays = dict(zip(names, arrays, strict=True))
        return out

    def storage(self, out: ndarray) -> Storage:
        """Return the memory of the result, and note whether an input shares it."""
        storage = super().storage(out)
        return share(storage) if any(storage is t._storage for t in self.tensors.values()) else storage

    def copied(self, name: str, value: Any) -> Any:
        """Copy a value to save. Raise for an object that cannot be copied."""
        return arguments.copy_saved(self.op, name, value)


class VariadicCall(CheckedCall):
    """A call of an op with a variadic input. The parts of ``*arrays`` are the inputs ``arrays0, arrays1, ...``."""

    def __init__(self, op: Op, inputs: dict[str, Any], settings: dict[str, Any]) -> None:
        (parts,) = inputs.values()
        super().__init__(op, dict(zip(op.names(len(parts)), parts, strict=True)), settings)

    def node(self, result: core.Tensor, parents: dict[str, Node]) -> Node:
        """Return the record of this call, with the names of all parts."""
        node = super().node(result, parents)
        vars(node)["inputs"] = tuple(self.inputs)
        return node

    def values(self, result: core.Tensor) -> dict[str, Any]:
        """Return all that a vjp can request, with the shapes of all parts."""
        return super().values(result) | {f"{self.op.inputs[0]}_shapes": tuple(map(np.shape, self.arrays.values()))}


def _call_class(op: Op) -> type[CheckedCall]:
    """Return the class of the calls of an op."""
    return VariadicCall if op.variadic else CheckedCall


core.Op.call_class = property(_call_class)  # type: ignore[assignment]
