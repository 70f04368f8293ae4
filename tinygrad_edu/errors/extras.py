"""Extras: the step that installs one, and the error for a missing optional dependency."""

from tinygrad_edu.errors import MissingExtraError

# The name tinygrad-edu is not registered, so the command installs a checkout.
INSTALL = 'python -m pip install -e ".[{}]"'


def remedy(extra: str) -> str:
    """Return the step that installs an extra."""
    return f"run {INSTALL.format(extra)} in the checkout"


def missing_extra(problem: str, extra: str) -> MissingExtraError:
    """Return the error for a missing optional dependency: the problem, and the step that installs the extra."""
    return MissingExtraError(f"{problem}: {remedy(extra)}.")
