"""Models that couple the samples of a batch are found out before they are trained in shards; others are let alone."""

import threading
import warnings
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import nn
from tinygrad_edu.errors import CoupledSamplesError
from tinygrad_edu.nn import coupling
from tinygrad_edu.nn.coupling import can_be_cut, kind_of_samples
from tinygrad_edu.nn.randomness import current_stream
from tinygrad_edu.parallel import sharded_value_and_grad

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(50, 6)).astype(np.float32), RNG.integers(0, 3, 50)
TOKENS = RNG.integers(0, 6, size=(50, 4))


def cut_of(model, loss, inputs, target, size, inside):
    return can_be_cut(model, loss, kind_of_samples(inputs, size), lambda: (inputs, target), size, inside)


def module(forward, **attributes):
    """Return a module of a class of its own, called Part, with this forward."""
    part = type("Part", (nn.Module,), {"forward": forward})()
    vars(part).update(attributes)
    return part


def linear(*sizes):
    return nn.Linear(*sizes, rng=np.random.default_rng(1))


def around(part, dropout=0.0):
    return nn.Sequential(
        linear(6, 5), nn.Sequential(part, nn.Dropout(dropout, rng=np.random.default_rng(2))), linear(5, 3)
    )


def gradient(model, loss=nn.cross_entropy, x=X, y=Y, **settings):
    return sharded_value_and_grad(model, loss, x, y, np.random.default_rng(3), **{"shard_size": 8, **settings})


def normalized(self, x):
    centred = x - x.mean(axis=0)
    return centred / tg.sqrt((centred * centred).mean(axis=0) + 1e-5)


def accumulated(self, x):
    total, sums = 0.0, []
    for k in range(len(x)):
        total = total + x[k]
        sums.append(total)
    return tg.stack(sums)


def paired(self, x):
    pairs = x.reshape((-1, 2, 5))
    return (pairs - pairs.mean(axis=1, keepdims=True)).reshape(x.shape)


# --- What couples samples is refused by name ---

COUPLING = {
    "batch normalization": normalized,
    "the first sample": lambda self, x: x - x[0],
    "the last sample": lambda self, x: x - x[-1],
    "the samples before": accumulated,
    "the opposite sample": lambda self, x: x + x[::-1],
    "its neighbour": paired,
    "softmax over the batch": lambda self, x: tg.softmax(x, axis=0),
    "the greatest of all": lambda self, x: x / abs(x).max(),
}


@pytest.mark.parametrize("forward", COUPLING.values(), ids=COUPLING)
@pytest.mark.parametrize("size", [1, 2, 8])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_module_that_couples_samples_is_refused_by_name(forward, size, dropout):
    if forward is COUPLING["its neighbour"] and size == 1:
        size = 2  # an odd number is no batch for it
    with pytest.raises(
        CoupledSamplesError, match=r"the module '1\.0', a Part, couples .* couples_samples = True in the"
    ):
        gradient(around(module(forward), dropout), shard_size=size)


@pytest.mark.parametrize("forward", COUPLING.values(), ids=COUPLING)
def test_once_it_says_so_it_computes_the_whole_batch(forward):
    model = around(module(forward, couples_samples=True))
    whole = nn.cross_entropy(model(X), Y)
    whole.backward()
    value, gradients = gradient(model)
    assert value == pytest.approx(whole.item(), rel=1e-6)
    for found, p in zip(gradients, model.parameters(), strict=True):
        np.testing.assert_allclose(found, p.grad, rtol=1e-5, atol=1e-7)


def shifted_by_the_mean(self, x):
    return self.shift(x, x.mean(axis=0))


def behind_a_layer_of_zeros():
    head = linear(5, 3)
    head.weight.assign(np.zeros((3, 5)))
    return nn.Sequential(linear(6, 5), module(normalized), head)


def then_in_place(self, x):
    x = self.first(x)
    x -= x.mean(axis=0)
    return x


