"""The residual network: the output of a block, and the accuracy of the network."""

import numpy as np
import pytest

import tinygrad_edu as tg
from models import resnet_digits
from models.shared import results
from tinygrad_edu import data
from tinygrad_edu.testing import check_module
from tinygrad_edu.training import predict


@pytest.mark.thorough
def test_a_block_adds_to_what_it_is_given_and_its_gradients_are_right():
    rng = np.random.default_rng(0)
    block, x = resnet_digits.block(4, rng).astype(np.float64), rng.normal(size=(3, 4, 5, 5))
    check_module(block, x)
    block[-1].weight.assign(np.zeros(block[-1].weight.shape))
    np.testing.assert_array_equal(block(tg.Tensor(x)).numpy(), x)


@pytest.mark.thorough
def test_a_short_run_says_its_accuracy_and_leaves_the_weights_that_have_it(small, tmp_path, capsys):
    assert resnet_digits.main([*small, "--quiet", "--views", "1", "--output", str(tmp_path)]) == 0
    summary = results.read_summary(tmp_path)
    assert str(summary["test_accuracy_in_1_views"]) in capsys.readouterr().out
    model = resnet_digits.build(np.random.default_rng(1))
    model.load_state_dict(results.read_weights(tmp_path))
    digits = data.load_file(small[-1])
    read = predict(model, data.to_float(digits.x_test))
    assert float(np.mean(read == digits.y_test)) == summary["test_accuracy"]


@pytest.mark.slow
def test_the_default_job_reads_98_6_percent_of_the_test_images_in_the_mean_of_three_seeds(tmp_path):
    found = []
    for seed in ("0", "1", "2"):
        options = ["--quiet", "--views", "0", "--seed", seed, "--output", str(tmp_path / seed)]
        assert resnet_digits.main(options) == 0
        found.append(results.read_summary(tmp_path / seed)["test_accuracy"])
    assert round(float(np.mean(found)), 3) >= 0.986
