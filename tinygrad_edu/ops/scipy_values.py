"""Values of SciPy's special functions (extra ``scipy``)."""

from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.errors.extras import missing_extra


def of_scipy(function: str, asker: str, x: Any, *before: Any) -> Array:
    """Return SciPy's function of x in the dtype of x, float64 for integers."""
    try:
        from scipy import special
    except ImportError as error:
        raise missing_extra(f"{asker} requires SciPy", "scipy") from error
    x = np.asarray(x)
    out = np.asarray(getattr(special, function)(*before, x if x.dtype.kind == "f" else x.astype(np.float64)))
    return out.astype(x.dtype, copy=False) if x.dtype.kind == "f" else out
