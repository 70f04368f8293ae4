"""Checkpoints: restored state is bitwise equal, mismatches are rejected, and valid checkpoints are never lost."""

import errno
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.effort import thorough
from tests.parallel.simulated import on_workers
from tests.shared.files.test_folder_lock import holding
from tinygrad_edu import data, nn, optim
from tinygrad_edu.errors import (
    CheckpointError,
    CheckpointWarning,
    DTypeError,
    MissingExtraError,
)
from tinygrad_edu.errors.extras import remedy
from tinygrad_edu.shared.files import folder_lock
from tinygrad_edu.shared.files.folder_lock import LOCK_FILE
from tinygrad_edu.training import Checkpoints, EarlyStopping, checkpoints, fit
from tinygrad_edu.training.checkpoints import STATE
from tinygrad_edu.training.rng_discovery import find_generators
from tinygrad_edu.training.serialization import pack, unpack

X, Y = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32), np.arange(12) % 2


@pytest.mark.thorough
@pytest.mark.parametrize("seed", thorough([0, 1], quick=[0]))
def test_killed_at_twenty_random_moments_a_run_ends_with_the_bits_of_an_undisturbed_one(seed):
    memory = Path("/dev/shm")  # in memory: writes of a killed process survive, without waiting for a disk
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as home:
        command = [sys.executable, Path(__file__).with_name("killed.py"), home, str(seed), "20"]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "same\n", "")


class Run:
    """The state of a small training after some steps."""

    def __init__(self, hidden=4, act=None, dtype=np.float32, optimizer=optim.Adam, samples=12, bits=np.random.PCG64):
        self.rng = np.random.Generator(bits(3))
        first, last = nn.Linear(3, hidden, rng=self.rng), nn.Linear(hidden, 2, rng=self.rng)
        self.model = nn.Sequential(first, nn.BatchNorm1D(hidden), act or nn.Tanh(), nn.Dropout(0.5, self.rng), last)
        self.model.astype(dtype)
        self.optimizer = optimizer(self.model.parameters(), lr=0.1)
        self.average = optim.MovingAverage(self.model.parameters())
        self.loader = data.DataLoader(X[:samples], Y[:samples], batch_size=4, rng=self.rng)
        self.stopping, self.plateau = EarlyStopping(self.model), optim.schedules.Plateau(0.1)
        self.seen = []

    def step(self):
        for x, y in self.loader:
            self.optimizer.zero_grad()
            nn.cross_entropy(self.model(x.astype(self.model.parameters()[0].dtype)), y).backward()
            self.optimizer.step()
            self.average.update()
        self.stopping(self.rng.random())
        self.plateau(self.rng.random())
        self.seen.append({"at": (1, self.rng.random()), "x": self.rng.random(2)})
        return self

    def checkpoints(self, folder, **more):
        parts = dict(vars(self), plateau=vars(self.plateau))
        return Checkpoints(folder, **parts, **more)

    def bits(self):
        """Return the state as bytes, with the next numbers of the random streams, which are restored."""
        arrays = {}
        told = pack([self.model.state_dict(), self.optimizer.state_dict(), self.average.state_dict()], arrays)
        told = [told, pack([self.stopping.state_dict(), vars(self.plateau), self.seen], arrays, "b")]
        state = self.rng.bit_generator.state
        drawn = self.rng.random(3).tolist()
        self.rng.bit_generator.state = state
        return json.dumps([told, drawn]), {name: (a.dtype, a.shape, a.tobytes()) for name, a in arrays.items()}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dtype": np.float64, "optimizer": optim.SGD},
        {"optimizer": optim.AdamW},
        *({"bits": bits} for bits in (np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64)),
    ],
)
def test_all_parts_come_back_to_the_last_bit_and_go_on_alike(settings, tmp_path):
    run, other = Run(**settings).step().step(), Run(**settings)
    run.checkpoints(tmp_path).save(epoch=2, order=np.arange(3), nested=[(1, None), {"inf": np.inf, 3: "three"}])
    position = other.checkpoints(tmp_path).load()
    assert position["order"].tolist() == [0, 1, 2]
    assert (position["epoch"], position["nested"]) == (2, [(1, None), {"inf": np.inf, 3: "three"}])
    assert other.bits() == run.bits()
    assert other.step().bits() == run.step().bits()


