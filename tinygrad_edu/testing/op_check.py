"""check_op: check the laws of an op. See `laws.op_laws`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from tinygrad_edu.engine import Op, from_numpy, values_of
from tinygrad_edu.testing.arrays.array_tree import ArrayTree
from tinygrad_edu.testing.flat_function import as_input, require_inputs
from tinygrad_edu.testing.laws import op_laws
from tinygrad_edu.testing.laws.functions import run_laws
from tinygrad_edu.testing.numeric.sampling import Rng, seeded
from tinygrad_edu.testing.op_call import BoundFunction, Call
from tinygrad_edu.testing.report.reproduction import reproducible
from tinygrad_edu.testing.tensor_checks import run_forward_laws, run_reverse_laws
from tinygrad_edu.testing.verdict import Report


@reproducible
def check_op(
    op: Any,
    *inputs: Any,
    reference: Callable[..., Any] | None = None,
    skip: Collection[str] = (),
    rng: Any = None,
    **settings: Any,
) -> Report:
    """Check the laws of an op at the given inputs. No law needs a numeric derivative.

    The laws of all differentiable functions are those of `check_torch` without finite differences: "no writes",
    "linearity", "layouts", "subsets of inputs", "later calls" and "narrow dtypes". The laws of Tensors:

    - "forward is plain": on plain arrays the op computes its forward function; with `reference`, its values.
    - "no_grad": under `no_grad` the op records nothing.
    - "layouts of constants": labels and masks of any memory layout give the same results.
    - "used several times": the gradient of an input that is used k times is the sum of k gradients.
    - "one tensor as two inputs": the gradient of a tensor passed as two inputs is the sum of their gradients.
    - "tensors as arrays": a vjp returns the same values for Tensors, as in higher derivatives.
    - "memory is freed": after ``backward()`` the graph keeps no saved array alive.

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
    skip : collection of str, default ()
        The names of laws to leave out, such as "narrow dtypes"; the report lists the laws, and the time of each.
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
    report = Report(f"op {call.name}", skip)
    run_op_laws(report, call, reference, seeded(rng))
    return report.conclude()


def run_op_laws(report: Report, call: Call, reference: Callable[..., Any] | None, rng: Rng) -> None:
    """Run the laws of a call: those of its forward, of all differentiable functions, and of Tensors."""
    report.run("forward is plain", op_laws.forward_is_plain, call, reference)
    report.run("no_grad", op_laws.records_nothing_under_no_grad, call)
    out = call(*map(from_numpy, call.arrays))
    if not call.arrays or out.dtype.kind != "f" or report.status == "wrong":
        return
    if probe := run_laws(report, op_laws.differentiable(call), rng):
        with np.errstate(all="ignore"):
            all(report.run(name, law, call, probe) for name, law in op_laws.TENSOR_LAWS.items())


def run_tensor_laws(report: Report, bound: BoundFunction, rng: Rng) -> None:
    """Check the derivatives of a function of nested Tensors, and the laws of an op."""
    point = ArrayTree(bound.inputs, bound.names, as_input)
    names = tuple(leaf.name for leaf in point.leaves)
    require_inputs(report.name, point.arrays)

    def of_inputs(*tensors: Any) -> Any:
        return bound(*point.filled(tensors, lambda x: x))

    run_reverse_laws(report, of_inputs, point.arrays, names, rng)
    if report.status != "wrong":
        run_forward_laws(report, of_inputs, point.arrays, names, rng)
    if isinstance(bound.function, Op) and report.status != "wrong":
        inputs = [np.asarray(values_of(x)) for x in bound.args]
        run_op_laws(report, Call(bound.function, inputs, **bound.kwargs), None, rng)
    else:
        report.leave_out("batching", "check_vmap checks it, given a batch")
