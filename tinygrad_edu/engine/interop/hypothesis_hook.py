"""Registration of Tensor with Hypothesis: ``from_type(Tensor)`` works in either order of imports."""

import sys
from importlib import import_module

from tinygrad_edu.engine.tensor import Tensor


def tell_hypothesis() -> None:
    """Register a strategy for Tensor if Hypothesis is imported."""
    strategies = sys.modules.get("hypothesis.strategies")
    if strategies is not None:
        # Imported when the first Tensor is drawn: `testing` imports this module.
        strategies.register_type_strategy(Tensor, lambda _: import_module("tinygrad_edu.testing.strategies").tensors())