NAMED = [
    ("the model, a Part", lambda: module(lambda self, x: normalized(self, self.first(x)), first=linear(6, 3))),
    ("the model, a Part", lambda: module(then_in_place, first=linear(6, 3))),
    ("the module '1.0', a Lambda", lambda: around(lambda x: x - x.mean(axis=0))),
    ("the module '1', a Part", behind_a_layer_of_zeros),
    (
        "the module '0', a Part",
        lambda: nn.Sequential(module(shifted_by_the_mean, shift=module(lambda self, x, by: x - by)), linear(6, 3)),
    ),
]


@pytest.mark.parametrize(("name", "make"), NAMED)
def test_the_innermost_module_is_named(name, make):
    with pytest.raises(CoupledSamplesError, match=name):
        gradient(make())


def mean_of_its_own(self, x):
    self.mean.assign(x.numpy().mean(axis=0))
    return x


def mean_in_its_place(self, x):
    self.mean = tg.Tensor(x.numpy().mean(axis=0))
    return x


def counter(self, x):
    self.mean.assign(self.mean.numpy() + 1)
    return x


def moving_average(self, x):
    self.mean = 0.9 * self.mean + 0.1 * x.numpy().mean()
    return x


WRITING = {
    mean_of_its_own: tg.Tensor(np.zeros(5)),
    mean_in_its_place: tg.Tensor(np.zeros(5)),
    counter: tg.Tensor(np.zeros(5)),
    moving_average: np.zeros(5),
}


@pytest.mark.parametrize("forward", [*WRITING, "a number"])
def test_a_module_that_writes_into_what_it_keeps_is_refused_by_name(forward):
    part = module(moving_average, mean=0.0) if forward == "a number" else module(forward, mean=WRITING[forward])
    model = around(deepcopy(part))
    with pytest.raises(CoupledSamplesError, match=r"the module '1\.0', a Part, writes into its 'mean'"):
        gradient(model)
    assert not np.any(model[1][0].mean)
    model[1][0].couples_samples = True
    gradient(model)
    assert np.all(model[1][0].mean)


IMAGES = RNG.normal(size=(50, 2, 3, 3)).astype(np.float32)
STATEFUL = [
    (lambda: nn.Sequential(nn.BatchNorm2D(2), nn.Flatten(), linear(18, 3)), IMAGES),
    (lambda: nn.Sequential(nn.BatchNorm2D(2, momentum=None), nn.Flatten(), linear(18, 3)), IMAGES),
    (lambda: nn.Sequential(nn.InstanceNorm2D(2, track_running_stats=True), nn.Flatten(), linear(18, 3)), IMAGES),
    (lambda: nn.Sequential(nn.Embedding(6, 5, max_norm=0.5), nn.Flatten(), linear(20, 3)), TOKENS),
]


@pytest.mark.parametrize(("make", "x"), STATEFUL)
def test_layers_with_statistics_train_on_the_whole_batch_and_are_cut_in_evaluation(make, x):
    model, sizes = make(), []
    twin = deepcopy(model)

    def noted(out, y):
        sizes.append(len(y))
        return nn.cross_entropy(out, y)

    for _ in range(2):
        value, gradients = gradient(model, noted, x=x)
        whole = nn.cross_entropy(twin(x), Y)
        twin.zero_grad()
        whole.backward()
        assert value == whole.item()
        np.testing.assert_equal(gradients, [p.grad for p in twin.parameters()])
        np.testing.assert_equal(model.state_dict(), twin.state_dict())
    gradient(model.eval(), noted, x=x)
    assert sizes[:2] == [50, 50]
    assert (max(sizes[2:]) < 50) == (not model[0].couples_samples)


def test_samples_may_lack_features():
    def filled(self, x):
        return normalized(self, tg.where(np.isnan(x.numpy()), 0.0, x))

    x = np.where(X > 0.5, np.nan, X)
    with pytest.raises(CoupledSamplesError):
        gradient(nn.Sequential(module(filled), linear(6, 3)), x=x)


