"""The training loop: it learns real digits, reports results, is reproducible, and takes the requested steps."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import tinygrad_edu as tg
from tests.parallel.simulated import on_workers
from tinygrad_edu import data, nn, optim, parallel
from tinygrad_edu.training import Accuracy, Checkpoints, EarlyStopping, Epoch, Perplexity, Steps, evaluate, fit


@pytest.fixture(scope="module")
def digits():
    embedded = data.load_embedded()
    images = [data.to_float(part).reshape(-1, 1, 28, 28) for part in (embedded.x_train[:300], embedded.x_test[:300])]
    return dict(
        zip(("train", "test"), zip(images, (embedded.y_train[:300], embedded.y_test[:300]), strict=True), strict=True)
    )


def training(digits, epochs=4, seed=0, schedule=lambda step: 0.3, **settings):
    """Return the model and the epochs of a small training run, not yet iterated."""
    rng = np.random.default_rng(seed)
    model = nn.Sequential(nn.AvgPool2D(2), nn.Flatten(), nn.Dropout(0.2, rng=rng), nn.Linear(14 * 14, 10, rng=rng))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = data.DataLoader(*digits["train"], batch_size=50, rng=rng)
    settings = {"metrics": {"accuracy": Accuracy()}, "evaluate_on": {k: [v] for k, v in digits.items()}, **settings}
    return model, fit(model, optimizer, nn.cross_entropy, loader, epochs, rng=rng, schedule=schedule, **settings)


def test_it_learns_real_digits_and_reports_each_epoch(digits):
    history, steps = [], []
    model, run = training(
        digits, epochs=6, schedule=lambda step: 0.3 / (1 + step / 10), history=history, on_step=steps.append
    )
    epochs = list(run)
    assert history == epochs
    assert all(isinstance(epoch, Epoch) for epoch in epochs)
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert [epoch.steps for epoch in epochs] == [6] * 6
    assert [epoch.learning_rate for epoch in epochs] == [0.3 / (1 + last / 10) for last in range(5, 36, 6)]
    assert all(epoch.seconds > 0 for epoch in epochs)
    assert epochs[-1].loss < epochs[0].loss / 2
    assert epochs[-1].metrics["train_accuracy"] > 0.85
    assert epochs[-1].metrics["test_accuracy"] > 0.6
    for name, each in digits.items():
        assert evaluate(model, [each], {"accuracy": Accuracy()})["accuracy"] == epochs[-1].metrics[f"{name}_accuracy"]
    assert [step.number for step in steps] == list(range(36))
    assert np.mean([step.loss for step in steps[:6]]) == pytest.approx(epochs[0].loss)


@pytest.mark.parametrize(("epochs", "evaluated"), [(4, [3, 4]), (6, [3, 6]), (2, [2])])
def test_it_evaluates_every_so_many_epochs_and_after_the_last(digits, epochs, evaluated):
    _, run = training(digits, epochs, evaluate_every=3)
    _, every = training(digits, epochs)
    for one, other in zip(run, every, strict=True):
        assert one.metrics == (other.metrics if one.epoch in evaluated else {})
        assert one.loss == other.loss


def test_it_can_be_left_after_any_epoch(digits):
    _, run = training(digits, epochs=1000)
    assert next(run).epoch == 1


def state(model):
    return {name: array.tobytes() for name, array in model.state_dict().items()}


@pytest.mark.thorough
def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(digits, monkeypatch):
    results = []
    for threads, seed in ((1, 0), (2, 0), (2, 0), (2, 1)):
        monkeypatch.setattr(parallel.workers, "available_cores", lambda threads=threads: threads)
        model, run = training(digits, epochs=2, seed=seed, shard_size=16)
        results.append(([(epoch.loss, epoch.metrics) for epoch in run], state(model)))
    assert results[0] == results[1] == results[2]
    assert results[3] != results[0]


def without_denominator(out, target):
    """Return the mean square as one dot product, a loss without a denominator: it is computed on joined outputs."""
    return out.reshape(-1) @ out.reshape(-1) / out.size


@pytest.mark.parametrize(
    ("optimizer", "settings"),
    [
        (optim.Muon, {}),
        (optim.SGD, {"max_norm": 1e-3}),
        (optim.SGD, {"metrics": {"loss": without_denominator}}),
    ],
    ids=["Muon", "clipping", "the loss of joined outputs as a metric"],
)
def test_shards_have_the_same_bits_on_any_number_of_blas_threads(optimizer, settings):
    def trained(blas_threads):
        rng = np.random.default_rng(0)
        model, x = nn.Linear(200, 300, bias=False, rng=rng).astype(np.float64), rng.normal(size=(200, 200))
        with threadpool_limits(blas_threads, "blas"):
            run = fit(model, optimizer(model.parameters(), lr=1.0), without_denominator, [(x, x)], 5, rng=rng,
                      shard_size=64, evaluate_on={"all": [(x, x)]}, **settings)  # fmt: skip
            return [(epoch.loss, epoch.metrics) for epoch in run], state(model)

    assert trained(1) == trained(2)


# --- Invalid arguments ---


def line(rng=None):
    return nn.Linear(2, 2, rng=rng or np.random.default_rng(0))


X, Y = np.random.default_rng(1).normal(size=(12, 2)).astype(np.float32), np.arange(12) % 2


def run_on(batches, loss=nn.cross_entropy, model=None, **settings):
    model, rng = model or line(), np.random.default_rng(0)
    list(fit(model, optim.SGD(model.parameters(), lr=0.1), loss, batches, 2, **{"rng": rng, **settings}))
    return model


LOADER = data.DataLoader(X, Y, batch_size=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"batches": iter(LOADER)},
            r"iterates over the batches .* a generator can be iterated only once\. Pass a .*DataLoader",
        ),
        ({"evaluate_on": {"test": iter(LOADER)}}, "iterates over test in each epoch"),
        ({"evaluate_every": 0}, "evaluate_every"),
        ({"batches": data.DataLoader(X, batch_size=4)}, r"a batch must be a tuple \(x, y\) .* This one is a ndarray"),
        ({"batches": [(X,)]}, "This one has 1 part"),
        ({"batches": [((X, X), Y[:3])], "model": nn.Bilinear(2, 2, 2)}, r"shapes \(12, 2\), \(12, 2\), \(3,\)"),
        ({"rng": 0}, "rng must be a numpy.random.Generator, got 0"),
        (
            {"batches": data.DataLoader(X, Y, batch_size=20, drop_last=True)},
            r"fit\(\): expected at least 1 batch, got none",
        ),
        ({"checkpoints": Checkpoints("nowhere", model=line())}, "the name model is already used by another part"),
        ({"resume": True}, "resume=True requires checkpoints"),
        ({"accumulate": 0}, "accumulate must be an integer >= 1, got 0"),
        ({"shard_size": 0}, "shard_size must be an integer >= 1, got 0"),
        (
            {"evaluate_on": {"test": [(X, Y)]}, "metrics": {"a": Accuracy}},
            r"must be .*Accuracy\(\), or a function .* got the class",
        ),
        (
            {"evaluate_on": {"test": [(X, Y)]}, "metrics": {"a": "accuracy"}},
            r"metrics\['a'\] must be an instance of a Metric, .* got 'accuracy'",
        ),
        ({"evaluate_on": {"test": []}, "metrics": {"a": Accuracy()}}, "evaluate: expected at least 1 batch"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(settings, message):
    with pytest.raises((tg.errors.DTypeError, ValueError), match=message):
        run_on(**{"batches": LOADER, **settings})


def test_checkpoints_in_the_middle_of_an_epoch_need_batches_that_can_be_taken_up_there(tmp_path):
    class Scaled(data.DataLoader):
        def __iter__(self):
            return ((2 * x, y) for x, y in super().__iter__())

    scaled = Scaled(X, Y, batch_size=4)
    assert (
        state(run_on(scaled, checkpoints=Checkpoints(tmp_path))) == state(run_on(list(scaled))) != state(run_on(LOADER))
    )
    with pytest.raises(tg.errors.DTypeError, match="got a Scaled"):
        run_on(scaled, checkpoints=Checkpoints(tmp_path, every_steps=1))


@pytest.mark.filterwarnings("ignore:overflow|invalid:RuntimeWarning")
def test_a_loss_that_is_not_finite_stops_before_its_step_and_says_where():
    model = line()
    before, bad = state(model), X.copy()
    bad[5] = np.inf
    with pytest.raises(tg.errors.NonFiniteLossError, match=r"became nan in epoch 1, batch 2, .*detect_anomaly"):
        run_on([(X[:4], Y[:4]), (bad[4:8], Y[4:8])], model=model, schedule=lambda step: 0.0)
    assert state(model) == before
    with pytest.raises(tg.errors.NonFiniteLossError, match="in epoch 1, batches 1 to 2, "):
        run_on([(X[:4], Y[:4]), (bad[4:8], Y[4:8])], accumulate=2)
    with pytest.raises(
        tg.errors.NonFiniteLossError, match=r"in epoch 2, batch 1, (?s:.*)1 of 2 elements of bias, bias\[0\]"
    ):
        run_on([(X, Y)], model=model, on_step=lambda step: model.bias.assign([np.nan, 0.0]))


# --- Steps ---


def stepped(batches, **settings):
    """Return a model after steps over batches, and the steps."""
    model = line()
    steps = Steps(model, optim.SGD(model.parameters(), lr=0.5), nn.cross_entropy, np.random.default_rng(0), **settings)
    return model, list(steps.run(batches))


def test_a_step_is_taken_for_each_batch_and_says_its_loss():
    model = nn.Linear(2, 2, rng=np.random.default_rng(0)).eval()
    model.load_state_dict({"weight": np.zeros((2, 2)), "bias": np.zeros(2)})
    x, y = np.ones((4, 2), np.float32), np.zeros(4, int)
    numbers = []
    steps = Steps(
        model, optim.SGD(model.parameters(), lr=0.0), nn.cross_entropy, np.random.default_rng(0),
        schedule=lambda step: numbers.append(step) or 1.0,
    )  # fmt: skip
    assert list(steps.run([])) == []
    assert model.training
    found = list(steps.run([(x, y)] * 3, first=7))
    assert numbers[:3] == [7, 8, 9] == [step.number for step in found]
    assert (found[0].samples, found[0].batches) == (4, 1)
    assert found[0].loss == pytest.approx(np.log(2))
    # One step of size 1 from zero: the gradient is softmax - labels = (-1/2, 1/2) for each weight and bias.
    assert found[1].loss == pytest.approx(np.log1p(np.exp(-3.0)), rel=1e-6)


def close(a, b):
    for one, other in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("ignored", [0, 3, 5])
def test_several_batches_of_any_size_make_the_step_of_one(ignored):
    labels = Y.copy()
    labels[:ignored] = -100  # some or all labels of the first batch
    cuts = [slice(0, 5), slice(5, 7), slice(7, 12)]
    whole, (one,) = stepped([(X, labels)])
    several, (together,) = stepped([(X[cut], labels[cut]) for cut in cuts], accumulate=3)
    close(whole, several)
    assert together.loss == pytest.approx(one.loss, rel=1e-6)
    assert (together.samples, together.batches) == (12, 3)


def test_what_is_left_of_an_epoch_is_a_step_too():
    _, steps = stepped([(X, Y)] * 5, accumulate=2)
    assert [(step.number, step.batches) for step in steps] == [(0, 2), (1, 2), (2, 1)]


def test_gradients_are_clipped_together():
    model, clipped = line(), stepped([(100 * X, Y)], max_norm=0.25)[0]
    moved = [a.numpy() - b.numpy() for a, b in zip(clipped.parameters(), model.parameters(), strict=True)]
    assert np.linalg.norm(np.concatenate([part.ravel() for part in moved])) == pytest.approx(0.5 * 0.25, rel=1e-4)


def test_averaged_weights_are_what_is_evaluated_and_not_what_is_trained():
    model = line()
    average = optim.MovingAverage(model.parameters(), decay=0.5)
    plain = run_on(LOADER)
    told = {"metrics": {"perplexity": Perplexity()}, "evaluate_on": {"train": [(X, Y)]}}
    history = []
    run_on(LOADER, model=model, average=average, history=history, **told)
    assert average.n_averaged == 6
    assert state(model) == state(plain)
    with average.swap():
        assert history[-1].metrics["train_perplexity"] == evaluate(model, [(X, Y)], told["metrics"])["perplexity"]
    assert history[-1].metrics["train_perplexity"] != evaluate(model, [(X, Y)], told["metrics"])["perplexity"]


def test_of_unequal_batches_the_loss_of_an_epoch_is_the_mean_over_samples():
    history = []
    run_on([(X[:10], Y[:10]), (X[10:], Y[10:])], history=history, schedule=lambda step: 0.0)
    assert history[0].loss == pytest.approx(nn.cross_entropy(line()(X), Y).item(), rel=1e-6)


# --- Augmented batches ---


def noisy(x, y, *, rng):
    return x + rng.normal(scale=0.5, size=x.shape).astype(np.float32), y


def augmented(monkeypatch, threads, dropout=0.5, augment=noisy, **settings):
    """Train on augmented batches on threads. Return the bits, the history, and the generator's next draw."""
    monkeypatch.setattr(parallel.workers, "available_cores", lambda: threads)
    rng = np.random.default_rng(0)
    model, history = nn.Sequential(nn.Dropout(dropout), line()), []
    loader = data.DataLoader(X, Y, batch_size=9, rng=rng, augment=augment, **settings)
    told = {"metrics": {"perplexity": Perplexity()}, "evaluate_on": {"noisy": loader}, "history": history}
    run_on(loader, model=model, rng=rng, shard_size=2, **told)
    return state(model), [(epoch.loss, epoch.metrics) for epoch in history], rng.random()


