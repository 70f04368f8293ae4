"""MNIST handwritten digits, from the part in this package or a local file."""

from __future__ import annotations

import io
import math
import os
import struct
import textwrap
import warnings
import zipfile
from dataclasses import dataclass, replace
from importlib import resources
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from tinygrad_edu.data.stored_array import npy_header
from tinygrad_edu.errors import DataError
from tinygrad_edu.errors.checks import integer
from tinygrad_edu.shared.files import open_regular, reason

EMBEDDED = "mnist_embedded.npz"
KEYS = ("x_train", "y_train", "x_test", "y_test")
# Maximum bytes of one array: five times MNIST's largest. Limits the memory that a small archive can unpack to.
LARGEST = 1 << 28
# Maximum bytes of an archive's list of members, which takes about 50 bytes per member.
LARGEST_LIST = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class Digits:
    """Images of handwritten digits with labels, in a training set and a test set.

    Parameters
    ----------
    x_train : ndarray of uint8, shape (N, 28, 28)
        Images: 0 is the background, 255 is ink.
    y_train : ndarray of uint8, shape (N,)
        The digit on each image, 0 to 9.
    x_test : ndarray of uint8, shape (N, 28, 28)
        Images: 0 is the background, 255 is ink.
    y_test : ndarray of uint8, shape (N,)
        The digit on each image, 0 to 9.

    Raises
    ------
    DataError
        An array is empty or has another dtype or shape, the numbers of images and labels differ, or a label is
        not a digit.

    Examples
    --------
    >>> images, labels = np.zeros((2, 28, 28), dtype=np.uint8), np.array([3, 7], dtype=np.uint8)
    >>> Digits(images, labels, images, labels)
    Digits(2 training images, 2 test images)
    """

    x_train: NDArray[np.uint8]
    y_train: NDArray[np.uint8]
    x_test: NDArray[np.uint8]
    y_test: NDArray[np.uint8]

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            images, labels = getattr(self, f"x_{part}"), getattr(self, f"y_{part}")
            _check_array(f"x_{part}", images, (28, 28))
            _check_array(f"y_{part}", labels, ())
            _check_lengths(part, len(images), len(labels))
            _check_labels(part, labels)

    def __repr__(self) -> str:
        return f"Digits({len(self.x_train)} training images, {len(self.x_test)} test images)"

    def take(self, n: int) -> Digits:
        """Return the first `n` training images, and all test images.

        Parameters
        ----------
        n : int
            From 1 to the number of training images.

        Returns
        -------
        Digits
            Views of the arrays.

        Raises
        ------
        ValueError
            `n` is less than 1, or greater than the number of training images.
        DTypeError
            `n` is not an integer.

        Examples
        --------
        >>> load_embedded().take(100)
        Digits(100 training images, 10000 test images)
        """
        n = integer("n", n, 1, len(self.x_train))
        return replace(self, x_train=self.x_train[:n], y_train=self.y_train[:n])


def load_embedded() -> Digits:
    """Load the part of MNIST that is included in the package, without a network.

    Returns
    -------
    Digits
        The first 1,000 of MNIST's 60,000 training images, and all 10,000 test images, in MNIST's order.

    Examples
    --------
    >>> digits = load_embedded()
    >>> digits
    Digits(1000 training images, 10000 test images)
    >>> digits.y_train[:10]
    array([5, 0, 4, 1, 9, 2, 1, 3, 1, 4], dtype=uint8)
    """
    file = resources.files(__package__) / EMBEDDED
    return _read_archive(io.BytesIO(file.read_bytes()))


def load_file(path: str | os.PathLike[str]) -> Digits:
    """Load MNIST, or digits in the same format, from a local file.

    Parameters
    ----------
    path : str or path-like
        An .npz archive with the keys of Keras's mnist.npz: x_train, y_train, x_test, y_test, each up to 256 MiB.
        Pickled objects are never loaded. Arrays are loaded only after the headers of all of them are checked.

    Returns
    -------
    Digits

    Raises
    ------
    DataError
        The file is missing, damaged, not a regular file or not an .npz, lacks a key, or does not hold digits.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> few = load_embedded().take(10)
    >>> with TemporaryDirectory() as folder:
    ...     path = f"{folder}/few.npz"
    ...     np.savez(path, x_train=few.x_train, y_train=few.y_train, x_test=few.x_test, y_test=few.y_test)
    ...     load_file(path)
    Digits(10 training images, 10000 test images)
    """
    try:
        with open_regular(path) as file:
            return _read_archive(file)
    # A damaged archive raises OSError, BadZipFile, zlib.error, EOFError, ValueError and others.
    except Exception as error:
        raise DataError(
            f"Cannot read MNIST from {os.fspath(path)}: {_reason(error)}\n"
            f"The file must be an .npz archive with the arrays {', '.join(KEYS)}, as in Keras's mnist.npz. "
            "Check the path or download the file again, or use load_embedded(), which needs no file."
        ) from error


