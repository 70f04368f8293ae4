"""Dropout with a mask of one bit per element."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array, MappedCall, bare, draw_in_vmap, is_mapped_by, op, open_levels, values_of

_BITS_OF_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)  # (256, 8), highest first


def _dropout_of_samples(batch: MappedCall) -> Any:
    """Multiply the samples by the factors of their bits, or of the bits that they share."""
    ones, settings = np.ones(batch.sample_shape(), batch.inputs[0].dtype), batch.settings
    if not is_mapped_by(settings["bits"], batch.level):
        return batch.inputs[0] * dropout_by_bits(ones, **settings)
    rows = bare(settings["bits"]).numpy()
    return batch.inputs[0] * np.stack([dropout_by_bits(ones, **{**settings, "bits": row}) for row in rows])


_dropout_of_samples.takes_mapped_settings = True  # type: ignore[attr-defined]


@op(name="dropout", batching=_dropout_of_samples)
def dropout_by_bits(x: Array, /, bits: Array, scale: float, axes: tuple[int, ...]) -> Array:
    """Return scale * x where the element's bit is set, and 0 * x elsewhere.

    `bits` is an array of bytes with eight bits each, in the order of the flattened ``transpose(x, axes)``.
    """
    ordered, factors = x.transpose(axes), _BITS_OF_BYTE * x.dtype.type(scale)
    out = factors.take(np.asarray(bits), axis=0).reshape(-1)[: x.size].reshape(ordered.shape)
    out *= ordered
    return np.asarray(out).transpose(np.argsort(axes).astype(int))


dropout_by_bits.vjps(x=lambda g, bits, scale, axes: dropout_by_bits(g, bits, scale, axes))


def random_dropout(x: Any, p: float, rng: np.random.Generator) -> Any:
    """Return x with each element set to 0 with probability p, and the others divided by 1 - p."""
    return dropout_by_bits(x, draw_bits(x.size, p, rng), dropout_scale(p), memory_order(values_of(x)))


def dropout_scale(p: float) -> float:
    """Return 1 / (1 - p), the factor of the kept elements; 0 where p is 1."""
    return 1 / (1 - p) if p < 1 else 0.0


def memory_order(x: Array) -> tuple[int, ...]:
    """Return the axes of an array in decreasing order of stride."""
    return tuple(sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis])))


def draw_bits(count: int, p: float, rng: np.random.Generator) -> Array:
    """Draw `count` bits packed in bytes, each 0 with probability p, from few random bits.

    For p = 1/2 each takes one random bit. Otherwise each takes one random byte, the first 8 binary digits of a number
    in [0, 1). The bit is 1 if they are above the first 8 digits of p, and 0 if they are below. In one of 256 cases they
    are equal, and the remaining digits are drawn.
    """
    return draw_in_vmap(draw_bits, (count, p, rng), {}) if open_levels() else _draw_bits(count, p, rng)


def _draw_bits(count: int, p: float, rng: np.random.Generator) -> Array:
    if p == 0.5:
        return _random_bytes(-(-count // 8), rng)
    drawn = _random_bytes(count, rng)
    digits, remaining = divmod(256 * p, 1)
    keep = drawn > int(digits)
    ties = np.flatnonzero(drawn == int(digits))
    keep[ties] = rng.random(len(ties)) >= remaining
    return np.packbits(keep)


def _random_bytes(count: int, rng: np.random.Generator) -> Any:
    # rng.integers(256, dtype=np.uint8) takes 2.6 times as long, and rng.bytes 6 times.
    return rng.integers(2**64, size=-(-count // 8), dtype=np.uint64).view(np.uint8)[:count]