@pytest.mark.parametrize("transform", [None, lambda x, y: (x[::-1], y[::-1])])
def test_augmented_batches_give_the_same_bits_on_any_number_of_threads(transform, monkeypatch):
    results = [augmented(monkeypatch, threads, transform=transform) for threads in (1, 2, 3)]
    assert results[0] == results[1] == results[2]
    assert results[0][:2] != augmented(monkeypatch, 1, augment=None, transform=transform)[:2]


def test_each_shard_is_augmented_where_it_is_computed_from_a_stream_of_its_own(monkeypatch):
    taken, drawn = [], []

    def noted(x, y, *, rng):
        taken.append(len(x))
        drawn.append(rng.random())
        return x, y

    augmented(monkeypatch, 1, augment=noted, shuffle=False)
    first, *sizes = taken  # one sample, to find whether the loss has a denominator
    assert (first, sizes[:7]) == (1, [2, 2, 2, 2, 1, 2, 1])  # a batch of 9 samples, and a batch of 3
    shards = [*drawn[1:8], *drawn[15:22]]  # of two epochs, each followed by an evaluation
    assert len(set(shards)) == len(shards)
    assert drawn[8:15] == drawn[22:]  # evaluations draw the same numbers


def test_an_augmentation_of_another_number_of_samples_says_so():
    loader = data.DataLoader(X, Y, batch_size=4, rng=np.random.default_rng(0), augment=lambda x, y, rng: (x[1:], y[1:]))
    with pytest.raises(
        tg.errors.ShapeError, match=r"augment must keep .* it got 4, and returned arrays of the lengths \[\(3,\)"
    ):
        run_on(loader)


