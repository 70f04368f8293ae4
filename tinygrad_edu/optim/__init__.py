"""Optimizers, which change parameters in place, and schedules for their learning rate."""

from tinygrad_edu.names import missing_from as _missing_from
from tinygrad_edu.optim import schedules
from tinygrad_edu.optim.sgd import SGD

__all__ = ["SGD", "schedules"]

# To a type checker, which reads no globals(), a __getattr__ would make every name right.
globals()["__getattr__"] = _missing_from("tg.optim", __all__)
