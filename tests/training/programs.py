"""Training programs, drawn part by part, run by `fit` and by a manual training loop."""

import functools
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.parallel.simulated import on_workers
from tests.training.program_data import (
    as_tensors,
    augmented,
    batches_of,
    evaluated_batches,
    is_lazy,
    rows_in,
    rows_of,
    sizes_of,
)
from tests.training.program_losses import LOSSES, of_output
from tests.training.program_models import INDEPENDENT, LAYERS, OUTPUTS, REFUSED_OUTPUTS, STEMS, Head, Inputs
from tinygrad_edu import nn, optim
from tinygrad_edu.errors import ShardError
from tinygrad_edu.nn.randomness import default_stream, loss_stream, random_stream, stream_of, stream_seeds
from tinygrad_edu.parallel import shards
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.training import Checkpoints, evaluating, fit


@dataclass(frozen=True)
class Program:
    """A training program. Every part is a name or a number, so that failures are readable and reproducible.

    Attributes
    ----------
    stem, layers, output
        Names of the parts of the model.
    nested : bool
        Whether the input of the model is a dict.
    losses : tuple of str
        The loss of each call of `fit`; all calls train the same model.
    declares : bool
        Whether a loss of a pytree declares the denominator of its inner loss.
    masks : str
        Ignored labels and samples: "none", "random", "first" or "last".
    batches : str
        "arrays", "trained" tensors, "loader" or "augmented".
    sizes : tuple of int
        Sizes of the batches; a loader uses the first.
    shared : bool
        Whether the layers, the loader and `fit` share a generator.
    freezes : bool
        Whether the first parameter of the model is frozen or unfrozen after each step.
    shard_size : int or None
        None: the bits must be those of the manual loop.
    """

    stem: str = "rows"
    layers: tuple[str, ...] = ()
    output: str = "array"
    nested: bool = False
    losses: tuple[str, ...] = ("cross entropy",)
    declares: bool = False
    masks: str = "none"
    batches: str = "arrays"
    sizes: tuple[int, ...] = (7,)
    dtype: str = "float64"
    momentum: float = 0.0
    scheduled: bool = False
    max_norm: float | None = None
    accumulate: int = 1
    averaged: bool = False
    epochs: int = 2
    shared: bool = False
    freezes: bool = False
    shard_size: int | None = None
    threads: int = 1
    ranks: int = 1
    seed: int = 0

    def __repr__(self) -> str:
        told = [f.name for f in fields(self) if getattr(self, f.name) != f.default or f.name == "losses"]
        return f"Program({', '.join(f'{name}={getattr(self, name)!r}' for name in told)})"


def possible(program):
    """Return whether the parts of a program can be combined, and samples are independent where they must be."""
    losses, sharded = [LOSSES[name] for name in program.losses], program.shard_size is not None
    return (
        not (sharded and refusal(program) is None and is_random(program))
        and not (program.ranks > 1 and not sharded)
        and not (program.masks != "none" and any(loss.random for loss in losses))  # a batch without labels is NaN
        and not (program.stem == "sequences" and any(loss.only_rows for loss in losses))
        and not ("clipped gradient" in program.layers and program.accumulate > 1)  # hooks run once per step
        # A closure declares the denominator, so `fit` does not see the counter of the loss inside it.
        and not (sharded and program.declares and program.output != "array" and "counting, additive" in program.losses)
        and not ("normalizes inside" in program.layers and 1 in sizes_of(program))  # it rejects a single value
    )


def is_random(program):
    """Return whether any part draws random numbers."""
    return (
        program.batches == "augmented"
        or any(LAYERS[name].random for name in program.layers)
        or any(LOSSES[name].random for name in program.losses)
    )


def refusal(program):
    """Return whether `fit` refuses to compute shards: True, False, or None if that depends on values."""
    parts = [LAYERS[name].refused for name in program.layers] + [LOSSES[name].refused for name in program.losses[:1]]
    parts += [program.output in REFUSED_OUTPUTS or (None if program.output == "some" else False)]
    return True if True in parts else None if None in parts else False


