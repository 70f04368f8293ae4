"""Short runs of the programs: one line with a figure of the saved weights, and pictures that show something."""

from importlib import import_module

import numpy as np
import pytest
from matplotlib.image import imread

import tinygrad_edu as tg
from models import mnist_vae, pinn, vit
from models.shared import classifier, reading, results
from tests.models.test_declarations import VIT_SIZES
from tinygrad_edu import data
from tinygrad_edu.training import predict


def accuracy(folder, digits):
    return np.mean(predict(reading.load(folder), data.to_float(digits.x_test)) == digits.y_test)


def accuracy_in_views(folder, digits):
    return np.mean(classifier.read(reading.load(folder), digits.x_test, views=2) == digits.y_test)


def nats(folder, digits):
    model = mnist_vae.Autoencoder(np.random.default_rng(1))
    model.load_state_dict(results.read_weights(folder))
    x, noise, target = mnist_vae.held_out(digits)
    return mnist_vae.mean_nats(model(x, noise), target).item()


def greatest_error(folder, digits):
    model = pinn.Oscillation(np.random.default_rng(1))
    model.load_state_dict(results.read_weights(folder))
    t = np.linspace(0, pinn.END, 1001, dtype=np.float32)[:, None]
    return np.abs(model(tg.Tensor(t)).numpy()[:, 0] - pinn.exact(t[:, 0])).max()


# Sizes, options, pictures, and a figure of the summary with the function that computes it from the weights
RUNS = {
    "mnist_conv": ({}, [], (), "test_accuracy", accuracy),
    "mnist_lenet": ({}, ["--views", "2"], classifier.PICTURES, "test_accuracy_in_2_views", accuracy_in_views),
    "resnet_digits": ({}, ["--views", "0"], (), "test_accuracy", accuracy),
    "vit": (VIT_SIZES, ["--views", "1"], (vit.ATTENTION,), "test_accuracy", accuracy),
    "mnist_vae": ({}, [], mnist_vae.PICTURES, "test_nats", nats),
    "pinn": ({}, [], ("solution.png",), "greatest_error", greatest_error),
    "siamese": ({"PAIRS": 50}, [], ("plane.png",), "test_pair_accuracy", None),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", RUNS)
def test_a_short_run_says_what_its_weights_reach_and_draws_it(name, small, tmp_path, monkeypatch, capsys):
    sizes, options, pictures, figure, of_weights = RUNS[name]
    program, few = import_module(f"models.{name}"), data.load_embedded().take(200)
    few = data.Digits(few.x_train, few.y_train, few.x_test[:200], few.y_test[:200])
    monkeypatch.setattr(data, "load_embedded", lambda: few)
    for size, value in sizes.items():
        monkeypatch.setattr(program, size, value)
    given = small[:2] if name in ("pinn", "siamese") else small
    assert program.main([*given, *options, "--quiet", "--output", str(tmp_path)]) == 0
    (out, err), summary = capsys.readouterr(), results.read_summary(tmp_path)
    assert str(summary[figure]) in out
    assert (out.count("\n"), err) == (1, "")
    if of_weights:
        assert summary[figure] == pytest.approx(of_weights(tmp_path, data.load_file(small[-1])), rel=1e-5)
    assert any("views" in key for key in summary) == (name in ("mnist_lenet", "vit"))
    assert {*pictures} <= summary["files"].keys()
    assert all(imread(tmp_path / picture)[..., :3].std() > 0.05 for picture in pictures)
