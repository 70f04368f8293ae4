"""Optimizer: what all optimizers are. Parameter groups with settings, a state for each parameter, and the step."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise, repeat
from sys import getrefcount
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray
from numpy.lib.array_utils import byte_bounds

from tinygrad_edu.cores.threads import in_parts
from tinygrad_edu.engine import Tensor, writing
from tinygrad_edu.errors import NoGraphError
from tinygrad_edu.names import KeywordHints
from tinygrad_edu.nn.module import parts_replaced
from tinygrad_edu.optim.groups import (
    Owners,
    base_rates,
    group_of,
    groups_of,
    label,
    learning_rate,
    reference_rate,
    refuse,
    refuse_twice,
)
from tinygrad_edu.optim.saved import read
from tinygrad_edu.optim.scratch import Piece, Scratch
from tinygrad_edu.optim.settings import AT_LEAST_0, INITIAL_LR, Setting, checked, rules_of
from tinygrad_edu.thresholds import SizeThreshold

GroupSettings = dict[str, Any]
# Moves a part of a parameter: of it, its gradient, two scratch arrays, and each array that is remembered.
MovePart = Callable[..., None]
_Moving = tuple[Tensor, GroupSettings]

# Parameters of which a step reads so many numbers are moved on several threads, if there are several: each call of
# NumPy then takes so long that the threads hardly wait for each other. In all they are so many at least: of fewer, this
# thread is done when another has hardly been woken, on a core that BLAS may still hold.
_LARGE, _ENOUGH = map(SizeThreshold, (300_000, 3_000_000))


def _lie_apart(arrays: Iterable[ndarray]) -> bool:
    """Return whether no two of them share memory: which is moved first would matter."""
    return all(end <= start for (_, end), (start, _) in pairwise(sorted(byte_bounds(array) for array in arrays)))


class Optimizer(KeywordHints):
    """The base of the optimizers, whose form is PyTorch's: one defines its settings, what it remembers, and `_move`.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Leaves that require a gradient: ``model.parameters()``; or ``model.named_parameters()``, and messages name them.
        A frozen parameter is skipped until it is unfrozen. Dicts are parameter groups: each has ``"params"``, and
        settings of its own where they differ.
    defaults
        The settings of the groups that have none of their own.

    Attributes
    ----------
    param_groups : list of dict
        Each with ``"params"`` and every setting, which may be changed between steps. ``optimizer.lr = 0.1`` does so in
        all groups; where their values differ, it raises ValueError.
    state : dict
        For each parameter that was moved, what is remembered of it: arrays, by PyTorch's names.

    Raises
    ------
    ValueError
        For a setting that cannot be, an unknown one, no parameters, or one given twice.
    DTypeError, NoGraphError, ReadOnlyError
        For a parameter that is no Tensor, neither a leaf that requires a gradient nor a frozen parameter, or in memory
        that cannot be written to.

    Examples
    --------
    One of your own, with no state, which moves every element by one length:

    >>> class SignDescent(Optimizer):
    ...     def _move(self, p, s):
    ...         for w, g, a, b, remembered in self._parts(p, s):
    ...             w -= s["lr"] * np.sign(g)
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [8.0, -0.5]
    >>> SignDescent([w], lr=0.25).step()
    >>> w.numpy()
    array([ 0.75, -1.75], dtype=float32)
    """

    __slots__ = ("_owners", "_scratch", "defaults", "param_groups", "state")

    # What is remembered of each parameter: numbers, arrays of its shape, and those for which the setting named asks.
    _counts: ClassVar[tuple[str, ...]] = ()
    _remembers: ClassVar[tuple[str, ...]] = ()
    _remembers_for: ClassVar[Mapping[str, str]] = {}

    lr = Setting(AT_LEAST_0)

    param_groups: list[dict[str, Any]]
    state: dict[Tensor, dict[str, ndarray]]

    def __init__(self, params: Any, **defaults: Any) -> None:
        self.defaults, self.param_groups, self.state = defaults, [], {}
        self._scratch, self._owners = Scratch(), Owners()
        for group in groups_of(type(self).__name__, params):
            self.add_param_group(group)
        if not self._parameters():
            raise ValueError(
                f"{type(self).__name__}: there are no parameters to optimize: the model has none, or the list of them "
                f"was empty."
            )

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Take on more parameters: a dict with ``"params"``, and settings of their own where they differ.

        Raises
        ------
        ValueError, DTypeError, NoGraphError, ReadOnlyError
            As for a new optimizer. Then nothing was added.
        """
        where, taken = type(self).__name__, self._parameters()
        group = group_of(where, param_group, self.defaults)
        group.update(self._settings(group))
        for k, p in enumerate(group["params"]):
            self._refuse(label(group, k, len(taken)), p)
        refuse_twice(where, group, taken)
        self._owners.add(param_group["params"], group["params"])
        self.param_groups.append(group)

    def step(self) -> None:
        """Move every parameter that has a gradient.

        Where Ctrl-C interrupts it, some have moved and some have not; graphs that saved any of them are stale.

        Raises
        ------
        ValueError
            For a setting that cannot be.
        NoGraphError, ReadOnlyError
            For a parameter that was replaced in the model that listed it, or has no gradient and nothing else holds it;
            that was computed in the meantime; or that cannot be written to any more. Nothing moves then.
        """
        moving = list(self._to_move())
        shared, others = self._shared_out(moving)
        with writing(*(p._cell for p, _ in moving)):
            in_parts(lambda each: self._move_part(*each), list(self._parts_of(shared)), multiplies=False)
            for p, s in others:
                self._move(p, s)

    def apply_schedule(self, schedule: Callable[[Any], float], step: Any) -> None:
        """Set the learning rate of all groups to ``schedule(step)``; groups that differ keep their ratio.

        Of groups that differ, ``schedule(step)`` is the rate of those whose base rate is the `lr` that the schedule was
        made with, as in ``schedules.cosine(lr, steps)``, or that a function of your own returns for step 0. Where no
        group has that rate, it is the rate of the groups that have the `lr` of the optimizer. A schedule multiplies the
        base rate of every group by the same factor, as PyTorch's schedulers do.

        Parameters
        ----------
        schedule : callable
            One of `schedules`, or any function of the step that returns a learning rate.
        step : int
            What the schedule is called with.

        Raises
        ------
        ValueError
            For a rate that is not a finite number of at least 0, and where the groups differ and none of them has the
            `lr` of the schedule or of the optimizer. Then no rate was changed.

        Notes
        -----
        The base rate of a group is its ``"lr"`` when a schedule is first applied. It is kept in the group as
        ``"initial_lr"``, which `state_dict` saves. Assigning ``optimizer.lr`` sets a new one.

        Examples
        --------
        >>> from tinygrad_edu.optim import SGD, schedules
        >>> body, head = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
        >>> optimizer = SGD([{"params": [body], "lr": 0.25}, {"params": [head]}], lr=1.0)
        >>> optimizer.apply_schedule(schedules.exponential(1.0, gamma=0.5), 1)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.125, 0.5]
        """
        where = type(self).__name__
        lr = learning_rate(where, schedule(step))
        bases = base_rates(where, self.param_groups)
        alike = all(base == bases[0] for base in bases)
        reference = bases[0] if alike else reference_rate(where, schedule, bases, self.defaults["lr"])
        rates = [lr if base == reference else learning_rate(where, lr * (base / reference)) for base in bases]
        for group, base, rate in zip(self.param_groups, bases, rates, strict=True):
            group.update({INITIAL_LR: base, "lr": rate})

    def zero_grad(self) -> None:
        """Forget the gradient of each parameter: ``grad`` becomes None."""
        for p in self._parameters():
            p.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that a step depends on but the parameters: what to save. Its form is PyTorch's.

        Returns
        -------
        dict
            ``"state"``: for the number of each parameter, arrays by name; ``"param_groups"``: the groups, with the
            numbers of their parameters.

        Examples
        --------
        >>> from tinygrad_edu.optim import SGD
        >>> w = Tensor([1.0], requires_grad=True)
        >>> optimizer = SGD([w], lr=0.5, momentum=0.9)
        >>> w.grad = [2.0]
        >>> optimizer.step()
        >>> optimizer.state_dict()["state"]
        {0: {'momentum_buffer': array([2.], dtype=float32)}}
        """
        numbers = {p: k for k, p in enumerate(self._parameters())}
        state = {
            k: {name: array.copy() for name, array in self.state[p].items()}
            for p, k in numbers.items()
            if p in self.state
        }
        groups = [{**group, "params": [numbers[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over settings and state that were saved, of this optimizer or of PyTorch's of the same name.

        Parameters
        ----------
        state_dict : mapping
            What `state_dict` returned; PyTorch's tensors are read, too. The parameters are matched by their order.

        Raises
        ------
        StateDictError
            Naming every missing, unexpected and unfitting entry. Then nothing was loaded.
        """
        groups, state = read(self, state_dict)
        # In one call from C: no Ctrl-C comes between the two.
        deque(map(setattr, repeat(self), ("param_groups", "state"), (groups, state)), maxlen=0)

    def __repr__(self) -> str:
        groups = [
            f"{len(group['params'])} parameters: " + ", ".join(f"{name}={group[name]!r}" for name in self.defaults)
            for group in self.param_groups
        ]
        return f"{type(self).__name__}(\n  " + "\n  ".join(groups) + "\n)"

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _refuse(self, label: str, p: Any) -> None:
        """Raise for a parameter that this optimizer cannot move."""
        refuse(type(self).__name__, label, p)

    def _settings(self, group: Mapping[str, Any]) -> GroupSettings:
        """Return the settings of a group, or raise for one that cannot be."""
        kind: Any = type(self)  # its __hash__ confuses mypy
        return checked(type(self).__name__, rules_of(kind), group)

    def _shared_out(self, moving: list[_Moving]) -> tuple[list[_Moving], list[_Moving]]:
        """Return the parameters whose parts threads share, and the others."""
        large, others, kind = list[_Moving](), list[_Moving](), type(self)
        in_parts_only = kind._move is Optimizer._move and kind._moves is not Optimizer._moves
        for p, s in moving if in_parts_only else ():
            # Of most, which are small, the size alone is asked.
            is_large = p._data.size > _LARGE // 8 and self._read(p, s) >= _LARGE
            (large if is_large else others).append((p, s))
        enough = large and sum(self._read(p, s) for p, s in large) >= _ENOUGH
        return (large, others) if enough and _lie_apart(p._data for p, _ in large) else ([], moving)

    def _read(self, p: Tensor, s: GroupSettings) -> int:
        """Return how many numbers a step reads of a parameter, its gradient and what is remembered."""
        return p._data.size * (2 + len(self._names(s)))

    def _names(self, s: GroupSettings) -> tuple[str, ...]:
        """Return the names of the arrays that are remembered of a parameter with these settings."""
        names = self._remembers
        for name, setting in self._remembers_for.items():
            if s[setting]:
                names += (name,)
        return names

    def _begin(self, name: str, p: Tensor, s: GroupSettings) -> ndarray:
        """Return what is remembered under a name before the first step."""
        return np.zeros((), np.float32) if name in self._counts else np.zeros(p.shape, p.dtype)

    def _move(self, p: Tensor, s: GroupSettings) -> None:
        """Move one parameter by its gradient. Every optimizer defines its own, or else `_moves`."""
        move = self._moves(p, s)
        g: Any = p.grad
        for index, data, a, b, remembered in self._pieces(p, s):
            move(data, g[index], a, b, *remembered)

    def _moves(self, p: Tensor, s: GroupSettings) -> MovePart:
        """Begin to move a parameter, and return what moves a part of it: threads may share the parts.

        It multiplies no matrices, for which BLAS has threads of its own.
        """
        raise NotImplementedError(f"{type(self).__name__} has no _move: define _move(self, p, s) in it.")

    def _parts_of(self, moving: list[_Moving]) -> Iterator[tuple[Tensor, GroupSettings, MovePart, int]]:
        """Yield the parts of parameters by their numbers, and what moves each."""
        for p, s in moving:
            move = self._moves(p, s)
            yield from ((p, s, move, k) for k in range(len(self._pieces(p, s))))

    def _move_part(self, p: Tensor, s: GroupSettings, move: MovePart, k: int) -> None:
        g: Any = p.grad
        index, data, a, b, remembered = self._pieces(p, s)[k]  # with scratch memory of this thread
        move(data, g[index], a, b, *remembered)

    def _state_of(self, p: Tensor, s: GroupSettings) -> dict[str, ndarray]:
        """Return what is remembered of a parameter, and begin with what is new."""
        state = self.state.setdefault(p, {})
        for name in (*self._counts, *self._names(s)):
            if name not in state:
                state[name] = self._begin(name, p, s)
        return state

    def _parts(
        self, p: Tensor, s: GroupSettings
    ) -> Iterator[tuple[ndarray, ndarray, ndarray, ndarray, tuple[ndarray, ...]]]:
        """Yield in parts: the parameter, its gradient, two scratch arrays, and the arrays that are remembered."""
        g: Any = p.grad
        for index, data, a, b, remembered in self._pieces(p, s):
            yield data, g[index], a, b, remembered

    def _pieces(self, p: Tensor, s: GroupSettings) -> list[Piece]:
        names, arrays = self._names(s), [p._data]
        if names:
            arrays += map(self._state_of(p, s).__getitem__, names)
        return self._scratch.parts(arrays)

    def _to_move(self) -> Iterator[tuple[Tensor, GroupSettings]]:
        """Yield each parameter that has a gradient with its settings, or say which one cannot be moved any more."""
        first, suspect, now = 0, dict[str, Tensor](), parts_replaced[0]
        for group in self.param_groups:
            s, parameters = self._settings(group), group["params"]
            for k in range(len(parameters)):
                references = _references(parameters, k)  # before there is a name for it, which would be one more
                p = parameters[k]
                node = p._node
                if node is not None and node.op is not None:
                    self._refuse(label(group, k, first), p)
                g = None if node is None else node.grad
                if g is not None:
                    if not p._data.flags.writeable:
                        self._refuse(label(group, k, first), p)
                    yield p, s
                elif references == _ONE + (p in self.state):
                    self._refuse_replaced(label(group, k, first), p)
                # A frozen parameter has no gradient in any step: only a replacement makes it suspect.
                if (node is not None and g is None) or now != self._owners.looked:
                    suspect[label(group, k, first)] = p
            first += len(parameters)
        for name, p in self._owners.lost(suspect):
            self._refuse_replaced(name, p)
        self._owners.looked = now

    def _refuse_replaced(self, label: str, p: Tensor) -> None:
        raise NoGraphError(
            f"{type(self).__name__}: {label}, of shape {p.shape}, gets no gradient any more, since the model does not "
            f"hold it any more: what it has in its place is not trained. Make the optimizer anew, of "
            f"model.parameters(); or write into a parameter, with .assign(values), in place of replacing it."
        )


def _references(parameters: list[Any], k: int) -> int:
    return getrefcount(parameters[k])


# What that is for something that only the list refers to: counted here, because it differs between Pythons.
_ONE = _references([object()], 0)
