"""The safetensors format: its dtype names, and the import of its package."""

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors.extras import missing_extra

__all__ = ["DTYPES", "native", "package"]

# NumPy dtypes for the dtype names of the format: https://github.com/huggingface/safetensors#format
DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


def package() -> ModuleType:
    """Import safetensors, or raise an error that names the extra to install."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise missing_extra("safetensors files need the package safetensors", "safetensors") from error
    module: ModuleType = safetensors
    return module


def native(array: NDArray[Any], kind: str) -> NDArray[Any]:
    """Convert stored values with a dtype name of the format to native byte order, and bfloat16 to float32."""
    # bfloat16 is the upper half of a float32.
    array = (array.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else array
    return array.astype(array.dtype.newbyteorder("="), copy=False)
