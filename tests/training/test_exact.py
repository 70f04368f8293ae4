"""`fit` equals a manual training loop: drawn programs, regressions, and injected faults that must be detected."""

import re
import sys
import warnings
from contextlib import nullcontext
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import assume, given

from tests.effort import thorough
from tests.parallel.simulated import on_workers
from tests.training import program_models, programs
from tests.training.program_data import rows_in
from tests.training.programs import Program, check, check_alone
from tinygrad_edu import data, nn, optim
from tinygrad_edu.errors import WholeBatchWarning
from tinygrad_edu.nn import module, sample_independence, sharding
from tinygrad_edu.nn.randomness import stream_of
from tinygrad_edu.parallel import gradients, sharded_model
from tinygrad_edu.training import evaluation, fit, train_step

pytestmark = pytest.mark.filterwarnings(
    "ignore::tinygrad_edu.errors.WholeBatchWarning", "ignore::tinygrad_edu.errors.OptimizerWarning"
)


@given(programs.programs())
def test_a_training_is_the_loop_by_hand(program):
    try:
        check(program)
    except programs.NoNumberError:
        assume(False)


@given(programs.programs())
def test_a_training_that_is_resumed_has_the_bits_of_one_that_never_stopped(program):
    with TemporaryDirectory() as folder:
        try:
            programs.check_resumed(program, folder)
        except programs.NoNumberError:
            assume(False)


# Regressions.
ONCE_WRONG = [
    Program(losses=("class weights",), sizes=(9,), masks="last"),
    Program(losses=("masked mean",), sizes=(9,), masks="first"),
    Program(losses=("masked",), sizes=(9, 5), masks="last"),
    Program(losses=("sample weights",), sizes=(9,), masks="random"),
    Program(stem="sequences", losses=("masked mean",), sizes=(9,), masks="first", batches="loader"),
    Program(losses=("closure, mean", "closure, sum"), sizes=(9,)),
    Program(layers=("centres sometimes",), sizes=(9, 9, 9)),
    Program(losses=("own layer",), sizes=(9,)),
    Program(layers=("clipped gradient",), sizes=(9,), accumulate=2),
    Program(layers=("stores a penalty",), losses=("stored",), sizes=(9,), threads=2),
    Program(layers=("own batch norm",), losses=("contrastive",), output="dict", sizes=(9,)),
    # In evaluation: losses got arrays, outputs without rows were joined, and one rank computed whole batches
    Program(output="parameter", sizes=(4,)),
    Program(output="number", sizes=(4,)),
    Program(output="word", sizes=(4,)),
    Program(output="object", sizes=(4,)),
    Program(output="integers", sizes=(4,)),
    Program(layers=("counts",), sizes=(1,), ranks=2),
    Program(losses=("counting, additive",), sizes=(6,), ranks=3),
    Program(layers=("caches a penalty",), losses=("stored",), sizes=(3,), evaluation_shard_size=2),
    # A rank without a shard had a tensor of an earlier batch
    Program(layers=("caches a penalty",), losses=("stored",), sizes=(1, 3), ranks=5, seed=59),
    # The layout of joined outputs depended on the rank
    Program(
        stem="sequences", layers=("dropout",), losses=("copied by wraps",), sizes=(8,), shard_size=4, ranks=2, seed=50
    ),
    # Pytrees that cannot be joined
    Program(output="some", sizes=(2, 3), seed=43),
    Program(output="attributes", sizes=(7,)),
    # Hooks in a forward, writes to parameters, and declarations that do not cover the executed code
    Program(stem="sequences", layers=("scales the gradient",), sizes=(7,), batches="loader"),
    Program(layers=("moves a target",), losses=("huber, summed",), sizes=(3,)),
    Program(layers=("clips its weight",), sizes=(3,)),
    Program(layers=("inherits call",), sizes=(7,)),
    Program(layers=("inherits below",), sizes=(7,)),
    # No denominator for a shard of one row
    Program(losses=("binary, row weights",), sizes=(8, 1), accumulate=2),
    Program(losses=("binary, row weights",), sizes=(4,), evaluation_shard_size=3),
]  # fmt: skip


@pytest.mark.parametrize("program", ONCE_WRONG, ids=repr)
def test_what_went_wrong_is_the_loop_by_hand(program):
    check(program)


# --- Warnings ---

X = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
Y = np.arange(9) % 4


def fit_once(model, loss=nn.cross_entropy, shard_size=4, **settings):
    rng = np.random.default_rng(0)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return list(fit(model, optimizer, loss, [(X, Y)] * 2, 2, rng=rng, shard_size=shard_size, **settings))


