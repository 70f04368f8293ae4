"""Checkpoints with valid checksums and invalid content: each either loads and resumes, or raises one error."""

import copy
import itertools
import json
import shutil
import warnings
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.test_checkpoints import Run, X, Y, contents
from tinygrad_edu import nn
from tinygrad_edu.errors import CheckpointError, NonFiniteLossError
from tinygrad_edu.nn.weights.saving import decoded, encoded
from tinygrad_edu.training import Accuracy, Checkpoints, checkpoints, fit
from tinygrad_edu.training.checkpoints import STATE

EPOCHS = 2


class Training:
    """A training with parts of all kinds, which `fit` saves within its last epoch."""

    def __init__(self):
        self.run, self.history = Run(), []

    def begin(self, folder, resume=True, stop=None):
        run = self.run
        kept = Checkpoints(folder, every_steps=2, seen=run.seen, stopping=run.stopping, plateau=vars(run.plateau))
        told = {
            "metrics": {"accuracy": Accuracy()}, "evaluate_on": {"train": [(X, Y)]},
            "average": run.average, "history": self.history, "rng": run.rng, "checkpoints": kept, "resume": resume,
        }  # fmt: skip
        return fit(run.model, run.optimizer, nn.cross_entropy, run.loader, EPOCHS, stop=stop, **told)

    def go_on(self, epochs):
        for epoch in epochs:
            self.run.stopping(epoch.loss)
            self.run.seen.append(epoch.epoch)

    def bits(self):
        return self.run.bits(), copy.deepcopy(self.history), vars(self.run.stopping).keys()


