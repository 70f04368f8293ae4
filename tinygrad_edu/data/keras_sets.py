"""The data sets of ``keras.datasets``."""

import importlib
import os
import sys
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import DataError, DTypeError, MissingExtraError

__all__ = ["KERAS_SETS", "load_keras"]

KERAS_SETS = ("mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "reuters")
_Part = tuple[NDArray[Any], NDArray[Any]]


def load_keras(name: str, **settings: Any) -> tuple[_Part, _Part]:
    """Load a data set through Keras: a part to train on and a part to test on.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "reuters"}
    **settings
        Those of Keras's own ``load_data`` for that set: ``label_mode="coarse"`` of cifar100, ``num_words=10000`` of the
        texts.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images are bytes, (N, 28, 28), and those of CIFAR (N, 3, 32, 32): channels come first here. Texts are arrays of
        lists of word numbers, which differ in length: ``keras.utils.pad_sequences`` makes an array (N, length) of them.
        Labels are whole numbers, (N,).

    Raises
    ------
    DataError
        There is no set of that name, or Keras could not get it, most often because there is no network.
    MissingExtraError
        Keras, or the backend it computes with, is not installed.
    DTypeError
        Keras has no such setting for that set.

    Notes
    -----
    Keras cannot be imported without a backend. When it is not imported yet and KERAS_BACKEND is not set,
    this sets KERAS_BACKEND to jax, the one that the extra installs.

    Keras checks the hash of most files in its cache, and **deletes a file that is not its own** to download
    it again. Keep an mnist.npz from elsewhere outside that cache and use `load_file`.
    """
    if name not in KERAS_SETS:
        raise DataError(f"there is no data set {name!r}; there are {', '.join(KERAS_SETS)}.")
    load_data = _keras_module(name).load_data
    known = [each.name for each in signature(load_data).parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    for setting in settings.keys() - set(known):
        raise DTypeError(f"{name} of Keras has no setting {setting!r}; it has {', '.join(known) or 'none'}.")
    try:
        parts = load_data(**settings)
    # Keras raises a bare Exception when the download fails.
    except Exception as error:
        raise DataError(
            f"Keras could not load {name}: {error}\n"
            "The first load needs the network (and Keras deletes a file in its cache that is not its own). "
            "Without it, there are MNIST's digits: load_embedded(), or load_file(path) with an mnist.npz that you have."
        ) from error
    train, test = ((_channels_first(x), y.reshape(len(y))) for x, y in parts)
    return train, test


def _keras_module(name: str) -> Any:
    """Import the module of a data set, with a backend for Keras."""
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        return importlib.import_module(f"keras.datasets.{name}")
    # Keras reports a backend that it does not know as a ValueError.
    except (ImportError, ValueError) as error:
        raise MissingExtraError(
            f"Keras cannot be imported: {error}\n"
            "Install it and JAX, its backend, with: pip install 'tinygrad-edu[keras]'. KERAS_BACKEND is "
            f"{os.environ.get('KERAS_BACKEND', 'not set')}: it must name a backend that is installed."
        ) from error


def _channels_first(x: NDArray[Any]) -> NDArray[Any]:
    """Bring the channels of images to the front, where Keras is not configured to do so itself."""
    channels_last = x.ndim == 4 and sys.modules["keras"].config.image_data_format() == "channels_last"
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if channels_last else x
