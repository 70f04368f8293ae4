"""Which random stream a layer draws from: its own, or that of the shard it is working on."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

_stream: ContextVar[np.random.Generator | None] = ContextVar("tinygrad_edu_random_stream", default=None)


@contextmanager
def random_stream(rng: np.random.Generator) -> Iterator[None]:
    """Make every layer draw from `rng` inside, in this thread or task, instead of from its own generator."""
    token = _stream.set(rng)
    try:
        yield
    finally:
        _stream.reset(token)


def current_stream(own: np.random.Generator) -> np.random.Generator:
    """Return the generator that a layer is to draw from now."""
    stream = _stream.get()
    return own if stream is None else stream