SHARED = np.random.default_rng(5)


def draws(x):
    return [SHARED.random() for _ in x]


class Noise:
    def __init__(self, rng):
        self.rng = rng

    def __call__(self, x, rng=None):
        return x

    def method(self, x):
        return x


@pytest.mark.parametrize(
    ("transform", "paths"),
    [
        (None, []),
        (draws, []),  # in a global variable
        ((lambda rng: lambda x: x + rng.random())(SHARED), ["rng"]),
        (Noise(SHARED), ["rng"]),
        (Noise(SHARED).method, ["rng"]),
        (partial(Noise(None), rng=SHARED), ["rng"]),
        (partial(draws, SHARED.random), ["0"]),
        (Noise([draws, 3, {"b": SHARED}]), ["rng.2.b"]),
    ],
)
def test_the_generators_that_a_function_holds_are_found(transform, paths):
    loader = data.DataLoader(X, batch_size=4, transform=transform)
    assert find_generators(loader) == {f"transform.{path}": SHARED for path in paths}
    if transform is not None:
        assert find_generators(nn.Sequential(nn.Lambda(transform))) == {f"0.function.{path}": SHARED for path in paths}


def test_where_there_is_none_nothing_is_loaded(tmp_path):
    run = Run()
    before = run.bits()
    assert run.checkpoints(tmp_path / "none").load() is None
    assert run.bits() == before


def test_the_last_two_are_kept_and_what_killed_ones_left_goes(tmp_path):
    kept = Run().checkpoints(tmp_path)
    kept.save(epoch=1)
    (tmp_path / ".writing-left").mkdir()
    (tmp_path / ".writing-left" / "model.safetensors").write_text("half")
    (tmp_path / "notes.txt").write_text("mine")
    names = [kept.save(epoch=epoch).name for epoch in range(2, 12)]
    assert names[-1] == "checkpoint-000011"
    assert {path.name for path in tmp_path.iterdir()} == {*names[-2:], "notes.txt", LOCK_FILE}
    kept.unlock()
    assert {path.name for path in tmp_path.iterdir()} == {*names[-2:], "notes.txt"}
    assert Run().checkpoints(tmp_path).load() == {"epoch": 11}


