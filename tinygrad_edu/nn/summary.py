"""Summary of a model: a table of layers, output shapes and parameter counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.core.module import walk
from tinygrad_edu.engine import Tensor, from_numpy, no_grad, role_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.containers import Lambda
from tinygrad_edu.nn.module import Module, duplicate, is_buffer, library_layer, name_of, warn_of_made_results
from tinygrad_edu.nn.randomness import random_stream
from tinygrad_edu.shared.display.html import table_html

_COLUMNS = ("Name", "Layer", "Output shape", "Parameters", "Frozen", "Buffers")


class LayerRow(NamedTuple):
    """One row of a summary.

    Attributes
    ----------
    name : str
        Path of the layer, such as "blocks.0". The model itself has the name "".
    layer : str
        Name of its class, or of a plain function.
    output : str
        Shapes of its outputs, each once. "3 x (1, 8)" means three calls; "not called" means none.
    parameters, frozen, buffers : int
        Numbers of elements of its own parameters, its own frozen parameters and its own buffers, without its child
        modules. Shared tensors count in the first row only.
    """

    name: str
    layer: str
    output: str
    parameters: int = 0
    frozen: int = 0
    buffers: int = 0


@dataclass(frozen=True, repr=False)
class Summary:
    """Table of the layers of a model. Its repr is the formatted table.

    Parameters
    ----------
    rows : list of LayerRow
        The rows of the table.

    Attributes
    ----------
    total, trainable, frozen, buffers : int
        Numbers of elements of all parameters, of trainable parameters, of frozen parameters and of buffers. Shared
        tensors count once.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> table = nn.summary(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), (2,))
    >>> table.total, [row.name for row in table.rows]
    (9, ['0', '1'])
    """

    rows: list[LayerRow]

    @property
    def total(self) -> int:
        """Number of elements of all parameters."""
        return sum(row.parameters for row in self.rows)

    @property
    def trainable(self) -> int:
        """Number of elements of trainable parameters."""
        return self.total - self.frozen

    @property
    def frozen(self) -> int:
        """Number of elements of frozen parameters."""
        return sum(row.frozen for row in self.rows)

    @property
    def buffers(self) -> int:
        """Number of elements of buffers."""
        return sum(row.buffers for row in self.rows)

    def _cells(self) -> list[tuple[str, ...]]:
        """Return the cells as text: the column heads, then the rows."""
        is_shown = [True] * 4 + [self.frozen > 0, self.buffers > 0]
        cells: list[tuple[str, ...]] = [_COLUMNS]
        cells += [(*row[:3], *(f"{count:,}" for count in row[3:])) for row in self.rows]
        return [tuple(cell for cell, keep in zip(row, is_shown, strict=True) if keep) for row in cells]

    def _total_text(self) -> str:
        frozen = f", {self.frozen:,} frozen" if self.frozen else ""
        buffers = f" Buffers: {self.buffers:,} elements." if self.buffers else ""
        return f"Total: {self.total:,} parameters, {self.trainable:,} of them trainable{frozen}.{buffers}"

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        cells.insert(1, tuple("-" * width for width in widths))
        lines = [
            "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, "<<<>>>", widths, strict=False))
            for row in cells
        ]
        return "\n".join([*(line.rstrip() for line in lines), self._total_text()])

    def _repr_html_(self) -> str:
        heads, *rows = self._cells()
        return f"{table_html(heads, rows, right=_COLUMNS[3:])}<p>{self._total_text()}</p>"


def summary(model: Module, *inputs: Any, **settings: Any) -> Summary:
    """Return a table of the layers of a model with their output shapes and numbers of parameters.

    A copy of the model is called in evaluation mode without gradients, so that its mode, parameters, buffers and
    generators do not change. Its hooks are called.

    Parameters
    ----------
    model : Module
    *inputs : array, Tensor, tuple of int, or None
        A batch, or the shape of one sample without the batch axis, such as (1, 28, 28), for an input of zeros. Nested
        tuples, lists and dicts of these are possible.
    **settings
        Keyword arguments of the model, passed unchanged.

    Returns
    -------
    Summary
        Modules that only contain other modules have no row. Plain functions in attributes have one.

    Raises
    ------
    ShapeError
        An input is neither an array nor a shape, or the model raises it.

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
    warn_of_made_results("summary", library_layer("summary: model", model))
    dtypes = (tensor.dtype for tensor in model._tensors().values())
    dtype = next((dtype for dtype in dtypes if dtype.kind == "f"), np.dtype(np.float32))
    batches = [_example_input(input_spec, dtype) for input_spec in inputs]
    copied = _eval_copy(model)
    shapes = _record_shapes(copied)
    with no_grad(), random_stream(np.random.default_rng(0)):
        copied(*batches, **settings)
    parts = {name: part for name, part in walk(model) if name in shapes}
    return Summary(list(_rows({name: (part, shapes[name]) for name, part in parts.items()})))


