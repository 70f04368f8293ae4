"""Embedding layers: a learned table of vectors."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor, TensorLike, shape_of, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.errors.checks import invalid_choice
from tinygrad_edu.nn import init
from tinygrad_edu.nn.layers.linear import require_sizes
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import refuse_in_shard, require_sample_axis

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """Base class of `Embedding` and `EmbeddingBag`: the table and the settings of a lookup.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Number of vectors, and length of each.
    norm_type : float, default 2.0
        The p of the p-norm for `max_norm`.
    scale_grad_by_freq : bool, default False
        Whether to divide the gradient of a vector by the number of times that it is looked up in the call.
    rng : numpy.random.Generator, optional
        Generator of the initial vectors. The default is a new, unseeded generator.
    dtype : float32 or float64, default float32
        Dtype of the vectors.
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None, max_norm: float | None,
        norm_type: float, scale_grad_by_freq: bool, rng: np.random.Generator | None, dtype: DTypeLike,
    ) -> None:  # fmt: skip
        require_sizes(type(self).__name__, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self._store_settings(num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq)
        self.weight = init.gaussian((num_embeddings, embedding_dim), 1.0, init.generator_or_new(rng), dtype)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def _store_settings(self, count: int, length: int, padding_idx: int | None, *lookup: Any) -> None:
        if padding_idx is not None and not -count <= padding_idx < count:
            raise IndexError(f"{type(self).__name__}: padding_idx {padding_idx} is out of range for {count} vectors.")
        self.num_embeddings, self.embedding_dim = count, length
        self.padding_idx = None if padding_idx is None else padding_idx % count
        self.max_norm, self.norm_type, self.scale_grad_by_freq = lookup

    @classmethod
    def _of_vectors(cls, embeddings: Any, freeze: bool, *settings: Any) -> Self:
        """Return a layer with a copy of the given vectors."""
        if np.ndim(embeddings) != 2:
            raise ShapeError(f"{cls.__name__}: embeddings must have 2 axes, got shape {np.shape(embeddings)}.")
        layer = cls.__new__(cls)
        layer._store_settings(*np.shape(embeddings), *settings)
        layer.weight = Tensor(values_of(embeddings), requires_grad=True)
        layer.weight.requires_grad = not freeze
        return layer

    def _refuse_in_shard(self) -> None:
        if self.max_norm is not None:
            refuse_in_shard(f"{type(self).__name__}: max_norm writes to the table")
        if self.scale_grad_by_freq:
            refuse_in_shard(f"{type(self).__name__}: scale_grad_by_freq counts the indices of the whole batch")


class Embedding(_Table):
    """Look up vectors in a learned table by their indices, from 0 to `num_embeddings` - 1.

    Parameters
    ----------
    padding_idx : int, optional
        Index of a vector that is initialized with zeros and gets no gradient. Negative indices count from the end.
    max_norm : float, optional
        Before the lookup, each vector with a greater norm is scaled to this norm, in place in the table.

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
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, rng, dtype
        )

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
        return cls._of_vectors(embeddings, freeze, padding_idx, max_norm, norm_type, scale_grad_by_freq)

    def forward(self, indices: TensorLike) -> Tensor:
        """Apply `ops.embedding`: integers (...) to vectors (..., embedding_dim)."""
        self._refuse_in_shard()
        return ops.embedding(
            indices, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq
        )

    def extra_repr(self) -> str:
        """Return the sizes, and the options that differ from their defaults."""
        changed = self._non_defaults(padding_idx=None, max_norm=None, norm_type=2, scale_grad_by_freq=False)
        return f"{self.num_embeddings}, {self.embedding_dim}{changed}"


class EmbeddingBag(_Table):
    """Look up vectors of bags of indices, and return the sum, the mean or the maximum of each bag.

    Parameters
    ----------
    max_norm : float, optional
        Greatest norm of a vector, as in `Embedding`.
    mode : {"mean", "sum", "max"}, default "mean"
        Reduction of a bag. The result of an empty bag is zeros. Equal maxima share the gradient evenly.
    include_last_offset : bool, default False
        Whether the last offset is the number of all indices, rather than the start of a bag.
    padding_idx : int, optional
        Index that is left out of each bag. Its vector is initialized with zeros and gets no gradient.

    Attributes
    ----------
    weight : Tensor, shape (num_embeddings, embedding_dim)
        Initialized from the standard normal distribution, as in PyTorch.

    Raises
    ------
    DTypeError, ShapeError, ValueError
        The indices, offsets or weights do not fit, the mode is unknown, or weights are given and the mode is not "sum".
    IndexError
        `padding_idx` or an index is out of range.

    Examples
    --------
    >>> bag = EmbeddingBag.from_pretrained([[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]], mode="sum")
    >>> bag([[0, 1], [2, 2]]).numpy()
    array([[ 4.,  6.],
           [10., 18.]], dtype=float32)
    >>> bag([0, 1, 2], offsets=[0, 2]).numpy()
    array([[4., 6.],
           [5., 9.]], dtype=float32)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: Literal["mean", "sum", "max"] = "mean",
        *, include_last_offset: bool = False, padding_idx: int | None = None,  # PyTorch has others before these
        rng: np.random.Generator | None = None, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq, rng, dtype
        )
        self._store_bags(mode, include_last_offset)

    def _store_bags(self, mode: Literal["mean", "sum", "max"], include_last_offset: bool) -> None:
        if mode not in ("mean", "sum", "max"):
            raise invalid_choice("EmbeddingBag: mode", mode, ("mean", "sum", "max"))
        self.mode, self.include_last_offset = mode, include_last_offset

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, max_norm: float | None = None, norm_type: float = 2.0,
        scale_grad_by_freq: bool = False, mode: Literal["mean", "sum", "max"] = "mean",
        *, include_last_offset: bool = False, padding_idx: int | None = None,
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
        >>> EmbeddingBag.from_pretrained([[1.0, 2.5], [4.0, 5.0]])([[0, 1]])
        Tensor([[2.5 , 3.75]], shape=(1, 2), dtype=float32)
        """
        layer = cls._of_vectors(embeddings, freeze, padding_idx, max_norm, norm_type, scale_grad_by_freq)
        layer._store_bags(mode, include_last_offset)
        return layer

    def forward(
        self, input: TensorLike, offsets: TensorLike | None = None, per_sample_weights: TensorLike | None = None
    ) -> Tensor:
        """Return one vector for each bag, (bags, embedding_dim).

        Parameters
        ----------
        input : (bags, L) integers, or (n,) with offsets
            Indices.
        offsets : (bags,) integers, optional
            Start of each bag in a 1-D input. The first is 0, and none is less than the previous one.
        per_sample_weights : of the shape of the input, optional
            Factor of each vector, for the mode "sum".
        """
        require_sample_axis("EmbeddingBag", shape_of(input), 0, 2)
        self._refuse_in_shard()
        return ops.embedding_bag(
            input, self.weight, offsets, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.mode,
            per_sample_weights=per_sample_weights, include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the sizes, the mode, and the options that differ from their defaults."""
        changed = self._non_defaults(
            max_norm=None, norm_type=2, scale_grad_by_freq=False, include_last_offset=False, padding_idx=None
        )
        return f"{self.num_embeddings}, {self.embedding_dim}, mode={self.mode}{changed}"