RESULTS = {
    "tuple": (lambda self, x: (self.part(x), 3), lambda out, y: nn.cross_entropy(out[0], y)),
    "dict": (lambda self, x: {"logits": self.part(x)}, lambda out, y: nn.cross_entropy(out["logits"], y)),
}


@pytest.mark.parametrize(("forward", "loss"), RESULTS.values(), ids=RESULTS)
def test_results_may_be_tuples_and_dicts(forward, loss):
    value, _ = gradient(module(forward, part=linear(6, 3)), loss)
    assert value == pytest.approx(gradient(linear(6, 3))[0])
    with pytest.raises(CoupledSamplesError, match="'part'"):
        gradient(module(forward, part=module(normalized)), loss)


def test_samples_may_be_integers():
    table = {"table": tg.Tensor(RNG.normal(size=(6, 3)), requires_grad=True)}
    gradient(module(lambda self, x: self.table[x].mean(axis=1), **table), x=TOKENS)
    with pytest.raises(CoupledSamplesError, match="the model, a Part"):
        gradient(module(lambda self, x: normalized(self, self.table[x].mean(axis=1)), **table), x=TOKENS)


# --- What computes each sample alone is let alone ---


@dataclass
class Unhashable(nn.Module):
    part: nn.Module = field(default_factory=lambda: linear(6, 3))

    def forward(self, x):
        return self.part(x)


def counted(self, x):
    self.calls += 1
    return x * self.calls


def kept(self, x):
    self.last = x * 2.0
    return self.last


def stable_softmax(self, x):
    x = x * getattr(self, "scale", 1.0)
    powers = tg.exp(x - x.max().detach())  # of all samples: it divides out, but for rounding
    return powers / powers.sum(axis=1, keepdims=True)


def masked(self, x):
    return tg.where(x > 0, x, -np.inf)


def made_once(self, x):
    self.mask = tg.Tensor(np.ones(5, np.float32))
    return x * self.mask


ALONE = {
    "layers": lambda: around(nn.Tanh()),
    "dropout": lambda: around(nn.Tanh(), dropout=0.5),
    "a function": lambda: around(lambda x: x * 2),
    "layer normalization": lambda: around(module(lambda self, x: x - x.mean(axis=1, keepdims=True))),
    "less the greatest of all": lambda: around(module(stable_softmax)),
    "masked with -inf": lambda: around(nn.Sequential(module(masked), nn.Softmax())),
    "a counter": lambda: around(module(counted, calls=0)),
    "its last result": lambda: around(module(kept, last=linear(2, 2)(np.ones((1, 2), np.float32)))),
    "one layer twice": lambda: (lambda part: nn.Sequential(part, nn.Tanh(), part))(linear(6, 6)),
    "not hashable": Unhashable,
    "frozen": lambda: around(module(lambda self, x: x * self.frozen, frozen=tg.Tensor(2.0))),
    "a mask that is made once": lambda: around(module(made_once)),
}  # fmt: skip


def snapshot(model):
    """Return all that a model holds, but for results that it keeps to look at."""
    generators = [part.rng.bit_generator.state for part in model.modules() if isinstance(part, nn.Dropout)]
    plain = [{k: v for k, v in vars(part).items() if isinstance(v, int | float | bool)} for part in model.modules()]
    return {**model.state_dict(), "drawn": generators, "plain": plain, "grad": [p.grad for p in model.parameters()]}


@pytest.mark.parametrize("make", ALONE.values(), ids=ALONE)
def test_a_model_that_computes_each_sample_alone_is_tried_out_unchanged_and_cut(make):
    model = make()
    before = snapshot(model)
    assert cut_of(model, nn.cross_entropy, (X,), Y, 8, nullcontext())
    after = snapshot(model)
    for name, value in before.items():
        np.testing.assert_equal(after[name], value)
    assert all("forward" not in vars(part) for part in model.modules())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_what_is_rounding_depends_on_the_dtype(dtype):
    scaled = module(stable_softmax, scale=tg.Tensor(np.ones(6, dtype), requires_grad=True))
    assert cut_of(scaled, nn.cross_entropy, (X.astype(dtype),), Y, 8, nullcontext())
    with pytest.raises(CoupledSamplesError):
        cut_of(module(normalized), nn.cross_entropy, (X.astype(dtype),), Y, 8, nullcontext())


