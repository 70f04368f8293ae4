"""The documentation that every Python ships, as character codes, with training and held-out topics."""

from pydoc_data.topics import topics
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu import data

ONE_IN, FIRST = 10, 5  # every tenth topic is held out, starting from this index


def encode(text: str, alphabet: str) -> ndarray:
    """Return the codes of the characters of a text."""
    numbers = {character: number for number, character in enumerate(alphabet)}
    return np.array([numbers[character] for character in text])


class Text(NamedTuple):
    """A text as codes of characters in an alphabet."""

    alphabet: str
    train: ndarray
    held_out: ndarray

    def encode(self, text: str) -> ndarray:
        """Return the codes of characters."""
        return encode(text, self.alphabet)

    def decode(self, codes: ndarray) -> str:
        """Return the characters of codes."""
        return "".join(self.alphabet[code] for code in codes)

    def passage(self, length: int) -> str:
        """Return the first `length` held-out characters after the first title."""
        held_out = self.decode(self.held_out)
        start = held_out.index("\n\n") + 2
        return held_out[start : start + length]


def load() -> Text:
    """Return Python's documentation, with nine of ten topics for training, in the order of their names.

    Topics share many paragraphs. Each paragraph is used once, so held-out text does not occur in the training text.
    """
    parts: dict[bool, list[str]] = {True: [], False: []}
    seen = set[str]()
    for number, name in enumerate(sorted(topics)):
        for paragraph in topics[name].strip("\n").split("\n\n"):
            words = " ".join(paragraph.split())
            if words not in seen:
                seen.add(words)
                parts[number % ONE_IN == FIRST].append(f"{paragraph}\n\n")
    train, held_out = ("".join(parts[held]) for held in (False, True))
    alphabet = "".join(sorted({*train, *held_out}))
    return Text(alphabet, encode(train, alphabet), encode(held_out, alphabet))


def windows(codes: ndarray, starts: ndarray, length: int) -> tuple[ndarray, ndarray]:
    """Return windows (N, length) that begin at `starts`, and the windows one character later, the targets."""
    places = starts[:, None] + np.arange(length)
    return codes[places], codes[places + 1]


def side_by_side(codes: ndarray, length: int) -> tuple[ndarray, ndarray]:
    """Return consecutive, non-overlapping windows; the remainder is dropped."""
    return windows(codes, np.arange(0, len(codes) - length, length), length)


def loader(codes: ndarray, length: int, batch_size: int, rng: np.random.Generator) -> data.DataLoader:
    """Return batches of windows whose starts are shifted at random in each epoch."""

    def moved(starts: ndarray) -> tuple[ndarray, ndarray]:
        return windows(codes, starts + rng.integers(0, length, len(starts)), length)

    starts = np.arange(0, len(codes) - 2 * length + 1, length)
    return data.DataLoader(starts, batch_size=batch_size, rng=rng, drop_last=True, transform=moved)
