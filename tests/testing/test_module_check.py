"""check_module: correct modules pass, among them random nested layers, and errors name the fault of wrong modules."""

import functools
import operator
import time
from collections import deque, namedtuple
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.testing.modules import made
from tests.testing.test_tensor_checks import broken
from tinygrad_edu import nn
from tinygrad_edu.engine import op
from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.testing import GradientMismatch, LawBroken, check_module
from tinygrad_edu.testing.laws.module_replay import snapshot
from tinygrad_edu.testing.strategies import arrays, modules

X = np.random.default_rng(5).normal(size=(4, 3))


@pytest.mark.thorough
@given(modules())
def test_random_nests_of_layers(drawn):
    module, x = drawn
    check_module(module, x)


@pytest.mark.thorough
def test_a_strategy_of_inputs():
    check_module(nn.Linear(3, 2), arrays((2, 3), layouts=False))
    rng = np.random.default_rng(3)
    check_module(nn.Tanh(), st.tuples(arrays((2, 3), layouts=False)), rng=rng)
    assert rng.random() != np.random.default_rng(3).random()
    with pytest.raises(LawBroken, match="differs from the reference"):
        check_module(nn.Tanh(), arrays((1, 2), low=1.0, layouts=False), reference=np.sin)


def test_the_deadline_that_nobody_set_is_not_one_for_a_strategy_of_inputs():
    ours = settings.get_current_profile_name()
    settings.register_profile("of Hypothesis", settings.get_profile("default"), max_examples=2)
    settings.load_profile("of Hypothesis")
    try:
        check_module(made(lambda self, x: time.sleep(0.003) or tg.tanh(x)), arrays((1, 1)))  # calls it a hundred times
    finally:
        settings.load_profile(ours)


@given(arrays((2, 3)))
def test_a_strategy_is_not_drawn_from_inside_a_hypothesis_test(x):
    with pytest.raises(DataError, match="draw the inputs"):
        check_module(nn.Tanh(), arrays((2, 3)))


def test_frozen_parameters_are_held_fixed_and_are_state():
    module = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 2))
    for frozen in (module[0], module):
        frozen.requires_grad_(False)
        before, dtypes = module.state_dict(), [p.dtype for p in module.parameters()]
        check_module(module, X)
        assert [p.dtype for p in module.parameters()] == dtypes
        assert [p.frozen for p in module.parameters()] == [name[0] == "0" or frozen is module for name in before]
        assert all(np.array_equal(before[name], values) for name, values in module.state_dict().items())


class Changing(nn.Module):
    """A right layer that changes itself in training, and uses a running mean in evaluation."""

    def __init__(self, change):
        self.change, self.w = change, tg.Tensor(np.array([1, 2, 3], np.float32), requires_grad=True)
        self.w.grad, self.mean, self.means = np.ones(3), tg.Tensor(np.zeros(3, np.float32)), [tg.Tensor([0.0])]
        self.shared, self.array, self.rng = (self.mean, [1]), np.zeros(3), np.random.default_rng(0)
        self.count, self.list, self.dict, self.set, self.deque = 0, [], {"calls": {}}, set(), deque([1, 2], 2)
        self.object, self.dropout = SimpleNamespace(count=0), nn.Dropout(0.5, rng=self.rng).eval()
        self.frozen = tg.Tensor([1.0], requires_grad=True)
        self.frozen.requires_grad = False

    def forward(self, x):
        if not self.training:
            return x * self.w - self.mean
        self.change(self, x)
        return x * self.w


def next_mean(module, x):
    return 0.9 * module.mean + 0.1 * x.detach().mean(axis=0)


