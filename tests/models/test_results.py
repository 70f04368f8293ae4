"""Results are saved as a whole: however a save ends, the folder shows the old set or the new one."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from models.shared import report, results
from tests.effort import thorough
from tinygrad_edu.errors import DataError

PROJECT = Path(__file__).parents[2]
SAVER = Path(__file__).with_name("saver.py")


def save(folder, value):
    results.save(
        folder,
        lambda staged: report.write_weights(staged / results.WEIGHTS, {"w": np.full(3, value)}),
        {"end": f"save {value}"},
    )


def sets(folder):
    return list(folder.glob(".results-*"))


@pytest.fixture
def quick(tmp_path):
    """Return a folder in memory if the system has one: the disk would be synced thousands of times."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield folder


HOW = ["killed", "failed", "full", "killed unlinked", "failed unlinked"]


@pytest.mark.thorough
@pytest.mark.parametrize("before", thorough(["nothing", "set", "files"], quick=["set"]))
@pytest.mark.parametrize("how", thorough(HOW, quick=["killed", "full", "killed unlinked"]))
def test_whatever_comes_between_the_folder_shows_one_set_and_can_be_saved_to(before, how, quick):
    command = [sys.executable, SAVER, quick, before, how]
    ran = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(PROJECT)}, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    seen = [json.loads(line) for line in ran.stdout.splitlines()]
    first, later = zip(*seen, strict=True)
    assert set(later) == {"later"}
    old = "nothing" if before == "nothing" else "old"
    # Without links there is a moment between removing the old summary and adding the new one.
    assert set(first) == ({"new", old, "nothing"} if "unlinked" in how else {"new", old})
    assert len(seen) > (5 if how == "full" else 20)


def test_what_killed_runs_left_is_removed_once_it_is_old(tmp_path):
    save(tmp_path, 1)
    for name, age in (("young", 60), ("old", 2 * results.HOUR)):
        (tmp_path / f".results-{name}").mkdir()
        os.utime(tmp_path / f".results-{name}", (time.time() - age,) * 2)
    save(tmp_path, 2)
    assert len(sets(tmp_path)) == 2
    assert (tmp_path / ".results-young").exists()
    assert results.read_weights(tmp_path)["w"].tolist() == [2, 2, 2]


def test_a_link_that_leads_elsewhere_is_not_followed_to_remove_things(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis.txt").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / ".results").symlink_to("../elsewhere")
    for value in range(2):
        save(tmp_path / "folder", value)
    assert (tmp_path / "elsewhere" / "thesis.txt").read_text() == "mine"
    assert results.read_summary(tmp_path / "folder")["end"] == "save 1"


def test_the_folder_may_be_moved(tmp_path):
    save(tmp_path / "a", 1)
    (tmp_path / "a").rename(tmp_path / "b")
    assert results.read_weights(tmp_path / "b")["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("mine"), "File exists"),
        (lambda path: path.symlink_to("/dev/null"), "File exists"),
        (lambda path: (path / results.WEIGHTS).mkdir(parents=True), f"{results.WEIGHTS} is a folder in it"),
    ],
)
def test_a_folder_that_cannot_be_saved_to_is_refused_before(make, message, tmp_path):
    make(tmp_path / "folder")
    with pytest.raises(DataError, match=rf"{message}.*; choose another folder"):
        results.prepare(tmp_path / "folder", [results.WEIGHTS], 10)


def test_to_try_a_folder_leaves_nothing_in_it(tmp_path):
    results.prepare(tmp_path / "a" / "b", [results.WEIGHTS], 10)
    assert os.listdir(tmp_path / "a" / "b") == []


DAMAGES = {
    "no weights": lambda folder: (folder / results.WEIGHTS).unlink(),
    "a cut": lambda folder: os.truncate(folder / results.WEIGHTS, 70),
    "a flip": lambda folder: (folder / results.WEIGHTS).write_bytes(b"!" * (folder / results.WEIGHTS).stat().st_size),
    "another's": lambda folder: save(folder.parent, 2) or shutil.copy(folder.parent / results.WEIGHTS, folder),
    "a pipe": lambda folder: (folder / results.WEIGHTS).unlink() or os.mkfifo(folder / results.WEIGHTS),
    "no summary": lambda folder: (folder / results.SUMMARY).unlink(),
    "a summary of nothing": lambda folder: (folder / results.SUMMARY).write_text("{}"),
    "a summary of a list": lambda folder: (folder / results.SUMMARY).write_text('{"files": []}'),
    "a deep summary": lambda folder: (folder / results.SUMMARY).write_text("[" * 100_000),
    "a summary of one number": lambda folder: resign(folder, 3),
    "no length": lambda folder: resign(folder, {}),
    "a signed file in another format": lambda folder: resign(folder, results._entry(b"no")) or b"no",
    "a signed type that NumPy lacks": lambda folder: resign(
        folder, results._entry(OF_NO_TYPE := safetensors('{"w":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}'))
    ) or OF_NO_TYPE,
}  # fmt: skip


def resign(folder, entry):
    (folder / results.SUMMARY).write_text(json.dumps({"files": {results.WEIGHTS: entry}}))


def safetensors(header):
    return len(header).to_bytes(8, "little") + header.encode() + b"\0\0"


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_weights_that_are_not_those_of_the_summary_are_refused(damage, tmp_path):
    folder = tmp_path / "results"
    save(folder, 1)
    if isinstance(content := damage(folder), bytes):
        (folder / results.WEIGHTS).write_bytes(content)
    with pytest.raises(DataError, match=r"(?i)train again\.$"):
        results.read_weights(folder)