def warnings_of(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    assert all(each.category is WholeBatchWarning and each.filename == __file__ for each in caught)
    return [str(each.message) for each in caught]


def test_a_class_that_declares_nothing_is_named_once_where_it_costs_shards():
    class Nothing(nn.Linear):
        def forward(self, x):
            return super().forward(x)

    def model():
        return nn.Sequential(Nothing(4, 4), nn.Tanh())

    assert warnings_of(lambda: fit_once(model(), shard_size=9)) == []
    (message,) = warnings_of(
        lambda: fit_once(model(), evaluate_on={"all": [(X, Y)]}, metrics={"loss": nn.cross_entropy})
    )
    assert message.startswith("Nothing does not declare")
    assert "couples_samples = False" in message
    assert warnings_of(lambda: fit_once(model())) == []


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: program_models.Counts(), "Counts: its forward sets the attribute calls"),
        (lambda: program_models.WritesBuffer(), "Sequential: its forward writes to a parameter or a buffer"),
        (lambda: program_models.ScalesGradient(), "Sequential: its forward registers a hook"),
        (
            lambda: program_models.TakesSizes([9]),
            "Sequential: the forward pass of a shard of 4 samples raised ValueError",
        ),
        (lambda: program_models.Head("number", None), r"its output for 4 samples is \(4, 3\), \(\); expected one row"),
        (lambda: program_models.OneSequence(nn.GRU(4, 4)), r"GRU: its input of shape \(4, 4\) has no sample axis"),
    ],
)
def test_a_promise_that_is_broken_is_named_once_in_a_run(layer, reason):
    model = nn.Sequential(nn.Linear(4, 4), layer())
    told = {"evaluate_on": {"all": [(X, Y)]}, "metrics": {"loss": loss_of_logits}}
    with patch.object(evaluation, "SHARD_SIZE", 4):
        (message,) = warnings_of(lambda: fit_once(model, loss_of_logits, **told))
    assert re.search(reason, message)
    assert "Later batches are computed whole" in message


def loss_of_logits(out, target):
    return nn.cross_entropy(program_models.logits_of(out), target % 3)


# --- Errors ---


class Fails(nn.Module):
    """It raises on one rank only."""

    couples_samples = False

    def __init__(self, fails):
        self.layer, self.fails = nn.Linear(4, 4, rng=np.random.default_rng(0)), fails

    def forward(self, x):
        return self.layer(x) if not self.fails else int("not a number")


def failing_loss(fails):
    return lambda out, target: nn.cross_entropy(out, target) if not fails else int("not a number")


def failing_augment(fails):
    return lambda x, y, rng: (x, y) if not fails else int("not a number")


@pytest.mark.parametrize("samples", [4, 8, 9])  # a whole batch; two shards, none on the last rank; three shards
@pytest.mark.parametrize("declared", [False, None])
@pytest.mark.parametrize("where", ["forward", "loss", "additive loss", "data", "metric"])
@pytest.mark.parametrize("rank", [0, 1, 2])
def test_an_error_of_one_rank_is_raised_on_all(where, rank, declared, samples):
    def on(worker):
        worker.timeout, fails = 5, worker.rank == rank
        model = Fails(fails and where == "forward")
        model.couples_samples = declared
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


def mean_of_means(patch):
    """Every loss is treated as a mean over samples, and computed in each shard."""
    patch(gradients, "denominator_of", lambda loss, target: float(len(rows_in(target))))


def cached_verdict(patch):
    """Facts about a loss are cached for all losses that share its code."""
    known, real = {}, gradients.denominator_of
    patch(gradients, "denominator_of", lambda loss, y: real(known.setdefault(getattr(loss, "__code__", loss), loss), y))


def lost_side_effect(patch):
    """Attributes that are set in the forward of a shard are not noticed."""
    patch(module, "is_shared_with_shards", lambda module: False)


def hook_per_shard(patch):
    """Gradient hooks of parameters run in each shard."""
    real = gradients.backward_pass
    patch(gradients, "backward_pass", lambda seeds, unhooked: real(seeds))
    patch(train_step, "after_hooks", lambda tensors, gradients: list(gradients))


def inherited_declaration(patch):
    """A declaration is inherited by a subclass that overrides the forward."""
    patch(sample_independence, "_covers_forward", lambda module: True)


def ignored_hooks(patch):
    """Forward hooks and patched forwards are ignored."""
    patch(sample_independence, "is_patched", lambda module: False)


def covered_coupling(patch):
    """False of a module overrides True of a module inside it."""
    patch(sharded_model, "modules_couple_samples", lambda modules: sample_independence.declaration(modules[0]))


