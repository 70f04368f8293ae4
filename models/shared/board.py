"""Training log in TensorBoard's format. ``tensorboard --logdir FOLDER`` displays it."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from numbers import Real
from pathlib import Path
from typing import IO, Any

from models.shared.console import complain
from models.shared.groups import missing_group
from tinygrad_edu.training import Epoch

FOLDER = "tensorboard"
EVENTS = "events.out.tfevents."


def require_group() -> None:
    """Raise an error that names the group if the log writer cannot be imported."""
    try:
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError as error:
        raise missing_group(f"--tensorboard requires {error.name}, which is not installed", "tensorboard") from error


def logged(name: str, epochs: Iterator[Epoch], history: Sequence[Epoch], folder: Path) -> Iterator[Epoch]:
    """Yield epochs, and write the numbers of each into the log. If writing fails, print one line and continue.

    The log covers the whole run. It replaces an earlier log after the first epoch. A resumed run rewrites its log from
    `history`, so that no epoch appears twice and no epoch after the last checkpoint remains.

    Parameters
    ----------
    name : str
        Name of the program.
    epochs : iterator of Epoch
    history : sequence of Epoch
        All finished epochs, including those before a resume.
    folder : Path
    """
    file: IO[bytes] | None = None
    failed = False
    try:
        for epoch in epochs:
            try:
                if file is None and not failed:
                    file = _begun(folder, history)
                elif file is not None:
                    _write(file, [_event(epoch, time.time())])
            except OSError as error:
                complain(name, f"cannot log to {folder}: {error.strerror or error}; training continues without a log.")
                file, failed = None, True
            yield epoch
    finally:
        if file is not None:
            with suppress(OSError):
                file.close()


def _begun(folder: Path, history: Sequence[Epoch]) -> IO[bytes]:
    """Start a log with the finished epochs at their estimated times, and remove earlier logs."""
    from tensorboard.compat.proto.event_pb2 import Event

    folder.mkdir(parents=True, exist_ok=True)
    earlier = list(folder.glob(f"{EVENTS}*"))
    now, events = time.time(), list[Any]()
    for epoch in reversed(history):
        events.append(_event(epoch, now))
        now -= epoch.seconds
    file = (folder / f"{EVENTS}{time.time():.6f}.{os.getpid()}").open("xb", buffering=0)
    _write(file, [Event(wall_time=now, file_version="brain.Event:2"), *reversed(events)])
    for path in earlier:
        path.unlink()
    return file


def _event(epoch: Epoch, when: float) -> Any:
    """Return an epoch as a record of its scalar values."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    numbers = {"loss": epoch.loss, **epoch.metrics, "learning_rate": epoch.learning_rate}
    values = [Summary.Value(tag=k, simple_value=float(v)) for k, v in numbers.items() if isinstance(v, Real)]
    return Event(wall_time=when, step=epoch.epoch, summary=Summary(value=values))


def _write(file: IO[bytes], events: Sequence[Any]) -> None:
    from tensorboard.summary.writer.record_writer import RecordWriter

    writer = RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString())
