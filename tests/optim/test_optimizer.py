"""All optimizers: in-place steps, groups, schedules, frozen parameters, state dicts and errors."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_edu import Tensor, from_numpy, nn, optim
from tinygrad_edu.errors import DTypeError, NoGraphError, ReadOnlyError, ShapeError, StaleValueError, StateDictError
from tinygrad_edu.optim import SGD, Adagrad, Adam, Adamax, AdamW, Lion, Muon, NAdam, RAdam, RMSprop, schedules
from tinygrad_edu.optim import optimizer as optimizers
from tinygrad_edu.optim.fast import chunks
from tinygrad_edu.shared.speed.threads import map_parts

seeds = st.integers(0, 2**32 - 1)
CASES = [
    (SGD, {}),
    (SGD, {"momentum": 0.5, "dampening": 0.1, "weight_decay": 0.1, "maximize": True}),
    (SGD, {"momentum": 0.5, "nesterov": True}),
    (Adam, {"weight_decay": 0.1}),
    (Adam, {"amsgrad": True}),
    (AdamW, {}),
    (NAdam, {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    (Adamax, {"weight_decay": 0.1}),
    (RAdam, {"betas": (0.5, 0.5), "decoupled_weight_decay": True, "weight_decay": 0.1}),
    (RMSprop, {"maximize": True}),
    (RMSprop, {"momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    (Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.5}),
    (Lion, {"weight_decay": 0.1}),
    (Muon, {}),
    (Muon, {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}),
]
every = pytest.mark.parametrize(("kind", "settings"), CASES, ids=lambda x: getattr(x, "__name__", None) or ",".join(x))


def leaf(values, dtype=np.float64):
    return Tensor(np.asarray(values, dtype), requires_grad=True)


def leaves(kind, dtype=np.float64, count=2):
    rng = np.random.default_rng(0)
    shapes = [(3, 2), (2, 4)] if kind is Muon else [(3, 2), ()]
    return [leaf(rng.standard_normal(shape), dtype) for shape in shapes[:count]]


def take(optimizer, parameters, steps, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in parameters:
            p.grad = rng.standard_normal(p.shape)
        optimizer.step()
    return parameters


def bits(parameters):
    return [p.numpy().tobytes() for p in parameters]


def test_threads_share_no_parameters_whose_order_matters(monkeypatch):
    class Own(SGD):
        def update(self, param, grad, state, group):
            super().update(param, grad, state, group)

    memory, shared = np.zeros(8), []
    monkeypatch.setattr(optimizers, "update_all", chunks.update_in_chunks)
    monkeypatch.setattr(chunks, "_CHUNK_BYTES", 1)
    monkeypatch.setattr(chunks, "_MIN_ELEMENTS_FOR_THREADS", 0)
    monkeypatch.setattr(
        chunks,
        "map_parts",
        lambda call, calls, large, **_: shared.append(large and len(calls)) or map_parts(call, calls),
    )
    for kind, others in ((SGD, np.zeros(8)), (SGD, memory[::-1]), (Own, np.zeros(8))):
        parameters = [from_numpy(array, requires_grad=True) for array in (memory, others)]
        for p in parameters:
            p.grad = np.ones(8)
        kind(parameters, lr=1.0).step()
    assert shared == [16, False]  # Own is not elementwise, and never asks for threads
    np.testing.assert_array_equal(memory, np.full(8, -4.0))


@every
def test_a_step_writes_into_the_parameters_memory_and_leaves_the_gradient_alone(kind, settings):
    p, before = leaves(kind, count=1)[0], leaves(kind, count=1)[0].numpy()
    memory, view, loss = p.data, p.T, (p * p).sum()
    p.grad = gradient = np.arange(6.0).reshape(3, 2)
    optimizer = kind([p], **settings)
    optimizer.step()
    assert p.data is memory
    assert p.is_leaf
    assert p.requires_grad
    assert p.grad is gradient
    np.testing.assert_array_equal(gradient, np.arange(6.0).reshape(3, 2))
    np.testing.assert_array_equal(view.numpy().T, memory)
    assert not np.array_equal(p.numpy(), before)
    with pytest.raises(StaleValueError, match="changed in place"):
        loss.backward()
    optimizer.zero_grad()
    assert p.grad is None


@pytest.mark.parametrize(("kind", "settings"), [case for case in CASES if case[0] is not Muon])
def test_a_step_allocates_only_chunks(kind, settings, monkeypatch):
    monkeypatch.setattr(optimizers, "update_all", chunks.update_in_chunks)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    parameters = [leaf(np.ones((1000, 1000)))]
    optimizer = kind(parameters, **settings)
    take(optimizer, parameters, 1)
    tracemalloc.start()
    optimizer.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * chunks._CHUNK_BYTES


@every
def test_a_saved_and_a_copied_optimizer_go_on_to_the_same_bits(kind, settings):
    for way in ("state_dict", "pickle", "deepcopy"):
        parameters = leaves(kind)
        optimizer = kind([{"params": parameters[:1], "lr": 0.5}, {"params": parameters[1:]}], lr=0.25, **settings)
        take(optimizer, parameters, 3)
        if way == "state_dict":
            others = [leaf(p.numpy()) for p in parameters]
            other = kind([{"params": others[:1]}, {"params": others[1:]}])
            other.load_state_dict(optimizer.state_dict())
        else:
            both = (parameters, optimizer)
            others, other = copy.deepcopy(both) if way == "deepcopy" else pickle.loads(pickle.dumps(both))
        assert bits(take(other, others, 3, seed=1)) == bits(take(optimizer, parameters, 3, seed=1))
        assert str(other) == str(optimizer)


@pytest.mark.peers
@pytest.mark.parametrize(("kind", "settings"), [each for each in CASES if each[0] is not Lion])  # PyTorch has no Lion
def test_a_state_dict_goes_to_pytorch_and_back(kind, settings):
    import torch

    parameters = leaves(kind, np.float32)
    optimizer = kind(parameters, **settings)
    take(optimizer, parameters, 3)
    saved = optimizer.state_dict()
    there = {k: {name: torch.tensor(x) for name, x in state.items()} for k, state in saved["state"].items()}
    theirs = [torch.tensor(p.numpy(), requires_grad=True) for p in parameters]
    their = getattr(torch.optim, kind.__name__)(theirs)
    their.load_state_dict({**saved, "state": there})
    rng = np.random.default_rng(1)
    for p, q in zip(parameters, theirs, strict=True):
        p.grad = rng.standard_normal(p.shape)
        q.grad = torch.tensor(p.grad)
    optimizer.step()
    their.step()
    tolerance = 0.02 if kind is Muon else 1e-6  # PyTorch's Muon rounds to bfloat16
    for p, q in zip(parameters, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=tolerance, atol=1e-4 * (kind is Muon))
    others = [leaf(q.detach().numpy(), np.float32) for q in theirs]
    back = kind(others)
    back.load_state_dict(their.state_dict())
    assert back.state_dict()["param_groups"] == saved["param_groups"]
    assert set(back.state_dict()["state"]) == set(saved["state"])
    for p, q in zip(others, theirs, strict=True):
        p.grad = rng.standard_normal(p.shape)
        q.grad = torch.tensor(p.grad)
    back.step()
    their.step()
    for p, q in zip(others, theirs, strict=True):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=tolerance, atol=1e-4 * (kind is Muon))


@every
def test_every_setting_may_be_set_between_steps_in_all_groups_or_in_one(kind, settings):
    by_attribute, by_group, parameters = leaves(kind), leaves(kind), leaves(kind)
    given = kind(parameters, lr=0.25, **settings)
    first, second = kind(by_attribute), kind(by_group)
    for name in given.defaults:
        setattr(first, name, getattr(given, name))
        second.param_groups[0][name] = given.param_groups[0][name]
    whole = bits(take(given, parameters, 3))
    assert bits(take(first, by_attribute, 3)) == bits(take(second, by_group, 3)) == whole


def test_lion_follows_the_program_of_its_paper():
    rng = np.random.default_rng(0)
    p, mean = rng.standard_normal(5), np.zeros(5)
    w = leaf(p)
    optimizer = Lion([w], lr=0.05, betas=(0.8, 0.95), weight_decay=0.1)
    for _ in range(100):
        g = rng.standard_normal(5)
        p = p - 0.05 * (np.sign(0.8 * mean + 0.2 * g) + 0.1 * p)
        mean = 0.95 * mean + 0.05 * g
        w.grad = g
        optimizer.step()
    np.testing.assert_allclose(w.numpy(), p, rtol=1e-12, atol=1e-12)


@every
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=6), seeds)
def test_a_frozen_parameter_stays_and_trains_as_if_it_were_alone_where_it_is_not(kind, settings, trained, seed):
    """Compare with one optimizer per parameter, which takes no step while its parameter is frozen."""
    together, alone = leaves(kind), leaves(kind)
    for p in together:
        p.requires_grad = False
    optimizer, each = kind(together, **settings), [kind([q], **settings) for q in alone]
    rng = np.random.default_rng(seed)
    for flags in trained:
        for p, q, of_one, flag in zip(together, alone, each, flags, strict=True):
            p.requires_grad = flag
            if flag:
                p.grad = q.grad = rng.standard_normal(p.shape)
                of_one.step()
        optimizer.step()
        assert bits(together) == bits(alone)


def test_a_frozen_parameter_in_read_only_memory_is_accepted_until_it_moves():
    frozen = locked()
    frozen.requires_grad = False
    optimizer = SGD([frozen])
    optimizer.step()
    frozen.requires_grad = True
    frozen.grad = [1.0, 1.0]
    with pytest.raises(ReadOnlyError, match="SGD updates parameter 0 in place"):
        optimizer.step()


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def in_groups(*lrs, kind=SGD, **settings):
    """Return an optimizer of groups with these learning rates. None is the default."""
    return kind([{"params": [leaf([1.0])], **({} if lr is None else {"lr": lr})} for lr in lrs], **settings)


@given(st.lists(st.sampled_from([0.5, 1e-3]), min_size=1, max_size=1) | st.just([0.5] * 3), st.floats(0, 10))
def test_groups_that_are_equal_get_what_the_schedule_returns(lrs, rate):
    optimizer = in_groups(*lrs)
    for schedule in (lambda step: rate, schedules.constant(rate), lambda step: np.float64(rate)):
        optimizer.apply_schedule(schedule, 3)
        assert rates(optimizer) == [rate] * len(lrs)
        assert all(type(lr) is float for lr in rates(optimizer))


STEPS = range(0, 12, 3)
FALLING = [0.5 ** (step / 3) for step in STEPS]


@pytest.mark.parametrize(
    ("lrs", "lr", "schedule", "wanted"),
    [
        ((1e-5, None), 1e-2, schedules.exponential(1e-2, 0.5 ** (1 / 3)), (1e-5, 1e-2)),
        ((1e-5, None), 1e-2, lambda step: 1e-2 * 0.5 ** (step / 3), (1e-5, 1e-2)),
        ((None, 10.0), 1.0, schedules.step(1.0, 3, 0.5), (1.0, 10.0)),
        # The schedule has the rate of one group. The default does not matter.
        ((1e-5, 1e-2), 1e-3, schedules.exponential(1e-2, 0.5 ** (1 / 3)), (1e-5, 1e-2)),
        ((1e-3, 1e-2), 1e-3, schedules.multi_step(1e-2, [3, 6, 9], 0.5), (1e-3, 1e-2)),
        ((1e-3, 1e-2), 1e-3, schedules.step(1e-3, 3, 0.5), (1e-3, 1e-2)),
        ((0.0, 1e-2), 0.0, schedules.step(1e-2, 3, 0.5), (0.0, 1e-2)),
        # No group has the rate of the schedule: it applies to the groups with the default.
        ((None, 0.1), 1.0, schedules.step(0.5, 3, 0.5), (0.5, 0.05)),
    ],
)
def test_a_schedule_scales_each_group_by_its_own_base_rate(lrs, lr, schedule, wanted):
    optimizer = in_groups(*lrs, lr=lr)
    for step, factor in zip(STEPS, FALLING, strict=True):
        optimizer.apply_schedule(schedule, step)
        np.testing.assert_allclose(rates(optimizer), np.multiply(wanted, factor))
    exact = [k for k, base in enumerate(lrs) if wanted[k] == schedule(0)]
    assert [rates(optimizer)[k] for k in exact] == [schedule(9)] * len(exact) != []


@pytest.mark.parametrize("make", [lambda s: s, lambda s: schedules.warm_up(s, 4)])
def test_a_warm_up_or_a_cycle_is_for_the_group_with_its_highest_rate(make):
    for schedule in (make(schedules.one_cycle(1.0, 20)), make(schedules.cosine(1.0, 20)), make(schedules.constant(1))):
        optimizer = in_groups(0.25, 1.0)
        for step in range(24):
            optimizer.apply_schedule(schedule, step)
            assert rates(optimizer) == [schedule(step) / 4, schedule(step)]


@pytest.mark.parametrize(
    ("lrs", "lr", "schedule", "message"),
    [
        (
            (1e-5, 1e-2),
            1e-3,
            lambda step: 2e-2,
            r"SGD: the schedule matches none of the learning rates \[1e-05, 0.01\] .* optimizer is 0.001",
        ),
        ((1e-5, 1e-2), 1e-3, schedules.constant(0.1), "One of them must be the learning rate of a group"),
        ((None, 1e-2), 0.0, lambda step: 0.1, "the lr of the optimizer is 0.0"),
        ((None, 1e-2), 1.0, lambda step: -1.0, "SGD: lr must be a finite number >= 0, got -1.0"),
        ((None, 1e300), 1e-9, lambda step: 1e200, "SGD: lr must be a finite number >= 0, got inf"),
    ],
)
def test_a_schedule_that_fits_no_group_is_refused_and_changes_nothing(lrs, lr, schedule, message):
    optimizer = in_groups(*lrs, lr=lr)
    before = [dict(group) for group in optimizer.param_groups]
    with pytest.raises(ValueError, match=message):
        optimizer.apply_schedule(schedule, 0)
    assert optimizer.param_groups == before


def test_base_rates_are_saved_and_a_rate_that_is_assigned_is_a_new_one():
    optimizer, schedule = in_groups(0.25, None, lr=1.0), schedules.exponential(1.0, 0.5)
    optimizer.apply_schedule(schedule, 3)
    saved = optimizer.state_dict()
    assert [group["initial_lr"] for group in saved["param_groups"]] == [0.25, 1.0]
    resumed = in_groups(None, None)
    resumed.load_state_dict(saved)
    resumed.apply_schedule(schedule, 4)
    assert rates(resumed) == [2**-6, 2**-4]
    with pytest.raises(StateDictError, match="group 0: wrong: SGD: initial_lr must be a finite number >= 0"):
        resumed.load_state_dict({**saved, "param_groups": [{**g, "initial_lr": -1} for g in saved["param_groups"]]})
    alone = in_groups(1.0)
    alone.apply_schedule(schedule, 5)
    alone.lr = 0.25
    alone.add_param_group({"params": [leaf([1.0])], "lr": 0.5})
    alone.apply_schedule(schedules.constant(0.5), 0)
    assert rates(alone) == [0.25, 0.5]


@pytest.mark.peers
def test_groups_have_the_rates_that_pytorchs_schedulers_give_them():
    import torch
    from torch.optim import lr_scheduler

    pairs = [
        (lambda o: lr_scheduler.CosineAnnealingLR(o, 8), schedules.cosine(0.1, 8)),
        (lambda o: lr_scheduler.StepLR(o, 2), schedules.step(0.1, 2)),
        (lambda o: lr_scheduler.MultiStepLR(o, [1, 4]), schedules.multi_step(0.1, [1, 4])),
        (lambda o: lr_scheduler.ExponentialLR(o, 0.7), schedules.exponential(0.1, 0.7)),
        (lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)), lambda step: 0.1 / (1 + step)),
    ]
    for make, schedule in pairs:
        ours = in_groups(0.001, None, lr=0.1)
        parameters = [torch.zeros(1, requires_grad=True) for _ in range(2)]
        theirs = torch.optim.SGD([{"params": parameters[:1], "lr": 0.001}, {"params": parameters[1:]}], lr=0.1)
        scheduler = make(theirs)
        for step in range(8):
            ours.apply_schedule(schedule, step)
            np.testing.assert_allclose(rates(ours), rates(theirs), atol=1e-12)
            assert [g["initial_lr"] for g in ours.param_groups] == [g["initial_lr"] for g in theirs.param_groups]
            theirs.step()
            scheduler.step()


def test_groups_have_settings_of_their_own_and_more_may_be_added():
    model = nn.Linear(2, 3)
    optimizer = SGD([{"params": [("bias", model.bias)], "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": iter([("weight", model.weight)]), "momentum": 0.9})
    SGD([{"params": [model.bias]}, {"params": []}]).step()  # an empty group is allowed
    assert [(group["lr"], group["momentum"]) for group in optimizer.param_groups] == [(0.5, 0), (0.1, 0.9)]
    with pytest.raises(ValueError, match=r"SGD: lr differs between the parameter groups: \[0.5, 0.1\]"):
        optimizer.lr  # noqa: B018
    for name, value in (("lr", 0.2), ("momentum", 0.5)):
        message = rf"SGD: {name} differs between the parameter groups: .* param_groups\[0\]\[\"{name}\"\] = {value}"
        with pytest.raises(ValueError, match=message):
            setattr(optimizer, name, value)
    optimizer.param_groups[0]["lr"] = 0.1
    optimizer.lr = 0.2
    assert [(group["lr"], group["momentum"]) for group in optimizer.param_groups] == [(0.2, 0), (0.2, 0.9)]
    assert [group["params"] for group in optimizer.state_dict()["param_groups"]] == [[0], [1]]
    assert [group["param_names"] for group in optimizer.state_dict()["param_groups"]] == [["bias"], ["weight"]]


@pytest.mark.parametrize(
    "listed", [lambda model: model.named_parameters(), lambda model: [{"params": model.parameters()}]]
)
def test_a_parameter_that_was_replaced_is_refused_whoever_else_holds_it(listed):
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    params, average = listed(model), optim.MovingAverage(model.parameters())
    optimizer = SGD(params)
    old, model[1] = model[1], nn.Linear(3, 1)
    model(np.ones((4, 2))).sum().backward()
    with pytest.raises(NoGraphError, match=r"SGD: parameter 2( \(1.weight\))?, of shape \(1, 3\), was replaced"):
        optimizer.step()
    twin = copy.deepcopy((optimizer, old))  # with other parameters, of no known model
    twin[0].step()
    model[1] = old
    optimizer.step()
    assert average.parameters[2] is old.weight


def test_one_that_became_computed_is_refused():
    w, other = leaf([1.0]), leaf([2.0])
    optimizer = SGD([w], lr=1.0)
    w.requires_grad = False
    w += other
    with pytest.raises(NoGraphError, match=r"parameter 0, .* is not a leaf: an op computed it"):
        optimizer.step()


@pytest.mark.parametrize(
    ("make", "name", "value", "words"),
    [
        (SGD, "lr", np.nan, "a finite number >= 0, got nan"),
        (SGD, "lr", "0.1", "a finite number >= 0, got '0.1'"),
        (SGD, "lr", [0.1], "a finite number >= 0"),
        (SGD, "momentum", -0.5, "a finite number >= 0"),
        (SGD, "dampening", True, "a finite number"),
        (SGD, "weight_decay", np.inf, "a finite number >= 0"),
        (SGD, "maximize", 1, "True or False, got 1"),
        (Adam, "betas", (0.9, 1.0), "two numbers >= 0 and < 1"),
        (Adam, "betas", 0.9, "two numbers"),
        (AdamW, "decoupled_weight_decay", False, "True, got False"),
        (RMSprop, "alpha", 1.5, "a number from 0 to 1"),
        (Muon, "ns_coefficients", (1.0, 2.0), "three finite numbers"),
        (Muon, "ns_steps", 100, "an integer from 0 to 99"),
        (Muon, "ns_steps", 2.0, "an integer"),
        (Muon, "adjust_lr_fn", "keller", "None or 'original' or 'match_rms_adamw'"),
    ],
)
def test_a_wrong_setting_is_refused_wherever_it_is_set_and_nothing_moves(make, name, value, words):
    p = leaf([[1.0, 2.0]])
    p.grad = [[1.0, 1.0]]
    optimizer, message = make([p]), f"{make.__name__}: {name} must be {words}"
    if name != "decoupled_weight_decay":
        with pytest.raises(ValueError, match=message):
            make([p], **{name: value})
    with pytest.raises(ValueError, match=message):
        setattr(optimizer, name, value)
    optimizer.step()
    before = p.numpy().copy()
    optimizer.param_groups[0][name] = value
    with pytest.raises(ValueError, match=message):
        optimizer.step()
    np.testing.assert_array_equal(p.numpy(), before)


def test_a_misspelt_setting_is_refused():
    with pytest.raises(AttributeError, match="learning_rate"):
        SGD([leaf(1.0)]).learning_rate = 0.1
    with pytest.raises(ValueError, match="SGD: unknown hyperparameter 'lrate' in a group; expected lr, momentum"):
        SGD([{"params": [leaf(1.0)], "lrate": 0.1}])


def locked():
    array = np.ones(2)
    array.flags.writeable = False
    return from_numpy(array, True)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda w: SGD([locked()]), ReadOnlyError, "SGD updates parameter 0 in place: .* read-only"),
        (lambda w: SGD([w], nesterov=True), ValueError, "SGD: nesterov=True requires momentum > 0, such as 0.9"),
        (lambda w: SGD([w], nesterov=True, momentum=0.9, dampening=0.1), ValueError, "and dampening=0"),
        (lambda w: SGD([]), ValueError, "got an empty parameter list"),
        (lambda w: Adam([{"params": []}, {"params": ()}]), ValueError, "Adam: got an empty parameter list"),
        (lambda w: SGD(iter([w, w])), ValueError, r"parameter 1, of shape \(2,\), is duplicated"),
        (lambda w: SGD([{"params": w}, {"params": [w]}]), ValueError, "parameter 1, .* is duplicated"),
        (lambda w: SGD(w), DTypeError, r"got Tensor: pass model.parameters\(\), or \[w\]"),
        (lambda w: SGD({w}), DTypeError, r"got set: pass model.parameters\(\)"),
        (lambda w: SGD(nn.Linear(1, 1)), DTypeError, r"got Linear: pass model.parameters\(\)"),
        (lambda w: SGD([w, w.numpy()]), DTypeError, "parameter 1 must be a Tensor, got ndarray"),
        (lambda w: SGD([{"params": [w]}, w]), DTypeError, 'a parameter group must be a dict such as {"params"'),
        (lambda w: SGD([("w", w), leaf(1.0)]), DTypeError, r"must be all \(name, tensor\) pairs or all tensors"),
        (lambda w: SGD([w.detach()]), NoGraphError, "parameter 0, .* does not require a gradient"),
        (lambda w: SGD([w * 2]), NoGraphError, "parameter 0, .* is not a leaf: an op computed it"),
        (
            lambda w: Muon([("w", w)]),
            ShapeError,
            r"Muon: parameter 0 \(w\) must be a matrix, got shape \(2,\)",
        ),
    ],
)
def test_mistakes_are_explained(make, error, message):
    with pytest.raises(error, match=message):
        make(leaf([1.0, 2.0]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda saved: saved.pop("state"), 'with the keys "state" and "param_groups"'),
        (lambda saved: saved["param_groups"].pop(), r"expected groups with \[1, 1\] parameters, got \[1\]"),
        (lambda saved: saved["param_groups"][1].pop("eps"), "group 1: missing: hyperparameter eps"),
        (lambda saved: saved["param_groups"][0].update(rho=1), "group 0: unexpected: hyperparameter rho"),
        (lambda saved: saved["param_groups"][0].update(lr=-1), "group 0: wrong: Adam: lr must be a finite number"),
        (
            lambda saved: saved["param_groups"][0].update(param_names=["a", "b"]),
            "param_names must have one name for each",
        ),
        (lambda saved: saved["state"].update({7: {}}), "unexpected: state of parameter 7"),
        (lambda saved: saved["state"][1].pop("exp_avg"), "parameter 1: missing: exp_avg"),
        (lambda saved: saved["state"][0].update(sum=1.0), "parameter 0: unexpected: sum"),
        (
            lambda saved: saved["state"][0].update(exp_avg=np.ones(3)),
            r"exp_avg has shape \(3,\) and .* expected \(3, 2\)",
        ),
        (lambda saved: saved["state"][0].update(exp_avg=[[1], [1, 2]]), "parameter 0: wrong: exp_avg setting an array"),
        (lambda saved: saved["state"][1].update(exp_avg=1e300), "exp_avg has a value that overflows in float32"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_loaded(change, message):
    parameters = leaves(Adam, np.float32)
    optimizer = Adam([{"params": parameters[:1]}, {"params": parameters[1:]}])
    take(optimizer, parameters, 1)
    before, saved = pickle.dumps(optimizer.state_dict()), optimizer.state_dict()
    change(saved)
    with pytest.raises(StateDictError, match=message):
        optimizer.load_state_dict(saved)
    assert pickle.dumps(optimizer.state_dict()) == before


def test_every_optimizer_is_tried_here():
    kinds = {kind for kind in vars(optim).values() if isinstance(kind, type) and issubclass(kind, optim.Optimizer)}
    assert kinds - {optim.Optimizer, optim.LBFGS} == {kind for kind, _ in CASES}  # test_lbfgs.py has its tests
