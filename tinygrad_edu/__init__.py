"""A small NumPy tensor with reverse-mode automatic differentiation."""

from tinygrad_edu import data, nn, ops, optim
from tinygrad_edu.allocator import keep_large_buffers as _keep_large_buffers
from tinygrad_edu.engine import (
    Tensor,
    detect_anomaly,
    enable_grad,
    from_dlpack,
    from_numpy,
    is_grad_enabled,
    no_grad,
    op,
)
from tinygrad_edu.hypothesis_hook import tell_hypothesis as _tell_hypothesis
from tinygrad_edu.names import missing_from as _missing_from
from tinygrad_edu.ops import *
from tinygrad_edu.ops import linalg
from tinygrad_edu.ops.creation import *
from tinygrad_edu.ops.linalg import norm
from tinygrad_edu.transforms import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp

__all__ = [
    "Tensor", "data", "detect_anomaly", "enable_grad", "from_dlpack", "from_numpy", "grad", "hessian", "hvp",
    "is_grad_enabled", "jacobian", "jvp", "linalg", "nn", "no_grad", "norm", "op", "optim", "value_and_grad", "vjp",
    *vars(ops)["__all__"], *ops.creation.__all__,
]  # fmt: skip

_keep_large_buffers()
_tell_hypothesis()

# To a type checker, which reads no globals(), a __getattr__ would make every name right.
globals()["__getattr__"] = _missing_from("tg", __all__)