@st.composite
def programs(draw):
    """Draw a program."""
    program = composed(lambda *choices: draw(st.sampled_from(choices)))
    assume(possible(program))
    return program


def drawn(count):
    """Return programs, the same in every run."""
    rng, found = np.random.default_rng(0), []
    while len(found) < count:
        program = composed(lambda *choices: choices[rng.integers(len(choices))])
        found += [program] if possible(program) else []
    return found


def composed(one_of):
    """Return a program whose parts are chosen by a function.

    At most one layer, or the output, is special: a part that a shard refuses would mask another part.
    """
    special = one_of("layer", "layer", "layer", "output", "output", "nothing")
    layers = [one_of(*sorted(INDEPENDENT)) for _ in range(one_of(0, 1, 2))]
    if special == "layer":
        layers.insert(one_of(*range(len(layers) + 1)), one_of(*sorted(LAYERS.keys() - INDEPENDENT.keys())))
    stores = {"stores a penalty", "caches a penalty"} & set(layers)
    loss = "stored" if stores and one_of(False, True) else one_of(*sorted(LOSSES))
    return Program(
        stem=one_of("rows", "rows", "sequences"),
        layers=tuple(layers),
        output=one_of(*sorted(OUTPUTS)) if special == "output" else "array",
        nested=one_of(False, False, True),
        losses=one_of(*_calls(loss)),
        declares=one_of(False, True),
        masks=one_of("none", "random", "first", "last"),
        batches=one_of("arrays", "trained", "loader", "augmented"),
        sizes=(one_of(*range(3, 10)), *(one_of(*range(1, 10)) for _ in range(one_of(0, 1, 2)))),
        dtype=one_of("float64", "float64", "float32"),
        momentum=one_of(0.0, 0.9),
        scheduled=one_of(False, True),
        max_norm=one_of(None, None, 0.05),
        accumulate=one_of(1, 1, 2, 3),
        averaged=one_of(False, True),
        epochs=one_of(1, 2),
        shared=one_of(False, True),
        freezes=one_of(False, False, True),
        shard_size=one_of(None, None, 1, 2, 3, 4),
        threads=one_of(1, 2),
        ranks=one_of(1, 1, 1, 2, 3, 5),
        seed=one_of(*range(100)),
    )


def _calls(name):
    """Return the losses of one or two calls of `fit`, two if the losses are closures from one factory."""
    other = {"closure, mean": "closure, sum"}.get(name, name)
    return (name,), (name, other), (other, name)


# --- The trained objects ---


