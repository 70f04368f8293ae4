"""LeNet: accuracy, results and refused options."""

import numpy as np
import pytest

from models import mnist_lenet
from models.shared import classifier
from tinygrad_edu import data


def test_bent_digits_are_bytes_of_the_same_digits_and_other_ones_each_time():
    images = data.load_embedded().x_train[:50]
    rng = np.random.default_rng(0)
    first, second = (classifier.augment(images, rng) for _ in range(2))
    assert (first.shape, first.dtype) == (images.shape, np.uint8)
    assert (first != second).any(axis=(1, 2)).all()
    assert np.corrcoef(first.mean(axis=(1, 2)), images.mean(axis=(1, 2)))[0, 1] > 0.8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-size", "321"], "a batch of 321 is larger than the 320 training images"),
        (
            ["--batch-size", "320"],
            "the learning-rate schedule needs at least 4 steps, got 2; increase --epochs or reduce --batch-size",
        ),
    ],
)
def test_what_cannot_be_trained_is_one_line(options, message, small, tmp_path, capsys):
    assert mnist_lenet.main([*small, *options, "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"models.mnist_lenet: {message}.\n"
