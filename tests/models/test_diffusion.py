"""Diffusion: training targets, sampling, evaluation by a classifier, and a run from start to end."""

import numpy as np
import pytest
from PIL import Image

from models import diffusion
from models.shared import generated, results, training
from tinygrad_edu import Tensor, data, nn


def test_the_way_is_straight_from_noise_to_the_digit():
    digits, rng = data.load_embedded(), np.random.default_rng(0)
    x, times, labels, velocity = diffusion.on_the_way(digits.x_train, digits.y_train, rng)
    left = (1 - times)[:, None, None, None]
    np.testing.assert_allclose(x + left * velocity, diffusion.scaled(digits.x_train), atol=1e-5)
    noise = x - (1 - left) * velocity
    assert (noise.mean(), noise.std()) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert 0 < times.min() < 0.1 < 0.9 < times.max() < 1
    forgotten = labels != digits.y_train
    assert (labels[forgotten] == diffusion.ANY).all()
    assert forgotten.mean() == pytest.approx(diffusion.FORGOTTEN, abs=0.03)
    assert {part.dtype for part in (x, times, velocity)} == {np.dtype(np.float32)}


class Told(nn.Module):
    """Velocity of a straight path with constant speed to an end point named by the label."""

    def forward(self, images, times, labels):
        return Tensor((labels[:, None, None, None] - images) / (1 - times[:, None, None, None]))


def test_straight_ways_are_gone_to_their_end_in_any_number_of_steps(monkeypatch):
    noise, labels = np.random.default_rng(0).normal(size=(3, 1, 2, 2)), np.array([0, 4, 9])
    for steps in (1, 7):
        monkeypatch.setattr(diffusion, "STEPS", steps)
        stations = diffusion.way(Told(), noise, labels, guidance=1.0)
        assert len(stations) == steps + 1
        np.testing.assert_array_equal(stations[0], noise)
        np.testing.assert_allclose(stations[-1], np.ones((3, 1, 2, 2)) * labels[:, None, None, None], atol=1e-5)


def test_guidance_goes_further_the_way_that_the_label_makes_a_difference(monkeypatch):
    monkeypatch.setattr(diffusion, "STEPS", 1)
    end = diffusion.way(Told(), np.zeros((1, 1, 2, 2)), np.array([4]), guidance=3.0)[-1]
    np.testing.assert_allclose(end, diffusion.ANY + 3 * (4 - diffusion.ANY))


def test_copies_are_told_from_new_digits_and_one_digit_from_many():
    digits = data.load_embedded()
    assert generated.to_nearest(digits.x_train[:20], digits.x_train) == pytest.approx(0, abs=0.01)
    assert generated.to_nearest(digits.x_test[:20], digits.x_train) > 4
    images = np.zeros((4, 28, 28), np.uint8)
    images[1, :3, :3], images[3] = 255, 255
    assert generated.to_others(images, np.array([0, 0, 1, 1])) == pytest.approx((3 + 28) / 2)


@pytest.fixture
def quick(small, monkeypatch):
    """Return options of a short run."""
    monkeypatch.setattr(training, "SECONDS", 0.0)
    monkeypatch.setattr(generated, "JUDGE_EPOCHS", 1)
    for name, value in (("CHANNELS", 8), ("EACH", 2), ("STEPS", 4)):
        monkeypatch.setattr(diffusion, name, value)
    return [*small, "--quiet", "--resume"]


@pytest.mark.thorough
def test_a_run_is_judged_and_drawn_and_drawn_anew_with_more_guidance(quick, tmp_path, capsys):
    assert diffusion.main([*quick, "--output", str(tmp_path)]) == 0
    summary = results.read_summary(tmp_path)
    assert f'"read_as_intended": {summary["read_as_intended"]}' in capsys.readouterr().out
    assert 0.3 < summary["judge_accuracy"] < 1
    with Image.open(tmp_path / "becoming.gif") as animation:
        assert animation.n_frames == 5
    for name in ("digits.png", "becoming.png"):
        assert np.asarray(Image.open(tmp_path / name).convert("L")).std() > 20
    assert diffusion.main([*quick, "--guidance", "9", "--output", str(tmp_path)]) == 0
    again = results.read_summary(tmp_path)["files"]
    changed = {name for name, said in again.items() if said != summary["files"][name]}
    assert changed == {*diffusion.PICTURES}


def test_a_judge_that_is_no_run_is_one_line_before_anything_is_trained(small, tmp_path, capsys):
    assert diffusion.main([*small, "--judge", str(tmp_path), "--output", str(tmp_path / "run")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert str(tmp_path) in err
