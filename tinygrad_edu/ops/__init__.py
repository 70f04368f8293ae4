"""All ops, each defined next to its vjps. `on_demand` lists the files in reading order, with their functions.

A file is imported at the first use of one of its functions. ``registry`` maps names to the `Op` objects of all files.
Functions composed of ops need no vjp.
"""

import sys

from tinygrad_edu.engine import Op
from tinygrad_edu.engine.debug.habits import CHECKS
from tinygrad_edu.errors.hints import attribute_error, with_hints
from tinygrad_edu.ops import methods as methods  # attaches methods to Tensor
from tinygrad_edu.ops import on_demand as on_demand

__all__ = list(on_demand.OPS_FILES)


def __getattr__(name):
    """Import a function, or collect the ops of all files for `registry`."""
    if name == "registry":
        globals()[name] = _all_ops()
    elif name in on_demand.OPS_FILES:
        function = on_demand.import_function(f"{on_demand.OPS_FILES[name]}.{name}")
        globals()[name] = with_hints(function, __name__, CHECKS.get(name))
    elif name in ("linalg", "norm") or name in on_demand.PACKAGE_FILES:
        raise AttributeError(f"tinygrad_edu.ops has no {name!r}: write tg.{name}.", name=name)
    else:
        raise attribute_error("tg", name, __all__)
    return globals()[name]


def __dir__():
    return sorted({*globals(), *__all__})


def _all_ops() -> dict[str, Op]:
    on_demand.import_all()
    files = sorted(name for name in sys.modules if name.startswith(f"{__name__}."))  # not in the order of imports
    return {op.__name__: op for name in files for op in vars(sys.modules[name]).values() if isinstance(op, Op)}
