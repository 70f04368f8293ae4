"""Fixtures: options of a short job on a few real digits, and OpenBLAS on one thread."""

import numpy as np
import pytest

from tinygrad_edu.data import load_embedded


@pytest.fixture(autouse=True, scope="module")
def programs_with_blas_on_one_thread():
    """Set OPENBLAS_NUM_THREADS to 1 for programs: a waiting second thread would keep the core of another test busy.

    Tests of the number of cores or ranks remove the variable.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Return options that make the main job short."""
    digits, path = load_embedded(), tmp_path_factory.mktemp("small") / "mnist.npz"
    train, test = (digits.x_train[:320], digits.y_train[:320]), (digits.x_test[:64], digits.y_test[:64])
    np.savez(path, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    return ["--epochs", "2", "--train-size", "320", "--data", str(path)]
