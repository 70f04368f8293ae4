"""Trials: each result is saved at once, no trial runs twice, and a failure or a killed process ends no other trial."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.shared import child, trials
from models.shared.executors import pool_of_processes
from models.shared.trials import FAILURE, RECORD, folder_of, grid, known, run
from tests.effort import thorough
from tests.models.grief import calls, waits
from tinygrad_edu.shared.speed.blas import allowed_threads

PROJECT = Path(__file__).parents[2]
EXECUTORS = [partial(ThreadPoolExecutor, 2), partial(pool_of_processes, 2)]


def settings(log, **how):
    return [{"x": x, "log": str(log), **({"how": how[f"x{x}"]} if f"x{x}" in how else {})} for x in range(6)]


def done(found):
    return {trial.setting["x"]: trial.value["square"] for trial in found if not trial.reason}


@pytest.mark.parametrize("executor", thorough(EXECUTORS, quick=EXECUTORS[:1]))
def test_all_are_run_once_and_are_known_afterwards(executor, tmp_path):
    planned, log = settings(tmp_path / "log"), tmp_path / "log"
    first = list(run(calls, planned, executor, tmp_path))
    assert done(first) == {x: x * x for x in range(6)}
    assert sorted(log.read_text().split()) == [*"012345"]
    again = list(run(calls, planned, lambda: pytest.fail("nothing is to be run"), tmp_path))
    assert [trial.setting for trial in again] == planned
    assert sorted(map(repr, again)) == sorted(map(repr, first))
    more = [*planned, {"x": 7, "log": str(log)}]
    assert len(known(more, tmp_path)) == 6
    assert done(run(calls, more, executor, tmp_path)) == {x: x * x for x in [*range(6), 7]}
    assert log.read_text().split()[6:] == ["7"]


@pytest.mark.thorough
@pytest.mark.parametrize("executor", thorough(EXECUTORS, quick=EXECUTORS[1:]))
def test_those_that_fail_end_no_other_say_why_and_are_run_again(executor, tmp_path):
    planned = settings(tmp_path / "log", x0="fails", x2="exits", x3="tells")
    found = list(run(calls, planned, executor, tmp_path))
    assert done(found) == {1: 1, 4: 16, 5: 25}
    assert {trial.setting["x"]: trial.reason for trial in found if trial.reason} == {
        0: "ValueError: 0 is wrong", 2: "SystemExit: it has had enough", 3: "3 is not liked",
    }  # fmt: skip
    told = (folder_of(tmp_path, planned[0]) / FAILURE).read_text()
    assert "Traceback" in told
    assert 'raise ValueError(f"{x} is\\n  wrong")' in told
    list(run(calls, planned, executor, tmp_path))
    assert sorted((tmp_path / "log").read_text().split()) == [*"001223345"]


def test_one_that_succeeds_at_last_has_no_failure_left(tmp_path):
    planned = [{"x": 1, "log": str(tmp_path / "log"), "how": "fails", "once": str(tmp_path / "once")}]
    for _ in range(2):
        list(run(calls, planned, EXECUTORS[0], tmp_path))
    assert [path.name for path in folder_of(tmp_path, planned[0]).iterdir()] == [RECORD]


@pytest.mark.thorough
@pytest.mark.parametrize("deadly", [[1], pytest.param([0, 1, 2, 3, 4, 5], marks=pytest.mark.slow)])
def test_those_that_kill_their_process_are_the_only_ones_that_fail(deadly, tmp_path):
    planned = settings(tmp_path / "log", **{f"x{x}": "dies" for x in deadly})[: 3 if deadly == [1] else 6]
    found = list(run(calls, planned, EXECUTORS[1], tmp_path))
    assert len(found) == len(planned)
    assert done(found) == {x: x * x for x in range(len(planned)) if x not in deadly}
    assert {trial.reason for trial in found} - {""} == {"the process that ran it died"}


@pytest.mark.thorough
def test_one_whose_process_is_killed_by_chance_is_run_again_at_once(tmp_path):
    planned = settings(tmp_path / "log")[:3]
    planned[1] |= {"how": "dies", "once": str(tmp_path / "once")}
    assert done(run(calls, planned, EXECUTORS[1], tmp_path)) == {0: 0, 1: 1, 2: 4}


@pytest.mark.thorough
def test_an_executor_that_cannot_begin_fails_every_trial(tmp_path):
    hopeless = partial(ProcessPoolExecutor, 1, get_context("spawn"), initializer=os._exit, initargs=(1,))
    found = list(run(calls, settings(tmp_path / "log")[:2], hopeless, tmp_path))
    assert [trial.reason for trial in found] == ["the process that ran it died"] * 2


def test_who_stops_looking_has_what_was_over_and_the_rest_is_not_begun(tmp_path):
    log = tmp_path / "log"
    coming = run(waits, [{"x": x, "log": str(log)} for x in range(50)], partial(ThreadPoolExecutor, 1), tmp_path)
    first = next(coming)
    coming.close()
    assert first.setting["x"] == 0
    time.sleep(0.2)
    assert len(log.read_text().split()) <= 3
    assert folder_of(tmp_path, first.setting).joinpath(RECORD).exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"setting": {"x": 2}, "value": 1, "seconds": 1}', "folder"])
def test_what_is_no_record_of_this_setting_is_not_believed(damage, tmp_path):
    setting = {"x": 1}
    place = folder_of(tmp_path, setting) / RECORD
    place.parent.mkdir()
    place.mkdir() if damage == "folder" else place.write_text(damage)
    assert known([setting], tmp_path) == []


def test_values_are_what_json_has_of_them(tmp_path):
    for _ in range(2):
        (trial,) = run(numbers, [{"scale": 2.0}], EXECUTORS[0], tmp_path)
        assert trial.value == {"array": [0, 2], "scalar": 0.5, "nan": None, "pair": [1, "a"]}
    assert json.loads((folder_of(tmp_path, {"scale": 2.0}) / RECORD).read_text())["setting"] == {"scale": 2.0}


def numbers(scale):
    return {"array": scale * np.arange(2), "scalar": np.float32(0.5), "nan": np.nan, "pair": (1, "a")}


def test_a_grid_has_each_choice_once_the_last_changing_fastest():
    assert grid(a=[1, 2], b="xy") == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}]
    assert grid() == [{}]
    assert grid(a=[]) == []


@given(
    st.dictionaries(st.from_regex("[a-z_]{1,9}", fullmatch=True), st.text() | st.floats() | st.integers(), max_size=9)
)
def test_each_setting_has_a_folder_that_every_system_can_name(setting):
    folder = folder_of(Path("trials"), setting)
    assert folder.parent == Path("trials")
    assert 0 < len(folder.name) < 200
    assert folder.name.isascii()
    assert not set(folder.name) & set('/\\:*?<>|"\0\n')
    assert folder.name not in (".", "..")


@given(st.floats(allow_nan=False))
def test_a_number_in_a_name_is_that_number(value):
    assert float(trials.as_text(value)) == value


# --- A program as a child process ---

SHOW = """
import os, sys
from tinygrad_edu.parallel import ALONE
of_ranks = [name for name in os.environ if ("PMI" in name or "MPI" in name) and "COMPIL" not in name]
print(sys.argv[1:], __name__, ALONE.threads, sorted(of_ranks))
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def shows(tmp_path, monkeypatch):
    """Create a module that prints its environment."""
    (tmp_path / "shows.py").write_text(SHOW)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{PROJECT}")
    return tmp_path / "log.txt"


