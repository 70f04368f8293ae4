"""Sample independence: each row of the results depends only on the same row of the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor, values_of
from tinygrad_edu.errors import DataError, DTypeError, ShardError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.sharding import shard_forward
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.laws.module_call import ModuleCall, are_close, leaves_of
from tinygrad_edu.testing.laws.module_replay import changed_paths, observing, same_randomness, snapshot
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed

INDEPENDENT = "independent"


def require_batched(samples: Any, arrays: Sequence[Array]) -> None:
    """Raise unless `samples` is None, or is "independent" and the inputs have the same number of samples."""
    if samples not in (None, INDEPENDENT):
        raise DTypeError(f'check_module: samples must be "independent" or None, got {samples!r}.')
    if samples is not None and not count_samples(arrays):
        raise DataError(
            f'check_module: samples="independent" requires inputs with the same number of samples on their first axes, '
            f"got the shapes {', '.join(str(x.shape) for x in arrays)}."
        )


def require_sample_independence(call: ModuleCall, mode: str, rng: Rng) -> None:
    """Raise `LawBroken` if the samples of a module are not independent. Name the innermost submodule with the fault."""
    module, fault = call.module, _fault(call, rng)
    if not fault:
        return
    inside = ((inner.module, _fault(inner, rng)) for inner in _calls_inside(call))
    part, text = next(((part, text) for part, text in inside if text), (module, fault))
    path = next((path for path, each in module.named_modules() if each is part), "")
    location = f"in its submodule {path!r} ({type(part).__name__}), {text}" if path else text
    raise LawBroken(
        f"module {type(module).__name__} ({mode}): its samples are not independent: {location}. Each row of the "
        f"results must depend only on the same row of the inputs, and a call must not change the module. If this is "
        f"intended, leave out samples here, and shard_size in fit."
    )


def _fault(call: ModuleCall, rng: Rng) -> str:
    """Describe how samples depend on each other in a call, or return an empty string."""
    before = snapshot(call.module)
    try:
        text = _coupling(call, rng)
    except ShardError as refusal:
        text = refusal.reason
    path = next(iter(changed_paths(before, snapshot(call.module))), "")
    return f"a call changes its attribute {path}" if path else text


# --- The rows of inputs, results and gradients ---


class _Result:
    """The result of a call in a shard, and its gradients."""

    def __init__(self, call: ModuleCall) -> None:
        self.parameters = [p for p in call.module.parameters() if p.requires_grad]
        self.inputs = call.tensors(requires_grad=True)
        with shard_forward(count_samples(call.arrays)), same_randomness(call.module):
            out = call(self.inputs)
        self.leaves = [leaf for _, leaf in leaves_of(out) if isinstance(leaf, Tensor | np.ndarray)]
        self.rows = [np.array(values_of(leaf)) for leaf in self.leaves]

    def gradients(self, cotangents: Sequence[Array]) -> tuple[list[Array], list[Array]]:
        """Return the gradients with respect to the floating-point inputs, and to the parameters."""
        inputs = [x for x in self.inputs if x.requires_grad]
        for x in (*inputs, *self.parameters):
            x.grad = None
        for leaf, cotangent in zip(self.leaves, cotangents, strict=True):
            if isinstance(leaf, Tensor) and leaf.requires_grad:
                leaf.backward(cotangent.astype(leaf.dtype), retain_graph=True)
        gradients = [np.zeros(x.shape) if x.grad is None else np.array(x.grad) for x in (*inputs, *self.parameters)]
        return gradients[: len(inputs)], gradients[len(inputs) :]


def _coupling(call: ModuleCall, rng: Rng) -> str:
    """Describe which rows differ when samples are left out or replaced; return an empty string if none do."""
    count, full = count_samples(call.arrays), _Result(call)
    if not _all_same(full.rows, _Result(call).rows):
        return ""  # the call draws random numbers from elsewhere; `require_deterministic` raises for that
    for rows in full.rows:
        if rows.shape[:1] != (count,):
            return f"its result contains an array of shape {rows.shape}; the first axis must be the {count} samples"
    cotangents = [draw_signed(rng, rows.shape) for rows in full.rows]
    fault = _replacement_fault(call, full, cotangents, rng) if count > 1 else ""
    if fault or count < 2 or call.is_random():  # parts would draw other numbers
        return fault
    return _partition_fault(call, full, cotangents, rng)


def _replacement_fault(call: ModuleCall, full: _Result, cotangents: list[Array], rng: Rng) -> str:
    """Replace samples and describe how the other samples depend on them; return an empty string if they do not."""
    gradients, _ = full.gradients(cotangents)
    parts = np.array_split(rng.permutation(count_samples(call.arrays)), 2)
    for kept, replaced in (parts, parts[::-1]):
        changed = _Result(call.with_arrays([_with_rows(x, replaced, _new_row(x, kept[0])) for x in call.arrays]))
        if not _all_same([rows[kept] for rows in changed.rows], [rows[kept] for rows in full.rows]):
            return "the result of a sample changes when others are replaced"
        masked = [_with_rows(g, replaced, np.zeros(g.shape[1:])) for g in cotangents]
        input_gradients, parameter_gradients = changed.gradients(masked)
        if not _all_same([g[kept] for g in input_gradients], [g[kept] for g in gradients]):
            return "the gradient of a sample changes when others are replaced"
        if not _all_same(parameter_gradients, full.gradients(masked)[1]):
            return "the contribution of a sample to a parameter's gradient changes when others are replaced"
    return ""


def _partition_fault(call: ModuleCall, full: _Result, cotangents: list[Array], rng: Rng) -> str:
    """Describe how the results of a batch differ from those of its parts; return an empty string if they do not."""
    count, (gradients, totals) = count_samples(call.arrays), full.gradients(cotangents)
    cuts = np.sort(rng.choice(np.arange(1, count), rng.integers(1, min(count, 8)), replace=False))
    sums = [np.zeros(total.shape) for total in totals]
    for part in map(slice, [0, *cuts], [*cuts, count]):
        description = f"the samples {part.start}:{part.stop} of {count}"
        try:
            partial = _Result(call.with_arrays([x[part] for x in call.arrays]))
        except Exception as error:
            return f"a call with only {description} raises {type(error).__name__}: {error}"
        if not _all_same(partial.rows, [rows[part] for rows in full.rows]):
            return f"{description} have different results alone and in the batch"
        input_gradients, parameter_gradients = partial.gradients([g[part] for g in cotangents])
        if not _all_same(input_gradients, [g[part] for g in gradients]):
            return f"{description} have different gradients alone and in the batch"
        sums = [a + b for a, b in zip(sums, parameter_gradients, strict=True)]
    if not _all_same(sums, totals):
        return "the gradients of a parameter for parts of the batch do not add up to its gradient for the whole batch"
    return ""


def _new_row(x: Array, k: int) -> Array:
    """Return a row that replaces others: row k, or a different one if all rows are equal and floating-point."""
    all_equal = x.dtype.kind == "f" and (x == x[:1]).all()
    return np.asarray(0.5 * x[k] + 0.25 if all_equal else x[k])  # keeps positive numbers positive, and (0, 1) in (0, 1)


def _with_rows(x: Array, rows: Array, row: Array) -> Array:
    out = x.copy()
    out[rows] = row
    return out


def _all_same(actual: Sequence[Array], expected: Sequence[Array]) -> bool:
    return len(actual) == len(expected) and all(map(are_close, actual, expected))


def count_samples(inputs: Sequence[Array]) -> int:
    """Return the number of samples; 0 if the first axes of the inputs differ."""
    lengths = {x.shape[:1] for x in inputs}
    return lengths.pop()[0] if len(lengths) == 1 and () not in lengths else 0


# --- The calls of submodules ---


def _calls_inside(call: ModuleCall) -> list[ModuleCall]:
    """Return the calls of submodules with the samples of a batch, innermost first."""
    module, calls, count = call.module, list[ModuleCall](), call.arrays[0].shape[:1]

    def record(part: Module, inputs: tuple[Any, ...], settings: dict[str, Any], _: Any) -> None:
        batches = inputs and all(isinstance(x, Tensor | np.ndarray) and x.shape[:1] == count for x in inputs)
        if part is not module and batches:
            calls.append(ModuleCall.of(part, [np.array(values_of(x)) for x in inputs], settings))

    with observing(module, record), same_randomness(module):
        call()
    return calls
