"""Data sets in training: the bits depend neither on threads, nor on ranks, nor on interruptions."""

import random
from functools import partial

import numpy as np
import pytest

from tests.parallel.simulated import on_workers
from tinygrad_edu import data, nn, optim
from tinygrad_edu.data.lazy_batch import LazyBatch
from tinygrad_edu.errors import CheckpointError, DTypeError
from tinygrad_edu.training import Accuracy, Checkpoints, evaluate, fit
from tinygrad_edu.training.batches import remaining_batches
from tinygrad_edu.training.rng_discovery import find_generators, random_sources

SHARED = np.random.default_rng(5)
X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)


class Plain:
    """Samples without noise."""

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        return X[index], Y[index]


class Noisy(Plain):
    """Samples with noise from their own random streams."""

    def __getitem__(self, index, rng):
        return (X[index] + rng.normal(size=3)).astype(np.float32), Y[index]


class NoisyStream:
    """A stream of samples with noise."""

    def __iter__(self, rng):
        for x, y in zip(X, Y, strict=True):
            yield (x + rng.normal(size=3)).astype(np.float32), y


def augmented(x, y, *, rng):
    return x + rng.normal(size=x.shape).astype(np.float32), y


def weighted(rng):
    return data.WeightedRandomSampler(np.arange(20), 17, rng=np.random.default_rng(3))


LOADERS = {
    "map": lambda rng, **more: data.DataLoader(Noisy(), batch_size=6, rng=rng, **more),
    "plain": lambda rng, **more: data.DataLoader(Plain(), batch_size=6, rng=rng, **more),
    "augmented": lambda rng, **more: data.DataLoader(Noisy(), batch_size=6, rng=rng, augment=augmented, **more),
    "transformed": lambda rng, **more: data.DataLoader(
        Noisy(), batch_size=6, rng=rng, transform=lambda x, y: (x + rng.normal(size=3).astype(np.float32), y), **more
    ),
    "stream": lambda rng, **more: data.DataLoader(NoisyStream(), batch_size=6, rng=rng, **more),
    "sampler": lambda rng, **more: data.DataLoader(Noisy(), batch_size=6, rng=rng, sampler=weighted(rng), **more),
    "arrays and a sampler": lambda rng, **more: data.DataLoader(X, Y, batch_size=6, sampler=weighted(rng), **more),
}


class StoppedError(Exception):
    """Raised to stop a run at a step."""


def trained(name, threads=0, stop_at=None, worker=None, every_steps=1, **settings):
    """Train for two epochs, or up to a step, and return the bits and the history."""
    rng, history = np.random.default_rng(1), []
    model = nn.Sequential(nn.Linear(3, 4, rng=rng), nn.Dropout(0.3, rng), nn.Linear(4, 2, rng=rng))
    loader = LOADERS[name](rng, workers=threads)

    def on_step(step):
        if step.number == stop_at:
            raise StoppedError

    if "folder" in settings:
        settings |= {"checkpoints": Checkpoints(settings.pop("folder"), every_steps=every_steps), "resume": True}
    settings |= {} if worker is None else {"workers": worker}
    run = fit(
        model, optim.SGD(model.parameters(), lr=0.1), nn.cross_entropy, loader, 2, rng=rng, on_step=on_step,
        history=history, shard_size=2, metrics={"accuracy": Accuracy()}, evaluate_on={"own": loader}, **settings,
    )  # fmt: skip
    list(run)
    told = [(epoch.loss, epoch.metrics, epoch.steps) for epoch in history]
    return [tensor.tobytes() for tensor in model.state_dict().values()], told, rng.random()


@pytest.mark.parametrize("name", LOADERS)
def test_a_training_has_the_bits_of_one_without_workers_and_without_stops(name, tmp_path):
    wanted = trained(name)
    assert trained(name, threads=2) == wanted
    for stop_at in (1, 2, 4):  # within an epoch, after the last batch of a sampler, and in the second epoch
        folder = tmp_path / str(stop_at)
        with pytest.raises(StoppedError):
            trained(name, threads=2, stop_at=stop_at, folder=folder)
        assert trained(name, threads=1, folder=folder) == wanted


