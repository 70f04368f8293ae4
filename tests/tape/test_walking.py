"""Recorded backward passes: gradients equal those of backward(), and steps record the calls of vjps."""

import textwrap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor, tape
from tinygrad_edu.errors import GraphFreedError, NoGraphError, WrongGradientError
from tinygrad_edu.tape.values import array_of
from tinygrad_edu.testing.strategies import OP_CALLS, calls, programs

OPS = sorted(OP_CALLS.keys() & tg.ops.registry.keys())


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def test_the_pass_inside_of_a_checkpoint_comes_after_the_pass_that_called_it():
    x = leaf(1.0, 2.0)
    kept = tg.checkpoint(lambda x: tg.exp(x * 3))
    assert [call.node.op.name for call in tape.steps(kept(x).sum())] == ["sum", "function"]
    assert tape.of(kept(x).sum(), times=True).rows[-1].op == "sum"
    with tape.watch() as walks:
        kept(x).sum().backward()
    assert [[call.node.op.name for call in walk] for walk in walks] == [["sum", "function"], ["exp", "multiply"]]


def total_of(program, leaves):
    results = program(*leaves)
    results = results if isinstance(results, tuple) else (results,)
    return sum((tg.sum(y * np.cos(np.arange(y.size)).reshape(y.shape)) for y in results), Tensor(0.0))


@given(programs() | st.sampled_from(OPS).flatmap(calls))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_steps_of_a_program_leave_what_backward_leaves_and_add_up_to_it(program):
    ours, theirs = ([Tensor(x, requires_grad=True) for x in program.arrays] for _ in range(2))
    loss, twin = total_of(program, ours), total_of(program, theirs)
    if not twin.requires_grad:
        return
    twin.backward()
    walk = tape.steps(loss)
    assert walk.ended
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(x.grad, y.grad)
    sums = dict(walk.initial_gradients)
    for step in walk:
        np.testing.assert_array_equal(array_of(step.g), array_of(sums[step.node]))
        before = sums.get(step.parent)
        array = array_of(step.contribution)
        sums[step.parent] = array if before is None else before + array
        np.testing.assert_allclose(array_of(step.total), sums[step.parent])
        assert array.shape == step.parent.shape
    for x in ours:
        if x.grad is not None:
            np.testing.assert_array_equal(walk.gradient(x), x.grad)


def test_a_step_says_what_a_vjp_got_and_what_became_of_it():
    x, b = leaf([1.0, 2.0], [3.0, 4.0]), leaf(10.0, 20.0)
    walk = tape.steps(x * b, gradient=np.array([[1.0, 2.0], [3.0, 4.0]]))
    of_x, of_b = walk
    assert (of_x.node.op, of_x.argument, of_x.parent) == (tg.multiply, "x", x._node)
    assert of_x.asked["y"].tolist() == [10, 20]
    assert of_x.contribution is of_x.returned
    assert of_b.returned.tolist() == [[1, 4], [9, 16]]
    assert of_b.contribution.tolist() == [10, 20]
    assert of_b.total.tolist() == b.grad.tolist() == [10, 20]
    assert of_b.vjp == "lambda g, x: g * x"
    assert of_b.substituted == "[[1.0, 2.0], [3.0, 4.0]] * [[1.0, 2.0], [3.0, 4.0]]"
    assert "summed back to [10.0, 20.0]" in str(of_b)
    assert walk[:1] == [of_x]
    assert walk[-1] is of_b
    assert of_b.seconds > 0


def test_what_was_seen_stays_as_it_was():
    w = leaf(1.0, 2.0)
    walk = tape.steps((w * w * w).sum())
    seen = str(walk)
    w.data -= 100 * w.grad
    w.grad *= 0
    assert str(walk) == seen


def test_a_second_order_is_a_walk_over_what_the_first_recorded():
    with tape.watch() as walks:
        assert float(tg.grad(tg.grad(lambda x: x**3))(2.0)) == 12
    inner, outer = walks
    assert isinstance(inner[0].contribution, Tensor)
    made = {row.op: [group.label for group in row.groups] for row in outer.rows}
    assert made["power"] == ["the vjp of op power for x"]
    assert float(outer[-1].total) == 12


def test_what_is_inside_of_watch_is_all_that_is_kept():
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    with tape.watch() as walks:
        loss.backward(retain_graph=True)
        (2 * loss).backward(retain_graph=True)
    loss.backward()
    assert [len(walk) for walk in walks] == [3, 4]


def test_hooks_are_seen():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.register_hook(lambda g: 10 * g)
    x.register_hook(lambda g: g + 1)
    walk = tape.steps(y.sum())
    assert walk.gradient(y).tolist() == walk[-1].g.tolist() == [10, 10]
    assert walk.gradient(x).tolist() == x.grad.tolist() == [31, 31]


