"""A long time limit for the examples of the lessons, for machines under load."""

import pytest

from tinygrad_edu.lessons import time_limit


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(time_limit, "PATIENCE", 600.0)
