"""Find the random generators that an object holds in its attributes."""

import pickle
import random
from collections.abc import Iterator
from functools import partial
from itertools import islice
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from tinygrad_edu.data import DataLoader
from tinygrad_edu.engine import Tensor
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.nn import Module

MAX_DEPTH = 4  # of nested members
MAX_ITEMS = 1000  # per list, which may hold the paths of all samples
SOURCES = np.random.Generator | np.random.RandomState | random.Random
_OPAQUE = Module | ModuleType | type | np.ndarray | Tensor | str | bytes
_OF_SAMPLES = ("dataset", "collate")  # parts of a loader that several threads call, in any order


def find_generators(part: Any) -> dict[str, np.random.Generator]:
    """Return the generators that a part holds, by path.

    The search covers the attributes of the part, or of all modules of a model, and what they hold: lists, dicts,
    objects, and the closures and fixed arguments of functions. It omits the data set and `collate` of a loader.

    Examples
    --------
    >>> from functools import partial
    >>> from tinygrad_edu.data import DataLoader
    >>> def noisy(x, noise):
    ...     return x + noise.normal(size=x.shape)
    >>> transform = partial(noisy, noise=np.random.default_rng(1))
    >>> loader = DataLoader(np.ones(4), batch_size=2, rng=np.random.default_rng(0), transform=transform)
    >>> list(find_generators(loader))
    ['rng', 'transform.noise']
    """
    holders = part.named_modules() if isinstance(part, Module) else [("", part)]
    found = {
        f"{path}.{name}".strip("."): source
        for path, holder in holders
        for name, source in random_sources(holder, omit=_OF_SAMPLES if isinstance(part, DataLoader) else ()).items()
    }
    return {path: source for path, source in found.items() if isinstance(source, np.random.Generator)}


def random_sources(part: Any, omit: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the generators of NumPy and Python that an object holds, by path, except in the attributes `omit`.

    A generator in a global variable is not found.

    Examples
    --------
    >>> class Noisy:
    ...     def __init__(self, rng):
    ...         self.streams = [rng, random.Random(0)]
    >>> list(random_sources(Noisy(np.random.default_rng(0))))
    ['streams.0', 'streams.1']
    """
    if isinstance(part, SOURCES):
        return {"": part}
    seen: dict[int, Any] = {}  # keeps the objects alive, so that their ids stay unique
    members = [(name, value) for name, value in _members(part) if name not in omit]
    return dict(found for name, value in members for found in _sources(name, value, MAX_DEPTH, seen))


def _sources(path: str, value: Any, depth: int, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the paths and the generators that are reachable from a value."""
    source = getattr(value, "__self__", value)  # the generator of a method such as rng.normal
    if isinstance(source, SOURCES):
        yield path, source
    elif depth and id(value) not in seen and not isinstance(value, _OPAQUE):
        seen[id(value)] = value
        for name, inner in _members(value):
            yield from _sources(f"{path}.{name}", inner, depth - 1, seen)


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value holds, by name: items, attributes, the object of a method, a closure, fixed arguments."""
    named: list[tuple[Any, Any]] = list(_attributes(value).items())
    if isinstance(value, dict):
        named += value.items()
    elif isinstance(value, list | tuple):
        named += [(k, item) for k, item in enumerate(islice(value, MAX_ITEMS)) if not np.isscalar(item)]
    elif isinstance(value, partial):
        named += [("func", value.func), *enumerate(value.args), *value.keywords.items()]
    elif isinstance(value, MethodType):
        named += _attributes(value.__self__).items()
    elif isinstance(value, FunctionType):
        cells = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        named += [(name, cell.cell_contents) for name, cell in cells if cell != CellType()]  # an empty cell is unset
    yield from ((str(name), item) for name, item in named)


def _attributes(value: Any) -> dict[str, Any]:
    slots = [name for kind in type(value).__mro__ for name in vars(kind).get("__slots__", ()) if hasattr(value, name)]
    return {**{name: getattr(value, name) for name in slots}, **getattr(value, "__dict__", {})}


def global_states() -> dict[str, bytes]:
    """Return the states of the global generators of NumPy and Python, which change with every draw."""
    states = {"np.random": np.random.get_state(legacy=False), "random": random.getstate()}  # noqa: NPY002
    return {name: pickle.dumps(state) for name, state in states.items()}


def reject_unsaved_generators(name: str, loader: DataLoader) -> None:
    """Raise if a checkpoint cannot restore the random numbers of a loader.

    Raises
    ------
    DTypeError
        The data set or `collate` holds a generator: samples are prefetched on several threads, so that its state does
        not belong to a step. Or the sampler, `augment` or `transform` holds a source other than a
        numpy.random.Generator.
    """
    for role, part in (("data set", loader.dataset), ("collate function", loader.collate)):
        for path in random_sources(part):
            raise DTypeError(
                f"a checkpoint cannot resume {name}: its {role}, a {_name(part)}, holds a generator {path}. Draw from "
                f"the loader's generator: add a parameter rng to `__getitem__` (or to `__iter__` of a stream), "
                f"`def __getitem__(self, index, rng)`. If only its constructor draws, do not keep the generator."
            )
    for role in ("sampler", "augment", "transform"):
        part = getattr(loader, role)
        for path, source in random_sources(part).items():
            if not isinstance(source, np.random.Generator):
                raise DTypeError(
                    f"a checkpoint cannot resume {name}: its {role}, a {_name(part)}, holds {path}, a "
                    f"{type(source).__name__}, whose state is not saved. Draw from a numpy.random.Generator."
                )


def _name(part: Any) -> str:
    return getattr(part, "__name__", type(part).__name__)