@pytest.mark.thorough
def test_a_chain_of_200_000_nodes_is_walked_and_read():
    x = y = leaf(1.0)
    for _ in range(200_000):
        y = -y
    walk = tape.steps(y)
    assert len(walk) == 200_000
    assert len(walk.rows) == 200_001
    assert walk[-1].total == x.grad == 1


@tg.op
def breaks(x):
    return x + 1


breaks.vjps(
    x=lambda g: g[:1],
)


def test_after_an_error_in_a_vjp_the_steps_up_to_it_are_there():
    x = leaf(1.0, 2.0)
    loss = (breaks(x * 2) * 3).sum()
    with tape.watch() as walks, pytest.raises(WrongGradientError, match="op breaks: the vjp of x"):
        loss.backward()
    (walk,) = walks
    assert [step.node.op.name for step in walk] == ["sum", "multiply", "breaks"]
    assert not walk.ended
    assert walk[-1].contribution is None
    assert str(walk).endswith("returns [3.0]\n    rejected by the engine")
    assert x.grad is None
    with pytest.raises(WrongGradientError):
        tape.steps((breaks(x) * 3).sum())


def test_a_freed_graph_and_what_has_no_tape_say_so():
    x = leaf(1.0)
    y = x * x
    tape.steps(y)
    with pytest.raises(GraphFreedError):
        tape.steps(y)
    with pytest.raises(NoGraphError, match="no tape: no input had requires_grad"):
        tape.steps(Tensor(1.0))
    with pytest.raises(NoGraphError, match="got a float"):
        tape.steps(1.0)
    assert len(tape.steps(x)) == 0  # a leaf has no vjp
    assert [row.op for row in tape.steps(x).rows] == ["leaf"]


def test_a_vjp_with_parts_shows_the_whole():
    x = leaf(1.0, 2.0, 3.0)
    walk = tape.steps(x[0] * x[2])
    assert [step.total.tolist() for step in walk if step.parent is x._node] == [[0, 0, 1], [3, 0, 1]]


# --- The source of vjps ---


def test_the_vjp_is_found_wherever_it_was_written(tmp_path, monkeypatch):
    (tmp_path / "elsewhere.py").write_text(
        textwrap.dedent('''
            import tinygrad_edu as tg

            @tg.op(broadcasts=True)
            def hypot(x, y):
                return (x * x + y * y) ** 0.5

            def of_y(g, y, out):
                """The slope by y."""
                return g * y / out

            hypot.vjps(x=lambda g, x, out: g * x / out, y=of_y)

            @tg.op(broadcasts=True)
            def both(x, y):
                return x * y

            both.vjps(
                x=lambda g, y: (
                    g
                    * y
                ),
                y=lambda g, x: g * {"a:": x}["a:"],  # a colon
            )
        ''')
    )
    monkeypatch.syspath_prepend(tmp_path)
    from elsewhere import both, hypot

    x, y = leaf(3.0), leaf(4.0)
    first, second = tape.steps(hypot(x, y))
    assert first.vjp == "lambda g, x, out: g * x / out"
    assert first.substituted == "[1.0] * [3.0] / [5.0]"
    assert second.vjp == 'def of_y(g, y, out):\n    """The slope by y."""\n    return g * y / out'
    assert second.substituted == ""
    first, second = tape.steps(both(x, y))
    assert first.vjp.split() == ["lambda", "g,", "y:", "(", "g", "*", "y", ")"]
    assert first.substituted.split() == ["(", "[1.0]", "*", "[4.0]", ")"]
    assert second.vjp == 'lambda g, x: g * {"a:": x}["a:"]'
    assert second.substituted == '[1.0] * {"a:": [3.0]}["a:"]'


def test_variadic_ops_tell_their_vjps_the_position():
    walk = tape.steps(tg.concatenate([leaf(1.0), leaf(2.0, 3.0)]), gradient=[1.0, 2.0, 3.0])
    assert [step.argument for step in walk] == ["arrays0", "arrays1"]
    assert [step.asked["k"] for step in walk] == [0, 1]
    assert walk[1].contribution.tolist() == [2, 3]


def test_a_vjp_without_source_is_shown_by_its_parameters():
    @tg.op
    def double(x):
        return 2 * x

    double.vjps(x=eval("lambda g: 2 * g"))
    assert tape.vjp_source(double, "x") == "lambda g: ..."


@with_each("name", OPS)
def test_every_op_of_ours_shows_its_vjps(name):
    op = tg.ops.registry[name]
    for argument in op.vjp_functions:
        text = tape.vjp_source(op, argument)
        assert text.startswith(("lambda ", "def ")) or "(" in text
        assert "vjps" not in text
