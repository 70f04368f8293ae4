"""check_dtypes: check the derivatives of a call with low-precision or mixed dtypes, up to the third order.

As in `check_vjp`, the check of order n + 1 is a first-order check of (inputs, cotangents) -> gradients of order n.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, Tensor, from_numpy, values_of
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.numeric.low_precision import Cotangents, compare_in_low_precision
from tinygrad_edu.testing.numeric.sampling import Rng, draw_signed, seeded
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.transforms import vjp

_ToTuple = Callable[..., tuple[Tensor, ...]]


@np.errstate(all="ignore")
def check_dtypes(call: Call, order: int = 3, rng: Rng | None = None) -> list[float]:
    """Check the derivatives, up to an order, of a call with float16 or float32 among the dtypes of its inputs.

    Each gradient must have the shape and dtype of its input or cotangent, and equal the float64 gradient up to the
    rounding of the lowest precision. Return, for each order, the fraction of gradient elements that were compared;
    elements that overflow are not compared.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_dtypes(Call("multiply", [np.ones(2, np.float16), np.ones(2)]))
    [1.0, 1.0, 1.0]
    """
    require_input_dtype(call, call(*map(from_numpy, call.arrays)), call.arrays)
    rng, names = seeded(rng), call.names
    f: _ToTuple = partial(_call_as_tuple, call)
    cotangents, compared = list[Sequence[Array]](), list[float]()
    for n in range(1, order + 1):
        title = f"op {call.name}" if n == 1 else f"op {call.name}, derivative {n}"
        points = (*call.arrays, *chain(*cotangents))
        cotangents.append(_fitting_cotangents(title, f, points, names, rng))
        mismatch, fraction = compare_in_low_precision(partial(_pull, f), call.arrays, cotangents, rng)
        if mismatch:
            k, description = mismatch
            raise LawBroken(f"{title}: the gradient of {names[k]} is wrong in {points[k].dtype}: {description}.")
        compared.append(fraction)
        f = partial(_gradients, f, len(points))
        names += tuple(f"cotangent{n}{'_' * bool(k)}{k or ''}" for k in range(len(cotangents[-1])))
    return compared


def require_input_dtype(call: Call, out: Tensor, arrays: Sequence[Array]) -> None:
    """Require that the result of a call has the dtype of an input."""
    dtypes = {x.dtype for x in arrays}
    if getattr(call.function, "promotes", True) and out.dtype not in dtypes:
        raise LawBroken(
            f"op {call.name}: the result must have the dtype of an input, one of {dtypes}, got {out.dtype}."
        )


def _call_as_tuple(call: Call, *inputs: Any) -> tuple[Tensor, ...]:
    return (call(*inputs),)


def _gradients(f: _ToTuple, count: int, *inputs: Any) -> tuple[Tensor, ...]:
    """Return the gradients of f at the first `count` inputs. The other inputs are the cotangents."""
    _, pullback = vjp(f, *inputs[:count])
    gradients: tuple[Tensor, ...] = pullback(inputs[count:])
    return gradients


def _pull(f: _ToTuple, arrays: Sequence[Array], cotangents: Cotangents) -> tuple[Array, Sequence[Array]]:
    """Return f at the arrays and the lower-order cotangents, as one array, and its gradients with respect to them."""
    out, pullback = vjp(f, *arrays, *chain(*cotangents[:-1]))
    gradients = pullback(tuple(cotangents[-1]))
    return np.concatenate([np.zeros(0), *(values_of(x).ravel() for x in out)]), gradients


def _fitting_cotangents(
    title: str, f: _ToTuple, points: Sequence[Array], names: Sequence[str], rng: Rng
) -> Sequence[Array]:
    """Draw the cotangents of the results of f, and require gradients with the shapes and dtypes of the points."""
    try:
        out, pullback = vjp(f, *points)
        cotangents = tuple(draw_signed(rng, x.shape).astype(x.dtype, copy=False) for x in out)
        gradients = pullback(cotangents)
    except TinygradError as error:
        raise LawBroken(f"{title}: {error}") from error
    for name, x, gradient in zip(names, points, gradients, strict=True):
        if gradient.shape != x.shape or gradient.dtype != x.dtype:
            raise LawBroken(
                f"{title}: the gradient of {name} must have the dtype {x.dtype} and the shape {x.shape} of {name}, "
                f"got {gradient.dtype} and {gradient.shape}."
            )
    return cotangents