def nodes(tree, path=()):
    """Yield the paths of all values in nested dicts and lists."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from nodes(item, (*path, key))


GONE = object()
VALUES = (
    GONE, None, True, 0, -1, 7, 10**30, -(10**30), 1.5, float("nan"), float("inf"), "", "x", "\x00\n", [], {}, [1, 2],
    [[]], {"array": "missing"}, {"array": 3}, {"array": []}, {"tuple": 5}, {"tuple": [1]}, {"dict": 3}, {"dict": [[1]]},
    {"dict": [[[], 1]]}, {"dict": [[1, 2]]}, {"unknown": 1}, {"a": {"b": [{}]}},
)  # fmt: skip
ARRAYS = (
    lambda a: a[..., None], lambda a: a.ravel()[:0], lambda a: np.concatenate([a.ravel()] * 2), lambda a: a > 0,
    lambda a: a.astype(np.float64), lambda a: a.astype(np.float16), lambda a: a.astype(np.int64) - 5,
    lambda a: a.astype(np.uint8), lambda a: np.full(a.shape, 10**6), lambda a: a * np.nan, lambda a: a.T,
    lambda a: np.zeros((), a.dtype), lambda a: a.astype(np.complex64),
)  # fmt: skip


def replaced(tree, path, value):
    """Return a copy of nested dicts and lists with another value at a path."""
    tree = copy.deepcopy(tree)
    holder = tree
    for key in path[:-1]:
        holder = holder[key]
    if value is GONE:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return tree


def sign(folder, told):
    """Write the manifest of a checkpoint, with valid checksums of its files and of itself."""
    run = {name: value for name, value in told.items() if name not in ("format", "sha256")}
    if isinstance(run.get("files"), dict):
        for name in run["files"]:
            if (folder / name).is_file():
                run["files"][name] = sha256((folder / name).read_bytes()).hexdigest()
    checksum = sha256(json.dumps(run).encode()).hexdigest()
    (folder / STATE).write_text(json.dumps({"format": 1, "sha256": checksum, **run}))


def judge(folder):
    """Resume: either the run completes, or one error names the problem and nothing is changed."""
    training = Training()
    before, files = training.bits(), contents(folder)
    try:
        with np.errstate(all="ignore"):
            epochs = training.begin(folder)
    except CheckpointError as error:
        assert training.bits() == before
        assert contents(folder) == files
        message = str(error)
        assert message.startswith(f"cannot resume from {folder}")
        assert message.isprintable()
        assert len(message) - len(str(folder)) < 1200
        return message
    with warnings.catch_warnings(), np.errstate(all="ignore"), suppress(NonFiniteLossError):
        warnings.simplefilter("ignore", RuntimeWarning)
        training.go_on(epochs)
    return None


class Saved:
    """A checkpoint, and modified copies of it."""

    def __init__(self, home):
        self.folder = home / "crafted"
        steps, training = [], Training()
        with suppress(KeyboardInterrupt):
            training.go_on(training.begin(home / "good", False, lambda: steps.append(1) or len(steps) == 5))
        self.path = max((home / "good").glob("checkpoint-*"))
        self.told = json.loads((self.path / STATE).read_text())
        self.arrays = {file.name: decoded(file.read_bytes()) for file in self.path.glob("*.safetensors")}
        self.paths = [path for path in nodes(self.told) if path[0] not in ("format", "sha256")]

    def copied(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        return Path(shutil.copytree(self.path, self.folder / self.path.name))

    def judge_value(self, path, value):
        sign(self.copied(), replaced(self.told, path, value))
        return judge(self.folder)

    def judge_array(self, file, name, change):
        copied, arrays = self.copied(), self.arrays[file]
        with np.errstate(all="ignore"):
            (copied / file).write_bytes(encoded({**arrays, name: np.asarray(change(arrays[name]))}))
        sign(copied, self.told)
        return judge(self.folder)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "sync", lambda path: None)
        yield Saved(tmp_path_factory.mktemp("saved"))


def test_an_unchanged_copy_is_gone_on_from(saved):
    sign(saved.copied(), saved.told)
    assert judge(saved.folder) is None


@pytest.mark.thorough
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_any_value_of_the_state_may_be_wrong(saved, data):
    saved.judge_value(data.draw(st.sampled_from(saved.paths)), data.draw(st.sampled_from(VALUES)))


@pytest.mark.slow
def test_each_value_of_the_state_may_be_each_other(saved):
    refused = [saved.judge_value(path, value) for path in saved.paths for value in VALUES]
    assert sum(map(bool, refused)) > 0.8 * len(refused)


@pytest.mark.thorough
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_array_may_be_wrong(saved, data):
    file = data.draw(st.sampled_from(sorted(saved.arrays)))
    name = data.draw(st.sampled_from(sorted(saved.arrays[file])))
    saved.judge_array(file, name, data.draw(st.sampled_from(ARRAYS)))


def inside(*path):
    return ("parts", *path)


WRONG = {
    "no parts": (("parts",), GONE, "parts must be a dict, got None"),
    "no files": (("files",), 3, "files must be a dict, got 3"),
    "no kind": (inside("model", "kind"), GONE, "model must have the entries kind, streams, values"),
    "a missing array": (inside("model", "values"), {"array": "w"}, "model refers to the array 'w', which is missing"),
    "no pairs": (inside("seen", "values"), {"dict": 3}, "seen must be a dict stored as pairs, got 3"),
    "a list as a dict": (inside("plateau", "values"), [], "its part plateau does not match: expected a dict, got []"),
    "no optimizer": (inside("optimizer", "values"), 3, "expected a state dict with the keys"),
    "a group": (inside("optimizer", "values", "param_groups"), [3], "(AttributeError: 'int' object has no attribute"),
    "a type": (inside("fit", "values", "progress", "step"), "x", "step of the progress must be a int, got 'x'"),
    "a negative number": (inside("fit", "values", "progress", "epoch"), -1, "is not a valid progress"),
    "an epoch": (inside("fit", "values", "history", 0, "loss"), None, "loss of the history must be a float, got None"),
    "a field": (inside("fit", "values", "history", 0, "x"), 1, "must have the fields epoch, loss, metrics"),
    "an attribute": (inside("stopping", "values", "model"), 3, "must have the fields best, calls,"),
    "a generator": (inside("rng", "streams", "", "state", "state"), -1, "the state is not a state of PCG64"),
    "another generator": (inside("rng", "streams", "", "bit_generator"), "X", "it has X, expected PCG64"),
    "an average": (inside("average", "values", "n_averaged"), "2", '"n_averaged": "2"'),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_error_says_what_is_wrong(wrong, saved):
    path, value, told = WRONG[wrong]
    assert told in saved.judge_value(path, value)


def test_an_order_that_is_none_is_refused(saved):
    assert "is not a valid progress" in saved.judge_array("fit.safetensors", "progress.order", lambda a: a + 0.0)
    assert "order must hold each index" in saved.judge_array("fit.safetensors", "progress.order", lambda a: a + 1)


def test_a_dtype_that_would_be_cast_is_refused(saved):
    told = saved.judge_array("optimizer.safetensors", "state.0.exp_avg", lambda a: a.astype(np.float64))
    assert "state.0.exp_avg of dtype float64, expected state.0.exp_avg of dtype float32" in told


BITS = [np.random.PCG64, np.random.PCG64DXSM, np.random.MT19937, np.random.Philox, np.random.SFC64]
PLACES = (*VALUES, 4, 5, 624, 625, 10**9)


@pytest.mark.thorough
@pytest.mark.parametrize("bits", BITS)
def test_a_generator_gets_a_state_of_its_kind_or_keeps_its_own(bits, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "sync", lambda path: None)
    rng = np.random.Generator(bits(3))
    path = Checkpoints(tmp_path, rng=rng).save()
    told, refused = json.loads((path / STATE).read_text()), 0
    before = str(rng.bit_generator.state)
    paths = [
        path for path in nodes(told["parts"]["rng"]["streams"]) if path[-1] in range(3) or path[-1] not in range(700)
    ]
    for node, value in itertools.product(paths, PLACES):
        sign(path, replaced(told, inside("rng", "streams", *node), value))
        try:
            Checkpoints(tmp_path, rng=rng).load()
        except CheckpointError:
            refused += 1
            assert str(rng.bit_generator.state) == before
        else:
            rng.random(1000)
            rng.bit_generator.state = np.random.Generator(bits(3)).bit_generator.state
    assert refused > 0.7 * len(paths) * len(PLACES)


class Half:
    """A part that loads one half of a state before it rejects the other, and whose state_dict() is not a copy."""

    def __init__(self):
        self.state = {"a": [1], "b": 2}

    def state_dict(self):
        return self.state

    def load_state_dict(self, saved):
        self.state["a"][:] = saved["a"]
        self.state["b"] = saved["b"] + 0


def test_a_part_that_shares_its_state_gets_it_back(tmp_path):
    half = Half()
    path = Checkpoints(tmp_path, half=half).save()
    told = json.loads((path / STATE).read_text())
    sign(path, replaced(told, inside("half", "values"), {"a": [5], "b": "x"}))
    with pytest.raises(CheckpointError, match=r"half does not match: cannot load .* \(TypeError: can only"):
        Checkpoints(tmp_path, half=half).load()
    assert half.state == {"a": [1], "b": 2}
