"""Locks on folders: one process holds a lock, the error names the holder, and no lock outlives its process."""

import errno
import fcntl
import gc
import os
import re
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tinygrad_edu.errors import DataError, UnlockedFolderWarning
from tinygrad_edu.shared.files import folder_lock
from tinygrad_edu.shared.files.folder_lock import LOCK_FILE, FolderLock

HOLD = """
import sys
from tinygrad_edu.shared.files.folder_lock import FolderLock
lock = FolderLock(sys.argv[1])
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def holding(folder, script=HOLD, says="locked"):
    """Run a script on a folder in another process: until its first output, then the block, then the rest."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", script, folder], **pipes) as process:
        try:
            assert process.stdout.readline() == f"{says}\n"
            yield process
        finally:
            process.stdin.close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(folder_lock, "GRACE", 0.0)


def refused(folder):
    """Return the error message for a folder that another process has locked."""
    with pytest.raises(DataError) as error:
        FolderLock(folder)
    return str(error.value)


def is_locked(folder):
    """Return whether the file is locked for other processes."""
    handle = os.open(folder / LOCK_FILE, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@pytest.mark.thorough
def test_the_second_process_says_who_the_first_one_is(tmp_path, impatient):
    with holding(tmp_path) as process:
        said = refused(tmp_path)
    pattern = (
        rf"another program is writing into {re.escape(str(tmp_path))}: process {process.pid} on .+, "
        r"since [-\d]+ [:\d]+\S*: .*python.* -c .*\. Wait until it ends, stop it, or choose another folder\."
    )
    assert re.fullmatch(pattern, said)
    assert said.isprintable()
    assert os.listdir(tmp_path) == []  # the process has ended and removed its file
    FolderLock(tmp_path).release()


@pytest.mark.thorough
def test_what_a_killed_process_leaves_is_no_lock(tmp_path):
    with holding(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        with FolderLock(tmp_path) as lock:  # within the grace
            assert lock.is_held()
    assert process.returncode == -signal.SIGKILL


def test_the_locks_of_a_process_are_one(tmp_path, impatient):
    (tmp_path / "link").symlink_to(tmp_path)
    first, second, third = FolderLock(tmp_path), FolderLock(tmp_path / "link"), FolderLock(os.fspath(tmp_path))
    first.release()
    first.release()
    assert (first.is_held(), second.is_held(), third.is_held()) == (False, True, True)
    del second
    gc.collect()
    assert is_locked(tmp_path)
    third.release()
    assert os.listdir(tmp_path) == ["link"]


def test_threads_share_it(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        locks = list(threads.map(lambda _: FolderLock(tmp_path), range(40)))
    assert all(lock.is_held() for lock in locks)
    assert len({id(lock.threads) for lock in locks}) == 1


def in_child(function):
    """Return whether a function returns a true value in a forked child that exits normally."""
    process = os.fork()
    if not process:
        code = 1
        try:
            code = not function()
            folder_lock.weakref.finalize._exitfunc()  # the exit handlers of a program
        finally:
            os._exit(code)
    return os.waitpid(process, 0)[1] == 0


def test_a_forked_child_does_not_have_it_and_leaves_it_to_its_parent(tmp_path, impatient):
    lock = FolderLock(tmp_path)

    def child():
        return not lock.is_held() and f"process {os.getppid()} on " in refused(tmp_path)

    assert in_child(child)
    assert lock.is_held()
    assert is_locked(tmp_path)
    lock.release()
    assert in_child(lambda: FolderLock(tmp_path).is_held())
    assert os.listdir(tmp_path) == []


FORKS = """
import os, sys
from tinygrad_edu.shared.files.folder_lock import FolderLock
lock = FolderLock(sys.argv[1])
if not os.fork():
    print("forked", flush=True)
    sys.stdin.read()
    os._exit(0)
os.wait()
"""


@pytest.mark.thorough
def test_a_child_that_lives_longer_than_a_killed_process_does_not_keep_its_lock(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", FORKS, tmp_path], **pipes) as process:
        assert process.stdout.readline() == "forked\n"
        process.kill()
        with FolderLock(tmp_path):
            pass
        process.stdin.close()


def test_a_file_that_was_removed_before_it_was_locked_is_none(tmp_path, monkeypatch):
    opened, left = folder_lock._open, []

    def open_as_another_leaves(path):
        handle = opened(path)
        if not left:
            left.append(path)
            path.unlink()
        return handle

    monkeypatch.setattr(folder_lock, "_open", open_as_another_leaves)
    with FolderLock(tmp_path) as lock:
        assert lock.is_held()
    assert left


def test_it_stays_behind_with_a_folder_that_is_moved(tmp_path):
    (tmp_path / "a").mkdir()
    lock = FolderLock(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert not lock.is_held()
    (tmp_path / "a").mkdir()
    with FolderLock(tmp_path / "a") as other:
        lock.release()
        assert other.is_held()


CONTENTS = [b"", b"no", b"[]", b"{}", b"null", b"[" * 5000, b"\xff\x00", b'{"process": 1}', b"9" * 5000]


@pytest.mark.thorough
@pytest.mark.parametrize("content", CONTENTS)
def test_any_content_of_the_file_is_no_more_than_a_word(content, tmp_path, impatient):
    with holding(tmp_path):
        (tmp_path / LOCK_FILE).write_bytes(content)
        assert f"{tmp_path}: an unknown process. Wait" in refused(tmp_path)
    (tmp_path / LOCK_FILE).write_bytes(content)
    with FolderLock(tmp_path):
        assert b"process" in (tmp_path / LOCK_FILE).read_bytes()


@pytest.mark.thorough
def test_what_the_file_says_breaks_no_line(tmp_path, impatient):
    with holding(tmp_path):
        told = '{"process": "\\u001b[31m", "host": "a\\nb", "since": {}, "command": []}'
        (tmp_path / LOCK_FILE).write_text(told)
        assert "process ?[31m on a?b, since {}: []. Wait" in refused(tmp_path)


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    (tmp_path / LOCK_FILE).symlink_to("thesis.txt")
    with pytest.raises(OSError, match=os.strerror(errno.ELOOP)):
        FolderLock(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_file_of_another_user_can_be_locked(tmp_path, monkeypatch):
    (tmp_path / LOCK_FILE).touch()
    opened = os.open

    def open_to_read(path, flags, *mode):
        if flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, *mode)

    monkeypatch.setattr(os, "open", open_to_read)
    with FolderLock(tmp_path):
        assert is_locked(tmp_path)


def test_on_a_full_disk_it_is_locked_all_the_same(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with FolderLock(tmp_path):
            assert is_locked(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_the_file_system_has_no_locks_a_warning_says_so(number, tmp_path, monkeypatch):
    def flock(handle, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.warns(UnlockedFolderWarning, match=rf"{tmp_path} cannot be locked .{os.strerror(number)}.*time\.$"):
        lock = FolderLock(tmp_path)
    assert lock.is_held()
    handle = os.open(tmp_path / LOCK_FILE, os.O_RDONLY)
    assert f"process {os.getpid()} on" in folder_lock._holder(handle)
    with pytest.warns(UnlockedFolderWarning, match=rf"The last holder was process {os.getpid()} on"):
        folder_lock._try_lock(tmp_path / LOCK_FILE, handle)
    os.close(handle)


CONTEND = """
import os, sys
from tinygrad_edu.shared.files.folder_lock import FolderLock
folder, rounds = sys.argv[1], int(sys.argv[2])
for _ in range(rounds):
    with FolderLock(folder):
        os.close(os.open(f"{folder}/inside", os.O_CREAT | os.O_EXCL))  # fails where another one is inside
        os.unlink(f"{folder}/inside")
print("done")
"""


@pytest.mark.thorough
def test_no_two_processes_have_it_at_once(tmp_path):
    """Each process removes the file at its end, after another one may have opened it."""
    pauses = "folder_lock.GRACE, folder_lock.PAUSE = 60.0, 0.0"
    program = f"from tinygrad_edu.shared.files import folder_lock\n{pauses}\n{CONTEND}"
    command = [sys.executable, "-c", program, tmp_path, "150"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in "abcd"]
    assert [process.communicate()[0] for process in processes] == ["done\n"] * 4
    assert os.listdir(tmp_path) == []
