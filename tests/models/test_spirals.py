"""The spirals: the data, their linear inseparability, and an animation of every epoch."""

import signal
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import spirals
from models.shared import results, training


@pytest.mark.thorough
def test_without_noise_each_point_lies_on_the_arm_of_its_number(monkeypatch):
    monkeypatch.setattr(spirals, "NOISE", 0.0)
    points, arm = spirals.spirals(300, np.random.default_rng(0))
    radius = np.linalg.norm(points, axis=1)
    turn = np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) - spirals.TURNS * radius
    np.testing.assert_allclose((turn * spirals.ARMS - arm + 0.5) % spirals.ARMS, 0.5, atol=1e-4)
    assert np.bincount(arm).tolist() == [100] * spirals.ARMS
    assert 0.1 <= radius.min() < radius.max() <= 1


def frames(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.n_frames


@pytest.mark.thorough
def test_a_run_that_is_stopped_and_resumed_shows_every_epoch_as_one_that_was_not(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training, "SECONDS", 0.0)
    monkeypatch.setattr(spirals, "PIXELS", 20)
    steps, asked = count(1), training.stopping.asked

    def interrupted_once():
        if next(steps) == 35:  # in the third epoch
            signal.raise_signal(signal.SIGINT)
        return asked()

    monkeypatch.setattr(training.stopping, "asked", interrupted_once)
    for folder, code in (("resumed", 130), ("whole", 0), ("resumed", 0)):
        options = ["--epochs", "3", "--quiet", "--resume", "--output", str(tmp_path / folder)]
        assert spirals.main(options) == code
        assert frames(tmp_path / folder / "boundary.gif") == (3 if code else 4)
    assert capsys.readouterr().out.count("test_accuracy") == 3
    for name in ("boundary.gif", "boundary.png", results.WEIGHTS):
        assert (tmp_path / "resumed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
