"""Lesson 9: derivatives of higher order. The vjps run on Tensors and are recorded."""

from heapq import heappop, heappush

import lesson06_ops  # noqa: F401 - the ops
import numpy as np
from lesson05_arrays import array_of
from lesson08_views import Guarded, Tensor


def lifted(node):
    """Return the vjp of a node with its saved arrays converted back to the Tensors that held them."""
    guarded, pullback = node.vjp, node.vjp.pullback
    nodes = dict(zip(pullback.names, node.parents)) | {"out": node}
    # hole: lifted
    saved = {
        name: Tensor(value, node=nodes[name], storage=guarded.storages[name]) if nodes.get(name) is not None else value
        for name, value in pullback.saved.items()
    }
    # end
    again = type(pullback)(pullback.op, pullback.names, pullback.shapes, saved)
    return Guarded(again, guarded.time, guarded.storages)


def backward_pass(root, g, targets):
    """Run the backward pass from root with gradient g, a Tensor; return a dict of the gradients by node.

    It is that of lesson 4 with lifted vjps. It stops at targets, a set of nodes, which need not be leaves.
    """
    gradients, queue = {root: g}, [(-root.time, root)]
    # hole: backward_pass
    while queue:
        node = heappop(queue)[1]
        if node in targets or node.vjp is None:
            continue
        for parent, contribution in zip(node.parents, lifted(node)(gradients.pop(node))):
            if parent is None:
                continue
            if parent in gradients:
                gradients[parent] = gradients[parent] + contribution
            else:
                gradients[parent] = contribution
                heappush(queue, (-parent.time, parent))
    # end
    return gradients


def leaf_or_itself(x):
    """Return a Tensor with a node unchanged; make a leaf of anything else."""
    return x if isinstance(x, Tensor) and x.node is not None else Tensor(array_of(x), requires_grad=True)


def vjp(f, x):
    """Return f(x) and its pullback, which maps a gradient of f(x) to the gradient of x. Both are recorded."""
    x = leaf_or_itself(x)
    out = f(x)
    out = out if isinstance(out, Tensor) else Tensor(out)  # a constant

    def pullback(g):
        found = {} if out.node is None else backward_pass(out.node, g if isinstance(g, Tensor) else Tensor(g), {x.node})
        return found.get(x.node, Tensor(np.zeros(x.shape)))

    return out, pullback


def grad(f):
    """Return the gradient of a scalar function of one Tensor, as a function that is itself differentiable."""
    # hole: grad
    return lambda x: vjp(f, x)[1](1.0)
    # end


def hvp(f, x, u):
    """Return H u, the derivative of the gradient of f along u, without computing the Hessian H."""
    # hole: hvp
    return grad(lambda x: (grad(f)(x) * u).sum())(x)
    # end


def jvp(f, x, u):
    """Return J u, the derivative of f along u, as the pullback of a pullback."""
    out, pullback = vjp(f, x)
    # hole: jvp
    return vjp(pullback, np.zeros(out.shape))[1](u)
    # end
