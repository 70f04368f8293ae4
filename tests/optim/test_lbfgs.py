"""LBFGS: closures, state dicts, one group, and errors. `test_torch_table` compares its steps with PyTorch's."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import NoGraphError, StateDictError
from tinygrad_edu.optim import LBFGS, SGD


def problem(line_search_fn="strong_wolfe", seed=0, **settings):
    """Return parameters of two shapes, an optimizer, and a closure of a loss that is not convex."""
    rng = np.random.default_rng(seed)
    w, v = (Tensor(rng.standard_normal(shape), dtype=np.float64, requires_grad=True) for shape in ((4,), (2, 2)))
    optimizer = LBFGS([w, v], line_search_fn=line_search_fn, **settings)

    def closure():
        optimizer.zero_grad()
        loss = (1 - w).square().sum() + 10 * (v.reshape(4) - w.square()).square().sum()
        loss.backward()
        return loss

    return [w, v], optimizer, closure


def test_a_step_returns_the_loss_before_it():
    for optimizer_class in (LBFGS, SGD):
        w = Tensor([3.0], requires_grad=True)
        optimizer = optimizer_class([w], lr=0.1)

        def closure(w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (w * w).sum()
            loss.backward()
            return loss

        with tg.no_grad():
            assert optimizer.step(closure).item() == 9.0
        assert w.item() < 3.0
    assert SGD([w], lr=0.1).step() is None


@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
@pytest.mark.parametrize("history_size", [2, 100])
def test_a_loaded_state_goes_on_to_the_same_bits(line_search_fn, history_size):
    settings = {"line_search_fn": line_search_fn, "lr": 0.01, "max_iter": 4, "history_size": history_size}
    params, optimizer, closure = problem(**settings)
    others, other, other_closure = problem(**settings)
    optimizer.step(closure)
    for p, q in zip(params, others, strict=True):
        q.assign(p)
    other.load_state_dict(optimizer.state_dict())
    for _ in range(2):
        optimizer.step(closure)
        other.step(other_closure)
    assert [p.tolist() for p in params] == [q.tolist() for q in others]
    assert len(optimizer.state[params[0]]["old_dirs"]) <= history_size


@pytest.mark.peers
def test_the_state_of_pytorchs_lbfgs_goes_on_here():
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).standard_normal((3, 2))
    theirs, ours = torch.tensor(values, requires_grad=True), Tensor(values, requires_grad=True)
    their_optimizer = torch.optim.LBFGS([theirs], max_iter=3, line_search_fn="strong_wolfe")
    optimizer = LBFGS([ours], max_iter=3, line_search_fn="strong_wolfe")

    def closure(x, optimizer):
        optimizer.zero_grad()
        loss = ((x - 1) ** 4).sum() + (x.sum()) ** 2
        loss.backward()
        return loss

    their_optimizer.step(lambda: closure(theirs, their_optimizer))
    ours.assign(theirs.detach().numpy())
    optimizer.load_state_dict(their_optimizer.state_dict())
    for _ in range(2):
        their_optimizer.step(lambda: closure(theirs, their_optimizer))
        optimizer.step(lambda: closure(ours, optimizer))
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10)
    assert optimizer.state[ours]["func_evals"] == their_optimizer.state[theirs]["func_evals"]


FAULTS = {
    "unexpected: momentum": lambda state: state.update(momentum=np.zeros(8)),
    "missing: n_iter": lambda state: state.pop("n_iter"),
    r"wrong: d has shape \(7,\), for parameters with 8 elements": lambda state: state.update(d=np.zeros(7)),
    r"wrong: old_dirs has shape \(8,\)": lambda state: state.update(old_dirs=np.zeros(8)),
}


@pytest.mark.parametrize(("message", "change"), FAULTS.items(), ids=FAULTS)
def test_a_wrong_state_is_not_loaded(message, change):
    _, optimizer, closure = problem()
    optimizer.step(closure)
    saved = optimizer.state_dict()
    change(saved["state"][0])
    _, other, _ = problem()
    with pytest.raises(StateDictError, match=message):
        other.load_state_dict(saved)
    assert not other.state
    with pytest.raises(StateDictError, match="param_groups"):
        other.load_state_dict({"state": {}})


def test_a_closure_that_raises_leaves_the_parameters_of_the_last_iteration():
    params, optimizer, closure = problem(max_iter=1)
    before, calls = [p.tolist() for p in params], []

    def failing():
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError
        return closure()

    with pytest.raises(ZeroDivisionError):
        optimizer.step(failing)
    assert [p.tolist() for p in params] == before


def test_what_cannot_work_says_so():
    (w, _), optimizer, _ = problem()
    with pytest.raises(TypeError, match=r"LBFGS: step needs a closure.*optimizer\.step\(closure\)"):
        optimizer.step()
    with pytest.raises(ValueError, match="there can be only one parameter group"):
        optimizer.add_param_group({"params": [Tensor([1.0], requires_grad=True)]})
    with pytest.raises(ValueError, match="history_size must be an integer > 0, got 0"):
        LBFGS([w], history_size=0)
    with pytest.raises(ValueError, match="max_eval must be None or an integer > 0, got 0"):
        LBFGS([w], max_eval=0)
    with pytest.raises(NoGraphError, match="is not a leaf"):
        LBFGS([w * 2])
