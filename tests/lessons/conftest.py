"""How long an example may take here: a right one ends, however loaded the machine is."""

import pytest

from tinygrad_edu.lessons import judge


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    monkeypatch.setattr(judge, "PATIENCE", 600.0)
