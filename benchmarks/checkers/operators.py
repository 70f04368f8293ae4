"""Samples of the operators in PyTorch's test database, for `check_torch`."""

import random
import re
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree

from benchmarks.checkers.campaign import Sample
from tinygrad_edu.testing import check_torch

_SAMPLES, _ELEMENTS = 4, 4_000  # the samples of each operator, and the largest number of input elements
_OPERATORS = {f"{op.name}{'.' * bool(op.variant_test_name)}{op.variant_test_name}": op for op in op_db}


def samples(only: str) -> Iterator[Sample]:
    """Yield samples in float64 of each operator that has a derivative, spread over its samples in the database."""
    for name, op in _OPERATORS.items():
        if op.supports_autograd and torch.float64 in op.dtypes and re.search(only, name):
            numbers = [k for k, sample in enumerate(_drawn(name)) if _is_small(sample)]
            yield from ((name, partial(_check, name, k)) for k in numbers[:: max(1, -(-len(numbers) // _SAMPLES))])


def _drawn(name: str) -> list[Any]:
    """Return the first samples of an operator, with the same random numbers in each call."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    return list(islice(_OPERATORS[name].sample_inputs("cpu", torch.float64, requires_grad=True), 60))


def _leaves(sample: Any) -> list[Any]:
    return pytree.tree_leaves((sample.input, sample.args, sample.kwargs))


def _is_small(sample: Any) -> bool:
    return 0 < sum(x.numel() for x in _leaves(sample) if isinstance(x, torch.Tensor)) <= _ELEMENTS


class Operator:
    """An operator as a function of the tensors of a sample that require a gradient."""

    def __init__(self, name: str, number: int) -> None:
        self.name, self.number = name, number

    def inputs(self) -> list[torch.Tensor]:
        """Return the tensors that require a gradient."""
        sample = _drawn(self.name)[self.number]
        return [x.detach() for x in _leaves(sample) if isinstance(x, torch.Tensor) and x.requires_grad]

    def __call__(self, *tensors: Any) -> Any:
        """Return the result for these tensors, and the other arguments of the sample."""
        return _call(self.name, self.number, tensors)


def _check(name: str, number: int) -> None:
    operator = Operator(name, number)
    check_torch(operator, *operator.inputs())


def _call(name: str, number: int, tensors: tuple[Any, ...]) -> Any:
    op, sample = _OPERATORS[name], _SAMPLE.get((name, number)) or _drawn(name)[number]
    _SAMPLE.clear()
    _SAMPLE[name, number] = sample
    leaves, structure = pytree.tree_flatten((sample.input, sample.args, sample.kwargs))
    remaining = iter(tensors)
    filled = [next(remaining) if isinstance(x, torch.Tensor) and x.requires_grad else x for x in leaves]
    given, args, keywords = pytree.tree_unflatten(filled, structure)
    return sample.output_process_fn_grad(op.gradcheck_wrapper(op.get_op(), given, *args, **keywords))


_SAMPLE: dict[tuple[str, int], Any] = {}  # the last sample, because drawing takes longer than a call
