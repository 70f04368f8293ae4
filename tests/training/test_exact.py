"""`fit` is the plain loop: its bits, or with `shard_size` its sums up to rounding; coupled samples are refused."""

import sys
from dataclasses import replace
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import assume, given

from tests.effort import thorough
from tests.parallel.simulated import on_workers
from tests.training import program_parts, programs
from tests.training.programs import Program, check, check_alone, count_of
from tinygrad_edu import data, nn, optim
from tinygrad_edu.errors import ShardError
from tinygrad_edu.nn import sharding
from tinygrad_edu.nn.layers import normalization
from tinygrad_edu.nn.randomness import random_stream, stream_of
from tinygrad_edu.parallel import gradients, sharded_model
from tinygrad_edu.training import evaluation, fit, train_step, whole_batch

pytestmark = pytest.mark.filterwarnings("ignore::tinygrad_edu.errors.OptimizerWarning")


@given(programs.programs())
def test_a_training_is_the_loop_by_hand(program):
    assume(check(program) is not None)


@given(programs.programs())
def test_a_training_that_is_resumed_has_the_bits_of_one_that_never_stopped(program):
    with TemporaryDirectory() as folder:
        programs.check_resumed(program, folder)


# Regressions, each without shards and in shards.
ONCE_WRONG = [
    Program(losses=("class weights",), sizes=(9,), masks="last"),
    Program(losses=("masked mean",), sizes=(9,), masks="first"),
    Program(losses=("masked",), sizes=(9, 5), masks="last"),
    Program(sequences=True, losses=("masked mean",), sizes=(9,), masks="first", batches="loader"),
    Program(losses=("closure, mean", "closure, sum"), sizes=(9,)),
    Program(losses=("own layer",), sizes=(9,)),
    Program(losses=("in place",), sizes=(9,)),
    Program(losses=("running centre",), sizes=(9,), threads=2),
    Program(layers=("clipped gradient",), sizes=(9,)),
    Program(layers=("stores a penalty",), losses=("stored",), sizes=(9,), threads=2),
    # In evaluation: losses got arrays, outputs without rows were joined, and one rank computed whole batches
    Program(output="parameter", sizes=(4,)),
    Program(output="number", sizes=(4,)),
    Program(output="word", sizes=(4,)),
    Program(output="object", sizes=(4,)),
    Program(output="integers", sizes=(4,)),
    Program(losses=("counting, additive",), sizes=(6,)),
    # A rank without a shard had a tensor of an earlier batch
    Program(layers=("caches a penalty",), losses=("stored",), sizes=(1, 3), seed=59),
    # The layout of joined outputs depended on the rank
    Program(sequences=True, layers=("dropout",), losses=("copied by wraps",), sizes=(8,), seed=50),
    # Pytrees that cannot be joined
    Program(output="some", sizes=(2, 3), seed=43),
    # Hooks in a forward, and writes to parameters
    Program(sequences=True, layers=("scales the gradient",), sizes=(7,), batches="loader"),
    Program(layers=("clips its weight",), sizes=(3,)),
    # No denominator for a shard of one row
    Program(losses=("binary, row weights",), sizes=(8, 1), accumulate=2),
    # One generator in the loader, the layers and `fit`
    Program(layers=("dropout", "dropout without a generator"), sizes=(4, 4), batches="augmented", shared=True),
]  # fmt: skip


@pytest.mark.parametrize("settings", [{}, {"shard_size": 2}, {"shard_size": 4, "ranks": 3}], ids=repr)
@pytest.mark.parametrize("program", ONCE_WRONG, ids=repr)
def test_what_went_wrong_is_the_loop_by_hand(program, settings):
    assert check(replace(program, **settings)) is not None


X = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
Y = np.arange(9) % 4


def test_hooks_of_parameters_run_once_for_the_batches_of_a_step():
    model, seen = nn.Linear(4, 4, rng=np.random.default_rng(0)), []
    model.weight.register_hook(lambda g: seen.append(g.copy()))
    fit_once(model, accumulate=2)
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[-1], model.weight.grad)


# --- Errors ---


