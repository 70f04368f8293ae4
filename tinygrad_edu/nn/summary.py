"""What a model is made of: a table of its layers, the shapes they return and how many parameters they hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor, from_numpy, no_grad
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.module import Module, duplicate


@dataclass(frozen=True, repr=False)
class Summary:
    """A table that prints itself.

    Attributes
    ----------
    rows : list of (str, str, str, int)
        Of each layer its name, its class, the shapes it returned, and how many parameters it holds itself.
    total, trainable : int
        How many parameters the model has, and how many of them require a gradient. Shared ones count once.
    """

    rows: list[tuple[str, str, str, int]]
    total: int
    trainable: int

    def __repr__(self) -> str:
        cells = [("Name", "Layer", "Output shape", "Parameters")]
        cells += [(name, layer, shapes, f"{count:,}") for name, layer, shapes, count in self.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2], "-" * widths[3]))
        lines = [
            f"{name:<{widths[0]}}  {layer:<{widths[1]}}  {shapes:<{widths[2]}}  {count:>{widths[3]}}"
            for name, layer, shapes, count in cells
        ]
        return "\n".join([*lines, f"Total: {self.total:,} parameters, {self.trainable:,} of them trainable."])


def summary(model: Module, input_shape: Sequence[int]) -> Summary:
    """Return a table of the layers of a model, from a run on zeros.

    It is a copy that runs, in evaluation mode: the mode, the parameters and the generators of the model stay as they
    are.

    Parameters
    ----------
    model : Module
    input_shape : sequence of int
        Of one sample, without the axis of the batch: (1, 28, 28).

    Returns
    -------
    Summary
        Print it. Modules that only hold other modules have no row.

    Raises
    ------
    ShapeError
        If `input_shape` is not a sequence, or the model refuses it.

    Examples
    --------
    >>> from tinygrad_edu.nn import Conv2D, Flatten, Linear, Sequential, Tanh
    >>> print(summary(Sequential(Conv2D(1, 16, 3), Tanh(), Flatten(), Linear(10816, 10)), (1, 28, 28)))
    Name  Layer    Output shape     Parameters
    ----  -------  ---------------  ----------
    0     Conv2D   (1, 16, 26, 26)         160
    1     Tanh     (1, 16, 26, 26)           0
    2     Flatten  (1, 10816)                0
    3     Linear   (1, 10)             108,170
    Total: 108,330 parameters, 108,330 of them trainable.
    """
    if not isinstance(input_shape, Sequence):
        raise ShapeError(f"input_shape is the shape of one sample, such as (784,), not {input_shape!r}.")
    counted: set[int] = set()
    rows = []
    for name, module, shapes in _shapes_returned(duplicate(model).eval(), input_shape):
        parts = [part for _, part in module._parts()]
        tensors = {id(part): part for part in parts if isinstance(part, Tensor) and part.is_leaf}
        if tensors or not any(isinstance(part, Module) for part in parts):
            count = sum(tensor.size for key, tensor in tensors.items() if key not in counted)
            rows.append((name, type(module).__name__, ", ".join(shapes) or "not used", count))
        counted |= tensors.keys()
    trainable = sum(parameter.size for parameter in model.parameters())
    return Summary(rows, sum(count for *_, count in rows), trainable)


def _shapes_returned(model: Module, input_shape: Sequence[int]) -> list[tuple[str, Module, list[str]]]:
    """Run a model that may be changed; return each module in it with the different shapes that it returned."""
    seen: list[tuple[str, Module, list[str]]] = [(name, module, []) for name, module in model.named_modules()]
    for _, module, shapes in seen:
        vars(module)["forward"] = _observed(module.forward, shapes)
    dtype = next((parameter.dtype for parameter in model.parameters()), np.dtype(np.float32))
    with no_grad():
        model(from_numpy(np.zeros((1, *input_shape), dtype)))
    return seen


def _observed(forward: Callable[..., Any], shapes: list[str]) -> Callable[..., Any]:
    def observed(*inputs: Any, **settings: Any) -> Any:
        out = forward(*inputs, **settings)
        shape = str(getattr(out, "shape", type(out).__name__))
        if shape not in shapes:
            shapes.append(shape)
        return out

    return observed
