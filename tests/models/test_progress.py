"""Progress display: a live table in a terminal, lines elsewhere, and nothing with --quiet."""

import fcntl
import io
import os
import pty
import select
import struct
import subprocess
import sys
import termios
from pathlib import Path

import numpy as np
import pyte
import pytest
from rich.console import Console

from models.shared import progress, results
from tinygrad_edu.training import Epoch

PROJECT = Path(__file__).parents[2]
METRICS = {"test_accuracy": 0.5, "test_perplexity": 12.3456, "test_matrix": np.eye(2)}
EPOCHS = [Epoch(number, 1 / number, METRICS, 0.1, 5, 1.0) for number in (2, 3)]
FIGURES = ["loss 0.500, test accuracy 50.00%, test perplexity 12.35", "loss 0.333, test accuracy 50.00%"]


# --- Without a terminal ---


@pytest.mark.parametrize("quiet", [False, True])
def test_epochs_are_a_line_each_and_passed_on(quiet, capsys):
    assert list(progress.shown(iter(EPOCHS), done=1, total=3, quiet=quiet)) == EPOCHS
    out, err = capsys.readouterr()
    assert out == ""
    if quiet:
        assert err == ""
        return
    assert [line.split()[1] for line in err.splitlines()] == ["2/3:", "3/3:"]
    assert all(figures in err for figures in FIGURES)
    assert err.endswith(", 0 s left\n")


def test_where_there_is_no_standard_error_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress.shown(iter(EPOCHS), done=1, total=3, quiet=False)) == EPOCHS


# --- Content of the screen ---


def screen(epochs, columns, lines, done=0, total=100):
    """Return the lines of a screen of some size that shows epochs."""
    stream = io.StringIO()
    shown = progress.Screen(Console(file=stream, width=columns, height=lines), done, total)
    for epoch in epochs:
        shown.add(epoch)
    shown.console.print(shown.drawn())
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def run(last, every=1, first=1):
    return [
        Epoch(k, 1 / k, {"train_accuracy": 0.75, "test_matrix": np.eye(2)} if k % every == 0 else {}, 0.1, 5, 1.0)
        for k in range(first, last + 1)
    ]


def rows(lines):
    # More than the last digit: a long path may wrap, and its last line may be that digit.
    return [int(words[0]) for words in map(str.split, lines) if len(words) > 1 and words[0].isdigit()]


@pytest.mark.parametrize(
    ("epochs", "lines", "wanted"),
    [
        (run(3), 24, [1, 2, 3]),
        (run(30), 24, [*range(21, 31)]),
        (run(45, every=20), 24, [20, *range(40, 46)]),
        (run(99, every=20), 24, [20, 40, 60, 80, *range(94, 100)]),
        (run(99, every=20), 14, [80, *range(94, 100)]),
        (run(99, every=20), 9, [98, 99]),
        (run(99), 7, []),
        (run(45, first=43), 24, [43, 44, 45]),
    ],
)
def test_the_last_epochs_are_shown_and_some_with_metrics_before_them(epochs, lines, wanted):
    shown = screen(epochs, 80, lines, done=epochs[0].epoch - 1)
    assert rows(shown) == wanted
    assert len(shown) < lines
    assert shown[-1].lstrip().startswith(f"epoch {epochs[-1].epoch}/100 ")
    assert shown[-1].endswith(" left")


NAMES = ["epoch", "loss", "train", "accuracy", "seconds", "learning", "rate"]


@pytest.mark.parametrize(("columns", "names"), [(80, 7), (60, 7), (50, 5), (40, 4), (24, 2)])
def test_there_are_as_many_columns_as_fit(columns, names):
    shown = screen(run(3), columns, 24)
    assert shown[1].split() == NAMES[:names]
    assert shown[4].split() == ["2", "0.5000", "75.00%", "1.00", "0.100"][: max(names - 1 - (names > 5), 2)]
    assert not any("…" in line or len(line) > columns for line in shown)
    assert "epoch 3/100" in shown[-1]


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (36061, "10:01:01")])
def test_times_are_minutes_and_seconds(seconds, text):
    assert progress.clock(seconds) == text