# --- Workers ---


@pytest.mark.parametrize(
    ("differs", "named"),
    [("model", "the weights"), ("rng", "the random numbers"), ("loader", "the order of the samples")],
)
def test_workers_that_began_otherwise_are_refused_before_the_first_step(differs, named):
    """As with a forgotten seed: the sum of the gradients would not belong to any model."""

    def run(worker):
        def seeded(name):
            return np.random.default_rng(worker.rank if name == differs else 7)

        steps, model = [], line(seeded("model"))
        loader = data.DataLoader(X, Y, batch_size=4, rng=seeded("loader"))
        told = {"rng": seeded("rng"), "on_step": steps.append, "workers": worker, "shard_size": 2}
        with pytest.raises(tg.errors.WorkersDifferError, match=f"{named} differ between rank 0 and rank 1, 2"):
            run_on(loader, model=model, **told)
        return steps

    assert on_workers(3, run)[1] == [[], [], []]


# --- Early stopping ---


@pytest.mark.parametrize(
    ("settings", "values", "stops", "best"),
    [
        ({"patience": 0}, [3, 2, 2], [0, 0, 1], 2),
        ({"patience": 2}, [1, 2, 3, 4], [0, 0, 0, 1], 1),
        ({"patience": 1, "mode": "max"}, [1, 2, 1.5, 3, 1, 1], [0, 0, 0, 0, 0, 1], 4),
        ({"patience": 1, "min_delta": 0.5}, [3, 2.6, 2.5], [0, 0, 1], 1),
        ({"patience": 1}, [np.nan, np.nan], [0, 1], 0),
    ],
)
def test_early_stopping_gives_the_best_weights_back(settings, values, stops, best):
    model = line()
    stopping, states = EarlyStopping(model, **settings), [state(model)]
    for value, stop in zip(values, stops, strict=True):
        model.bias.assign(model.bias.numpy() + 1)
        states.append(state(model))
        assert stopping(value) == bool(stop)
    stopping.restore()
    assert stopping.best_call == best
    assert state(model) == states[best or -1]