@dataclass
class Training:
    """The initial objects of a program: model, losses, optimizer and data.

    Attributes
    ----------
    denominators : list of callable or None
        Denominators of the losses that are declared to be additive.
    own_rng : numpy.random.Generator
        The generator of layers and losses that have one.
    tensors : list of Tensor
        All tensors that the optimizer holds.
    """

    program: Program
    lazy_augment: bool = True
    outcome: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        program = self.program
        self.own_rng = rng = np.random.default_rng(self.program.seed + 2)
        layers = [Inputs(STEMS[program.stem](rng)), *(LAYERS[name].make(rng) for name in program.layers)]
        self.model = nn.Sequential(*layers, Head(program.output, rng)).astype(program.dtype)
        self.specs = [LOSSES[name] for name in program.losses]
        made = {name: LOSSES[name].make(self.model, rng) for name in dict.fromkeys(program.losses)}
        own = [made[name] for name in program.losses]
        self.modules = [
            self.model,
            *(loss.astype(program.dtype) for loss in made.values() if isinstance(loss, nn.Module)),
        ]
        additive = program.output == "array" or program.declares
        self.denominators = [spec.denominator if additive else None for spec in self.specs]
        self.losses = [
            of_output(loss, program.output, denominator)
            for loss, denominator in zip(own, self.denominators, strict=True)
        ]
        self.own = list(made.values())
        self.rng = rng if program.shared else np.random.default_rng(program.seed + 3)
        loaded = rng if program.shared else np.random.default_rng(program.seed + 4)
        self.batches, self.evaluated = batches_of(program, loaded, self.lazy_augment), evaluated_batches(program)
        inputs = (
            [leaf for batch in self.batches for leaf in tree_leaves(batch[:-1])] if program.batches == "trained" else []
        )
        of_losses = [tensor for loss in made.values() if isinstance(loss, nn.Module) for tensor in loss.parameters()]
        self.tensors = list(dict.fromkeys([*self.model.parameters(), *of_losses, *inputs]))
        self.optimizer = optim.SGD(self.tensors, lr=self.rate, momentum=program.momentum)
        self.average = optim.MovingAverage(self.tensors, 0.5) if program.averaged else None

    @property
    def rate(self):
        return 0.1 if self.program.dtype == "float64" else 0.01  # with larger steps, rounding errors grow beyond 1e-5

    def stepped(self, call, number, loss):
        """Record a step."""
        self.outcome[f"call {call}, loss {number}"] = loss
        if self.program.freezes:
            first = self.model.parameters()[0]
            first.requires_grad = not first.requires_grad
        self.last = self.state()

    def schedule(self, step):
        return 2 * self.rate / (1 + step)

    def state(self):
        """Return the values of all objects."""
        state = {f"tensor {k}": tensor.numpy().copy() for k, tensor in enumerate(self.tensors)}
        state |= {
            f"optimizer {k}": np.array(v) for k, v in enumerate(tree_leaves(self.optimizer.state_dict()["state"]))
        }
        for k, module in enumerate(self.modules):
            state |= {f"module {k}, {name}": array for name, array in module.state_dict().items()}
        for k, thing in enumerate([*(part for module in self.modules for part in module.modules()), *self.own]):
            state |= {f"thing {k}, {name}": value for name, value in left_in(thing)}
        return state

    def ended(self):
        """Return all results of the training."""
        drawn = {f"random number {k}": rng.random() for k, rng in enumerate((self.rng, self.own_rng))}
        return self.outcome | drawn | self.state()


def left_in(thing):
    """Yield the numbers, lists of numbers and computed tensors in the attributes of an object."""
    for name, value in getattr(thing, "__dict__", {}).items():
        if name == "training":  # `fit` sets the mode
            continue
        if isinstance(value, tg.Tensor) and not value.is_leaf:
            yield name, value.numpy().copy()
        elif isinstance(value, bool | int | float) or (isinstance(value, list) and {*map(type, value)} <= {float}):
            yield name, np.array(value, float)


# --- Training with `fit` ---


def trained(program, worker, stop_after=None, **settings):
    """Train with `fit`. Return the results; after a ShardError, return it if nothing changed since the last step."""
    training = Training(program)
    training.last = training.state()

    def on_step(call, step):
        training.stepped(call, step.number, step.loss)
        if step.number == stop_after:
            raise KeyboardInterrupt

    for call, loss in enumerate(training.losses):
        epochs = fit(
            training.model, training.optimizer, loss, training.batches, program.epochs, rng=training.rng,
            schedule=training.schedule if program.scheduled else None, max_norm=program.max_norm,
            accumulate=program.accumulate, average=training.average, shard_size=program.shard_size, workers=worker,
            metrics={"loss": loss}, evaluate_on={"all": training.evaluated}, evaluate_every=program.epochs,
            on_step=functools.partial(on_step, call), **settings,
        )  # fmt: skip
        try:
            *_, last = epochs
        except ShardError as error:
            assert bits(training.state()) == bits(training.last)
            return error
        except KeyboardInterrupt:
            return None
        training.outcome |= {f"call {call}, {name}": value for name, value in last.metrics.items()}
        training.outcome[f"call {call}, loss"] = last.loss
    return training.ended()


# --- The manual training loop ---


