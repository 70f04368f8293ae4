"""Prediction of a trained model for a picture: the digit, the probabilities, and the gradient of each pixel."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy import ndarray

from models.__main__ import programs
from models.shared import results
from models.shared.handwriting import as_mnist
from models.shared.ink import Box
from tinygrad_edu import Tensor, data, softmax
from tinygrad_edu.errors import DataError
from tinygrad_edu.nn import Module


@dataclass(frozen=True)
class Reading:
    """Prediction for a picture.

    Attributes
    ----------
    digit : int
        The most probable digit.
    probabilities : ndarray, shape (10,)
    pixels : ndarray of uint8, shape (28, 28)
        The input of the model.
    gradient : ndarray, shape (28, 28)
        Gradient of the digit's logit with respect to the pixels: positive where more ink increases the logit.
    box : pair of slice
        Rows and columns of the digit in the picture.
    """

    digit: int
    probabilities: ndarray
    pixels: ndarray
    gradient: ndarray
    box: Box


def load(folder: Path) -> Module:
    """Return the model of a run, with its weights, in evaluation mode and frozen.

    The network comes from the program that made the run: its function ``reader(options)`` receives the options in the
    summary and returns a network from images (N, 1, 28, 28) with pixels in [0, 1] to logits (N, 10). Only digit
    classifiers have this function.

    Parameters
    ----------
    folder : Path
        The output folder of the run.

    Raises
    ------
    DataError
        The folder has no run, the run is damaged, or its model is not a digit classifier.
    StateDictError
        The weights do not fit the program's network.
    """
    summary = results.read_summary(folder)
    if not summary:
        raise DataError(
            f"{folder} is not the output folder of a run; python -m models.mnist_lenet creates one in runs/mnist_lenet."
        )
    name = _program(summary)
    if name.removeprefix("models.") not in programs():
        raise DataError(f"{folder} is a run of an unknown program: {name or 'its summary.json names none'}.")
    reader = getattr(import_module(name), "reader", None)
    if reader is None:
        raise DataError(f"{folder} is a run of {name}, which is not a digit classifier.")
    weights = results.read_weights(folder)
    try:
        model: Module = reader(summary["options"])
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f"{folder / results.SUMMARY} lacks the options of {name}: {error!r}. Train again.") from error
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


def _program(summary: dict[str, Any]) -> str:
    """Return the name of the program from the command of a run."""
    python, m, name, *_ = [*str(summary.get("command")).split(), "", "", ""]
    return name if (python, m) == ("python", "-m") and name.startswith("models.") else ""


def read(model: Module, picture: ndarray) -> Reading:
    """Return the prediction of a model from `load` for a uint8 picture (H, W, 3).

    Raises
    ------
    DataError
        No digit was found in the picture.
    """
    pixels, box = as_mnist(picture)
    image = Tensor(data.to_float(pixels[None]), requires_grad=True)
    logits = model(image)
    digit = int(logits.data.argmax())
    logits[0, digit].backward()
    assert image.grad is not None
    return Reading(digit, softmax(logits.data)[0], pixels, image.grad[0, 0], box)
