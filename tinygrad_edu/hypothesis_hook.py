"""``from_type(Tensor)`` works in every suite, whichever of tinygrad_edu and Hypothesis is imported first."""

import sys
from importlib import import_module
from typing import Any

from tinygrad_edu.engine import Tensor


def tell_hypothesis() -> None:
    """Tell Hypothesis, if it is imported, how to draw a Tensor."""
    strategies = sys.modules.get("hypothesis.strategies")
    if strategies is not None:
        strategies.register_type_strategy(Tensor, _any_tensor)


def _any_tensor(_: type) -> Any:
    # A room above this one, which is there when the first Tensor is drawn.
    return import_module("tinygrad_edu.testing.strategies").tensors()
