"""Normalization layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from tinygrad_edu import ops
from tinygrad_edu.engine import Array, Tensor, TensorLike
from tinygrad_edu.errors import ShapeError
from tinygrad_edu.nn.init import all_ones, all_zeros
from tinygrad_edu.nn.layers.linear import require_sizes, shape_of_floats
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import refuse_in_shard, require_sample_axis

if TYPE_CHECKING:
    from tinygrad_edu.nn.calls import MaybeParameters, OneInput

__all__ = [
    "BatchNorm1D", "BatchNorm2D", "BatchNorm3D", "GroupNorm", "InstanceNorm1D", "InstanceNorm2D", "InstanceNorm3D",
    "LayerNorm", "LocalResponseNorm", "RMSNorm",
]  # fmt: skip


def scale_and_shift(
    shape: tuple[int, ...], scale: bool, shift: bool, dtype: DTypeLike
) -> tuple[Tensor | None, Tensor | None]:
    """Return a weight of ones if `scale`, else None, and a bias of zeros if `scale` and `shift`, else None."""
    return all_ones(shape, dtype) if scale else None, all_zeros(shape, dtype) if scale and shift else None


class LayerNorm(Module):
    """Normalize each sample to mean 0 and variance 1 over its last axes, then multiply by a weight and add a bias.

    From J. L. Ba, J. R. Kiros and G. E. Hinton, "Layer normalization", 2016.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Lengths of the normalized axes.
    eps : float, default 1e-5
        Constant added to the variance.
    elementwise_affine : bool, default True
        Whether to learn a weight.
    bias : bool, default True
        Whether to learn a bias, if `elementwise_affine` is true.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    weight, bias : Tensor, shape normalized_shape, or None
        Initialized with ones and zeros.

    Raises
    ------
    DTypeError, ValueError
        A length is not an integer >= 1.
    ShapeError
        The last axes of the input do not have these lengths.

    Examples
    --------
    >>> LayerNorm(4)(np.array([[1.0, 2.0, 3.0, 6.0]])).numpy().round(2)
    array([[-1.07, -0.53,  0.  ,  1.6 ]], dtype=float32)
    """

    __call__: MaybeParameters

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-5, elementwise_affine: bool = True,
        bias: bool = True, *, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.normalized_shape = _normalized_shape("LayerNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight, self.bias = scale_and_shift(self.normalized_shape, elementwise_affine, bias, dtype)

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.layer_norm`: (..., *normalized_shape), the same shape."""
        require_sample_axis("LayerNorm", shape_of_floats("LayerNorm", x), 0, len(self.normalized_shape) + 1)
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        affine = f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        return f"{self.normalized_shape}, eps={self.eps}, {affine}"