def test_an_axis_that_is_as_long_as_a_shard_is_not_taken_for_the_samples():
    x = np.random.default_rng(0).normal(size=(50, 8, 3)).astype(np.float32)
    time_first = module(lambda self, x: tg.transpose(x, (1, 0, 2)))
    with pytest.warns(UserWarning, match=r"it returned \(8, 7, 3\)"):
        assert not cut_of(time_first, nn.cross_entropy, (x,), Y, 8, nullcontext())
    assert cut_of(nn.Sequential(time_first, lambda x: x.mean(axis=0)), nn.cross_entropy, (x,), Y, 8, nullcontext())


def test_the_first_batch_has_the_same_bits_as_when_it_is_known():
    model, rng = around(nn.Tanh(), dropout=0.5), np.random.default_rng(3)
    state = rng.bit_generator.state
    first = sharded_value_and_grad(model, nn.cross_entropy, X, Y, rng, shard_size=8)
    rng.bit_generator.state = state
    second = sharded_value_and_grad(model, nn.cross_entropy, X, Y, rng, shard_size=8)
    np.testing.assert_equal(first, second)


# --- Where nothing can be said, the batch is computed whole ---


def shaky(self, x):
    noise.append(len(noise))
    return x + float(len(noise))


def in_columns(self, x):
    return tg.transpose(self.part(x), (1, 0))


noise = []
UNKNOWN = {
    r"it cannot be copied \(TypeError": (lambda: around(module(normalized, lock=threading.Lock())), nn.cross_entropy),
    "its results differ from run to run": (lambda: around(module(shaky)), nn.cross_entropy),
    r"it returned \(\)": (lambda: module(lambda self, x: self.part(x).mean(), part=linear(6, 3)), lambda out, y: out),
    r"it returned \(3, 8\)": (
        lambda: module(in_columns, part=linear(6, 3)), lambda out, y: nn.cross_entropy(out.T, y)
    ),
    "it returned tuple": (lambda: module(lambda self, x: (str(x.shape),)), lambda out, y: tg.Tensor(1.0)),
}  # fmt: skip


@pytest.mark.parametrize("why", UNKNOWN)
def test_a_model_that_cannot_be_tried_out_computes_the_whole_batch_and_says_so_once(why):
    (make, loss), sizes = UNKNOWN[why], []
    model = make()

    def noted(out, y):
        sizes.append(len(y))
        return loss(out, y)

    with pytest.warns(UserWarning, match=why):
        gradient(model, noted)
    gradient(model, noted)
    assert sizes == [50, 50]


# --- When it is tried out ---


def counting_runs(inner):
    runs = []
    return module(lambda self, x: runs.append(len(x)) or self.inner(x), inner=inner), runs


def test_a_model_is_tried_out_once():
    model, runs = counting_runs(linear(6, 3))
    gradient(model, threads=1)
    runs.clear()
    for x in (X, X[:20], 2 * X):
        gradient(model, x=x, y=Y[: len(x)], threads=1)
    assert sum(runs) == 50 + 20 + 50


def test_a_batch_that_is_not_cut_is_not_tried_out():
    model, runs = counting_runs(module(normalized))
    gradient(model, shard_size=50)
    gradient(model, x=X[:1], y=Y[:1])
    assert runs == [50, 1]


LATER = {
    "samples that are all alike first": lambda model: gradient(model, x=np.ones_like(X)),
    "results that are NaN first": lambda model: gradient(model, x=X * np.nan),
    "a batch of one shard first": lambda model: gradient(model, x=X[:8], y=Y[:8]),
    "evaluation first": lambda model: gradient(model.eval()) and model.train(),
    "another dtype first": lambda model: gradient(model, x=np.repeat(X[:1], 50, axis=0).astype(np.float64)),
}


@pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.PromotionWarning")
@pytest.mark.parametrize("before", LATER.values(), ids=LATER)
def test_what_was_not_seen_before_is_found_later(before):
    model = around(module(lambda self, x: normalized(self, x) if self.training else x))
    before(model)
    with pytest.raises(CoupledSamplesError, match=r"the module '1\.0'"):
        gradient(model)
    with pytest.raises(CoupledSamplesError, match=r"the module '1\.0'"):  # and again: it is not taken for known
        gradient(model)


def test_samples_of_few_kinds_show_it_too():
    for order in range(20):
        x = np.random.default_rng(order).permutation(np.repeat(X[:2], 25, axis=0))
        with pytest.raises(CoupledSamplesError):
            gradient(module(normalized), x=x)


@pytest.mark.parametrize("count", [16, 64])
def test_a_model_that_takes_no_fewer_samples_than_a_shard_is_tried_out_on_as_many(count):
    def in_groups(self, x):
        return (x.reshape((-1, count, 6)) * self.part(x).reshape((-1, count, 3))[:, :1, :1]).reshape((-1, 6))

    x, y = RNG.normal(size=(2 * count, 6)).astype(np.float32), RNG.integers(0, 3, 2 * count)
    with pytest.raises(CoupledSamplesError, match=f"of {count} samples"):
        gradient(module(in_groups, part=linear(6, 3)), x=x, y=y, shard_size=count)
    alone = module(lambda self, x: self.part(x).reshape((-1, count, 3)).reshape((-1, 3)), part=linear(6, 3))
    assert cut_of(alone, nn.cross_entropy, (x,), y, count, nullcontext())


def test_a_module_that_is_added_is_tried_out():
    model = around(nn.Tanh())
    gradient(model)
    model.append(module(normalized))
    with pytest.raises(CoupledSamplesError, match="the module '3'"):
        gradient(model)


@pytest.mark.parametrize("place", [0, None])
def test_a_hook_that_is_added_is_tried_out(place):
    model = nn.Sequential(linear(6, 3))
    gradient(model)
    (model if place is None else model[place]).register_forward_hook(lambda module, inputs, out: out - out.mean(axis=0))
    with pytest.raises(CoupledSamplesError, match="the model, a Sequential"):
        gradient(model)


def test_what_is_known_of_a_model_goes_with_it():
    model = linear(6, 3)
    number = id(model)
    gradient(model, threads=1)  # a helper that comes late holds the model a little longer
    assert number in coupling._verdicts
    del model
    assert number not in coupling._verdicts


# --- The loss ---


def noisy(out, y):
    return nn.cross_entropy(out + current_stream(np.random.default_rng()).normal(size=out.shape), y)


MEANS = {
    "mean": nn.cross_entropy,
    "module": nn.CrossEntropyLoss(),
    "mean of both signs": lambda out, y: out.mean(),
    "regularized": lambda out, y: nn.cross_entropy(out, y) + 0.5,
    "zero": lambda out, y: (out * 0.0).mean(),
    "NaN": lambda out, y: out.mean() * np.nan,
    "random": noisy,
}
OTHERS = {
    "sum": lambda out, y: nn.cross_entropy(out, y, reduction="sum"),
    "module of the sum": nn.CrossEntropyLoss(reduction="sum"),
    "of a number known before": lambda out, y: nn.cross_entropy(out, y, reduction="sum") / 50,
    "root of the mean": lambda out, y: tg.sqrt((out * out).mean()),
    "of pairs": lambda out, y: ((out[1:] - out[:-1]) ** 2).mean(),
}


@pytest.mark.parametrize("loss", MEANS.values(), ids=MEANS)
def test_a_mean_over_samples_is_cut(loss):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradient(linear(6, 3), loss)