@pytest.mark.parametrize(("settings", "message"), [({"mode": "best"}, "min"), ({"patience": -1}, "patience must be")])
def test_early_stopping_refuses_what_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        EarlyStopping(line(), **settings)


def test_groups_keep_their_ratio_a_frozen_body_stays_and_both_survive_a_checkpoint(digits, tmp_path):
    """Compared with a plain loop that computes the learning rate of each group."""

    def begun():
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.Tanh(), nn.Linear(8, 10))
        for k, p in enumerate(model.parameters()):
            p.assign(0.1 * np.random.default_rng(k).standard_normal(p.shape))
        model[1].weight.requires_grad = False
        groups = [{"params": model[1].parameters(), "lr": 0.01}, {"params": model[3].parameters()}]
        return model, optim.SGD(groups, lr=0.1, momentum=0.9)

    x, y = (part[:100] for part in digits["train"])
    schedule = optim.schedules.cosine(0.1, 8)
    by_hand, optimizer = begun()
    for step in range(4):
        for group, base in zip(optimizer.param_groups, (0.01, 0.1), strict=True):
            group["lr"] = base * schedule(step) / 0.1
        optimizer.zero_grad()
        nn.cross_entropy(by_hand(x), y).backward()
        optimizer.step()
    for epochs in (2, 4):  # the second run resumes after the first
        model, optimizer = begun()
        frozen = model[1].weight.numpy().copy()
        settings = {"schedule": schedule, "checkpoints": Checkpoints(tmp_path), "rng": np.random.default_rng(0)}
        for _ in fit(model, optimizer, nn.cross_entropy, [(x, y)], epochs, **settings):
            pass
    for name, values in by_hand.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], values, rtol=1e-5, atol=1e-6)
    assert [group["initial_lr"] for group in optimizer.param_groups] == [0.01, 0.1]
    np.testing.assert_array_equal(model[1].weight.numpy(), frozen)
