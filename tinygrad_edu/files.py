"""Files: read if they are regular ones, and written as a whole or not at all."""

import os
import secrets
import stat
from pathlib import Path
from typing import IO

from tinygrad_edu.errors import DataError


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a file to read its bytes, if it is one: pipes and devices may never end.

    Raises
    ------
    DataError
        It is something else.
    OSError
        It cannot be opened.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise DataError("it is not a regular file.")
    return Path(path).open("rb")


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk."""
    if os.name != "posix" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file in one step: killed at any moment, the path shows what was there before, or the whole content.

    A killed one may leave a file beside it, ``.writing-`` and a random number.

    Raises
    ------
    DataError
        There is something else than a regular file.
    OSError
        The file cannot be written.
    """
    target = Path(os.path.realpath(path))  # where a link leads, and the link stays
    if target.exists() and not target.is_file():
        raise DataError("it is not a regular file.")
    staged = target.with_name(f".writing-{secrets.token_hex(8)}")
    try:
        staged.write_bytes(content)
        sync(staged)
        os.replace(staged, target)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    sync(target.parent)


def write_result(what: str, path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file in one step, or say why `what` is not written.

    Raises
    ------
    DataError
        The file cannot be written.
    """
    try:
        write_whole(path, content)
    except (DataError, OSError) as error:
        raise DataError(
            f"cannot write {what} to {os.fspath(path)}: {reason(error)}. What was there is as it was; choose "
            f"another path."
        ) from error


def reason(error: Exception) -> str:
    """Return why a file could not be read or written, as what follows a colon in a message."""
    return ((isinstance(error, OSError) and error.strerror) or str(error)).removesuffix(".")
