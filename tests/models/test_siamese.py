"""Siamese network: the pairs, the loss, and the picture of the embedded digits."""

import numpy as np
import pytest

import tinygrad_edu as tg
from models import siamese
from tinygrad_edu.testing import check_vjp

LABELS = np.array([3, 5, 3, 5, 7])


def test_every_other_pair_is_of_the_same_digit(monkeypatch):
    monkeypatch.setattr(siamese, "PAIRS", 50)
    labels = np.arange(60) % 10
    found, same = siamese.pairs(labels[:, None, None], labels, np.random.default_rng(0))
    assert found.shape == (50, 2, 1, 1)
    assert ((found[:, 0] == found[:, 1]).ravel() == same).all()
    assert same.sum() == 25


def test_the_loss_is_that_of_each_pair_written_out():
    points = np.random.default_rng(0).normal(0, 0.5, (5, 2))
    costs = {True: [], False: []}
    for a in range(5):
        for b in range(a):
            distance = np.linalg.norm(points[b] - points[a] + 1e-6)
            same = LABELS[a] == LABELS[b]
            costs[same].append((distance if same else max(0, siamese.MARGIN - distance)) ** 2)
    expected = (np.mean(costs[True]) + np.mean(costs[False])) / 2
    loss = siamese.ContrastiveLoss()
    assert loss(tg.Tensor(points), LABELS).item() == pytest.approx(expected, rel=1e-12)
    check_vjp(lambda points: loss(points, LABELS), points)


def test_a_pair_goes_through_the_network_as_its_images_do():
    rng = np.random.default_rng(0)
    model, images = siamese.Embedding(rng), tg.Tensor(rng.random((3, 2, 28, 28), np.float32))
    np.testing.assert_allclose(model(images)[:, 1].numpy(), model(images[:, 1]).numpy(), rtol=1e-5, atol=1e-6)
