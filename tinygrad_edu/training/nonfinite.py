"""Explain a loss or a gradient that is not finite: name the array or the op that holds the first such number."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import detect_anomaly, values_of
from tinygrad_edu.errors import AnomalyError
from tinygrad_edu.nn import Module
from tinygrad_edu.pytree import tree_map
from tinygrad_edu.training.batches import Batch
from tinygrad_edu.training.serialization import pack

__all__ = ["all_finite", "explain_nonfinite"]

SMALLER = (
    "A smaller learning rate, or gradients that are clipped (max_norm=1.0), may help where numbers grew too large."
)
CLEANER = "Look at the data, and at what a transform makes of them."
UNEXPLAINED = (
    "no op makes it when the step is computed once more: it comes of adding up shards or batches, or of random numbers "
    "that the model draws from a generator of its own."
)


def all_finite(gradients: Sequence[ndarray | None]) -> bool:
    """Return whether all gradients are finite."""
    return all(gradient is None or _is_finite(gradient) for gradient in gradients)


def _is_finite(array: ndarray) -> bool:
    # The sum of squares is faster to compute. If it overflows, the elements decide.
    return math.isfinite(np.vdot(array, array)) or bool(np.isfinite(array).all())


def explain_nonfinite(
    model: Module, batches: Sequence[Batch], first: int, compute: Callable[[], Any]
) -> tuple[str, str]:
    """Return the cause of a non-finite loss or gradient, and a suggestion.

    Parameters
    ----------
    model : Module
        Its buffers are restored afterwards.
    batches : sequence of tuple
    first : int
        The number of the first batch.
    compute : callable
        Repeats the step with the same random numbers, in this thread, so that the user's line can be found.
    """
    if found := _describe_nonfinite({name: parameter.numpy() for name, parameter in model.named_parameters()}):
        return f"the weights held it already, since the step before: {found}.", SMALLER
    described = (_describe_nonfinite(_named_arrays(batch), f" of batch {k}") for k, batch in enumerate(batches, first))
    found = ", ".join(filter(None, described))
    in_batch = f"the batch holds it already: {found}." if found else ""
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
        with detect_anomaly(), np.errstate(all="ignore"):  # the first time, NumPy warned
            compute()
    except AnomalyError as error:
        return "\n".join([str(error), *getattr(error, "__notes__", [])])
    finally:
        for buffer, values in kept:
            buffer.assign(values)
    return ""
