"""Record of the first failure of a Hypothesis test, before shrinking simplifies its example."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from tinygrad_edu.pytree import tree_leaves


class _Failure(NamedTuple):
    """The first line of a message, and the shapes of the arrays."""

    headline: str
    shapes: str


# The first failure of each run of a test and each error class, because Hypothesis shrinks each class separately.
_first_failures: WeakKeyDictionary[Any, dict[type, _Failure]] = WeakKeyDictionary()


def message_of(error: Exception, inputs: tuple[Any, ...]) -> str:
    """Return the message of an error. In a Hypothesis test, append the first failure if its message differs."""
    text, run = str(error), _run()
    if run is None:
        return text
    failure = _Failure(text.split("\n")[0], _shapes(inputs))
    first = _first_failures.setdefault(run, {}).setdefault(type(error), failure)
    if first.headline == failure.headline:
        return text
    return f"{text}\n  First failure, with {first.shapes}: {first.headline}"


def is_shrinking(kind: type) -> bool:
    """Whether Hypothesis is shrinking a failure of this class, so that the message is not shown."""
    run = _run()
    if run is None or kind not in _first_failures.get(run, {}):
        return False
    from hypothesis.control import current_build_context

    return not current_build_context().is_final


def _run() -> Any:
    """Return Hypothesis's state object of the running test, or None outside a test."""
    hypothesis = sys.modules.get("hypothesis")
    if hypothesis is None or not hypothesis.currently_in_test_context():
        return None
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "wrapped_test" and frame.f_globals.get("__name__") == "hypothesis.core":
            return frame.f_locals.get("state")
        frame = frame.f_back
    return None


def _shapes(inputs: tuple[Any, ...]) -> str:
    """Return the shapes of the arrays among inputs. An array that is given both alone and in a `Call` counts once."""
    leaves = (leaf for part in inputs for leaf in tree_leaves(getattr(part, "arrays", part)))
    arrays = {id(x): x for x in leaves if hasattr(x, "shape") or isinstance(x, float)}
    shapes = [str(tuple(np.shape(x))) for x in arrays.values()]
    return f"shape{'s' * (len(shapes) > 1)} {', '.join(shapes) or '()'}"
