"""Call a module with other parameters, for the transforms."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor, swap_storage
from tinygrad_edu.errors import StateDictError
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import needs_whole_batch


def functional_call(model: Module, parameters: Mapping[str, Any], *inputs: Any, **settings: Any) -> Any:
    """Return ``model(*inputs, **settings)`` with other parameters than the model's own.

    The given ones stand in for those of the model while it runs, wherever it uses them, and the model is left as it
    was, also where it fails. So one model is not to be called by two threads at once.

    Parameters
    ----------
    model : Module
    parameters : mapping of str to Tensor or array_like
        By their names in `Module.state_dict`, and of their shapes: some of the parameters and buffers, or all. A shared
        one needs one of its names.
    *inputs, **settings
        What the model is called with.

    Raises
    ------
    StateDictError
        For a name that the model does not have, another shape, or values of another kind than the tensor's.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> model = tg.nn.Linear(2, 1)
    >>> def loss(parameters):
    ...     return tg.nn.functional_call(model, parameters, np.array([[1.0, 2.0]])).sum()
    >>> gradients = tg.grad(loss)(dict(model.named_parameters()))
    >>> gradients["weight"].numpy(), gradients["bias"].numpy()
    (array([[1., 2.]], dtype=float32), array([1.], dtype=float32))
    """
    needs_whole_batch(f"functional_call: the parameters of {type(model).__name__} are others in all threads meanwhile")
    stand_ins = _pair_tensors(model, parameters)
    tensors = [tensor for tensor, _ in stand_ins]
    exchange, take_back = swap_storage(tensors, [given for _, given in stand_ins])
    try:
        exchange()
        return model(*inputs, **settings)
    finally:
        take_back()


def _pair_tensors(model: Module, parameters: Mapping[str, Any]) -> list[tuple[Tensor, Tensor]]:
    """Pair the tensors of a model with their replacements, or raise for one that does not fit."""
    tensors, pairs = model._tensors(), dict[int, tuple[str, Tensor]]()
    given = {name: values if isinstance(values, Tensor) else Tensor(values) for name, values in parameters.items()}
    for name, values in given.items():
        fault = "the model has no tensor of that name" if name not in tensors else _mismatch(tensors[name], values)
        first = pairs.setdefault(id(tensors.get(name)), (name, values))
        if not fault and first[1] is not values:
            fault = f"it and {first[0]} are one tensor in the model, and two here"
        if fault:
            raise StateDictError(f"functional_call: {name} does not fit {type(model).__name__}: {fault}.")
    return [(tensors[name], values) for name, values in pairs.values()]


def _mismatch(tensor: Tensor, values: Tensor) -> str:
    """Describe the mismatch between a tensor and its replacement. Return an empty string if there is none."""
    if values.shape != tensor.shape:
        return f"it has shape {values.shape}, and needs {tensor.shape}"
    if not np.can_cast(values.dtype, tensor.dtype, "same_kind"):
        return f"it has dtype {values.dtype}, and needs {tensor.dtype}"
    return ""
