"""Laws that the caller of `check_module` states: causality, a reference, tied and unused parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.engine import Array, values_of
from tinygrad_edu.errors import DataError
from tinygrad_edu.nn import Module
from tinygrad_edu.testing.differentiable import copies
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.laws.module_call import ModuleCall, RecordedCall, are_close, leaves_of
from tinygrad_edu.testing.laws.module_state import copy_of
from tinygrad_edu.testing.numeric.finite_differences import largest
from tinygrad_edu.testing.numeric.sampling import Rng
from tinygrad_edu.testing.verdict import NotApplicable, Verdict

_MOST_TIMES = 64
_ROUNDING = 1e-12  # of a result in float64, relative to its largest number or to 1
_OTHER_INPUTS = 4  # an input may have no effect by chance, such as one that a ReLU sets to 0


class Contract(NamedTuple):
    """The statements of the caller about a module; see `check_module`."""

    causal: int | None
    reference: Callable[..., Any] | None
    ties: tuple[tuple[str, ...], ...]
    unused: tuple[str, ...]
    samples: str | None

    @classmethod
    def of(cls, module: Any, causal: Any, reference: Any, ties: Any, unused: Any, samples: Any) -> Contract:
        """Return a contract. Raise `DataError` for a name that the module lacks. `ties` may be a single group."""
        groups = [ties] if ties and all(isinstance(name, str) for name in ties) else ties
        unused = (unused,) if isinstance(unused, str) else tuple(unused)
        contract = cls(causal, reference, tuple(map(tuple, groups)), unused, samples)
        known = _tensors(module)
        for option, names in (*(("ties", group) for group in contract.ties), ("unused", contract.unused)):
            for name in names:
                if name not in known:
                    raise DataError(
                        f"check_module: {option} names {name!r}, which is not a parameter of {type(module).__name__}; "
                        f"expected one of {', '.join(known)}."
                    )
        return contract


def _tensors(module: Any) -> dict[str, Any]:
    """Return the parameters and buffers by name, a shared one under each of its names."""
    return module._tensors() if isinstance(module, Module) else dict(module.named_parameters())


# --- Causality ---


def require_causal(call: ModuleCall, axis: int, mode: str) -> None:
    """Raise `LawBroken` if the result at some time depends on inputs at later times."""
    for t, row in _dependence(call, axis).items():
        later = [s for s in sorted(row) if s > t]
        if later:
            raise LawBroken(
                f"{call.title} ({mode}) is not causal along axis {axis}: the result at time {t} depends on the input "
                f"at time {later[0]}. Mask or pad so that the result at a time uses no later input."
            )


def require_present(call: ModuleCall, axis: int, rng: Rng) -> None:
    """Raise `LawBroken` if the result at some time never depends on the input at that time."""
    call.module.eval()
    length = _length(call, axis)
    hidden = set(range(length))
    for _ in range(_OTHER_INPUTS):
        hidden &= {t for t, row in _dependence(call, axis).items() if t not in row}
        if not hidden:
            return
        order = rng.permutation(length)
        call = call.with_arrays([x.take(order, axis) if _has_times(x, axis, length) else x for x in call.arrays])
    raise LawBroken(
        f"{call.title}: the result at time {min(hidden)} along axis {axis} does not depend on the input at that time. "
        f"Look for a mask or a shift that is off by one. If the module shifts its input on purpose, leave out this law "
        f"with skip=('present',)."
    )


def _dependence(call: ModuleCall, axis: int) -> dict[int, set[int]]:
    """Return the times of the inputs on which the result at each time depends, for at most `_MOST_TIMES` times.

    Replacements of numbers at one time show it. Booleans are masks.
    """
    length, before = _length(call, axis), call.results()
    sequences = [x for x in call.arrays if _has_times(x, axis, length) and x.dtype.kind in "fiu"]
    if not any(x.dtype.kind == "f" or np.ptp(x) for x in sequences):
        raise NotApplicable("the inputs have no two different integers, so none can be replaced by another one")
    times = np.unique(np.linspace(0, length - 1, _MOST_TIMES).astype(int)).tolist()
    rows: dict[int, set[int]] = {t: set() for t in times}
    for s in times:
        after = call.with_arrays([_replaced(x, s, axis, length) for x in call.arrays]).results()
        for path, x in before.items():
            if _has_times(x, axis, length):
                changes = np.moveaxis(np.abs(after[path].astype(np.float64) - x), axis, 0).reshape(length, -1)
                changed = ~(changes <= _ROUNDING * max(1, largest(x)))
                for t in np.flatnonzero(changed.any(axis=1)).tolist():
                    rows.setdefault(t, set()).add(s)
    return rows


def _replaced(x: Array, time: int, axis: int, length: int) -> Array:
    """Return an array with other numbers at a time, in the same range."""
    if x.dtype.kind not in "fiu" or not _has_times(x, axis, length):
        return x
    is_replaced = np.moveaxis(np.broadcast_to(np.arange(length) == time, np.moveaxis(x, axis, -1).shape), -1, axis)
    others = 0.7 * x + 0.2 if x.dtype.kind == "f" else np.where(x == x.max(), x.min(), x.max())
    return np.where(is_replaced, others, x)


def _length(call: ModuleCall, axis: int) -> int:
    """Return the number of times: the length of the first input with the axis. A result must have it, too."""
    shapes = [x.shape for x in call.arrays]
    lengths = [shape[axis] for shape in shapes if -len(shape) <= axis < len(shape)]
    results = [x.shape for x in call.results().values()]
    if not lengths or not any(-len(shape) <= axis < len(shape) and shape[axis] == lengths[0] for shape in results):
        raise DataError(
            f"check_module: with causal={axis}, an input and a result must have an axis {axis} of equal length; the "
            f"inputs have the shapes {shapes}, and the results {results}."
        )
    return int(lengths[0])


def _has_times(x: Any, axis: int, length: int) -> bool:
    return bool(-x.ndim <= axis < x.ndim and x.shape[axis] == length)


# --- A reference ---


def require_reference(call: ModuleCall, reference: Callable[..., Any], rng: Rng) -> Iterator[Verdict]:
    """Compare the result with a reference, at the parameters of the module, and after a change of each of them.

    A parameter that the reference copied does not take part in the second comparison.
    """
    call.module.eval()
    found, expected = call.results(), _reference_results(call, reference)
    paths = _matching_paths(call, found, expected)
    yield Verdict("reference", error=_difference(call, found, expected, paths, ""))
    for name, p in call.parameters.items():
        original = p._data.copy()
        p._data[...] = original * rng.uniform(0.8, 1.2, p.shape) + rng.uniform(0, 0.1, p.shape)
        changed = _reference_results(call, reference)
        if not all(np.array_equal(changed[path], x, equal_nan=True) for path, x in expected.items()):
            condition = f", after a change of {name}"
            yield Verdict("reference", name, _difference(call, call.results(), changed, paths, condition))
        p._data[...] = original


def _reference_results(call: ModuleCall, reference: Callable[..., Any]) -> dict[str, Array]:
    """Return the arrays of the reference's result by their paths."""
    result = reference(*call.tree.filled(copies(call.arrays), other=lambda x: x))
    return {path: np.array(values_of(x)) for path, x in leaves_of(result)}


