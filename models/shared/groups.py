"""Dependency groups of the checkout: the error for a missing package, with the command that installs its group."""

from tinygrad_edu.errors import MissingExtraError

INSTALL = "python -m pip install -e . --group {}"


def missing_group(problem: str, group: str) -> MissingExtraError:
    """Return the error for a missing package of a group: the problem, and the step that installs the group."""
    return MissingExtraError(f"{problem}: run {INSTALL.format(group)} in the checkout.")
