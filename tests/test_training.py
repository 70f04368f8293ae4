"""The training loop: it learns real digits, reports what it did, leaves the model as it was, and repeats itself."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import data, nn, optim, parallel
from tinygrad_edu.training import Epoch, accuracy, fit, predict, train_epoch


@pytest.fixture(scope="module")
def digits():
    embedded = data.load_embedded()
    images = [data.to_float(part).reshape(-1, 1, 28, 28) for part in (embedded.x_train[:300], embedded.x_test[:300])]
    return tuple(zip(images, (embedded.y_train[:300], embedded.y_test[:300]), strict=True))


def classifier(rng):
    return nn.Sequential(nn.AvgPool2D(2), nn.Flatten(), nn.Dropout(0.2, rng=rng), nn.Linear(14 * 14, 10, rng=rng))


def training(digits, epochs=4, seed=0, learning_rate=lambda step: 0.3):
    """Return the model and the epochs of a small training run, which has yet to be iterated over."""
    rng = np.random.default_rng(seed)
    model = classifier(rng)
    (x, y), test = digits
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = data.DataLoader(x, y, batch_size=50, rng=rng)
    return model, fit(model, optimizer, epochs, loader, learning_rate, rng, (x, y), test)


def test_it_learns_real_digits_and_reports_each_epoch(digits):
    model, run = training(digits, epochs=6, learning_rate=lambda step: 0.3 / (1 + step / 10))
    epochs = list(run)
    assert all(isinstance(epoch, Epoch) for epoch in epochs)
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5, 6]
    assert [epoch.steps for epoch in epochs] == [6] * 6
    assert [epoch.learning_rate for epoch in epochs] == [0.3 / (1 + last / 10) for last in range(5, 36, 6)]
    assert all(epoch.seconds > 0 for epoch in epochs)
    assert epochs[-1].loss < epochs[0].loss / 2
    assert epochs[-1].train_accuracy > 0.85
    assert epochs[-1].test_accuracy > 0.6
    assert epochs[-1].train_accuracy == accuracy(model, *digits[0])
    assert epochs[-1].test_accuracy == accuracy(model, *digits[1])


def test_it_can_be_left_after_any_epoch(digits):
    _, run = training(digits, epochs=1000)
    assert next(run).epoch == 1


def test_batches_that_the_first_epoch_would_use_up_are_refused(digits):
    model, (x, y) = classifier(np.random.default_rng(0)), digits[0]
    once = iter(data.DataLoader(x, y, batch_size=50))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    run = fit(model, optimizer, 2, once, lambda step: 0.1, np.random.default_rng(0), (x, y), (x, y))
    with pytest.raises(tg.errors.DTypeError, match=r"a generator is empty after the first: give a .*DataLoader"):
        next(run)


def state(model):
    return {name: array.tobytes() for name, array in model.state_dict().items()}


def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(digits, monkeypatch):
    results = []
    for threads, seed in ((1, 0), (2, 0), (2, 0), (2, 1)):
        monkeypatch.setattr(parallel, "available_cores", lambda threads=threads: threads)
        model, run = training(digits, epochs=2, seed=seed)
        results.append(([epoch.loss for epoch in run], state(model)))
    assert results[0] == results[1] == results[2]
    assert results[3] != results[0]


def test_an_epoch_takes_a_step_for_each_batch_and_says_the_loss_of_each():
    model = nn.Linear(2, 2, rng=np.random.default_rng(0))
    model.load_state_dict({"weight": np.zeros((2, 2)), "bias": np.zeros(2)})
    x, y = np.ones((4, 2), np.float32), np.zeros(4, int)
    optimizer = optim.SGD(model.parameters(), lr=0.0)
    steps = []
    losses = train_epoch(
        model, optimizer, [(x, y)] * 3, lambda step: steps.append(step) or 1.0, np.random.default_rng(0), step=7
    )
    assert steps == [7, 8, 9]
    assert losses[0] == pytest.approx(np.log(2))
    # One step of size 1 from zero: by softmax - labels = (-1/2, 1/2) for each weight and bias.
    assert losses[1] == pytest.approx(np.log1p(np.exp(-3.0)), rel=1e-6)


def test_an_epoch_trains_in_training_mode():
    model = nn.Linear(2, 2, rng=np.random.default_rng(0)).eval()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    assert train_epoch(model, optimizer, [], lambda step: 0.1, np.random.default_rng(0)) == []
    assert model.training


# --- Predictions ---


class Modes(nn.Module):
    """Answer the class k for a row whose entry k is the greatest, and note in which modes that happened."""

    def __init__(self):
        self.inside = nn.Dropout(0.5, rng=np.random.default_rng(0))
        self.w = tg.Tensor(1.0, requires_grad=True)
        self.seen = set()

    def forward(self, x):
        out = self.inside(x) * self.w
        self.seen.add((self.training, self.inside.training, tg.is_grad_enabled(), out.requires_grad))
        return out


class Reshape(nn.Module):
    def __init__(self, shape):
        self.shape = shape

    def forward(self, x):
        return x.reshape(self.shape)


ROWS = np.eye(5, dtype=np.float32)[np.arange(200) % 5]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("threads", [1, 2, None])
def test_predictions_are_made_in_evaluation_mode_and_leave_the_model_in_its_own(training, threads):
    model = Modes().train(training)
    classes = predict(model, ROWS, threads)
    assert classes.tolist() == [k % 5 for k in range(200)]
    assert classes.dtype.kind == "i"
    assert model.seen == {(False, False, False, False)}
    assert (model.training, model.inside.training) == (training, training)


def test_a_part_that_was_frozen_in_evaluation_mode_stays_so():
    model = Modes().train()
    model.inside.eval()
    predict(model, ROWS)
    assert (model.training, model.inside.training) == (True, False)


def test_a_model_that_fails_is_left_in_its_mode():
    model = Modes().train()
    with pytest.raises(tg.errors.TinygradError):
        predict(model, np.full((3, 2), "word"))
    assert model.training
    assert model.inside.training


def test_predictions_of_nothing_are_none():
    classes = predict(Modes(), ROWS[:0])
    assert (classes.shape, classes.dtype.kind) == ((0,), "i")


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_one_logit_is_that_of_class_1_against_class_0(shape):
    model = Reshape(shape)
    logits = np.array([[-2.0], [0.5], [3.0], [-0.1]], np.float32)
    assert predict(model, logits).tolist() == [0, 1, 1, 0]
    assert accuracy(model, logits, np.array([0, 1, 0, 0])) == 0.75
    assert accuracy(model, logits[:1], np.array([0])) == 1.0


def test_labels_that_would_broadcast_are_refused():
    with pytest.raises(tg.errors.ShapeError, match=r"labels of shape \(200, 1\) for classes of shape \(200,\)"):
        accuracy(Modes(), ROWS, np.zeros((200, 1), int))


def test_accuracy_is_the_share_of_right_labels():
    labels = np.arange(200) % 5
    labels[:50] = 7
    assert accuracy(Modes(), ROWS, labels) == 0.75
