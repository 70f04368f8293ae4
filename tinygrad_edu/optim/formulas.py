"""Formulas that optimizers share, each computed in place. p is a part of a parameter, g that of its gradient."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import ndarray


def counted(state: Mapping[str, ndarray]) -> float:
    """Count a step in the state of a parameter, and return its number, from 1."""
    step = state["step"]
    step += 1
    return float(step)


def downhill(p: ndarray, g: ndarray, s: Mapping[str, Any], out: ndarray) -> ndarray:
    """Return what to go down along: g + weight_decay * p, or -g + weight_decay * p to maximize; g itself if it is that.

    A weight decay that is decoupled shrinks p instead, to (1 - lr * weight_decay) * p.
    """
    decay = s["weight_decay"]
    if decay and s.get("decoupled_weight_decay"):
        p *= 1 - s["lr"] * decay
    elif decay:
        np.multiply(p, decay, out=out)
        return (np.subtract if s["maximize"] else np.add)(out, g, out=out)  # type: ignore[no-any-return]
    return np.negative(g, out=out) if s["maximize"] else g


def average_of_gradients(mean: ndarray, g: ndarray, keep: float, scratch: ndarray) -> None:
    """Let mean = keep * mean + (1 - keep) * g."""
    np.multiply(g, 1 - keep, out=scratch)
    mean *= keep
    mean += scratch


def average_of_squares(mean: ndarray, g: ndarray, keep: float, scratch: ndarray) -> None:
    """Let mean = keep * mean + (1 - keep) * g**2."""
    np.multiply(g, g, out=scratch)
    scratch *= 1 - keep
    mean *= keep
    mean += scratch


def descend(p: ndarray, direction: ndarray, rate: float, scratch: ndarray) -> None:
    """Let p = p - rate * direction."""
    np.multiply(direction, rate, out=scratch)
    np.subtract(p, scratch, out=p)