def fit_once(model, loss=nn.cross_entropy, count=9, **settings):
    rng = np.random.default_rng(0)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return list(fit(model, optimizer, loss, [(X[:count], Y[:count])] * 2, 2, rng=rng, **settings))


def special(name):
    return lambda: program_parts.LAYERS[name](np.random.default_rng(0))


LEAVE_OUT = "With shard_size, a batch is computed in shards, so its samples must be independent. Leave out shard_size"


@pytest.mark.parametrize("count", [3, 9])  # fewer samples than a shard, and three shards
@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: nn.BatchNorm1D(4), "BatchNorm1D: it normalizes with the statistics of the batch"),
        (special("counts"), "Part: a call in a shard changes its attribute calls"),
        (special("writes a buffer"), "Sequential: its forward writes to the buffer 1.mean"),
        (special("clips its weight"), "Sequential: its forward writes to a parameter"),
        (special("scales the gradient"), "Sequential: its forward registers a hook"),
        (
            lambda: program_parts.head("number", None),
            r"Sequential: its output for [34] samples is \([34], 3\), \(\); expected one row",
        ),
    ],
)
def test_a_refusal_names_its_cause_and_the_remedy(layer, reason, count):
    with pytest.raises(ShardError, match=f"^{reason}.*{LEAVE_OUT}"):
        fit_once(nn.Sequential(nn.Linear(4, 4), layer()), loss_of_logits, count, shard_size=4)


def loss_of_logits(out, target):
    return nn.cross_entropy(program_parts.logits_and_more(out)[0], target % 3)


class Fails(nn.Module):
    """It raises on some ranks."""

    def __init__(self, fails):
        self.layer, self.fails = nn.Linear(4, 4, rng=np.random.default_rng(0)), fails

    def forward(self, x):
        return self.layer(x) if not self.fails else int("not a number")


def test_an_error_of_the_users_forward_passes_through_with_its_rows():
    with pytest.raises(ValueError, match="invalid literal for int") as error:
        fit_once(Fails(True), shard_size=4)
    assert error.value.__notes__ == ["In a shard: rows 0 to 3 of the batch."]
    with pytest.raises(ValueError, match="invalid literal for int") as error:
        fit_once(Fails(True))
    assert not hasattr(error.value, "__notes__")


def failing_loss(fails):
    return lambda out, target: nn.cross_entropy(out, target) if not fails else int("not a number")


def failing_augment(fails):
    return lambda x, y, rng: (x, y) if not fails else int("not a number")


@pytest.mark.parametrize("samples", [4, 8, 9])  # a whole batch; two shards, none on the last rank; three shards
@pytest.mark.parametrize("where", ["forward", "loss", "additive loss", "data", "metric"])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_an_error_of_one_rank_is_raised_on_all(where, rank, samples):
    def on(worker):
        worker.timeout, fails = 5, worker.rank == rank
        model = Fails(fails and where == "forward")
        loss = failing_loss(fails and "loss" in where)
        loss = nn.additive(len)(loss) if where == "additive loss" else loss
        loader = data.DataLoader(
            X[:samples], Y[:samples], batch_size=9, rng=np.random.default_rng(0),
            augment=failing_augment(fails and where == "data"),
        )  # fmt: skip
        metric = failing_loss(fails and where in ("metric", "additive loss"))  # the latter requires a shard
        told = {"evaluate_on": {"all": [(X, Y)]}, "metrics": {"loss": metric}}
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        run = fit(model, optimizer, loss, loader, 2, rng=np.random.default_rng(0), shard_size=4, workers=worker, **told)
        with pytest.raises(ValueError, match="invalid literal for int") as error:
            list(run)
        return error.type

    assert on_workers(3, on)[1] == [ValueError] * 3


# --- Faults ---

