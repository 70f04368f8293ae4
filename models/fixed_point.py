"""A fixed point as the result of a layer: iterated forward, one linear solve backward."""

from typing import Any

import numpy as np

import tinygrad_edu as tg

STEPS = 1000  # a contraction that needs more is too slow to be useful
ROUNDING = 64  # units in the last place: a smaller change is a rounding error of f, for up to some thousand terms


@tg.custom_vjp
def fixed_point(f: Any, parameters: Any, start: Any) -> Any:
    """Return the z with ``z = f(parameters, z)``, found by iteration.

    The derivative is that of the implicit function theorem. So the backward pass needs neither the iterates nor their
    number, and `start` has no gradient. It forms the Jacobian of f with respect to z, for up to some thousand elements.

    Parameters
    ----------
    f : callable
        ``f(parameters, z)``, a contraction in z: it brings any two z closer to each other.
    parameters : pytree of Tensors or arrays
        Everything in f that needs a gradient.
    start : Tensor or array
        The first z.

    Raises
    ------
    ArithmeticError
        The iteration does not converge.

    Examples
    --------
    >>> half = lambda a, x: 0.5 * (x + a / x)
    >>> round(float(tg.grad(lambda a: fixed_point(half, a, np.ones(())))(4.0)), 4)  # of the square root
    0.25
    """
    z = start
    for _ in range(STEPS):
        last, z = z, f(parameters, z)
        change, size = (float(np.abs(x).max()) for x in (z - last, z))
        if change <= ROUNDING * np.finfo(z.dtype).eps * max(1.0, size):
            return z
    raise ArithmeticError(
        f"fixed_point: f does not converge: step {STEPS} changed z of shape {z.shape} by up to {change:.3g}. f must be "
        f"a contraction in z: reduce its weights, or return (f(z) + z) / 2 instead."
    )


def _forward(f: Any, parameters: Any, start: Any) -> tuple[Any, Any]:
    z = fixed_point(f, parameters, start)
    return z, (f, parameters, z)


def _backward(residuals: Any, g: Any) -> tuple[Any, ...]:
    f, parameters, z = residuals
    jacobian = tg.jacobian(lambda z: f(parameters, z))(z).reshape(z.size, z.size)
    solved = tg.linalg.solve(np.eye(z.size, dtype=z.dtype) - jacobian.T, g.reshape(-1)).reshape(z.shape)
    _, pullback = tg.vjp(lambda parameters: f(parameters, z), parameters)
    return None, pullback(solved)[0], None


fixed_point.defvjp(_forward, _backward)
