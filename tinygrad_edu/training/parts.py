"""The parts of a training run that a checkpoint holds: what is read of each, and how it is put back."""

import re
from copy import deepcopy
from itertools import zip_longest
from typing import Any, NamedTuple

from numpy import ndarray

from tinygrad_edu.data import DataLoader
from tinygrad_edu.errors import DTypeError, StateDictError
from tinygrad_edu.nn import Module
from tinygrad_edu.training.streams import refuse_own_generators, streams_of
from tinygrad_edu.transforms.trees import tree_leaves

__all__ = ["PartState", "has_streams", "put_back", "read_part", "require_part"]


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
    """Return a copy of the state of a part."""
    streams = {name: _plain(stream.bit_generator.state) for name, stream in streams_of(part).items()}
    if isinstance(part, dict | list):
        return PartState(type(part).__name__, streams, deepcopy(part))
    values = part.state_dict() if hasattr(part, "state_dict") else {}
    return PartState(_kind(part, values), streams, values)


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
        _require_same(state.streams[name]["bit_generator"], stream.bit_generator.state["bit_generator"])
        stream.bit_generator.state = state.streams[name]
    if isinstance(part, dict):
        part.clear()
        part.update(state.values)
    elif isinstance(part, list):
        part[:] = state.values
    elif hasattr(part, "load_state_dict"):
        part.load_state_dict(state.values)


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
