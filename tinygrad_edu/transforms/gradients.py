"""grad, value_and_grad and hvp: derivatives of functions that return a scalar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Function, Tensor
from tinygrad_edu.errors import NonScalarBackwardError
from tinygrad_edu.transforms.argnums import require_function, select_argnums
from tinygrad_edu.transforms.linearize import Linearized, no_gradient

__all__ = ["grad", "hvp", "value_and_grad"]


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return a function that computes the value of `f` and its gradient with respect to the arguments `argnums`.

    It returns ``(value, gradient)``; with `has_aux`, ``((value, aux), gradient)``. Parameters and errors are those of
    `grad`. The value of arrays is a NumPy scalar, so SciPy's ``minimize(value_and_grad(f), x, jac=True)`` accepts it.

    Examples
    --------
    >>> value, gradient = value_and_grad(lambda x: (x * x).sum())([1.0, 2.0])
    >>> float(value), gradient.numpy()
    (5.0, array([2., 4.], dtype=float32))
    >>> value, gradient = value_and_grad(lambda x: (x * x).sum())(np.array([1.0, 2.0]))
    >>> float(value), gradient
    (5.0, array([2., 4.]))
    """
    require_function(f)

    def function(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        call = _linearized_scalar(f, argnums, args, kwargs, has_aux)
        value = call.detach(call.out)
        return (value, call.detach(call.aux)) if has_aux else value, _gradient(call, argnums)

    return function


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return a function that computes the gradient of `f`, which must return a scalar.

    Parameters
    ----------
    f : callable
        Takes floating-point tensors, or pytrees of them, at `argnums`. Returns a tensor of one element.
    argnums : int or sequence of int, default 0
        Arguments to differentiate with respect to; negative indices count from the end. A sequence gives a tuple of
        gradients.
    has_aux : bool, default False
        Whether f returns a pair of the scalar and auxiliary data. If so, the function returns ``(gradient, aux)``.

    Returns
    -------
    callable
        The gradient by an array is an array, and by a Tensor or a number a Tensor. It stays a Tensor if another
        gradient can flow through it.

    Raises
    ------
    DTypeError
        f is not callable. The returned function raises it if f does not return a Tensor, such as ``loss.item()``, or
        does not return a pair although `has_aux` is true.
    ValueError
        Raised by the returned function: `argnums` has a position that is out of range or occurs twice.
    NonScalarBackwardError
        Raised by the returned function: f returned a tensor of another size.

    Examples
    --------
    >>> cube = lambda x: x**3
    >>> float(grad(cube)(2.0)), float(grad(grad(cube))(2.0)), float(grad(grad(grad(cube)))(2.0))
    (12.0, 12.0, 6.0)
    >>> gradient, aux = grad(lambda x: (x * x, {"cube": x**3}), has_aux=True)(2.0)
    >>> float(gradient), float(aux["cube"])
    (4.0, 8.0)
    """
    require_function(f)

    def function(*args: Any, **kwargs: Any) -> Any:
        call = _linearized_scalar(f, argnums, args, kwargs, has_aux)
        gradient = _gradient(call, argnums)
        return (gradient, call.detach(call.aux)) if has_aux else gradient

    return function


def _linearized_scalar(f: Function, argnums: int | Sequence[int], args: Any, kwargs: Any, has_aux: bool) -> Linearized:
    """Call a function and record the call. Raise unless it returns a scalar."""
    call = Linearized(*select_argnums(f, argnums, args, kwargs), has_aux)
    if isinstance(call.out, Tensor) and call.out.dtype.kind != "f":
        raise no_gradient(f"one of dtype {call.out.dtype}, which has no gradient")
    if not isinstance(call.out, Tensor) or call.out.size != 1:
        raise NonScalarBackwardError(
            f"grad: the function must return a scalar, got {call.detach(call.out)!r}. Use jacobian or vjp, or "
            f"has_aux=True for a function that returns a pair of a scalar and auxiliary data."
        )
    return call


def _gradient(call: Linearized, argnums: int | Sequence[int]) -> Any:
    gradients = call.pullback(call.out, np.ones(call.out.shape, call.out.dtype))
    return gradients if isinstance(argnums, Sequence) else gradients[0]


def hvp(f: Function, x: Any, v: Any, has_aux: bool = False) -> Any:
    """Return the Hessian of `f` at `x` times `v`, without forming the Hessian; with `has_aux`, ``(product, aux)``.

    Examples
    --------
    >>> hvp(lambda x: (x * x * x).sum(), [1.0, 2.0], [1.0, 1.0]).numpy()
    array([ 6., 12.], dtype=float32)
    """
    call = Linearized(grad(f, has_aux=has_aux), [x], has_aux)
    (product,) = call.pullback(call.out, v)
    return (product, call.detach(call.aux)) if has_aux else product