# Each fault replaces attributes: (owner, name, function). The function maps the right attribute to the wrong one.
FAULTS = {
    "every loss is treated as a mean over samples, and computed in each shard": [
        (gradients, "denominator_of", lambda real: lambda loss, target: float(count_of(target)))],
    "facts about a loss are cached for all losses that share its code": [
        (gradients, "denominator_of",
         lambda real, known={}: lambda loss, y: real(known.setdefault(getattr(loss, "__code__", loss), loss), y))],
    "attributes that are set in the forward of a shard are not noticed": [
        (sharded_model.ShardedModel, "require_unchanged", lambda real: lambda self: None)],
    "attributes that are set in the forward of a shard are not restored": [
        (sharded_model._Kept, "restore", lambda real: lambda self: None)],
    "in a whole batch, layers draw from `rng` although they have a generator": [
        (whole_batch, "default_stream", lambda real: random_stream)],
    "in a whole batch, layers without a generator draw unseeded numbers": [
        (whole_batch, "default_stream", lambda real: lambda rng: real(np.random.default_rng()))],
    "a whole batch draws more numbers than its layers do": [
        (train_step, "whole_gradient", lambda real: lambda *args, **more: (args[4].random(), real(*args, **more))[1])],
    "a layer that couples samples is computed in shards": [
        (normalization, "refuse_in_shard", lambda real: lambda reason: None)],
    "gradient hooks of parameters run in each shard": [
        (gradients, "backward_pass", lambda real: lambda seeds, unhooked: real(seeds)),
        (train_step, "after_hooks", lambda real: lambda tensors, gradients: list(gradients))],
    "a denominator is used wherever it is found: copied by `functools.wraps`, and in subclasses": [
        (sys.modules["tinygrad_edu.nn.losses.additive"], "_declared_denominator",
         lambda real: lambda loss: getattr(loss, "denominator", None))],
    "gradients of tensors used by the loss itself are dropped": [
        (gradients, "add_gradients", lambda real: lambda total, direct: total)],
    "gradients of tensors used by the loss itself are added twice": [
        (gradients, "add_gradients", lambda real: lambda total, direct: real(real(total, direct), direct))],
    "the outputs of shards are joined in the wrong order": [
        (gradients, "join", lambda real: lambda name, parts: real(name, parts[::-1]))],
    "a loss that uses tensors stored by the forward of a shard is not noticed": [
        (gradients, "has_ops_between", lambda real: lambda root, first, last: False)],
    "the output of a shard need not have one row per sample": [
        (sharded_model, "require_samples_first", lambda real: lambda *arguments: None)],
    "writes to parameters and buffers are not noticed": [
        (sharding.shard_forward, "before_write", lambda real: lambda self, cells: None)],
    "hooks that the forward of a shard registers are not noticed": [
        (sharding.shard_forward, "before_hook", lambda real: lambda self: None)],
    "only the parameters of the model are trained": [
        (train_step.Steps, "_trained_tensors", lambda real: lambda self: self.model.parameters())],
    "the batches of a step have equal weights": [
        (train_step, "_mean", lambda real: lambda a, b: real(a._replace(weight=1), b._replace(weight=1)))],
    "the loss shares the random stream of the first shard": [
        (gradients, "loss_stream", lambda real: stream_of)],
    "a tensor that is returned twice gets only one of its gradients": [
        (gradients, "shard_cotangents", lambda real: lambda *arguments: list(dict(real(*arguments)).items()))],
    "the gradients are clipped separately": [
        (train_step, "clip_grad_norm",
         lambda real: lambda tensors, norm: [real([t], norm) for t in tensors if t.grad is not None])],
    "in evaluation, every loss is treated as a mean over samples": [
        (evaluation, "denominator_of", lambda real: lambda loss, target: float(count_of(target)))],
}  # fmt: skip
EXAMPLES = programs.drawn(600)


def is_found_in(program):
    try:
        check_alone(program)
    except Exception:
        return True
    return False


@pytest.mark.parametrize("fault", thorough(FAULTS, quick=[*FAULTS][2::4]))
def test_a_fault_is_found(fault, monkeypatch):
    with monkeypatch.context() as context:
        for owner, name, changed in FAULTS[fault]:
            context.setattr(owner, name, changed(getattr(owner, name)))
        tried = next((k for k, program in enumerate(EXAMPLES) if is_found_in(program)), None)
    assert tried is not None
    assert not is_found_in(EXAMPLES[tried])