def by_hand(program):
    """Train with forward, loss, backward and step on whole batches.

    With `shard_size`, random numbers are drawn as documented: each shard has its own stream, and so has the loss.
    """
    training = Training(program, lazy_augment=program.shard_size is None)
    for call in range(len(training.losses)):
        by = ByHand(training, call)
        number = 0
        for _ in range(program.epochs):
            training.model.train()
            losses, counts, waiting = [], [], iter(training.batches)
            while together := list(islice(waiting, program.accumulate)):
                if program.scheduled:
                    training.optimizer.lr = training.schedule(number)
                losses.append(by.step(together))
                counts.append(sum(len(rows_in(batch)) for batch in together))
                training.stepped(call, number, losses[-1])
                number += 1
        training.outcome[f"call {call}, loss"] = np.average(losses, weights=counts)
        with training.average.swap() if training.average is not None else nullcontext():
            training.outcome |= {
                f"call {call}, {name}": value for name, value in by.evaluate(training.evaluated).items()
            }
    return training.ended()


LARGE = 1e6  # a loss at which the manual loop diverges, too


class ByHand:
    """The manual equivalent of one call of `fit`."""

    def __init__(self, training, call):
        self.training, self.program, self.spec = training, training.program, training.specs[call]
        self.loss, self.denominator = training.losses[call], training.denominators[call]

    def step(self, together):
        """Take a step by the mean over batches. A batch of weight 0 has no loss, unless it is the only one."""
        training, mean, total = self.training, 0.0, 0.0
        gradients = [None] * len(training.tensors)
        for batch in together:
            weight, (loss, found) = self.weight(batch), self.value_and_grad(batch, len(together) > 1)
            if loss is None:
                continue
            total += weight
            old, new = (total - weight) / total, weight / total
            mean = old * mean + new * loss if old else loss
            gradients = [combined(a, b, old, new) for a, b in zip(gradients, found, strict=True)] if old else found
        if not total or abs(mean) > LARGE:
            raise FloatingPointError("the weights grow without bound")
        for tensor, gradient in zip(training.tensors, gradients, strict=True):
            tensor.grad = gradient
        if self.program.max_norm is not None:
            optim.clip_grad_norm(training.tensors, self.program.max_norm)
        training.optimizer.step()
        if training.average is not None:
            training.average.update()
        return mean

    def value_and_grad(self, batch, of_several):
        for tensor in self.training.tensors:
            tensor.grad = None
        loss = self.loss_of(batch, of_several)
        if loss is None:
            return None, None
        loss.backward()
        return loss.item(), [tensor.grad for tensor in self.training.tensors]

    def weight(self, batch):
        return len(rows_in(batch)) if self.denominator is None else self.denominator(batch[-1])

    def loss_of(self, batch, of_several):
        """Return the loss of a batch."""
        skips = of_several and self.denominator is not None and not self.weight(batch)
        if self.program.shard_size is None:
            with default_stream(self.training.rng):
                return None if skips else self.loss(self.training.model(*as_tensors(batch[:-1])), batch[-1])
        parts = shards(len(rows_in(batch)), self.program.shard_size)
        seeds = stream_seeds(self.training.rng, len(parts))
        if skips:
            return None
        if not is_random(self.program):
            return self.loss(self.training.model(*as_tensors(batch[:-1])), batch[-1])
        streams = [stream_of(seed) for seed in seeds]
        taken = [self.taken(rows_of(batch, part), stream) for part, stream in zip(parts, streams, strict=True)]
        outs = []
        for (*inputs, _), stream in zip(taken, streams, strict=True):
            with random_stream(stream):
                outs.append(self.training.model(*as_tensors(inputs)))
        targets = [part[-1] for part in taken]
        if self.denominator is not None and all(self.denominator(target) for target in targets):
            return self.additive(outs, targets, streams)
        with random_stream(loss_stream(seeds[0])):
            return self.loss(outs[0] if len(outs) == 1 else tree_map(joined, *outs), batch[-1])

    def taken(self, batch, stream):
        return augmented(*batch, rng=stream) if self.program.batches == "augmented" and is_lazy(self.program) else batch

    def additive(self, outs, targets, streams):
        total, weights = 0.0, [self.denominator(target) for target in targets]
        for out, target, stream, weight in zip(outs, targets, streams, weights, strict=True):
            with random_stream(stream):
                total = total + self.loss(out, target) * (weight / sum(weights))
        return total

    def evaluate(self, batches):
        """Return the mean loss, weighted like the batches of a step. A random loss has none."""
        total = np.zeros(2)
        with evaluating(self.training.model):
            for batch in batches:
                out, weight = self.training.model(*as_tensors(batch[:-1])), self.weight(batch)
                if weight and not self.spec.random:
                    total += weight * self.loss(out, batch[-1]).item(), weight
        return {} if self.spec.random else {"all_loss": total[0] / total[1]}


