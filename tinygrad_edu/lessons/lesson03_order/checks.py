"""Cases of lesson 3: the order, the number of paths, and one call of each vjp."""

from hypothesis import strategies as st

from tinygrad_edu.lessons.cases import case, demand, demand_equal, scaled
from tinygrad_edu.lessons.findings import is_numeric, type_and_shape
from tinygrad_edu.lessons.short_programs import cotangents, numbers, short_programs
from tinygrad_edu.testing import check_gradient

PROGRAMS = short_programs(operators=("+", "*"))  # x - y would create an unnamed value


def _made(mine, program):
    """Return all values of a program, and the set of those that its result depends on."""
    values = program.values(*[mine.Value(0.5 + k) for k in range(program.count)])
    needed, waiting = set(), [values[-1]]
    while waiting:
        value = waiting.pop()
        if value not in needed:
            needed.add(value)
            waiting += value.parents
    return values, needed


def _name(values, value):
    """Return the name of a value in its program."""
    return chr(ord("a") + values.index(value))


@case("order", program=PROGRAMS)
def each_once(mine, program):
    """The order contains every value that the root was computed from, once."""
    values, needed = _made(mine, program)
    found = mine.order(values[-1])
    demand(isinstance(found, list), f"order must return a list, got {type_and_shape(found)}.")
    strange = [type_and_shape(x) for x in found if not isinstance(x, mine.Value)]
    demand(not strange, f"order must return a list of Values, got a list with {', '.join(strange)}.")
    names = [_name(values, value) for value in found]
    demand(
        set(found) >= needed, f"missing: {', '.join(_name(values, x) for x in needed - set(found))}; found: {names}."
    )
    demand(len(found) == len(needed), f"the order contains a value twice, or an unneeded one: {names}.")


@case("order", program=PROGRAMS)
def parents_first(mine, program):
    """In the order, each value comes after its parents."""
    values, _ = _made(mine, program)
    found = mine.order(values[-1])
    names, place = [_name(values, value) for value in found], {value: k for k, value in enumerate(found)}
    for value in found:
        for parent in value.parents:
            demand(
                place[parent] < place[value],
                f"{_name(values, value)} was computed from {_name(values, parent)} but comes before it: {names}.",
            )


def _paths(mine, root, value, name):
    """Return the number of paths to a value that `paths` finds."""
    found = mine.paths(root)
    demand(isinstance(found, dict), f"paths must return a dict, got {type_and_shape(found)}.")
    demand(is_numeric(found.get(value)), f"the dict that paths returned has no number for {name}.")
    return found[value]


@case("paths", n=st.integers(0, 60))
def doubled(mine, n):
    """After n doublings, x = x + x, there are 2ⁿ paths to the first x; paths counts them in n steps."""
    first = x = mine.Value(1.0)
    for _ in range(n):
        x = x + x
    found = _paths(mine, x, first, "the first x")
    demand(found == 2**n, f"paths returned {found} for {n} doublings, expected {2**n}.")


@case("paths", program=PROGRAMS)
def paths_of_programs(mine, program):
    """paths returns how often the backward pass of lesson 2 visits each value of a program."""
    values, needed = _made(mine, program)
    passed = dict.fromkeys(needed, 0)
    waiting = [values[-1]]
    while waiting:
        passed[waiting[-1]] += 1
        waiting += waiting.pop().parents
    for value in values:
        if value in needed:
            name = _name(values, value)
            demand_equal(f"the number of paths to {name}", _paths(mine, values[-1], value, name), passed[value])


@case("backward", program=PROGRAMS)
def each_rule_once(mine, program):
    """backward calls each vjp once."""
    values, needed = _made(mine, program)
    calls = {}

    def counted(value, vjp):
        def call(g):
            calls[value] = calls.get(value, 0) + 1
            return vjp(g)

        return call

    for value in needed:
        if value.vjp is not None:
            value.vjp = counted(value, value.vjp)
            calls[value] = 0
    mine.backward(values[-1])
    for value, count in calls.items():
        demand(count == 1, f"the vjp of {_name(values, value)} was called {count} times, expected 1.")


@case("backward", program=PROGRAMS, a=numbers, b=numbers, g=cotangents)
def gradients(mine, program, a, b, g):
    """The gradients of programs are correct."""

    def gradient(*inputs):
        leaves = [mine.Value(x) for x in inputs]
        mine.backward(program(*leaves), g)
        return tuple(x.grad for x in leaves)

    check_gradient(scaled(program, g), gradient, *(a, b)[: program.count], cotangent=False)


@case("backward")
def sixty_doublings(mine):
    """After 60 doublings, the gradient is 2⁶⁰; the backward pass of lesson 2 would take thousands of years."""
    first = x = mine.Value(1.0)
    for _ in range(60):
        x = x + x
    mine.backward(x)
    demand_equal("the gradient", first.grad, 2.0**60)


@case("backward", program=PROGRAMS, a=numbers)
def twice(mine, program, a):
    """A second backward through the same values adds the same gradient once more."""
    leaves = [mine.Value(a) for _ in range(program.count)]
    out = program(*leaves)
    mine.backward(out)
    once = [x.grad for x in leaves]
    mine.backward(out)
    for name, x, g in zip("ab", leaves, once, strict=False):
        demand_equal(f"the gradient of {name} after two backward passes ({g} after the first)", x.grad, 2 * g)
