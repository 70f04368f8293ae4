"""Data sets of ``keras.datasets``."""

from __future__ import annotations

import importlib
import os
import sys
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import DataError, DTypeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.errors.extras import missing_extra

__all__ = ["KERAS_SETS", "load_keras"]

KERAS_SETS = ("mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "reuters")
_Part = tuple[NDArray[Any], NDArray[Any]]


def load_keras(name: str, **settings: Any) -> tuple[_Part, _Part]:
    """Load a training set and a test set through Keras.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10", "cifar100", "imdb", "reuters"}
    **settings
        Keyword arguments of Keras's ``load_data`` for that set, such as ``label_mode="coarse"`` for cifar100 or
        ``num_words=10000`` for texts.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        Images are uint8, (N, 28, 28), or (N, 3, 32, 32) for CIFAR, channels first. Texts are object arrays of lists of
        word indices, of different lengths; ``keras.utils.pad_sequences`` converts them to an array (N, length). Labels
        are integers, (N,).

    Raises
    ------
    DataError
        `name` is unknown, or Keras could not load the set, usually because there is no network.
    MissingExtraError
        Keras or its backend is not installed.
    DTypeError
        Keras has no such keyword argument for that set.

    Notes
    -----
    Keras cannot be imported without a backend. If Keras is not imported yet and KERAS_BACKEND is not set, this
    function sets it to jax, the backend that the extra installs.

    Keras checks the hash of most files in its cache, and **deletes a file with another hash** to download it again.
    Keep your own mnist.npz outside that cache, and load it with `load_file`.
    """
    if name not in KERAS_SETS:
        raise DataError(str(invalid_choice("load_keras: name", name, KERAS_SETS)))
    load_data = _keras_module(name).load_data
    known = [each.name for each in signature(load_data).parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    for setting in settings.keys() - set(known):
        raise DTypeError(f"{name} of Keras has no argument {setting!r}; it has {', '.join(known) or 'none'}.")
    try:
        parts = load_data(**settings)
    # Keras raises a bare Exception when the download fails.
    except Exception as error:
        raise DataError(
            f"Keras could not load {name}: {error}\n"
            "The first load needs the network (and Keras deletes a file with another hash from its cache). "
            "Without a network, use load_embedded(), or load_file(path) with your own mnist.npz."
        ) from error
    train, test = ((_channels_first(x), y.reshape(len(y))) for x, y in parts)
    return train, test


def _keras_module(name: str) -> Any:
    """Import the Keras module of a data set, and set a default backend."""
    if "keras" not in sys.modules:
        os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        return importlib.import_module(f"keras.datasets.{name}")
    # Keras raises ValueError for an unknown backend.
    except (ImportError, ValueError) as error:
        raise missing_extra(
            f"Keras cannot be imported: {error}\n"
            f"KERAS_BACKEND is {os.environ.get('KERAS_BACKEND', 'not set')}; it must name an installed backend. "
            "To install Keras and its backend JAX",
            "keras",
        ) from error


def _channels_first(x: NDArray[Any]) -> NDArray[Any]:
    """Move the channels of images first, unless Keras is configured to do so."""
    channels_last = x.ndim == 4 and sys.modules["keras"].config.image_data_format() == "channels_last"
    return np.ascontiguousarray(np.moveaxis(x, -1, 1)) if channels_last else x
