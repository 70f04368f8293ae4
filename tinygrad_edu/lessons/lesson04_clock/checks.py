"""Cases of lesson 4: numbers of nodes, the backward pass and its order, long chains, and graphs freed at once."""

import gc
import weakref
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from tinygrad_edu.lessons.cases import case, check_numbers, demand, demand_equal
from tinygrad_edu.lessons.findings import type_and_shape
from tinygrad_edu.lessons.short_programs import cotangents, numbers, short_programs


@case("node")
def numbers_grow(mine):
    """Each new node has a later time than the nodes before it."""
    found = [mine.Node().time for _ in range(5)]
    increase = all(isinstance(n, int) for n in found) and all(a < b for a, b in pairwise(found))
    demand(increase, f"the numbers of five new nodes must increase, got {found}.")


@case("node")
def what_a_node_knows(mine):
    """A new node has its parents and its vjp, and its grad is None."""
    parent, vjp = mine.Node(), lambda g: (g,)
    node = mine.Node((parent,), vjp)
    demand(node.parents == (parent,) and node.vjp is vjp, "Node(parents, vjp) must keep its parents and its vjp.")
    demand(node.grad is None, f"the grad of a new node is {node.grad}, expected None.")


def _graph(mine, passed):
    """Return the leaf and the root of a diamond whose vjps double the gradient and record their calls."""

    def vjp(name, count):
        def call(g):
            passed.append(name)
            return (2 * g,) * count

        return call

    leaf = mine.Node()
    first = mine.Node((leaf, None), vjp("first", 2))
    second = mine.Node((first,), vjp("second", 1))
    third = mine.Node((first,), vjp("third", 1))
    return leaf, mine.Node((third, second, first), vjp("fourth", 3))


@case("backward_pass")
def newest_first(mine):
    """backward_pass visits each node once, the newest first, and skips parents that are None."""
    passed = []
    leaf, root = _graph(mine, passed)
    found = mine.backward_pass(root, 1.0)
    demand(
        passed == ["fourth", "third", "second", "first"],
        f"backward_pass visited {', '.join(passed)}, expected fourth, third, second, first.",
    )
    demand(set(found) == {leaf}, f"backward_pass returned gradients of {len(found)} nodes, expected the one leaf.")
    demand_equal("the gradient of the leaf", found[leaf], 20.0)


@case("backward_pass")
def arrives_unchanged(mine):
    """backward_pass adds gradients with +, not with +=, which would overwrite the caller's array."""
    given = np.ones(2)
    leaf = mine.Node()
    doubled = mine.Node((leaf, leaf), lambda g: (g, g))
    found = mine.backward_pass(mine.Node((doubled, doubled), lambda g: (g, g)), given)
    demand(leaf in found, "backward_pass returned no gradient of the leaf.")
    demand_equal("the initial gradient, after backward_pass,", given, np.ones(2))
    demand_equal("the gradient of the leaf", found[leaf], np.full(2, 4.0))


def demand_parents(node, wanted, text):
    """Raise `Wrong` unless a node has these parents; `text` are they as code."""
    found = ", ".join(map(type_and_shape, node.parents))
    demand(tuple(node.parents) == wanted, f"the parents of the result's node are ({found}), expected {text}.")


@case("computed")
def nodes_of_results(mine):
    """The parents of a result's node are the nodes of its inputs, and None for a plain number."""
    x = mine.Value(2.0)
    out = mine.computed(6.0, (x, 3.0), lambda g: (g, g))
    demand(isinstance(out, mine.Value), f"computed(6.0, (x, 3.0), vjp) must be a Value, got {type_and_shape(out)}.")
    demand_equal("computed(6.0, (x, 3.0), vjp).data", out.data, 6.0)
    demand_parents(out.node, (x.node, None), "(x.node, None)")


@case("mul", x=numbers, y=numbers, g=cotangents)
def products(mine, x, y, g):
    """The vjp of x * y, and of 3 * x."""
    check_numbers(mine, lambda x, y: x * y + 3 * x, g, x, y)


@case("tanh", x=numbers, g=cotangents)
def tanh(mine, x, g):
    """The vjp of tanh."""
    check_numbers(mine, lambda x: x.tanh(), g, x, plain=lambda x: np.tanh(x))


@case("backward_pass", program=short_programs(), a=numbers, b=numbers, g=cotangents)
def random_programs(mine, program, a, b, g):
    """The gradients of programs that use their values many times."""
    check_numbers(mine, program, g, *(a, b)[: program.count])


@contextmanager
def no_collector():
    """Disable the garbage collector, so that only reference counts free objects."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _demand_dropped(mine, hole, compute):
    """Raise `Wrong` unless the input Values are freed when dropped, and the graph with its last Value."""
    with no_collector():
        x = mine.Value(0.5)
        out = compute(x)
        value, node = weakref.ref(x), weakref.ref(out.node)
        del x
        demand(
            value() is None,
            f"{hole}: after `del x`, the result still keeps the Value x alive. A closure keeps every variable it uses: "
            f"use plain numbers in the vjp.",
        )
        del out
        demand(
            node() is None,
            f"{hole}: after its result is dropped, the node is still alive: a variable of the vjp refers back to it.",
        )


@case("mul")
def mul_keeps_numbers(mine):
    """The vjp of x * y keeps numbers alive, and no Value."""
    _demand_dropped(mine, "x * x", lambda x: x * x)


@case("tanh")
def tanh_keeps_numbers(mine):
    """The vjp of tanh keeps a number alive, and no Value: there is no reference cycle."""
    _demand_dropped(mine, "x.tanh()", lambda x: x.tanh())


@case("backward_pass")
def a_long_chain(mine):
    """The backward pass of a chain of 100,000 sums needs no recursion, nor does freeing the chain."""
    first = x = mine.Value(0.0)
    for _ in range(100_000):
        x = x + 1.0
    x.backward()
    demand_equal("the gradient", first.grad, 1.0)
    del x
