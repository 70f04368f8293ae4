"""MNIST, the handwritten digits: the part that ships with the package, a local file, or Keras's download."""

import io
import os
import sys
import zipfile
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.data._checks import whole_number
from tinygrad_edu.errors import DataError, MissingExtraError

EMBEDDED = "mnist_embedded.npz"
KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False, repr=False)
class Digits:
    """Images of handwritten digits with their labels, in a training part and a test part.

    Parameters
    ----------
    x_train, x_test : ndarray of uint8, shape (N, 28, 28)
        Images: 0 is paper, 255 is ink.
    y_train, y_test : ndarray of uint8, shape (N,)
        The digit on each image, 0 to 9.

    Raises
    ------
    DataError
        An array has another dtype or shape or is empty, images and labels differ in number, or a label is
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
            _check_labels(part, labels, len(images))

    def __repr__(self) -> str:
        return f"Digits({len(self.x_train)} training images, {len(self.x_test)} test images)"

    def take(self, n: int) -> "Digits":
        """Keep the first `n` training images, and every test image.

        Parameters
        ----------
        n : int
            From 1 to the number of training images.

        Returns
        -------
        Digits
            Views of the same arrays; nothing is copied.

        Raises
        ------
        DataError
            `n` is less than 1, or more than there are.
        DTypeError
            `n` is not a whole number.

        Examples
        --------
        >>> load_embedded().take(100)
        Digits(100 training images, 10000 test images)
        """
        n = whole_number("n", n, 1, len(self.x_train))
        return replace(self, x_train=self.x_train[:n], y_train=self.y_train[:n])


def load_embedded() -> Digits:
    """Load the part of MNIST that ships with the package: no file to find, no network.

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
    return _read(io.BytesIO(file.read_bytes()))


def load_file(path: str | os.PathLike[str]) -> Digits:
    """Load MNIST, or digits in the same form, from a file on this machine.

    Parameters
    ----------
    path : str or path-like
        An .npz archive with the keys of Keras's mnist.npz: x_train, y_train, x_test, y_test. Pickled
        objects in it are never loaded.

    Returns
    -------
    Digits

    Raises
    ------
    DataError
        The file is missing, damaged or not an .npz, lacks a key, or holds something other than digits.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> few = load_embedded().take(10)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "few.npz"
    ...     np.savez(path, x_train=few.x_train, y_train=few.y_train, x_test=few.x_test, y_test=few.y_test)
    ...     load_file(path)
    Digits(10 training images, 10000 test images)
    """
    try:
        with Path(path).open("rb") as file:
            return _read(file)
    # A damaged archive fails in a dozen ways: OSError, BadZipFile, zlib.error, EOFError, ValueError, ...
    except Exception as error:
        raise DataError(
            f"Cannot read MNIST from {os.fspath(path)}: {_reason(error)}\n"
            f"The file must be an .npz archive with the arrays {', '.join(KEYS)}, as in Keras's mnist.npz. "
            "Check the path or get the file again; load_embedded() needs no file."
        ) from error


def load_keras() -> Digits:
    """Load all of MNIST through Keras, which downloads it once and then keeps it in its cache.

    Returns
    -------
    Digits
        60,000 training images and 10,000 test images.

    Raises
    ------
    MissingExtraError
        Keras, or the backend it computes with, is not installed.
    DataError
        Keras could not get the file, most often because there is no network.

    Notes
    -----
    Keras cannot be imported without a backend. When it is not imported yet and KERAS_BACKEND is not set,
    this sets KERAS_BACKEND to jax, the one that the extra installs.

    Keras checks the hash of the file in its cache, and **deletes a file that is not its own** to download
    it again. Keep an mnist.npz from elsewhere outside that cache and use `load_file`.
    """
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        from keras.datasets import mnist
    # Keras reports a backend that it does not know as a ValueError.
    except (ImportError, ValueError) as error:
        raise MissingExtraError(
            f"Keras cannot be imported: {error}\n"
            "Install it and JAX, its backend, with: pip install 'tinygrad-edu[keras]'. KERAS_BACKEND is "
            f"{os.environ.get('KERAS_BACKEND', 'not set')}: it must name a backend that is installed."
        ) from error
    try:
        (x_train, y_train), (x_test, y_test) = mnist.load_data()
    # Keras raises a bare Exception when the download fails.
    except Exception as error:
        raise DataError(
            f"Keras could not load MNIST: {error}\n"
            "The first load needs the network (and Keras deletes a file in its cache that is not its own). "
            "Without it, use load_embedded(), or load_file(path) with an mnist.npz that you have."
        ) from error
    return Digits(x_train, y_train, x_test, y_test)


def _read(file: IO[bytes]) -> Digits:
    # NumPy would take anything but a zip for a pickle, and advise to trust it.
    if not zipfile.is_zipfile(file):
        raise DataError("it is not an .npz archive, or only a part of one.")
    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        missing = [key for key in KEYS if key not in archive]
        if missing:
            raise DataError(f"it has no {', '.join(missing)}; it holds {', '.join(archive) or 'nothing'}.")
        return Digits(*(archive[key] for key in KEYS))


def _reason(error: Exception) -> str:
    if isinstance(error, DataError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}."
    return f"it is damaged ({type(error).__name__}: {error})."


def _check_array(name: str, array: object, tail: tuple[int, ...]) -> None:
    wanted = f"uint8 of shape (N, {', '.join(map(str, tail))})" if tail else "uint8 of shape (N,)"
    if not isinstance(array, np.ndarray):
        raise DataError(f"{name} is a {type(array).__name__}; it must be an array, {wanted}.")
    if array.dtype != np.uint8:
        raise DataError(f"{name} is {array.dtype}; it must be {wanted}. Convert it with astype(numpy.uint8).")
    if array.ndim != 1 + len(tail) or array.shape[1:] != tail or not len(array):
        raise DataError(f"{name} has shape {array.shape}; it must be {wanted}, with N of 1 or more.")


def _check_labels(part: str, labels: NDArray[np.uint8], images: int) -> None:
    if len(labels) != images:
        raise DataError(
            f"x_{part} has {images} images and y_{part} has {len(labels)} labels; each image needs one label."
        )
    wrong = np.flatnonzero(labels > 9)
    if wrong.size:
        raise DataError(
            f"y_{part}[{wrong[0]}] is {labels[wrong[0]]}, the first of {wrong.size} labels that are not "
            "digits; a label must be from 0 to 9."
        )
