"""A small set of real digits, for jobs of which only the end matters; and a BLAS that leaves the other cores alone."""

import numpy as np
import pytest

from tinygrad_edu.data import load_embedded


@pytest.fixture(autouse=True, scope="module")
def programs_with_blas_on_one_thread():
    """Programs run beside other tests, and a second thread of OpenBLAS keeps their core busy while it waits.

    Tests about the number of cores, or of ranks, take the variable away again.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Options of the main job that make it short."""
    digits, path = load_embedded(), tmp_path_factory.mktemp("small") / "mnist.npz"
    train, test = (digits.x_train[:320], digits.y_train[:320]), (digits.x_test[:64], digits.y_test[:64])
    np.savez(path, x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
    return ["--epochs", "2", "--train-size", "320", "--data", str(path)]
