"""The embedding layer: a learned table of vectors."""

from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor, values_of
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn import init
from tinygrad_edu.nn.linear import require_sizes
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import by_settings

__all__ = ["Embedding"]


class Embedding(Module):
    """A vector for each whole number from 0 up to `num_embeddings`: a table of them that is learned.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many vectors there are, and how long each is.
    padding_idx : int, optional
        The number of a vector, from either end, that begins as zeros and gets no gradient.
    max_norm : float, optional
        A vector that is longer is shortened to this length, in the table, before it is looked up.
    norm_type : float
        Of the norm that is its length.
    scale_grad_by_freq : bool
        Whether the gradient of a vector is divided by how often it is looked up in one call.
    rng : numpy.random.Generator, optional
        Draws the vectors. Without it they differ from run to run.
    dtype : float32 or float64
        Of the vectors.

    Attributes
    ----------
    weight : Tensor, shape (num_embeddings, embedding_dim)
        Drawn from the standard normal distribution, as in PyTorch.

    Raises
    ------
    DTypeError, ValueError
        A size is not an integer >= 1.
    IndexError, DTypeError
        For a `padding_idx` out of range; of `forward`, for numbers out of range, or that are not whole.

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
            raise IndexError(f"Embedding: padding_idx {padding_idx} is not in a table of {count} vectors.")
        self.num_embeddings, self.embedding_dim = count, length
        self.padding_idx = None if padding_idx is None else padding_idx % count
        self.max_norm, self.norm_type, self.scale_grad_by_freq = lookup

    @classmethod
    def from_pretrained(
        cls, embeddings: Any, freeze: bool = True, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False,
    ) -> Self:  # fmt: skip
        """Return a layer with a copy of these vectors, (num_embeddings, embedding_dim).

        They stay as they are, unless `freeze` is False; at `padding_idx`, too, they are not made zeros.

        Raises
        ------
        ShapeError
            For another number of axes.
        IndexError
            For a `padding_idx` out of range.

        Examples
        --------
        >>> layer = Embedding.from_pretrained([[1.0, 2.5], [4.0, 5.0]])
        >>> layer([1]), layer.weight.requires_grad
        (Tensor([[4., 5.]], shape=(1, 2), dtype=float32), False)
        """
        if np.ndim(embeddings) != 2:
            raise ShapeError(f"Embedding: vectors are the rows of a table, and not of shape {np.shape(embeddings)}.")
        layer = cls.__new__(cls)
        layer._store_settings(*np.shape(embeddings), padding_idx, max_norm, norm_type, scale_grad_by_freq)
        layer.weight = Tensor(values_of(embeddings), requires_grad=True)
        layer.weight.requires_grad = not freeze
        return layer

    @by_settings
    def couples_samples(self) -> bool:
        """Whether a forward writes into the table, or the gradient counts how often the batch looks up a vector."""
        return self.max_norm is not None or self.scale_grad_by_freq

    def forward(self, indices: Any) -> Any:
        """Apply `ops.embedding`: whole numbers (...) to vectors (..., embedding_dim)."""
        lookup = (self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq)
        return ops.embedding(indices, self.weight, *lookup)

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that are not the usual ones."""
        changed = self._non_defaults(padding_idx=None, max_norm=None, norm_type=2, scale_grad_by_freq=False)
        return f"{self.num_embeddings}, {self.embedding_dim}{changed}"
