"""Held-out MNIST: training images only, and each of them once."""

import numpy as np
import pytest

from tinygrad_edu import data
from tools import held_out_mnist


@pytest.mark.parametrize(("size", "options"), [(1000, []), (1200, ["--train-size", "1200"])])
def test_the_test_images_are_the_unused_training_images(size, options, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (1300, 28, 28), np.uint8), rng.integers(0, 10, 1300, np.uint8)
    np.savez(tmp_path / "full.npz", x_train=images, y_train=labels, x_test=images[:5] * 0, y_test=labels[:5])
    held_out_mnist.main([str(tmp_path / "full.npz"), str(tmp_path / "held_out.npz"), *options])
    digits = data.load_file(tmp_path / "held_out.npz")
    np.testing.assert_array_equal(digits.x_train, images[:size])
    np.testing.assert_array_equal(digits.y_train, labels[:size])
    np.testing.assert_array_equal(digits.x_test, images[size:])
    np.testing.assert_array_equal(digits.y_test, labels[size:])
