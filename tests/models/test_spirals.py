"""The spirals: each point lies on its arm."""

import numpy as np
import pytest

from models import spirals


@pytest.mark.thorough
def test_without_noise_each_point_lies_on_the_arm_of_its_number(monkeypatch):
    monkeypatch.setattr(spirals, "NOISE", 0.0)
    points, arm = spirals.spirals(300, np.random.default_rng(0))
    radius = np.linalg.norm(points, axis=1)
    turn = np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) - spirals.TURNS * radius
    np.testing.assert_allclose((turn * spirals.ARMS - arm + 0.5) % spirals.ARMS, 0.5, atol=1e-4)
    assert np.bincount(arm).tolist() == [100] * spirals.ARMS
    assert 0.1 <= radius.min() < radius.max() <= 1
