"""Rows of files equal those of an array in memory, for any index and reader, and only rows that are read use memory."""

import json
import os
import re
import resource
import struct
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import tinygrad_edu as tg
from tests.effort import thorough
from tinygrad_edu.data import DataLoader, FileRows, random_split
from tinygrad_edu.data.stored_array import StoredArray
from tinygrad_edu.errors import DataError, DTypeError, MissingExtraError, ShapeError
from tinygrad_edu.errors.extras import remedy

X = np.random.default_rng(0).normal(size=(11, 2, 3))
DAYS = np.arange("2026-01", "2026-12", dtype="datetime64[M]")
PAIRS = np.array([(k, k / 2) for k in range(11)], dtype=[("whole", "<i4"), ("half", ">f8")])
BFLOATS = np.linspace(-3, 3, 22, dtype=np.float32).reshape(11, 2).view(np.uint32) >> 16 << 16


def saved(folder, array, *cuts):
    """Save an array in several files, split at the given rows, and return their paths."""
    paths = [folder / f"{k}.npy" for k in range(len(cuts) + 1)]
    for path, part in zip(paths, np.split(array, cuts), strict=True):
        np.save(path, part)
    return paths


def saved_tensors(folder, array, *cuts):
    """Save an array in several safetensors files that also hold other tensors."""
    paths = [folder / f"{k}.safetensors" for k in range(len(cuts) + 1)]
    for path, part in zip(paths, np.split(array, cuts), strict=True):
        save_file({"a": np.arange(3), "x": np.ascontiguousarray(part), "z": np.ones((2, 2))}, path)
    return paths


