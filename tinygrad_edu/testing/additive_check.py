"""check_additive: check that a loss is additive over samples, with its declared denominator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu.engine import from_numpy, values_of
from tinygrad_edu.errors import DataError
from tinygrad_edu.nn.batching import as_arrays, num_samples, take_samples
from tinygrad_edu.nn.losses.additive import denominator_of
from tinygrad_edu.shared.pytree import tree_leaves, tree_map
from tinygrad_edu.testing.failures import LawBroken
from tinygrad_edu.testing.numeric.sampling import seeded
from tinygrad_edu.testing.op_call import title_of
from tinygrad_edu.testing.verdict import Report

NUM_SPLITS = 8


def check_additive(
    loss: Callable[[Any, Any], Any], output: Any, target: Any, rng: np.random.Generator | None = None
) -> Report:
    """Check that a loss is additive over samples, with its declared denominator; see `nn.additive`.

    Use it after `check` for a loss that declares a denominator, so that training may split batches.

    The samples are split into two random parts, in float64. The parts' denominators must add up to the denominator of
    the whole batch, and so must the losses and gradients, each times its denominator.

    Parameters
    ----------
    loss : callable
        Takes an output and a target, and returns a Tensor of one element. It declares a denominator.
    output, target : array_like, or pytrees of them, each (N, ...)
        N is 2 or more.
    rng : numpy.random.Generator, optional
        Draws the parts. Default: a generator with a fixed seed.

    Raises
    ------
    LawBroken
        The loss is not additive with this denominator.
    DataError
        There are fewer than two samples, or the loss declares no denominator for this target.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> check_additive(nn.cross_entropy, np.eye(3), np.array([0, 2, -100]))
    <Report: right>
    """
    target, output = as_arrays(target), tree_map(_as_float64, as_arrays(output))
    count, rng = num_samples(output), seeded(rng)
    if count < 2 or denominator_of(loss, target) is None:
        raise DataError(
            f"check_additive: expected at least two samples and a loss with a denominator for its target, got {count} "
            f"samples, and {title_of(loss)} with the denominator {denominator_of(loss, target)}."
        )
    report = Report(title_of(loss))
    report.run("additivity", _require_additive, loss, output, target, rng)
    return report.conclude()


def _require_additive(loss: Callable[[Any, Any], Any], output: Any, target: Any, rng: np.random.Generator) -> None:
    count = num_samples(output)
    total_terms = _scaled(loss, output, target, np.arange(count))
    for _ in range(NUM_SPLITS):
        order, end = rng.permutation(count), int(rng.integers(1, count))
        parts = [_scaled(loss, output, target, rows) for rows in (order[:end], order[end:])]
        for kind, total, *part_terms in zip(("denominators", "losses", "gradients"), total_terms, *parts, strict=True):
            added = np.sum(part_terms, axis=0)
            if not np.allclose(added, total, rtol=1e-9, atol=1e-9 * np.abs(total).max(initial=0.0), equal_nan=True):
                raise LawBroken(
                    f"{title_of(loss)} is not additive: the {kind} of {end} and {count - end} samples add up to "
                    f"{added}, expected {total} as for all samples. Losses and gradients are multiplied by their "
                    f"denominators."
                )


def _scaled(loss: Any, output: Any, target: Any, rows: Any) -> tuple[float, float, Any]:
    """Return the denominator for some rows, and their loss and gradient times it. The gradient is 0 elsewhere."""
    out = tree_map(lambda leaf: from_numpy(leaf[rows], leaf.dtype.kind == "f"), output)
    labels = take_samples(target, rows)
    denominator = denominator_of(loss, labels) or 0.0
    if not denominator:  # the mean of no samples is NaN
        return 0.0, 0.0, np.zeros(sum(leaf.size for leaf in tree_leaves(output)))
    result = loss(out, labels)
    result.backward()
    gradients = [np.zeros(leaf.shape) for leaf in tree_leaves(output)]
    for gradient, part in zip(gradients, tree_leaves(out), strict=True):
        gradient[rows] = 0 if part.grad is None else part.grad
    return denominator, denominator * result.item(), denominator * np.concatenate([x.ravel() for x in gradients])


def _as_float64(leaf: Any) -> Any:
    array = np.asarray(values_of(leaf))
    return array.astype(np.float64) if array.dtype.kind == "f" else array
