"""Optimizers, which change parameters in place, and schedules for their learning rate."""

from tinygrad_edu.optim import schedules
from tinygrad_edu.optim.sgd import SGD

__all__ = ["SGD", "schedules"]
