"""Programs on the ranks of a real mpiexec: one rank prints and saves, and every interrupted job can resume."""

import csv
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from models.shared import results
from tests.effort import thorough

MPIEXEC = Path(sys.executable).with_name("mpiexec")  # from MPICH's wheel
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
PROJECT = Path(__file__).parents[2]
EPOCHS, STEPS = 4, 60
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="MPICH has no wheel for Windows")


def launch(ranks, *program):
    """Start a program on some ranks, connected through the loopback address."""
    command = [MPIEXEC, "-launcher", "fork", "-iface", LOOPBACK, "-n", str(ranks), sys.executable, *map(str, program)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])}
    environment.pop("OPENBLAS_NUM_THREADS")
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def begin(ranks, folder, *kills, options=()):
    """Start the spirals on some ranks, each with its own subfolder of this folder."""
    where = ["--epochs", EPOCHS, "--resume", "--output", folder / "RANK"]
    return launch(ranks, PROJECT / "tests" / "models" / "quick_spirals.py", *kills, "--", *where, *options)


def end(job):
    """Return the exit code of a job, and its output."""
    try:
        out, err = job.communicate(timeout=120)
    finally:
        job.kill()
    return job.returncode, out, err


def run(*arguments, **options):
    return end(begin(*arguments, **options))


def of(folder):
    """Return the files saved by the first rank, without times."""
    with open(folder / "0" / "history.csv") as file:
        history = [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]
    names = (results.WEIGHTS, "best.safetensors", "boundary.png", "boundary.gif")
    return [history, *((folder / "0" / name).read_bytes() for name in names)]


def require_whole(folder, end):
    """Check that the first rank saved a complete set of results, and the others none."""
    assert [path.name for path in folder.iterdir()] == ["0"]
    assert results.read_summary(folder / "0")["end"] == end
    results.read_weights(folder / "0")


LINES = [rf"epoch {epoch}/{EPOCHS}: loss .*" for epoch in range(1, EPOCHS + 1)]


def require_lines(text, *patterns):
    lines = text.splitlines()
    assert [re.fullmatch(pattern, line) is not None for pattern, line in zip(patterns, lines, strict=True)] == [
        True
    ] * len(patterns), text


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return the results of an undisturbed run on one rank."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run(1, folder)[0] == 0
    with Image.open(folder / "0" / "boundary.gif") as animation:
        assert animation.n_frames == EPOCHS + 1
    return of(folder)


@pytest.mark.thorough
@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_any_number_of_ranks_saves_the_same_and_the_first_alone_speaks(ranks, undisturbed, tmp_path):
    code, out, err = run(ranks, tmp_path)
    assert code == 0, err
    require_lines(out, r"done: \{.*\} -> .*/0")
    require_lines(err, *LINES)
    require_whole(tmp_path, "done")
    assert of(tmp_path) == undisturbed


MISTAKES = {
    "an option": (["--epochs", "x"], 2, [], [r"models\.spirals: argument --epochs: must be a positive .*"]),
    "a folder": (
        ["--output", f"{os.devnull}/RANK"],
        2,
        [],
        [r"models\.spirals: cannot write .* to .*: Not a directory; choose another folder\."],
    ),
    "a rate": (["--learning-rate", "1e38"], 1, [r"diverged: the loss became nan in .* -> .*/0"], []),
}


@pytest.mark.parametrize("mistake", thorough(MISTAKES, quick=["an option"]))
def test_what_is_wrong_is_said_once(mistake, tmp_path):
    options, code, out, err = MISTAKES[mistake]
    ended = run(2, tmp_path, options=options)
    assert ended[0] == code
    require_lines(ended[1], *out)
    require_lines(ended[2], *err)


@pytest.mark.thorough
def test_whatever_ends_a_run_it_goes_on_with_more_or_fewer_ranks_to_the_same_bits(undisturbed, tmp_path):
    job = begin(2, tmp_path)
    first = job.stderr.readline()
    job.send_signal(signal.SIGINT)  # as a terminal does for Ctrl-C
    code, out, err = end(job)
    assert code == 130, err
    *_, last = out.splitlines()  # after mpiexec's own message
    require_lines(first, LINES[0])
    assert last.startswith("stopped: ")
    require_whole(tmp_path, "stopped")

    code, out, err = run(3, tmp_path, 0, signal.SIGKILL, 10, 0)
    assert (code, "stopped" in out, "done" in out) == (9, False, False), err
    require_whole(tmp_path, "stopped")

    assert run(1, tmp_path)[0] == 0
    require_whole(tmp_path, "done")
    assert of(tmp_path) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.5, 1.0, 2.0, 4.0])
def test_ctrl_c_at_any_moment_is_said_once_at_most(seconds, tmp_path):
    """Also before there is anything to save. A rank that ends may end the first one before it prints, with code 9."""
    job = launch(3, "-m", "models.spirals", "--output", tmp_path)
    time.sleep(seconds)
    job.send_signal(signal.SIGINT)
    code, out, err = end(job)
    assert code in (0, 9, 130), err
    assert len(re.findall(r"^stopped", out + err, re.MULTILINE)) <= 1, out + err
