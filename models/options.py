"""The command line of the programs: errors of one line, and the options that mean the same in each of them."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from models.console import is_heard, one_line


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong."""
        self.exit(2, f"{self.prog}: {one_line(message)}\n")

    def _print_message(self, message: str, file: Any = None) -> None:
        if is_heard():
            super()._print_message(message, file)


def training_parser(name: str, description: str | None, epochs: int | str, learning_rate: float | str) -> Parser:
    """Return a parser with the options that all have who train a model and keep what came of it.

    Parameters
    ----------
    name : str
        Of the program: ``models.NAME``.
    description : str, optional
    epochs : int or str
        How many there are by default: a number, or words for what decides it.
    learning_rate : float or str
        The highest, likewise.
    """
    parser = Parser(name, description=description)
    add, folder = parser.add_argument, f"runs/{name.removeprefix('models.')}"
    default, rate = (None if isinstance(each, str) else each for each in (epochs, learning_rate))
    add("--epochs", type=positive(int), default=default, help=f"passes over the training data (default: {epochs})")
    add("--learning-rate", type=positive(float), default=rate, help=f"the highest (default: {learning_rate})")
    add("--seed", type=not_negative, default=0, help="of every random number (default: %(default)s)")
    add("--output", type=folder_name, default=Path(folder), help="folder for the results (default: %(default)s)")
    add("--resume", action="store_true", help="go on after the last checkpoint in the output folder, if there is one")
    add("--quiet", action="store_true", help="say nothing but the last line")
    add("--tensorboard", action="store_true", help="log into the output folder, too, for TensorBoard to read")
    return parser


def positive(kind: type[Any]) -> Callable[[str], Any]:
    """Return what reads a positive number of a kind from the command line."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} is not a positive {'whole ' * (kind is int)}number")
        return value

    return read


def not_negative(text: str) -> int:
    """Read a whole number, 0 or more, from the command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def folder_name(text: str) -> Path:
    """Read the name of a folder from the command line."""
    if not text:
        raise argparse.ArgumentTypeError("a folder needs a name; '.' is the one you are in")
    return Path(text)
