"""Calls of a module with other parameters."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock, get_ident
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.engine.swap import swap_storage
from tinygrad_edu.errors import DTypeError, StateDictError
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import refuse_in_shard

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import HasForward, Inputs, Output


def functional_call(
    model: HasForward[Inputs, Output], parameters: Mapping[str, Any], *inputs: Inputs.args, **settings: Inputs.kwargs
) -> Output:
    """Return ``model(*inputs, **settings)``, computed with the given parameters and buffers.

    They replace the model's tensors during the call. The model is restored afterwards, also after an exception. Until
    then, other threads must not call the model: give each thread a copy.

    Parameters
    ----------
    model : Module
    parameters : mapping of str to Tensor or array_like
        Replacements of some or all parameters and buffers, by the names of `Module.state_dict`, of the same shapes. For
        a shared tensor, one name is enough.
    *inputs, **settings
        Arguments of the model.

    Raises
    ------
    TypeError
        The only input is a tuple.
    DTypeError
        `model` is not a Module, or `parameters` is not a mapping.
    StateDictError
        A name is unknown, a shape differs, or a dtype cannot be cast.
    RuntimeError
        Another thread is in a functional_call of the model, or of a model with a common parameter or buffer.

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
    if len(inputs) == 1 and isinstance(inputs[0], tuple):
        raise TypeError(
            "functional_call: write functional_call(model, parameters, *inputs), not a tuple of inputs as in PyTorch. "
            "Pass a tuple that is one input by its name."
        )
    for name, value, kind in (("model", model, Module), ("parameters", parameters, Mapping)):
        if not isinstance(value, kind):
            given = "list" if isinstance(value, list) else type(value).__name__
            raise DTypeError(
                f"functional_call: {name} must be a {kind.__name__}, got a {given}. Write functional_call(model, "
                f"dict(model.named_parameters()), x), with a value for each name."
            )
    module: Any = model
    refuse_in_shard(f"functional_call: it changes the parameters of {type(model).__name__} in all threads")
    call = _Call(module)
    try:
        call.begin()
        pairs = _pair_tensors(module, call.tensors, parameters)
        tensors = [tensor for tensor, _ in pairs]
        swap_in, swap_out = swap_storage(tensors, [replacement for _, replacement in pairs])
        try:
            swap_in()
            out: Output = module(*inputs, **settings)
            return out
        finally:
            swap_out()
    finally:
        del call  # a reference in a traceback would keep it open


class _Call:
    """A call of a model with other parameters. It ends when the last reference to it is deleted."""

    _lock, _open = Lock(), WeakSet["_Call"]()

    def __init__(self, model: Module) -> None:
        self.thread, self.name, self.tensors = get_ident(), type(model).__name__, model._tensors()

    def begin(self) -> None:
        """Register this call. Raise if a call in another thread changes one of its tensors."""
        ids = set(map(id, self.tensors.values()))
        with self._lock:
            for other in self._open:
                shared = [name for name, tensor in other.tensors.items() if id(tensor) in ids]
                if other.thread != self.thread and shared:
                    raise RuntimeError(
                        f"functional_call: another thread is in a functional_call of the same model, {other.name}, or "
                        f"of one with the same tensor {shared[0]}, and would see these parameters. Give each thread a "
                        f"copy of its own, copy.deepcopy(model), or run the calls in turn under a lock."
                    )
            self._open.add(self)


def _pair_tensors(
    model: Module, tensors: Mapping[str, Tensor], parameters: Mapping[str, Any]
) -> list[tuple[Tensor, Tensor]]:
    """Pair the tensors of a model with their replacements. Raise StateDictError for a mismatch."""
    pairs = dict[int, tuple[str, Tensor]]()
    new = {name: values if isinstance(values, Tensor) else Tensor(values) for name, values in parameters.items()}
    for name, values in new.items():
        fault = "the model has no tensor of this name" if name not in tensors else _mismatch(tensors[name], values)
        first = pairs.setdefault(id(tensors.get(name)), (name, values))
        if not fault and first[1] is not values:
            fault = f"it is the same tensor as {first[0]}, but got another replacement"
        if fault:
            raise StateDictError(f"functional_call: cannot replace {name} of {type(model).__name__}: {fault}.")
    return [(tensors[name], values) for name, values in pairs.values()]


def _mismatch(tensor: Tensor, values: Tensor) -> str:
    """Describe the mismatch between a tensor and its replacement. Return an empty string if there is none."""
    if values.shape != tensor.shape:
        return f"expected shape {tensor.shape}, got {values.shape}"
    if not np.can_cast(values.dtype, tensor.dtype, "same_kind"):
        return f"expected dtype {tensor.dtype}, got {values.dtype}"
    return ""
