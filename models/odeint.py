"""The solution of a differential equation, differentiable: one adjoint equation gives the gradients of everything."""

from typing import Any

import numpy as np
from numpy import ndarray
from scipy.integrate import solve_ivp

import tinygrad_edu as tg
from tinygrad_edu import Tensor, from_numpy
from tinygrad_edu.errors import DTypeError, NoGraphError, ShapeError
from tinygrad_edu.shared.pytree import tree_leaves, tree_map

TOLERANCE = 1e-9
ROUNDING = 16  # units in the last place: a solver cannot reach less than the rounding errors of f


@tg.custom_vjp
def odeint(f: Any, y0: Any, t: Any, parameters: Any, tolerance: float = TOLERANCE) -> Any:
    """Return the solution of ``y' = f(t, y, parameters)`` with ``y(t[0]) = y0`` at the times `t`.

    The gradient solves the adjoint equation backward in time, once from each time to the one before. It keeps no step
    of the solver. It differs from the gradient of the recorded steps by about the tolerance.

    Parameters
    ----------
    f : callable
        ``f(t, y, parameters)`` gets Tensors and returns y', with the structure of y.
    y0 : pytree of Tensors or arrays, floating
        The first value.
    t : Tensor or array, floating, shape (T,)
        Times, which increase or decrease.
    parameters : pytree of Tensors or arrays, floating
        Everything in f that needs a gradient.
    tolerance : float, default 1e-9
        Relative and absolute error of a step. The solver is SciPy's explicit Runge-Kutta method of order 8.

    Returns
    -------
    pytree of Tensors
        The values, with an additional first axis of length T.

    Raises
    ------
    ArithmeticError
        The solver fails. The backward pass raises it, too, if y does not return to its values.
    DTypeError
        y0, t or parameters have integers.
    NoGraphError
        f uses a Tensor that requires a gradient and is not in `parameters`.
    ShapeError
        t is not a vector of two or more times, or f returns another shape or structure than that of y.

    Examples
    --------
    >>> growth = lambda t, y, rate: rate * y
    >>> end = lambda rate: odeint(growth, np.array(1.0), np.array([0.0, 1.0]), rate)[-1]
    >>> print(f"{tg.grad(end)(np.array(1.0)):.6f}")  # of exp(rate)
    2.718282
    """
    y0, t, parameters = tree_map(_constant, (y0, t, parameters))
    if any(x.dtype.kind != "f" for x in tree_leaves((y0, t, parameters))):
        raise DTypeError("odeint: y0, t and parameters must be floating-point; got integers. Write 1.0 instead of 1.")
    if not isinstance(t, Tensor) or t.ndim != 1 or len(t) < 2:
        got = f"shape {t.shape}" if isinstance(t, Tensor) else f"a {type(t).__name__}"
        raise ShapeError(f"odeint: t must be a Tensor or array of two or more times, got {got}.")

    def slope(now: float, y: ndarray) -> ndarray:
        return _ravel(f(from_numpy(np.asarray(now, t.dtype)), _unravel(y, y0), parameters), y0)

    return _unravel(_solve(slope, _ravel(y0, y0), t.numpy(), _reachable(tolerance, y0)), y0)


def _forward(f: Any, y0: Any, t: Any, parameters: Any, tolerance: float) -> tuple[Any, Any]:
    y = odeint(f, y0, t, parameters, tolerance)
    return y, (f, y, t, parameters, tolerance)


