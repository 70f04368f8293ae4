"""The parts of a training run that a checkpoint holds: what is read of each, and how it is put back."""

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
from tinygrad_edu.training.rng_discovery import refuse_own_generators, streams_of
from tinygrad_edu.training.serialization import pack
from tinygrad_edu.transforms.trees import tree_leaves

__all__ = ["PartState", "copy_part", "has_streams", "put_back", "read_part", "require_part"]


# Their state_dict() returns a copy, and load_state_dict(copy) puts all of it back.
COPYING = (Module, Optimizer, MovingAverage)


class PartState(NamedTuple):
    """What there is to know of a part.

    Attributes
    ----------
    kind : str
        What the part must be for the rest to fit.
    streams : dict of str to dict
        The states of its random generators.
    values : Any
        Nested dicts and lists of arrays, numbers and strings.
    """

    kind: str
    streams: dict[str, Any]
    values: Any


def require_part(name: str, part: Any) -> None:
    """Raise for what has no state that could be read, or none that is found."""
    if isinstance(part, DataLoader):
        refuse_own_generators(name, part)
    has_state = hasattr(part, "load_state_dict") or isinstance(part, DataLoader | dict | list)
    if not has_state and not streams_of(part):
        raise DTypeError(
            f"a checkpoint cannot hold {name}, a {type(part).__name__}. It holds models, optimizers, loaders, random "
            f"generators, dicts and lists, and what has state_dict() and load_state_dict(values): of a Plateau, give "
            f"its dict, vars(plateau); numbers, give to save(), and load() returns them."
        )


def has_streams(part: Any) -> bool:
    """Whether a part draws random numbers, or may do so: a loader."""
    return isinstance(part, DataLoader) or bool(streams_of(part))


def read_part(part: Any) -> PartState:
    """Return the state of a part, to be written before the part changes."""
    streams = {name: _plain(stream.bit_generator.state) for name, stream in streams_of(part).items()}
    if isinstance(part, dict | list):
        return PartState(type(part).__name__, streams, part)
    values = part.state_dict() if hasattr(part, "state_dict") else {}
    return PartState(_kind(part, values), streams, values)


def copy_part(part: Any) -> PartState:
    """Return a copy of the state of a part."""
    # A state_dict() of another class may return what its part goes on to change.
    return read_part(part) if isinstance(part, COPYING) else deepcopy(read_part(part))


def put_back(part: Any, state: PartState) -> None:
    """Give a part the state that was read of it, or of its like.

    Raises
    ------
    StateDictError
        It is another one. Some of it may be changed then.
    """
    streams = streams_of(part)
    _require_same(state.kind, read_part(part).kind)
    _require_same("\n".join(state.streams), "\n".join(streams))
    for name, stream in streams.items():
        _put_back_stream(name, stream, state.streams[name])
    if isinstance(part, dict | list):
        _put_back_items(part, state.values)
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(state.values)
        if isinstance(part, COPYING):
            _require_read_back(state.values, part.state_dict())


def _put_back_items(part: dict[Any, Any] | list[Any], values: Any) -> None:
    kind = dict if isinstance(part, dict) else list
    if not isinstance(values, kind):
        raise StateDictError(f"it is {brief(values)}, which is not a {kind.__name__}")
    if isinstance(part, dict):
        part.clear()
        part.update(values)
    else:
        part[:] = values


def _put_back_stream(name: str, stream: Generator, saved: Any) -> None:
    """Give a generator a state, or raise where it is none of its kind."""
    bits, of = stream.bit_generator, f" of {name}" * bool(name)
    kind = saved.get("bit_generator") if isinstance(saved, dict) else saved
    _require_same(str(kind), bits.state["bit_generator"])
    try:
        bits.state = saved
    except Exception as error:  # NumPy has no one error for this
        raise StateDictError(f"the state{of} is not one of {kind} ({type(error).__name__}: {error})") from error
    # NumPy cuts some numbers, and reads beyond an array from where a state says.
    if _plain(bits.state) != saved or not _has_places_within(saved):
        raise StateDictError(f"the state{of} is not one of {kind}")


def _has_places_within(state: Any) -> bool:
    """Return whether the places in the arrays of a generator's state are places in them."""
    places = (("pos", "key"), ("buffer_pos", "buffer"))
    inner = [value for value in state.values() if isinstance(value, dict)]
    return all(0 <= state[at] <= len(state[array]) for at, array in places if at in state) and all(
        map(_has_places_within, inner)
    )


def _require_read_back(saved: Any, here: Any) -> None:
    """Raise unless what was put back is what was saved: of the same types, and to the last bit."""
    arrays: list[dict[str, ndarray]] = [{}, {}]
    texts = [json.dumps(pack(values, found), indent=0) for values, found in zip((saved, here), arrays, strict=True)]
    _require_same(*texts)
    for name, array in arrays[0].items():
        other = arrays[1][name]
        _require_same(f"{name} of dtype {array.dtype}", f"{name} of dtype {other.dtype}")
        if array.shape != other.shape or array.tobytes() != other.tobytes():
            raise StateDictError(f"{name} has values that {other.dtype} cannot hold")


def _require_same(saved: str, here: str) -> None:
    """Raise with the first line that differs."""
    for a, b in zip_longest(saved.splitlines(), here.splitlines(), fillvalue="nothing"):
        if a != b:
            raise StateDictError(f"it has {a.strip()} where there is {b.strip()} here")


def _plain(state: Any) -> Any:
    """Return the state of a bit generator as JSON has it: some keep arrays in it, and take lists, too."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    return state.tolist() if isinstance(state, ndarray) else state


def _kind(part: Any, values: Any) -> str:
    """Return what a part must be: of a model, all its modules and dtypes; of a loader, how many samples it has."""
    if not isinstance(part, Module | DataLoader):
        return type(part).__name__
    dtypes = sorted({str(leaf.dtype) for leaf in tree_leaves(values) if isinstance(leaf, ndarray)})
    return re.sub(r" at 0x[0-9a-f]+", "", "\n".join([repr(part), *dtypes]))
