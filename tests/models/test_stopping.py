"""Ctrl-C and SIGTERM at any moment, from the first import to the last byte: the documented code and no traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from models.shared import results, stopping
from tests.effort import thorough

PROJECT = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture(autouse=True)
def own_handlers():
    """Restore Python's own handler, also when this suite runs in the background of a script that ignores Ctrl-C."""
    before = [signal.signal(number, signal.default_int_handler) for number in SIGNALS]
    yield
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_stops_where_it_is_looked_for(number):
    with stopping.noted():
        assert not stopping.asked()
        signal.raise_signal(number)
        signal.raise_signal(number)
        assert stopping.asked()
    assert not stopping.asked()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_a_signal_that_is_ignored_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stopping.noted():
        signal.raise_signal(signal.SIGINT)
        assert not stopping.asked()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_in_another_thread_signals_are_left_alone():
    seen = []

    def run():
        with stopping.noted():
            seen.extend(signal.getsignal(number) for number in SIGNALS)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler] * 2


# Python runs this before it looks for the program. It sends the signal at the first event of a kind, and lets another
# thread receive it, as BLAS's threads do if the main thread blocks it.
SITECUSTOMIZE = """
import os, sys, time
event, part, number = os.environ["MOMENT"].split()
def send(name, arguments):
    global part
    if part and name == event and any(part in str(x) for x in (*arguments[:2], sys._getframe().f_back)):
        part = ""
        open(__file__ + ".sent", "x").close()
        os.kill(os.getpid(), int(number))
        time.sleep(0.1)
sys.addaudithook(send)
"""


def interrupted(moment, number, home, *command):
    (home / "sitecustomize.py").write_text(SITECUSTOMIZE)
    environment = os.environ | {"PYTHONPATH": str(home), "MOMENT": f"{moment} {int(number)}"}
    command = [sys.executable, "-m", *command]
    ran = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert (home / "sitecustomize.py.sent").exists()
    return ran


MOMENTS = {
    "import signal": signal.SIGINT, "import models.shared.stopping": signal.SIGTERM, "import numpy": signal.SIGINT,
    "import tinygrad_edu.nn": signal.SIGTERM, "import matplotlib.figure": signal.SIGINT,
    "open mnist_embedded.npz": signal.SIGTERM,
}  # fmt: skip


@pytest.mark.thorough
@pytest.mark.parametrize("moment", thorough(MOMENTS, quick=["import signal", "open mnist_embedded.npz"]))
def test_a_program_that_has_nothing_to_lose_ends_at_once(moment, tmp_path):
    ran = interrupted(moment, MOMENTS[moment], tmp_path, "models.mnist_conv", "--output", tmp_path / "results")
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "stopped\n")
    assert not (tmp_path / "results").exists()


@pytest.mark.thorough
@pytest.mark.parametrize("number", thorough(SIGNALS, quick=SIGNALS[:1]))
def test_a_program_that_begins_a_process_ends_with_it(number, tmp_path):
    command = ["models.seven_findings", "--output", tmp_path / "results"]
    ran = interrupted("open _launch", number, tmp_path, *command)  # a worker has started, but has no task yet
    assert (ran.returncode, ran.stderr) == (130, "stopped\n")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("open best.safetensors", signal.SIGINT),
        pytest.param("open curves.png", signal.SIGTERM, marks=pytest.mark.thorough),
        pytest.param("os.rename .results", signal.SIGINT, marks=pytest.mark.thorough),
        pytest.param("shutil.rmtree .results", signal.SIGTERM, marks=pytest.mark.thorough),
    ],
)
def test_a_program_that_saves_does_so_to_the_end(moment, number, small, tmp_path):
    folder = tmp_path / "results"
    (folder / ".results-left").mkdir(parents=True)
    os.utime(folder / ".results-left", (0, 0))
    ran = interrupted(moment, number, tmp_path, "models.mnist_conv", *small, "--quiet", "--output", folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith("done: ")
    assert results.read_summary(folder)["end"] == "done"
    assert results.read_weights(folder).keys() == {"0.weight", "4.weight"}


@pytest.mark.thorough
@pytest.mark.parametrize("program", thorough(["mnist_by_hand", "seven_findings"], quick=["seven_findings"]))
@pytest.mark.parametrize("number", thorough(SIGNALS, quick=SIGNALS[1:]))
def test_a_program_that_only_prints_ends_at_once_with_all_that_it_began(program, number, tmp_path):
    output = ["--output", str(tmp_path)] * (program == "seven_findings")
    command = [sys.executable, "-m", f"models.{program}", "--epochs", "1000000", *output]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        first = process.stdout.readline()  # it trains, or is about to
        process.send_signal(number)
        _, error = process.communicate(timeout=60)  # waits for all processes that hold the pipe
    assert first
    assert (process.returncode, error) == (130, "stopped\n")
