"""Cases of lesson 12: kept and freed bytes, and sums in place."""

import weakref
from importlib import import_module

import numpy as np

from tinygrad_edu.lessons.cases import case, check_engine, demand, demand_equal, new_leaf, raised
from tinygrad_edu.lessons.lesson04_clock.checks import no_collector
from tinygrad_edu.lessons.short_programs import exact_arrays, short_programs

ARRAYS = exact_arrays(2, 3)
PROGRAMS = short_programs()


def _of(lesson):
    """Return the student's module of an earlier lesson."""
    return import_module(lesson)


# --- Kept bytes ---


@case("kept_bytes")
def each_array_once(mine):
    """kept_bytes counts each saved array of the graph once."""
    x = new_leaf(mine)
    for what, out, arrays_kept in (
        ("x * x, which saves x twice,", x * x, 1),
        ("tanh(x), which saves its result,", x.tanh(), 1),
        ("x + x, whose vjps need nothing,", x + x, 0),
        ("x.sum(), which saves a shape,", x.sum(), 0),
        ("(y + y) * x with y = x.tanh(),", (lambda y: (y + y) * x)(x.tanh()), 3),
        ("a leaf", x, 0),
        ("a constant", mine.Tensor(np.ones(3)), 0),
    ):
        demand_equal(f"kept_bytes of {what} with 3 elements of 8 bytes,", mine.kept_bytes(out), arrays_kept * 24)


@case("kept_bytes")
def of_a_long_graph(mine):
    """kept_bytes needs no recursion, and visits a node once, for any number of paths to it."""
    x = new_leaf(mine)
    for _ in range(3000):
        x = x + x
    demand_equal("kept_bytes of 3000 doublings, with 2 ** 3000 paths,", mine.kept_bytes(x), 0)


# --- The backward pass ---


@case("backward_pass", program=PROGRAMS, x=ARRAYS, y=ARRAYS)
def random_programs(mine, program, x, y):
    """The gradients of programs that use their values many times."""
    check_engine(mine, program, *(x, y)[: program.count])


def _noting_op(made, alive):
    """Return an op that saves its result; its vjp records how many of these results are alive."""

    @_of("lesson07_recorder").op
    def halved(x):
        out = x * 0.5
        made.append(weakref.ref(out))
        return out

    def vjp(g, out):
        alive.append(sum(each() is not None for each in made))
        return g * 0.5

    halved.vjps(x=vjp)
    return halved


@case("backward_pass")
def freed_on_the_way(mine):
    """The saved values of a node are freed as soon as its vjp has run."""
    made, alive = [], []
    op, x = _noting_op(made, alive), new_leaf(mine)
    for _ in range(10):
        x = op(x)
    with no_collector():
        x.backward(np.ones(3))
    demand(
        len(alive) == 10 and all(count <= 12 - k for k, count in enumerate(alive)),
        f"a chain of ten nodes saved ten results; still alive when each vjp ran, newest first: {alive}.",
    )


@case("backward_pass")
def a_second_walk(mine):
    """A second backward pass raises a GraphFreedError that names the op; retain_graph=True keeps the graph."""
    x = new_leaf(mine)
    out = x.tanh() * 2.0
    out.backward(np.ones(3), retain_graph=True)
    once = x.grad
    message = raised(mine.GraphFreedError, lambda: out.backward(np.ones(3)))
    demand(not message, f"after backward(g, retain_graph=True), a second backward raises: {message}")
    demand_equal("x.grad after both backward passes", x.grad, 2 * once)
    for what, call in (
        ("a third backward", lambda: out.backward(np.ones(3))),
        (
            "the pass of lesson 9",
            lambda: _of("lesson09_second_order").backward_pass(out.node, mine.Tensor(1.0), {x.node}),
        ),
    ):
        message = raised(mine.GraphFreedError, call)
        demand("multiply" in message, f"{what} through a freed graph must raise a GraphFreedError that names multiply.")
    demand_equal("x.grad after the errors", x.grad, 2 * once)


class Watched(np.ndarray):
    """Array class that counts new arrays, and records the arrays that were written into."""

    made, written = 0, ()

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **keywords):
        """Compute with plain arrays, and record the call."""
        plain = [x.view(np.ndarray) if isinstance(x, Watched) else x for x in inputs]
        if out is None:
            Watched.made += 1
            return np.asarray(getattr(ufunc, method)(*plain, **keywords)).view(Watched)
        Watched.written += tuple(map(id, out))
        getattr(ufunc, method)(*plain, out=tuple(each.view(np.ndarray) for each in out), **keywords)
        return out[0]


@case("backward_pass")
def one_sum(mine):
    """backward_pass creates one new array for the sum of many contributions, and writes only into it."""
    x, Watched.made, Watched.written = new_leaf(mine), 0, ()
    contributions = [np.full(3, float(k)).view(Watched) for k in range(10)]
    vjp = type("Rule", (), {"__call__": lambda self, g: contributions, "pullback": x.tanh().node.vjp.pullback})()
    found = mine.backward_pass(_of("lesson04_clock").Node((x.node,) * 10, vjp), np.ones(3))[x.node]
    demand_equal("the sum of ten contributions", np.asarray(found), np.full(3, 45.0))
    demand(
        not {*map(id, contributions)} & {*Watched.written},
        "backward_pass wrote into a contribution: the first is borrowed, and may be in use elsewhere.",
    )
    demand(
        Watched.made == 1, f"backward_pass made {Watched.made} new arrays for the sum of ten contributions, expected 1."
    )
