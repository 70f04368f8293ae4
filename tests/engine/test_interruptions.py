"""Writers that are interrupted or fail at any instruction: values saved from the memory are correct or rejected."""

import itertools
from contextvars import copy_context

import numpy as np
import pytest

import tinygrad_edu as tg
from tests.effort import with_each
from tinygrad_edu import Tensor, nn, optim
from tinygrad_edu.errors import StaleValueError, TinygradError
from tools.campaign import interruptions, statements
from tools.campaign.interruptions import Interrupt

# An interruption in a generator that is being closed, which Python can only report.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

BEFORE, AFTER = np.array([1.5, 2.5, -3.5]), np.array([5.0, -6.0, 7.0])


def at_every_place(make, act):
    """Yield an object from `make` after each interruption of `act`, at every instruction, and after a complete run."""
    for place in itertools.count():
        made = make()
        try:  # in a separate context: see the last test
            copy_context().run(interruptions.at, place, lambda made=made: act(made), Interrupt)
        except Interrupt:
            yield made
        else:
            assert place > 1  # the code was interrupted at least once
            yield made
            return


def leaf_and_loss():
    w = Tensor(BEFORE, requires_grad=True)
    return w, (w * w).sum()


def is_right_or_refused(w, loss):
    try:
        loss.backward(retain_graph=True)
    except StaleValueError:
        assert w.grad is None
    else:
        np.testing.assert_array_equal(w.numpy(), BEFORE)
        np.testing.assert_array_equal(w.grad, 2 * BEFORE)


@pytest.mark.parametrize("way", [*statements.WRITES, "SGD.step"])
def test_an_interrupted_write_is_noticed_wherever_it_was_interrupted(way):
    def write(w, values):
        (statements.stepping(w) if way == "SGD.step" else statements.WRITES[way])(w, values)

    for w, loss in at_every_place(leaf_and_loss, lambda made: write(made[0], AFTER)):
        w.grad = None
        is_right_or_refused(w, loss)
    w, loss = leaf_and_loss()
    write(w, AFTER)
    with pytest.raises(StaleValueError):
        loss.backward()


@with_each("way", statements.WRITES)
@with_each("values", ["one that overflows", "one that fails", "a Tensor"])
@with_each("dtype", [np.float32, np.float64])
def test_a_write_that_fails_half_way_is_noticed(way, values, dtype):
    w = Tensor(BEFORE, requires_grad=True, dtype=dtype)
    loss = (w * w).sum()
    try:
        with np.errstate(all="raise"):
            statements.WRITES[way](w, statements.VALUES[values](AFTER))
    except (FloatingPointError, statements.BrokenError, TinygradError):
        pass
    is_right_or_refused(w, loss)


@pytest.mark.parametrize("way", statements.IN_PLACE)
def test_an_interrupted_recorded_write_gives_the_gradient_of_one_of_both_or_is_refused(way):
    operate = statements.IN_PLACE[way]

    def make():
        w = Tensor(BEFORE, requires_grad=True)
        t = w * 1.0
        return w, t, (t * t).sum()

    whole = Tensor(BEFORE, requires_grad=True)
    operate(whole * 1.0, Tensor(AFTER)).backward(AFTER)
    for w, t, loss in at_every_place(make, lambda made: operate(made[1], Tensor(AFTER))):
        if np.array_equal(t.numpy(), BEFORE):
            is_right_or_refused(w, loss)
            w.grad = None
        else:
            with pytest.raises(StaleValueError):
                loss.backward()
        try:
            t.backward(AFTER)
        except StaleValueError:
            continue
        wanted = AFTER if np.array_equal(t.numpy(), BEFORE) else whole.grad
        np.testing.assert_allclose(w.grad, wanted)


@pytest.mark.thorough
def test_a_state_dict_is_loaded_whole_or_not_at_all_wherever_it_is_interrupted():
    def make():
        rng = np.random.default_rng(0)
        return nn.Sequential(nn.Linear(2, 3, rng=rng), nn.Linear(3, 1, rng=rng))

    old = make().state_dict()
    new = {name: array + 1 for name, array in old.items()}
    seen = set()
    for model in at_every_place(make, lambda model: model.load_state_dict(new)):
        state = model.state_dict()
        loaded = all(np.array_equal(state[name], new[name]) for name in state)
        assert loaded or all(np.array_equal(state[name], old[name]) for name in state)
        seen.add(loaded)
    assert seen == {True, False}


def test_backward_gives_all_leaves_their_gradient_or_none():
    def make():
        leaves = [Tensor(BEFORE, requires_grad=True) for _ in range(3)]
        return leaves, (leaves[0] * leaves[1] * leaves[2]).sum()

    for leaves, _ in at_every_place(make, lambda made: made[1].backward()):
        assert len({leaf.grad is None for leaf in leaves}) == 1


def test_a_step_that_is_interrupted_makes_every_parameter_stale_that_it_may_have_moved():
    def make():
        leaves = [Tensor(BEFORE, requires_grad=True) for _ in range(2)]
        optimizer = optim.SGD(leaves, lr=0.5, momentum=0.9, nesterov=True, weight_decay=0.1)
        (leaves[0] * leaves[1]).sum().backward()
        return leaves, (leaves[0] * leaves[1]).sum(), optimizer

    for leaves, loss, _ in at_every_place(make, lambda made: made[2].step()):
        moved = any(not np.array_equal(leaf.numpy(), BEFORE) for leaf in leaves)
        for leaf in leaves:
            leaf.grad = None
        try:
            loss.backward()
        except StaleValueError:
            continue
        assert not moved


@pytest.mark.thorough
def test_an_optimizer_is_loaded_and_gradients_are_clipped_whole_or_not_at_all():
    def make():
        leaves = [Tensor(BEFORE, requires_grad=True) for _ in range(2)]
        optimizer = optim.SGD(leaves, lr=0.5, momentum=0.9)
        for leaf in leaves:
            leaf.grad = AFTER.copy()
        optimizer.step()
        return leaves, optimizer

    def seen_in(act, result):
        return {str(result(made)) for made in at_every_place(make, act)}

    _, optimizer = make()
    optimizer.step()
    saved = {**optimizer.state_dict(), "param_groups": [{**optimizer.param_groups[0], "lr": 0.25, "params": [0, 1]}]}
    assert len(seen_in(lambda made: made[1].load_state_dict(saved), lambda made: made[1].state_dict())) == 2
    for clip in (optim.clip_grad_norm, optim.clip_grad_value):
        assert len(seen_in(lambda made, clip=clip: clip(made[0], 0.1), lambda made: [w.grad for w in made[0]])) == 2


@pytest.mark.parametrize("mode", [tg.no_grad, tg.enable_grad])
def test_an_interrupted_block_puts_the_mode_back(mode):
    """The exception is an interruption at the entry of ``__exit__``, which no `with` statement can handle."""

    def act():
        with mode():
            Tensor([1.0]) * 2

    def of_place(place):
        try:
            interruptions.at(place, act, Interrupt)
        except Interrupt as interrupted:
            return str(interrupted), tg.is_grad_enabled()
        return "", tg.is_grad_enabled()

    ends = [copy_context().run(of_place, place) for place in range(200)]
    assert ends[-1] == ("", True)
    assert {where for where, records in ends if not records} <= {"the entry of Mode.__exit__"}
