"""Dropout with a lookup table: the factors of the eight elements of each byte."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy import ndarray

from tinygrad_edu.ops.plain import plain_dropout_values
from tinygrad_edu.plain_mode import faster_than
from tinygrad_edu.thresholds import SizeThreshold

# Bits of each byte, highest first.
_BITS_OF_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
# Bytes are looked up in chunks of this length, whose factors stay in the cache until they are multiplied.
_CHUNK_LENGTH = SizeThreshold(16384)


@lru_cache(16)
def _factor_table(scale: float, dtype: Any) -> ndarray:
    """Return the factors of the eight elements of each byte: (256, 8)."""
    return _BITS_OF_BYTE * dtype.type(scale)


@faster_than(plain_dropout_values)
def dropout_values(x: ndarray, bits: ndarray, scale: float, axes: tuple[int, ...]) -> ndarray:
    """Return `plain_dropout_values`, computed with the lookup table."""
    ordered = np.ascontiguousarray(x.transpose(axes)) if axes else x
    factors, mask = _factor_table(scale, x.dtype), np.empty((len(bits), 8), x.dtype)
    elements, out = ordered.reshape(-1), mask.reshape(-1)[: x.size]  # the result overwrites the mask
    for start in range(0, len(bits), _CHUNK_LENGTH):
        part = slice(8 * start, 8 * (start + _CHUNK_LENGTH))
        looked_up = mask[start : start + _CHUNK_LENGTH]
        np.take(factors, bits[start : start + _CHUNK_LENGTH], axis=0, out=looked_up, mode="clip")  # without a buffer
        np.multiply(out[part], elements[part], out=out[part])
    return out.reshape(ordered.shape).transpose(np.argsort(axes).astype(int))