CHANGES = {
    "a replaced buffer": lambda self, x: setattr(self, "mean", next_mean(self, x)),
    "a new buffer in its place": lambda self, x: setattr(self, "mean", tg.Tensor(next_mean(self, x))),
    "the values of a buffer": lambda self, x: self.mean.assign(next_mean(self, x)),
    "a replaced buffer in a list": lambda self, x: operator.setitem(self.means, 0, x.detach().mean(axis=0)),
    "a late buffer": lambda self, x: self.register_buffer("late", np.ones(3, x.dtype)),
    "a late constant": lambda self, x: vars(self).setdefault("late", np.ones(3)),
    "a deleted attribute": lambda self, x: vars(self).pop("array", None),
    "a kept result": lambda self, x: setattr(self, "result", x * self.w),
    "the values of a frozen parameter": lambda self, x: self.frozen.assign(self.frozen * 0.9),
    "the mode of a part": lambda self, x: self.dropout.train(),
    "a hook": lambda self, x: self.dropout.register_forward_hook(print),
    "a number": lambda self, x: setattr(self, "count", self.count + 1),
    "an array": lambda self, x: setattr(self, "array", self.array + 1),
    "the values of an array": lambda self, x: np.add(self.array, 1, out=self.array),
    "a list": lambda self, x: self.list.append(x.shape),
    "a list in a tuple": lambda self, x: self.shared[1].clear(),
    "a dict in a dict": lambda self, x: self.dict["calls"].update({len(self.dict["calls"]): self.dict.pop("x", 1)}),
    "a set": lambda self, x: self.set.add(len(self.set)),
    "a deque": lambda self, x: self.deque.append(x),
    "an object": lambda self, x: setattr(self.object, "count", self.object.count + 1),
    "a generator": lambda self, x: self.rng.normal(),
}


def state_of(module):
    tensors = [module.w, module.frozen, module.mean, *module.means]
    storages = [(id(t._data), id(t._storage), t._storage.version, id(t._node)) for t in tensors]
    return snapshot(module), storages, module.rng.bit_generator.state, module.w.grad.tolist()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_module_is_left_as_it_was(change):
    module = Changing(change)
    before = state_of(module)
    assert check_module(module, X).status == "right"
    assert state_of(module) == before


wrong_tanh = broken("tanh", x=lambda g, out: g * (1 - out))
doubled_in_float32 = broken("identity", x=lambda g: g * 2 if g.dtype == np.float32 else g * 1)

FAILURES = {
    KeyError: lambda y: y if y.dtype == np.float64 else {}["float32"],
    LawBroken: lambda y: y.astype(np.float64),
}


@pytest.mark.parametrize("error", FAILURES)
def test_the_module_is_left_as_it_was_if_the_check_fails(error):
    module = Changing(CHANGES["a replaced buffer"])
    module.register_forward_hook(lambda module, inputs, out: FAILURES[error](out))
    before = state_of(module)
    with pytest.raises(error):
        check_module(module, X)
    assert state_of(module) == before


def scaled(forward, **attributes):
    """Return a module with a parameter."""
    return made(forward, "Scaled", scale=tg.Tensor(np.ones(3, np.float32), requires_grad=True), **attributes)


def detached(self, x):
    return x * tg.Tensor(self.scale.data)


