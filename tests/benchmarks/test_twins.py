"""Training of the models agrees with PyTorch: equal weights and batches lead to equal losses."""

from importlib import import_module

import numpy as np
import pytest


@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "tolerance"),
    [
        ("char_gpt", 1e-10),
        ("char_lstm", 1e-4),
        ("diffusion", 1e-4),
        ("mnist_conv", 1e-4),
        ("mnist_lenet", 1e-10),
        ("mnist_vae", 1e-10),
        ("pinn", 1e-10),
        ("resnet_digits", 1e-10),
        ("siamese", 1e-10),
        ("spirals", 1e-4),
        ("vit", 1e-10),
    ],
)
def test_the_losses_of_a_hundred_steps_agree(name, tolerance):
    found = import_module(f"benchmarks.twins.{name}").compare()
    assert len(found.losses_ours) == 100
    assert found.losses_ours[-1] < 0.95 * found.losses_ours[0]
    np.testing.assert_allclose(found.losses_ours, found.losses_theirs, rtol=tolerance, atol=0)


@pytest.mark.peers
@pytest.mark.parametrize(("name", "steps"), [("mnist_lenet", 10), ("mnist_vae", 30)])
def test_in_float32_they_agree_until_rounding_decides_between_two_pixels(name, steps):
    found = import_module(f"benchmarks.twins.{name}").compare(steps, np.float32)
    np.testing.assert_allclose(found.losses_ours, found.losses_theirs, rtol=1e-4, atol=0)
