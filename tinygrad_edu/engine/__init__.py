"""The engine of the library: what it adds to the tensors, ops, calls and passes of the core, which is to be read first.

`tensor.py`, `op.py`, `call.py` and `backward.py` have subclasses of the core's classes. `decorator.py` makes ops,
`run_backward.py` chooses the class of a pass, and `memory.py` has the writes. `arguments.py`, `in_place.py`,
`modes.py`, `node.py`, `scalar_protocol.py` and `swap.py` handle the special cases.

`mapped.py` has the values inside of `vmap`, `batching.py` the calls of ops with them, and `mapped_numpy.py` those of
NumPy's functions.

``fast`` has faster equivalents, which plain mode does not run. ``debug`` has hooks, observers, `detect_anomaly` and
warnings. ``interop`` makes tensors that share memory with arrays of other libraries.
"""

from tinygrad_edu.core import Node, Storage, clock, unbroadcast
from tinygrad_edu.engine import call as _call  # noqa: F401
from tinygrad_edu.engine.arguments import NOT_COMPUTED, Precomputed
from tinygrad_edu.engine.batching import RULES, MappedCall, batched, composite, draw_in_vmap, random
from tinygrad_edu.engine.debug.anomaly import detect_anomaly
from tinygrad_edu.engine.debug.observers import Observer, PassObserver
from tinygrad_edu.engine.decorator import extend, op
from tinygrad_edu.engine.fast.indexed_slices import IndexedSlices, densify
from tinygrad_edu.engine.fast.scatter_add import add_at, add_at_zeros, add_rows
from tinygrad_edu.engine.fast.sums import sum_first
from tinygrad_edu.engine.hooks import Hook, HookHandle, run_hooks
from tinygrad_edu.engine.in_place import in_place, write_all
from tinygrad_edu.engine.interop.conversion import from_dlpack, from_numpy
from tinygrad_edu.engine.mapped import (
    Level,
    Mapped,
    Trace,
    aligned,
    anywhere,
    bare,
    everywhere,
    hidden,
    innermost_level,
    is_mapped_by,
    levels_of,
    open_levels,
    opened,
    peeled,
    reordered,
    require_open,
    spread,
    warn_of_a_loop,
    with_levels,
    with_levels_of,
)
from tinygrad_edu.engine.mapped_numpy import call_on_mapped
from tinygrad_edu.engine.memory import guard, is_shared, share, writing
from tinygrad_edu.engine.modes import enable_grad, is_grad_enabled, no_grad
from tinygrad_edu.engine.node import ArgumentNode, input_names, leaf
from tinygrad_edu.engine.op import Array, Function, Op, Operand, PlainArrayLike, TensorLike
from tinygrad_edu.engine.run_backward import backward_pass
from tinygrad_edu.engine.swap import swap_storage
from tinygrad_edu.engine.tensor import (
    BUFFER,
    PARAMETER,
    Tensor,
    demand_shape,
    flag,
    from_array,
    listed_tensors,
    real_numbers,
    refuse_read_only,
    role_of,
    shape_of,
    time_of,
    to_array,
    values_of,
    wrap,
)

__all__ = [
    "BUFFER",
    "NOT_COMPUTED",
    "PARAMETER",
    "RULES",
    "ArgumentNode",
    "Array",
    "Function",
    "Hook",
    "HookHandle",
    "IndexedSlices",
    "Level",
    "Mapped",
    "MappedCall",
    "Node",
    "Observer",
    "Op",
    "Operand",
    "PassObserver",
    "PlainArrayLike",
    "Precomputed",
    "Storage",
    "Tensor",
    "TensorLike",
    "Trace",
    "add_at",
    "add_at_zeros",
    "add_rows",
    "aligned",
    "anywhere",
    "backward_pass",
    "bare",
    "batched",
    "call_on_mapped",
    "clock",
    "composite",
    "demand_shape",
    "densify",
    "detect_anomaly",
    "draw_in_vmap",
    "enable_grad",
    "everywhere",
    "extend",
    "flag",
    "from_array",
    "from_dlpack",
    "from_numpy",
    "guard",
    "hidden",
    "in_place",
    "innermost_level",
    "input_names",
    "is_grad_enabled",
    "is_mapped_by",
    "is_shared",
    "leaf",
    "levels_of",
    "listed_tensors",
    "no_grad",
    "op",
    "open_levels",
    "opened",
    "peeled",
    "random",
    "real_numbers",
    "refuse_read_only",
    "reordered",
    "require_open",
    "role_of",
    "run_hooks",
    "shape_of",
    "share",
    "spread",
    "sum_first",
    "swap_storage",
    "time_of",
    "to_array",
    "unbroadcast",
    "values_of",
    "warn_of_a_loop",
    "with_levels",
    "with_levels_of",
    "wrap",
    "write_all",
    "writing",
]  # fmt: skip
