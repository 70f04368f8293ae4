"""Cases of lesson 7: inputs and settings, no_grad, and agreement with the recorder of tinygrad_edu."""

from contextlib import suppress
from functools import wraps
from inspect import isgenerator

import numpy as np
from hypothesis import strategies as st

import tinygrad_edu as tg
from tinygrad_edu.engine import Op, densify, from_numpy
from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.lessons.cases import case, check_engine, demand, demand_equal, in_another_thread, run_backward
from tinygrad_edu.lessons.findings import type_and_shape
from tinygrad_edu.lessons.lesson06_ops.checks import saved_by
from tinygrad_edu.lessons.small_arrays import small_arrays
from tinygrad_edu.testing.strategies import OP_CALLS, calls, shapes


def _demand_parameters(mine, forward, inputs, settings):
    """Check inputs and settings. In `settings`, None marks a setting without a default, for which any value passes."""
    found, what = mine.parameters_of(forward), f"parameters_of(f) for {forward.__doc__}"
    pair = isinstance(found, tuple) and len(found) == 2 and isinstance(found[1], dict)
    demand(pair, f"{what} must return a tuple and a dict, got {type_and_shape(found)}.")
    names = ", ".join(found[0])
    demand([*found[0]] == [*inputs], f"{what}: the inputs are {', '.join(inputs)}, but parameters_of returned {names}.")
    names = ", ".join(found[1])
    demand(
        found[1].keys() == settings.keys(),
        f"{what}: the settings are {', '.join(settings)}, but parameters_of returned {names or 'none'}.",
    )
    for name, default in settings.items():
        demand(
            default is None or found[1][name] == default,
            f"{what}: the default of {name} is {default}, but parameters_of returned {found[1][name]}.",
        )


@case("parameters_of")
def inputs_without_a_mark(mine):
    """Without a /, the inputs are the parameters without a default."""

    def forward(x, y, axis=0, *, keepdims):
        """def f(x, y, axis=0, *, keepdims)"""

    _demand_parameters(mine, forward, ("x", "y"), {"axis": 0, "keepdims": None})


@case("parameters_of")
def inputs_with_a_mark(mine):
    """With a /, the inputs are the parameters before it; settings need no default."""

    def forward(x, y=1.0, /, axis=0, *, keepdims=True):
        """def f(x, y=1.0, /, axis=0, *, keepdims=True)"""

    _demand_parameters(mine, forward, ("x", "y"), {"axis": 0, "keepdims": True})


@case("parameters_of")
def any_number_of_inputs(mine):
    """*arrays takes any number of inputs."""

    def forward(*arrays, axis=0):
        """def f(*arrays, axis=0)"""

    _demand_parameters(mine, forward, ("arrays",), {"axis": 0})


@case("arguments_of")
def settings_by_two_stars(mine):
    """A vjp with ** also receives the settings that it does not name."""
    settings = {"axis": 0, "stride": 1, "padding": 2}
    found = mine.arguments_of(lambda g, x, stride, **window: g, settings)
    wanted = ["x", "stride", "axis", "padding"]
    demand(found == wanted, f"arguments_of(lambda g, x, stride, **window: ...) is {found}, expected {wanted}.")
    found = mine.arguments_of(lambda g, x: g, settings)
    demand(found == ["x"], f"arguments_of(lambda g, x: ...) is {found}, expected ['x'].")


@case("recorded")
def saved_by_name(mine):
    """A node saves the values that its vjps name, for every kind of name."""

    @mine.op
    def f(x, y, /, axis, by=2):
        return x * y * by

    f.vjps(x=lambda g, x_dtype, y, by: g * y * by, y=lambda g, x, **rest: g * x * rest["by"])
    x, y = mine.Tensor(np.ones(2), requires_grad=True), mine.Tensor(np.ones(2), requires_grad=True)
    for inputs, wanted in (((x, y), {"x_dtype", "x", "y", "axis", "by"}), ((x, 3.0), {"x_dtype", "y", "by"})):
        found = set(saved_by(f(*inputs, axis=0)))
        demand(found == wanted, f"the vjps use {sorted(wanted)}, but the node saves {sorted(found)}.")


@case("recorded")
def no_node_without_a_reason(mine):
    """A result has no node if no input has one, or if recording is off."""
    constant, x = mine.Tensor(np.ones(2)), mine.Tensor(np.ones(2), requires_grad=True)
    demand((constant * 2.0).node is None, "no input has a node, but the result has one.")
    before = mine.recording.set(False)
    try:
        demand((x * 2.0).node is None, "while recording.get() is False, x * 2 gets a node.")
    finally:
        mine.recording.reset(before)


