"""The text that every Python ships, as the numbers of its characters: what to learn from, and what is held out."""

from pydoc_data.topics import topics
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu import data

ONE_IN, FIRST = 10, 5  # topics that are held out


def encode(text: str, alphabet: str) -> ndarray:
    """Return the numbers of the characters of a text."""
    numbers = {character: number for number, character in enumerate(alphabet)}
    return np.array([numbers[character] for character in text])


class Text(NamedTuple):
    """A text as the numbers of its characters in an alphabet."""

    alphabet: str
    train: ndarray
    held_out: ndarray

    def encode(self, text: str) -> ndarray:
        """Return the numbers of characters."""
        return encode(text, self.alphabet)

    def decode(self, codes: ndarray) -> str:
        """Return the characters of numbers."""
        return "".join(self.alphabet[code] for code in codes)

    def passage(self, length: int) -> str:
        """Return so many characters that are held out, after the first title."""
        held_out = self.decode(self.held_out)
        start = held_out.index("\n\n") + 2
        return held_out[start : start + length]


def load() -> Text:
    """Return Python's own documentation: nine of ten topics to learn from, in the order of their names.

    Many of the topics are parts of others. So each paragraph counts once, and what is held out is nowhere else.
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
    """Return windows (N, length) of a text that begin at some places, and the characters that follow each of theirs."""
    places = starts[:, None] + np.arange(length)
    return codes[places], codes[places + 1]


def side_by_side(codes: ndarray, length: int) -> tuple[ndarray, ndarray]:
    """Return the windows of which each begins where the last one ends; a remainder is left out."""
    return windows(codes, np.arange(0, len(codes) - length, length), length)


def loader(codes: ndarray, length: int, batch_size: int, rng: np.random.Generator) -> data.DataLoader:
    """Return batches of windows which, in an epoch, begin at other places than in the one before."""

    def moved(starts: ndarray) -> tuple[ndarray, ndarray]:
        return windows(codes, starts + rng.integers(0, length, len(starts)), length)

    starts = np.arange(0, len(codes) - 2 * length + 1, length)
    return data.DataLoader(starts, batch_size=batch_size, rng=rng, drop_last=True, transform=moved)
