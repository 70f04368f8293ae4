"""Lesson 3: an order in which each value is passed once, after all that was made of it."""

from lesson02_scalars import Value  # noqa: F401 - what the values here are


def order(root):
    """Return root and all that it was computed of, in a list: each value once, and after its parents."""
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
    """Return how many paths lead from root to each value: so often does the walk of lesson 2 come by. A dict."""
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
    """Add to the grad of each leaf the derivative of g * root with respect to it. A leaf has no rule.

    Each rule is called once, with the whole gradient of its value. What is not a leaf keeps nothing.
    """
    # hole: backward
    values = order(root)
    gradients = dict.fromkeys(values, 0.0)
    gradients[root] = g
    for value in reversed(values):
        if value.rule is None:
            value.grad += gradients[value]
            continue
        for parent, contribution in zip(value.parents, value.rule(gradients[value])):
            gradients[parent] += contribution
    # end
