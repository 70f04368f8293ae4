"""The entry point of Hypothesis, which registers Tensor if tinygrad_edu was imported first."""

import sys


def hook() -> None:
    """Let ``from_type(Tensor)`` draw Tensors, without importing tinygrad_edu in programs that do not use it."""
    if "tinygrad_edu" in sys.modules:
        from tinygrad_edu.engine.interop.hypothesis_hook import tell_hypothesis

        tell_hypothesis()
