"""Sample independence of models, by the declarations of their classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any
from weakref import WeakSet

from tinygrad_edu.caller import warn_caller
from tinygrad_edu.errors import WholeBatchWarning
from tinygrad_edu.nn.module import Module
from tinygrad_edu.nn.sharding import by_settings

__all__ = [
    "CALLS", "Loss", "children_couple_samples", "couples_samples", "declaration", "declaration_covers", "is_patched",
    "modules_couple_samples", "warn_undeclared",
]  # fmt: skip

Loss = Callable[[Any, Any], Any]

CALLS = ("forward", "__call__")  # the methods that `couples_samples` describes

_warned: WeakSet[type] = WeakSet()  # the classes that `warn_undeclared` has warned about


def couples_samples(model: Module) -> bool | None:
    """Return whether a model couples the samples of a batch, or None if its classes do not declare it.

    If any module in the model declares True, the result is True. If any module has forward hooks, it is None. Otherwise
    the declaration of the model counts, and False includes its undeclared submodules.

    Examples
    --------
    >>> from tinygrad_edu import nn
    >>> couples_samples(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1D(2)))
    True
    >>> couples_samples(nn.Sequential(nn.Linear(2, 2), nn.Tanh()))
    False
    >>> print(couples_samples(nn.Sequential(nn.Linear(2, 2), lambda x: x - x.mean())))
    None
    """
    return modules_couple_samples(model.modules())


def modules_couple_samples(modules: list[Module]) -> bool | None:
    """Return `couples_samples` of a model, given the list of its modules with the model first."""
    declared = [module.couples_samples for module in modules]
    if True in declared:
        return True
    if any(map(is_patched, modules)):
        return None
    return declared[0] if declared[0] is not False or _covers_forward(modules[0]) else None


def declaration(module: Module) -> bool | None:
    """Return the declaration of one module, or None.

    False counts only if the class that declares it defines or inherits the `forward` in use. A subclass that overrides
    `forward`, or a module with forward hooks, declares nothing unless it declares True.
    """
    declared: bool | None = module.couples_samples
    return None if declared is False and (is_patched(module) or not _covers_forward(module)) else declared


def is_patched(module: Module) -> bool:
    """Return whether forward hooks or an instance attribute ``forward`` change the computation of the module."""
    own = vars(module)
    return module.has_hooks or ("forward" in own and "couples_samples" not in own)


def _covers_forward(module: Module) -> bool:
    """Return whether the declaration was made for the `forward` in use."""
    if "couples_samples" not in vars(module):
        return declaration_covers(module, "couples_samples", *CALLS)
    owner = vars(module).get("_declared_by")  # None: declared outside of the module's classes
    return owner is None or _covers(owner, type(module), CALLS)


def declaration_covers(owner: Any, declared: str, *methods: str) -> bool:
    """Return whether the class that defines `declared` also defines or inherits the `methods`.

    A declaration does not count in a subclass that overrides a method it describes.
    """
    cls: Any = type(owner)
    return _class_covers(cls, declared, methods, *(getattr(cls, name) for name in (declared, *methods)))


@lru_cache(1024)
def _class_covers(cls: type, declared: str, methods: tuple[str, ...], *definitions: Any) -> bool:
    """Cache the result for a class and its current definitions, which may be reassigned."""
    return _covers(next(base for base in cls.__mro__ if declared in vars(base)), cls, methods)


def _covers(owner: type, cls: type, methods: tuple[str, ...]) -> bool:
    """Return whether `owner` derives from every class in the MRO of `cls` that defines one of the methods."""
    return all(issubclass(owner, base) for base in cls.__mro__ if not vars(base).keys().isdisjoint(methods))


@by_settings
def children_couple_samples(module: Any) -> bool | None:
    """Whether any child couples samples: the declaration of a container that only calls its children."""
    declarations = [declaration(part) for _, part in module._named_members() if isinstance(part, Module)]
    return True if True in declarations else None if None in declarations else False


def warn_undeclared(model: Module) -> None:
    """Warn once for each class that lacks a declaration, so that batches are not sharded."""
    for module in _undeclared(model):
        cls = type(module)
        if cls in _warned:
            continue
        _warned.add(cls)
        warn_caller(_warning_message(module), WholeBatchWarning)


def _undeclared(module: Module) -> Iterator[Module]:
    """Yield the modules that lack a declaration: patched ones, children of containers, or the module itself."""
    if patched := list(filter(is_patched, module.modules())):
        yield from patched
    elif getattr(type(module), "couples_samples", None) is children_couple_samples and _covers_forward(module):
        for part in module.children():
            yield from _undeclared(part)
    elif declaration(module) is None:
        yield module


def _documented_reason(module: Module) -> str:
    """Return the docstring of a `couples_samples` property that returned None, which gives the reason."""
    declared = getattr(type(module), "couples_samples", None)
    is_own = isinstance(declared, property) and "couples_samples" not in vars(module) and _covers_forward(module)
    return (is_own and declared.__doc__) or ""


def _warning_message(module: Module) -> str:
    name = type(module).__name__
    if is_patched(module):
        return (
            f"{name} has forward hooks or an instance attribute forward, which may couple the samples of a batch: "
            f"batches are not split into shards for all cores. Remove the hooks for training, or move their code into "
            f"a Module whose class has couples_samples = False."
        )
    if reason := _documented_reason(module):
        return (
            f"{name} has couples_samples = None with these options: batches are not split into shards for all cores. "
            f"{reason} Call it in a Module whose class has couples_samples = False and that returns arrays with the "
            f"samples on the first axis."
        )
    text = f"{name} does not declare whether it couples the samples of a batch"
    if name == "Lambda":
        text = f"{module!r}, a function, cannot declare whether it couples the samples of a batch"
    return (
        f"{text}: batches are not split into shards for all cores. If row i of its output depends only on row i of its "
        f"inputs, and a call changes no attribute, set couples_samples = False in the class. Otherwise set "
        f"couples_samples = True, which also ends this warning."
    )
