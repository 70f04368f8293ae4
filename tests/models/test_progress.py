"""What is seen of a training: a bar in a terminal, lines elsewhere, and nothing where that is asked for."""

import sys

import numpy as np
import pytest

from models import progress
from tinygrad_edu.training import Epoch

METRICS = {"test_accuracy": 0.5, "test_perplexity": 12.3456, "test_matrix": np.eye(2)}
EPOCHS = [Epoch(number, 1 / number, METRICS, 0.1, 5, 1.0) for number in (2, 3)]
FIGURES = ["loss 0.500, test accuracy 50.00%, test perplexity 12.35", "loss 0.333, test accuracy 50.00%"]


@pytest.mark.parametrize(("terminal", "quiet"), [(False, False), (True, False), (True, True), (False, True)])
def test_epochs_are_shown_and_passed_on(terminal, quiet, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    assert list(progress.shown(iter(EPOCHS), done=1, total=3, quiet=quiet)) == EPOCHS
    out, err = capsys.readouterr()
    assert out == ""
    if quiet:
        assert err == ""
        return
    assert "3/3" in err
    assert all(figures in err for figures in FIGURES)
    if not terminal:
        assert [line.split()[1] for line in err.splitlines()] == ["2/3:", "3/3:"]
        assert err.endswith(", 0 s left\n")


def test_where_there_is_no_standard_error_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress.shown(iter(EPOCHS), done=1, total=3, quiet=False)) == EPOCHS
