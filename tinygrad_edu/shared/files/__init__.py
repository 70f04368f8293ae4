"""Reading of regular files, and atomic writing."""

import os
import secrets
import stat
from pathlib import Path
from typing import IO

from tinygrad_edu.errors import DataError


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a regular file to read bytes. Reject pipes and devices, which may never end.

    Raises
    ------
    DataError
        The path is not a regular file.
    OSError
        The file cannot be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DataError("it is not a regular file.")
    return Path(path).open("rb")


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to the disk."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file atomically: after a crash, the file has either its old content or the complete new content.

    A killed process may leave a temporary file in the folder, named ``.writing-`` and 16 random digits.

    Raises
    ------
    DataError
        The path exists and is not a regular file.
    OSError
        The file cannot be written.
    """
    target = Path(os.path.realpath(path))  # keep a symbolic link, and write its target
    if target.exists() and not target.is_file():
        raise DataError("it is not a regular file.")
    temporary = target.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        temporary.write_bytes(content)
        sync(temporary)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(target.parent)


def write_result(subject: str, path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file atomically; the error names `subject` and the path.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    try:
        write_whole(path, content)
    except (DataError, OSError) as error:
        raise DataError(
            f"cannot write {subject} to {os.fspath(path)}: {reason(error)}. Nothing was changed; choose another path."
        ) from error


def reason(error: Exception) -> str:
    """Return the reason for a failed read or write, to follow a colon in a message."""
    return ((isinstance(error, OSError) and error.strerror) or str(error)).removesuffix(".")
