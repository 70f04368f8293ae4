"""Results folder that is replaced as a whole: after a kill at any moment, it shows the old set of files or the new one.

Each set is a subfolder. Its summary is written last and lists the other files with their checksums. The files in the
results folder are symbolic links through one more link, ``.results``, to the current set. Replacing that link exchanges
the sets in one step. On systems without symbolic links the files are moved one by one, and a folder without a summary
was interrupted.
"""

import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy import ndarray

from tinygrad_edu.errors import DataError
from tinygrad_edu.nn.weights.saving import decoded
from tinygrad_edu.shared.files import open_regular, sync
from tinygrad_edu.shared.files.folder_lock import FolderLock

__all__ = ["SUMMARY", "WEIGHTS", "prepare", "read_summary", "read_weights", "save"]

SUMMARY = "summary.json"
WEIGHTS = "model.safetensors"
CURRENT = ".results"
SET = ".results-"
HOUR = 3600
LARGEST_SUMMARY = 1 << 20


def prepare(folder: Path, names: Iterable[str], room: int) -> FolderLock:
    """Create the folder, lock it, and test early that `save` will be able to write.

    Parameters
    ----------
    folder : Path
    names : iterable of str
        Names of the files to save.
    room : int
        Number of bytes the files will need.

    Returns
    -------
    FolderLock
        Prevents other programs from saving into the folder until its `release`.

    Raises
    ------
    DataError
        The folder cannot be created or written, its disk is full, or another program has locked it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(os.urandom(room))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise DataError(
            f"cannot write {room:,} bytes of results to {folder}: {error.strerror}; choose another folder."
        ) from error
    for name in names:
        if (folder / name).is_dir():
            raise DataError(f"cannot write results to {folder}: {name} is a folder in it; choose another folder.")
    return lock


def save(folder: Path, write: Callable[[Path], None], summary: dict[str, Any]) -> None:
    """Replace the results in a folder, all at once. Other files in the folder stay.

    Parameters
    ----------
    folder : Path
        Created if missing.
    write : callable
        Writes the files, except the summary, into the folder that it receives.
    summary : dict
        Content of ``summary.json``. The size and checksum of each other file are added as ``"files"``.

    Raises
    ------
    OSError
        The results cannot be written. The earlier results are unchanged, unless moving a file failed on a system
        without symbolic links.
    DataError
        Another program has locked the folder. Nothing was written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FolderLock(folder) as lock, lock.threads:
        _save(folder, write, summary)


def _save(folder: Path, write: Callable[[Path], None], summary: dict[str, Any]) -> None:
    staged = _new_set(folder)
    done = {staged}
    try:
        write(staged)
        names = _seal(staged, summary)
        if _has_links(staged):
            done.add(_current(folder) or _adopt(folder, names))
            _show(folder, staged, names)
        else:
            _replace_each(folder, staged, names)
    finally:
        with suppress(OSError):
            _tidy(folder, done)


def read_summary(folder: Path) -> dict[str, Any]:
    """Return the content of ``summary.json``, or an empty dict if it is missing or unreadable."""
    try:
        with open_regular(folder / SUMMARY) as file:
            summary = json.loads(file.read(LARGEST_SUMMARY))
    except (OSError, ValueError, RecursionError):
        return {}
    return summary if isinstance(summary, dict) and isinstance(summary.get("files"), dict) else {}


def read_weights(folder: Path, name: str = WEIGHTS) -> dict[str, ndarray]:
    """Return the arrays of a weights file, after checking its size and checksum against the summary.

    Parameters
    ----------
    folder : Path
        Folder of the results.
    name : str
        ``model.safetensors`` or ``best.safetensors``.

    Raises
    ------
    DataError
        The file or the summary is missing, truncated, damaged or not of this set of results.
    """
    told = read_summary(folder).get("files", {}).get(name)
    if told is None:
        raise DataError(f"{folder / SUMMARY} is missing, damaged or does not list {name}: train again.")
    try:
        with open_regular(folder / name) as file:
            content = file.read() if os.fstat(file.fileno()).st_size == told["bytes"] else b""
        if _entry(content) != told:
            raise DataError(f"its size or checksum differs from {SUMMARY}.")
        return decoded(content)
    except Exception as error:  # a damaged summary may cause any exception
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise DataError(f"cannot read the weights in {folder / name}: {reason} Train again.") from error


