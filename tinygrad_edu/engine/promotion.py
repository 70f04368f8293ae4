"""A warning when float32 becomes float64 in a module, once for each model."""

from collections.abc import Sequence
from typing import Any
from warnings import warn_explicit
from weakref import WeakValueDictionary

import numpy as np

from tinygrad_edu.engine.debug.call_site import call_site
from tinygrad_edu.engine.tensor import PARAMETER, Tensor, role_of
from tinygrad_edu.errors import PromotionWarning

_warned: WeakValueDictionary[int, Any] = WeakValueDictionary()  # models by id, since they may not be hashable


def warn_of_float64(name: str, tensors: Sequence[Tensor]) -> None:
    """Warn if an op computed float64 from float32 and float64 tensors in a model with float32 parameters."""
    # Parameters, frozen or not, and tensors computed from them.
    trained = [t for t in tensors if t._node is not None or role_of(t) == PARAMETER]
    narrow = next((t for t in trained if t.dtype == np.float32), None)
    wide = next((t for t in tensors if t.dtype == np.float64), None)
    if narrow is None or wide is None:
        return
    site = call_site()
    modules = [module for layer in site.layers if (module := layer()) is not None]
    if not modules or _warned.get(id(modules[-1])) is modules[-1]:
        return
    model = modules[-1]
    if not any(p.dtype == np.float32 for p in model.parameters()):
        return
    _warned[id(model)] = model
    state = [(t is not wide, n) for n, t in model.named_parameters() + model.named_buffers() if t.dtype == np.float64]
    names = ", ".join(n for _, n in sorted(state, key=lambda pair: pair[0])[:3])  # the tensor itself first
    origin = f" Float64 in {type(model).__name__}: {names}." if names else ""
    kind = "parameter" if role_of(narrow) == PARAMETER else "tensor"
    message = (
        f"{type(modules[0]).__name__}: op {name} computed float64, because a float32 {kind} of shape {narrow.shape} "
        f"met a float64 Tensor of shape {wide.shape}.{origin} The rest of the model is float64 too, at half the speed. "
        f"Convert the float64 values once, where they are created: values.astype(np.float32)."
    )
    warn_explicit(message, PromotionWarning, site.file or __file__, site.line or 1)
