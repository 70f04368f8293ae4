"""What is seen of a training while it runs: a live table in a terminal, and elsewhere a line for each epoch."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from numbers import Real
from typing import TYPE_CHECKING, Any

from models.console import note, one_line
from tinygrad_edu.training import Epoch

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

LAST, EVALUATED = 6, 4  # rows: of the last epochs, and of those before them that have metrics
AROUND = 7  # lines of a terminal that are not rows: the frame, a title of two lines, the bar and what follows
WIDE = 40
REFRESHES = 2  # a second: each takes some milliseconds from the training


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
    if quiet or sys.stderr is None or done >= total:
        return epochs
    if sys.stderr.isatty() and not (console := _console()).is_dumb_terminal:
        return _live(epochs, Screen(console, done, total))
    return _lines(epochs, done, total)


def _console() -> "Console":
    from rich.console import Console

    return Console(file=_Heedless(sys.stderr), highlight=False)  # type: ignore[arg-type]


class _Heedless:
    """A stream that goes on where nobody can read it, as `console.say` does."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _live(epochs: Iterator[Epoch], screen: "Screen") -> Iterator[Epoch]:
    from rich.live import Live

    with Live(get_renderable=screen.drawn, console=screen.console, refresh_per_second=REFRESHES):
        screen.console.show_cursor(True)  # which a kill would leave hidden
        for epoch in epochs:
            screen.add(epoch)
            yield epoch


class Screen:
    """What a terminal shows of a training: a table of its last epochs, and a bar with the time that is left."""

    def __init__(self, console: "Console", done: int, total: int) -> None:
        self.console, self.done, self.total = console, done, total
        self.history: list[Epoch] = []
        self.began = self.last = time.monotonic()

    def add(self, epoch: Epoch) -> None:
        """Note an epoch that is over."""
        self.history.append(epoch)
        self.last = time.monotonic()

    def drawn(self) -> "RenderableType":
        """Return the table, once there is something in it, and the bar below. A thread of the display calls this."""
        from rich.console import Group

        epochs = self._chosen(list(self.history))
        return Group(self.table(epochs), self.bar()) if epochs else self.bar()

    def bar(self) -> "RenderableType":
        """Return the bar. The numbers of it are there in any width."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        over = self.done + len(self.history)
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        line = ProgressBar(total=self.total, completed=over, complete_style="green", finished_style="green")
        grid.add_row(f"epoch {over}/{self.total}", line, self.times())
        return grid

    def times(self) -> str:
        """Return how long it will take, and how long it took so far, where there is room for both."""
        now = time.monotonic()
        passed, trained = now - self.began, len(self.history)
        if not trained:
            return f"{clock(passed)} passed"
        left = (self.last - self.began) / trained * (self.total - self.done - trained) - (now - self.last)
        return f"{clock(passed)} passed, " * (self.console.width >= WIDE) + f"{clock(max(left, 0))} left"

    def table(self, epochs: list[Epoch]) -> "Table":
        """Return a table of epochs, with as many columns as fit."""
        columns, unbounded = columns_of(epochs), self.console.options.update(width=1000)
        table = _table(columns)
        while len(columns) > 2 and self.console.measure(table, options=unbounded).maximum > self.console.width:
            columns.popitem()
            table = _table(columns)
        return table

    def _chosen(self, history: list[Epoch]) -> list[Epoch]:
        """Return the epochs that there is room for: the last ones, and some with metrics before them."""
        room = max(self.console.height - AROUND, 0)
        last = history[max(len(history) - min(LAST, room), 0) :]
        evaluated = [epoch for epoch in history[: len(history) - len(last)] if epoch.metrics]
        return [*evaluated[max(len(evaluated) - min(EVALUATED, room - len(last)), 0) :], *last]


def columns_of(epochs: list[Epoch]) -> dict[str, list[str]]:
    """Return the cells of a table of epochs, by the names of its columns, the most important first."""
    names = dict.fromkeys(name for epoch in epochs for name, value in epoch.metrics.items() if isinstance(value, Real))
    metrics = {name: [formatted(name, epoch.metrics.get(name)) for epoch in epochs] for name in names}
    return {
        "epoch": [str(epoch.epoch) for epoch in epochs],
        "loss": [f"{epoch.loss:#.4g}" for epoch in epochs],
        **{one_line(name.replace("_", " ")): cells for name, cells in metrics.items()},
        "seconds": [f"{epoch.seconds:.2f}" for epoch in epochs],
        "learning rate": [f"{epoch.learning_rate:#.3g}" for epoch in epochs],
    }


def _table(columns: dict[str, list[str]]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return table


def clock(seconds: float) -> str:
    """Return a time as minutes and seconds, and hours, if there are any."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _lines(epochs: Iterator[Epoch], done: int, total: int) -> Iterator[Epoch]:
    begin = time.perf_counter()
    for epoch in epochs:
        left = (time.perf_counter() - begin) / (epoch.epoch - done) * (total - epoch.epoch)
        note(f"epoch {epoch.epoch}/{total}: {figures(epoch)}, {left:.0f} s left")
        yield epoch


def aside(text: str) -> None:
    """Show lines of text on the standard error: above the table, where there is one, which takes in what is printed."""
    for line in text.splitlines():
        note(f"    {line}")


def figures(epoch: Epoch) -> str:
    """Return the loss and the metrics of an epoch that are single numbers, as text."""
    numbers = {name: value for name, value in epoch.metrics.items() if isinstance(value, Real)}
    metrics = [f"{name.replace('_', ' ')} {formatted(name, value)}" for name, value in numbers.items()]
    return ", ".join([f"loss {epoch.loss:.3f}", *metrics])


def formatted(name: str, value: Any) -> str:
    """Return a metric as text: an accuracy in percent."""
    return f"{value:{'.2%' if name.endswith('accuracy') else '.4g'}}" if isinstance(value, Real) else ""