def _backward(residuals: Any, g: Any) -> tuple[Any, ...]:
    """Return the cotangents, by solving for y, its adjoint, and the integral of the adjoint times df/dparameters."""
    f, ys, t, parameters, tolerance = residuals

    def adjoint_equation(t: Any, state: Any, parameters: Any) -> Any:
        y, adjoint, _ = state
        slope, pullback = tg.vjp(lambda y, parameters: f(t, y, parameters), y, parameters)
        return slope, *tree_map(lambda x: -x, pullback(adjoint))

    def at(k: int, values: Any) -> Any:
        return tree_map(lambda x: x[k], values)

    adjoint, gradients = tree_map(tg.zeros_like, (at(0, ys), parameters))
    by_t = []
    for k in range(len(t) - 1, 0, -1):
        by_t.append(_dot(at(k, g), f(t[k], at(k, ys), parameters)))
        state = at(k, ys), tree_map(lambda x, y: x + y, adjoint, at(k, g)), gradients
        y, adjoint, gradients = at(-1, odeint(adjoint_equation, state, t[[k, k - 1]], parameters, tolerance))
        _require_return(y, at(k - 1, ys), t[k - 1], tolerance)
    by_t.append(-_dot(adjoint, f(t[0], at(0, ys), parameters)))
    return None, tree_map(lambda x, y: x + y, adjoint, at(0, g)), tg.stack(by_t[::-1]), gradients, None


odeint.defvjp(_forward, _backward)


def _solve(slope: Any, start: ndarray, t: ndarray, tolerance: float) -> ndarray:
    """Return the values (T, n) of a vector at the times."""
    found = solve_ivp(slope, (t[0], t[-1]), start, method="DOP853", t_eval=t, rtol=tolerance, atol=tolerance)
    if not found.success:
        raise ArithmeticError(f"odeint: the solver failed between t = {t[0]} and {t[-1]}: {found.message.rstrip('.')}.")
    values: ndarray = found.y.T
    return values


def _reachable(tolerance: float, y: Any) -> float:
    """Return a tolerance that is not below the rounding errors of f."""
    return max(tolerance, *(ROUNDING * float(np.finfo(x.dtype).eps) for x in tree_leaves(y)))


def _require_return(y: Any, expected: Any, t: Any, tolerance: float) -> None:
    """Raise if the solution, followed backward, has lost more than half of its digits: so has the gradient."""
    back, there = _ravel(tree_map(_constant, y), expected), _ravel(tree_map(_constant, expected), expected)
    error, limit = np.abs(back - there).max(), np.sqrt(_reachable(tolerance, y)) * max(1.0, np.abs(there).max())
    if not error <= limit:
        raise ArithmeticError(
            f"odeint: y cannot be followed backward to t = {float(t):g}: it misses its value there by {error:.2g}, so "
            f"the gradient would be wrong. A solution that forgets its start is unstable backward: pass more times in "
            f"between, from which it starts again, reduce the tolerance, or use float64."
        )


def _constant(x: Any) -> Tensor:
    return x.detach() if isinstance(x, Tensor) else from_numpy(np.asarray(x))


def _ravel(tree: Any, like: Any) -> ndarray:
    """Return the values of all leaves as one vector, in the order and with the shapes of `like`."""
    parts: list[ndarray] = []

    def add(expected: Any, x: Any) -> None:
        if isinstance(x, Tensor) and x.requires_grad:
            raise NoGraphError(
                "odeint: f uses a Tensor that requires a gradient and is not in parameters, so its gradient would be "
                "lost. Pass it in parameters, or detach() it."
            )
        values = _constant(x).numpy()
        if values.shape != expected.shape:
            raise ShapeError(f"odeint: f must return a slope for y of shape {expected.shape}, got {values.shape}.")
        parts.append(values.ravel())

    tree_map(add, like, tree)
    return np.concatenate(parts).astype(np.float64)  # the solver's steps, also for float32


def _unravel(flat: ndarray, like: Any) -> Any:
    """Return vectors (..., n) as a pytree, with the shapes and dtypes of the leaves of `like`."""
    end = 0

    def leaf(x: Any) -> Tensor:
        nonlocal end
        start, end = end, end + x.size
        return from_numpy(flat[..., start:end].reshape(flat.shape[:-1] + x.shape).astype(x.dtype))

    return tree_map(leaf, like)


def _dot(x: Any, y: Any) -> Any:
    return sum(tree_leaves(tree_map(lambda a, b: (a * b).sum(), x, y)))