# --- In a terminal ---

# The program takes the terminal as its controlling terminal, so that Ctrl-C acts as in a shell; it survives a hang-up.
BEGIN = """
import fcntl, os, signal, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


class Terminal:
    """A program in its own terminal."""

    def __init__(self, arguments, columns=80, lines=24, **environment):
        self.screen = pyte.Screen(columns, lines)
        self.stream, self.raw = pyte.ByteStream(self.screen), b""
        self.file, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        quiet = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEGIN, *arguments], stdin=inside, stdout=inside, stderr=inside, cwd=PROJECT,
            env={**quiet, "TERM": "xterm-256color", **environment},
        )  # fmt: skip
        os.close(inside)

    def read(self, until=None):
        """Read until a text is on the screen or the program ends; return the lines."""
        while until is None or not any(until in line for line in self.screen.display):
            assert select.select([self.file], [], [], 120)[0], self.screen.display
            try:
                new = os.read(self.file, 65536)
            except OSError:  # on Linux: no process has the other end open
                new = b""
            if not new:
                assert until is None, self.screen.display
                self.process.wait(60)
                os.close(self.file)
                break
            self.raw += new
            self.stream.feed(new)
        return [line.rstrip() for line in self.screen.display]


def spirals(folder, epochs, *options):
    return ["-m", "models.spirals", "--epochs", str(epochs), "--output", str(folder), *options]


@pytest.mark.thorough
def test_a_terminal_shows_a_table_that_grows_in_its_place(tmp_path):
    terminal = Terminal(spirals(tmp_path, 4), columns=160)
    lines = terminal.read()
    assert terminal.process.returncode == 0
    head = "epoch loss train accuracy train cross entropy test accuracy test cross entropy seconds learning rate"
    assert lines[1].split() == head.split()
    assert rows(lines) == [1, 2, 3, 4]
    bars = [line for line in lines if line.startswith("epoch ")]
    assert len(bars) == 1
    assert bars[0].startswith("epoch 4/4 ")
    assert "0:00 left" in bars[0]
    assert sum(line.startswith("done: ") for line in lines) == 1
    assert not terminal.screen.cursor.hidden
    assert b"\x1b[32m" in terminal.raw  # green


@pytest.mark.thorough
@pytest.mark.parametrize(("options", "environment"), [(["--quiet"], {}), ([], {"TERM": "dumb"})])
def test_where_no_cursor_moves_there_are_lines_and_quiet_is_quiet(options, environment, tmp_path):
    terminal = Terminal(spirals(tmp_path, 2, *options), columns=300, **environment)
    lines = [line for line in terminal.read() if line]
    assert b"\x1b" not in terminal.raw
    assert [line.split()[1] for line in lines[:-1]] == ([] if options else ["1/2:", "2/2:"])
    assert lines[-1].startswith("done: ")


@pytest.mark.thorough
def test_ctrl_c_leaves_the_terminal_sane(tmp_path):
    terminal = Terminal(spirals(tmp_path, 100_000), columns=120)
    terminal.read(until="learning rate")  # the table's head: its rows may be replaced before they are read
    assert not terminal.screen.cursor.hidden  # so a killed program leaves it visible
    os.write(terminal.file, b"\x03")
    lines = terminal.read()
    assert terminal.process.returncode == 130
    assert sum(line.startswith("epoch ") for line in lines) == 1
    assert any(line.startswith("stopped: ") for line in lines)
    assert not terminal.screen.cursor.hidden
    assert results.read_summary(tmp_path)["end"] == "stopped"


@pytest.mark.thorough
def test_a_terminal_that_is_closed_ends_no_training(tmp_path):
    terminal = Terminal(spirals(tmp_path, 60))
    terminal.read(until="epoch ")
    os.close(terminal.file)
    assert terminal.process.wait(120) == 0
    assert results.read_summary(tmp_path)["epochs"] == 60
