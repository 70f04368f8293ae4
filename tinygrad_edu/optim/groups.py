"""Parameter groups: which parameters are moved with which settings, and what is said of those that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from tinygrad_edu.engine import Tensor, refuse_read_only
from tinygrad_edu.errors import DTypeError, NoGraphError
from tinygrad_edu.optim.settings import AT_LEAST_0, INITIAL_LR, checked

Group = dict[str, Any]


class Owners(dict[int, Callable[[], Any]]):
    """A weak reference, by the id of a parameter, to the module that listed it. A copy has other parameters, and none.

    A model that was listed whole, ``model.parameters()``, can be asked later whether its parameters are still those.
    """

    looked = -1  # what `parts_replaced` was when all were still there

    def __reduce__(self) -> tuple[Any, ...]:
        return Owners, ()

    def add(self, params: Any, listed: list[Tensor]) -> None:
        """Note who listed `params`, where that is known."""
        if owner := getattr(params, "owner", None):
            self.update((id(p), owner) for p in listed)

    def lost(self, tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Yield those of the tensors, by label, that are no parameter any more of the module that listed them."""
        held: dict[int, set[int]] = {}
        for name, p in tensors.items():
            model = self.get(id(p), lambda: None)()
            if model is None:
                continue
            if id(model) not in held:
                held[id(model)] = set(map(id, model.parameters()))
            if id(p) not in held[id(model)]:
                yield name, p


def listed(where: str, params: Any) -> list[Any]:
    """Return parameters, or groups of them, as a list, or say what was given in their place."""
    if isinstance(params, Tensor | Mapping | str | set | frozenset) or not isinstance(params, Iterable):
        raise DTypeError(
            f"{where}: parameters is a list of tensors, not one {type(params).__name__}: pass model.parameters(), or "
            f"[w] for a single tensor."
        )
    return list(params)


def groups_of(where: str, params: Any) -> list[Any]:
    """Return what an optimizer is given, parameters or groups of them, as a list of groups."""
    given = listed(where, params)
    if any(isinstance(group, Mapping) for group in given):
        return given
    return [{"params": params if isinstance(params, list) else given}]


def group_of(where: str, given: Any, defaults: Group) -> Group:
    """Return a group made whole: a list of its parameters, and the defaults where it has no setting of its own.

    Parameters
    ----------
    where : str
        The name of the optimizer, for messages.
    given : mapping
        With ``"params"``: tensors, or pairs of a name and a tensor.
    defaults : dict
        The settings.
    """
    if not isinstance(given, Mapping) or "params" not in given:
        raise DTypeError(f'{where}: a parameter group is a dict such as {{"params": [w], "lr": 0.1}}, not {given!r}.')
    for name in given.keys() - {"params", "param_names", INITIAL_LR, *defaults}:
        raise ValueError(f"{where}: a parameter group has no setting {name!r}; it may have {', '.join(defaults)}.")
    found = listed(where, [given["params"]] if isinstance(given["params"], Tensor) else given["params"])
    group = {**given, "params": found}
    if any(isinstance(item, tuple) for item in found):
        group["param_names"], group["params"] = _unzipped(where, found)
    return {**defaults, **group}


def label(group: Group, k: int, first: int = 0) -> str:
    """Return what messages call a parameter: its number, counted from `first`, and its name where there is one."""
    names = group.get("param_names")
    return f"parameter {first + k}" + (f" ({names[k]})" if names else "")


def refuse(where: str, label: str, p: Any) -> None:
    """Raise for what is no parameter, frozen or not, in memory that can be written to."""
    if not isinstance(p, Tensor):
        raise DTypeError(f"{where}: {label} is a {type(p).__name__}, and must be a Tensor.")
    if not p.requires_grad and not p.frozen:
        raise NoGraphError(f"{where}: {label}, of shape {p.shape}, does not require a gradient.")
    if p.requires_grad:
        refuse_read_only(f"{where} moves {label}", p)
    if not p.is_leaf:
        raise NoGraphError(
            f"{where}: {label}, of shape {p.shape}, was computed by an op: changing it would be lost at the "
            f"next forward. Optimize the leaves that it was computed from."
        )


def refuse_twice(where: str, group: Group, taken: list[Tensor]) -> None:
    """Raise where a parameter of a group is in it twice, or one of those that are taken."""
    seen = set(map(id, taken))
    for k, p in enumerate(group["params"], len(taken)):
        if id(p) in seen:
            raise ValueError(
                f"{where}: parameter {k}, of shape {p.shape}, is there twice, and would move twice a step."
            )
        seen.add(id(p))


def learning_rate(where: str, value: Any, name: str = "lr") -> float:
    """Return a learning rate as a float, or raise the ValueError that says what it may be."""
    rate: float = checked(where, {name: AT_LEAST_0}, {name: value})[name]
    return rate


def base_rates(where: str, groups: Iterable[Mapping[str, Any]]) -> list[float]:
    """Return the learning rate that each group had before a schedule changed it."""
    return [learning_rate(where, group.get(INITIAL_LR, group["lr"]), INITIAL_LR) for group in groups]


def reference_rate(where: str, schedule: Any, bases: list[float], lr: float) -> float:
    """Return the base rate of the groups that a schedule is for, among groups of different base rates."""
    made_with = getattr(schedule, "base_lr", None)
    first = schedule(0) if made_with is None else made_with
    rate = first if first in bases else lr
    if not rate or rate not in bases:
        raise ValueError(
            f"{where}: the parameter groups have the learning rates {bases}, and the schedule is for none of them: a "
            f"schedule is for the groups with the rate that it was made with, or that a function of your own begins "
            f"with, here {first}, or else with the lr of the optimizer, which is {lr}. Make the schedule, or the "
            f"optimizer, with the learning rate of a group."
        )
    return rate


def _unzipped(where: str, pairs: list[Any]) -> tuple[list[str], list[Any]]:
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str)):
            raise DTypeError(f"{where}: parameters are all with names, pairs (name, tensor), or all without: {pair!r}.")
    return [name for name, _ in pairs], [p for _, p in pairs]