def _matching_paths(call: ModuleCall, found: dict[str, Array], expected: dict[str, Array]) -> dict[str, str]:
    """Return the path in the result of the module for each path in the result of the reference."""
    if expected and expected.keys() <= found.keys():
        return {path: path for path in expected}
    if not expected or len(found) != len(expected):
        raise LawBroken(
            f"{call.title}: the result has {_outline(found)}, and the result of the reference {_outline(expected)}. "
            f"Return the same structure from the reference, with None for a part that it does not compute."
        )
    return dict(zip(expected, found, strict=True))


def _outline(results: dict[str, Array]) -> str:
    return (
        ", ".join(f"an array of shape {x.shape}{path and f' at {path}'}" for path, x in results.items()) or "no array"
    )


def _difference(
    call: ModuleCall, found: dict[str, Array], expected: dict[str, Array], paths: dict[str, str], condition: str
) -> LawBroken | None:
    """Return the error that describes where the results differ most, or None if they are equal."""
    for path, y in expected.items():
        x = found[paths[path]]
        if are_close(x, y):
            continue
        text = f"{call.title} (eval): the result{paths[path]} differs from the reference{condition}: "
        if x.shape != y.shape:
            return LawBroken(f"{text}its shape is {x.shape}, expected {y.shape}. Compare their intermediate results.")
        off = np.nan_to_num(np.abs(x.astype(np.float64) - y), nan=np.inf)
        index = tuple(map(int, np.unravel_index(np.argmax(off), off.shape)))
        return LawBroken(
            f"{text}at {index}, {x[index]:.7g} instead of {y[index]:.7g}. Compare their intermediate results."
        )
    return None


# --- Parameters ---


def require_ties(call: ModuleCall, groups: Sequence[Sequence[str]]) -> Iterator[Verdict]:
    """Require that the names of each group are one tensor, after calls and in a copy that loads the state dict."""
    call.settle()
    restored = copy_of(call.module)
    for group in groups:
        yield Verdict("ties", group[0], _untied(call, call.module, group, ""))
    if isinstance(restored, Exception):
        raise NotApplicable(f"the module cannot be copied: {restored!r}")
    restored.load_state_dict(call.module.state_dict())
    for group in groups:
        yield Verdict("ties", group[0], _untied(call, restored, group, " in a copy that loads the state dict"))


def _untied(call: ModuleCall, module: Any, group: Sequence[str], when: str) -> LawBroken | None:
    tensors = _tensors(module)
    for name in group[1:]:
        if tensors.get(name) is not tensors[group[0]]:
            return LawBroken(
                f"{call.title}: {name} and {group[0]} are not the same tensor{when}. Assign the tensor itself to both "
                f"attributes, and change its values with assign."
            )
    return None


def require_used(call: ModuleCall, unused: Sequence[str]) -> Iterator[Verdict]:
    """Require that each parameter outside of `unused`, and no other, gets a gradient in training or evaluation mode."""
    reached = set[int]()
    for mode in ("train", "eval"):
        getattr(call.module, mode)()
        recording = RecordedCall(call)
        gradients = recording.backward(np.ones(recording.out.shape, recording.out.dtype))[len(call.floating) :]
        reached |= {id(p) for p, g in zip(call.parameters.values(), gradients, strict=True) if g is not None}
    exempt = {id(_tensors(call.module)[name]) for name in unused}
    missed = [name for name, p in call.parameters.items() if id(p) not in reached | exempt]
    for name, p in call.parameters.items():
        error = None
        if name in missed:
            error = LawBroken(
                f"{call.title}: no result depends on {', '.join(missed)}, so training never changes these parameters. "
                f"Use them in the forward, remove them, or check with unused={tuple(missed)}."
            )
        elif id(p) in reached & exempt:
            error = LawBroken(f"{call.title}: the parameter {name} gets a gradient. Remove it from unused.")
        yield Verdict("parameters", name, error)
