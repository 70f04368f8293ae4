"""Locks on folders, so that only one process at a time writes into a folder."""

import json
import os
import platform
import shlex
import sys
import time
import warnings
import weakref
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import Lock, RLock
from typing import Any

from tinygrad_edu.errors import DataError, UnlockedFolderWarning

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FolderLock"]

LOCK_FILE = ".tinygrad_edu.lock"
GRACE, PAUSE = 1.0, 0.02  # seconds: a process that was killed holds its locks a little longer
UNKNOWN = "an unknown process"
HOLDER_BYTES = 4096  # maximum size of a lock file
LOCK_OFFSET = 1 << 30  # Windows forbids reading a locked byte, so lock one beyond the end of the file


class FolderLock:
    """A lock on a folder. It is held until `release`, until this object is deleted, or until the process ends.

    The system locks the file ``.tinygrad_edu.lock`` in the folder, and unlocks it when the process ends, even by
    SIGKILL or a power failure. The file names the holder. The lock is advisory: it stops only programs that use it.

    All threads and all locks of one process share the lock on a folder. A forked child does not hold it.

    Parameters
    ----------
    folder : path
        An existing folder.

    Raises
    ------
    DataError
        Another process holds the lock. The message gives its process id, host and command, and the time of the lock.
    OSError
        The lock file cannot be opened.

    Warns
    -----
    UnlockedFolderWarning
        The file system has no locks, so a second process is not stopped.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with FolderLock(folder) as lock:
    ...         print(lock.is_held(), os.listdir(folder))
    ...     print(lock.is_held(), os.listdir(folder))
    True ['.tinygrad_edu.lock']
    False []
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._file: _LockFile | None = _shared(Path(os.path.realpath(folder)))
        self.threads = self._file.threads  # an RLock, for threads of this process that write into the folder

    def is_held(self) -> bool:
        """Return whether this object locks the folder. It does not after `release` or a move, or in a forked child."""
        return self._file is not None and self._file.is_at(self._file.path)

    def release(self) -> None:
        """Release the lock. The folder is unlocked when no other object of this process holds its lock."""
        self._file = None

    def __enter__(self) -> "FolderLock":
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


class _LockFile:
    """A lock file that this process has locked. It is unlocked and removed when the last reference is dropped."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self.handle, self.threads = path, handle, RLock()
        self.close = weakref.finalize(self, _close, path, handle)

    def is_at(self, path: Path) -> bool:
        """Return whether this file is still locked, and is the file at a path."""
        return self.close.alive and _is_at(path, self.handle)


_held_locks: list[weakref.ref[_LockFile]] = []  # a WeakSet changes while it is iterated, if a thread drops a lock
_guard = Lock()


def _living() -> list[_LockFile]:
    """Return the lock files that are still referenced, and forget the others."""
    living = [lock for reference in _held_locks if (lock := reference()) is not None]
    _held_locks[:] = map(weakref.ref, living)
    return living


def _shared(folder: Path) -> _LockFile:
    """Return the lock file of a folder, and lock it if this process does not hold it yet."""
    path = folder / LOCK_FILE
    with _guard:
        for lock in _living():
            if lock.is_at(path):
                return lock
        lock = _LockFile(path, _locked(path))
        _held_locks.append(weakref.ref(lock))
        return lock


def _locked(path: Path) -> int:
    """Open a lock file, lock it, write the holder into it, and return its handle."""
    end = time.monotonic() + GRACE
    while True:
        handle = _open(path)
        try:
            # The previous holder may have removed the file after it was opened here.
            if (free := _try_lock(path, handle)) and _is_at(path, handle):
                _write_holder(handle)
                return handle
            holder = "" if free else _holder(handle)
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if holder and time.monotonic() > end:
            raise DataError(
                f"another program is writing into {path.parent}: {holder}. Wait until it ends, stop it, or choose "
                f"another folder."
            )
        time.sleep(PAUSE)


def _open(path: Path) -> int:
    flags = getattr(os, "O_NOFOLLOW", 0)  # never write through a symbolic link
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
    except PermissionError:  # another user made the file
        return os.open(path, os.O_RDONLY | flags)


def _try_lock(path: Path, handle: int) -> bool:
    """Try to lock a file, and return False if another process holds it. Warn if the file system has no locks."""
    try:
        if sys.platform == "win32":
            os.lseek(handle, LOCK_OFFSET, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        last = f" The last holder was {holder}." if (holder := _holder(handle)) != UNKNOWN else ""
        warnings.warn(
            f"{path.parent} cannot be locked ({error.strerror}), so a second program may write into it at the "
            f"same time.{last}",
            UnlockedFolderWarning,
            stacklevel=2,
        )
    return True


def _is_at(path: Path, handle: int) -> bool:
    """Return whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except OSError:
        return False


def _write_holder(handle: int) -> None:
    record = {
        "process": os.getpid(),
        "host": platform.node(),
        "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        "command": shlex.join(sys.orig_argv)[: HOLDER_BYTES // 8],
    }
    with suppress(OSError):  # on a full disk, lock without naming the holder
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, json.dumps(record).encode())


def _holder(handle: int) -> str:
    """Return the holder that a lock file names. The file may have any content."""
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        record: dict[str, Any] = json.loads(os.read(handle, HOLDER_BYTES))
        text = "process {process} on {host}, since {since}: {command}".format(**record)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return UNKNOWN
    return "".join(c if c.isprintable() else "?" for c in text)


def _close(path: Path, handle: int) -> None:
    """Unlock a lock file, and remove it unless another file has taken its path."""
    owns_path = _is_at(path, handle)
    if os.name != "posix":  # Windows cannot remove a file that any process has open
        os.close(handle)
    with suppress(OSError):
        if owns_path:
            path.unlink(missing_ok=True)
    if os.name == "posix":  # removed first: another process may lock it as soon as it is unlocked
        os.close(handle)


def _forget() -> None:
    """Close the inherited lock files in a forked child; the parent keeps its locks."""
    global _guard
    _guard = Lock()
    for lock in _living():
        if lock.close.detach():
            os.close(lock.handle)
    _held_locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: _guard.acquire(), after_in_parent=lambda: _guard.release(), after_in_child=_forget
    )