@pytest.mark.parametrize("loss", OTHERS.values(), ids=OTHERS)
def test_another_loss_is_refused_unless_the_batch_is_whole(loss):
    model = linear(6, 3)
    gradient(model)  # is known, but not with this loss
    with pytest.raises(CoupledSamplesError, match=r"Shards need a loss that is the mean over its samples"):
        gradient(model, loss)
    model.couples_samples = True
    assert gradient(model, loss)[0] == pytest.approx(loss(model(X), Y).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "ignored"),
    [
        (nn.CrossEntropyLoss(weight=[1.0, 2.0, 5.0]), None),
        (nn.CrossEntropyLoss(ignore_index=1), 1),
        (nn.cross_entropy, -100),
    ],
)
def test_labels_that_count_differently_are_not_cut(loss, ignored):
    """Nor if those of the first batch, on which it was tried out, all counted."""
    model, y = linear(6, 3), Y.copy()
    gradient(model, loss, y=np.where(y == ignored, 0, y))
    if ignored is not None:
        y[len(y) // 2 :] = ignored
    value, found = gradient(model, loss, y=y)
    model.zero_grad()
    whole = loss(model(X), y)
    whole.backward()
    assert value == pytest.approx(whole.item(), rel=1e-5)
    for ours, parameter in zip(found, model.parameters(), strict=True):
        np.testing.assert_allclose(ours, parameter.grad, rtol=1e-4, atol=1e-6)


# --- Errors of the model and of the loss ---


def fail(*_):
    raise ZeroDivisionError("by the user")


@pytest.mark.parametrize(
    ("model", "loss", "note"),
    [(module(fail), nn.cross_entropy, "In a copy of"), (linear(6, 3), fail, "On a few samples")],
)
def test_an_error_in_them_comes_out_and_says_where(model, loss, note):
    with pytest.raises(ZeroDivisionError) as caught:
        gradient(model, loss)
    assert note in "".join(caught.value.__notes__)


# --- Several inputs, and nests ---


def by_the_second(self, x, more):
    return self.part(x) + (more["a"] - more["a"].mean(axis=0))


@pytest.mark.parametrize("first", ["varied", "alike"])
def test_what_is_coupled_through_any_input_is_found_when_it_shows(first):
    model, more = module(by_the_second, part=linear(6, 3)), RNG.normal(size=(50, 3)).astype(np.float32)
    if first == "alike":  # nothing shows in such an input, and the batch is cut, to the same numbers
        gradient(model, x=(X, {"a": np.ones_like(more)}))
    for _ in range(2):
        with pytest.raises(CoupledSamplesError, match="the model, a Part, couples"):
            gradient(model, x=(X, {"a": more}))


def test_a_model_with_an_input_that_is_alike_is_tried_out_once():
    model, runs = counting_runs(module(lambda self, x, mask: self.part(x) * mask, part=linear(6, 3)))
    model = module(lambda self, x, mask: runs.append(len(x)) or self.inner(x, mask), inner=model.inner)
    mask = np.ones((50, 1), np.float32)
    for _ in range(2):
        runs.clear()
        gradient(model, x=(X, mask), threads=1)
    assert sum(runs) == 50


@pytest.mark.parametrize("ignored", [False, True])
def test_labels_that_are_ignored_anywhere_in_a_target_keep_a_batch_whole(ignored):
    labels, sizes = Y.copy(), []
    labels[:3] = -100 if ignored else labels[:3]

    def loss(out, target):
        sizes.append(len(target["label"]))
        return nn.cross_entropy(out, target["label"]) + nn.mse_loss(out, target["point"])

    for _ in range(2):
        sizes.clear()
        gradient(linear(6, 3), loss, y={"point": np.zeros((50, 3), np.float32), "label": labels})
    assert max(sizes) == (50 if ignored else 8)


def test_a_model_that_writes_into_an_input_is_tried_out_on_copies():
    def in_place(self, x, more):
        more *= 0.0
        return self.part(x)

    more = np.ones((4, 2), np.float32)
    assert cut_of(module(in_place, part=linear(6, 3)), nn.cross_entropy, (X[:4], more), Y[:4], 2, nullcontext())
    assert (more == 1).all()
