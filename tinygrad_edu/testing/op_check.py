"""check_op: check the laws of an op. See `laws.op_laws`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, from_numpy, values_of
from tinygrad_edu.testing.laws import op_laws
from tinygrad_edu.testing.numeric.sampling import draw_signed, seeded
from tinygrad_edu.testing.op_call import Call
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.verdict import Report


@reproducible
def check_op(
    op: Any, *inputs: Any, reference: Callable[..., Any] | None = None, rng: Any = None, **settings: Any
) -> Report:
    """Check the laws of an op at the given inputs. No law needs a numeric derivative.

    - Each vjp is linear in the cotangent.
    - Each gradient has the shape and dtype of its input. In float32, float16 and mixed precision it equals the float64
      gradient up to rounding.
    - The op does not write into an input, its result or a cotangent, and no two gradients share memory.
    - Strided, reversed, Fortran-ordered and stride-0 arrays give the same results as contiguous arrays.
    - A gradient does not depend on which other inputs require one.
    - The gradient of an input that is used k times is the sum of k gradients. The gradient of a tensor passed as two
      inputs is the sum of their gradients.
    - A later call of the op does not change the gradients of an earlier call.
    - Under `no_grad` the op records nothing. On plain arrays it computes its forward function.
    - After ``backward()`` the graph keeps no saved array alive.

    The allowed rounding error depends on the dtypes of the inputs.

    Parameters
    ----------
    op : Op, callable, or Call
        A `Call` already contains inputs and settings.
    *inputs : array_like or Tensor
        Gradients are computed with respect to the floating-point inputs that have a vjp. An input that the op promotes
        must have one.
    reference : callable, optional
        A function of arrays that takes the same settings and must return the same values as the op.
    rng : numpy.random.Generator, optional
        Draws the cotangents. Default: a generator with a fixed seed.
    **settings
        Keyword arguments of the op.

    Raises
    ------
    LawBroken
        A law does not hold. The message names the op, the law and the input.
    MissingVJPError
        A promoted input has no vjp.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> check_op(tg.multiply, np.ones((2, 3)), np.ones(3), reference=np.multiply)
    <Report: right>
    """
    call = op if isinstance(op, Call) else Call(op, [np.asarray(values_of(x)) for x in inputs], **settings)
    report, rng = Report(f"op {call.name}"), seeded(rng)
    report.run("forward is plain", op_laws.forward_is_plain, call, reference)
    report.run("records nothing under no_grad", op_laws.records_nothing_under_no_grad, call)
    out = call(*map(from_numpy, call.arrays))
    if call.arrays and out.dtype.kind == "f" and report.status == "right":
        _run_laws(report, call, draw_signed(rng, out.shape).astype(out.dtype, copy=False))
    return report.conclude()


def _run_laws(report: Report, call: Call, g: Array) -> None:
    """Run the laws of the vjps of a call for the cotangent g."""
    with np.errstate(all="ignore"):  # std of equal values has an infinite slope
        if report.run("nothing is mutated", op_laws.nothing_is_mutated, call, g):
            gradients = op_laws.pull(call, g)
            for law in op_laws.LAWS:
                if not report.run(law.__name__.replace("_", " "), law, call, g, gradients):
                    return
