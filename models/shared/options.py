"""Command line of the programs: one-line errors and the options that all training programs share."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from models.shared.console import is_heard, one_line
from tinygrad_edu.shared.display import command_line


class Parser(command_line.Parser):
    """The package's argument parser, with errors of one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the error and exit with code 2."""
        self.exit(2, f"{self.prog}: {one_line(command_line.sentence(message))}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        if is_heard():
            super()._print_message(message, file)


def training_parser(name: str, description: str | None, epochs: int | str, learning_rate: float | str) -> Parser:
    """Return a parser with the options that all training programs share.

    Parameters
    ----------
    name : str
        Name of the program: ``models.NAME``.
    description : str, optional
    epochs : int or str
        Default number of epochs, or a description of the default.
    learning_rate : float or str
        Default maximum learning rate, or a description of the default.
    """
    parser = Parser(name, description=description)
    add, folder = parser.add_argument, f"runs/{name.removeprefix('models.')}"
    default, rate = (None if isinstance(each, str) else each for each in (epochs, learning_rate))
    add("--epochs", type=positive(int), default=default, help=f"passes over the training data (default: {epochs})")
    add("--learning-rate", type=positive(float), default=rate, help=f"highest rate (default: {learning_rate})")
    add("--seed", type=not_negative, default=0, help="seed of all random numbers (default: %(default)s)")
    add("--output", type=folder_name, default=Path(folder), help="folder for the results (default: %(default)s)")
    add("--resume", action="store_true", help="continue from the last checkpoint in the output folder, if there is one")
    add("--quiet", action="store_true", help="print only the last line")
    add("--tensorboard", action="store_true", help="also write a TensorBoard log into the output folder")
    return parser


def chosen(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return the values of the named options."""
    return {name: getattr(options, name) for name in names}


def positive(kind: type[Any]) -> Callable[[str], Any]:
    """Return a parser of positive numbers of a type, for argparse."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(
                f"must be a positive {'integer' if kind is int else 'number'}, got {text!r}."
            )
        return value

    return read


def not_negative(text: str) -> int:
    """Parse an integer >= 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be an integer >= 0, got {text!r}.")
    return int(text)


def folder_name(text: str) -> Path:
    """Parse the name of a folder."""
    if not text:
        raise argparse.ArgumentTypeError("the folder name is empty; use '.' for the current folder.")
    return Path(text)
