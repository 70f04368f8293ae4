"""All ops, each defined next to its vjps. ``__all__`` of each module lists its public names.

``registry`` maps names to the `Op` objects of these modules. Functions composed of ops need no vjp. `on_demand`
lists the functions whose files are imported at their first use.
"""

# ruff: noqa: I001
import sys
from typing import TYPE_CHECKING

from tinygrad_edu.engine import Op
from tinygrad_edu.names import public_names, with_keyword_hints

# In reading order.
from tinygrad_edu.ops.arithmetic import *
from tinygrad_edu.ops.selection import *
from tinygrad_edu.ops.powers import *
from tinygrad_edu.ops.sigmoids import *
from tinygrad_edu.ops.error_function import *
from tinygrad_edu.ops.trigonometry import *
from tinygrad_edu.ops.activations import *
from tinygrad_edu.ops.shape import *
from tinygrad_edu.ops.joining import *
from tinygrad_edu.ops.splitting import *
from tinygrad_edu.ops.padding import *
from tinygrad_edu.ops.repeating import *
from tinygrad_edu.ops.diagonals import *
from tinygrad_edu.ops.indexing import *
from tinygrad_edu.ops.gather import *
from tinygrad_edu.ops.nondifferentiable import *
from tinygrad_edu.ops.scans import *
from tinygrad_edu.ops.reduction import *
from tinygrad_edu.ops.variance import *
from tinygrad_edu.ops.sorting import *
from tinygrad_edu.ops.statistics import *
from tinygrad_edu.ops.products import *
from tinygrad_edu.ops.contraction import *
from tinygrad_edu.ops.classification import *
from tinygrad_edu.ops import creation as creation
from tinygrad_edu.ops import linalg as linalg
from tinygrad_edu.ops import on_demand as on_demand
from tinygrad_edu.ops import methods as methods  # attaches methods to Tensor

if not TYPE_CHECKING:  # type checkers cannot read a computed __all__; they use the star imports
    __all__ = public_names(globals(), __name__)
    for name in __all__:
        globals()[name] = with_keyword_hints(globals()[name], __name__)
    __all__ += on_demand.OF_OPS

    def __getattr__(name):
        """Import a function that few programs use, or collect the ops of all files for `registry`."""
        if name == "registry":
            globals()[name] = _all_ops()
        else:
            globals()[name] = with_keyword_hints(on_demand.imported("tg", name, on_demand.OF_OPS, __all__), __name__)
        return globals()[name]


def _all_ops() -> dict[str, Op]:
    on_demand.import_all()
    files = sorted(name for name in sys.modules if name.startswith(f"{__name__}."))  # not in the order of imports
    return {op.__name__: op for name in files for op in vars(sys.modules[name]).values() if isinstance(op, Op)}
