"""Print the ops that run code of a folder `fast` in plain mode: ``TINYGRAD_EDU_PLAIN=1 python -m tests.plain_ops``."""

import warnings

import numpy as np
from hypothesis import HealthCheck, given, settings

import tinygrad_edu as tg
from tinygrad_edu.testing.strategies import OP_CALLS, calls
from tools.core_lines import executed_lines

EXAMPLES = 4
# Never called in plain mode, where they are composed of other ops.
ONLY_FASTER = {"attention_in_blocks", "recurrent", "affine_images", "affine_maps"}
ONLY_FASTER |= {"correlate", "correlate_images", "correlate_kernels"}


def fast_files(call):
    """Return the files in folders `fast` that a call and its backward pass execute."""

    def run():
        out = call(*[tg.from_numpy(x, requires_grad=x.dtype.kind == "f") for x in call.arrays])
        if getattr(out, "requires_grad", False):
            out.backward(np.ones(out.shape, out.dtype))

    return {file for file in executed_lines(run) if "/fast/" in file}


def files_of_op(name):
    """Return the files in folders `fast` that a few calls of an op execute."""
    found = set()

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(calls(name))
    def look(call):
        found.update(fast_files(call))

    look()
    return sorted(found)


def main():
    """Print each op with the files that it executes."""
    for name in OP_CALLS:
        op = tg.ops.registry.get(name)
        if name not in ONLY_FASTER and (op is None or ".fast." not in op.forward.__module__):
            found = files_of_op(name)
            if found:
                print(name, *found)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with np.errstate(all="ignore"):
        main()
