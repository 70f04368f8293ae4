"""Exponential moving average of parameters, to evaluate a model with."""

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
    """The exponential moving average of parameters: average = decay * average + (1 - decay) * parameter.

    The first `update` copies the parameters, as PyTorch's ``AveragedModel`` with ``get_ema_avg_fn`` does.

    Parameters
    ----------
    parameters : iterable of Tensor
        ``model.parameters()``.
    decay : float, default 0.999
        From 0 to 1.

    Attributes
    ----------
    averages : list of ndarray
        One array for each parameter.
    n_averaged : int
        The number of updates.

    Raises
    ------
    ValueError
        For a decay outside [0, 1], or no parameters.
    DTypeError
        If `parameters` is not a list, or holds anything but tensors.

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
        self.parameters, self.decay, self.n_averaged = as_parameters("MovingAverage", parameters), float(decay), 0
        if not self.parameters:
            raise ValueError("MovingAverage: there are no parameters to average.")
        self.averages = [p.numpy().copy() for p in self.parameters]

    def update(self) -> None:
        """Update the averages with the present parameters. Call it after each step of the optimizer."""
        now, share = [p.numpy().copy() for p in self.parameters], 1 - self.decay
        if self.n_averaged:
            now = [np.asarray(a + (x - a) * share) for a, x in zip(self.averages, now, strict=True)]
        self._set_averages(now, self.n_averaged + 1)

    @contextmanager
    def swap(self) -> Iterator[None]:
        """Set the parameters to their averages inside the block, and restore them afterwards, also after an error.

        The end of the block overwrites changes of the parameters inside.

        Raises
        ------
        ReadOnlyError
            For a parameter in read-only memory. Nothing is written then.
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
            If the shapes are not those of the parameters. Nothing is loaded then.
        """
        saved = [np.asarray(values_of(a)) for a in state_dict.get("averages", ())]
        shapes, here = [a.shape for a in saved], [a.shape for a in self.averages]
        if shapes != here or "n_averaged" not in state_dict:
            raise StateDictError(
                f"MovingAverage: the saved averages have the shapes {shapes}, and here they are {here}."
            )
        arrays = [a.astype(p.dtype) for a, p in zip(saved, self.parameters, strict=True)]
        self._set_averages(arrays, int(state_dict["n_averaged"]))

    def _set_averages(self, averages: list[ndarray], n_averaged: int) -> None:
        # One call from C: no Ctrl-C can come between the two.
        deque(map(setattr, repeat(self), ("averages", "n_averaged"), (averages, n_averaged)), maxlen=0)
