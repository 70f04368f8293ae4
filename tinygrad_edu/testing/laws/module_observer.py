"""Observation of the calls of submodules during a call of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_edu.nn import Module


@contextmanager
def observing(module: Module, done: Callable[[Module, tuple[Any, ...], dict[str, Any], Any], Any]) -> Iterator[None]:
    """Report the calls of a module and its submodules to `done`, during the context."""

    def observed(part: Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def call(*inputs: Any, **settings: Any) -> Any:
            out = forward(*inputs, **settings)
            done(part, inputs, settings, out)
            return out

        return call

    originals = [(part, vars(part).get("forward")) for part in module.modules()]
    for part, _ in originals:
        vars(part)["forward"] = observed(part, part.forward)
    try:
        yield
    finally:
        for part, forward in originals:
            del vars(part)["forward"]
            if forward is not None:
                vars(part)["forward"] = forward
