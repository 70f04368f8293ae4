"""Samples of the operators in PyTorch's test database, for `check_torch`."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

from benchmarks.checkers.campaign import Sample
from tinygrad_edu.testing import check_torch

_SAMPLES, _ELEMENTS = 4, 300  # the samples of each operator, and the largest number of input elements


def samples(only: str) -> Iterator[Sample]:
    """Yield samples in float64 of each operator that has a derivative, spread over its samples in the database."""
    for op in op_db:
        name = f"{op.name}{'.' * bool(op.variant_test_name)}{op.variant_test_name}"
        if op.supports_autograd and torch.float64 in op.dtypes and re.search(only, name):
            torch.manual_seed(0)
            every = [s for s in islice(op.sample_inputs("cpu", torch.float64, requires_grad=True), 100) if _is_small(s)]
            for sample in every[:: max(1, -(-len(every) // _SAMPLES))]:
                yield name, partial(_check, op, sample)


def _is_small(sample: Any) -> bool:
    leaves = pytree.tree_leaves((sample.input, sample.args, sample.kwargs))
    sizes = [x.numel() for x in leaves if isinstance(x, torch.Tensor)]
    return 0 < sum(sizes) <= _ELEMENTS


def _check(op: Any, sample: Any) -> None:
    """Check a sample with respect to the tensors that require a gradient."""
    leaves, structure = pytree.tree_flatten((sample.input, sample.args, sample.kwargs))
    places = [k for k, x in enumerate(leaves) if isinstance(x, torch.Tensor) and x.requires_grad]
    check_torch(_function(op, sample, leaves, structure, places), *(leaves[k].detach() for k in places))


def _function(op: Any, sample: Any, leaves: list[Any], structure: Any, places: list[int]) -> Callable[..., Any]:
    def function(*tensors: Any) -> Any:
        filled = dict(zip(places, tensors, strict=True))
        values = [filled.get(k, x) for k, x in enumerate(leaves)]
        given, args, keywords = pytree.tree_unflatten(values, structure)
        return sample.output_process_fn_grad(op.gradcheck_wrapper(op.get_op(), given, *args, **keywords))

    return function