def joined(*parts):
    return tg.concatenate(parts) if isinstance(parts[0], tg.Tensor) else np.concatenate(parts)


def combined(a, b, old, new):
    """Return the weighted sum of two gradients, either of which may be None."""
    if a is None or b is None:
        return old * a if b is None and a is not None else None if b is None else new * b
    return old * a + new * b


# --- Comparison ---


class NoNumberError(Exception):
    """The manual loop gets infinity or NaN: a batch has no labels, or the learning rate is too large."""


@functools.cache
def expected(program):
    """Return the results of the manual loop."""
    try:
        with np.errstate(all="raise", under="ignore"):
            return by_hand(program)
    except (FloatingPointError, ZeroDivisionError) as error:
        raise NoNumberError from error


def fitted(program, ranks=1, threads=1, **settings):
    """Return the results of `fit` on each of several ranks."""

    def on(worker):
        worker.threads = threads
        return trained(program, worker, **settings)

    return on_workers(ranks, on)[1]


def check(program):
    """Compare `fit` with the manual loop, and with itself on threads and ranks."""
    found = check_alone(program)
    if (program.threads, program.ranks) != (1, 1):
        others = fitted(program, program.ranks, program.threads)
        assert [bits(other) for other in others] == [bits(found)] * program.ranks


def check_alone(program):
    """Compare `fit` on one thread with the manual loop, and return its results."""
    refused = program.shard_size is not None and refusal(program)
    wanted = None if refused else expected(program)
    (found,) = fitted(program)
    if isinstance(found, ShardError):
        assert refused is not False, found
    elif program.shard_size is None:
        assert bits({name: found[name] for name in wanted}) == bits(wanted)
    else:
        assert not refused
        require_close(found, wanted, 1e-8 if program.dtype == "float64" else 1e-5)
    return found


# State that a checkpoint does not save: attributes that are not tensors.
OWN_STATE = {"counts", "notes", "stores a penalty", "running centre", "counting, additive", "caches a penalty"}


def check_resumed(program, folder):
    """Compare a training that is interrupted after a step, and resumed, with an uninterrupted one."""
    program = replace(program, losses=program.losses[:1], epochs=2, freezes=False)
    if OWN_STATE & {*program.layers, *program.losses} or (program.shard_size and refusal(program) is not False):
        return
    expected(program)  # raises NoNumberError for NaN or infinity
    (whole,) = fitted(program)
    steps = -(-len(sizes_of(program)) // program.accumulate) * program.epochs
    fitted(program, stop_after=program.seed % steps, checkpoints=Checkpoints(folder, every_steps=1))
    (rest,) = fitted(program, checkpoints=Checkpoints(folder), resume=True)
    names = [name for name in rest if not name.startswith("thing")]  # attributes are not saved
    assert bits({name: rest[name] for name in names}) == bits({name: whole[name] for name in names})


def require_close(found, expected, tolerance):
    for name, value in expected.items():
        scale = max(0.01, float(np.abs(value).max(initial=0.0)))
        np.testing.assert_allclose(found[name], value, rtol=0, atol=tolerance * scale, err_msg=name)


def bits(outcome):
    """Return the bits of results, or the type of an error."""
    if isinstance(outcome, ShardError):
        return ShardError  # the ranks compute, and name, shards of different sizes
    return {name: np.asarray(value).tobytes() for name, value in outcome.items()}
