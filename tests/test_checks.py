"""An invalid integer argument raises the same error in every subpackage."""

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import data, nn
from tinygrad_edu._checks import integer
from tinygrad_edu.errors import DTypeError
from tinygrad_edu.parallel import map_shards, shards
from tinygrad_edu.training import EarlyStopping

RNG = np.random.default_rng(0)
X = np.ones((2, 3, 4))

TAKES_AN_INTEGER = {
    "topk: k": lambda n: tg.topk(X, n),
    "interpolate: size": lambda n: tg.interpolate(X, (n,)),
    "adaptive_avg_pool1d: output_size": lambda n: tg.adaptive_avg_pool1d(X, n),
    "permutation: x": lambda n: tg.permutation(n, rng=RNG),
    "Linear: in_features": lambda n: nn.Linear(n, 1),
    "Conv2D: out_channels": lambda n: nn.Conv2D(1, n, 3),
    "GRU: hidden_size": lambda n: nn.GRU(1, n),
    "RMSNorm: normalized_shape": lambda n: nn.RMSNorm((3, n)),
    "batch_size": lambda n: data.DataLoader(X, batch_size=n),
    "size": lambda n: shards(8, n),
    "threads": lambda n: list(map_shards(abs, 2, n)),
    "patience": lambda n: EarlyStopping(nn.Tanh(), n),
}


@pytest.mark.parametrize("name", TAKES_AN_INTEGER)
@pytest.mark.parametrize(("value", "error"), [(2.5, DTypeError), ("3", DTypeError), (-1, ValueError)])
def test_a_wrong_integer_is_the_same_error_everywhere(name, value, error):
    with pytest.raises(error, match=f"^{name} must be an integer .*, got ") as caught:
        TAKES_AN_INTEGER[name](value)
    assert type(caught.value) is error


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_an_integer_of_any_kind_becomes_an_int(value):
    assert type(integer("n", value, 1, 3)) is int


def test_a_boolean_is_not_an_integer():
    with pytest.raises(DTypeError, match=r"^n must be an integer, got True of type bool\.$"):
        integer("n", True)
