"""Activations: what makes a network more than one affine map, each as a module."""

from typing import Any

from tinygrad_edu import ops
from tinygrad_edu.nn.module import Module

__all__ = ["LogSoftmax", "ReLU", "Sigmoid", "Softmax", "Tanh"]


class Tanh(Module):
    """The hyperbolic tangent of each element."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.tanh`."""
        return ops.tanh(x)


class ReLU(Module):
    """max(x, 0) of each element."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.relu`."""
        return ops.relu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)) of each element."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.sigmoid`."""
        return ops.sigmoid(x)


class _AlongAxis(Module):
    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"axis={self.axis}"


class Softmax(_AlongAxis):
    """exp(x) / sum(exp(x)) along `axis`. A loss wants the logits instead: see `CrossEntropyLoss`."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.softmax`."""
        return ops.softmax(x, axis=self.axis)


class LogSoftmax(_AlongAxis):
    """The logarithm of `Softmax`, without overflow: what `NLLLoss` wants."""

    def forward(self, x: Any) -> Any:
        """Apply `ops.log_softmax`."""
        return ops.log_softmax(x, axis=self.axis)
