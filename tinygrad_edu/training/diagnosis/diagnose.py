"""Diagnose a training that does not learn."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np

from tinygrad_edu.engine import enable_grad
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.errors.checks import generator, integer
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.training.arguments import check_arguments, check_batches
from tinygrad_edu.training.batches import Batches, refuse_iterator
from tinygrad_edu.training.diagnosis.checks import FAULTS
from tinygrad_edu.training.diagnosis.measurements import Measurements, Training
from tinygrad_edu.training.diagnosis.report import Diagnosis, Finding
from tinygrad_edu.training.rng_discovery import random_sources

__all__ = ["diagnose"]


def diagnose(
    model: Module, loss: Callable[[Any, Any], Any], batches: Batches, optimizer: Optimizer | None = None, *,
    rng: np.random.Generator, steps: int = 5, overfit_steps: int = 0,
) -> Diagnosis:  # fmt: skip
    """Return a report of the usual faults of a training that runs and does not learn.

    Copies of the model, the loss and the optimizer run `steps` batches, take as many steps, and run the batches again,
    in the mode of each module. The arguments keep their bits, and so do all generators that they hold.

    Parameters
    ----------
    model : Module
    loss : callable
        Function or module of the model's output and the target of a batch, which returns a Tensor of one element.
    batches : iterable of tuple
        Tuples of the inputs of the model, with the target last. The first `steps` of them are read.
    optimizer : Optimizer, optional
        The optimizer, with the learning rate of now. Without one, the checks of rates are not possible.
    rng : numpy.random.Generator
        A copy of it seeds the random numbers of all layers.
    steps : int, default 5
        Number of batches to read, and of optimizer steps.
    overfit_steps : int, default 0
        Number of steps on the first batch, which a right program fits. By default, this is not checked.

    Returns
    -------
    Diagnosis
        Its ``findings`` have the fault, the place, the numbers, and the threshold with its source.

    Raises
    ------
    DTypeError, ValueError
        An argument has another type, there is no batch, or a number of steps is out of range.
    Exception
        The model or the loss raises an error that is not due to the dtype of the inputs or to the labels.

    Examples
    --------
    >>> from tinygrad_edu import nn, optim
    >>> rng = np.random.default_rng(0)
    >>> model = nn.Sequential(nn.Linear(4, 16, rng=rng), nn.ReLU(), nn.Linear(16, 3, rng=rng), nn.Softmax(axis=1))
    >>> batches = [(rng.normal(size=(32, 4)).astype(np.float32), rng.integers(0, 3, 32)) for _ in range(5)]
    >>> report = diagnose(model, nn.cross_entropy, batches, optim.SGD(model.parameters(), lr=0.1), rng=rng)
    >>> [finding.name for finding in report.findings]
    ['softmax_before_cross_entropy']
    """
    check_arguments(model=model, loss=loss, **({} if optimizer is None else {"optimizer": optimizer}))
    check_batches("batches", batches)
    refuse_iterator("batches", batches)
    steps, overfit_steps = integer("steps", steps, 1), integer("overfit_steps", overfit_steps, 0)
    with _kept_generators(model, loss, batches), np.errstate(all="ignore"), enable_grad():
        read = [deepcopy(tuple(batch)) for batch in islice(batches, steps)]
        if not read:
            raise DTypeError("diagnose: expected at least 1 batch, got none.")
        measured = Measurements(Training(model, loss, optimizer), read, deepcopy(generator(rng)))
        if not measured.untrained:
            measured.train(steps, overfit_steps)
        reason = f"a batch raised {type(measured.problem).__name__}" if measured.problem else None
        readers = FAULTS if reason is None else ("unscaled_inputs", "bad_labels")  # of the error
        results = {name: check(measured) if name in readers else reason for name, (check, *_) in FAULTS.items()}
    found = [Finding(name, *x, *FAULTS[name][1:]) for name, x in results.items() if isinstance(x, tuple)]
    if measured.problem and not found:
        raise measured.problem
    unknown = {name: x for name, x in results.items() if isinstance(x, str)}
    in_order = [name for name, x in results.items() if x is None]
    return Diagnosis(found, in_order, unknown, measured.gradients, measured.updates, measured.losses)


@contextmanager
def _kept_generators(*parts: Any) -> Iterator[None]:
    """Context manager that restores the generators which the parts hold, and the global ones, at the end."""
    holders = [x for part in parts for x in (part.modules() if isinstance(part, Module) else [part])]
    held = [source for holder in holders for source in random_sources(holder).values()]
    global_ones: list[Any] = [np.random.get_state.__self__, random.getstate.__self__]  # type: ignore[attr-defined]
    sources = [getattr(x, "bit_generator", x) for x in (*global_ones, *held)]
    states = [deepcopy(source.__getstate__()) for source in sources]
    try:
        yield
    finally:
        for source, state in zip(sources, states, strict=True):
            source.__setstate__(state)
