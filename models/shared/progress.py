"""Progress display of a training: a live table in a terminal, or one line per epoch elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar

from models.shared.console import note, one_line
from tinygrad_edu.training import Epoch

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

LAST, EVALUATED = 6, 4  # rows: the last epochs, and earlier epochs that have metrics
AROUND = 7  # lines of a terminal that are not rows: the frame, a title of two lines, the bar and the lines below
WIDE = 40
REFRESHES = 2  # per second: each takes some milliseconds from the training

Thing = TypeVar("Thing")


def shown(epochs: Iterator[Epoch], done: int, total: int, quiet: bool) -> Iterator[Epoch]:
    """Yield epochs, and show the results and the remaining time on the standard error.

    Parameters
    ----------
    epochs : iterator of Epoch
    done, total : int
        Number of epochs finished before, and in total.
    quiet : bool
        Show nothing if True.
    """
    if quiet or sys.stderr is None or done >= total:
        return epochs
    if console := _terminal():
        return _live(epochs, Screen(console, done, total))
    return _lines(epochs, done, total)


def counted(
    things: Iterator[Thing], done: int, total: int, word: str, describe: Callable[[Thing], str]
) -> Iterator[Thing]:
    """Yield items as they finish, and print a line for each on the standard error, in a terminal with a progress bar.

    Parameters
    ----------
    things : iterator
    done, total : int
        Number of items finished before, and in total.
    word : str
        Name of an item.
    describe : callable
        Returns the description of an item.
    """
    console, begin = _terminal(), time.perf_counter()
    bar = Bar(console, done, total, word) if console else None
    with _shown(bar) if bar else nullcontext():
        for number, thing in enumerate(things, done + 1):
            left = (time.perf_counter() - begin) / (number - done) * (total - number)
            note(f"{word} {number}/{total}: {describe(thing)}" + f", {left:.0f} s left" * (bar is None))
            if bar:
                bar.count()
            yield thing


def _terminal() -> "Console | None":
    """Return the standard error as a terminal if its cursor can move, else None."""
    from rich.console import Console

    if sys.stderr is None or not sys.stderr.isatty():
        return None
    console = Console(file=_Heedless(sys.stderr), highlight=False)  # type: ignore[arg-type]
    return None if console.is_dumb_terminal else console


class _Heedless:
    """A stream that ignores write errors, as `console.say` does."""

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


@contextmanager
def _shown(bar: "Bar") -> Iterator[None]:
    from rich.live import Live

    with Live(get_renderable=bar.drawn, console=bar.console, refresh_per_second=REFRESHES):
        bar.console.show_cursor(True)  # a killed program would leave it hidden
        yield


def _live(epochs: Iterator[Epoch], screen: "Screen") -> Iterator[Epoch]:
    with _shown(screen):
        for epoch in epochs:
            screen.add(epoch)
            yield epoch


class Bar:
    """Progress bar with the remaining time."""

    def __init__(self, console: "Console", done: int, total: int, word: str = "epoch") -> None:
        self.console, self.done, self.total, self.word = console, done, total, word
        self.over = 0
        self.began = self.last = time.monotonic()

    def count(self) -> None:
        """Count one more finished item."""
        self.over += 1
        self.last = time.monotonic()

    def drawn(self) -> "RenderableType":
        """Return the bar. The numbers appear at any width. The display's thread calls this method."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        over = self.done + self.over
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.width = self.console.width - len("^C")  # the terminal appends it, and it must not start a line
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_column(no_wrap=True)
        line = ProgressBar(total=self.total, completed=over, complete_style="green", finished_style="green")
        grid.add_row(f"{self.word} {over}/{self.total}", line, self.times())
        return grid

    def times(self) -> str:
        """Return the remaining time, and the elapsed time if the terminal is wide enough."""
        now = time.monotonic()
        passed = now - self.began
        if not self.over:
            return f"{clock(passed)} passed"
        left = (self.last - self.began) / self.over * (self.total - self.done - self.over) - (now - self.last)
        return f"{clock(passed)} passed, " * (self.console.width >= WIDE) + f"{clock(max(left, 0))} left"


class Screen(Bar):
    """Display of a training in a terminal: a table of the last epochs, and the bar."""

    def __init__(self, console: "Console", done: int, total: int) -> None:
        super().__init__(console, done, total)
        self.history: list[Epoch] = []

    def add(self, epoch: Epoch) -> None:
        """Add a finished epoch."""
        self.history.append(epoch)
        self.count()

    def drawn(self) -> "RenderableType":
        """Return the table, if it has rows, and the bar below."""
        from rich.console import Group

        epochs = self._chosen(list(self.history))
        return Group(self.table(epochs), super().drawn()) if epochs else super().drawn()

    def table(self, epochs: list[Epoch]) -> "Table":
        """Return a table of epochs, with as many columns as fit."""
        return fitting_table(self.console, columns_of(epochs))

    def _chosen(self, history: list[Epoch]) -> list[Epoch]:
        """Return the epochs that fit on the screen: the last ones, and earlier ones that have metrics."""
        room = max(self.console.height - AROUND, 0)
        last = history[max(len(history) - min(LAST, room), 0) :]
        evaluated = [epoch for epoch in history[: len(history) - len(last)] if epoch.metrics]
        return [*evaluated[max(len(evaluated) - min(EVALUATED, room - len(last)), 0) :], *last]


def columns_of(epochs: list[Epoch]) -> dict[str, list[str]]:
    """Return the cells of a table of epochs by column name, in decreasing order of importance."""
    names = dict.fromkeys(name for epoch in epochs for name, value in epoch.metrics.items() if isinstance(value, Real))
    metrics = {name: [formatted(name, epoch.metrics.get(name)) for epoch in epochs] for name in names}
    return {
        "epoch": [str(epoch.epoch) for epoch in epochs],
        "loss": [f"{epoch.loss:#.4g}" for epoch in epochs],
        **{one_line(name.replace("_", " ")): cells for name, cells in metrics.items()},
        "seconds": [f"{epoch.seconds:.2f}" for epoch in epochs],
        "learning rate": [f"{epoch.learning_rate:#.3g}" for epoch in epochs],
    }


def fitting_table(console: "Console", columns: dict[str, list[str]]) -> "Table":
    """Return a table of cells by column name; the last columns are dropped if the table is too wide."""
    columns, unbounded = dict(columns), console.options.update(width=1000)
    table = _table(columns)
    while len(columns) > 2 and console.measure(table, options=unbounded).maximum > console.width:
        columns.popitem()
        table = _table(columns)
    return table


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
    """Return a time as minutes and seconds, with hours if there are any."""
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
    """Print lines of text on the standard error, above the live table if there is one."""
    for line in text.splitlines():
        note(f"    {line}")


def figures(epoch: Epoch) -> str:
    """Return the loss and the scalar metrics of an epoch as text."""
    numbers = {name: value for name, value in epoch.metrics.items() if isinstance(value, Real)}
    metrics = [f"{name.replace('_', ' ')} {formatted(name, value)}" for name, value in numbers.items()]
    return ", ".join([f"loss {epoch.loss:.3f}", *metrics])


def formatted(name: str, value: Any) -> str:
    """Return a metric as text, with accuracies in percent."""
    return f"{value:{'.2%' if name.endswith('accuracy') else '.4g'}}" if isinstance(value, Real) else ""
