"""Parameter groups: validation of the parameters and hyperparameters passed to an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tinygrad_edu.engine import Tensor, refuse_read_only
from tinygrad_edu.errors import DTypeError, NoGraphError
from tinygrad_edu.nn.module import warn_of_made_results
from tinygrad_edu.optim.settings import INITIAL_LR, NON_NEGATIVE, check_setting

Group = dict[str, Any]


class OwnerRefs(dict[int, Callable[[], Any]]):
    """Weak references to the modules whose ``parameters()`` were passed to the optimizer, by the id of each parameter.

    A copied optimizer has other parameters, and starts without references.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return OwnerRefs, ()

    def add(self, where: str, listed: Any, params: list[Tensor]) -> None:
        """Record the module that returned the list `listed`, if any. Warn of its results that look like parameters."""
        if owner := getattr(listed, "owner", None):
            self.update((id(p), owner) for p in params)
            if module := owner():
                warn_of_made_results(where, module)

    def replaced(self, params: list[Tensor]) -> Iterator[Tensor]:
        """Yield each parameter that is no longer in its module."""
        parameter_ids: dict[int, set[int]] = {}
        for p in params:
            model = self.get(id(p), lambda: None)()
            if model is None:
                continue
            if id(model) not in parameter_ids:
                parameter_ids[id(model)] = set(map(id, model.parameters()))
            if id(p) not in parameter_ids[id(model)]:
                yield p


def as_list(where: str, params: Any) -> list[Any]:
    """Return parameters or groups as a list. Raise DTypeError for a Tensor, a dict, a str, a set or a non-iterable."""
    if isinstance(params, Tensor | Mapping | str | set | frozenset) or not isinstance(params, Iterable):
        raise DTypeError(
            f"{where}: parameters must be a list of tensors, got {type(params).__name__}: pass model.parameters(), or "
            f"[w] for a single tensor."
        )
    return list(params)


def as_parameters(where: str, params: Any) -> list[Tensor]:
    """Return parameters as a list. Raise DTypeError for one that is not a Tensor."""
    parameters = as_list(where, params)
    for k, p in enumerate(parameters):
        _require_tensor(where, f"parameter {k}", p)
    return parameters


def _require_tensor(where: str, label: str, p: Any) -> None:
    if not isinstance(p, Tensor):
        raise DTypeError(f"{where}: {label} must be a Tensor, got {type(p).__name__}.")


def groups_of(where: str, params: Any) -> list[Any]:
    """Return the `params` argument of an optimizer as a list of groups."""
    entries = as_list(where, params)
    if any(isinstance(entry, Mapping) for entry in entries):
        return entries
    return [{"params": params if isinstance(params, list) else entries}]


def group_of(where: str, given: Any, defaults: Group) -> Group:
    """Return a complete group, with its parameters as a list and defaults for missing hyperparameters."""
    if not isinstance(given, Mapping) or "params" not in given:
        raise DTypeError(
            f'{where}: a parameter group must be a dict such as {{"params": [w], "lr": 0.1}}, got {given!r}.'
        )
    for name in given.keys() - {"params", "param_names", INITIAL_LR, *defaults}:
        raise ValueError(f"{where}: unknown hyperparameter {name!r} in a group; expected {', '.join(defaults)}.")
    members = as_list(where, [given["params"]] if isinstance(given["params"], Tensor) else given["params"])
    group = {**given, "params": members}
    if any(isinstance(item, tuple) for item in members):
        group["param_names"], group["params"] = _unzip(where, members)
    return {**defaults, **group}


def _unzip(where: str, pairs: list[Any]) -> tuple[list[str], list[Any]]:
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise DTypeError(f"{where}: parameters must be all (name, tensor) pairs or all tensors, got {pair!r}.")
    return [name for name, _ in pairs], [p for _, p in pairs]


def parameter_labels(groups: Iterable[Group], first: int = 0) -> list[str]:
    """Return labels of the parameters for messages: their indices, starting at `first`, and names if known."""
    names = [name for group in groups for name in group.get("param_names") or [None] * len(group["params"])]
    return [f"parameter {k}" + (f" ({name})" if name else "") for k, name in enumerate(names, first)]


def check_parameter(where: str, label: str, p: Any) -> None:
    """Raise unless `p` is a frozen parameter, or a leaf that requires a gradient and has writable storage."""
    _require_tensor(where, label, p)
    if not p.requires_grad and not p.frozen:
        raise NoGraphError(f"{where}: {label}, of shape {p.shape}, does not require a gradient.")
    if p.requires_grad:
        refuse_read_only(f"{where} updates {label}", p)
    if not p.is_leaf:
        raise NoGraphError(
            f"{where}: {label}, of shape {p.shape}, is not a leaf: an op computed it, and the next forward would "
            f"overwrite any change. Optimize the leaves that it was computed from."
        )


def base_rates(where: str, groups: Iterable[Mapping[str, Any]]) -> list[float]:
    """Return the base learning rate of each group, before any schedule changed it."""
    return [check_setting(where, INITIAL_LR, NON_NEGATIVE, group.get(INITIAL_LR, group["lr"])) for group in groups]


def set_rates(where: str, groups: list[Group], schedule: Callable[[Any], Any], step: Any, default: float) -> None:
    """Set the learning rate of all groups by a schedule; see `Optimizer.apply_schedule`."""
    lr, bases = check_setting(where, "lr", NON_NEGATIVE, schedule(step)), base_rates(where, groups)
    equal = all(base == bases[0] for base in bases)
    reference = bases[0] if equal else _reference_lr(where, schedule, bases, default)
    rates = [lr if b == reference else check_setting(where, "lr", NON_NEGATIVE, lr * (b / reference)) for b in bases]
    for group, base, rate in zip(groups, bases, rates, strict=True):
        group.update({INITIAL_LR: base, "lr": rate})


def _reference_lr(where: str, schedule: Any, bases: list[float], lr: float) -> float:
    """Return the base rate that a schedule refers to, if the groups have different base rates."""
    base_lr = getattr(schedule, "base_lr", None)
    first = schedule(0) if base_lr is None else base_lr
    rate = first if first in bases else lr
    if not rate or rate not in bases:
        raise ValueError(
            f"{where}: the schedule matches none of the learning rates {bases} of the parameter groups. The lr of the "
            f"schedule (for a custom function, its value at step 0) is {first}, and the lr of the optimizer is {lr}. "
            f"One of them must be the learning rate of a group."
        )
    return rate