def test_the_weights_in_it_are_a_file_of_weights(tmp_path):
    run, other = Run().step(), Run()
    other.model.load(run.checkpoints(tmp_path).save() / "model.safetensors")
    assert all(
        (a == b).all() for a, b in zip(run.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    )


# --- Mismatches ---


def refusal(run, folder):
    """Return the error message of a rejected checkpoint. The run and the folder must be unchanged."""
    before, files = run.bits(), contents(folder)
    with pytest.raises(CheckpointError) as refused:
        run.checkpoints(folder).load()
    assert run.bits() == before
    assert contents(folder) == files
    message = str(refused.value)
    assert message.startswith(f"cannot resume from {folder}")
    assert message.isprintable()
    assert len(message) - len(str(folder)) < 400
    return message


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


OTHERS = {
    "a wider layer": (Run(hidden=5), "model", "(0): Linear(in_features=3, out_features=4), expected"),
    "another activation": (Run(act=nn.ReLU()), "model", "(2): Tanh(), expected (2): ReLU()"),
    "a function": (Run(act=np.tanh), "model", "(2): Tanh(), expected (2): Lambda(tanh)"),
    "another dtype": (Run(dtype=np.float64), "model", "float32, expected float64"),
    "another optimizer": (Run(optimizer=optim.SGD), "optimizer", "Adam, expected SGD"),
    "other data": (Run(samples=8), "loader", "DataLoader(12 samples shuffled each epoch, "),
    "another generator": (Run(bits=np.random.MT19937), "rng", "PCG64, expected MT19937"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_that_of_another_run_is_refused_and_nothing_changes(other, tmp_path):
    saved = Run().step().checkpoints(tmp_path)
    saved.save()
    saved.save()
    run, part, difference = OTHERS[other]
    message = refusal(run, tmp_path)
    assert f"its part {part} does not match: it has {difference}" in message
    assert "move" not in message


def test_that_of_other_parts_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    Checkpoints(tmp_path, rng=rng).save()
    with pytest.raises(CheckpointError, match="it holds the parts rng; expected more, rng"):
        Checkpoints(tmp_path, rng=rng, more=[]).load()


def test_that_of_a_newer_version_is_refused(tmp_path):
    state = Run().checkpoints(tmp_path).save() / STATE
    state.write_text(json.dumps({**json.loads(state.read_text()), "format": 2, "new": 1}))
    assert "a newer tinygrad_edu wrote it in format 2; this version reads format 1" in refusal(Run(), tmp_path)


@pytest.mark.thorough
def test_any_damage_is_told_in_one_line_and_the_one_before_it_can_take_its_place(tmp_path):
    first = Run().step()
    first.checkpoints(tmp_path).save(epoch=1)
    path = Run().step().checkpoints(tmp_path).save(epoch=2)
    good, run, damaged = contents(path), Run(), 0
    for file, content in good.items():
        for at in range(0, len(content), max(len(content) // 12, 1)):
            for bad in (content[:at], content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :]):
                file.write_bytes(bad)
                told = "To resume from the earlier checkpoint-000001, move checkpoint-000002 away."
                message = refusal(run, tmp_path)
                assert f"{file.name} was truncated or altered. {told}" in message or "newer" in message
                damaged += 1
        file.unlink()
        assert f"{file.name} cannot be read (No such file or directory)" in refusal(run, tmp_path)
        file.mkdir()
        assert f"{file.name} cannot be read (it is not a regular file)" in refusal(run, tmp_path).replace(".)", ")")
        file.rmdir()
        file.write_bytes(content)
    assert damaged > 100
    path.rename(tmp_path / "away")
    assert run.checkpoints(tmp_path).load() == {"epoch": 1}
    assert run.bits() == first.bits()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"1", b"null", b'"text"', b"{}", b"[" * 100_000, b'{"format": 1}', b"\xff"]
)
def test_any_other_file_is_told_in_one_line(content, tmp_path):
    (Run().checkpoints(tmp_path).save() / STATE).write_bytes(content)
    assert "state.json was truncated or altered" in refusal(Run(), tmp_path)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"epoch": 3}, r"cannot store epoch, a int.* Pass numbers to save\(\)"),
        ({"plateau": optim.schedules.Plateau(0.1)}, r"For a Plateau, pass vars\(plateau\)"),
        ({"position": []}, "a part cannot be named 'position'"),
        ({"a/b": []}, "a part cannot be named 'a/b'"),
    ],
)
def test_what_has_no_state_is_no_part(parts, message, tmp_path):
    with pytest.raises(DTypeError, match=message):
        Checkpoints(tmp_path, **parts)


def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path):
    with pytest.raises(DTypeError, match=r"cannot store settings\.0, a Sequential"):
        Checkpoints(tmp_path).save(settings=[nn.Sequential()])
    assert list(tmp_path.iterdir()) == []


def test_without_safetensors_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingExtraError, match=re.escape(remedy("safetensors"))):
        Checkpoints(tmp_path)


# --- A full disk ---


