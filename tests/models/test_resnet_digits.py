"""The residual network: the output of a block, and the accuracy of the network."""

import numpy as np
import pytest

import tinygrad_edu as tg
from models import resnet_digits
from tinygrad_edu.testing import check_module


@pytest.mark.thorough
def test_a_block_adds_to_what_it_is_given_and_its_gradients_are_right():
    rng = np.random.default_rng(0)
    block, x = resnet_digits.block(4, rng).astype(np.float64), rng.normal(size=(3, 4, 5, 5))
    check_module(block, x)
    block[-1].weight.assign(np.zeros(block[-1].weight.shape))
    np.testing.assert_array_equal(block(tg.Tensor(x)).numpy(), x)