# A forward method, and the error.
WRONG = {
    "an op": (lambda self, x: wrong_tanh(x * self.scale), GradientMismatch,
              r"module Scaled \(train\): the gradient of x is wrong"),
    "in float32 alone": (lambda self, x: tg.tanh(x * doubled_in_float32(self.scale)), LawBroken,
                         "module Scaled: the gradient of scale is wrong in float32: at"),
    "a forgotten parameter": (detached, GradientMismatch, "gradient of scale is wrong: it is zero"),
    "a wider dtype": (lambda self, x: (x * self.scale).astype(np.float64), LawBroken, "a result of float64"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_module_is_named(name):
    forward, error, words = WRONG[name]
    with pytest.raises(error, match=words):
        check_module(scaled(forward), X)


def test_a_detached_parameter_may_be_frozen():
    check_module(scaled(detached).requires_grad_(False), X)


# --- Sample independence ---

check_samples = functools.partial(check_module, samples="independent")


def inside(part):
    return nn.Sequential(nn.Linear(3, 3, rng=np.random.default_rng(0)), nn.Residual(part))


divided_by_the_batch = broken("identity", x=lambda g: g / len(g))
centred_backward = broken("identity", x=lambda g: g - tg.mean(g, axis=0, keepdims=True))


@op
def shared_scale(x, w):
    return x * w


shared_scale.vjps(x=lambda g, w: g * w, w=lambda g, x: tg.sum(g * (x - tg.mean(x, axis=0, keepdims=True)), axis=0))


def centred(self, x):
    return x - tg.mean(x, axis=0, keepdims=True)


def added_to(self, x):
    total, sums = 0.0, []
    for k in range(len(x)):
        total = total + x[k]
        sums.append(total)
    return tg.stack(sums)


def counting(self, x):
    self.calls += 1
    return x * 1.0


def in_an_array(self, x):
    self.sums += x.numpy().sum()
    return x * 1.0


def after(act):
    """Return a forward method that calls `act`, and returns its input."""

    def forward(self, x):
        act(self, x)
        return x * 1.0

    return forward


def made_at_first(self, x):
    if self.mask is None:
        self.mask = tg.Tensor(np.ones(3))
    return x * self.mask


class Statistics:
    count = 0


def noisy(self, x):
    return centred(self, x) + nn.current_stream(self.rng).normal(size=x.shape)


FAULTS = {
    "another batch": (lambda: made(centred), "the result of a sample changes when others are replaced"),
    "samples before": (lambda: made(added_to), "the result of a sample changes when others are replaced"),
    "in training": (lambda: made(lambda self, x: centred(self, x) if self.training else x * 1.0),
                    r"\(train\): its samples .* the result of a sample changes"),
    "in evaluation": (lambda: made(lambda self, x: x * 1.0 if self.training else centred(self, x)),
                      r"\(eval\): its samples .* the result of a sample changes"),
    "with random numbers": (lambda: made(noisy, rng=np.random.default_rng(0)),
                            "the result of a sample changes"),
    "number of samples": (lambda: made(lambda self, x: x * 1.0 / len(x)),
                          r"the samples \d:\d of 4 have different results alone and in the batch"),
    "a batch of four": (lambda: made(lambda self, x: x.reshape((4, 3)) * 1.0),
                        r"a call with only the samples \d:\d of 4 raises \w+Error"),
    "the size in a gradient": (lambda: made(lambda self, x: divided_by_the_batch(x)),
                               r"the samples \d:\d of 4 have different gradients alone and in the batch"),
    "a gradient": (lambda: made(lambda self, x: centred_backward(x)),
                   "the gradient of a sample changes when others are replaced"),
    "a gradient of a parameter": (
        lambda: made(lambda self, x: shared_scale(x, self.w), w=tg.Tensor(np.ones(3), requires_grad=True)),
        "the contribution of a sample to a parameter's gradient changes when others are replaced"),
    "the size in a gradient of a parameter": (
        lambda: made(lambda self, x: x * divided_by_the_batch(self.w + 0 * x[:, :1]),
                         w=tg.Tensor(1.0, requires_grad=True)),
        "the gradients of a parameter for parts of the batch do not add up"),
    "a counter": (lambda: made(counting, calls=0), "a call changes its attribute calls"),
    "a list": (lambda: made(after(lambda self, x: self.seen.append(len(x))), seen=[]), "its attribute seen"),
    "a buffer": (lambda: made(after(lambda self, x: self.mean.assign(x.numpy().mean(axis=0))),
                                  mean=tg.Tensor(np.zeros(3))), "a call changes its attribute mean"),
    "an array": (lambda: made(in_an_array, sums=np.zeros(3)), "a call changes its attribute sums"),
    "a dict": (lambda: made(after(lambda self, x: self.settings.update(last={"shape": x.shape})), settings={}),
               "a call changes its attribute settings"),
    "an object": (lambda: made(after(lambda self, x: setattr(self.statistics, "count", len(x))),
                                   statistics=Statistics()), "a call changes its attribute statistics"),
    "a cache": (lambda: made(made_at_first, mask=None), "a call changes its attribute mask"),
    "no sample axis": (
        lambda: made(lambda self, x: x + self.part(np.ones(3)), part=nn.Linear(3, 3)),
        r"Linear: its input of shape \(3,\) has no sample axis"),
}  # fmt: skip
LEAVES = {
    "no axis": lambda self, x: (x * 1.0, tg.sum(x)),
    "another axis first": lambda self, x: {"a": [x * 1.0], "b": tg.transpose(x, (1, 0))},
    "an array": lambda self, x: (x * 1.0, np.zeros(2)),
}


@pytest.mark.parametrize(("make", "said"), FAULTS.values(), ids=FAULTS)
def test_the_innermost_module_whose_samples_are_not_independent_is_named(make, said):
    with pytest.raises(LawBroken, match=said):
        check_samples(make(), X)
    with pytest.raises(LawBroken, match=r"in its submodule '1\.0' \(Part\)|its attribute 1\.0\.mask"):
        check_samples(inside(make()), X)


@pytest.mark.parametrize("forward", LEAVES.values(), ids=LEAVES)
def test_every_array_of_a_result_has_the_samples_first(forward):
    with pytest.raises(LawBroken, match=r"its result contains an array of shape .*; the first axis must be the 4 sam"):
        check_samples(made(forward), X)


@pytest.mark.parametrize("fault", ["another batch", "a counter", "number of samples"])
def test_samples_may_depend_on_each_other_by_default(fault):
    check_module(FAULTS[fault][0](), X)


def test_samples_that_are_all_alike_show_it_too():
    with pytest.raises(LawBroken, match="the result of a sample changes"):
        check_samples(made(centred), np.ones((3, 2)))


def test_the_first_submodule_with_the_fault_is_named():
    turned = made(lambda self, x: tg.transpose(x, (1, 0)))
    model = made(lambda self, x: self.turned(self.turned(self.mixing(x))), turned=turned)
    model.mixing = nn.Lambda(lambda x: x - x.mean(axis=0))
    with pytest.raises(LawBroken, match=r"in its submodule 'mixing' \(Lambda\)"):
        check_samples(model, X)
    model.mixing = nn.Tanh()
    check_samples(model, X)


def test_the_first_axes_must_be_the_samples():
    with pytest.raises(DTypeError, match="samples must be \"independent\" or None, got 'coupled'"):
        check_module(nn.Tanh(), X, samples="coupled")
    with pytest.raises(DataError, match=r"the same number of samples .*, got the shapes \(4, 3\), \(3,\)"):
        check_samples(nn.Bilinear(3, 3, 1), X, X[0])


class Cached(nn.Module):
    @functools.cached_property
    def table(self):
        return np.arange(3.0)

    def forward(self, x):
        return x * self.table


KEPT = {
    "an op that was not called before": (lambda: made(lambda self, x: self.act(x), act=broken("square")),
                                         (4, 3)),
    "a cached property": (Cached, (4, 3)),
    "a recurrent layer inside": (
        lambda: made(
            lambda self, x: self.gru(x.swapaxes(0, 1))[0].swapaxes(0, 1),
            gru=nn.GRU(2, 2, num_layers=2, dropout=0.5, rng=np.random.default_rng(0)),
        ),
        (3, 4, 2),
    ),
    "a layer made in the forward": (lambda: made(lambda self, x: nn.Softmax(-1)(nn.LeakyReLU(0.5)(x))), (4, 3)),
    "random numbers": (lambda: made(lambda self, x: x + nn.current_stream(self.rng).normal(size=x.shape),
                                        rng=np.random.default_rng(0)), (4, 3)),
    "its maximum divides out": (lambda: made(lambda self, x: tg.softmax(x - x.max().detach(), axis=1)), (4, 3)),
    "a nest": (lambda: made(lambda self, x: {"a": (x * 2.0, [x.sum(axis=1)]), "b": 3}), (4, 3)),
    "one sample": (lambda: made(centred), (1, 3)),
}  # fmt: skip


@pytest.mark.parametrize(("make", "shape"), KEPT.values(), ids=KEPT)
def test_a_module_whose_samples_are_independent_passes(make, shape):
    part = make()
    check_samples(part, np.random.default_rng(1).normal(size=shape))
    assert "forward" not in vars(part)


class Forgetful(nn.PReLU):
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class ForgetsFrozen(nn.Linear):
    def state_dict(self):
        return {name: values for name, values in super().state_dict().items() if name != "weight"}

    def load_state_dict(self, state):
        super().load_state_dict(state, strict=False)


def test_a_state_that_does_not_come_back():
    frozen = ForgetsFrozen(3, 2)
    frozen.weight.requires_grad = False
    for module in (Forgetful(), frozen):
        with pytest.raises(LawBroken, match="does not restore"):
            check_module(module, X)


def recurrent(self, x):
    """Return states that begin with 0: the check pulls back one more cotangent after finite differences."""
    states = [0 * x[:1]]
    for row in x:
        states.append(tg.tanh(states[-1] * self.scale + row))
    return tg.concatenate(states)


def test_finite_differences_do_not_change_the_recorded_parameters():
    check_module(scaled(recurrent), X)


# --- Results and inputs of any structure ---

Pair = namedtuple("Pair", "first second")


@dataclass
class Output:
    logits: object
    hidden: object = None
    name: str = "logits"


RESULTS = {
    "a tuple": lambda x: (x, x**2),
    "a tuple of one": lambda x: (x,),
    "a dict": lambda x: {"y": x, "loss": tg.sum(x)},
    "a named tuple": lambda x: Pair(x, {"y": [x * 2]}),
    "a dataclass": lambda x: Output(x, x**2),
    "a namespace": lambda x: SimpleNamespace(y=x, z=None),
    "a mapping": lambda x: MappingProxyType({"y": x}),
    "None and numbers": lambda x: (None, x, 3, "text", 0.5),
    "integers": lambda x: (np.argmax(x.numpy(), axis=1), x),
    "a detached array": lambda x: {"y": x, "z": (x**2).detach(), "w": x.numpy()},
}


def returning(result):
    """Return a module whose result is a function of x times a parameter."""
    return scaled(lambda self, x: result(x * self.scale))


@pytest.mark.thorough
@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_nested_results(result):
    check_module(returning(result), X)
    with pytest.raises(GradientMismatch, match=r"module Scaled \(train\): the gradient of (x|scale) is wrong"):
        check_module(returning(lambda x: result(wrong_tanh(x))), X)


def test_a_detached_array_is_constant():
    report = check_module(returning(RESULTS["a detached array"]), X)
    found = [(v.law, v.subject) for v in report.verdicts if v.reason == "the array requires no gradient"]
    assert found == [(f"slope ({mode})", f"result['{key}']") for mode in ("train", "eval") for key in "zw"]
    with pytest.raises(GradientMismatch, match="it is zero"):
        check_module(returning(lambda x: (x.detach(), x.numpy())), X)


@pytest.mark.parametrize("result", [lambda x: tg.argmax(x, 1), lambda x: None, lambda x: ("text", 3)])
def test_a_result_without_a_floating_point_array(result):
    with pytest.raises(DTypeError, match=r"module Scaled: the result must contain a floating-point array, got types"):
        check_module(returning(result), X)


@pytest.mark.thorough
def test_nested_inputs():
    lstm, state = nn.LSTM(3, 2, rng=np.random.default_rng(0)), (np.ones((1, 2)), np.zeros((1, 2)))
    check_module(lstm, X, state)
    module = made(lambda self, x, options: wrong_tanh(options["scale"]) * x)
    with pytest.raises(GradientMismatch, match=r"the gradient of options\['scale'\] is wrong"):
        check_module(module, X, {"scale": 2.0, "mask": None, "power": 2})


def test_inputs_that_are_not_arrays():
    def forward(self, x, power, mask=None, kind="sum"):
        assert mask is None
        assert isinstance(power, int)
        return tg.sum(x**power, axis=1) if kind == "sum" else x

    check_module(made(forward), X, 3, None, "sum")


def test_token_ids():
    model = nn.Sequential(nn.Embedding(5, 3, rng=np.random.default_rng(0)), nn.Tanh())
    check_module(model, np.array([[0, 4, 4], [1, 2, 0]]))


def test_laws_can_be_left_out():
    report = check_samples(nn.Linear(3, 2), X, skip=("state", "float32 (eval)"))
    assert list(report.seconds) == [
        "sample independence (train)", "slope (train)", "float32 (train)", "sample independence (eval)", "slope (eval)",
        "parameters", "unbiased"]  # fmt: skip
    check_module(Forgetful(), X, skip="state")