@pytest.mark.parametrize("name", LOADERS)
def test_ranks_come_to_the_bits_of_one(name):
    wanted = trained(name)
    assert on_workers(2, lambda worker: trained(name, threads=1, worker=worker))[1] == [wanted, wanted]


def test_a_data_set_trains_as_its_arrays_do():
    def bits(*arrays, **settings):
        model = nn.Linear(3, 2, rng=np.random.default_rng(0))
        loader = data.DataLoader(*arrays, batch_size=6, rng=np.random.default_rng(1), **settings)
        optimizer, rng = optim.SGD(model.parameters(), lr=0.1), np.random.default_rng(2)
        list(fit(model, optimizer, nn.cross_entropy, loader, 2, rng=rng, shard_size=2))
        return model.weight.numpy().tobytes()

    for settings in ({}, {"augment": augmented}, {"workers": 2}):
        assert bits(Plain(), **settings) == bits(X, Y, **settings)


def test_what_collate_made_comes_whole_unless_it_is_augmented():
    def kinds(**settings):
        loader = data.DataLoader(Plain(), batch_size=6, rng=np.random.default_rng(0), **settings)
        return {type(batch) for batch in remaining_batches(loader, loader.draw_order())}

    assert kinds() == kinds(workers=1) == kinds(augment=augmented, transform=lambda x, y: (x, y)) == {tuple}
    assert kinds(augment=augmented) == {LazyBatch}


def test_what_is_evaluated_may_be_a_data_set():
    model = nn.Linear(3, 2, rng=np.random.default_rng(0))
    wanted = evaluate(model, [(X, Y)], {"accuracy": Accuracy()})
    for threads in (0, 2):
        for dataset in (Plain(), zip(X, Y, strict=True)):
            loader = data.DataLoader(dataset, batch_size=7, workers=threads)
            assert evaluate(model, loader, {"accuracy": Accuracy()}) == wanted


def line(**settings):
    model = nn.Linear(3, 2, rng=np.random.default_rng(0))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    return fit(model, optimizer, nn.cross_entropy, epochs=2, rng=np.random.default_rng(0), **settings)


def test_an_iterator_is_refused_before_the_first_epoch():
    loader = data.DataLoader(zip(X, Y, strict=True), batch_size=6)
    with pytest.raises(
        DTypeError, match=r"a zip can be iterated only once\. Pass an object with a restartable __iter__"
    ):
        line(batches=loader)


# --- Data sets with their own generators ---


def drawing(x):
    return x + SHARED.normal(size=3).astype(np.float32)


def drawing_globally(x):
    return x + np.random.rand(3).astype(np.float32)  # noqa: NPY002


class Own(Plain):
    """The data set holds a generator in an attribute."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __getitem__(self, index):
        return (X[index] + self.rng.normal(size=3)).astype(np.float32), Y[index]


class Slotted(Plain):
    """The generator is in a slot."""

    __slots__ = ("rng",)

    def __init__(self):
        self.rng = np.random.default_rng(0)

    __getitem__ = Own.__getitem__


class OfMethod(Own):
    """Only a method of a base class draws from the generator."""

    def __getitem__(self, index):
        return super().__getitem__(index)


class Global(Plain):
    """NumPy's global generator."""

    def __getitem__(self, index):
        return drawing_globally(X[index]), Y[index]


class Pythons(Plain):
    """Python's global generator."""

    def __getitem__(self, index):
        return (X[index], Y[index]) if random.random() < 0.5 else (-X[index], Y[index])


class OfFunctions(Plain):
    """Functions in a list draw from a generator."""

    def __init__(self, *functions):
        self.functions = list(functions)

    def __getitem__(self, index):
        x = X[index]
        for function in self.functions:
            x = function(x)
        return x, Y[index]


class Around(Plain):
    """A data set that wraps another one."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __getitem__(self, index):
        return self.dataset[index]


class OwnStream(Own):
    """A stream with its own generator."""

    __len__ = __getitem__ = None

    def __iter__(self):
        yield from ((x + self.noise, y) for x, y in zip(X, Y, strict=True))

    @property
    def noise(self):
        return self.rng.normal(size=3).astype(np.float32)


class Seeded(Plain):
    """Generators created for each sample, and one that only splits the data."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.order = self.rng.permutation(20)

    def __getitem__(self, index):
        noise = np.random.default_rng(index).normal(size=3) + np.random.RandomState(index).normal(size=3)
        return (X[self.order[index]] + noise).astype(np.float32), Y[self.order[index]]


