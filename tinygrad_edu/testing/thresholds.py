"""Lower size thresholds of fast code, so that small inputs test it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_edu.shared.speed.thresholds import PLANS, SizeThreshold

# The function that returns the largest product that OpenBLAS computes without copies: 0 on many processors.
IN_PLACE = "most_in_place"
_IN_PLACE_SIZES = 0, 1, 20, 1000, 1_000_000


def thresholds() -> dict[str, SizeThreshold]:
    """Return the thresholds of all imported modules of the package, by their dotted names.

    Examples
    --------
    >>> int(thresholds()["tinygrad_edu.ops.fast.networks.softmax._LARGE"])
    4000
    """
    return {f"{module}.{name}": vars(sys.modules[module])[name] for module, name in _threshold_names(_modules())}


@lru_cache
def _threshold_names(modules: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return (module, name) for each threshold of the modules. Cached, because the search takes milliseconds."""
    globals_of_modules = ((module, item) for module in modules for item in vars(sys.modules[module]).items())
    return [(module, name) for module, (name, value) in globals_of_modules if isinstance(value, SizeThreshold)]


@contextmanager
def replaced_thresholds(sizes: Mapping[str, int], in_place: int | None = None) -> Iterator[None]:
    """Set thresholds, named as in `thresholds`, to other sizes during the context.

    `in_place` replaces the largest number of multiplications for which BLAS copies nothing on this processor.
    """
    replacements: dict[str, Any] = {name: SizeThreshold(size) for name, size in sizes.items()}
    if in_place is not None:
        modules = (name for name in _modules() if IN_PLACE in vars(sys.modules[name]))
        replacements |= {f"{module}.{IN_PLACE}": lambda: in_place for module in modules}
    before = {name: _replace(name, value) for name, value in replacements.items()}
    try:
        _forget_plans()
        yield
    finally:
        for name, value in before.items():
            _replace(name, value)
        _forget_plans()


def _replace(dotted: str, value: Any) -> Any:
    """Set a global variable of a module, and return its old value."""
    module, _, name = dotted.rpartition(".")
    names = vars(sys.modules[module])
    before, names[name] = names[name], value
    return before


def _modules() -> tuple[str, ...]:
    return tuple(name for name in sys.modules if name.startswith("tinygrad_edu."))


def _forget_plans() -> None:
    for forget in PLANS:
        forget()


@contextmanager
def lowered_thresholds(seed: int = 0) -> Iterator[None]:
    """Lower thresholds during the context: all to 1 for seed 0, and to random sizes for another seed.

    If a threshold is an upper bound, a size of 1 excludes the fast code, so some random sizes are larger.

    Examples
    --------
    >>> import tinygrad_edu as tg
    >>> with lowered_thresholds():
    ...     probabilities = tg.softmax([0.0, 0.0])  # computed as for a large array
    >>> probabilities
    array([0.5, 0.5])
    """
    rng, sizes = np.random.default_rng(seed), {}
    for name, threshold in thresholds().items():
        drawn = int(rng.choice([1, 1, 2, 3, 5, 20, int(threshold)])) if seed else 1
        sizes[name] = max(threshold.least, min(drawn, int(threshold)))
    in_place = int(rng.choice(_IN_PLACE_SIZES)) if seed else 1
    with replaced_thresholds(sizes, in_place):
        yield