@case("pullback")
def which_of_many(mine):
    """A vjp for *arrays may use k, the position of the input whose gradient is computed."""

    @mine.op
    def weighted(*arrays):
        return sum((k + 1) * x for k, x in enumerate(arrays))

    weighted.vjps(arrays=lambda g, k: (k + 1) * g)
    points = [np.full(2, float(k)) for k in range(3)]
    check_engine(mine, weighted, *points)
    x = mine.Tensor(np.ones(2), requires_grad=True)
    run_backward(weighted(points[0], x), np.ones(2))
    demand_equal("the gradient of x in weighted(array, x)", x.grad, np.full(2, 2.0))


@case("pullback", times=st.integers(0, 3))
def a_setting_called_k(mine, times):
    """If a setting is called k, a vjp that uses k receives the setting."""

    @mine.op
    def turned(x, k=1):
        return np.rot90(x, k)

    turned.vjps(x=lambda g, k: np.rot90(g, -k))
    check_engine(mine, lambda x: turned(x, k=times), np.arange(6.0).reshape(2, 3))


@case("pullback", x=small_arrays(shapes(max_dims=2, empty=False)))
def the_ops_before(mine, x):
    """The ops of lesson 6 use the new recorder, with correct gradients."""
    check_engine(mine, lambda x: x * x + x.sum(axis=None), x)


@case("no_grad")
def nothing_is_recorded(mine):
    """Inside no_grad nothing is recorded; after it recording resumes, even if it ended with an error."""
    function = getattr(mine.no_grad, "__wrapped__", None)  # contextmanager expects it to return a generator
    demand(function is None or isgenerator(function()), "no_grad has no yield, at which the block would run.")
    x = mine.Tensor(np.ones(2), requires_grad=True)
    with mine.no_grad():
        demand((x * x).node is None, "inside no_grad, x * x has a node.")
        with mine.no_grad():
            pass
        demand((x * x).node is None, "inside no_grad, after a nested no_grad, x * x has a node.")
    demand((x * x).node is not None, "after no_grad, x * x has no node.")
    with suppress(KeyError), mine.no_grad():
        raise KeyError
    demand((x * x).node is not None, "after a no_grad that ended with an error, x * x has no node.")


@case("no_grad")
def of_a_thread(mine):
    """no_grad applies only to the thread that uses it."""
    x = mine.Tensor(np.ones(2), requires_grad=True)
    with mine.no_grad():
        node = in_another_thread(lambda: (x * x).node)
    demand(node is not None, "while one thread is inside no_grad, another thread records nothing.")


def in_the_lesson(mine, op):
    """Return a student's Op with the forward and the vjps of tinygrad_edu's op; the vjps return dense arrays."""
    twin = mine.Op(op.forward, op.broadcasts)

    def completed(rule):
        @wraps(rule)
        def call(g, **known):
            return densify(rule(g, **known))

        return call

    twin.vjps(**{name: completed(rule) for name, rule in op.vjp_functions.items()})
    return twin


def demand_agreement(mine, call):
    """Raise `Wrong` unless the student's recorder and tinygrad_edu's give the same result and gradients."""
    op = call.function if isinstance(call.function, Op) else call.function.__wrapped__  # without its concatenation
    results = []
    for function, leaf in (
        (in_the_lesson(mine, op), lambda x: mine.Tensor(np.array(x), requires_grad=True)),
        (op, lambda x: from_numpy(np.array(x), requires_grad=True)),
    ):
        inputs = [leaf(x) if k in call.differentiable else x for k, x in enumerate(call.inputs)]
        out = function(*inputs, **call.settings)
        results.append((out, [inputs[k] for k in call.differentiable]))
    (found, leaves), (wanted, others) = results
    demand_equal(f"the result of op {call.name}", np.asarray(getattr(found, "data", found)), _array(wanted))
    if not others or not wanted.requires_grad:
        return
    cotangent = np.random.default_rng(0).standard_normal(wanted.shape)
    found.backward(cotangent)
    wanted.backward(cotangent.astype(wanted.dtype))
    for name, x, other in zip(call.names, leaves, others, strict=True):
        demand_equal(f"the gradient of {name} in op {call.name}", x.grad, other.grad)


def _array(x):
    return x.numpy() if isinstance(x, tg.Tensor) else np.asarray(x)


NAMES = sorted(tg.ops.registry.keys() & OP_CALLS.keys())


@case("pullback", call=st.sampled_from(NAMES).flatmap(calls))
def the_real_ops(mine, call):
    """Ops of tinygrad_edu give the same results and gradients with your recorder."""
    with suppress(MissingExtraError):  # erf needs SciPy
        demand_agreement(mine, call)
