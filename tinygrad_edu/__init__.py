"""A small NumPy tensor with reverse-mode automatic differentiation."""

import typing as _typing
from importlib import import_module as _import_module

from tinygrad_edu import ops
from tinygrad_edu.engine import Tensor, detect_anomaly, enable_grad, from_dlpack, from_numpy, is_grad_enabled, no_grad
from tinygrad_edu.engine.decorator import op
from tinygrad_edu.engine.interop.hypothesis_hook import tell_hypothesis as _tell_hypothesis
from tinygrad_edu.errors.hints import attribute_error as _attribute_error
from tinygrad_edu.errors.hints import with_hints as _with_hints

__all__ = [
    "Tensor", "checkpoint", "custom_vjp", "data", "detect_anomaly", "distributions", "enable_grad", "from_dlpack",
    "from_numpy", "grad", "hessian", "hvp", "is_grad_enabled", "jacobian", "jvp", "linalg", "nn", "no_grad", "norm",
    "op", "optim", "value_and_grad", "vjp", "vmap", *vars(ops)["__all__"], *ops.on_demand.PACKAGE_FILES,
]  # fmt: skip

__version__ = "0.1.0"

_tell_hypothesis()

if _typing.TYPE_CHECKING:  # a __getattr__ would make type checkers accept every name
    from tinygrad_edu import data, distributions, nn, optim
    from tinygrad_edu.ops import *
    from tinygrad_edu.ops import linalg
    from tinygrad_edu.ops.creation import *
    from tinygrad_edu.ops.draws import *
    from tinygrad_edu.ops.linear_algebra.norms import norm_of_elements as norm
    from tinygrad_edu.transforms import (
        checkpoint,
        custom_vjp,
        grad,
        hessian,
        hvp,
        jacobian,
        jvp,
        value_and_grad,
        vjp,
        vmap,
    )
else:

    def __getattr__(name):
        """Import a subpackage, a transform or the file of a function at its first use. Raise for unknown names."""
        if name not in __all__:
            raise _attribute_error("tg", name, __all__)
        if name in ("data", "distributions", "nn", "optim"):
            return _import_module(f"tinygrad_edu.{name}")
        if name == "linalg":
            found = _import_module("tinygrad_edu.ops.linalg")
        elif name == "norm":
            found = _with_hints(ops.on_demand.import_function("linear_algebra.norms.norm_of_elements"), __name__)
        elif name in ops.on_demand.PACKAGE_FILES:
            function = ops.on_demand.import_function(f"{ops.on_demand.PACKAGE_FILES[name]}.{name}")
            found = _with_hints(function, __name__)
        elif name in ops.on_demand.OPS_FILES:
            found = getattr(ops, name)
        else:
            found = getattr(_import_module("tinygrad_edu.transforms"), name)
        globals()[name] = found
        return found

    def __dir__():
        return sorted({*globals(), *__all__})
