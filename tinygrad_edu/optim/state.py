"""State of optimizers: the arrays of each parameter, and loading them from a state dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, values_of
from tinygrad_edu.errors import StateDictError
from tinygrad_edu.optim.groups import base_rates
from tinygrad_edu.optim.settings import INITIAL_LR

# Options of PyTorch's kernels and schedulers in its groups, which do not change the result of a step.
_PYTORCH_ONLY = frozenset(
    ("foreach", "fused", "capturable", "differentiable", "max_lr", "min_lr", "max_momentum", "base_momentum")
)
State = dict[Tensor, dict[str, ndarray]]


class Slot(NamedTuple):
    """An array in the state of each parameter, such as a momentum buffer.

    Parameters
    ----------
    initial : float, str or None, default 0.0
        Initial value of all elements, or the name of the hyperparameter with this value. None: `update` adds the array
        to the state.
    scalar : bool, default False
        Whether it is a float32 scalar, such as a step count; compute with ``float(state["step"])``. Otherwise it has
        the shape and dtype of the parameter.
    when : str, optional
        Name of a hyperparameter. The array exists only if its value is true (or not 0).

    Examples
    --------
    >>> Slot(initial=1.0).new(np.zeros(2), {})
    array([1., 1.])
    """

    initial: float | str | None = 0.0
    scalar: bool = False
    when: str | None = None

    def is_used(self, group: Mapping[str, Any]) -> bool:
        """Return whether parameters of a group have the array."""
        return self.when is None or bool(group[self.when])

    def new(self, param: ndarray, group: Mapping[str, Any]) -> ndarray:
        """Return the initial array of a parameter."""
        zeros = np.zeros((), np.float32) if self.scalar else np.zeros(param.shape, param.dtype)
        initial = group[self.initial] if isinstance(self.initial, str) else self.initial
        if initial:
            zeros += initial
        return zeros


def count_step(state: Mapping[str, ndarray]) -> float:
    """Increment ``state["step"]`` and return it: 1 for the first step."""
    step = state["step"]
    step += 1
    return float(step)


def read_state(optimizer: Any, saved: Any) -> tuple[list[dict[str, Any]], State]:
    """Return the parameter groups and the state in a state dict. Raise StateDictError with a list of all mismatches."""
    pairs = _paired_groups(optimizer, saved)
    groups = [_restored_group(current, saved_group) for current, saved_group in pairs]
    faults = [f"group {k}: {fault}" for k, group in enumerate(groups) for fault in _group_faults(optimizer, group)]
    params = {
        number: (p, group)
        for group, (_, saved_group) in zip(groups, pairs, strict=True)
        for number, p in zip(saved_group["params"], group["params"], strict=True)
    }
    state: State = {p: {} for number, (p, _) in params.items() if number in saved["state"]}
    faults += [f"unexpected: state of parameter {number}" for number in saved["state"] if number not in params]
    for number, (p, group) in {} if faults else params.items():
        if p in state:
            entries = saved["state"][number]
            faults += [f"parameter {number}: {fault}" for fault in _load_state(state[p], optimizer, p, group, entries)]
    if faults:
        raise StateDictError(
            f"cannot load this state dict into {type(optimizer).__name__} (nothing was loaded):\n  "
            + "\n  ".join(faults)
            + "\nBuild the optimizer as the saved one was built."
        )
    return [{**group, **optimizer._checked(group)} for group in groups], state


def _paired_groups(optimizer: Any, saved: Any) -> list[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Pair each parameter group with its saved group."""
    where = type(optimizer).__name__
    if not isinstance(saved, Mapping) or not {"state", "param_groups"} <= saved.keys():
        raise StateDictError(f'{where}: expected a state dict with the keys "state" and "param_groups".')
    expected = [len(group["params"]) for group in optimizer.param_groups]
    got = [len(group.get("params", ())) for group in saved["param_groups"]]
    if expected != got:
        raise StateDictError(
            f"{where}: expected groups with {expected} parameters, got {got}. Nothing was loaded. Build the optimizer "
            f"with the saved groups first."
        )
    return list(zip(optimizer.param_groups, saved["param_groups"], strict=True))


def _restored_group(current: Mapping[str, Any], saved_group: Mapping[str, Any]) -> dict[str, Any]:
    """Return the saved hyperparameters of a group with the current parameters and their names."""
    settings = {name: value for name, value in saved_group.items() if name not in _PYTORCH_ONLY}
    names = {"param_names": current["param_names"]} if "param_names" in current else {}
    return {**names, **settings, "params": list(current["params"])}


def _group_faults(optimizer: Any, group: Mapping[str, Any]) -> Iterator[str]:
    missing = optimizer.defaults.keys() - group.keys()
    yield from (f"missing: hyperparameter {name}" for name in sorted(missing))
    unknown = group.keys() - {"params", "param_names", INITIAL_LR, *optimizer.defaults}
    yield from (f"unexpected: hyperparameter {name}" for name in sorted(unknown))
    if len(group.get("param_names", group["params"])) != len(group["params"]):
        yield "wrong: param_names must have one name for each parameter"
    if not missing:
        try:
            optimizer._checked(group)
            base_rates(type(optimizer).__name__, [group])
        except ValueError as error:
            yield f"wrong: {error}"


def _load_state(state: dict[str, ndarray], optimizer: Any, p: Tensor, group: Any, entries: Any) -> Iterator[str]:
    """Copy the saved arrays of a parameter into its state. Yield a description of each mismatch."""
    values = {name: value for name, value in entries.items() if value is not None}
    slots: Mapping[str, Slot] = optimizer.state_slots
    for name, slot in slots.items():
        if name in values:
            try:
                state[name] = _cast_saved(values[name], slot.new(p._data, group))
            except Exception as error:
                yield f"wrong: {name} {error}"
        elif slot.initial is not None and slot.when is None:
            yield f"missing: {name}"
    yield from (f"unexpected: {name}" for name in values if name not in slots)


def _cast_saved(value: Any, like: ndarray) -> ndarray:
    """Return a saved value as a new array of the shape and dtype of `like`. Raise ValueError for a mismatch."""
    array = np.asarray(values_of(value))
    if array.shape != like.shape or array.dtype.kind not in "fiu":
        raise ValueError(f"has shape {array.shape} and dtype {array.dtype}, expected {like.shape} and {like.dtype}.")
    with np.errstate(over="ignore"):
        cast = array.astype(like.dtype)
    if np.any(np.isinf(cast) & np.isfinite(array)):
        raise ValueError(f"has a value that overflows in {like.dtype}.")
    return cast
