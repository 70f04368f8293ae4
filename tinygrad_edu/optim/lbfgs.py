"""LBFGS: a quasi-Newton method with a line search, for losses without noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import values_of, writing
from tinygrad_edu.errors import StateDictError
from tinygrad_edu.optim.line_search import Point, strong_wolfe
from tinygrad_edu.optim.optimizer import Optimizer, evaluated
from tinygrad_edu.optim.settings import NON_NEGATIVE, POSITIVE_INTEGER, hyperparameter, one_of, optional

_CURVATURE = 1e-10  # the smallest curvature of a pair that is stored


class LBFGS(Optimizer):
    """LBFGS, as in PyTorch: p += t * d, where d approximates Newton's step from the last gradients.

    A step runs several iterations, and evaluates the loss by a closure in each. The loss must be the same function for
    all iterations of a step, so evaluate it on the same batch, without dropout. Algorithms 7.4 and 7.5 of J. Nocedal
    and S. Wright, "Numerical optimization", 2006; d is -g in the first iteration.

    Parameters
    ----------
    params : iterable of Tensor or of (str, Tensor)
        Parameters, such as ``model.parameters()``. There is only one group. `Optimizer` lists the errors.
    lr : float, default 1.0
        Length t of the steps along d, or the first one that the line search tries.
    max_iter : int, default 20
        Maximum number of iterations in a step.
    max_eval : int, optional
        Maximum number of evaluations in a step. Default: ``max_iter * 5 // 4``.
    tolerance_grad : float, default 1e-7
        A step ends when no element of the gradient is larger.
    tolerance_change : float, default 1e-9
        A step ends when the loss or each parameter changes by less.
    history_size : int, default 100
        Number of earlier iterations whose gradients are used.
    line_search_fn : {None, "strong_wolfe"}, default None
        How to choose the length of a step: `lr`, or a length that satisfies the strong Wolfe conditions.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> w = tg.Tensor([-1.0, 2.0], requires_grad=True)
    >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(3):
    ...     loss = optimizer.step(closure)
    >>> w.numpy().round(3)
    array([1., 1.], dtype=float32)
    """

    lr: float = hyperparameter(default=1.0, rule=NON_NEGATIVE)
    max_iter: int = hyperparameter(default=20, rule=POSITIVE_INTEGER)
    max_eval: int | None = hyperparameter(default=None, rule=optional(POSITIVE_INTEGER))
    tolerance_grad: float = hyperparameter(default=1e-7, rule=NON_NEGATIVE)
    tolerance_change: float = hyperparameter(default=1e-9, rule=NON_NEGATIVE)
    history_size: int = hyperparameter(default=100, rule=POSITIVE_INTEGER)
    line_search_fn: str | None = hyperparameter(default=None, rule=one_of(None, "strong_wolfe"))

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add the only parameter group. Raise ValueError for a second one."""
        if self.param_groups:
            raise ValueError("LBFGS: there can be only one parameter group. Pass all parameters in one list.")
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run up to `max_iter` iterations.

        Parameters
        ----------
        closure : callable
            A function that sets the gradients to zero, computes the loss, calls ``backward()``, and returns the loss.

        Returns
        -------
        Any
            The loss at the beginning, as the closure returned it.

        Raises
        ------
        TypeError
            There is no closure.
        ValueError, NoGraphError, ReadOnlyError
            As for other optimizers.
        """
        if closure is None:
            raise TypeError(
                "LBFGS: step needs a closure, because it evaluates the loss several times: optimizer.step(closure), "
                "where closure() calls optimizer.zero_grad() and loss.backward(), and returns the loss."
            )
        loss = evaluated(closure)
        self._params_with_grad()
        self._iterate(closure, float(loss))
        return loss

    def _iterate(self, closure: Callable[[], Any], loss: float) -> None:
        """Update the parameters from the current gradients until a condition holds."""
        group, state = self._checked(self.param_groups[0]), self._history()
        most_evaluations = group["max_iter"] * 5 // 4 if group["max_eval"] is None else group["max_eval"]
        tolerance, count, g = group["tolerance_change"], 1, self._flat_gradient()
        for k in range(group["max_iter"] if _largest(g) > group["tolerance_grad"] else 0):
            d, t = _direction(state, g, group)
            start = Point(0.0, loss, float(g @ d), g)
            state |= {"d": d, "t": np.array(t), "prev_flat_grad": g, "prev_loss": np.array(loss)}
            if start.slope > -tolerance:
                break
            if group["line_search_fn"]:
                point, evaluations = self._search(closure, start, d, t, tolerance, most_evaluations - count)
            else:
                point, evaluations = self._move(closure, start, d, t, is_last=k == group["max_iter"] - 1)
            state["t"], count = np.array(point.t), count + evaluations
            change, (loss, g) = abs(point.loss - loss), (point.loss, point.gradient)
            is_small = _largest(g) <= group["tolerance_grad"] or _largest(d * point.t) <= tolerance
            if count >= most_evaluations or is_small or change < tolerance:
                break
        state["func_evals"] = state["func_evals"] + count

    def _search(
        self, closure: Callable[[], Any], start: Point, d: ndarray, t: float, tolerance: float, most: int
    ) -> tuple[Point, int]:
        """Move along d by a length from a line search. Return the new point and the number of evaluations."""
        origin = self._flat_values()

        def evaluate(t: float) -> Point:
            self._write(origin + t * d)
            loss, g = float(evaluated(closure)), self._flat_gradient()
            return Point(t, loss, float(g @ d), g)

        best = start
        try:
            best, count = strong_wolfe(evaluate, start, t, _largest(d), tolerance, max(most, 0))
        finally:  # also if the closure raises
            self._write(origin + best.t * d)
        return best, count

    def _move(self, closure: Callable[[], Any], start: Point, d: ndarray, t: float, is_last: bool) -> tuple[Point, int]:
        """Move along d by t. Return the new point and the number of evaluations. The last point is not evaluated."""
        self._write(self._flat_values() + t * d)
        if is_last:
            return start._replace(t=t), 0
        loss, g = float(evaluated(closure)), self._flat_gradient()
        return Point(t, loss, float(g @ d), g), 1

    def _history(self) -> dict[str, ndarray]:
        """Return the state, which belongs to the first parameter, as in PyTorch."""
        zero = {"func_evals": np.array(0), "n_iter": np.array(0)}
        return self.state.setdefault(self._parameters()[0], zero)

    def _flat_values(self) -> ndarray:
        return np.concatenate([p._data.reshape(-1) for p in self._parameters()])

    def _flat_gradient(self) -> ndarray:
        """Return the gradients as one array; 0 for parameters without one."""
        gradients = [np.zeros_like(p._data) if p.grad is None else p.grad for p in self._parameters()]
        return np.concatenate([np.reshape(g, -1) for g in gradients])

    def _write(self, values: ndarray) -> None:
        """Write an array of all values into the parameters."""
        params = self._parameters()
        parts = np.split(values, np.cumsum([p.size for p in params])[:-1])
        with writing(*(p._storage for p in params)):
            for p, part in zip(params, parts, strict=True):
                p._data[...] = part.reshape(p.shape)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load hyperparameters and state saved by this optimizer, or by PyTorch's LBFGS.

        Parameters
        ----------
        state_dict : mapping
            The result of `state_dict`, with arrays or PyTorch tensors.

        Raises
        ------
        StateDictError
            An entry is missing, unexpected or of another shape. Nothing is loaded.
        """
        saved = state_dict.get("state", {}) if isinstance(state_dict, Mapping) else {}
        state = _restored(saved[0], sum(p.size for p in self._parameters())) if 0 in saved else None
        super().load_state_dict({**state_dict, "state": {}} if saved else state_dict)
        if state is not None:
            self.state = {self._parameters()[0]: state}