def _normalized_shape(layer: str, normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    """Return the lengths of the axes that a layer normalizes over."""
    lengths = tuple(normalized_shape) if isinstance(normalized_shape, Sequence) else (normalized_shape,)
    if not lengths:
        raise ShapeError(f"{layer}: normalized_shape must have at least one axis, got ().")
    for length in lengths:
        require_sizes(layer, normalized_shape=length)
    return lengths


class RMSNorm(Module):
    """Divide each sample by the root mean square over its last axes, then multiply by a weight.

    From B. Zhang and R. Sennrich, "Root mean square layer normalization", NeurIPS 2019.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Lengths of the normalized axes.
    eps : float, optional
        Constant added to the mean square. Default: the machine epsilon of the input's dtype.
    elementwise_affine : bool, default True
        Whether to learn a weight.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    weight : Tensor, shape normalized_shape, or None
        Initialized with ones.

    Raises
    ------
    DTypeError, ValueError
        A length is not an integer >= 1.
    ShapeError
        The last axes of the input do not have these lengths.

    Examples
    --------
    >>> RMSNorm(2)(np.array([[1.0, 7.0]])).numpy()
    array([[0.2, 1.4]], dtype=float32)
    """

    __call__: MaybeParameters

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True,
        *, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        self.normalized_shape = _normalized_shape("RMSNorm", normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight, _ = scale_and_shift(self.normalized_shape, elementwise_affine, False, dtype)

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.rms_norm`: (..., *normalized_shape), the same shape."""
        require_sample_axis("RMSNorm", shape_of_floats("RMSNorm", x), 0, len(self.normalized_shape) + 1)
        return ops.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Normalize each group of channels of each sample to mean 0 and variance 1, then scale and shift each channel.

    From Y. Wu and K. He, "Group normalization", ECCV 2018.

    Parameters
    ----------
    num_groups : int
        Number of groups. It must divide `num_channels`.
    num_channels : int
        Number of channels, on axis 1.
    eps : float, default 1e-5
        Constant added to the variance.
    affine : bool, default True
        Whether to learn a weight.
    bias : bool, default True
        Whether to learn a bias, if `affine` is true.
    dtype : float32 or float64, default float32
        Dtype of the parameters.

    Attributes
    ----------
    weight, bias : Tensor, shape (num_channels,), or None
        Initialized with ones and zeros.

    Raises
    ------
    DTypeError, ValueError
        A size is not an integer >= 1.
    ShapeError
        `num_groups` does not divide `num_channels`, or the input has another number of channels.

    Examples
    --------
    >>> GroupNorm(2, 6)(np.ones((5, 6, 4, 4))).shape
    (5, 6, 4, 4)
    """

    __call__: MaybeParameters

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True,
        *, bias: bool = True, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        require_sizes("GroupNorm", num_groups=num_groups, num_channels=num_channels)
        if num_channels % num_groups:
            raise ShapeError(f"GroupNorm: num_groups={num_groups} must divide num_channels={num_channels}.")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight, self.bias = scale_and_shift((num_channels,), affine, bias, dtype)

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.group_norm`: (N, num_channels, ...), the same shape."""
        require_channels(self, shape_of_floats("GroupNorm", x), 1, self.num_channels)
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the options."""
        affine = f"affine={self.affine}, bias={self.bias is not None}"
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, {affine}"


def require_channels(layer: Module, shape: tuple[int, ...], axis: int, channels: int) -> None:
    """Raise `ShapeError` unless the channel axis of an input has the length `channels`."""
    if shape[axis : axis + 1] != (channels,):
        last = " If the channels are last, move them with tg.moveaxis." if shape[-1:] == (channels,) else ""
        raise ShapeError(
            f"{layer!r}: the input must have {channels} channels along axis {axis}, got shape {shape}.{last}"
        )


class ChannelNorm(Module):
    """Base class of normalizations with parameters and running statistics for each channel."""

    inputs: ClassVar[tuple[str, ...]]  # the accepted axes of an input, one letter each

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
        track_running_stats: bool = True, *, bias: bool = True, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        require_sizes(type(self).__name__, num_features=num_features)
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight, self.bias = scale_and_shift((num_features,), affine, bias, dtype)
        self.running_mean = Tensor(np.zeros(num_features, dtype)) if track_running_stats else None
        self.running_var = Tensor(np.ones(num_features, dtype)) if track_running_stats else None
        self.num_batches_tracked = Tensor(0, dtype=np.int64) if track_running_stats else None

    def reset_running_stats(self) -> None:
        """Reset the running statistics to their initial values."""
        for buffer, start in ((self.running_mean, 0), (self.running_var, 1), (self.num_batches_tracked, 0)):
            if buffer is not None:
                buffer.assign(np.full(buffer.shape, start))

    def extra_repr(self) -> str:
        """Return the options."""
        affine = f"affine={self.affine}, bias={self.bias is not None}"
        tracked = f"track_running_stats={self.track_running_stats}"
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, {affine}, {tracked}"

    def axes_of(self, x: Any) -> str:
        """Return the axes of an input. Raise `ShapeError` for other axes or another number of channels."""
        shape = shape_of_floats(type(self).__name__, x)
        axes = next((axes for axes in self.inputs if len(axes) == len(shape)), None)
        if axes is None:
            expected = " or ".join(f"({', '.join(axes)})" for axes in self.inputs)
            raise ShapeError(f"{self!r}: the input must have shape {expected}, got {shape}.")
        require_channels(self, shape, axes.index("C"), self.num_features)
        return axes


class BatchNorm(ChannelNorm):
    """Base class of `BatchNorm1D`, `BatchNorm2D` and `BatchNorm3D`.

    Parameters
    ----------
    num_features : int
        Number of channels.
    eps : float, default 1e-5
        Constant added to the variance.
    momentum : float or None, default 0.1
        Weight of a batch in the running statistics. None averages all batches equally.
    affine : bool, default True
        Whether to learn a weight.
    track_running_stats : bool, default True
        Whether to keep running statistics. Without them, evaluation uses the statistics of the batch.
    bias : bool, default True
        Whether to learn a bias, if `affine` is true.
    dtype : float32 or float64, default float32
        Dtype of the parameters and running statistics.
    """

    __call__: MaybeParameters

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.batch_norm`, and count the batch if it updates the running statistics."""
        self.axes_of(x)
        moved = self.num_batches_tracked if self.training and self.track_running_stats else None
        count = 0 if moved is None else moved.item() + 1
        momentum = 1 / max(count, 1) if self.momentum is None else self.momentum
        running = (None, None) if self.training and moved is None else (self.running_mean, self.running_var)
        use_batch_statistics = self.training or self.running_mean is None
        if use_batch_statistics:
            refuse_in_shard(f"{type(self).__name__}: it normalizes with the statistics of the batch")
        out = ops.batch_norm(x, *running, self.weight, self.bias, use_batch_statistics, momentum, self.eps)
        if moved is not None:
            moved.assign(count)
        return out


class BatchNorm2D(BatchNorm):
    """Normalize each channel of a batch (N, C, H, W) to mean 0 and variance 1, then scale and shift it.

    Training uses the mean and variance of the batch and updates running averages of them, which evaluation uses. From
    S. Ioffe and C. Szegedy, "Batch normalization", ICML 2015.

    Attributes
    ----------
    weight, bias : Tensor, shape (num_features,), or None
        Initialized with ones and zeros.
    running_mean, running_var : Tensor, shape (num_features,), or None
        Buffers, initialized with zeros and ones. The variance is the unbiased estimate.
    num_batches_tracked : Tensor, shape (), int64, or None
        Buffer: the number of batches in the running statistics.

    Raises
    ------
    DTypeError, ValueError
        `num_features` is not an integer >= 1.
    ShapeError
        The input has other axes or another number of channels, or, in training, a single value per channel.

    Examples
    --------
    >>> layer, x = BatchNorm2D(1), np.array([3.0, 5.0]).reshape(2, 1, 1, 1)
    >>> layer(x).numpy().ravel().round(3)
    array([-1.,  1.], dtype=float32)
    >>> layer.running_mean.item(), layer.running_var.item()
    (0.4000000059604645, 1.100000023841858)
    """

    inputs = ("NCHW",)


class BatchNorm1D(BatchNorm):
    """`BatchNorm2D` for batches of vectors (N, C) or sequences (N, C, L).

    Examples
    --------
    >>> BatchNorm1D(1)(np.array([[3.0], [5.0]])).numpy().ravel().round(3)
    array([-1.,  1.], dtype=float32)
    """

    inputs = ("NC", "NCL")


class BatchNorm3D(BatchNorm):
    """`BatchNorm2D` for batches of volumes (N, C, D, H, W).

    Examples
    --------
    >>> BatchNorm3D(1)(np.array([3.0, 5.0]).reshape(2, 1, 1, 1, 1)).numpy().ravel().round(3)
    array([-1.,  1.], dtype=float32)
    """

    inputs = ("NCDHW",)


class InstanceNorm(ChannelNorm):
    """Base class of `InstanceNorm1D`, `InstanceNorm2D` and `InstanceNorm3D`.

    Parameters
    ----------
    momentum : float or None, default 0.1
        Weight of a batch in the running statistics. None does not update them.
    affine : bool, default False
        Whether to learn a weight.
    track_running_stats : bool, default False
        Whether to keep running statistics, which evaluation uses.
    """

    __call__: MaybeParameters

    def __init__(
        self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = False,
        track_running_stats: bool = False, *, bias: bool = True, dtype: DTypeLike = np.float32,
    ) -> None:  # fmt: skip
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias=bias, dtype=dtype)

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.instance_norm`. A single sample is a batch of one."""
        alone = "N" not in self.axes_of(x)
        images = ops.expand_dims(x, 0) if alone else x
        settings = (self.training or not self.track_running_stats, self.momentum or 0.0, self.eps)
        out = ops.instance_norm(images, self.running_mean, self.running_var, self.weight, self.bias, *settings)
        return ops.squeeze(out, 0) if alone else out


class InstanceNorm2D(InstanceNorm):
    """Normalize each channel of each image to mean 0 and variance 1, then scale and shift it.

    From D. Ulyanov, A. Vedaldi and V. Lempitsky, "Instance normalization", 2016. Attributes and errors are as in
    `BatchNorm2D`, but `num_batches_tracked` stays 0.

    Examples
    --------
    >>> InstanceNorm2D(3)(np.ones((5, 3, 4, 4))).shape, InstanceNorm2D(3)(np.ones((3, 4, 4))).shape
    ((5, 3, 4, 4), (3, 4, 4))
    """

    inputs = ("CHW", "NCHW")


class InstanceNorm1D(InstanceNorm):
    """`InstanceNorm2D` for a sequence (C, L) or a batch of sequences (N, C, L).

    Examples
    --------
    >>> InstanceNorm1D(1)(np.array([[3.0, 5.0]])).round(3)
    array([[-1.,  1.]])
    """

    inputs = ("CL", "NCL")


class InstanceNorm3D(InstanceNorm):
    """`InstanceNorm2D` for a volume (C, D, H, W) or a batch of volumes (N, C, D, H, W).

    Examples
    --------
    >>> InstanceNorm3D(1)(np.array([[[[3.0]], [[5.0]]]])).ravel().round(3)
    array([-1.,  1.])
    """

    inputs = ("CDHW", "NCDHW")


class LocalResponseNorm(Module):
    """Divide each channel by (k + alpha * the mean of the squares of `size` neighbouring channels) ** beta.

    From A. Krizhevsky, I. Sutskever and G. E. Hinton, "ImageNet classification with deep convolutional neural
    networks", NeurIPS 2012.

    Parameters
    ----------
    size : int
        Number of neighbouring channels, including the channel itself.
    alpha : float, default 1e-4
        Factor of the mean of the squares.
    beta : float, default 0.75
        The exponent.
    k : float, default 1.0
        Constant added to it.

    Raises
    ------
    DTypeError, ValueError
        `size` is not an integer >= 1.
    ShapeError
        The input has fewer axes than (N, C, L).

    Examples
    --------
    >>> LocalResponseNorm(1, alpha=3.0, beta=0.5)(np.ones((1, 2, 1))).ravel()
    array([0.5, 0.5])
    """

    __call__: OneInput

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        require_sizes("LocalResponseNorm", size=size)
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: TensorLike) -> Tensor | Array:
        """Apply `ops.local_response_norm`: (N, C, ...), the same shape."""
        return ops.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the options."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
