"""Training programs, drawn part by part, run by `fit` and by a manual training loop."""

import functools
from contextlib import nullcontext
from dataclasses import dataclass, fields, replace
from itertools import islice, pairwise

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.parallel.simulated import on_workers
from tests.training import program_parts as parts
from tinygrad_edu import data, nn, optim
from tinygrad_edu.errors import ShardError
from tinygrad_edu.nn.randomness import default_stream, loss_stream, random_stream, stream_of, stream_seeds
from tinygrad_edu.parallel import shards
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.training import Checkpoints, evaluating, fit


@dataclass(frozen=True)
class Program:
    """A training program. Every part is a name or a number, so that failures are readable and reproducible."""

    sequences: bool = False
    layers: tuple[str, ...] = ()
    output: str = "array"
    nested: bool = False  # the input of the model is a dict
    losses: tuple[str, ...] = ("cross entropy",)  # of each call of `fit`; all calls train the same model
    masks: str = "none"  # ignored labels and samples: "none", "random", "first" or "last"
    batches: str = "arrays"  # or "trained" tensors, "loader", "augmented"
    sizes: tuple[int, ...] = (7,)  # of the batches; a loader uses the first
    dtype: str = "float64"
    momentum: float = 0.0
    scheduled: bool = False
    max_norm: float | None = None
    accumulate: int = 1
    averaged: bool = False
    epochs: int = 2
    shared: bool = False  # the layers, the loader and `fit` share a generator
    freezes: bool = False  # the first parameter of the model is frozen or unfrozen after each step
    shard_size: int | None = None  # None: the bits must be those of the manual loop
    threads: int = 1
    ranks: int = 1
    seed: int = 0

    def __repr__(self) -> str:
        told = [f.name for f in fields(self) if getattr(self, f.name) != f.default or f.name == "losses"]
        return f"Program({', '.join(f'{name}={getattr(self, name)!r}' for name in told)})"


def possible(program):
    """Return whether the parts of a program can be combined, and samples are independent where they must be."""
    sharded, random_loss = program.shard_size is not None, parts.RANDOM & {*program.losses}
    return not (
        (sharded and refusal(program) is None and is_random(program))
        or (program.ranks > 1 and not sharded)
        or (program.masks != "none" and random_loss)  # a batch without labels is NaN
        or (program.sequences and "binary, row weights" in program.losses)
        or ("clipped gradient" in program.layers and program.accumulate > 1)  # hooks run once per step
        # The loss of a pytree is a closure with a denominator, so `fit` does not see the counter of the loss inside it.
        or (sharded and program.output != "array" and "counting, additive" in program.losses)
        or ("normalizes inside" in program.layers and 1 in sizes_of(program))  # it rejects a single value
    )


def is_random(program):
    """Return whether any part draws random numbers."""
    return bool(parts.RANDOM & {program.batches, *program.layers, *program.losses})


def refusal(program):
    """Return whether `fit` refuses to compute shards: True, False, or None if that depends on values."""
    names = {program.output, *program.layers, program.losses[0]}
    return True if names & parts.REFUSED else None if names & parts.SOMETIMES_REFUSED else False


@st.composite
def programs(draw):
    """Draw a program."""
    program = composed(lambda *choices: draw(st.sampled_from(choices)))
    assume(possible(program))
    return program


def drawn(count):
    """Return programs, the same in every run."""
    rng = np.random.default_rng(0)
    tried = (composed(lambda *choices: choices[rng.integers(len(choices))]) for _ in iter(int, 1))
    return list(islice(filter(possible, tried), count))


