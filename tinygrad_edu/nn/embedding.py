"""Embedding layer: a learned table of vectors."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor, TensorLike, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn import init
from tinygrad_edu.nn.linear import require_sizes
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import by_settings

__all__ = ["Embedding"]


class Embedding(Module):
    """Look up vectors in a learned table by their indices, from 0 to `num_embeddings` - 1.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Number of vectors, and length of each.
    padding_idx : int, optional
        Index of a vector that is initialized with zeros and gets no gradient. Negative indices count from the end.
    max_norm : float, optional
        Before the lookup, each vector with a greater norm is scaled to this norm, in place in the table.
    norm_type : float, default 2.0
        The p of the p-norm for `max_norm`.
    scale_grad_by_freq : bool, default False
        Whether to divide the gradient of a vector by the number of times that it is looked up in the call.
    rng : numpy.random.Generator, optional
        Generator of the initial vectors. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the vectors.

    Attributes
    ----------
    weight : Tensor, shape (num_embeddings, embedding_dim)
        Initialized from the standard normal distribution, as in PyTorch.

    Raises
    ------
    DTypeError, ValueError
        A size is not an integer >= 1.
    IndexError, DTypeError
        `padding_idx` or an index is out of range, or an index is not an integer.

    Examples
    --------
    >>> layer = Embedding(10, 3, padding_idx=0, rng=np.random.default_rng(0))
    >>> layer([[2, 4, 0], [4, 3, 0]]).shape
    (2, 3, 3)
    >>> layer([0]).numpy()
    array([[0., 0., 0.]], dtype=float32)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False,
        *, rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        require_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self._store_settings(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq)
        self.weight = init.gaussian((num_embeddings, embedding_dim), 1.0, init.generator_or_new(rng), dtype)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def _store_settings(self, count: int, length: int, padding_idx: int | None, *lookup: Any) -> None:
        if padding_idx is not None and not -count <= padding_idx < count:
            raise IndexError(f"Embedding: padding_idx {padding_idx} is out of range for {count} vectors.")
        self.num_embeddings, self.embedding_dim = count, length
        self.padding_idx = None if padding_idx is None else padding_idx % count
        self.max_norm, self.norm_type, self.scale_grad_by_freq = lookup

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False,
    ) -> Self:  # fmt: skip
        """Return a layer with a copy of the given vectors, (num_embeddings, embedding_dim).

        The weight is frozen unless `freeze` is False. The vector at `padding_idx` is not set to zeros.

        Raises
        ------
        ShapeError
            `embeddings` is not 2-D.
        IndexError
            `padding_idx` is out of range.

        Examples
        --------
        >>> layer = Embedding.from_pretrained([[1.0, 2.5], [4.0, 5.0]])
        >>> layer([1]), layer.weight.requires_grad
        (Tensor([[4., 5.]], shape=(1, 2), dtype=float32), False)
        """
        if np.ndim(embeddings) != 2:
            raise ShapeError(f"Embedding: embeddings must have 2 axes, got shape {np.shape(embeddings)}.")
        layer = cls.__new__(cls)
        layer._store_settings(*np.shape(embeddings), padding_idx, max_norm, norm_type, scale_grad_by_freq)
        layer.weight = Tensor(values_of(embeddings), requires_grad=True)
        layer.weight.requires_grad = not freeze
        return layer

    @by_settings
    def couples_samples(self) -> bool:
        """Whether a forward writes into the table, or the gradient depends on the counts of indices in the batch."""
        return self.max_norm is not None or self.scale_grad_by_freq

    def forward(self, indices: TensorLike) -> Tensor:
        """Apply `ops.embedding`: integers (...) to vectors (..., embedding_dim)."""
        lookup = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)
        return ops.embedding(indices, self.weight, *lookup)

    def extra_repr(self) -> str:
        """Return the sizes, and the options that differ from their defaults."""
        changed = self._non_defaults(padding_idx=None, max_norm=None, norm_type=2, scale_grad_by_freq=False)
        return f"{self.num_embeddings}, {self.embedding_dim}{changed}"
