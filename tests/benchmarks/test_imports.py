"""Timing of imports in separate processes. No test depends on a measured time."""

import subprocess

import pytest

from benchmarks.imports import NOTHING, NUMPY, OURS, measure, seconds


def test_each_import_takes_some_time():
    found = measure([NOTHING, NUMPY, OURS], rounds=1)
    assert list(found) == [NOTHING, NUMPY, OURS]
    assert min(found.values()) > 0


def test_a_package_that_cannot_be_imported_is_no_time(tmp_path):
    with pytest.raises(subprocess.CalledProcessError):
        seconds("no_such_package", str(tmp_path))