def _entry(content: bytes) -> dict[str, Any]:
    """Return the summary's entry for a file."""
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _new_set(folder: Path) -> Path:
    staged = _unused(folder)
    staged.mkdir()
    return staged


def _unused(folder: Path) -> Path:
    return folder / f"{SET}{secrets.token_hex(8)}"


def _seal(staged: Path, summary: dict[str, Any]) -> list[str]:
    """Sync the files to disk, then write the summary that lists them. Return all names, the summary last."""
    files = {path.name: _entry(path.read_bytes()) for path in sorted(staged.iterdir())}
    for name in files:
        sync(staged / name)
    (staged / SUMMARY).write_text(json.dumps({**summary, "files": files}, indent=2) + "\n")
    sync(staged / SUMMARY)
    sync(staged)
    return [*files, SUMMARY]


def _current(folder: Path) -> Path | None:
    """Return the set that the folder shows, or None."""
    link = folder / CURRENT
    return folder / os.readlink(link) if link.is_symlink() else None


def _adopt(folder: Path, names: Iterable[str]) -> Path:
    """Copy the existing files into a set, and make the folder show it, so that it can be replaced in one step."""
    old = _new_set(folder)
    for name in names:
        if (folder / name).is_file():
            shutil.copy2(folder / name, old / name)
            sync(old / name)
    sync(old)
    if (folder / CURRENT).is_dir() and not (folder / CURRENT).is_symlink():  # a copy made by a tool that follows links
        os.rename(folder / CURRENT, _new_set(folder))
    _link(folder / CURRENT, old.name)
    return old


def _show(folder: Path, staged: Path, names: Iterable[str]) -> None:
    """Make the folder show the new set. Until the last step each name leads to the old set."""
    for name in names:
        if not _leads(folder / name):
            _link(folder / name, f"{CURRENT}/{name}")
    sync(folder)
    _link(folder / CURRENT, staged.name)
    sync(folder)


def _leads(path: Path) -> bool:
    """Return whether a path is a link through the link to the current set."""
    return path.is_symlink() and os.readlink(path) == f"{CURRENT}/{path.name}"


def _link(path: Path, target: str) -> None:
    """Replace a path by a symbolic link, in one step."""
    link = _unused(path.parent)  # in the same folder, so that the link is valid even if a kill leaves it there
    os.symlink(target, link)
    try:
        os.replace(link, path)
    except OSError:
        os.unlink(link)
        raise


def _has_links(folder: Path) -> bool:
    try:
        os.symlink(SUMMARY, folder / CURRENT)
    except (OSError, NotImplementedError):
        return False
    os.unlink(folder / CURRENT)
    return True


def _replace_each(folder: Path, staged: Path, names: list[str]) -> None:
    """Move the files one by one: remove the old summary first, move the new one last."""
    (folder / SUMMARY).unlink(missing_ok=True)
    sync(folder)
    for name in names[:-1]:
        os.replace(staged / name, folder / name)
    sync(folder)
    os.replace(staged / SUMMARY, folder / SUMMARY)
    sync(folder)


def _tidy(folder: Path, done: Collection[Path]) -> None:
    """Remove sets that are no longer used, sets left by killed runs, and dangling links."""
    shown, now = _current(folder), time.time()
    for path in folder.glob(f"{SET}*"):
        # A younger set may belong to a run that is saving now.
        if path != shown and (path in done or path.lstat().st_mtime < now - HOUR):
            path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)
    for path in folder.iterdir():
        if _leads(path) and not path.exists():
            path.unlink()
