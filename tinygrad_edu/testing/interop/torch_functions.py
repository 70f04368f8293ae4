"""check_torch: check the gradients that PyTorch computes of a function or Module."""

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

__tracebackhide__ = True  # pytest shows the line of the test, and with --full-trace ours


@reproducible
def check_torch(function: Any, *inputs: Any, order: int = 1, rng: Rng | None = None) -> None:
    """Check the gradients that PyTorch computes of a function or Module, and of the autograd Functions in it.

    By every parameter of a Module that requires a gradient, and every floating-point tensor or array among the inputs;
    everything else is held fixed. The parameters, buffers and inputs are float64 meanwhile; of what refuses that,
    gradients in its own dtypes are checked as far as those allow. The Module is checked in the mode that it is in, and
    left as it was. PyTorch's random numbers are the same in each call, so dropout can be checked.

    Parameters
    ----------
    function : callable or torch.nn.Module
        To a tensor, or to nested lists, tuples, dicts and dataclasses. Parameters that a function has from outside are
        not seen: give the Module.
    *inputs
        Tensors and arrays, also in nested lists, tuples and dicts; and what is held fixed.
    order : int
        Up to which derivative: 2 checks the backward of the backward, too.
    rng : numpy.random.Generator, optional
        Draws the cotangents and the directions; without it they are the same in every run.

    Raises
    ------
    GradientMismatch, Inconclusive, NotDeterministic, LawBroken, DTypeError
        As in `check_gradient`; the message names the parameter.
    MissingExtraError
        Without PyTorch.

    Examples
    --------
    ::

        check_torch(torch.nn.Linear(3, 2), torch.randn(4, 3), order=2)
    """
    torch = required("torch", "check_torch", "pip install torch")
    is_module = isinstance(function, torch.nn.Module)
    module = function if is_module else torch.nn.Module()
    names = argument_names(function.forward if is_module else function, len(inputs))
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    theirs: list[Any] = []
    point = ArrayTree(inputs, names, partial(_as_input, theirs))
    values = ArrayTree([p.detach() for p in parameters.values()], [*parameters], as_input)
    check_foreign(
        ForeignFunction(
            _title(function),
            partial(_results, function, point, len(parameters)),
            (*values.arrays, *point.arrays),
            (*parameters, *(leaf.name for leaf in point.leaves)),
            _pulled,
            partial(_session, module, [*parameters.values()], theirs),
        ),
        order,
        rng,
    )


def _title(function: Any) -> str:
    """Return a name for a module, for ``MyFunction.apply``, and for a function."""
    import torch

    owner = getattr(function, "__self__", None)
    name = f"{owner.__name__}.{title_of(function)}" if isinstance(owner, type) else title_of(function)
    return f"module {name}" if isinstance(function, torch.nn.Module) else name


def _as_input(theirs: list[Any], value: Any) -> Array | None:
    """Return a tensor or an array that is an input, and note it; plain numbers are none to PyTorch."""
    import torch

    array = as_input(value) if hasattr(value, "dtype") and hasattr(value, "shape") else None
    if array is not None:
        theirs.append(value if isinstance(value, torch.Tensor) else torch.tensor(np.array(value)))
    return array


def _results(function: Any, point: ArrayTree, parameters: int, *tensors: Any) -> list[Any]:
    """Call the function, with the same random numbers each time, and return the tensors with fractions."""
    import torch

    inputs = [x.clone() for x in tensors[parameters:]]  # which may be written into, as a leaf may not
    given = point.filled(inputs, lambda x: torch.as_tensor(x) if isinstance(x, np.ndarray) else x)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return list(_tensors(function(*given)))


def _tensors(out: Any) -> Iterator[Any]:
    """Yield the tensors with fractions in a nested result."""
    if hasattr(out, "is_floating_point"):
        if out.is_floating_point() or out.is_complex():
            yield out
    elif dataclasses.is_dataclass(out) and not isinstance(out, dict):
        for field in dataclasses.fields(out):
            yield from _tensors(getattr(out, field.name))
    elif isinstance(out, dict | list | tuple):
        for part in out.values() if isinstance(out, dict) else out:
            yield from _tensors(part)


def _pulled(f: ArrayFunction, count: int, again: bool) -> ArrayFunction:
    import torch

    def pulled(*tensors: Any) -> list[Any]:
        inputs, results = tensors[:count], f(*tensors[:count])
        pairs = [(out, g.to(out)) for out, g in zip(results, tensors[count:], strict=True) if out.requires_grad]
        if not pairs:
            return [torch.zeros_like(x) for x in inputs]
        outs, cotangents = zip(*pairs, strict=True)
        gradients = torch.autograd.grad(outs, inputs, cotangents, create_graph=again, allow_unused=True)
        return [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, gradients, strict=True)]

    return pulled


@contextmanager
def _session(module: Any, parameters: list[Any], inputs: list[Any], wide: bool) -> Iterator[Load]:
    """Let a module's parameters and buffers be float64, if wide, and put everything back afterwards."""
    import torch

    def converted(tensor: Any) -> Any:
        return tensor.to(torch.float64 if wide and tensor.is_floating_point() else tensor.dtype, copy=True)

    def load(arrays: Sequence[Array]) -> list[Any]:
        for part, kept in buffers:
            part._buffers.update({name: None if x is None else converted(x) for name, x in kept.items()})
        tensors = [torch.from_numpy(x if min((0, *x.strides)) == 0 else x.copy()) for x in map(np.asarray, arrays)]
        for p, x in zip(parameters, tensors, strict=False):
            p.data.copy_(x)
        others = tensors[len(parameters) :]
        mine = [x.to(like.device, x.dtype if wide else like.dtype) for x, like in zip(others, inputs, strict=False)]
        return [*parameters, *(x.requires_grad_() for x in (*mine, *others[len(inputs) :]))]

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
        for part, kept in buffers:
            part._buffers.update(kept)