def composed(one_of):
    """Return a program whose parts are chosen by a function.

    At most one layer, or the output, is special: a part that a shard refuses would mask another part.
    """
    special = one_of("layer", "layer", "layer", "output", "output", "nothing")
    layers = [one_of(*sorted(parts.INDEPENDENT)) for _ in range(one_of(0, 1, 2))]
    if special == "layer":
        layers.insert(one_of(*range(len(layers) + 1)), one_of(*sorted(parts.COUPLED)))
    stores = {"stores a penalty", "caches a penalty"} & set(layers)
    loss = "stored" if stores and one_of(False, True) else one_of(*sorted(parts.LOSSES))
    other = {"closure, mean": "closure, sum"}.get(loss, loss)  # of one factory
    return Program(
        sequences=one_of(False, False, True),
        layers=tuple(layers),
        output=one_of(*sorted(parts.OUTPUTS)) if special == "output" else "array",
        nested=one_of(False, False, True),
        losses=one_of((loss,), (loss, other), (other, loss)),
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


# --- Data ---


def sizes_of(program):
    """Return the sizes of the batches of an epoch."""
    if program.batches in ("arrays", "trained"):
        return list(program.sizes)
    return [part.stop - part.start for part in shards(sum(program.sizes), program.sizes[0])]


def parts_of(program):
    """Return the slices of samples of the batches of an epoch."""
    return [slice(start, end) for start, end in pairwise(np.cumsum([0, *sizes_of(program)]).tolist())]


def samples_of(program):
    """Return the arrays of the inputs and the target. Masks exclude the ends of sequences, or samples."""
    rng, count = np.random.default_rng(program.seed), sum(program.sizes)
    positions = (parts.STEPS,) if program.sequences else ()
    x = rng.normal(size=(count, *positions, parts.FEATURES)).astype(program.dtype)
    x = np.asfortranarray(x) if program.seed % 2 else x
    scale = rng.uniform(0.5, 1.5, size=count).astype(program.dtype)
    values = rng.random(size=(count, parts.CLASSES, *positions)).astype(program.dtype)
    counts = np.ones((count, *positions), bool)
    if program.masks == "random":
        counts = rng.random(counts.shape) < 0.6
    elif program.masks != "none":
        lengths = np.sort(rng.integers(0, 3, size=count))  # sorted, shortest first
        counts = np.arange(parts.STEPS) < lengths[:, None] if positions else lengths > 0
        counts = counts if program.masks == "first" else counts[::-1]
    if program.batches in ("arrays", "trained"):
        for part in parts_of(program):
            counts[part.start] |= not counts[part].any()  # a batch without labels has no mean
    inputs = (x, scale) if program.nested else (x,)
    if program.losses[0] == "binary, row weights":
        return *inputs, values
    if program.losses[0] == "masked":
        return *inputs, values, counts.reshape(count, -1).any(axis=1).astype(program.dtype)
    return *inputs, np.where(counts, rng.integers(0, parts.CLASSES, size=counts.shape), -100)


def batch_of(program, x, *others):
    """Return a batch of inputs and target."""
    inputs, target = ({"x": x, "scale": others[0]}, others[1:]) if program.nested else (x, others)
    if program.batches == "trained":
        inputs = tree_map(lambda leaf: tg.Tensor(leaf, requires_grad=True), inputs)
    return inputs, target if len(target) > 1 else target[0]


def augmented(x, *others, rng):
    return (x * (1 + 0.5 * rng.random(x.shape)).astype(x.dtype), *others)


def is_lazy(program):
    """Return whether samples of a loader are read and augmented on the thread that computes their shard."""
    return program.batches in ("loader", "augmented") and not program.nested and program.losses[0] != "masked"


def listed_batches(program):
    """Return all samples, in batches without a loader."""
    return [batch_of(program, *(array[part] for array in samples_of(program))) for part in parts_of(program)]


def loader_of(program, rng, augments):
    return data.DataLoader(
        *samples_of(program), batch_size=program.sizes[0], rng=rng, augment=augmented if augments else None,
        transform=None if is_lazy(program) else functools.partial(batch_of, program),
    )  # fmt: skip


def count_of(batch):
    return len(next(iter(tree_leaves(batch))))


def scaled(x):
    """Return the input of a model: an array, or that in a dict, times the number of its sample."""
    return x["x"] * x["scale"].reshape(-1, *[1] * (x["x"].ndim - 1)) if isinstance(x, dict) else x


# --- The trained objects ---


class Training:
    """The model, losses, optimizer and data of a program, and the results."""

    def __init__(self, program, lazy_augment=True):
        self.program, self.outcome = program, {}
        self.own_rng = rng = np.random.default_rng(program.seed + 2)  # of layers and losses
        layers = [nn.Lambda(scaled), parts.linear(rng), *(parts.LAYERS[name](rng) for name in program.layers)]
        self.model = nn.Sequential(*layers, parts.head(program.output, rng)).astype(program.dtype)
        made = {name: parts.LOSSES[name](self.model, rng) for name in dict.fromkeys(program.losses)}
        self.denominators = [parts.DENOMINATORS.get(name) for name in program.losses]
        self.losses = [
            parts.of_output(made[name], program.output, denominator)
            for name, denominator in zip(program.losses, self.denominators, strict=True)
        ]
        modules = [loss.astype(program.dtype) for loss in made.values() if isinstance(loss, nn.Module)]
        self.modules = [self.model, *modules]
        self.things = [*(part for module in self.modules for part in module.modules()), *made.values()]
        self.rng = rng if program.shared else np.random.default_rng(program.seed + 3)
        self.batches = self.evaluated = listed_batches(program)
        if program.batches in ("loader", "augmented"):
            loaded = rng if program.shared else np.random.default_rng(program.seed + 4)
            augments = program.batches == "augmented" and (lazy_augment or not is_lazy(program))
            self.batches = loader_of(program, loaded, augments)
        inputs = list(tree_leaves([batch[0] for batch in self.batches])) if program.batches == "trained" else []
        parameters = [tensor for module in self.modules for tensor in module.parameters()]
        self.tensors = [*parameters, *inputs]  # that the optimizer holds
        self.rate = 0.1 if program.dtype == "float64" else 0.01  # with larger steps, rounding errors grow beyond 1e-5
        self.optimizer = optim.SGD(self.tensors, lr=self.rate, momentum=program.momentum)
        self.average = optim.MovingAverage(self.tensors, 0.5) if program.averaged else None
        self.last = self.state()

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
        for k, thing in enumerate(self.things):
            state |= {f"thing {k}, {name}": value for name, value in left_in(thing)}
        return state

    def ended(self):
        """Return all results of the training."""
        return self.outcome | {"drawn": [self.rng.random(), self.own_rng.random()]} | self.state()


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

LARGE = 1e6  # a loss at which the manual loop diverges, too


class ByHand(Training):
    """Training with forward, loss, backward and step on whole batches.

    With `shard_size`, random numbers are drawn as documented: each shard has its own stream, and so has the loss.
    """

    def run(self):
        for call in range(len(self.losses)):
            self.loss, self.denominator = self.losses[call], self.denominators[call]
            number = 0
            for _ in range(self.program.epochs):
                self.model.train()
                losses, counts, waiting = [], [], iter(self.batches)
                while together := list(islice(waiting, self.program.accumulate)):
                    if self.program.scheduled:
                        self.optimizer.lr = self.schedule(number)
                    losses.append(self.step(together))
                    counts.append(sum(map(count_of, together)))
                    self.stepped(call, number, losses[-1])
                    number += 1
            self.outcome[f"call {call}, loss"] = np.average(losses, weights=counts)
            self.evaluate(call)
        return self.ended()

    def step(self, together):
        """Take a step by the mean over batches. A batch of weight 0 has no loss, unless it is the only one."""
        mean, total, gradients = 0.0, 0.0, [None] * len(self.tensors)
        for batch in together:
            for tensor in self.tensors:
                tensor.grad = None
            weight, loss = self.weight(batch), self.loss_of(batch, len(together) > 1)
            if loss is None:
                continue
            loss.backward()
            total += weight
            old, new = (total - weight) / total, weight / total
            mean = old * mean + new * loss.item() if old else loss.item()
            found = [tensor.grad for tensor in self.tensors]
            gradients = [combined(a, b, old, new) for a, b in zip(gradients, found, strict=True)] if old else found
        if not total or abs(mean) > LARGE:
            raise FloatingPointError("the weights grow without bound")
        for tensor, gradient in zip(self.tensors, gradients, strict=True):
            tensor.grad = gradient
        if self.program.max_norm is not None:
            optim.clip_grad_norm(self.tensors, self.program.max_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update()
        return mean

    def weight(self, batch):
        return count_of(batch) if self.denominator is None else self.denominator(batch[-1])

    def loss_of(self, batch, of_several):
        """Return the loss of a batch."""
        skips = of_several and self.denominator is not None and not self.weight(batch)
        (inputs, target), size = batch, self.program.shard_size
        pieces = shards(count_of(batch), size) if size is not None else []
        seeds = stream_seeds(self.rng, len(pieces)) if pieces else []
        if skips:
            return None
        if not (pieces and is_random(self.program)):
            with default_stream(self.rng):
                return self.loss(self.model(inputs), target)
        return self.sharded(batch, pieces, seeds)

    def sharded(self, batch, pieces, seeds):
        """Return the loss of a batch whose layers draw from the streams of shards, as an additive random loss does."""
        outs, losses, additive = [], [], parts.RANDOM & {*self.program.losses} and self.denominator is not None
        for piece, seed in zip(pieces, seeds, strict=True):
            stream, shard = stream_of(seed), tree_map(lambda leaf, piece=piece: leaf[piece], batch)
            if self.program.batches == "augmented" and is_lazy(self.program):
                shard = augmented(*shard, rng=stream)
            with random_stream(stream):
                outs.append(self.model(shard[0]))
                if additive:
                    losses.append(self.loss(outs[-1], shard[-1]) * (self.weight(shard) / self.weight(batch)))
        if additive:
            return sum(losses)
        with random_stream(loss_stream(seeds[0])):
            return self.loss(tree_map(joined, *outs), batch[-1])

    def evaluate(self, call):
        """Record the mean loss, weighted like the batches of a step. A random loss has none."""
        total, random_loss = np.zeros(2), parts.RANDOM & {*self.program.losses}
        with self.average.swap() if self.average is not None else nullcontext(), evaluating(self.model):
            for batch in self.evaluated:
                out, weight = self.model(batch[0]), self.weight(batch)
                if weight and not random_loss:
                    total += weight * self.loss(out, batch[-1]).item(), weight
        self.outcome |= {} if random_loss else {f"call {call}, all_loss": total[0] / total[1]}


def joined(*outs):
    return tg.concatenate(outs) if isinstance(outs[0], tg.Tensor) else np.concatenate(outs)


def combined(a, b, old, new):
    """Return the weighted sum of two gradients, which may be None."""
    if a is None or b is None:
        return old * a if b is None and a is not None else None if b is None else new * b
    return old * a + new * b


# --- Comparison ---


@functools.cache
def expected(program):
    """Return the results of the manual loop, or None if it gets infinity or NaN."""
    try:
        with np.errstate(all="raise", under="ignore"):
            return ByHand(program, lazy_augment=program.shard_size is None).run()
    except (FloatingPointError, ZeroDivisionError):  # a batch has no labels, or the learning rate is too large
        return None


def fitted(program, ranks=1, threads=1, **settings):
    """Return the results of `fit` on each of several ranks."""

    def on(worker):
        worker.threads = threads
        return trained(program, worker, **settings)

    return on_workers(ranks, on)[1]


def check(program):
    """Compare `fit` with the manual loop, and with itself on threads and ranks. Return its results."""
    found = check_alone(program)
    if found is not None and (program.threads, program.ranks) != (1, 1):
        others = fitted(program, program.ranks, program.threads)
        assert [bits(other) for other in others] == [bits(found)] * program.ranks
    return found


def check_alone(program):
    """Compare `fit` on one thread with the manual loop. Return its results, or None if the manual loop has none."""
    refused = program.shard_size is not None and refusal(program)
    wanted = None if refused else expected(program)
    if wanted is None and not refused:
        return None
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
    refused = program.shard_size and refusal(program) is not False
    if OWN_STATE & {*program.layers, *program.losses} or refused or expected(program) is None:
        return
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