def _eval_copy(model: Module) -> Module:
    try:
        return duplicate(model).eval()
    except Exception as error:
        error.add_note(f"summary calls a copy of the model, but this {type(model).__name__} cannot be copied.")
        raise


def _example_input(spec: Any, dtype: np.dtype[Any]) -> Any:
    """Return an input with each shape replaced by zeros for one sample."""
    if spec is None or isinstance(spec, Tensor | ndarray):
        return spec
    if isinstance(spec, dict):
        return {key: _example_input(part, dtype) for key, part in spec.items()}
    if isinstance(spec, tuple | list):
        if all(isinstance(length, int | np.integer) for length in spec):
            return from_numpy(np.zeros((1, *spec), dtype))
        return type(spec)(_example_input(part, dtype) for part in spec)
    raise ShapeError(f"summary: an input must be an array or the shape of one sample, such as (784,), got {spec!r}.")


class _ShapeRecorder:
    """Wrapper that records the shapes of the outputs of a function."""

    def __init__(self, function: Any) -> None:
        self.function, self.shapes = function, Counter[str]()

    def __call__(self, *inputs: Any, **settings: Any) -> Any:
        out = self.function(*inputs, **settings)
        self.shapes[_shape_text(out)] += 1
        return out

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)


def _record_shapes(model: Module) -> dict[str, Counter[str]]:
    """Wrap the modules and functions of a model. Return counters of their output shapes by name."""
    shapes: dict[str, Counter[str]] = {}
    for name, module in model.named_modules():
        functions = {path for path, part in module._members() if not isinstance(part, Module | Tensor)}
        for path, observed in _wrap_functions(vars(module), "", functions):
            shapes[f"{name}.{path}" if name else path] = observed.shapes
        vars(module)["forward"] = observed = _ShapeRecorder(module.forward)
        shapes[name] = observed.shapes
    return shapes


def _wrap_functions(container: Any, prefix: str, functions: set[str]) -> Iterator[tuple[str, _ShapeRecorder]]:
    """Wrap the functions at the given paths in a dict or list. Yield (path, wrapper) pairs."""
    for key, part in list(container.items() if isinstance(container, dict) else enumerate(container)):
        path = f"{prefix}{key}"
        if path in functions:
            container[key] = observed = _ShapeRecorder(part)
            yield path, observed
        elif any(function.startswith(f"{path}.") for function in functions):
            items = list(part) if isinstance(part, tuple) else part
            yield from _wrap_functions(items, f"{path}.", functions)
            if isinstance(part, tuple):
                container[key] = type(part)(*items) if hasattr(part, "_fields") else type(part)(items)


def _rows(calls: dict[str, tuple[Any, Counter[str]]]) -> Iterator[LayerRow]:
    """Yield a row for each module or function, given the object and its output shapes by name."""
    counted: set[int] = set()
    for name, (part, shapes) in calls.items():
        output = ", ".join(f"{n} x {shape}" if n > 1 else shape for shape, n in shapes.items()) or "not called"
        if not isinstance(part, Module):
            yield LayerRow(name, name_of(part), output)
            continue
        parts = [member for _, member in part._members()]
        tensors = {id(member): member for member in parts if isinstance(member, Tensor) and role_of(member)}
        if tensors or not any(isinstance(member, Module) for member in parts):
            kind = repr(part) if isinstance(part, Lambda) else type(part).__name__
            yield LayerRow(name, kind, output, *_parameter_counts([tensors[key] for key in tensors.keys() - counted]))
        counted |= tensors.keys()


def _parameter_counts(tensors: list[Tensor]) -> tuple[int, int, int]:
    """Return the numbers of elements of parameters, of frozen parameters and of buffers."""
    buffers = sum(tensor.size for tensor in tensors if is_buffer(tensor))
    return sum(t.size for t in tensors) - buffers, sum(t.size for t in tensors if t.frozen), buffers


def _shape_text(out: Any) -> str:
    """Return the shape of an output, or the shapes in a tuple, list or dict, as text."""
    if isinstance(out, tuple | list):
        return f"[{', '.join(map(_shape_text, out))}]"
    if isinstance(out, dict):
        return f"{{{', '.join(f'{key}: {_shape_text(part)}' for key, part in out.items())}}}"
    return str(getattr(out, "shape", None if out is None else type(out).__name__))
