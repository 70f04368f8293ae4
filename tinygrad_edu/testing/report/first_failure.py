"""Record of the first failure of a Hypothesis test under pytest, before shrinking simplifies its example."""

import os
from typing import Any, NamedTuple

import numpy as np

from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.testing.verdict import is_in_hypothesis_test


class _Failure(NamedTuple):
    """The first line of a message, and the shapes of the arrays."""

    headline: str
    shapes: str


# The first failure of the running test for each error class, because Hypothesis shrinks each class separately.
_first_failures: dict[tuple[str, type], _Failure] = {}


def message_of(error: Exception, inputs: tuple[Any, ...]) -> str:
    """Return the message of an error. In a Hypothesis test, append the first failure if its message differs."""
    text, test = str(error), _running_test()
    if test is None:
        return text
    for key in [key for key in _first_failures if key[0] != test]:
        del _first_failures[key]
    first = _first_failures.setdefault((test, type(error)), _Failure(text.split("\n")[0], _shapes(inputs)))
    if text.split("\n")[0] == first.headline:
        return text
    return f"{text}\n  First failure, with {first.shapes}: {first.headline}"


def is_shrinking(kind: type) -> bool:
    """Whether Hypothesis is shrinking a failure of this class, so that the message is not shown."""
    if (_running_test(), kind) not in _first_failures:
        return False
    from hypothesis.control import current_build_context

    return not current_build_context().is_final


def _running_test() -> str | None:
    """Return the name of the running test if it is a Hypothesis test under pytest, else None."""
    return os.environ.get("PYTEST_CURRENT_TEST") if is_in_hypothesis_test() else None


def _shapes(inputs: tuple[Any, ...]) -> str:
    """Return the shapes of the arrays among inputs. An array that is given both alone and in a `Call` counts once."""
    leaves = (leaf for part in inputs for leaf in tree_leaves(getattr(part, "arrays", part)))
    arrays = {id(x): x for x in leaves if hasattr(x, "shape") or isinstance(x, float)}
    shapes = [str(tuple(np.shape(x))) for x in arrays.values()]
    return f"shape{'s' * (len(shapes) > 1)} {', '.join(shapes) or '()'}"