def raw_tensor(path, kind, shape, content):
    """Write a safetensors file of a dtype that NumPy may lack."""
    header = json.dumps({"x": {"dtype": kind, "shape": shape, "data_offsets": [0, len(content)]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content)
    return path


def second_version(path, array):
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version=(2, 0))
    return path


SETS = {
    "a file": (lambda p: FileRows(saved(p, X)[0]), X),
    "its name": (lambda p: FileRows(str(saved(p, X)[0])), X),
    "three files": (lambda p: FileRows(saved(p, X, 3, 7)), X),
    "one row per file": (lambda p: FileRows(iter(saved(p, X, *range(1, 11)))), X),
    "some empty files": (lambda p: FileRows(saved(p, X, 0, 4, 4, 4, 11)), X),
    "numbers": (lambda p: FileRows(saved(p, X[:, 0, 0], 5)), X[:, 0, 0]),
    "non-native byte order": (lambda p: FileRows(saved(p, X.astype(">f8"), 5)), X),
    "booleans": (lambda p: FileRows(saved(p, X > 0, 5)), X > 0),
    "dates": (lambda p: FileRows(saved(p, DAYS, 5)), DAYS),
    "records": (lambda p: FileRows(saved(p, PAIRS, 5)), PAIRS),
    "words": (lambda p: FileRows(saved(p, np.array(list("abcdefghijk")), 5)), np.array(list("abcdefghijk"))),
    "empty rows": (lambda p: FileRows(saved(p, X[:, :0], 5)), X[:, :0]),
    "no rows": (lambda p: FileRows(saved(p, X[:0])), X[:0]),
    "a header of the second version": (lambda p: FileRows(second_version(p / "x.npy", X)), X),
    "Fortran's order of one axis": (lambda p: FileRows(saved(p, np.asfortranarray(X[:, 0, 0]))), X[:, 0, 0]),
    "a tensor": (lambda p: FileRows(saved_tensors(p, X), name="x"), X),
    "tensors": (lambda p: FileRows(saved_tensors(p, X, 3, 7), name="x"), X),
    "one-dimensional tensors": (lambda p: FileRows(saved_tensors(p, np.arange(11), 5), name="x"), np.arange(11)),
    "bfloat16": (
        lambda p: FileRows(
            raw_tensor(p / "x", "BF16", [11, 2], (BFLOATS >> 16).astype("<u2").tobytes()),
            name="x",
        ),
        BFLOATS.view(np.float32),
    ),
}


@pytest.fixture(scope="module", params=SETS)
def pair(request, tmp_path_factory):
    """A data set in files, and the same data set in memory."""
    make, array = SETS[request.param]
    return make(tmp_path_factory.mktemp("set")), array


def indices(count):
    """Draw an index for an array with a given number of rows."""
    numbers = st.integers(-count, count - 1) if count else st.nothing()
    lists = st.lists(numbers, max_size=2 * count)
    arrays = lists.flatmap(lambda rows: st.sampled_from([np.int64, np.int8]).map(lambda kind: np.array(rows, kind)))
    masks = st.lists(st.booleans(), min_size=count, max_size=count)
    return st.one_of(
        numbers,
        numbers.map(np.int16),
        numbers.map(np.array),
        st.slices(count),
        st.slices(3 * count),
        lists,
        arrays,
        arrays.map(lambda rows: rows[: len(rows) // 2 * 2].reshape(2, -1)),
        lists.map(lambda rows: np.array([row % count for row in rows], np.uint8)),
        masks if count else st.nothing(),
        masks.map(lambda rows: np.array(rows, bool)),
    )


# --- Any index ---


@given(st.data())
def test_rows_are_those_of_the_array_in_memory(pair, data):
    rows, array = pair
    index = data.draw(indices(len(array)))
    found, wanted = rows[index], array[index]
    assert (type(found), found.dtype, np.shape(found)) == (type(wanted), wanted.dtype.newbyteorder("="), wanted.shape)
    np.testing.assert_array_equal(found, wanted)


def test_it_has_the_form_of_the_array_in_memory(pair):
    rows, array = pair
    assert (rows.shape, rows.dtype, len(rows)) == (array.shape, array.dtype.newbyteorder("="), len(array))
    np.testing.assert_array_equal(np.array(list(rows)).reshape(array.shape), array)


@given(
    st.integers(-30, 30).filter(lambda k: not -11 <= k < 11).flatmap(lambda k: st.sampled_from([k, [k], [0, k]]))
    | st.sampled_from([1.0, [0.5], "x", None, ..., (), (1, 1), ([1], [1, 2]), [True], [True] * 12, True, np.zeros(0)])
)
def test_what_is_no_row_is_an_index_error(tmp_path_factory, index):
    rows = FileRows(saved(tmp_path_factory.mktemp("set"), X, 4))
    with pytest.raises(IndexError, match=r"is out of bounds for 11 rows|the index must be an integer"):
        rows[index]


def test_rows_can_be_written_to_and_the_file_stays(tmp_path):
    rows = FileRows(saved(tmp_path, X, 4))
    for index in (0, slice(3, 6), [5, 5]):
        rows[index][...] = 7
    np.testing.assert_array_equal(rows[:], X)


@pytest.mark.parametrize("f", [np.asarray, np.mean, lambda rows: rows[:1] + rows, tg.Tensor])
def test_an_array_of_all_is_not_made_by_the_way(tmp_path, f):
    with pytest.raises(DTypeError, match=r"read all of FileRows\(shape=\(11, 2, 3\), dtype=float64, in 2 files\) into"):
        f(FileRows(saved(tmp_path, X, 4)))


def test_where_the_system_has_no_reads_at_a_place_rows_are_the_same(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "preadv")
    rows = FileRows(saved(tmp_path, X, 4))
    for index in (0, slice(3, 6), [5, 2, 5, 6]):
        np.testing.assert_array_equal(rows[index], X[index])


# --- Invalid files ---


def written(path, content):
    path.write_bytes(content)
    return path


def first_bytes(folder, save, count):
    path = save(folder, X)[0]
    return written(path, path.read_bytes()[:count])


def many(folder, *arrays):
    for k, array in enumerate(arrays):
        np.save(folder / f"{k}.npy", array)
    return [folder / f"{k}.npy" for k in range(len(arrays))]


OBJECTS = np.array([{}, []], dtype=object)
MISTAKES = {
    "no file": (lambda p: FileRows(p / "x"), r"cannot read rows of .*x: No such file or directory\. Pass \.npy files"),
    "a folder": (lambda p: FileRows(p), "it is not a regular file"),
    "an empty file": (lambda p: FileRows(written(p / "x", b"")), "it is neither a .npy file nor"),
    "a text": (lambda p: FileRows(written(p / "x", b"1,2,3,4,5,6")), "it is neither a .npy file nor"),
    "half a header": (lambda p: FileRows(first_bytes(p, saved, 50)), "does not begin with a valid .npy header"),
    "a damaged header": (
        lambda p: FileRows(written(p / "x", saved(p, X)[0].read_bytes().replace(b"(", b" ", 1))),
        "does not begin with a valid .npy header",
    ),
    "half an array": (
        lambda p: FileRows(first_bytes(p, saved, 300)),
        "it is truncated: expected 656 bytes .*, got 300",
    ),
    "two arrays": (
        lambda p: FileRows(written(p / "x", saved(p, X)[0].read_bytes() * 2)),
        "it has bytes after its array",
    ),
    "objects": (lambda p: FileRows(many(p, OBJECTS)), "it holds Python objects"),
    "Fortran order": (
        lambda p: FileRows(many(p, np.asfortranarray(X))),
        "in Fortran order, .* numpy.ascontiguousarray",
    ),
    "a number": (lambda p: FileRows(many(p, np.array(1.0))), "it holds a scalar, which has no rows"),
    "none": (lambda p: FileRows([]), "expected the path of one or more files, got none"),
    "other rows": (
        lambda p: FileRows(many(p, X, X[:, :1])),
        r"1\.npy has rows of shape \(1, 3\) and dtype float64, but .*0\.npy has rows of shape \(2, 3\)",
    ),
    "another dtype": (lambda p: FileRows(many(p, X, X.astype(">f8"))), r"1\.npy .* dtype >f8, but .* dtype float64"),
    "a name": (lambda p: FileRows(saved(p, X), name="x"), "a .npy file holds one array without a name"),
    "no name": (lambda p: FileRows(saved_tensors(p, X)), "no tensor named None; it has a, x, z"),
    "another name": (lambda p: FileRows(saved_tensors(p, X), name="y"), "no tensor named 'y'; it has a, x, z"),
    "no tensors": (lambda p: FileRows(save_file({}, p / "x") or p / "x", "x"), "named 'x'; it has none"),
    "half a tensor": (
        lambda p: FileRows(first_bytes(p, saved_tensors, -9), name="x"),
        "not a complete safetensors file",
    ),
    "a small dtype": (
        lambda p: FileRows(raw_tensor(p / "x", "F8_E4M3", [2], b"ab"), "x"),
        "x has the dtype F8_E4M3, which NumPy lacks",
    ),
    "another tensor": (
        lambda p: FileRows([raw_tensor(p / "0", "BF16", [2], b"abcd"), raw_tensor(p / "1", "U16", [2], b"abcd")], "x"),
        "1 has rows of shape .. and dtype U16, but .*0 has rows of shape .. and dtype BF16",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_file_of_which_no_rows_can_be_read_is_named(mistake, tmp_path):
    make, message = MISTAKES[mistake]
    with pytest.raises(DataError, match=re.compile(message)):
        make(tmp_path)


def test_without_safetensors_the_error_names_the_extra(tmp_path, monkeypatch):
    (path,) = saved_tensors(tmp_path, X)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(MissingExtraError, match=re.escape(remedy("safetensors"))):
        FileRows(path, name="x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: os.truncate(path, 400), "it was written to"),
        (lambda path: np.save(path, X[4:] + 1), "it was written to"),
        (lambda path: path.unlink(), "No such file or directory"),
    ],
)
def test_a_set_that_changes_is_not_read_on(change, message, tmp_path):
    paths = saved(tmp_path, X, 4)
    for path in paths:
        os.utime(path, (0, 0))
    rows = FileRows(paths)
    change(paths[1])
    np.testing.assert_array_equal(rows[:4], X[:4])
    with pytest.raises(DataError, match=rf"cannot read rows of .*1\.npy: {message}.*must not change"):
        rows[3:6]


def test_a_file_that_is_cut_while_it_is_read_gives_no_rows(tmp_path):
    (path,) = saved(tmp_path, X)
    array = StoredArray.find(path, None)
    os.truncate(path, 400)
    status = path.stat()
    cut = replace(array, stamp=(status.st_size, status.st_mtime_ns))
    with pytest.raises(DataError, match="it was truncated"):
        cut.read([(0, 11)], memoryview(bytearray(X.nbytes)))


# --- Many readers, many files ---


@pytest.mark.thorough
def test_threads_and_other_processes_read_at_once(tmp_path, monkeypatch):
    wanted = np.arange(20_000).reshape(2_000, 10)
    saved(tmp_path, wanted, 700, 701)
    monkeypatch.chdir(tmp_path)
    rows = FileRows([f"{k}.npy" for k in range(3)])
    monkeypatch.chdir("/")  # the paths must still be valid
    orders = [np.random.default_rng(k).permutation(2_000) for k in range(40)]
    with ThreadPoolExecutor(8) as threads, ProcessPoolExecutor(1, get_context("spawn")) as other:
        for readers in (threads, other):
            for found, order in zip(readers.map(rows.__getitem__, orders), orders, strict=True):
                np.testing.assert_array_equal(found, wanted[order])


@contextmanager
def few_open_files(count):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_there_may_be_more_files_than_can_be_open(tmp_path):
    wanted = np.arange(600)
    with few_open_files(len(os.listdir("/proc/self/fd")) + 20):
        rows = FileRows(saved(tmp_path, wanted, *range(2, 600, 2)))
        np.testing.assert_array_equal(rows[::-1], wanted[::-1])


# --- In a loader, and in a training ---


@contextmanager
def stored(kind, folder, array):
    """Return an array in memory, or in a file of one of the supported formats."""
    if kind == "h5py":
        with h5py.File(folder / "x.h5", "w") as file:
            yield file.create_dataset("x", data=array, chunks=True)
    elif kind == "safetensors":
        yield FileRows(saved_tensors(folder, array, 30), name="x")
    else:
        yield FileRows(saved(folder, array, 30)) if kind == "npy" else array


@pytest.mark.parametrize("kind", ["npy", "safetensors", "h5py"])
@pytest.mark.parametrize("seed", [None, 0])
def test_a_loader_reads_what_it_would_take_of_memory(kind, seed, tmp_path):
    x, y = np.random.default_rng(0).normal(size=(50, 3)), np.arange(50)

    def loader(x):
        return DataLoader(x, y, batch_size=8, rng=None if seed is None else np.random.default_rng(seed))

    with stored(kind, tmp_path, x) as rows:
        assert repr(loader(rows)) == repr(loader(x))
        for found, wanted in zip(loader(rows), loader(x), strict=True):
            assert type(found[0]) is np.ndarray
            np.testing.assert_array_equal(found[0], wanted[0])
            np.testing.assert_array_equal(found[1], wanted[1])
        ours, other = random_split(rows, lengths=[0.5, 0.5], rng=np.random.default_rng(0))
        np.testing.assert_array_equal(np.sort(np.concatenate([ours, other]), axis=0), np.sort(x, axis=0))
        with pytest.raises(ShapeError, match=r"the same length, .*: array 0 has 50, array 1 has 3"):
            DataLoader(rows, [1, 2, 3])


TRAINING = """
import sys
import numpy as np
from tinygrad_edu import nn, optim
from tinygrad_edu.data import DataLoader, FileRows
from tinygrad_edu.training import fit

def resident(name):  # ru_maxrss would include the parent's memory
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name)) / 1024

def as_floats(x, y, rng):
    return x.astype(np.float32), y

name, *paths = sys.argv[1:]
x = FileRows(paths, name=name or None)
rng = np.random.default_rng(0)
model = nn.Sequential(nn.Linear(x.shape[1], 2, rng=rng))
loader = DataLoader(x, np.zeros(len(x), int), batch_size=256, rng=rng, augment=as_floats)
before = resident("VmHWM")
for epoch in fit(model, optim.SGD(model.parameters(), lr=0.1), nn.cross_entropy, loader, 1, rng=rng):
    pass
print(epoch.steps, resident("VmHWM") - before)
"""


def large_set(folder, kind, megabytes):
    """Make sparse files of zeros, and return the arguments of the training."""
    paths = []
    for k in range(4):
        count = megabytes * (1 << 20) // 4 // 4096
        path = folder / f"{megabytes}-{k}"
        if kind == "npy":
            np.lib.format.open_memmap(path, "w+", np.uint8, (count, 4096))
        else:
            raw_tensor(path, "U8", [count, 4096], b"")
            header = path.read_bytes().replace(b"[0, 0]", f"[0, {count * 4096}]".encode())
            path.write_bytes(struct.pack("<Q", len(header) - 8) + header[8:])
            os.truncate(path, len(header) + count * 4096)
        paths.append(path)
    return ["" if kind == "npy" else "x", *paths]


@pytest.mark.thorough
@pytest.mark.parametrize("kind", thorough(["npy", "safetensors"], quick=["npy"]))
def test_the_peak_of_memory_does_not_grow_with_the_set(kind, tmp_path):
    rises = []
    for megabytes in (32, 256):
        command = [sys.executable, "-c", TRAINING, *large_set(tmp_path, kind, megabytes)]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        steps, rise = ran.stdout.split()
        assert int(steps) == megabytes
        rises.append(float(rise))
    assert rises[1] < rises[0] + 32


RANK = """
import sys
import numpy as np
from tinygrad_edu import nn, optim
from tinygrad_edu.data import DataLoader, FileRows
from tinygrad_edu.parallel.mpi import world
from tinygrad_edu.training import fit

def bytes_read():
    with open("/proc/self/io") as file:
        return int(next(line.split()[1] for line in file if line.startswith("rchar")))

def as_floats(x, y, rng):
    return x.astype(np.float32), y

x, workers, rng = FileRows(sys.argv[1:]), world(), np.random.default_rng(0)
model = nn.Sequential(nn.Linear(x.shape[1], 2, rng=rng))
loader = DataLoader(x, np.zeros(len(x), int), batch_size=256, rng=rng, augment=as_floats)
before = bytes_read()
optimizer, settings = optim.SGD(model.parameters(), lr=0.1), {"rng": rng, "shard_size": 64, "workers": workers}
for epoch in fit(model, optimizer, nn.cross_entropy, loader, 1, **settings):
    pass
sys.stdout.write(f"{workers.size} {bytes_read() - before}\\n")
"""


@pytest.mark.thorough
def test_each_rank_reads_its_own_part(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (2048, 8192), np.uint8)
    paths = saved(tmp_path, array, 300)
    command = [Path(sys.executable).with_name("mpiexec"), "-n", "2", sys.executable, "-c", RANK, *paths]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    numbers = [int(word) for word in ran.stdout.split()]
    assert numbers[::2] == [2, 2]
    assert all(array.nbytes / 2 <= read < 0.6 * array.nbytes for read in numbers[1::2])
