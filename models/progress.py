"""What is seen of a training while it runs: a bar in a terminal, and elsewhere a line for each epoch."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from numbers import Real

from models.console import note, one_line
from tinygrad_edu.training import Epoch


def shown(epochs: Iterator[Epoch], done: int, total: int, quiet: bool) -> Iterator[Epoch]:
    """Yield epochs, and show on the standard error what each came to and how much time is left.

    Parameters
    ----------
    epochs : iterator of Epoch
    done, total : int
        How many were over before, and how many there will be.
    quiet : bool
        Show nothing.
    """
    if quiet or sys.stderr is None:
        return epochs
    return _bar(epochs, done, total) if sys.stderr.isatty() else _lines(epochs, done, total)


def _bar(epochs: Iterator[Epoch], done: int, total: int) -> Iterator[Epoch]:
    from tqdm import tqdm

    with tqdm(epochs, initial=done, total=total, unit="epoch") as bar:
        for epoch in bar:
            bar.set_postfix_str(figures(epoch))
            yield epoch


def _lines(epochs: Iterator[Epoch], done: int, total: int) -> Iterator[Epoch]:
    begin = time.perf_counter()
    for epoch in epochs:
        left = (time.perf_counter() - begin) / (epoch.epoch - done) * (total - epoch.epoch)
        note(f"epoch {epoch.epoch}/{total}: {figures(epoch)}, {left:.0f} s left")
        yield epoch


def aside(text: str) -> None:
    """Show lines of text on the standard error, above the bar where there is one."""
    from tqdm import tqdm

    with suppress(OSError, AttributeError):  # closed, full, or not there
        tqdm.write("\n".join(f"    {one_line(line)}" for line in text.splitlines()), file=sys.stderr)


def figures(epoch: Epoch) -> str:
    """Return the loss and the metrics of an epoch that are single numbers, as text."""
    parts = [f"loss {epoch.loss:.3f}"]
    for name, value in epoch.metrics.items():
        if isinstance(value, Real):
            parts.append(f"{name.replace('_', ' ')} {value:{'.2%' if name.endswith('accuracy') else '.4g'}}")
    return ", ".join(parts)
