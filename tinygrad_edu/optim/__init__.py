"""Optimizers, which change parameters in place; what is done to gradients and weights beside; and schedules."""

from tinygrad_edu.names import getattr_with_hints as _getattr_with_hints
from tinygrad_edu.optim import schedules
from tinygrad_edu.optim.adagrad import Adagrad
from tinygrad_edu.optim.adam import Adam, AdamW
from tinygrad_edu.optim.averages import MovingAverage
from tinygrad_edu.optim.clipping import clip_grad_norm, clip_grad_value
from tinygrad_edu.optim.lion import Lion
from tinygrad_edu.optim.muon import Muon
from tinygrad_edu.optim.nadam import NAdam
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.rmsprop import RMSprop
from tinygrad_edu.optim.sgd import SGD

__all__ = [
    "SGD", "Adagrad", "Adam", "AdamW", "Lion", "MovingAverage", "Muon", "NAdam", "Optimizer", "RMSprop",
    "clip_grad_norm", "clip_grad_value", "schedules",
]  # fmt: skip

# To a type checker, which reads no globals(), a __getattr__ would make every name right.
globals()["__getattr__"] = _getattr_with_hints("tg.optim", __all__)
