"""Lesson 3: topological order, and a backward pass that visits each value once."""

from lesson02_scalars import Value  # noqa: F401 - the class of the values


def order(root):
    """Return a list of root and every value it was computed from, each once and after its parents."""
    # hole: order
    done, seen = [], set()

    def visit(value):
        if value not in seen:
            seen.add(value)
            for parent in value.parents:
                visit(parent)
            done.append(value)

    visit(root)
    return done
    # end


def paths(root):
    """Return a dict with the number of paths from root to each value, the number of visits in lesson 2."""
    values = order(root)
    # hole: paths
    count = dict.fromkeys(values, 0)
    count[root] = 1
    for value in reversed(values):
        for parent in value.parents:
            count[parent] += count[value]
    return count
    # end


def backward(root, g=1.0):
    """Add to the grad of each leaf the derivative of g * root with respect to it. A leaf has no vjp.

    Each vjp is called once, with the complete gradient of its value. The grad of other values does not change.
    """
    # hole: backward, in the core: engine.BackwardPass.run, engine.BackwardPass.add
    values = order(root)
    gradients = dict.fromkeys(values, 0.0)
    gradients[root] = g
    for value in reversed(values):
        if value.vjp is None:
            value.grad += gradients[value]
            continue
        for parent, contribution in zip(value.parents, value.vjp(gradients[value])):
            gradients[parent] += contribution
    # end
