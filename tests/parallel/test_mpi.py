"""Training under a real mpiexec: bitwise equal results on any number of ranks, and no rank hangs if another fails."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.effort import thorough
from tests.parallel import trained
from tinygrad_edu.errors import MissingExtraError
from tinygrad_edu.errors.extras import remedy
from tinygrad_edu.parallel import ALONE, world

MPIEXEC = Path(sys.executable).with_name("mpiexec")  # from the MPICH wheel
LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="MPICH has no wheel for Windows")


def launch(ranks, *program):
    """Run a program on some ranks, which communicate over the loopback address."""
    command = [MPIEXEC, "-launcher", "fork", "-iface", LOOPBACK, "-n", str(ranks), sys.executable, *map(str, program)]
    environment = {
        name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"
    }  # only variables of this suite
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=environment)


def told(ranks, *program):
    """Return the JSON line that rank 0 printed."""
    ran = launch(ranks, *program)
    assert (ran.returncode, ran.stderr) == (0, "")
    return json.loads(ran.stdout)


# --- Bitwise equal results ---


class Threads:
    """A single process with a given number of threads."""

    rank, size, exchange, collective = 0, 1, ALONE.exchange, ALONE.collective

    def __init__(self, threads):
        self.threads = threads


@pytest.fixture(scope="module")
def checksums():
    return trained.checksums(Threads(1))


def test_each_case_is_another(checksums):
    assert len(set(checksums.values())) == len(checksums) == 13


@pytest.mark.thorough
@pytest.mark.parametrize("threads", [2, 3])
def test_bits_do_not_depend_on_the_number_of_threads(threads, checksums):
    assert trained.checksums(Threads(threads)) == checksums


@pytest.mark.thorough
@pytest.mark.parametrize("ranks", thorough([1, 2, 3, 4], quick=[1, 2]))
def test_nor_on_that_of_the_processes_and_each_comes_to_all(ranks, checksums, tmp_path):
    """Ranks with an odd number run two threads."""
    ran = launch(ranks, HERE / "trained.py", tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert len(list(tmp_path.iterdir())) == ranks
    for rank in range(ranks):
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == checksums


# --- A rank that ends ---

BEGIN = """
import os, signal, sys, time
import numpy as np
from tinygrad_edu import nn, optim
from tinygrad_edu.parallel import world
from tinygrad_edu.parallel.workers import allreduce_any, allgather
from tinygrad_edu.training import fit

workers, steps = world(), 0

def begins(step):
    global steps
    steps += 1
    if steps == 3 and workers.rank == UNLUCKY:
        happens()

def train():
    model = nn.Linear(6, 3, rng=np.random.default_rng(0))
    x, y = np.random.default_rng(1).normal(size=(64, 6)).astype(np.float32), np.arange(64) % 3
    for _ in fit(
        model, optim.SGD(model.parameters(), lr=0.1), loss, [(x, y)] * 10, 1000,
        rng=np.random.default_rng(0), shard_size=8, workers=workers, on_step=begins,
    ):
        pass

def loss(out, y):
    return nn.cross_entropy(out, y)

def happens():
    raise ValueError("of this one rank")
"""
TRACEBACK = r"On rank {rank} of 3:\nTraceback .*ValueError: of this one rank\n"
IN_A_SHARD = """
def loss(out, y):
    if workers.rank == UNLUCKY and steps == 2:
        happens()
    return nn.cross_entropy(out, y)
"""
ENDS = {
    **{f"raises on rank {rank}": (rank, "", 1, TRACEBACK) for rank in range(3)},
    "raises in a shard": (1, IN_A_SHARD, 1, TRACEBACK),
    "is interrupted": (
        1,
        "def happens(): signal.raise_signal(signal.SIGINT)",
        130,
        r"On rank 1 of 3:\n.*KeyboardInterrupt\n",
    ),
    "exits": (2, "def happens(): sys.exit(7)", 1, "Rank 2 of 3 has ended, but another rank still waits for it"),
    "exits well": (0, "def happens(): sys.exit()", 1, "Rank 0 of 3 has ended, but another rank still waits for it"),
    "is killed": (1, "def happens(): os.kill(os.getpid(), signal.SIGKILL)", 9, ""),
}


@pytest.mark.thorough
@pytest.mark.parametrize("end", thorough(ENDS, quick=["raises on rank 1", "is killed"]))
def test_all_end_where_one_does_and_say_why(end):
    unlucky, program, code, message = ENDS[end]
    ran = launch(3, "-c", f"UNLUCKY = {unlucky}\n{BEGIN}\n{program}\ntrain()")
    assert ran.returncode == code
    assert re.search(message.format(rank=unlucky), ran.stderr, re.DOTALL), ran.stderr


# --- Child processes ---

CHILDREN = """
import json, multiprocessing, os, subprocess, sys
from tinygrad_edu.parallel import world
from tinygrad_edu.parallel.workers import allreduce_any, allgather

def report():
    return [world().rank, world().size, allgather(world(), "alone"), allreduce_any(world(), True)]

def send(queue):
    queue.put(report())

