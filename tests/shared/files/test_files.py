"""Files are written atomically, even with errors and interruptions."""

import os

import pytest

from tinygrad_edu.errors import DataError
from tinygrad_edu.shared.files import write_whole


@pytest.mark.parametrize("step", ["open", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(step, tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise OSError("no")

    path = tmp_path / "net"
    write_whole(path, b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, step, fail)
        with pytest.raises(OSError, match="no"):
            write_whole(path, b"new")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["net"])
    write_whole(path, b"new")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"new", ["net"])


def test_a_link_stays_and_a_device_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("file")
    write_whole(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"
    with pytest.raises(DataError, match="not a regular file"):
        write_whole("/dev/null", b"new")