def _largest(x: ndarray) -> float:
    return float(np.max(np.abs(x), initial=0))


def _direction(state: dict[str, ndarray], g: ndarray, group: Mapping[str, Any]) -> tuple[ndarray, float]:
    """Return the direction of an iteration, and the step length to try first. Update the history."""
    state["n_iter"] = state["n_iter"] + 1
    if state["n_iter"] == 1:
        empty = np.empty((0, g.size), g.dtype)
        state |= {"old_dirs": empty, "old_stps": empty, "ro": np.empty(0, g.dtype), "H_diag": np.array(1.0)}
        return -g, group["lr"] * min(1.0, 1 / float(np.sum(np.abs(g))))
    y, s = g - state["prev_flat_grad"], state["d"] * state["t"].astype(g.dtype)
    curvature = y @ s
    if curvature > _CURVATURE:
        new = {"old_dirs": y, "old_stps": s, "ro": 1 / curvature}
        for name, x in new.items():
            state[name] = np.concatenate([state[name], x[np.newaxis]])[-group["history_size"] :]
        state["H_diag"] = np.asarray(curvature / (y @ y))
    return -_inverse_hessian_times(g, state), group["lr"]


def _inverse_hessian_times(g: ndarray, state: Mapping[str, ndarray]) -> ndarray:
    """Return the approximation of the inverse Hessian times g, by the two loops of algorithm 7.4."""
    q, factors = g, []
    pairs = list(zip(state["old_stps"], state["old_dirs"], state["ro"], strict=True))
    for s, y, rho in reversed(pairs):
        factors.append((s @ q) * rho)
        q = q - factors[-1] * y
    q = q * state["H_diag"].astype(g.dtype)
    for s, y, rho in pairs:
        q = q + s * (factors.pop() - (y @ q) * rho)
    return np.asarray(q)


_SHAPES = {  # the number of axes of each array
    "func_evals": 0, "n_iter": 0, "t": 0, "prev_loss": 0, "H_diag": 0, "ro": 1, "d": 1, "prev_flat_grad": 1,
    "old_dirs": 2, "old_stps": 2,
}  # fmt: skip


def _restored(saved: Mapping[str, Any], size: int) -> dict[str, ndarray]:
    """Return the arrays of a saved state. Raise StateDictError unless they are for parameters with `size` elements."""
    found = {name: _array(x) for name, x in saved.items() if x is not None and name != "al"}  # PyTorch's memory
    faults = [f"unexpected: {name}" for name in found if name not in _SHAPES]
    faults += [f"missing: {name}" for name in ("func_evals", "n_iter") if name not in found]
    for name, x in found.items():
        if name in _SHAPES and (
            x.ndim != _SHAPES[name] or (name in ("d", "old_dirs", "old_stps") and x.shape[-1] != size)
        ):
            faults.append(f"wrong: {name} has shape {x.shape}, for parameters with {size} elements")
    if faults:
        raise StateDictError("cannot load this state dict into LBFGS (nothing was loaded):\n  " + "\n  ".join(faults))
    return found


def _array(value: Any) -> ndarray:
    """Return a saved value, or a list of them, as a new array."""
    parts = [np.asarray(values_of(x)) for x in value] if isinstance(value, list) else np.asarray(values_of(value))
    return np.array(parts)
