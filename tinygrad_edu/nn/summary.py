"""What a model is made of: a table of its layers, the shapes they return and how many parameters they hold."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, from_numpy, no_grad
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.containers import Lambda
from tinygrad_edu.nn.module import Module, duplicate, is_buffer


@dataclass(frozen=True, repr=False)
class Summary:
    """A table that prints itself.

    Attributes
    ----------
    rows : list of (str, str, str, int, int)
        Of each layer its name, its class, the shapes it returned, how many parameters it holds itself, and how many
        numbers are in its buffers.
    total, trainable, buffers : int
        How many parameters the model has, how many of them require a gradient, and how many numbers are in its buffers.
        Shared ones count once.
    """

    rows: list[tuple[str, str, str, int, int]]
    total: int
    trainable: int
    buffers: int

    def __repr__(self) -> str:
        columns = 5 if self.buffers else 4
        cells = [("Name", "Layer", "Output shape", "Parameters", "Buffers")[:columns]]
        cells += [(*row[:3], *(f"{count:,}" for count in row[3:]))[:columns] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, tuple("-" * width for width in widths))
        lines = [
            "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, "<<<>>", widths, strict=False))
            for row in cells
        ]
        buffers = f" In buffers: {self.buffers:,} numbers." if self.buffers else ""
        return "\n".join([*lines, f"Total: {self.total:,} parameters, {self.trainable:,} of them trainable.{buffers}"])


def summary(model: Module, *inputs: Any) -> Summary:
    """Return a table of the layers of a model, from a run on the inputs, or on zeros.

    It is a copy that runs, in evaluation mode: the mode, the parameters and the generators of the model stay as they
    are. Its hooks run as ever.

    Parameters
    ----------
    model : Module
    *inputs : array, Tensor, or tuple of int
        What the model is called with: a batch. Or the shape of one sample, without the axis of the batch: (1, 28, 28).

    Returns
    -------
    Summary
        Print it. Modules that only hold other modules have no row.

    Raises
    ------
    ShapeError
        If an input is neither an array nor a shape, or the model refuses it.

    Examples
    --------
    >>> from tinygrad_edu.nn import Conv2D, Flatten, Linear, Sequential
    >>> print(summary(Sequential(Conv2D(1, 16, 3), np.tanh, Flatten(), Linear(10816, 10)), (1, 28, 28)))
    Name  Layer         Output shape     Parameters
    ----  ------------  ---------------  ----------
    0     Conv2D        (1, 16, 26, 26)         160
    1     Lambda(tanh)  (1, 16, 26, 26)           0
    2     Flatten       (1, 10816)                0
    3     Linear        (1, 10)             108,170
    Total: 108,330 parameters, 108,330 of them trainable.
    """
    dtype = next((parameter.dtype for parameter in model.parameters()), np.dtype(np.float32))
    batches = [_batch(given, dtype) for given in inputs]
    counted: set[int] = set()
    rows = []
    for name, module, shapes in _shapes_returned(duplicate(model).eval(), batches):
        parts = [part for _, part in module._parts()]
        held = {id(part): part for part in parts if isinstance(part, Tensor) and part.is_leaf}
        if held or not any(isinstance(part, Module) for part in parts):
            kind = repr(module) if isinstance(module, Lambda) else type(module).__name__
            new = [tensor for key, tensor in held.items() if key not in counted]
            buffers = sum(tensor.size for tensor in new if is_buffer(tensor))
            count = sum(tensor.size for tensor in new) - buffers
            rows.append((name, kind, ", ".join(shapes) or "not used", count, buffers))
        counted |= held.keys()
    trainable = sum(parameter.size for parameter in model.parameters())
    return Summary(rows, sum(row[3] for row in rows), trainable, sum(row[4] for row in rows))


def _batch(given: Any, dtype: np.dtype[Any]) -> Any:
    """Return an input as it is, or zeros for one sample of the shape that was given for it."""
    if isinstance(given, Tensor | ndarray):
        return given
    if not isinstance(given, tuple | list) or not all(isinstance(length, int | np.integer) for length in given):
        raise ShapeError(f"summary: an input is an array, or the shape of one sample, such as (784,), not {given!r}.")
    return from_numpy(np.zeros((1, *given), dtype))


def _shapes_returned(model: Module, inputs: list[Any]) -> list[tuple[str, Module, list[str]]]:
    """Run a model that may be changed; return each module in it with the different shapes that it returned."""
    seen: list[tuple[str, Module, list[str]]] = [(name, module, []) for name, module in model.named_modules()]
    for _, module, shapes in seen:
        vars(module)["forward"] = _observed(module.forward, shapes)
    with no_grad():
        model(*inputs)
    return seen


def _observed(forward: Callable[..., Any], shapes: list[str]) -> Callable[..., Any]:
    def observed(*inputs: Any, **settings: Any) -> Any:
        out = forward(*inputs, **settings)
        shape = _shape(out)
        if shape not in shapes:
            shapes.append(shape)
        return out

    return observed


def _shape(out: Any) -> str:
    """Return the shape of a result as text; of several, in a tuple or list, the shape of each."""
    if isinstance(out, tuple | list):
        return f"[{', '.join(map(_shape, out))}]"
    return str(getattr(out, "shape", type(out).__name__))
