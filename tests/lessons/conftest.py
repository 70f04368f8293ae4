"""A long time limit for the examples of the lessons, for machines under load."""

import pytest

from tinygrad_edu.lessons import judge


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(judge, "PATIENCE", 600.0)