def copied_denominator(patch):
    """A denominator is used wherever it is found: copied by `functools.wraps`, and in subclasses."""
    patch(
        sys.modules["tinygrad_edu.nn.additive"],
        "_declared_denominator",
        lambda loss: getattr(loss, "denominator", None),
    )


def dropped_direct_gradients(patch):
    """Gradients of tensors used by the loss itself are dropped."""
    patch(gradients, "add_gradients", lambda total, direct: total)


def repeated_direct_gradients(patch):
    """Gradients of tensors used by the loss itself are added twice."""
    real = gradients.add_gradients
    patch(gradients, "add_gradients", lambda total, direct: real(real(total, direct), direct))


def forgotten_promise(patch):
    """A model that violated its declaration is sharded again in the next batch."""
    patch(sharded_model.ShardedModel, "disable_sharding", lambda self, reason: None)


def reversed_shards(patch):
    """The outputs of shards are joined in the wrong order."""
    real = gradients.join
    patch(gradients, "join", lambda name, parts: real(name, parts[::-1]))


def unseen_graph(patch):
    """A loss that uses tensors stored by the forward of a shard is not noticed."""
    patch(gradients, "has_ops_between", lambda root, first, last: False)


def advanced_stream(patch):
    """If a batch is computed whole after all, the random stream is not restored to its state before the shards."""
    real, last = gradients.stream_seeds, [1, None, {}]

    def seeds(rng, count):
        now = rng, rng.bit_generator.state
        if last[1:] == [*now]:
            real(rng, last[0])
        last[:] = count, *now
        return real(rng, count)

    patch(gradients, "stream_seeds", seeds)


def unchecked_outputs(patch):
    """The output of a shard need not have one row per sample."""
    patch(sharded_model, "require_samples_first", lambda *arguments: None)


def unseen_writes(patch):
    """Writes to parameters and buffers are not noticed."""
    patch(sharding.shard_forward, "before_write", lambda self, cells: None)


def unseen_inner_hooks(patch):
    """Hooks that the forward of a shard registers are not noticed."""
    patch(sharding.shard_forward, "before_hook", lambda self: None)


def untrained_loss(patch):
    """Only the parameters of the model are trained."""
    patch(train_step.Steps, "_trained_tensors", lambda self: self.model.parameters())


def mean_of_batches(patch):
    """The batches of a step have equal weights."""
    real = train_step._mean
    patch(train_step, "_mean", lambda a, b: real(a._replace(weight=1), b._replace(weight=1)))


def shared_stream(patch):
    """The loss shares the random stream of the first shard."""
    patch(gradients, "loss_stream", stream_of)


def one_of_two_gradients(patch):
    """A tensor that is returned twice gets only one of its gradients."""
    real = gradients.shard_cotangents
    patch(gradients, "shard_cotangents", lambda *arguments: list(dict(real(*arguments)).items()))


def clipped_apart(patch):
    """The gradients are clipped separately."""
    real = train_step.clip_grad_norm
    patch(train_step, "clip_grad_norm", lambda tensors, norm: [real([t], norm) for t in tensors if t.grad is not None])


def final_errors(patch):
    """An error in a shard is final."""
    patch(sharded_model.ShardedModel, "loss_errors", lambda self: nullcontext())


def mean_of_evaluated_means(patch):
    """In evaluation, every loss is treated as a mean over samples."""
    patch(evaluation, "denominator_of", lambda loss, target: float(len(rows_in(target))))


FAULTS = [
    mean_of_means, cached_verdict, lost_side_effect, hook_per_shard, inherited_declaration, ignored_hooks,
    covered_coupling, copied_denominator, dropped_direct_gradients, repeated_direct_gradients, forgotten_promise,
    reversed_shards, unseen_graph, advanced_stream, unchecked_outputs, unseen_writes, unseen_inner_hooks,
    untrained_loss, mean_of_batches, shared_stream, one_of_two_gradients, clipped_apart, final_errors,
    mean_of_evaluated_means,
]  # fmt: skip
LIMIT = 600


EXAMPLES = programs.drawn(LIMIT)


def is_found_in(program):
    try:
        check_alone(program)
    except programs.NoNumberError:
        return False
    except Exception:
        return True
    return False


@pytest.mark.parametrize("fault", thorough(FAULTS, quick=FAULTS[1::4]), ids=lambda fault: fault.__name__)
def test_a_fault_is_found(fault, monkeypatch):
    with monkeypatch.context() as context:
        fault(context.setattr)
        tried = next((k for k, program in enumerate(EXAMPLES) if is_found_in(program)), None)
    assert tried is not None, fault.__doc__
    assert not is_found_in(EXAMPLES[tried])
