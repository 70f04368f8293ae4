"""LeNet: accuracy, results and refused options."""

import numpy as np

from models.shared import classifier
from tinygrad_edu import data


def test_bent_digits_are_bytes_of_the_same_digits_and_other_ones_each_time():
    images = data.load_embedded().x_train[:50]
    rng = np.random.default_rng(0)
    first, second = (classifier.augment(images, rng) for _ in range(2))
    assert (first.shape, first.dtype) == (images.shape, np.uint8)
    assert (first != second).any(axis=(1, 2)).all()
    assert np.corrcoef(first.mean(axis=(1, 2)), images.mean(axis=(1, 2)))[0, 1] > 0.8
