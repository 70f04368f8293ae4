"""Generate tokens with a language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.engine import values_of
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.errors.checks import generator, integer
from tinygrad_edu.nn import KeyValueCache, Module
from tinygrad_edu.training.arguments import check_arguments
from tinygrad_edu.training.evaluation import evaluating

__all__ = ["generate"]


def generate(
    model: Module, ids: Any, max_new_tokens: int, *, temperature: float = 0.0, top_k: int | None = None,
    top_p: float | None = None, rng: np.random.Generator | None = None, caches: Sequence[KeyValueCache] | None = None,
) -> ndarray:  # fmt: skip
    """Append tokens to sequences, each chosen by the logits that the model returns for the last position.

    The model computes in evaluation mode, without gradients. Its mode is restored.

    Parameters
    ----------
    model : Module
        Maps token ids (N, L) to logits (N, L, V).
    ids : (N, L) or (L,) integers
        Tokens of at least one position. All sequences have the same length.
    max_new_tokens : int
        Number of tokens to append.
    temperature : float, default 0.0
        0 chooses the token with the greatest logit. Otherwise, a token is drawn from softmax(logits / temperature).
    top_k : int, optional
        Draw from the `top_k` most likely tokens, and those that are as likely as the last of them.
    top_p : float, optional
        Draw from the most likely tokens of which the probabilities, after `top_k`, sum to at least `top_p`.
    rng : numpy.random.Generator, optional
        Required if the temperature is not 0.
    caches : sequence of KeyValueCache, optional
        One for each attention layer. The model is then called with the tokens that the caches do not have, and with
        `caches` as the second argument. Pass them again, with the result, to continue.

    Returns
    -------
    ndarray, (N, L + max_new_tokens) or (L + max_new_tokens,)

    Raises
    ------
    DTypeError, ShapeError, ValueError
        An argument does not fit, the model does not return logits of this shape, or a logit is NaN, or all are -inf.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> model = nn.Embedding.from_pretrained(np.roll(np.eye(4), 1, axis=1))  # the next of four tokens
    >>> generate(model, [2, 3], 3)
    array([2, 3, 0, 1, 2])
    >>> generate(model, [[0], [1]], 4, temperature=0.5, top_k=2, rng=np.random.default_rng(0)).shape
    (2, 5)
    """
    check_arguments(model=model)
    tokens = np.asarray(values_of(ids))
    if tokens.ndim not in (1, 2) or not tokens.shape[-1]:
        raise ShapeError(f"generate: ids must have shape (N, L) or (L,), with L >= 1, got {tokens.shape}.")
    if tokens.dtype.kind not in "iu":
        raise DTypeError(f"generate: ids must be integers, got {tokens.dtype}.")
    _check_sampling(temperature, top_k, top_p, rng)
    rows = tokens.reshape(-1, tokens.shape[-1])
    with evaluating(model):
        for _ in range(integer("generate: max_new_tokens", max_new_tokens, 0)):
            logits = _last_logits(model, rows, caches)
            if temperature:
                logits = _without_unlikely(logits / temperature, top_k, top_p)
                logits = logits + rng.gumbel(size=logits.shape)  # type: ignore[union-attr] # the maximum is a draw
            rows = np.concatenate([rows, logits.argmax(axis=1)[:, None].astype(rows.dtype)], axis=1)
    return rows if tokens.ndim == 2 else rows[0]


def _check_sampling(temperature: float, top_k: Any, top_p: Any, rng: Any) -> None:
    if not 0 <= temperature < np.inf:
        raise ValueError(f"generate: temperature must be >= 0 and finite, got {temperature!r}.")
    if not temperature:
        if top_k is not None or top_p is not None:
            raise ValueError("generate: top_k and top_p need temperature > 0; temperature 0 takes the greatest logit.")
        return
    generator(rng)
    if top_k is not None:
        integer("generate: top_k", top_k, 1)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"generate: top_p must be > 0 and at most 1, got {top_p!r}.")


def _last_logits(model: Module, rows: ndarray, caches: Sequence[KeyValueCache] | None) -> ndarray:
    """Return the logits at the last position, (N, V), in float64."""
    lengths = {cache.length for cache in caches or ()}
    if len(lengths) > 1 or max(lengths, default=0) >= rows.shape[1]:
        raise ValueError(
            f"generate: the caches must have equal lengths below {rows.shape[1]}, the number of tokens, got "
            f"{sorted(lengths)}. A new sequence needs new caches."
        )
    new = rows[:, max(lengths, default=0) :]
    logits = values_of(model(new) if caches is None else model(new, caches))
    shape = getattr(logits, "shape", f"a {type(logits).__name__}")
    if len(shape) != 3 or shape[:2] != new.shape:
        raise ShapeError(f"generate: the model must return logits of shape {(*new.shape, 'V')}, got {shape}.")
    last: ndarray = logits[:, -1].astype(np.float64)
    if np.isnan(last).any():
        raise ValueError("generate: the model returned NaN logits; find their origin with tg.detect_anomaly().")
    if np.isneginf(last).all(axis=1).any():
        raise ValueError("generate: all logits of a sequence are -inf, so that no token can be chosen.")
    return last


def _without_unlikely(logits: ndarray, top_k: int | None, top_p: float | None) -> ndarray:
    """Return the logits with -inf for the tokens that `top_k` and `top_p` exclude."""
    if top_k is not None and top_k < logits.shape[1]:
        logits = np.where(logits < np.partition(logits, -top_k)[:, -top_k, None], -np.inf, logits)
    if top_p is not None:
        order = np.argsort(-logits, axis=1, kind="stable")
        ordered = np.take_along_axis(logits, order, axis=1)
        likely = np.exp(ordered - ordered[:, :1])
        likely /= likely.sum(axis=1, keepdims=True)
        excluded = np.cumsum(likely, axis=1) - likely >= top_p  # the more likely tokens suffice
        np.put_along_axis(logits := logits.copy(), order, np.where(excluded, -np.inf, ordered), axis=1)
    return logits
