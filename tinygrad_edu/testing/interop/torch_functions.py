"""check_torch: check PyTorch's gradients of a function or Module."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.flat_function import as_input
from tinygrad_edu.testing.interop.foreign_function import ArrayFunction, ForeignFunction, Load, check_foreign, required
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.op_call import argument_names, title_of
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report


@reproducible
def check_torch(function: Any, *inputs: Any, order: int = 1, rng: Rng | None = None) -> Report:
    """Check PyTorch's gradients of a function or Module, including any autograd Functions in it.

    The inputs are the parameters of a Module that require a gradient, and the floating-point tensors and arrays among
    the arguments. Everything else is constant. Parameters, buffers and inputs are float64 during the check, or keep
    their dtypes if the function rejects float64. The Module is checked in its current mode, and unchanged afterwards.
    PyTorch's random seed is the same in each call, so dropout can be checked.

    Parameters
    ----------
    function : callable or torch.nn.Module
        Returns a tensor, or a pytree of tensors and dataclasses. To check parameters, pass the Module itself instead of
        a function that calls it.
    *inputs
        Pytrees of tensors, arrays and constants.
    order : int, default 1
        The highest order of derivatives. With 2, the backward of the backward is checked too.
    rng : numpy.random.Generator, optional
        Draws the cotangents and the directions. Default: a generator with a fixed seed.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic, LawBroken, DTypeError
        As in `check_gradient`; the message names the parameter.
    MissingExtraError
        PyTorch is not installed.

    Examples
    --------
    ::

        check_torch(torch.nn.Linear(3, 2), torch.randn(4, 3), order=2)
    """
    torch = required("torch", "check_torch", "run pip install torch")
    is_module = isinstance(function, torch.nn.Module)
    module = function if is_module else torch.nn.Module()
    names = argument_names(function.forward if is_module else function, len(inputs))
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    tensors_in: list[Any] = []
    point = ArrayTree(inputs, names, partial(_as_input, tensors_in))
    values = ArrayTree([p.detach() for p in parameters.values()], [*parameters], as_input)
    f = partial(_results, function, point, len(parameters))
    session = partial(_session, module, [*parameters.values()], tensors_in)
    arrays, paths = (*values.arrays, *point.arrays), (*parameters, *(leaf.name for leaf in point.leaves))
    return check_foreign(ForeignFunction(_title(function), f, arrays, paths, _vjp_function, session), order, rng)


def _title(function: Any) -> str:
    """Return a name for a module, for ``MyFunction.apply``, and for a function."""
    import torch

    owner = getattr(function, "__self__", None)
    name = f"{owner.__name__}.{title_of(function)}" if isinstance(owner, type) else title_of(function)
    return f"module {name}" if isinstance(function, torch.nn.Module) else name


def _as_input(tensors_in: list[Any], value: Any) -> Array | None:
    """Return a tensor or array as an input, and append its tensor to `tensors_in`. Plain numbers are constants."""
    import torch

    array = as_input(value) if hasattr(value, "dtype") and hasattr(value, "shape") else None
    if array is not None:
        tensors_in.append(value if isinstance(value, torch.Tensor) else torch.tensor(np.array(value)))
    return array


def _results(function: Any, point: ArrayTree, parameters: int, *tensors: Any) -> list[Any]:
    """Call the function with a fixed seed, and return the floating-point tensors."""
    import torch

    inputs = [x.clone() for x in tensors[parameters:]]  # in-place ops are allowed on clones, but not on leaves
    arguments = point.filled(inputs, lambda x: torch.as_tensor(x) if isinstance(x, np.ndarray) else x)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return list(_tensors(function(*arguments)))


def _tensors(out: Any) -> Iterator[Any]:
    """Yield the floating-point tensors in a nested result."""
    if hasattr(out, "is_floating_point"):
        if out.is_floating_point() or out.is_complex():
            yield out
    elif dataclasses.is_dataclass(out) and not isinstance(out, dict):
        for field in dataclasses.fields(out):
            yield from _tensors(getattr(out, field.name))
    elif isinstance(out, dict | list | tuple):
        for part in out.values() if isinstance(out, dict) else out:
            yield from _tensors(part)


def _vjp_function(f: ArrayFunction, count: int, create_graph: bool) -> ArrayFunction:
    import torch

    def gradients_of(*tensors: Any) -> list[Any]:
        inputs, results = tensors[:count], f(*tensors[:count])
        pairs = [(out, g.to(out)) for out, g in zip(results, tensors[count:], strict=True) if out.requires_grad]
        if not pairs:
            return [torch.zeros_like(x) for x in inputs]
        outs, cotangents = zip(*pairs, strict=True)
        gradients = torch.autograd.grad(outs, inputs, cotangents, create_graph=create_graph, allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, gradients, strict=True)]

    return gradients_of


@contextmanager
def _session(module: Any, parameters: list[Any], inputs: list[Any], wide: bool) -> Iterator[Load]:
    """Convert a module's parameters and buffers to float64, if wide, during the context."""
    import torch

    def converted(tensor: Any) -> Any:
        return tensor.to(torch.float64 if wide and tensor.is_floating_point() else tensor.dtype, copy=True)

    def load(arrays: Sequence[Array]) -> list[Any]:
        for part, original_buffers in buffers:
            part._buffers.update({name: None if x is None else converted(x) for name, x in original_buffers.items()})
        tensors = [torch.from_numpy(x if min((0, *x.strides)) == 0 else x.copy()) for x in map(np.asarray, arrays)]
        for p, x in zip(parameters, tensors, strict=False):
            p.data.copy_(x)
        other_tensors = tensors[len(parameters) :]
        input_tensors = [
            x.to(like.device, x.dtype if wide else like.dtype) for x, like in zip(other_tensors, inputs, strict=False)
        ]
        return [*parameters, *(x.requires_grad_() for x in (*input_tensors, *other_tensors[len(inputs) :]))]

    values = [(p, p.data) for p in module.parameters()]
    buffers = [(part, dict(part._buffers)) for part in module.modules()]
    try:
        for p, data in values:
            p.data = converted(data)
        with torch.inference_mode(False), torch.enable_grad():
            yield load
    finally:
        for p, data in values:
            p.data = data
        for part, original_buffers in buffers:
            part._buffers.update(original_buffers)