@contextmanager
def full_disk(size):
    """Limit the file size of this process: further writes fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 300, 1000, 4000])
def test_on_a_full_disk_the_last_good_one_stays(size, tmp_path):
    run = Run().step()
    run.checkpoints(tmp_path).save(epoch=1)
    files = contents(tmp_path)
    run.step()
    with (
        full_disk(size),
        pytest.raises(CheckpointError, match=r"^cannot write a checkpoint to .*: File too large\. Earlier"),
    ):
        run.checkpoints(tmp_path).save(epoch=2)
    assert contents(tmp_path) == files
    assert len(list(tmp_path.iterdir())) == 1
    assert run.checkpoints(tmp_path).load() == {"epoch": 1}


def test_a_training_goes_on_where_no_checkpoint_can_be_written(tmp_path):
    weights = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        run = Run()
        told = {"rng": run.rng, "checkpoints": Checkpoints(folder)}
        with warnings.catch_warnings(record=True) as warned, full_disk(2000 if folder.name == "b" else 1 << 30):
            warnings.simplefilter("always")
            assert len(list(fit(run.model, run.optimizer, nn.cross_entropy, run.loader, 3, **told))) == 3
        weights.append(run.bits())
    # The last epoch is saved before and after it is yielded.
    assert [w.category for w in warned] == [CheckpointWarning] * 4
    assert "File too large. Earlier checkpoints are unchanged. Training continues" in str(warned[0].message)
    assert os.path.basename(warned[0].filename) == os.path.basename(__file__)
    assert weights[0] == weights[1]
    assert list((tmp_path / "b").iterdir()) == []


# --- In the loop ---


@pytest.mark.parametrize(("saved", "resumed"), [(None, 2), (2, None), (2, 3)])
def test_a_run_with_another_shard_size_is_refused_and_nothing_changes(saved, resumed, tmp_path):
    def resume(shard_size):
        rng, history = np.random.default_rng(0), []
        model = nn.Sequential(nn.Linear(3, 2, rng=rng), nn.Dropout(0.5))
        optimizer, loader = optim.Adam(model.parameters()), data.DataLoader(X, Y, batch_size=4, rng=rng)
        told = {"rng": rng, "history": history, "checkpoints": Checkpoints(tmp_path), "shard_size": shard_size}

        def state():
            told, arrays = [optimizer.state_dict(), len(history), rng.bit_generator.state], {}
            return pack(told, arrays), [array.tolist() for array in (*arrays.values(), *model.state_dict().values())]

        before = state()
        try:
            return list(fit(model, optimizer, nn.cross_entropy, loader, 2, resume=True, **told))
        finally:
            assert (state() == before) == (shard_size == resumed)

    assert len(resume(saved)) == 2
    with pytest.raises(CheckpointError, match=f"it was saved with shard_size={saved}, not {resumed}"):
        resume(resumed)


LOOPS = {
    "to the end": list,
    "islice of all": lambda epochs: list(itertools.islice(epochs, 3)),
    "zipped with a range": lambda epochs: list(zip(range(3), epochs, strict=False)),
    "one by one": lambda epochs: [next(epochs) for _ in range(3)],
    "left in the last one": lambda epochs: next(epoch for epoch in epochs if epoch.epoch == 3),
}


@pytest.mark.parametrize("loop", LOOPS)
def test_the_last_epoch_is_saved_however_the_loop_ends_and_however_short_it_was(loop, tmp_path):
    def begin(epochs):
        run, history = Run(), []
        kept = Checkpoints(tmp_path, every_seconds=1e6)
        told = {"rng": run.rng, "history": history, "checkpoints": kept, "resume": True}
        return run, history, fit(run.model, run.optimizer, nn.cross_entropy, run.loader, epochs, **told)

    run, history, epochs = begin(3)
    LOOPS[loop](epochs)
    again, before, epochs = begin(3)
    seen = [epoch.epoch for epoch in epochs]
    assert seen == ([] if loop == "to the end" else [3])  # the loop may not have finished it
    assert before == history
    assert again.bits() == run.bits()
    assert [epoch.epoch for epoch in begin(4)[2]] == [4]


# --- Two programs and one folder ---

FIRST = """
import sys
from tinygrad_edu.training import Checkpoints
checkpoints = Checkpoints(sys.argv[1], mine=[1])
checkpoints.save()
print("saved", flush=True)
sys.stdin.read()
checkpoints.save()
"""


@contextmanager
def another_program(folder):
    """Start another program that saves into a folder, once before and once after the block."""
    with holding(folder, FIRST, "saved") as process:
        yield process
    assert process.returncode == 0


def fitted(run, folder, **settings):
    told = {"rng": run.rng, "checkpoints": Checkpoints(folder), **settings}
    return fit(run.model, run.optimizer, nn.cross_entropy, run.loader, 2, **told)


USES = {
    "save": lambda run, folder: run.checkpoints(folder).save(),
    "load": lambda run, folder: run.checkpoints(folder).load(),
    "lock": lambda run, folder: run.checkpoints(folder).lock(),
    "fit": lambda run, folder: list(fitted(run, folder)),
    "fit that resumes": lambda run, folder: list(fitted(run, folder, resume=True)),
}


@pytest.mark.thorough
@pytest.mark.parametrize("use", USES)
def test_the_second_program_says_who_the_first_one_is_before_it_trains(use, tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "GRACE", 0.0)
    run = Run()
    before = run.bits()
    with another_program(tmp_path) as process:
        files = contents(tmp_path)
        with pytest.raises(
            CheckpointError, match=rf"is writing into {tmp_path}: process {process.pid} on .*Wait until"
        ):
            USES[use](run, tmp_path)
        assert contents(tmp_path) == files
    assert run.bits() == before
    assert len(list(tmp_path.glob("checkpoint-*"))) == 2
    USES[use](Run(), tmp_path / "other")


@pytest.mark.thorough
def test_on_workers_the_first_locks_for_all_and_all_hear_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_lock, "GRACE", 0.0)

    def lock(workers):
        kept = Checkpoints(tmp_path, seen=[]).for_workers(workers)
        try:
            kept.lock()
        except CheckpointError as error:
            return str(error)
        return kept._lock is not None

    assert on_workers(3, lock)[1] == [True, False, False]
    with another_program(tmp_path):
        first, *others = on_workers(3, lock)[1]
    assert "another program is writing into" in first
    assert others == [first] * 2


def test_threads_of_one_program_save_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "sync", lambda path: None)

    def save(number):
        mine = [number]
        kept = Checkpoints(tmp_path, mine=mine)
        for _ in range(20):
            kept.save()
            kept.load()
            assert len(mine) == 1

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(save, range(4)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-000079", "checkpoint-000080"]


def test_when_a_training_is_over_or_left_or_refused_the_folder_is_free(tmp_path):
    def is_free():
        return not (tmp_path / folder_lock.LOCK_FILE).exists()

    run = Run()
    epochs = fitted(run, tmp_path)
    assert not is_free()
    list(epochs)
    assert is_free()
    for epoch in fitted(Run(), tmp_path, resume=False):
        assert not is_free()
        if epoch.epoch == 1:
            break
    del epoch
    assert is_free()
    with pytest.raises(CheckpointError, match="does not match"):
        fitted(Run(hidden=7), tmp_path, resume=True)
    assert is_free()


def test_a_folder_that_is_moved_away_is_made_again(tmp_path):
    run = Run()
    kept = run.checkpoints(tmp_path / "a")
    kept.save(epoch=1)
    (tmp_path / "a").rename(tmp_path / "b")
    kept.save(epoch=2)
    assert Run().checkpoints(tmp_path / "a").load() == {"epoch": 2}
    assert Run().checkpoints(tmp_path / "b").load() == {"epoch": 1}


def test_what_cannot_be_locked_because_it_cannot_be_written_can_be_loaded(tmp_path, monkeypatch):
    run = Run().step()
    run.checkpoints(tmp_path).save(epoch=1)

    def refuse(folder):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(checkpoints, "FolderLock", refuse)
    other = Run()
    assert other.checkpoints(tmp_path).load() == {"epoch": 1}
    assert other.bits() == run.bits()
    with pytest.raises(CheckpointError, match=r"^cannot write a checkpoint to .*: Permission denied\. Earlier"):
        other.checkpoints(tmp_path).save(epoch=2)


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(np.arange(3))
keys = st.text(max_size=2) | st.integers() | st.sampled_from(["array", "dict", "tuple"])


@pytest.mark.thorough
@given(
    st.recursive(
        leaves,
        lambda nests: st.lists(nests) | st.tuples(nests, nests) | st.dictionaries(keys, nests, max_size=3),
        max_leaves=5,
    )
)
def test_nests_come_back_from_json(nest):
    arrays = {}
    packed = json.loads(json.dumps(pack(nest, arrays)))
    assert repr(unpack(packed, arrays)) == repr(nest)
