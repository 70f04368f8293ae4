"""Whole batches and shards: NumPy alone, the threads of BLAS, several workers, and the numbers that layers draw."""

import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from tests.parallel.simulated import on_workers
from tinygrad_edu import data, nn, optim
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn.randomness import current_stream
from tinygrad_edu.training import Accuracy, ConfusionMatrix, evaluate, fit, predict

X = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
METRICS = {"accuracy": Accuracy(), "matrix": ConfusionMatrix(), "loss": nn.cross_entropy}


@pytest.mark.thorough
def test_without_threadpoolctl_fit_is_the_plain_loop():
    program = (
        "import sys; import tinygrad_edu.training; sys.modules['threadpoolctl'] = None\n"
        "from tests.training import test_exact as tests\n"
        "tests.check(tests.Program(layers=('dropout', 'normalizes inside'), batches='augmented', max_norm=0.05))\n"
        "model, told = tests.nn.Linear(4, 4), {'evaluate_on': {'x': (tests.X, tests.Y)}}\n"
        "tests.fit_once(model, metrics={'loss': tests.nn.cross_entropy}, **told)\n"
        "print(tinygrad_edu.training.predict(model, tests.X).shape)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == ("(9,)\n", "")


class SeesThreads(nn.Linear):
    """A layer that records the number of BLAS threads, in an object that shards may change."""

    def __init__(self, seen):
        super().__init__(4, 2, rng=np.random.default_rng(0))
        self.see = lambda: seen.update(threads_of_blas())

    def forward(self, x):
        self.see()
        return super().forward(x)


def threads_of_blas():
    """Return the threads of NumPy's BLAS. SciPy's, which another test may load later, computes nothing here."""
    libraries = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return {library["num_threads"] for library in libraries if "scipy.libs" not in library["filepath"]}


@pytest.mark.parametrize(("settings", "threads"), [({}, 2), ({"shard_size": 8}, 1)])
def test_the_threads_of_blas_are_limited_in_shards_alone(settings, threads):
    with threadpool_limits(2, "blas"):
        model = SeesThreads(seen := set())
        told = {"metrics": METRICS, "evaluate_on": {"x": (X, Y)}, **settings}
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        list(fit(model, optimizer, nn.cross_entropy, [(X, Y)], 1, rng=np.random.default_rng(0), **told))
        predict(model, X, **settings)
    assert seen == {threads}


def fitted(workers, **settings):
    model = nn.Linear(4, 2, rng=np.random.default_rng(0))
    told = {"rng": np.random.default_rng(0), "workers": workers, **settings}
    return list(fit(model, optim.SGD(model.parameters(), lr=0.1), nn.cross_entropy, [(X, Y)], 1, **told))


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("fit", fitted),
        ("evaluate", lambda workers: evaluate(nn.Identity(), [(X, Y)], METRICS, workers=workers)),
        ("predict", lambda workers: predict(nn.Identity(), X, workers=workers)),
    ],
)
def test_several_workers_require_shards(name, use):
    def on(worker):
        with pytest.raises(DTypeError, match=f"^{name}: 2 workers share the shards of each batch, .* shard_size=64"):
            use(worker)

    on_workers(2, on)


class Noise(nn.Module):
    """Noise in training and in evaluation."""

    def __init__(self, rng):
        self.rng = rng

    def forward(self, x):
        return x + current_stream(self.rng).normal(size=x.shape).astype(x.dtype)


@pytest.mark.parametrize("shard_size", [None, 4])
def test_evaluation_leaves_the_random_numbers_of_the_training_alone(shard_size):
    def weights(**settings):
        rng, own = np.random.default_rng(1), np.random.default_rng(2)
        model = nn.Sequential(nn.Linear(4, 2, rng=rng), Noise(own), nn.Dropout(0.3))
        loader = data.DataLoader(X, Y, batch_size=9, rng=rng)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        list(fit(model, optimizer, nn.cross_entropy, loader, 3, rng=rng, shard_size=shard_size, **settings))
        return model[0].weight.numpy().tolist(), rng.random(), own.random()

    assert weights(metrics=METRICS, evaluate_on={"x": (X, Y)}) == weights()


@pytest.mark.parametrize("shard_size", [1, 7, 30, 100])
def test_evaluation_and_prediction_in_shards_agree_with_those_of_whole_batches(shard_size):
    model = nn.Sequential(nn.Linear(4, 8, rng=np.random.default_rng(0)), nn.BatchNorm1D(8), nn.Linear(8, 2))
    batches = [(X[:20], Y[:20]), (X[20:], Y[20:])]
    metrics = {**METRICS, "joined": lambda out, y: nn.cross_entropy(out, y) ** 2}
    whole, found = evaluate(model, batches, metrics), evaluate(model, batches, metrics, shard_size=shard_size)
    assert found["accuracy"] == whole["accuracy"]
    assert (found["matrix"] == whole["matrix"]).all()
    assert [found[name] for name in ("loss", "joined")] == pytest.approx([whole["loss"], whole["joined"]], rel=1e-5)
    assert (predict(model, X, shard_size=shard_size) == predict(model, X)).all()
