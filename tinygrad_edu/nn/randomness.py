"""The random stream that a layer draws from: its own generator, or the stream of a shard or of `fit`."""

from __future__ import annotations

import os
from contextvars import ContextVar
from threading import Lock
from types import TracebackType
from typing import Any

import numpy as np
from numpy import ndarray
from numpy.random.bit_generator import ISeedSequence

from tinygrad_edu.engine import open_levels
from tinygrad_edu.errors import MappedValueError
from tinygrad_edu.errors.checks import generator

_stream: ContextVar[np.random.Generator | None] = ContextVar("tinygrad_edu_random_stream", default=None)
_default: ContextVar[np.random.Generator | None] = ContextVar("tinygrad_edu_default_stream", default=None)


# In a forked process: ids of the generators with renewed locks. Threads that held other locks may not exist here.
_renewed_ids: set[int] | None = None
_renewal_lock = Lock()


def _reset_after_fork() -> None:
    global _renewed_ids, _renewal_lock
    _renewed_ids, _renewal_lock = set(), Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


def _renew_lock(rng: np.random.Generator) -> np.random.Generator:
    """Return `rng`. At its first use in a forked process, reinitialize its lock, as modules of CPython do."""
    if _renewed_ids is not None and id(rng) not in _renewed_ids:
        with _renewal_lock:
            if id(rng) not in _renewed_ids:
                lock: Any = rng.bit_generator.lock
                lock._at_fork_reinit()
                _renewed_ids.add(id(rng))
    return rng


class random_stream:  # noqa: N801 (used like a function)
    """Context manager in which all layers draw from `rng`, in this thread or task: ``with random_stream(rng): ...``.

    Outside of it, each layer draws from its own generator. Layers that are created inside without a generator draw
    their initial parameters from new generators, which `rng` seeds.

    Parameters
    ----------
    rng : numpy.random.Generator
        The generator of all layers.

    Raises
    ------
    DTypeError
        `rng` is not a Generator.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> dropout = tg.nn.Dropout(0.5)
    >>> with random_stream(np.random.default_rng(0)):
    ...     print(dropout(np.ones(4)))
    [0. 2. 0. 2.]
    """

    __slots__ = ("_rng", "_token")
    _variable = _stream

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = generator(rng)

    def __enter__(self) -> None:
        self._token = self._variable.set(self._rng)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._variable.reset(self._token)


class default_stream(random_stream):  # noqa: N801 (used like a function)
    """Context manager in which layers that were created without a generator draw from `rng`.

    Layers that are created inside without a generator get a new one, which `rng` seeds.
    """

    __slots__ = ()
    _variable = _default


class DefaultGenerator(np.random.Generator):
    """The generator of a layer that was created without one. In a `default_stream`, the layer draws from that."""

    def __reduce__(self) -> tuple[Any, ...]:
        return DefaultGenerator, (self.bit_generator,)


def new_generator() -> np.random.Generator:
    """Return a new generator: seeded by the current `random_stream` or `default_stream`, or else unseeded."""
    found = _stream.get() or _default.get()
    return DefaultGenerator(np.random.PCG64(None if found is None else found.integers(2**63, size=4)))


def current_stream(own: np.random.Generator) -> np.random.Generator:
    """Return the generator to draw from: the stream of the current `random_stream` or shard, or else `own`.

    A custom layer calls this function in `forward`. The result of a training run in shards then depends on its seed,
    and not on the number of threads.

    Examples
    --------
    >>> from tinygrad_edu.nn import Module
    >>> class Noise(Module):
    ...     def __init__(self, rng):
    ...         self.rng = rng
    ...
    ...     def forward(self, x):
    ...         return x + current_stream(self.rng).normal(size=x.shape)
    >>> noise = Noise(np.random.default_rng(0))
    >>> with random_stream(np.random.default_rng(1)):
    ...     drawn = noise(np.zeros(2))
    >>> bool((drawn == np.random.default_rng(1).normal(size=2)).all())
    True
    """
    levels = open_levels()
    if any(level.randomness != "same" for level in levels):
        raise MappedValueError(
            f"a layer draws its own random numbers inside of {levels[-1].place}. {levels[-1].own_random_numbers}."
        )
    return stream(own)


def stream(own: np.random.Generator) -> np.random.Generator:
    """Return the generator to draw from, for a function that is declared as `random`."""
    return _renew_lock(_stream.get() or (_default.get() if isinstance(own, DefaultGenerator) else None) or own)


class _RawSeedSequence(ISeedSequence):
    """A seed sequence of random bits. It skips the mixing of NumPy's SeedSequence, the slowest part of a new stream."""

    def __init__(self, words: ndarray) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> ndarray:
        """Return the bits as the four 64-bit words that PCG64 requires."""
        return self._words


def stream_seeds(rng: np.random.Generator, count: int) -> ndarray:
    """Return the seeds of independent streams, (count, 4) random words drawn from `rng`.

    The 256 bits of each seed select the state of a PCG64 and one of its 2**127 sequences, so that two streams are
    extremely unlikely to overlap.
    """
    return _renew_lock(rng).integers(2**64, size=(count, 4), dtype=np.uint64)


def stream_of(seed: ndarray) -> np.random.Generator:
    """Return a new stream for one of the `stream_seeds`, in a fifth of the time of ``Generator.spawn``."""
    words: Any = _RawSeedSequence(seed)
    return np.random.Generator(np.random.PCG64(words))


def loss_stream(seed: ndarray) -> np.random.Generator:
    """Return the stream of the loss of a batch: its seed is the bitwise complement of the first shard's seed."""
    return stream_of(~seed)
