"""Averages of weights over the steps of a training, to evaluate with in place of the last ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, refuse_read_only, values_of, writing
from tinygrad_edu.errors import DTypeError, StateDictError
from tinygrad_edu.optim.groups import listed


class MovingAverage:
    """The exponential moving average of parameters: average = decay * average + (1 - decay) * parameter.

    It begins at the parameters of the first `update`, as that of PyTorch's ``AveragedModel`` with ``get_ema_avg_fn``.

    Parameters
    ----------
    parameters : iterable of Tensor
        ``model.parameters()``.
    decay : float
        From 0 to 1.

    Attributes
    ----------
    averages : list of ndarray
        One for each parameter.
    n_averaged : int
        How many updates there were.

    Raises
    ------
    ValueError
        For a decay that is not from 0 to 1, or no parameters.
    DTypeError
        For what is no list of parameters, or a parameter that is no Tensor.

    Examples
    --------
    >>> w = Tensor([1.0], requires_grad=True)
    >>> average = MovingAverage([w], decay=0.75)
    >>> for value in (1.0, 5.0):
    ...     w.assign([value])
    ...     average.update()
    >>> with average.swap():
    ...     print(w.numpy())
    [2.]
    >>> w.numpy()
    array([5.], dtype=float32)
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float = 0.999) -> None:
        if not (isinstance(decay, int | float | np.number) and 0 <= decay <= 1):
            raise ValueError(f"MovingAverage: decay is a number from 0 to 1, not {decay!r}.")
        self.parameters, self.decay, self.n_averaged = listed("MovingAverage", parameters), float(decay), 0
        for k, p in enumerate(self.parameters):
            if not isinstance(p, Tensor):
                raise DTypeError(f"MovingAverage: parameter {k} is a {type(p).__name__}, and must be a Tensor.")
        if not self.parameters:
            raise ValueError("MovingAverage: there are no parameters to average.")
        self.averages = [p.numpy().copy() for p in self.parameters]

    def update(self) -> None:
        """Take on the parameters as they are now: after each step of the optimizer."""
        now, share = [p.numpy().copy() for p in self.parameters], 1 - self.decay
        if self.n_averaged:
            now = [np.asarray(a + (x - a) * share) for a, x in zip(self.averages, now, strict=True)]
        self._take_over(now, self.n_averaged + 1)

    @contextmanager
    def swap(self) -> Iterator[None]:
        """Let the parameters be the averages inside, and what they were before again afterwards, whatever happens.

        What is written into them inside is overwritten at the end.

        Raises
        ------
        ReadOnlyError
            For a parameter in memory that cannot be written to. Then nothing was written.
        """
        for k, p in enumerate(self.parameters):
            refuse_read_only(f"MovingAverage.swap writes parameter {k}", p)
        before = [p.numpy().copy() for p in self.parameters]
        try:
            self._write(self.averages)
            yield
        finally:
            self._write(before)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the averages, in the order of the parameters, and of the number of updates: what to save."""
        return {"n_averaged": self.n_averaged, "averages": [a.copy() for a in self.averages]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned.

        Raises
        ------
        StateDictError
            Where it is not of the same parameters. Then nothing was loaded.
        """
        saved = [np.asarray(values_of(a)) for a in state_dict.get("averages", ())]
        shapes, here = [a.shape for a in saved], [a.shape for a in self.averages]
        if shapes != here or "n_averaged" not in state_dict:
            raise StateDictError(
                f"MovingAverage: the saved averages have the shapes {shapes}, and here they are {here}."
            )
        arrays = [a.astype(p.dtype) for a, p in zip(saved, self.parameters, strict=True)]
        self._take_over(arrays, int(state_dict["n_averaged"]))

    def _take_over(self, averages: list[ndarray], n_averaged: int) -> None:
        # In one call from C: no Ctrl-C comes between the two.
        deque(map(setattr, repeat(self), ("averages", "n_averaged"), (averages, n_averaged)), maxlen=0)

    def _write(self, values: list[ndarray]) -> None:
        memories = [p._data for p in self.parameters]
        with writing(*(p._cell for p in self.parameters)):
            # In one call from C: no Ctrl-C comes between two parameters.
            deque(map(np.ndarray.__setitem__, memories, repeat(...), values), maxlen=0)
