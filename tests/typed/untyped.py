# mypy: allow-untyped-defs, allow-untyped-calls
"""A model without annotations: its calls return Any. `test_types.py` checks the types without ``--strict``."""

from typing import Any, assert_type

import tinygrad_edu as tg
from tinygrad_edu import nn


class Net(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = nn.Linear(size, 2)

    def forward(self, x, scale=1.0):
        return scale * self.linear(x)


assert_type(Net(4)(tg.ones((1, 4)), scale=2.0), Any)
assert_type(nn.Sequential(Net(4))(tg.ones((1, 4))), Any)
