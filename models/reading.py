"""What a trained model reads in a picture: a digit, how likely each one is, and which pixels spoke for it."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy import ndarray

from models import results
from models.__main__ import programs
from models.handwriting import as_mnist
from models.ink import Box
from tinygrad_edu import Tensor, data, softmax
from tinygrad_edu.errors import DataError
from tinygrad_edu.nn import Module


@dataclass(frozen=True)
class Reading:
    """What was read.

    Attributes
    ----------
    digit : int
        The likeliest.
    probabilities : ndarray, shape (10,)
    pixels : ndarray of uint8, shape (28, 28)
        The image as the model got it.
    gradient : ndarray, shape (28, 28)
        Of the digit's logit with respect to the pixels: where more ink would speak for it, and, negative, against it.
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

    The program that made the run is asked for the network: its ``reader(options)``, of the options in the summary,
    returns one from images (N, 1, 28, 28) with pixels in [0, 1] to logits (N, 10). Programs that read no digits have
    none.

    Parameters
    ----------
    folder : Path
        The output folder of the run.

    Raises
    ------
    DataError
        There is no run, it is damaged, or it is of a model that reads no digits.
    StateDictError
        The weights are of another network than the program has now.
    """
    summary = results.read_summary(folder)
    if not summary:
        raise DataError(
            f"{folder} is not the folder of a run; python -m models.mnist_lenet makes one in runs/mnist_lenet"
        )
    name = _program(summary)
    if name.removeprefix("models.") not in programs():
        raise DataError(f"{folder} is of a program that is not here: {name or 'its summary.json does not say which'}")
    reader = getattr(import_module(name), "reader", None)
    if reader is None:
        raise DataError(f"{folder} is a run of {name}, which reads no digits")
    weights = results.read_weights(folder)
    try:
        model: Module = reader(summary["options"])
    except (LookupError, TypeError, ValueError) as error:
        raise DataError(f"{folder / results.SUMMARY} has not the options of {name}: {error!r}. Train again.") from error
    model.load_state_dict(weights)
    return model.eval().requires_grad_(False)


def _program(summary: dict[str, Any]) -> str:
    """Return the name of the program in the command of a run."""
    python, m, name, *_ = [*str(summary.get("command")).split(), "", "", ""]
    return name if (python, m) == ("python", "-m") and name.startswith("models.") else ""


def read(model: Module, picture: ndarray) -> Reading:
    """Return what a model, as `load` returns it, reads in a picture (H, W, 3) of bytes.

    Raises
    ------
    DataError
        There is no ink in it that could be a digit.
    """
    pixels, box = as_mnist(picture)
    image = Tensor(data.to_float(pixels[None]), requires_grad=True)
    logits = model(image)
    digit = int(logits.data.argmax())
    logits[0, digit].backward()
    assert image.grad is not None
    return Reading(digit, softmax(logits.data)[0], pixels, image.grad[0, 0], box)
