"""Reading what an optimizer saved: whole, or with a list of all that does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, values_of
from tinygrad_edu.errors import StateDictError
from tinygrad_edu.optim.groups import base_rates
from tinygrad_edu.optim.settings import INITIAL_LR

# What PyTorch's groups have of its kernels and its schedulers: nothing of it changes what a step computes.
_OF_PYTORCH_ALONE = frozenset(
    ("foreach", "fused", "capturable", "differentiable", "max_lr", "min_lr", "max_momentum", "base_momentum")
)
State = dict[Tensor, dict[str, ndarray]]


def read(optimizer: Any, saved: Any) -> tuple[list[dict[str, Any]], State]:
    """Return the parameter groups and the state that an optimizer has once `saved` is loaded into it."""
    pairs = _pairs(optimizer, saved)
    groups = [_group(mine, theirs) for mine, theirs in pairs]
    faults = [f"group {k}: {fault}" for k, group in enumerate(groups) for fault in _misfits(optimizer, group)]
    owners = {
        number: (p, group)
        for group, (_, theirs) in zip(groups, pairs, strict=True)
        for number, p in zip(theirs["params"], group["params"], strict=True)
    }
    state: State = {p: {} for number, (p, _) in owners.items() if number in saved["state"]}
    faults += [f"unexpected: a state of parameter {number}" for number in saved["state"] if number not in owners]
    for number, (p, group) in {} if faults else owners.items():
        if p in state:
            entries = saved["state"][number]
            faults += [f"parameter {number}: {fault}" for fault in _fill(state[p], optimizer, p, group, entries)]
    if faults:
        raise StateDictError(
            f"this state dict does not fit {type(optimizer).__name__}, and nothing was loaded:\n  "
            + "\n  ".join(faults)
            + "\nBuild the optimizer as the saved one was built."
        )
    return [{**group, **optimizer._settings(group)} for group in groups], state


def _pairs(optimizer: Any, saved: Any) -> list[tuple[dict[str, Any], Mapping[str, Any]]]:
    """Return each group with the saved one that belongs to it."""
    where = type(optimizer).__name__
    if not isinstance(saved, Mapping) or not {"state", "param_groups"} <= saved.keys():
        raise StateDictError(f'{where}: the state dict of an optimizer has the keys "state" and "param_groups".')
    here = [len(group["params"]) for group in optimizer.param_groups]
    there = [len(group.get("params", ())) for group in saved["param_groups"]]
    if here != there:
        raise StateDictError(
            f"{where}: the saved groups have {there} parameters, and those here {here}. Nothing was loaded: build the "
            f"optimizer over the same groups first."
        )
    return list(zip(optimizer.param_groups, saved["param_groups"], strict=True))


def _group(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the saved settings of a group with the parameters that are there, and with their names."""
    settings = {name: value for name, value in theirs.items() if name not in _OF_PYTORCH_ALONE}
    names = {"param_names": mine["param_names"]} if "param_names" in mine else {}
    return {**names, **settings, "params": list(mine["params"])}


def _misfits(optimizer: Any, group: Mapping[str, Any]) -> Iterator[str]:
    missing = optimizer.defaults.keys() - group.keys()
    yield from (f"missing: the setting {name}" for name in sorted(missing))
    unknown = group.keys() - {"params", "param_names", INITIAL_LR, *optimizer.defaults}
    yield from (f"unexpected: the setting {name}" for name in sorted(unknown))
    if len(group.get("param_names", group["params"])) != len(group["params"]):
        yield "wrong: there is not one of the param_names for each parameter"
    if not missing:
        try:
            optimizer._settings(group)
            base_rates(type(optimizer).__name__, [group])
        except ValueError as error:
            yield f"wrong: {error}"


def _fill(state: dict[str, ndarray], optimizer: Any, p: Tensor, group: Any, entries: Any) -> Iterator[str]:
    """Read what was remembered of a parameter into its state, and yield what does not fit."""
    found = {name: value for name, value in entries.items() if value is not None}
    needed = (*optimizer._counts, *optimizer._remembers)
    known = (*needed, *optimizer._remembers_for)
    yield from (f"missing: {name}" for name in needed if name not in found)
    yield from (f"unexpected: {name}" for name in found if name not in known)
    for name in known:
        if name in found:
            try:
                state[name] = _fitted(found[name], optimizer._begin(name, p, group))
            except Exception as error:
                yield f"wrong: {name} {error}"


def _fitted(value: Any, like: ndarray) -> ndarray:
    """Return a copy of a saved value as an array like the one given, or raise with what is wrong."""
    array = np.asarray(values_of(value))
    if array.shape != like.shape or array.dtype.kind not in "fiu":
        raise ValueError(f"has shape {array.shape} and dtype {array.dtype}, and needs {like.shape} and {like.dtype}")
    with np.errstate(over="ignore"):
        cast = array.astype(like.dtype)
    if np.any(np.isinf(cast) & np.isfinite(array)):
        raise ValueError(f"has a number that {like.dtype} cannot hold")
    return cast
