"""Function transforms: gradients, Jacobian products, Jacobians and Hessians, all by the backward pass.

Arguments and results are Tensors, arrays or numbers, or pytrees of them: nested lists, tuples and dicts. The function
receives Tensors. The derivative by an array is an array, and all others are Tensors. Values of the function are arrays
if all arguments to differentiate are arrays. A result stays a Tensor if a gradient can flow through it. A transform
records its result if its argument requires a gradient, so ``grad(grad(f))`` is the second derivative. Otherwise the
backward pass runs on plain arrays and records no graph.

A function may return a pair of its result and auxiliary data; pass ``has_aux=True``. As in JAX, the transform then
returns the auxiliary data, too.
"""

# ruff: noqa: I001 - in reading order
from tinygrad_edu.errors.hints import add_hints as _add_hints
from tinygrad_edu.transforms.products import jvp, vjp
from tinygrad_edu.transforms.gradients import grad, hvp, value_and_grad
from tinygrad_edu.transforms.jacobians import hessian, jacobian
from tinygrad_edu.transforms.custom_vjp import custom_vjp
from tinygrad_edu.transforms.checkpoint import checkpoint
from tinygrad_edu.transforms.vmap import vmap

__all__ = [
    "checkpoint",
    "custom_vjp",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "value_and_grad",
    "vjp",
    "vmap",
]

_add_hints(globals())
