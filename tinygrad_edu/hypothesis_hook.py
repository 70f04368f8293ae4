"""``from_type(Tensor)`` works in every suite, whichever of tinygrad_edu and Hypothesis is imported first."""

import sys
from importlib import import_module

from tinygrad_edu.engine import Tensor


def tell_hypothesis() -> None:
    """Tell Hypothesis, if it is imported, how to draw a Tensor."""
    strategies = sys.modules.get("hypothesis.strategies")
    if strategies is not None:
        # A room above this one, which is there when the first Tensor is drawn.
        strategies.register_type_strategy(Tensor, lambda _: import_module("tinygrad_edu.testing.strategies").tensors())
