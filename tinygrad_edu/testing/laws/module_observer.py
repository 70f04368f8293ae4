"""Observation of the calls of submodules during a call of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tinygrad_edu.nn import Module
from tinygrad_edu.nn.sharding import WholeBatchNeeded


@contextmanager
def observing(
    module: Module,
    failed: Callable[[Module], Any] = lambda part: None,
    done: Callable[[Module, tuple[Any, ...], dict[str, Any], Any], Any] = lambda part, inputs, settings, result: None,
) -> Iterator[None]:
    """Report modules that need the whole batch to `failed`, and calls of submodules to `done`, during the context."""

    def observed(part: Module, forward: Callable[..., Any]) -> Callable[..., Any]:
        def call(*inputs: Any, **settings: Any) -> Any:
            try:
                out = forward(*inputs, **settings)
            except WholeBatchNeeded:
                failed(part)
                raise
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
