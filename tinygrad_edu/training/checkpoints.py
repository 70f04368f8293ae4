"""Checkpoints: atomic snapshots of a training run. A resumed run is bitwise equal to an uninterrupted run."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from reprlib import repr as brief
from typing import Any

from numpy import ndarray

from tinygrad_edu.errors import CheckpointError, CheckpointWarning, DataError, DTypeError, TinygradError
from tinygrad_edu.errors.caller import warn_caller
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.nn.weights.saving import decoded, encoded
from tinygrad_edu.parallel.workers import ALONE, Workers, allgather
from tinygrad_edu.shared.files import open_regular, reason, sync
from tinygrad_edu.shared.files.folder_lock import FolderLock
from tinygrad_edu.training.checkpoint_state import PartState, capture_copy, capture_state, require_state, restore_state
from tinygrad_edu.training.rng_discovery import global_states
from tinygrad_edu.training.serialization import pack, unpack

__all__ = ["Checkpoints"]

FORMAT = 1
KEEP = 2
STATE = "state.json"
NAME, STAGED = "checkpoint-", ".writing-"
POSITION = "position"


class Checkpoints:
    """Checkpoints of a training run: `save` writes the state of all parts, and `load` restores the last checkpoint.

    The last two checkpoints are kept. Each is a folder with one safetensors file for the arrays of each part, such as
    ``model.safetensors``, and ``state.json`` for everything else, with checksums. Writes are atomic: if the process is
    killed or the disk is full, earlier checkpoints are unchanged.

    Parameters
    ----------
    folder : path
        Folder used by this run only. The first `load`, `lock` or `save` creates and locks it, until `unlock`.
    every_steps : int, optional
        Number of steps after which `fit` also writes a checkpoint within an epoch.
    every_seconds : float, default 0.0
        Minimum time between two checkpoints that `fit` writes, so that short epochs are not dominated by disk writes.
        `fit` always writes one after its last epoch.
    **parts : Any
        Everything that changes in training: models, optimizers, averages, loaders, random generators, dicts, lists and
        objects with ``state_dict()`` and ``load_state_dict(values)``. `fit` adds its own parts. The generators that a
        part holds are saved with it, see `rng_discovery.find_generators`. A generator in a global variable is not
        found: pass it as a part, or hold it in an attribute.

    Warns
    -----
    CheckpointWarning
        `save` finds that the program drew from the global generators ``np.random`` or ``random``, which it cannot save.

    Raises
    ------
    DTypeError
        A part has no state that can be saved.
    MissingExtraError
        safetensors is not installed.

    Notes
    -----
    `load` requires parts that are constructed like the saved parts. For a model, it compares the repr, and the names,
    shapes and dtypes of the state; a plain number in an attribute of a module is not part of its state.

    Two programs cannot use one folder at the same time: `load`, `lock`, `save` and `fit` raise in the second program,
    and name the first. The lock is a file, ``.tinygrad_edu.lock``, see `folder_lock.FolderLock`. Checkpoints in one
    process share the lock, and its threads save one after the other. To read weights that another program saves, pass
    the path of ``model.safetensors`` to ``model.load``.

    Examples
    --------
    A custom training loop that resumes:

    >>> import tempfile
    >>> import numpy as np
    >>> from tinygrad_edu import data, nn, optim
    >>> folder = tempfile.TemporaryDirectory()
    >>> def train(epochs):
    ...     rng = np.random.default_rng(0)
    ...     model = nn.Linear(2, 3, rng=rng)
    ...     optimizer = optim.Adam(model.parameters())
    ...     loader = data.DataLoader(np.ones((8, 2), np.float32), np.arange(8) % 3, batch_size=4, rng=rng)
    ...     checkpoints = Checkpoints(folder.name, model=model, optimizer=optimizer, loader=loader)
    ...     position = checkpoints.load() or {"epoch": 0}
    ...     for epoch in range(position["epoch"], epochs):
    ...         for x, y in loader:
    ...             optimizer.zero_grad()
    ...             nn.cross_entropy(model(x), y).backward()
    ...             optimizer.step()
    ...         checkpoints.save(epoch=epoch + 1)
    ...     return position["epoch"], model
    >>> train(2)[0], train(5)[0]
    (0, 2)
    >>> folder.cleanup()
    """

    def __init__(
        self, folder: str | os.PathLike[str], every_steps: int | None = None, every_seconds: float = 0.0, **parts: Any
    ) -> None:
        self.folder, self.every_seconds = Path(folder), float(every_seconds)
        self.every_steps = None if every_steps is None else integer("every_steps", every_steps, 1)
        for name, part in parts.items():
            if name == POSITION or not name.isidentifier():
                raise DTypeError(
                    f"Checkpoints: a part cannot be named {name!r}; use an identifier other than 'position'."
                )
            require_state(name, part)
        self.parts = parts
        self.workers: Workers = ALONE
        self._lock: FolderLock | None = None
        self._process, self._global_states = os.getpid(), global_states()
        encoded({})  # raises now if safetensors is not installed

    def with_parts(self, **parts: Any) -> Checkpoints:
        """Return these checkpoints with more parts.

        Raises
        ------
        DTypeError
            A name is already used by another part.
        """
        for name in parts.keys() & self.parts.keys():
            if parts[name] is not self.parts[name]:
                raise DTypeError(f"Checkpoints: the name {name} is already used by another part; rename one of them.")
        found = Checkpoints(self.folder, self.every_steps, self.every_seconds, **{**self.parts, **parts})
        return found.for_workers(self.workers)

    def for_workers(self, workers: Workers) -> Checkpoints:
        """Let rank 0 lock, save and load for all workers. Return ``self``."""
        self.workers = workers
        return self

    def lock(self) -> None:
        """Lock the folder against other programs until `unlock`. With several workers, rank 0 locks it.

        Raises
        ------
        CheckpointError
            Another program has locked the folder; the message names its process.
        """
        if error := self._on_rank_0(self._lock_error):
            raise error

    def unlock(self) -> None:
        """Release the lock on the folder, if these checkpoints hold it."""
        if self._lock is not None:
            self._lock.release()

    def save(self, **position: Any) -> Path:
        """Write a checkpoint, and remove all but the last two.

        Parameters
        ----------
        **position
            Progress of the run: numbers, strings, arrays, and pytrees of them, which `load` returns.

        Returns
        -------
        Path
            Path of the checkpoint.

        Raises
        ------
        CheckpointError
            It cannot be written, or another program has locked the folder. Earlier checkpoints are unchanged.
        """
        states = {name: capture_state(part) for name, part in {**self.parts, POSITION: position}.items()}
        self._warn_of_global_draws()
        try:
            with self._acquire_lock().threads:
                self._remove(self.folder.glob(f"{STAGED}*"))
                path = self._write(states)
                self._remove(self._checkpoint_paths()[:-KEEP])
        except OSError as error:
            raise CheckpointError(
                f"cannot write a checkpoint to {self.folder}: {error.strerror or error}. Earlier checkpoints are "
                f"unchanged."
            ) from error
        return path

    def _warn_of_global_draws(self) -> None:
        """Warn if the state of a global generator changed since the last call."""
        before, self._global_states = self._global_states, global_states()
        for name, state in self._global_states.items():
            if state != before[name] and os.getpid() == self._process:  # Python seeds `random` again in a fork
                warn_caller(
                    f"a checkpoint does not save the state of {name}, and the program drew from it, so a resumed run "
                    f"draws other numbers. Draw from a numpy.random.Generator; a data set gets the loader's by a "
                    f"parameter rng of `__getitem__`.",
                    CheckpointWarning,
                )

    def load(self) -> dict[str, Any] | None:
        """Restore the parts from the last checkpoint.

        Returns
        -------
        dict or None
            The position that was passed to `save`, or None if there is no checkpoint.

        Raises
        ------
        CheckpointError
            The last checkpoint is damaged or belongs to another run or a newer version, or another program has locked
            the folder. The checkpoint and the parts are unchanged.
        """
        found = self._on_rank_0(self._load_last)
        if isinstance(found, CheckpointError):
            raise found
        if found is None:
            return None
        last, states = found
        position: dict[str, Any] = {}
        try:
            _restore_all({**self.parts, POSITION: position}, states)
        except CheckpointError as error:
            self.unlock()
            raise _load_error(last, error) from error
        return position

    def _acquire_lock(self) -> FolderLock:
        """Return the lock on the folder, and acquire it if necessary."""
        if self._lock is None or not self._lock.is_held():
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                self._lock = FolderLock(self.folder)
            except DataError as error:
                raise CheckpointError(f"Checkpoints: {reason(error)}.") from error
        return self._lock

    def _lock_error(self) -> CheckpointError | None:
        """Try to lock the folder. Return an error if another program has locked it."""
        try:
            with suppress(OSError):  # the folder is not writable; `save` reports it
                self._acquire_lock()
        except CheckpointError as error:
            return error
        return None

    def _on_rank_0(self, compute: Callable[[], Any]) -> Any:
        """Compute on rank 0, and return the result on all ranks."""
        workers = self.workers
        return workers.collective(lambda: allgather(workers, None if workers.rank else compute()))[0]

    def _load_last(self) -> tuple[Path, dict[str, PartState]] | CheckpointError | None:
        """Lock the folder and return the last checkpoint, an error, or None if there is no checkpoint."""
        if refusal := self._lock_error():
            return refusal
        with self._lock.threads if self._lock is not None else nullcontext():
            return self._read_last()

    def _read_last(self) -> tuple[Path, dict[str, PartState]] | CheckpointError | None:
        saved = self._checkpoint_paths()
        if not saved:
            return None
        *earlier, last = saved
        try:
            return last, _read_checkpoint(last)
        except CheckpointError as error:
            self.unlock()
            before = "".join(
                f" To resume from the earlier {path.name}, move {last.name} away." for path in earlier[-1:]
            )
            return _load_error(last, error, before)

    def _checkpoint_paths(self) -> list[Path]:
        """Return the paths of the checkpoints, oldest first."""
        found = [path for path in self.folder.glob(f"{NAME}*") if path.name.removeprefix(NAME).isdecimal()]
        return sorted(found, key=_checkpoint_number)

    def _write(self, states: Mapping[str, PartState]) -> Path:
        staged = self.folder / f"{STAGED}{secrets.token_hex(8)}"
        staged.mkdir()
        try:
            _write_files(staged, states)
            path = self.folder / f"{NAME}{1 + max(map(_checkpoint_number, self._checkpoint_paths()), default=0):06d}"
            os.rename(staged, path)
        except BaseException:
            shutil.rmtree(staged, ignore_errors=True)
            raise
        sync(self.folder)
        return path

    def _remove(self, paths: Any) -> None:
        """Remove folders. Each is renamed first, so that no reader sees a part of a checkpoint."""
        for path in list(paths):
            left = self.folder / f"{STAGED}{secrets.token_hex(8)}"
            os.rename(path, left)
            shutil.rmtree(left, ignore_errors=True)


def _load_error(path: Path, error: CheckpointError, advice: str = "") -> CheckpointError:
    """Return the error for a checkpoint that cannot be loaded."""
    why = "".join(c if c.isprintable() else "?" for c in " ".join(str(error).split())).removesuffix(".")
    return CheckpointError(f"cannot resume from {path}: {why}.{advice}")


def _checkpoint_number(path: Path) -> int:
    return int(path.name.removeprefix(NAME))


def _write_files(folder: Path, states: Mapping[str, PartState]) -> None:
    """Write the files of a checkpoint, and sync them to disk."""
    parts: dict[str, Any] = {}
    contents: dict[str, bytes] = {}
    for name, state in states.items():
        arrays: dict[str, ndarray] = {}
        parts[name] = {"kind": state.kind, "streams": state.streams, "values": pack(state.values, arrays)}
        if arrays:
            contents[f"{name}.safetensors"] = encoded(arrays)
    run = {"parts": parts, "files": {name: _sha256(content) for name, content in contents.items()}}
    manifest = {"format": FORMAT, "sha256": _sha256(_json_bytes(run)), **run}
    contents[STATE] = json.dumps(manifest, indent=1).encode()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    for path in (*map(folder.joinpath, contents), folder):  # at the end, which is faster
        sync(path)


def _read_checkpoint(folder: Path) -> dict[str, PartState]:
    """Return the states in a checkpoint, after verifying the checksums."""
    manifest = _parse_manifest(_read_file(folder, STATE))
    parts, files = (_require_type(dict, manifest.get(name), name) for name in ("parts", "files"))
    try:
        return {name: _part_state(name, part, _read_arrays(folder, name, files)) for name, part in parts.items()}
    except (DataError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{STATE} is invalid: {reason(error)}.") from error


def _read_arrays(folder: Path, part: str, files: Mapping[str, Any]) -> dict[str, ndarray]:
    """Return the arrays of a part by name."""
    name = f"{part}.safetensors"
    if name not in files:
        return {}
    content = _read_file(folder, name)
    if _sha256(content) != files[name]:
        raise CheckpointError(f"{name} was truncated or altered.")
    try:
        return decoded(content)
    except DataError as error:
        raise CheckpointError(f"{name} is invalid: {reason(error)}.") from error


def _part_state(name: str, part: Any, arrays: dict[str, ndarray]) -> PartState:
    """Return the state of a part from its entry in ``state.json`` and its arrays."""
    _require_type(dict, part, f"the part {name}")
    if part.keys() != set(PartState._fields):
        raise CheckpointError(f"{STATE} is invalid: {name} must have the entries {', '.join(PartState._fields)}.")
    return PartState(
        _require_type(str, part["kind"], f"the kind of {name}"),
        _require_type(dict, part["streams"], f"the streams of {name}"),
        unpack(part["values"], arrays, name),
    )


def _require_type(kind: type, value: Any, what: str) -> Any:
    """Return a value of ``state.json``, or raise if it has another type."""
    if not isinstance(value, kind):
        raise CheckpointError(f"{STATE} is invalid: {what} must be a {kind.__name__}, got {brief(value)}.")
    return value


def _parse_manifest(content: bytes) -> dict[str, Any]:
    """Return the content of ``state.json``, after verifying its format and checksum."""
    try:
        manifest: dict[str, Any] = json.loads(content)
        version, checksum = manifest.pop("format"), manifest.pop("sha256")
        newer = isinstance(version, int) and version > FORMAT
        whole = version == FORMAT and checksum == _sha256(_json_bytes(manifest))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        newer = whole = False
    if newer:
        raise CheckpointError(
            f"a newer tinygrad_edu wrote it in format {version}; this version reads format {FORMAT}. Install the newer "
            f"one."
        )
    if not whole:
        raise CheckpointError(f"{STATE} was truncated or altered.")
    return manifest


def _read_file(folder: Path, name: str) -> bytes:
    try:
        with open_regular(folder / name) as file:
            return file.read()
    except (OSError, DataError) as error:
        raise CheckpointError(f"{name} cannot be read ({reason(error)}).") from error


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _restore_all(parts: Mapping[str, Any], states: Mapping[str, PartState]) -> None:
    """Restore the states of all parts, or of none if a state does not match."""
    if parts.keys() != states.keys():
        there, here = (", ".join(sorted(named.keys() - {POSITION})) for named in (states, parts))
        raise CheckpointError(f"it holds the parts {there}; expected {here}.")
    before = {name: capture_copy(part) for name, part in parts.items()}
    touched: list[str] = []
    try:
        for name, part in parts.items():
            touched.append(name)
            restore_state(part, states[name])
    except BaseException as error:
        kept = "".join(_roll_back(name, parts[name], before[name]) for name in touched)
        if isinstance(error, Exception):
            last = touched[-1]
            raise CheckpointError(f"its part {last} does not match: {_describe(error, states[last])}{kept}.") from error
        raise


def _roll_back(name: str, part: Any, state: PartState) -> str:
    """Restore the previous state of a part. Return a message if that fails."""
    try:
        restore_state(part, state)
    except Exception as error:
        return f"; and the previous state of {name} could not be restored: {_describe(error, state)}"
    return ""


def _describe(error: Exception, state: PartState) -> str:
    """Return the reason of an error. For an error of another package, include its class and the state."""
    if isinstance(error, TinygradError):
        return reason(error)
    return f"cannot load {brief(state.values)} ({type(error).__name__}: {error})"
