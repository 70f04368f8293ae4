"""Explain a non-finite loss or gradient: name the array or the op with the first non-finite number."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import detect_anomaly, values_of
from tinygrad_edu.errors import AnomalyError
from tinygrad_edu.nn import Module
from tinygrad_edu.shared.pytree import tree_map
from tinygrad_edu.training.batches import Batch
from tinygrad_edu.training.serialization import pack

SMALLER = "If numbers overflowed, a smaller learning rate or gradient clipping (max_norm=1.0) may help."
CLEANER = "Check the data and the output of the transform."
UNEXPLAINED = (
    "no op returns a non-finite number when the step is repeated. Either the sum over shards or batches overflows, or "
    "the model draws random numbers from a generator that is not in its attributes."
)


def all_finite(gradients: Sequence[ndarray | None]) -> bool:
    """Return whether all gradients are finite."""
    return all(gradient is None or _is_finite(gradient) for gradient in gradients)


def _is_finite(array: ndarray) -> bool:
    # The sum of squares is faster. If it overflows, check the elements.
    return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def explain_nonfinite(
    model: Module, batches: Sequence[Batch], first: int, compute: Callable[[], Any]
) -> tuple[str, str]:
    """Return the cause of a non-finite loss or gradient, and a suggestion.

    Parameters
    ----------
    model : Module
        Model whose buffers are restored afterwards.
    batches : sequence of tuple
    first : int
        Number of the first batch.
    compute : callable
        Function that repeats the step with the same random numbers, in this thread, so that the user's line is found.
    """
    if found := _describe_nonfinite({name: parameter.numpy() for name, parameter in model.named_parameters()}):
        return f"the weights are not finite after the previous step: {found}.", SMALLER
    described = (_describe_nonfinite(_named_arrays(batch), f" of batch {k}") for k, batch in enumerate(batches, first))
    found = ", ".join(filter(None, described))
    in_batch = f"the batch is not finite: {found}." if found else ""
    cause = "\n".join(filter(None, (in_batch, _anomaly_message(model, compute))))
    return cause or UNEXPLAINED, CLEANER if found else SMALLER


def _describe_nonfinite(arrays: dict[str, ndarray], where: str = "") -> str:
    """Describe the arrays that hold NaN or infinity, and the first such element of each."""
    found = []
    for name, array in arrays.items():
        bad = ~np.isfinite(array) if array.dtype.kind in "fc" else np.zeros(0, bool)
        if bad.any():
            first = tuple(map(int, np.argwhere(bad)[0]))
            element = f"{name}{list(first) or ''} is {array[first]}"
            found.append(f"{bad.sum()} of {bad.size} elements of {name}{where}, {element}")
    return ", ".join(found)


def _named_arrays(batch: Batch) -> dict[str, ndarray]:
    """Return the arrays of a batch by name: x and y, or x1, x2 and y, with the path inside a pytree."""
    names = ["x"] if len(batch) == 2 else [f"x{k}" for k in range(1, len(batch))]
    arrays: dict[str, ndarray] = {}
    pack(dict(zip([*names, "y"], tree_map(lambda leaf: np.asarray(values_of(leaf)), list(batch)), strict=True)), arrays)
    return arrays


def _anomaly_message(model: Module, compute: Callable[[], Any]) -> str:
    """Return the message of `detect_anomaly` for a repeated step, or an empty string."""
    kept = [(buffer, buffer.numpy().copy()) for _, buffer in model.named_buffers()]
    try:
        with detect_anomaly(), np.errstate(all="ignore"):  # NumPy warned already in the original step
            compute()
    except AnomalyError as error:
        return "\n".join([str(error), *getattr(error, "__notes__", [])])
    finally:
        for buffer, values in kept:
            buffer.assign(values)
    return ""
