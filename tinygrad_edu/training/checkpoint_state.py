"""Capture and restore the state of the parts of a training run."""

import json
import re
from copy import deepcopy
from itertools import zip_longest
from reprlib import repr as brief
from typing import Any, NamedTuple

from numpy import ndarray
from numpy.random import Generator

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import DTypeError, StateDictError
from tinygrad_edu.nn import Module
from tinygrad_edu.optim import MovingAverage, Optimizer
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.training.rng_discovery import find_generators, reject_unsaved_generators
from tinygrad_edu.training.serialization import pack

# Classes whose state_dict() returns a copy that load_state_dict() restores completely.
COPIED = (Module, Optimizer, MovingAverage)


class PartState(NamedTuple):
    """State of one part.

    Attributes
    ----------
    kind : str
        Description of the part, which must be equal for the part that is restored.
    streams : dict of str to dict
        States of its random generators, by path.
    values : Any
        The state_dict: nested dicts and lists of arrays, numbers and strings.
    """

    kind: str
    streams: dict[str, Any]
    values: Any


def require_state(name: str, part: Any) -> None:
    """Raise DTypeError unless a checkpoint can save the state of the object."""
    if isinstance(part, DataLoader):
        reject_unsaved_generators(name, part)
    has_state = hasattr(part, "load_state_dict") or isinstance(part, DataLoader | dict | list)
    if not has_state and not find_generators(part):
        raise DTypeError(
            f"a checkpoint cannot store {name}, a {type(part).__name__}. Parts are models, optimizers, loaders, random "
            f"generators, dicts, lists and objects with state_dict() and load_state_dict(values). For a Plateau, pass "
            f"vars(plateau). Pass numbers to save(); load() returns them."
        )


def has_generators(part: Any) -> bool:
    """Return whether a part holds random generators, or is a loader, which may draw random numbers."""
    return isinstance(part, DataLoader) or bool(find_generators(part))


def capture_state(part: Any) -> PartState:
    """Return the state of a part. Its values may share memory with the part."""
    streams = {name: _to_json(stream.bit_generator.state) for name, stream in find_generators(part).items()}
    if isinstance(part, dict | list):
        return PartState(type(part).__name__, streams, part)
    values = part.state_dict() if hasattr(part, "state_dict") else {}
    return PartState(_fingerprint(part, values), streams, values)


def capture_copy(part: Any) -> PartState:
    """Return a copy of the state of a part."""
    # The state_dict() of another class may return its live objects.
    return capture_state(part) if isinstance(part, COPIED) else deepcopy(capture_state(part))


def restore_state(part: Any, state: PartState) -> None:
    """Restore the state of a part.

    Raises
    ------
    StateDictError
        The state does not match the part, which may be partly restored.
    """
    streams = find_generators(part)
    _require_same(state.kind, capture_state(part).kind)
    _require_same("\n".join(state.streams), "\n".join(streams))
    for name, stream in streams.items():
        _restore_generator(name, stream, state.streams[name])
    if isinstance(part, dict | list):
        _restore_items(part, state.values)
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(state.values)
        if isinstance(part, COPIED):
            _require_same_state(state.values, part.state_dict())


def _restore_items(part: dict[Any, Any] | list[Any], values: Any) -> None:
    kind = dict if isinstance(part, dict) else list
    if not isinstance(values, kind):
        raise StateDictError(f"expected a {kind.__name__}, got {brief(values)}.")
    if isinstance(part, dict):
        part.clear()
        part.update(values)
    else:
        part[:] = values


def _restore_generator(name: str, stream: Generator, saved: Any) -> None:
    """Restore the state of a generator, or raise if it is not a state of the same bit generator."""
    bits, of = stream.bit_generator, f" of {name}" * bool(name)
    kind = saved.get("bit_generator") if isinstance(saved, dict) else saved
    _require_same(str(kind), bits.state["bit_generator"])
    try:
        bits.state = saved
    except Exception as error:  # NumPy raises several classes of errors
        raise StateDictError(f"the state{of} is not a state of {kind} ({type(error).__name__}: {error}).") from error
    # NumPy truncates large integers, and does not check positions in the arrays of a state.
    if _to_json(bits.state) != saved or not _positions_in_bounds(saved):
        raise StateDictError(f"the state{of} is not a state of {kind}.")


def _positions_in_bounds(state: Any) -> bool:
    """Return whether the positions in a generator's state are inside its arrays."""
    places = (("pos", "key"), ("buffer_pos", "buffer"))
    inner = [value for value in state.values() if isinstance(value, dict)]
    own = all(0 <= state[at] <= len(state[array]) for at, array in places if at in state)
    return own and all(map(_positions_in_bounds, inner))


def _require_same_state(saved: Any, here: Any) -> None:
    """Raise unless the restored state equals the saved state in types, dtypes and bits."""
    arrays: list[dict[str, ndarray]] = [{}, {}]
    texts = [json.dumps(pack(values, found), indent=0) for values, found in zip((saved, here), arrays, strict=True)]
    _require_same(*texts)
    for name, array in arrays[0].items():
        other = arrays[1][name]
        _require_same(f"{name} of dtype {array.dtype}", f"{name} of dtype {other.dtype}")
        if array.shape != other.shape or array.tobytes() != other.tobytes():
            raise StateDictError(f"{name} has values that {other.dtype} cannot hold.")


def _require_same(saved: str, here: str) -> None:
    """Raise an error with the first differing line, unless the texts are equal."""
    for a, b in zip_longest(saved.splitlines(), here.splitlines(), fillvalue="nothing"):
        if a != b:
            raise StateDictError(f"it has {a.strip()}, expected {b.strip()}.")


def _to_json(state: Any) -> Any:
    """Convert the arrays in the state of a bit generator to lists, which bit generators accept."""
    if isinstance(state, dict):
        return {key: _to_json(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, ndarray) else state


def _fingerprint(part: Any, values: Any) -> str:
    """Describe a part: a model by its repr and dtypes, a loader by its repr, any other part by its class."""
    if not isinstance(part, Module | DataLoader):
        return type(part).__name__
    dtypes = sorted({str(leaf.dtype) for leaf in tree_leaves(values) if isinstance(leaf, ndarray)})
    return re.sub(r" at 0x[0-9a-f]+", "", "\n".join([repr(part), *dtypes]))