def process(method):
    context = multiprocessing.get_context(method)
    queue = context.SimpleQueue()
    child = context.Process(target=send, args=(queue,))
    child.start()
    found = queue.get()
    child.join()
    return [*found, child.exitcode]

def forked(ends):
    child = os.fork()
    if not child:
        sys.stderr = open(os.devnull, "w")
        ends()
        sys.exit(4)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

if __name__ == "__main__":
    if "alone" in sys.argv:
        print(json.dumps(report()))
        sys.exit()
    workers = world()
    found = [process("spawn"), process("fork"), forked(lambda: None), forked(lambda: 1 / 0)]
    child = subprocess.run([sys.executable, __file__, "alone"], capture_output=True, text=True)
    found.append([*json.loads(child.stdout), child.returncode])
    ranks = allgather(workers, workers.rank)
    everything = allgather(workers, [found, ranks])
    if not workers.rank:
        print(json.dumps(everything))
"""


@pytest.mark.thorough
def test_what_a_rank_starts_or_forks_is_alone_and_the_ranks_go_on(tmp_path):
    program = tmp_path / "children.py"
    program.write_text(CHILDREN)
    alone = [0, 1, ["alone"], True, 0]
    assert told(2, program) == [[[alone, alone, 4, 1, alone], [0, 1]]] * 2


# --- Environment of a rank ---


class WithoutLibrary:
    """Replacement for mpi4py without an MPI library."""

    rc = SimpleNamespace(finalize=None)

    def __getattr__(self, name):
        raise RuntimeError("cannot load MPI library")


@pytest.mark.parametrize("find", [lambda: None, WithoutLibrary])
def test_without_mpi_one_line_names_the_extra(find, monkeypatch):
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setitem(sys.modules, "mpi4py", find())
    world.cache_clear()
    try:
        with pytest.raises(MissingExtraError, match=rf"^mpiexec .* requires mpi4py .*: {re.escape(remedy('mpi'))}\.$"):
            world()
    finally:
        world.cache_clear()


SHARE = """
import json, os
if hasattr(os, "sched_setaffinity") and os.environ["PMI_RANK"] == "2":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from tinygrad_edu.parallel import available_cores, world
from tinygrad_edu.parallel.workers import allgather
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
found = allgather(world(), [cores, available_cores(), world().threads])
if not world().rank:
    print(json.dumps(found))
"""


@pytest.mark.thorough
def test_the_threads_of_a_rank_are_its_share_of_the_cores():
    """Two ranks share all available cores, or each rank is bound to one core."""
    ranks = told(3, "-c", SHARE)
    here = Counter(tuple(cores) for cores, _, _ in ranks)
    assert [threads for _, _, threads in ranks] == [
        max(available // here[tuple(cores)], 1) for cores, available, _ in ranks
    ]


STOPPED = """
import json, signal, sys
import numpy as np
from tinygrad_edu import nn, optim
from tinygrad_edu.parallel import world
from tinygrad_edu.parallel.workers import allgather
from tinygrad_edu.training import fit

workers, done = world(), []
model = nn.Linear(6, 3, rng=np.random.default_rng(0))
x, y = np.random.default_rng(1).normal(size=(64, 6)).astype(np.float32), np.arange(64) % 3
try:
    list(fit(
        model, optim.SGD(model.parameters(), lr=0.1), nn.cross_entropy, [(x, y)] * 5, 5, rng=np.random.default_rng(0),
        shard_size=8, workers=workers, on_step=lambda step: done.append(step.number),
        stop=lambda: workers.rank == 1 and len(done) == 7,
    ))
except KeyboardInterrupt:
    found = allgather(workers, len(done))
    if not workers.rank:
        print(json.dumps(found))
"""


@pytest.mark.thorough
def test_where_one_is_to_stop_all_do_after_the_same_step():
    assert told(3, "-c", STOPPED) == [7, 7, 7]


# --- Checkpoints ---


def end(folder, rank=0):
    return (folder / f"end{rank}.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Results of an uninterrupted training on one process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert launch(1, HERE / "interrupted.py", folder).returncode == 0
    return end(folder)


def resumed(folder, kills):
    """Kill a rank in each of several runs with given numbers of ranks. Return the outcome of the last run."""
    for ranks, rank, event, count in kills:
        ran = launch(ranks, HERE / "interrupted.py", folder, rank, event, count)
        assert ran.returncode in (0, 9), ran.stderr
    return ran.returncode


def require_the_end(folder, ranks, undisturbed):
    ran = launch(ranks, HERE / "interrupted.py", folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [end(folder, rank) == undisturbed for rank in range(ranks)] == [True] * ranks


@pytest.mark.thorough
def test_a_job_that_lost_a_rank_goes_on_with_more_or_fewer_to_the_same_bits(undisturbed, tmp_path):
    """Only rank 0 writes and reads: the other ranks have no such folder."""
    assert resumed(tmp_path, [(2, 1, "exchange", 14)]) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    assert resumed(tmp_path, [(3, 0, "file", 30)]) == 9
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
    require_the_end(tmp_path, 1, undisturbed)
