"""The log of a training that TensorBoard reads, in its own records: ``tensorboard --logdir FOLDER`` shows it."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from numbers import Real
from pathlib import Path
from typing import IO, Any

from models.console import complain
from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.training import Epoch

FOLDER = "tensorboard"
EVENTS = "events.out.tfevents."


def require_extra() -> None:
    """Import early what writes the log, and name the extra if it is missing."""
    try:
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"--tensorboard writes with {error.name}, which is not installed: pip install 'tinygrad-edu[tensorboard]'"
        ) from error


def logged(name: str, epochs: Iterator[Epoch], history: Sequence[Epoch], folder: Path) -> Iterator[Epoch]:
    """Yield epochs, and write the numbers of each into the log. Where that fails, one line says so, and all goes on.

    The log is that of the whole run, and takes the place of an earlier one when the first epoch is over. A run that is
    resumed begins it anew with the epochs before: so none is in it twice, nor one that came after the last checkpoint.

    Parameters
    ----------
    name : str
        Of the program.
    epochs : iterator of Epoch
    history : sequence of Epoch
        All epochs that are over, also those before.
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
                complain(name, f"cannot log to {folder}: {error.strerror or error}; the training goes on without.")
                file, failed = None, True
            yield epoch
    finally:
        if file is not None:
            with suppress(OSError):
                file.close()


def _begun(folder: Path, history: Sequence[Epoch]) -> IO[bytes]:
    """Begin a log with the epochs that are over, each at about its time, and remove those that were there."""
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
    """Return an epoch as a record: all of it that is a single number."""
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
