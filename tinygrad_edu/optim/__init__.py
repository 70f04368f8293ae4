"""Optimizers, gradient clipping, weight averaging and learning-rate schedules."""

from tinygrad_edu.errors.hints import getattr_with_hints as _getattr_with_hints
from tinygrad_edu.optim import schedules
from tinygrad_edu.optim.adagrad import Adagrad
from tinygrad_edu.optim.adam import Adam, AdamW
from tinygrad_edu.optim.adamax import Adamax
from tinygrad_edu.optim.clipping import clip_grad_norm, clip_grad_value
from tinygrad_edu.optim.ema import MovingAverage
from tinygrad_edu.optim.lbfgs import LBFGS
from tinygrad_edu.optim.lion import Lion
from tinygrad_edu.optim.muon import Muon
from tinygrad_edu.optim.nadam import NAdam
from tinygrad_edu.optim.optimizer import Optimizer
from tinygrad_edu.optim.radam import RAdam
from tinygrad_edu.optim.rmsprop import RMSprop
from tinygrad_edu.optim.settings import hyperparameter
from tinygrad_edu.optim.sgd import SGD
from tinygrad_edu.optim.state import Slot
from tinygrad_edu.shared.speed.allocator import keep_large_buffers as _keep_large_buffers

__all__ = [
    "LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "MovingAverage", "Muon", "NAdam", "Optimizer",
    "RAdam", "RMSprop", "Slot", "clip_grad_norm", "clip_grad_value", "hyperparameter", "schedules",
]  # fmt: skip

_keep_large_buffers()
# Set in globals(), which type checkers do not read: a visible __getattr__ would make every name valid.
globals()["__getattr__"] = _getattr_with_hints("tg.optim", __all__)
