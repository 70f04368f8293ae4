"""Data sets in training: the bits depend neither on threads, nor on ranks, nor on interruptions."""

import random
from functools import partial

import numpy as np
import pytest

from tests.parallel.simulated import on_workers
from tinygrad_edu import data, nn, optim
from tinygrad_edu.data.lazy_batch import LazyBatch
from tinygrad_edu.errors import CheckpointError, CheckpointWarning, DTypeError
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


@pytest.mark.thorough
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


def drawing(rng, x):
    return x + rng.normal(size=3).astype(np.float32)


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
    """Functions in a list hold a generator."""

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


class OwnStream:
    """A stream with its own generator."""

    def __init__(self):
        self.rng = SHARED

    def __iter__(self):
        yield from ((x + self.rng.normal(size=3).astype(np.float32), y) for x, y in zip(X, Y, strict=True))


class Seeded(Plain):
    """Generators created for each sample, and one that only splits the data."""

    def __init__(self):
        self.order = np.random.default_rng(0).permutation(20)

    def __getitem__(self, index):
        noise = np.random.default_rng(index).normal(size=3) + np.random.RandomState(index).normal(size=3)
        return (X[self.order[index]] + noise).astype(np.float32), Y[self.order[index]]


OWN = {
    "an attribute": (Own(), "rng"),
    "a slot": (Slotted(), "rng"),
    "a base": (OfMethod(), "rng"),
    "a partial": (OfFunctions(np.negative, partial(drawing, SHARED)), "functions.1.0"),
    "a closure": (OfFunctions((lambda rng: lambda x: drawing(rng, x))(SHARED)), "functions.0.rng"),
    "Python's class": (OfFunctions(partial(drawing, random.Random(0))), "functions.0.0"),
    "another data set": (Around(Around(data.Subset(Own(), range(20)))), "dataset.dataset.dataset.rng"),
    "a bound method": (OfFunctions(SHARED.permutation), "functions.0"),
    "legacy": (OfFunctions(np.random.RandomState(0).permutation), "functions.0"),
}  # fmt: skip


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize("threads", [0, 2])
def test_a_checkpoint_says_that_it_cannot_continue_a_data_set_with_a_generator_of_its_own(own, threads, tmp_path):
    dataset, path = OWN[own]
    loader = data.DataLoader(dataset, batch_size=6, workers=threads)
    refused = rf"cannot resume batches: its data set, a {type(dataset).__name__}, holds a generator {path}\. .* rng"
    with pytest.raises(DTypeError, match=refused):
        line(batches=loader, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(DTypeError, match="cannot resume test_batches"):
        line(batches=[(X, Y)], evaluate_on={"test": loader}, checkpoints=Checkpoints(tmp_path))
    with pytest.raises(DTypeError, match="cannot resume loader"):
        Checkpoints(tmp_path, loader=loader)
    if own != "Python's class":  # it has no method normal
        assert len(list(line(batches=loader))) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("dataset", "name"), [(Global(), r"np\.random"), (Pythons(), "random")])
def test_a_checkpoint_says_that_the_global_generators_are_not_saved(dataset, name, tmp_path):
    loader = data.DataLoader(dataset, batch_size=6)
    with pytest.warns(CheckpointWarning, match=f"does not save the state of {name}, and the program drew from it"):
        list(line(batches=loader, checkpoints=Checkpoints(tmp_path)))


def test_a_stream_and_a_collate_function_are_refused_too(tmp_path):
    with pytest.raises(DTypeError, match=r"its data set, a OwnStream, holds a generator rng"):
        Checkpoints(tmp_path, loader=data.DataLoader(OwnStream()))
    with pytest.raises(DTypeError, match=r"its collate function, a partial, holds a generator 0\."):
        Checkpoints(tmp_path, loader=data.DataLoader(Plain(), collate=partial(drawing, SHARED)))


@pytest.mark.parametrize("role", ["augment", "transform", "sampler"])
def test_what_draws_in_the_order_of_the_batches_needs_a_generator_of_the_new_kind(role, tmp_path):
    class Drawing(list):
        def __init__(self, rng):
            super().__init__(range(20))
            self.rng = rng

    def loader(rng):
        part = Drawing(rng) if role == "sampler" else partial(drawing, rng)
        return data.DataLoader(X, batch_size=4, rng=np.random.default_rng(0), **{role: part})

    with pytest.raises(DTypeError, match=rf"its {role}, a \w+, holds \w+, a RandomState, whose state is not saved"):
        Checkpoints(tmp_path, loader=loader(np.random.RandomState(0)))
    Checkpoints(tmp_path, loader=loader(SHARED))


def test_a_generator_of_a_call_is_not_one_of_the_data_set(tmp_path):
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
