"""Forward hooks of a module."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.engine import Hook


class Hooks:
    """The hooks of a module, called before and after its ``forward`` in the order of registration."""

    def __init__(self) -> None:
        self.before: dict[int, Hook] = {}
        self.after: dict[int, Hook] = {}

    def around(self, module: Any, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Call the module's ``forward`` with its hooks, which may replace the inputs and the output."""
        for hook in list(self.before.values()):
            changed = hook(module, inputs)
            if changed is not None:
                inputs = changed if isinstance(changed, tuple) else (changed,)
        out = module.forward(*inputs, **settings)
        for hook in list(self.after.values()):
            changed = hook(module, inputs, out)
            out = out if changed is None else changed
        return out