@pytest.mark.thorough
def test_a_child_is_called_as_a_program_with_its_cores_and_is_no_rank(shows, monkeypatch):
    for name in ("PMI_RANK", "PMI_FD", "MPI_LOCALRANKID", "OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "HYDI_CONTROL_FD"):
        monkeypatch.setenv(name, "0")
    assert child.call("shows", ["3", "a b"], shows, 1) == 3
    assert shows.read_text() == "['3', 'a b'] __main__ 1 []\n"


@pytest.mark.parametrize(
    ("told", "threads"), [("1", 1), (" 3,4 ", 3), ("100000", 8), ("0", 8), ("two", 8), ("", 8), ("-1", 8)]
)
def test_there_are_as_many_threads_as_the_environment_says_and_no_more_than_cores(told, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert allowed_threads(8) == threads


PARENT = """
import sys
from pathlib import Path
from models.shared import child
child.call("models.spirals", ["--epochs", "1000000", "--output", sys.argv[1] + "/r"], Path(sys.argv[1]) / "log.txt", 1)
"""


@pytest.mark.thorough
def test_a_child_ends_with_its_parent_even_if_that_is_killed(tmp_path):
    with subprocess.Popen([sys.executable, "-c", PARENT, tmp_path], cwd=PROJECT) as parent:
        wait_until(lambda: "epoch 2/" in read(tmp_path / "log.txt"))
        parent.kill()
    wait_until(lambda: not running(str(tmp_path)))


def read(path):
    return path.read_text() if path.exists() else ""


def running(text):
    """Return the processes whose command line contains a text."""
    listed = subprocess.run(["ps", "-eww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if text in line]


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
