"""What Hypothesis calls when it is imported: it is told of Tensor if tinygrad_edu is there, and else by the latter."""

import sys


def hook() -> None:
    """Let ``from_type(Tensor)`` draw Tensors, without an import of tinygrad_edu where nobody uses it."""
    if "tinygrad_edu" in sys.modules:
        from tinygrad_edu.hypothesis_hook import tell_hypothesis

        tell_hypothesis()
