"""Functions of functions: gradients, products with Jacobians, and second derivatives. All stand on the one walk.

Arguments and results may be Tensors, arrays and numbers, and lists, tuples and dicts of them. What a transform returns
is recorded where somebody outside can ask for a gradient of it: ``grad(grad(f))`` is the second derivative, and
``.backward()`` goes through a gradient. Where nobody can, the rules run on bare arrays and nothing is kept.

A function that returns more than what is differentiated returns a pair, the result and the rest, and ``has_aux=True``
says so: the transform returns the rest, too. The order of what is returned is JAX's.
"""

from tinygrad_edu.transforms.gradients import grad, hvp, value_and_grad
from tinygrad_edu.transforms.jacobians import hessian, jacobian
from tinygrad_edu.transforms.products import jvp, vjp
from tinygrad_edu.transforms.pulling import Function
from tinygrad_edu.transforms.trees import tree_leaves

__all__ = ["Function", "grad", "hessian", "hvp", "jacobian", "jvp", "tree_leaves", "value_and_grad", "vjp"]
