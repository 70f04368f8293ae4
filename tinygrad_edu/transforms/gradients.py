"""Gradients of functions to one number, and products with their second derivatives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import NonScalarBackwardError
from tinygrad_edu.transforms.choosing import chosen
from tinygrad_edu.transforms.products import vjp
from tinygrad_edu.transforms.pulling import Function
from tinygrad_edu.transforms.trees import as_tensors

__all__ = ["grad", "hvp", "value_and_grad"]


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return a function that computes f and its gradient: of f's one-element result, by the arguments `argnums`.

    It returns ``(value, gradient)``; with `has_aux`, ``((value, aux), gradient)``. The rest is as in `grad`.

    Examples
    --------
    >>> value, gradient = value_and_grad(lambda x: (x * x).sum())([1.0, 2.0])
    >>> float(value), gradient.numpy()
    (5.0, array([2., 4.], dtype=float32))
    """
    choose = chosen(f, argnums)

    def function(*args: Any, **settings: Any) -> tuple[Any, Any]:
        of_these, these = choose(args, settings)
        out, pullback, *aux = vjp(of_these, *these, has_aux=has_aux)
        if not isinstance(out, Tensor) or out.size != 1:
            raise NonScalarBackwardError(
                f"the gradient is taken of a function to one number; this one returned {out!r}. Use jacobian or vjp; "
                "of a pair of a number and something else, has_aux=True."
            )
        gradients = pullback(np.ones(out.shape, out.dtype))
        value = (out, *aux) if has_aux else out
        return value, gradients if isinstance(argnums, Sequence) else gradients[0]

    return function


def grad(f: Function, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Function:
    """Return the function that computes the gradient of `f`, which returns one number.

    Parameters
    ----------
    f : callable
        Of floating-point tensors (in the positions `argnums`), or nests of them, to a tensor of one element.
    argnums : int or sequence of int
        Which arguments to differentiate by, each once; -1 is the last. Several give a tuple of gradients.
    has_aux : bool
        Whether f returns a pair: the number, and whatever else it is to return. Then ``(gradient, aux)`` is returned.

    Raises
    ------
    DTypeError
        For an f that is no function; when it is called, if with `has_aux` f does not return a pair.
    ValueError
        When it is called, for a position that is out of range or named twice.
    NonScalarBackwardError
        When it is called, if f does not return a tensor of one element.

    Examples
    --------
    >>> cube = lambda x: x**3
    >>> float(grad(cube)(2.0)), float(grad(grad(cube))(2.0)), float(grad(grad(grad(cube)))(2.0))
    (12.0, 12.0, 6.0)
    >>> gradient, aux = grad(lambda x: (x * x, {"cube": x**3}), has_aux=True)(2.0)
    >>> float(gradient), float(aux["cube"])
    (4.0, 8.0)
    """
    both = value_and_grad(f, argnums, has_aux)

    def function(*args: Any, **settings: Any) -> Any:
        value, gradient = both(*args, **settings)
        return (gradient, value[1]) if has_aux else gradient

    return function


def hvp(f: Function, x: Any, v: Any, has_aux: bool = False) -> Any:
    """Return the Hessian of `f` at `x` times `v`, without forming the Hessian; with `has_aux` also the rest.

    Examples
    --------
    >>> hvp(lambda x: (x * x * x).sum(), [1.0, 2.0], [1.0, 1.0]).numpy()
    array([ 6., 12.], dtype=float32)
    """
    _, pullback, *aux = vjp(grad(f, has_aux=has_aux), x, has_aux=has_aux)
    (product,) = pullback(as_tensors(v))
    return (product, *aux) if has_aux else product