def _read_archive(file: IO[bytes]) -> Digits:
    _check_zip_end(file)
    with zipfile.ZipFile(file) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy and Python warn of damaged headers, which are rejected below
        held = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        missing = [key for key in KEYS if key not in held]
        if missing:
            raise DataError(f"it has no {', '.join(missing)}; it has {', '.join(held) or 'no arrays'}.")
        lengths = {key: _read_length(archive, key) for key in KEYS}
        for part in ("train", "test"):
            _check_lengths(part, lengths[f"x_{part}"], lengths[f"y_{part}"])
        return Digits(*(_load(archive, key) for key in KEYS))


def _check_zip_end(file: IO[bytes]) -> None:
    """Raise if a file does not end like a zip archive written by NumPy, or its list of members is too large."""
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 42))
    end = file.read(42)
    # A zip ends with this record, without a comment; a zip64 (over 4 GiB) has another record before it.
    if end[-22:-18] != b"PK\5\6" or end[-2:] != b"\0\0" or end[:4] == b"PK\6\7":
        raise DataError("it is not an .npz archive, or it is truncated.")
    (listed,) = struct.unpack("<I", end[-10:-6])
    if listed > LARGEST_LIST:
        raise DataError(f"its list of members has {listed:,} bytes; the limit is {LARGEST_LIST:,}.")


def _read_length(archive: zipfile.ZipFile, key: str) -> int:
    """Return the number of images or labels in a header, or raise if the header is invalid."""
    member = _member(archive, f"{key}.npy")
    with archive.open(member) as file:
        shape, _, dtype = npy_header(member.filename, file)
        begin = file.tell()
    _check_dtype_and_shape(key, dtype, shape, (28, 28) if key.startswith("x") else ())
    if begin + math.prod(shape) * dtype.itemsize != member.file_size:
        raise DataError(f"{member.filename} is damaged: its size differs from the size in its header.")
    return shape[0]


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return the entry of an archive member, or raise if the member cannot be read or is too large."""
    if archive.namelist().count(name) > 1:
        raise DataError(f"it has more than one {name}.")
    member = archive.getinfo(name)
    if member.flag_bits & 1:
        raise DataError(f"{name} is encrypted.")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name} uses a compression method that NumPy does not write.")
    if member.file_size > LARGEST:
        raise DataError(f"{name} unpacks to {member.file_size:,} bytes; the limit is {LARGEST:,}.")
    return member


def _load(archive: zipfile.ZipFile, key: str) -> NDArray[Any]:
    with archive.open(f"{key}.npy") as file:
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
    return array


def _reason(error: Exception) -> str:
    is_told = isinstance(error, DataError | OSError)
    told = f"{reason(error)}." if is_told else f"it is damaged ({type(error).__name__}: {error})."
    told = textwrap.shorten(told, 300, placeholder=" ...")  # a damaged header can be long
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in told)


def _check_array(name: str, array: object, tail: tuple[int, ...]) -> None:
    if not isinstance(array, np.ndarray):
        raise DataError(f"{name} must be an array, {_expected_form(tail)}, got a {type(array).__name__}.")
    _check_dtype_and_shape(name, array.dtype, array.shape, tail)


def _check_dtype_and_shape(name: str, dtype: np.dtype[Any], shape: tuple[int, ...], tail: tuple[int, ...]) -> None:
    if dtype != np.uint8:
        raise DataError(f"{name} must be {_expected_form(tail)}, got {dtype}. Convert it with astype(numpy.uint8).")
    if len(shape) != 1 + len(tail) or shape[1:] != tail or shape[0] < 1:
        raise DataError(f"{name} must be {_expected_form(tail)}, with N >= 1, got shape {shape}.")


def _expected_form(tail: tuple[int, ...]) -> str:
    return f"uint8 of shape (N, {', '.join(map(str, tail))})" if tail else "uint8 of shape (N,)"


def _check_lengths(part: str, images: int, labels: int) -> None:
    if labels != images:
        raise DataError(
            f"x_{part} has {images} images, but y_{part} has {labels} labels; expected one label per image."
        )


def _check_labels(part: str, labels: NDArray[np.uint8]) -> None:
    wrong = np.flatnonzero(labels > 9)
    if wrong.size:
        raise DataError(
            f"labels must be from 0 to 9, got y_{part}[{wrong[0]}] = {labels[wrong[0]]}, the first of {wrong.size} "
            f"invalid labels."
        )