del OwnStream.__len__, OwnStream.__getitem__
OWN = {
    "an attribute": (Own(), "rng"),
    "a slot": (Slotted(), "rng"),
    "a base": (OfMethod(), "rng"),
    "NumPy's": (Global(), "drawing_globally.np.random.rand"),
    "Python's": (Pythons(), "random.random"),
    "a function": (OfFunctions(np.negative, drawing), "functions.1.SHARED"),
    "a partial": (OfFunctions(partial(drawing)), "functions.0.func.SHARED"),
    "another data set": (Around(Around(data.Subset(Own(), range(20)))), "dataset.dataset.dataset.rng"),
    "a bound method": (OfFunctions(SHARED.permutation), "functions.0"),
    "legacy": (OfFunctions(np.random.RandomState(0).permutation), "functions.0"),
}  # fmt: skip


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("threads", [0, 2])
def test_a_checkpoint_says_that_it_cannot_continue_a_data_set_with_a_generator_of_its_own(own, threads, tmp_path):
    dataset, path = OWN[own]
    loader = data.DataLoader(dataset, batch_size=6, workers=threads)
    refused = (
        rf"cannot resume batches: its data set, a {type(dataset).__name__}, draws .* its own generator {path}\. .* rng"
    )
    with pytest.raises(DTypeError, match=refused):
        line(batches=loader, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(DTypeError, match="cannot resume test_batches"):
        line(batches=[(X, Y)], evaluate_on={"test": loader}, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(DTypeError, match="cannot resume loader"):
        Checkpoints(tmp_path, loader=loader)
    assert len(list(line(batches=loader))) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_stream_and_a_collate_function_are_refused_too(tmp_path):
    class Draws:
        def __iter__(self):
            yield from ((x + SHARED.random(), y) for x, y in zip(X, Y, strict=True))

    with pytest.raises(DTypeError, match=r"its data set, a Draws, draws .* SHARED"):
        Checkpoints(tmp_path, loader=data.DataLoader(Draws()))
    with pytest.raises(DTypeError, match=r"its collate function, a drawing, draws .* SHARED"):
        Checkpoints(tmp_path, loader=data.DataLoader(Plain(), collate=drawing))


@pytest.mark.parametrize("role", ["augment", "transform", "sampler"])
def test_what_draws_in_the_order_of_the_batches_needs_a_generator_of_the_new_kind(role, tmp_path):
    class Drawing(list):
        def __iter__(self):
            return iter(np.random.permutation(20))  # noqa: NPY002

    part = Drawing(range(20)) if role == "sampler" else drawing_globally
    loader = data.DataLoader(X, batch_size=4, rng=np.random.default_rng(0), **{role: part})
    with pytest.raises(DTypeError, match=rf"its {role}, a \w+, draws random numbers from np\.random\.\w+, whose state"):
        Checkpoints(tmp_path, loader=loader)
    new = Drawing(range(20)) if role == "sampler" else drawing
    Drawing.__iter__ = lambda self: iter(SHARED.permutation(20))
    Checkpoints(tmp_path, loader=data.DataLoader(X, rng=np.random.default_rng(0), **{role: new}))


def test_generators_that_a_call_makes_or_that_only_the_constructor_uses_are_none_of_its_own(tmp_path):
    assert random_sources(Seeded()) == {}
    list(line(batches=data.DataLoader(Seeded(), batch_size=6), checkpoints=Checkpoints(tmp_path)))


def test_the_generator_of_a_sampler_is_part_of_a_checkpoint():
    sampler = data.WeightedRandomSampler(np.ones(20), 5, rng=SHARED)
    assert find_generators(data.DataLoader(X, sampler=sampler)) == {"sampler.rng": SHARED}


def test_a_checkpoint_of_another_kind_of_loader_is_refused(tmp_path):
    with pytest.raises(StoppedError):
        trained("map", stop_at=2, folder=tmp_path)
    with pytest.raises(CheckpointError, match="does not match"):
        trained("stream", folder=tmp_path)
