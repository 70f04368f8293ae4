"""The default jobs reach the results that the pages name, and short jobs report the accuracy of their saved weights."""

from importlib import import_module

import numpy as np
import pytest

from models.shared import results

JOBS = {
    "char_gpt": lambda told: told["held_out_bits"] < 0.7 * told["three_gram_bits"],
    "char_lstm": lambda told: told["held_out_bits"] < 0.72 * told["three_gram_bits"],
    "diffusion": lambda told: (
        told["judge_accuracy"] >= 0.97
        and told["read_as_intended"] >= 0.97
        and told["to_nearest_training_digit"] > 0.9 * told["to_nearest_training_digit_of_test"]
        and told["to_others_of_the_kind"] > 0.75 * told["to_others_of_the_kind_of_test"]
    ),
    "mnist_conv --recipe tuned": lambda told: told["test_accuracy"] >= 0.93,
    "mnist_conv --recipe original": lambda told: told["epochs"] == 300 and 0.855 < told["test_accuracy"] < 0.885,
    "mnist_lenet": lambda told: told["test_accuracy_in_4_views"] > told["test_accuracy"] >= 0.984,
    "mnist_vae": lambda told: told["test_nats"] < 161,
    "pinn": lambda told: told["greatest_error"] < 1e-3,
    "siamese": lambda told: told["test_pair_accuracy"] >= 0.93,
    "spirals": lambda told: told["test_accuracy"] >= 0.99,
    "vit": lambda told: told["test_accuracy"] >= 0.96,
}


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_the_default_job_reaches_its_result(job, tmp_path):
    name, *options = job.split()
    assert import_module(f"models.{name}").main([*options, "--quiet", "--output", str(tmp_path)]) == 0
    assert JOBS[job](results.read_summary(tmp_path))


@pytest.mark.slow
def test_the_residual_network_reads_98_6_percent_in_the_mean_of_three_seeds(tmp_path):
    found = []
    for seed in "012":
        options = ["--quiet", "--views", "0", "--seed", seed, "--output", str(tmp_path / seed)]
        assert import_module("models.resnet_digits").main(options) == 0
        found.append(results.read_summary(tmp_path / seed)["test_accuracy"])
    assert round(float(np.mean(found)), 3) >= 0.986
