"""Exponential moving average of parameters, for evaluation."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Tensor, refuse_read_only, values_of, write_all
from tinygrad_edu.errors import StateDictError
from tinygrad_edu.optim.groups import as_parameters


class MovingAverage:
    """Exponential moving average of parameters: average = decay * average + (1 - decay) * parameter.

    The first `update` copies the parameters, as PyTorch's ``AveragedModel`` with ``get_ema_avg_fn`` does.

    Parameters
    ----------
    parameters : iterable of Tensor
        ``model.parameters()``.
    decay : float, default 0.999
        Decay factor, from 0 to 1.

    Attributes
    ----------
    averages : list of ndarray
        One array for each parameter.
    n_averaged : int
        Number of updates.

    Raises
    ------
    ValueError
        `decay` is outside of [0, 1], or there are no parameters.
    DTypeError
        `parameters` is not an iterable of tensors.

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
            raise ValueError(f"MovingAverage: decay must be a number from 0 to 1, got {decay!r}.")
        self.parameters, self.decay, self.n_averaged = as_parameters("MovingAverage", parameters), float(decay), 0
        if not self.parameters:
            raise ValueError("MovingAverage: got an empty parameter list.")
        self.averages = [p.numpy().copy() for p in self.parameters]

    def update(self) -> None:
        """Update the averages with the current parameters. Call it after each step of the optimizer."""
        values, weight = [p.numpy().copy() for p in self.parameters], 1 - self.decay
        if self.n_averaged:
            values = [np.asarray(a + (x - a) * weight) for a, x in zip(self.averages, values, strict=True)]
        self._set_averages(values, self.n_averaged + 1)

    @contextmanager
    def swap(self) -> Iterator[None]:
        """Context manager that sets the parameters to their averages, and restores them at exit.

        Changes of the parameters inside the block are lost.

        Raises
        ------
        ReadOnlyError
            The storage of a parameter is read-only. Nothing is written then.
        """
        for k, p in enumerate(self.parameters):
            refuse_read_only(f"MovingAverage.swap writes parameter {k}", p)
        before = [p.numpy().copy() for p in self.parameters]
        try:
            write_all(self.parameters, self.averages)
            yield
        finally:
            write_all(self.parameters, before)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the averages, in the order of the parameters, and the number of updates."""
        return {"n_averaged": self.n_averaged, "averages": [a.copy() for a in self.averages]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load the result of `state_dict`.

        Raises
        ------
        StateDictError
            The shapes differ from the shapes of the parameters. Nothing is loaded then.
        """
        saved = [np.asarray(values_of(a)) for a in state_dict.get("averages", ())]
        shapes, expected = [a.shape for a in saved], [a.shape for a in self.averages]
        if shapes != expected or "n_averaged" not in state_dict:
            raise StateDictError(f"MovingAverage: expected averages of shapes {expected}, got {shapes}.")
        arrays = [a.astype(p.dtype) for a, p in zip(saved, self.parameters, strict=True)]
        self._set_averages(arrays, int(state_dict["n_averaged"]))

    def _set_averages(self, averages: list[ndarray], n_averaged: int) -> None:
        # A single call in C, so that Ctrl-C cannot interrupt between the two assignments.
        deque(map(setattr, repeat(self), ("averages", "n_averaged"), (averages, n_averaged)), maxlen=0)
