"""MNIST loads from the package, from a file and through Keras; other files are rejected."""

import hashlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_edu
from tinygrad_edu.data import Digits, load_embedded, load_file
from tinygrad_edu.errors import DataError, DTypeError

PACKAGE = Path(tinygrad_edu.__file__).parent
TOOL = Path(__file__).parents[2] / "tools" / "make_embedded_mnist.py"
# TINYGRAD_EDU_MNIST=path/to/mnist.npz, the full data set, enables the test that rebuilds the embedded part.
FULL = [Path(os.environ["TINYGRAD_EDU_MNIST"])] if "TINYGRAD_EDU_MNIST" in os.environ else []


def arrays(train=3, test=2):
    """Make digits that differ between calls with different lengths."""
    rng = np.random.default_rng((train, test))
    lengths = {"train": train, "test": test}
    images = {f"x_{p}": rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for p, n in lengths.items()}
    return images | {f"y_{p}": rng.integers(0, 10, n, dtype=np.uint8) for p, n in lengths.items()}


def assert_same(digits, expected):
    for name, array in expected.items():
        np.testing.assert_array_equal(getattr(digits, name), array)


def python(*args, **env):
    """Run a new interpreter with this package, and without Keras variables in its environment."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KERAS")}
    return subprocess.run(
        [sys.executable, "-P", *map(str, args)],  # -P: do not import from the current folder
        env=clean | {"PYTHONPATH": str(PACKAGE.parent)} | env,
        capture_output=True,
        text=True,
        check=False,
    )


# --- the embedded part ---


def test_the_embedded_part_is_the_first_1000_training_images_and_every_test_image():
    digits = load_embedded()
    assert digits.x_train.shape == (1_000, 28, 28)
    assert digits.x_test.shape == (10_000, 28, 28)
    assert digits.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert digits.y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(digits.y_train).tolist() == [97, 116, 99, 93, 105, 92, 94, 117, 87, 100]
    assert np.bincount(digits.y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert int(digits.x_train.sum(dtype=np.int64)) == 25_637_533
    assert int(digits.x_test.sum(dtype=np.int64)) == 264_923_200


def test_the_licence_beside_it_names_its_holders_and_its_hash():
    folder = resources.files("tinygrad_edu.data")
    licence = (folder / "MNIST_LICENSE.md").read_text(encoding="utf-8")
    assert "Yann LeCun and Corinna Cortes" in licence
    assert "Creative Commons Attribution-Share Alike 3.0" in licence
    assert hashlib.sha256((folder / "mnist_embedded.npz").read_bytes()).hexdigest() in licence
    for source in FULL:
        assert hashlib.sha256(source.read_bytes()).hexdigest() in licence


@pytest.mark.thorough
def test_the_embedded_part_loads_from_inside_a_zip(tmp_path):
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as out:
        for path in PACKAGE.rglob("*"):
            if path.suffix in {".py", ".npz", ".md"}:
                out.write(path, path.relative_to(PACKAGE.parent))
    code = "from tinygrad_edu.data import mnist; print(mnist.__file__, mnist.load_embedded())"
    ran = python("-c", code, PYTHONPATH=str(bundle))
    assert "bundle.zip" in ran.stdout, ran.stderr
    assert "Digits(1000 training images, 10000 test images)" in ran.stdout


# --- the script that creates it ---


def members(path):
    with zipfile.ZipFile(path) as archive:
        return [(i.filename, i.CRC, i.file_size, i.date_time, i.create_system) for i in archive.infolist()]


@pytest.mark.thorough
def test_the_script_writes_the_same_bytes_twice_and_only_what_ships(tmp_path):
    whole = arrays(train=1_005, test=20)
    np.savez(tmp_path / "whole.npz", **whole)
    for name in ("first.npz", "second.npz"):
        ran = python(TOOL, tmp_path / "whole.npz", tmp_path / name)
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() in ran.stdout, ran.stderr
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    kept = {name: array[:1_000] for name, array in whole.items()}
    assert_same(load_file(tmp_path / "first.npz"), kept)


@pytest.mark.thorough
@pytest.mark.parametrize("source", [PACKAGE / "data" / "mnist_embedded.npz", *FULL], ids=lambda path: path.name)
def test_the_script_makes_what_ships(source, tmp_path):
    ran = python(TOOL, source, tmp_path / "made.npz")
    assert ran.returncode == 0, ran.stderr
    # Compare names, checksums and dates, not bytes: another zlib may compress differently.
    assert members(tmp_path / "made.npz") == members(PACKAGE / "data" / "mnist_embedded.npz")


# --- Digits ---


def test_digits_say_how_many_they_are():
    assert repr(Digits(**arrays(3, 2))) == "Digits(3 training images, 2 test images)"


def test_digits_are_frozen():
    digits = Digits(**arrays())
    with pytest.raises(AttributeError):
        digits.x_train = digits.x_test


@given(st.integers(1, 5))
def test_take_keeps_the_first_training_images_and_every_test_image(n):
    whole = arrays(train=5)
    few = Digits(**whole).take(n)
    assert_same(few, whole | {"x_train": whole["x_train"][:n], "y_train": whole["y_train"][:n]})
    assert len(few.x_train) == n


@pytest.mark.parametrize(
    ("n", "error", "message"),
    [
        (0, ValueError, "n must be an integer from 1 to 3, got 0"),
        (4, ValueError, "n must be an integer from 1 to 3, got 4"),
        (-1, ValueError, "n must be an integer from 1 to 3, got -1"),
        (2.0, DTypeError, "n must be an integer from 1 to 3, got 2.0 of type float"),
    ],
)
def test_take_needs_a_number_of_images_that_there_are(n, error, message):
    with pytest.raises(error, match=message):
        Digits(**arrays(train=3)).take(n)


WRONG_ARRAYS = [
    ({"x_train": np.zeros((3, 27, 28), np.uint8)}, r"x_train must be .*\(N, 28, 28\), .* got shape \(3, 27, 28\)"),
    ({"x_test": np.zeros((2, 784), np.uint8)}, r"x_test must be .* got shape \(2, 784\)"),
    ({"x_test": np.zeros((2, 1, 28, 28), np.uint8)}, r"x_test must be .* got shape \(2, 1, 28, 28\)"),
    ({"x_train": np.zeros((0, 28, 28), np.uint8)}, r"x_train must be .* with N >= 1, got shape \(0, 28, 28\)"),
    (
        {"y_test": np.zeros((2, 10), np.uint8)},
        r"y_test must be uint8 of shape \(N,\), .* got shape \(2, 10\)",
    ),
    ({"y_test": np.array(3, np.uint8)}, r"y_test must be .* got shape \(\)"),
    ({"x_train": np.zeros((3, 28, 28))}, r"x_train must be uint8 .* got float64\. Convert it with astype"),
    ({"y_train": np.zeros(3, np.int64)}, r"y_train must be uint8 of shape \(N,\), got int64"),
    (
        {"y_train": np.zeros(4, np.uint8)},
        "x_train has 3 images, but y_train has 4 labels; expected one label per image",
    ),
    ({"y_test": np.zeros(1, np.uint8)}, "x_test has 2 images, but y_test has 1 labels"),
    (
        {"y_train": np.array([9, 10, 11], np.uint8)},
        r"labels must be from 0 to 9, got y_train\[1\] = 10, the first of 2 invalid labels",
    ),
]


@pytest.mark.parametrize(("change", "message"), WRONG_ARRAYS)
def test_what_is_not_digits_says_what_it_is(change, message):
    with pytest.raises(DataError, match=message):
        Digits(**arrays() | change)


def test_a_list_is_not_an_array():
    with pytest.raises(DataError, match=r"y_train must be an array, uint8 .* got a list"):
        Digits(**arrays() | {"y_train": [1, 2, 3]})


# --- a local file ---


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_gives_back_what_was_saved(save, kind, tmp_path):
    save(tmp_path / "digits.npz", **arrays(), extra=np.zeros(1))
    assert_same(load_file(kind(tmp_path / "digits.npz")), arrays())


@pytest.mark.parametrize(("change", "message"), WRONG_ARRAYS)
def test_a_file_of_something_else_names_the_file_and_what_it_holds(change, message, tmp_path):
    path = tmp_path / "other.npz"
    np.savez(path, **arrays() | change)
    with pytest.raises(DataError, match=rf"(?s)Cannot read MNIST from .*other\.npz: {message}.*load_embedded"):
        load_file(path)


def test_a_missing_key_is_named_with_the_keys_that_are_there(tmp_path):
    kept = {name: array for name, array in arrays().items() if name.endswith("train")}
    np.savez(tmp_path / "half.npz", **kept)
    with pytest.raises(DataError, match="it has no x_test, y_test; it has x_train, y_train"):
        load_file(tmp_path / "half.npz")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(DataError, match="it has no x_train, y_train, x_test, y_test; it has no arrays"):
        load_file(tmp_path / "empty.npz")


@pytest.mark.parametrize("content", [b"", b"PK", b"<html>404</html>", pickle.dumps(arrays())])
def test_a_file_that_is_no_archive_is_called_so(content, tmp_path):
    path = tmp_path / "mnist.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"not an \.npz archive"):
        load_file(path)


def test_a_missing_file_a_folder_and_a_single_array_are_told_apart(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.npz: No such file"):
        load_file(tmp_path / "nowhere.npz")
    with pytest.raises(DataError, match="Cannot read MNIST from"):
        load_file(tmp_path)
    np.save(tmp_path / "one.npy", arrays()["x_train"])
    with pytest.raises(DataError, match=r"not an \.npz archive"):
        load_file(tmp_path / "one.npy")


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickled_objects_are_refused_and_never_run(tmp_path):
    np.savez(tmp_path / "trap.npz", **arrays() | {"x_train": np.array([Trap(tmp_path / "sprung")], dtype=object)})
    with pytest.raises(DataError, match=r"x_train\.npy holds Python objects") as refusal:
        load_file(tmp_path / "trap.npz")
    assert "allow_pickle" not in str(refusal.value)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_only_a_regular_file_is_opened(make, tmp_path):
    make(tmp_path / "mnist.npz")
    with pytest.raises(DataError, match="it is not a regular file"):
        load_file(tmp_path / "mnist.npz")


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def claiming(array, old, new):
    """Return a .npy file with another header of the same length."""
    content = npy(array)
    assert content.count(old) == 1
    begin, end = content.split(old)
    return begin + new + end[len(new) - len(old) :]  # the header is padded with spaces


def archive(path, method=zipfile.ZIP_STORED, **members):
    """Write digits to an archive, with some members replaced or added."""
    members = {f"{name}.npy": npy(array) for name, array in arrays().items()} | members
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in members.items():
            out.writestr(name, content)


def patched(path, signature, offset, new):
    """Change bytes after the last signature of a record of a zip archive."""
    archive(path)
    content = bytearray(path.read_bytes())
    at = content.rindex(signature) + offset
    content[at : at + len(new)] = new
    path.write_bytes(content)


def twice(path):
    archive(path)
    with zipfile.ZipFile(path, "a") as out, pytest.warns(UserWarning, match="Duplicate"):
        out.writestr("y_test.npy", npy(np.zeros(2, np.uint8)))


X = arrays()["x_train"]
HOSTILE = {
    "an invalid member": (lambda p: archive(p, **{"y_test.npy": b"12"}), "y_test.npy is damaged: it does not"),
    "a header of terabytes": (
        lambda p: archive(p, **{"x_train.npy": claiming(X, b"(3, 28, 28), }", b"(3333333333, 28, 28), }")}),
        "x_train.npy is damaged: its size differs",
    ),
    "a truncated header": (lambda p: archive(p, **{"x_train.npy": npy(X)[:50]}), "x_train.npy is damaged"),
    "another version": (
        lambda p: archive(p, **{"x_train.npy": npy(X).replace(b"NUMPY\1", b"NUMPY\3", 1)}), "x_train.npy is damaged",
    ),
    "a duplicate name": (twice, "it has more than one y_test.npy"),
    "a bomb": (
        lambda p: patched(p, b"PK\1\2", 24, (1 << 29).to_bytes(4, "little")),
        "y_test.npy unpacks to 536,870,912 bytes; the limit is 268,435,456",
    ),
    "too many members": (
        lambda p: archive(p, **dict.fromkeys(map(str, range(1500)), b"")), "its list of members has 7[0-9],[0-9]* bytes"
    ),
    "zip64": (lambda p: patched(p, b"PK\5\6", -20, b"PK\6\7"), "not an .npz archive"),
    "a comment": (lambda p: patched(p, b"PK\5\6", 20, b"\1\0"), "not an .npz archive"),
    "a password": (lambda p: patched(p, b"PK\1\2", 8, b"\1\0"), "y_test.npy is encrypted"),
    "another compression": (lambda p: archive(p, zipfile.ZIP_LZMA), "x_train.npy uses a compression method"),
    "a wrong checksum": (lambda p: patched(p, b"PK\1\2", 16, b"\1\2\3\4"), "BadZipFile: Bad CRC-32"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused_from_its_headers(make, message, tmp_path):
    make(tmp_path / "mnist.npz")
    with pytest.raises(DataError, match=rf"^Cannot read MNIST from .*mnist\.npz: .*{message}"):
        load_file(tmp_path / "mnist.npz")


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("mnist") / "whole.npz"
    np.savez_compressed(path, **arrays(1, 1))
    return path


@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_one_clear_error(whole_file, cut):
    content = whole_file.read_bytes()
    part = whole_file.with_name("part.npz")
    part.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(DataError, match=r"not an \.npz archive, or it is truncated"):
        load_file(part)


@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_flipped_byte_is_one_clear_error_or_harmless(whole_file, place, flip):
    content = bytearray(whole_file.read_bytes())
    content[int(place * len(content))] ^= flip
    part = whole_file.with_name("flipped.npz")
    part.write_bytes(content)
    try:
        digits = load_file(part)
    except DataError as error:
        assert str(error).startswith("Cannot read MNIST from")  # noqa: PT017 (a harmless flip raises nothing)
    else:
        assert_same(digits, arrays(1, 1))
