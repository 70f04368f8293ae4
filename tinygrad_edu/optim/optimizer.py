"""Base class of optimizers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any, ClassVar

from numpy import ndarray

from tinygrad_edu import core
from tinygrad_edu.core.sgd import Ready
from tinygrad_edu.engine import Tensor, enable_grad, writing
from tinygrad_edu.errors import NoGraphError
from tinygrad_edu.optim.fast.chunks import update_in_chunks
from tinygrad_edu.optim.groups import OwnerRefs, check_parameter, group_of, groups_of, parameter_labels, set_rates
from tinygrad_edu.optim.settings import NON_NEGATIVE, HasSettings, checked, defaults_of, hyperparameter, init_of
from tinygrad_edu.optim.state import Slot, read_state
from tinygrad_edu.shared.speed.plain_mode import faster_than


class Optimizer(HasSettings, core.Optimizer):
    """Base class of optimizers. A subclass declares its hyperparameters and state, and defines `update`.

    Parameters
    ----------
    params : iterable of Tensor, of (str, Tensor), or of dict
        Leaf tensors that require a gradient: ``model.parameters()``, or ``model.named_parameters()`` for names in
        messages. Frozen parameters are skipped until they are unfrozen. Dicts are parameter groups, with ``"params"``
        and the hyperparameters that differ from the defaults.
    *values : Any
        Hyperparameters, in the order in which the class declares them: ``lr``, 1e-3 by default, then those of the
        subclass.
    **settings : Any
        Hyperparameters by name. Subclasses declare them with `hyperparameter`.

    Attributes
    ----------
    param_groups : list of dict
        Each has ``"params"`` and all hyperparameters, which may change between steps. ``optimizer.lr = 0.1`` sets the
        value of all groups, and raises ValueError if their values differ.
    state : dict
        Maps each parameter to its arrays, named as in PyTorch.
    state_slots : dict
        Maps the name of each array in the state of a parameter to its `Slot`. Declared by the class.

    Raises
    ------
    ValueError
        A hyperparameter is invalid or unknown, there are no parameters, or a parameter is duplicated.
    DTypeError, NoGraphError, ReadOnlyError
        A parameter is not a Tensor, is neither frozen nor a leaf that requires a gradient, or has read-only storage.

    Examples
    --------
    >>> import numpy as np
    >>> class SignDescent(Optimizer):
    ...     def update(self, param, grad, state, group):
    ...         param -= group["lr"] * np.sign(grad)
    >>> w = Tensor([1.0, -2.0], requires_grad=True)
    >>> w.grad = [8.0, -0.5]
    >>> SignDescent([w], lr=0.25).step()
    >>> w.numpy()
    array([ 0.75, -1.75], dtype=float32)
    """

    # Also the names that __setattr__ accepts. Subclasses have a __dict__, so that type checkers accept hyperparameters.
    __slots__ = ("_checked_values", "_owner_refs", "defaults", "param_groups", "state")

    params: Any
    lr: float = hyperparameter(default=1e-3, rule=NON_NEGATIVE)
    state_slots: ClassVar[Mapping[str, Slot]] = {}

    def __init__(self, params: Any, *values: Any, **settings: Any) -> None:
        # Not the core's __init__, which makes one group of all parameters.
        where = type(self).__name__
        self.defaults = defaults_of(where, self._settings, values, settings)
        self.param_groups = []
        self.state = {}
        self._checked_values: list[Any] = []  # the hyperparameters of the last step
        self._owner_refs = OwnerRefs()
        for group in groups_of(where, params):
            self.add_param_group(group)
        if not self._parameters():
            raise ValueError(f"{where}: got an empty parameter list: the model or list has no parameters.")

    def __init_subclass__(cls) -> None:
        """Generate an ``__init__`` from the hyperparameters, unless the class defines or inherits another."""
        super().__init_subclass__()
        bases = (base for base in cls.__mro__ if issubclass(base, Optimizer))  # not those of the core
        init = next(vars(base)["__init__"] for base in bases if "__init__" in vars(base))
        if init is Optimizer.__init__ or "__signature__" in vars(init):
            cls.__init__ = init_of(cls._settings, Optimizer.__init__)  # type: ignore[method-assign]

    def update(self, param: ndarray, grad: ndarray, state: dict[str, ndarray], group: Mapping[str, Any]) -> None:
        """Update one parameter in place. Every optimizer defines this method; `step` calls it.

        Parameters
        ----------
        param, grad : ndarray
            The parameter, updated in place, and its gradient, read only. Both have the same shape and dtype.
        state : dict
            The arrays of this parameter by the names in `state_slots`, updated in place.
        group : dict
            The hyperparameters of its parameter group.
        """
        super().update(param, grad, state, group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        If Ctrl-C interrupts the step, only some parameters are updated, and graphs that saved any of them are stale.

        Parameters
        ----------
        closure : callable, optional
            Called first: a function that sets the gradients, and returns the loss.

        Returns
        -------
        Any
            What the closure returned, or None without one.

        Raises
        ------
        ValueError
            A hyperparameter is invalid.
        NoGraphError, ReadOnlyError
            A parameter from ``model.parameters()`` has no gradient and was replaced in the model, a parameter is no
            longer a leaf, or its storage is read-only. No parameter is updated then.
        """
        loss = None if closure is None else evaluated(closure)
        super().step()
        return loss

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a parameter group: a dict with ``"params"`` and the hyperparameters that differ from the defaults.

        Raises
        ------
        ValueError, DTypeError, NoGraphError, ReadOnlyError
            As for a new optimizer. Nothing is added then.
        """
        where, existing = type(self).__name__, self._parameters()
        group = group_of(where, param_group, self.defaults)
        group.update(self._checked(group))
        seen = set(map(id, existing))
        for label, p in zip(parameter_labels([group], len(existing)), group["params"], strict=True):
            self._check_parameter(label, p)
            if id(p) in seen:
                raise ValueError(f"{where}: {label}, of shape {p.shape}, is duplicated: a step would update it twice.")
            seen.add(id(p))
        self._owner_refs.add(where, param_group["params"], group["params"])
        self.param_groups.append(group)

    def apply_schedule(self, schedule: Callable[[Any], float], step: Any) -> None:
        """Set the learning rate of all groups to ``schedule(step)``. Groups with different rates keep their ratio.

        As in PyTorch's schedulers, the base rates of all groups are multiplied by the same factor. If they differ,
        ``schedule(step)`` is the rate of the groups whose base rate equals the `lr` of the schedule, such as in
        ``schedules.cosine(lr, steps)``, or its value at step 0 for a custom function. If there is no such group, it is
        the rate of the groups whose base rate equals the `lr` of the optimizer.

        Parameters
        ----------
        schedule : callable
            One of `schedules`, or any function of the step that returns a learning rate.
        step : int
            Argument of the schedule.

        Raises
        ------
        ValueError
            A rate is negative or not finite, or the groups differ and none has the `lr` of the schedule or of the
            optimizer. No rate is changed then.

        Notes
        -----
        The base rate of a group is its ``"lr"`` when a schedule is first applied. The group stores it as
        ``"initial_lr"``, which `state_dict` saves. Assigning ``optimizer.lr`` resets it.

        Examples
        --------
        >>> from tinygrad_edu.optim import SGD, schedules
        >>> body, head = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
        >>> optimizer = SGD([{"params": [body], "lr": 0.25}, {"params": [head]}], lr=1.0)
        >>> optimizer.apply_schedule(schedules.exponential(1.0, gamma=0.5), 1)
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.125, 0.5]
        """
        set_rates(type(self).__name__, self.param_groups, schedule, step, self.defaults["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the hyperparameters and the state, in PyTorch's format.

        Returns
        -------
        dict
            ``"state"`` maps the index of each parameter to its arrays by name. ``"param_groups"`` lists the groups,
            with the indices of their parameters.

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
            if self.state.get(p)
        }
        groups = [{**group, "params": [numbers[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load hyperparameters and state saved by this optimizer, or by PyTorch's of the same name.

        Parameters
        ----------
        state_dict : mapping
            The result of `state_dict`, with arrays or PyTorch tensors. Parameters are matched by their order.

        Raises
        ------
        StateDictError
            An entry is missing, unexpected or of another shape. The message lists all of them; nothing is loaded.
        """
        groups, state = read_state(self, state_dict)
        # A single call in C, so that Ctrl-C cannot interrupt between the two assignments.
        deque(map(object.__setattr__, repeat(self), ("param_groups", "state"), (groups, state)), maxlen=0)

    def __repr__(self) -> str:
        groups = [
            f"{len(group['params'])} parameters: " + ", ".join(f"{name}={group[name]!r}" for name in self.defaults)
            for group in self.param_groups
        ]
        return f"{type(self).__name__}(\n  " + "\n  ".join(groups) + "\n)"

    def _check_parameter(self, label: str, p: Any) -> None:
        """Raise for a parameter that this optimizer cannot update."""
        check_parameter(type(self).__name__, label, p)

    def _checked(self, group: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters of a group. Raise for an invalid one."""
        return checked(type(self).__name__, self._settings, group)

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _params_with_grad(self) -> list[Ready]:
        """Return the parameters that have a gradient, with valid hyperparameters. Raise for an unusable one."""
        if self._is_checked() and all(map(is_ready, self._parameters())):
            return super()._params_with_grad()
        settings = {id(group): self._checked(group) for group in self.param_groups}
        self._checked_values = [value for each in settings.values() for value in each.values()]
        if others := [p for p in self._parameters() if not is_ready(p)]:
            self._refuse_unusable(others)
        return [(p, grad, settings[id(group)]) for p, grad, group in super()._params_with_grad()]

    def _is_checked(self) -> bool:
        """Return whether the hyperparameters are the objects that the last check returned."""
        values = [group[name] for group in self.param_groups for name in self._settings]
        return [*map(id, values)] == [*map(id, self._checked_values)]

    def _refuse_unusable(self, params: list[Tensor]) -> None:
        """Raise for a parameter that cannot be updated, or that has no gradient and was replaced in its model."""
        for p in params:
            if not p.is_leaf or p.grad is not None:
                self._check_parameter(self._label(p), p)
        for p in self._owner_refs.replaced(params):
            raise NoGraphError(
                f"{type(self).__name__}: {self._label(p)}, of shape {p.shape}, was replaced in the model, and has no "
                f"gradient. Create a new optimizer from model.parameters(), or change a parameter with "
                f".assign(values) instead of replacing it."
            )

    def _update_all(self, params: list[Ready]) -> None:
        """Update parameters, after the arrays of the state that have an initial value were created."""
        if any(slot.initial is not None for slot in self.state_slots.values()):
            self._create_state(params)
        with writing(*(p._storage for p, _, _ in params)):
            update_all(self, params)  # the core's method, or its faster twin

    def _create_state(self, params: list[Ready]) -> None:
        for p, _, group in params:
            state = self.state.setdefault(p, {})
            for name, slot in self.state_slots.items():
                if name not in state and slot.initial is not None and slot.is_used(group):
                    state[name] = slot.new(p._data, group)

    def _label(self, p: Tensor) -> str:
        return dict(zip(map(id, self._parameters()), parameter_labels(self.param_groups), strict=True))[id(p)]


def is_ready(p: Tensor) -> bool:
    """Return whether a parameter has a gradient and can be updated."""
    node = p._node
    return node is not None and node.op is None and node.grad is not None and p._data.flags.writeable


def evaluated(closure: Callable[[], Any]) -> Any:
    """Return the result of a closure, which records a graph even inside of `no_grad`."""
    with enable_grad():
        return closure()


def with_weight_decay(param: ndarray, grad: ndarray, group: Mapping[str, Any]) -> ndarray:
    """Return the gradient, negated if ``maximize``, plus weight_decay * param.

    Decoupled weight decay instead scales the parameter in place by 1 - lr * weight_decay.
    """
    grad = -grad if group["maximize"] else grad
    if not group["weight_decay"]:
        return grad
    if not group.get("decoupled_weight_decay"):
        return grad + float(group["weight_decay"]) * param
    param *= 1 - group["lr"] * group["weight_decay"]
    return grad


update_all = faster_than(core.Optimizer._update_all)(update_in_chunks)
