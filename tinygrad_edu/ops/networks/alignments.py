"""Scores of the alignments of label sequences, for `nn.ctc_loss`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import Array, op, values_of
from tinygrad_edu.ops.elementwise.selection import drop, keep, where
from tinygrad_edu.ops.networks.softmax import softmax
from tinygrad_edu.ops.shapes.joining import concatenate, stack
from tinygrad_edu.ops.tiling.padding import pad


@op(name="ctc_loss")
def alignment_scores(emitted: Array, /, can_skip: Array, steps: Array) -> Array:
    """Return the log likelihood of the paths to each state, before the first step and after each.

    A path begins in state 0. In each step it remains, or moves on to the next state, or to the second next one if that
    `can_skip`.

    Parameters
    ----------
    emitted : (T, N, S)
        Log likelihoods of the label of each state.
    can_skip : (N, S) bool
    steps : (N,) integers
        Steps of each sample, after which its scores remain.

    Returns
    -------
    (T + 1, N, S)
    """
    out = np.full((len(emitted) + 1, *emitted.shape[1:]), -np.inf, emitted.dtype)
    out[0, :, :1] = 0
    ways, skipping = np.full((3, *emitted.shape[1:]), -np.inf, emitted.dtype), _skipping(can_skip, emitted.dtype)
    for t, score in enumerate(emitted):
        before = out[t]
        ways[0], ways[1, :, 1:], ways[2, :, 2:] = before, before[:, :-1], before[:, :-2] + skipping[:, 2:]
        largest = np.maximum(np.maximum.reduce(ways), np.finfo(ways.dtype).min)  # finite, for differences
        with np.errstate(divide="ignore"):
            after = np.log(np.add.reduce(np.exp(ways - largest))) + largest + score
        out[t + 1] = after if t < steps.min(initial=t + 1) else np.where(t < steps[:, None], after, before)
    return out


def _skipping(can_skip: ndarray, dtype: Any) -> ndarray:
    return np.where(can_skip, 0, -np.inf).astype(dtype)


def _alignment_scores_emitted(g: Any, out: Any, can_skip: Any, steps: Any) -> Any:
    """Return the vjp by a linear recursion: the score of a state is a softmax of those that it can come from.

    Of a state that no path reaches it is 0, except that a NaN, which a loss of infinity returns, goes on.
    """
    states, earlier = out.shape[2], pad(out[:-1], {-1: (2, 0)}, constant_values=-np.inf)
    ways = stack([earlier[..., 2:], earlier[..., 1:-1], earlier[..., :-2] + _skipping(can_skip, out.dtype)])
    reached = values_of(ways).max(axis=0) != -np.inf
    weights = pad(softmax(where(reached, ways, 0), 0), {-1: (0, 2)})
    stay, move, skip = weights[0, ..., :states], weights[1, ..., 1:-1], weights[2, ..., 2:]
    slopes, slope, ends = [], g[-1], np.zeros((out.shape[1], 2), out.dtype)
    for t in reversed(range(len(g) - 1)):
        unreached, goes_on = values_of(out[t + 1]) == -np.inf, (t < steps)[:, None]
        if unreached.any():
            slope = drop(slope, unreached & ~np.isnan(values_of(slope)))
        slopes.append(slope if goes_on.all() else keep(slope, goes_on))
        later = concatenate([slope, ends], -1)
        before = stay[t] * slope + move[t] * later[:, 1:-1] + skip[t] * later[:, 2:]
        slope = g[t] + (before if goes_on.all() else where(goes_on, before, slope))
    return stack(slopes[::-1]) if slopes else np.zeros((0, *out.shape[1:]), out.dtype)


alignment_scores.vjps(emitted=_alignment_scores_emitted)
