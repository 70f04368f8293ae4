"""The argument parser of the package's commands: no abbreviations, and errors that suggest the closest option."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

from tinygrad_edu.errors.hints import nearest


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are sentences and suggest the closest option or choice.

    An abbreviated option is an error, because a new option could change its meaning.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{**settings, "allow_abbrev": False})

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return the options; for unknown ones, exit with code 2 and suggest the closest ones."""
        return self._without_unknown(*self.parse_known_args(args, namespace))

    def parse_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return the options, as `parse_args` does; positional arguments may follow options."""
        return self._without_unknown(*self.parse_known_intermixed_args(args, namespace))

    def error(self, message: str) -> NoReturn:
        """Print the usage and a sentence, and exit with code 2."""
        super().error(sentence(message))

    def _without_unknown(self, options: argparse.Namespace, rest: Sequence[str]) -> argparse.Namespace:
        if rest:
            names = [each.partition("=")[0].lstrip("-") for each in rest if each.startswith("-")]
            hint = _hint(names, self._options(), "--")
            self.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
        return options

    def _options(self) -> Iterator[str]:
        """Yield the long options of this parser and of its commands, without dashes."""
        for action in self._actions:
            yield from (option[2:] for option in action.option_strings if option.startswith("--"))
            if isinstance(action, argparse._SubParsersAction):
                for parser in action.choices.values():
                    yield from parser._options()

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, invalid_names([str(value)], map(str, action.choices)))


def invalid_names(names: Iterable[str], known: Iterable[str]) -> str:
    """Return the message for names that are not among the known ones, with the closest of those."""
    names, known = list(names), list(known)
    return f"invalid choice: {', '.join(map(repr, names))} (choose from {', '.join(known)}){_hint(names, known)}"


def _hint(names: Iterable[str], known: Iterable[str], prefix: str = "") -> str:
    """Return the end of a message: a question with the known name that is closest to each name, or a period."""
    known = list(known)
    close = [prefix + found for name in names if (found := nearest(name, known))]
    return f"; did you mean {', '.join(close)}?" if close else "."


def sentence(message: str) -> str:
    """Return a message that ends with a period or a question mark."""
    return message if message.endswith((".", "?")) else f"{message}."
