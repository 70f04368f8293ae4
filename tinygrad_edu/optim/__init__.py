"""Optimizers, which change parameters in place, and schedules for their learning rate."""

from typing import TYPE_CHECKING, Any

from tinygrad_edu.names import missing_name as _missing_name
from tinygrad_edu.optim import schedules
from tinygrad_edu.optim.sgd import SGD

__all__ = ["SGD", "schedules"]

if not TYPE_CHECKING:  # to a type checker, it would make every name right

    def __getattr__(name: str) -> Any:
        raise _missing_name("tg.optim", name, __all__)
