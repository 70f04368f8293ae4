"""Every fast function equals its plain twin, over special values, dtypes, layouts and sizes."""

import ast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.rounding import assert_same, assert_within
from tests.ops.twins import FAST, TWINS, WITHOUT_A_TWIN
from tinygrad_edu.shared.speed.threads import map_shards
from tinygrad_edu.testing.thresholds import lowered_thresholds

THRESHOLDS = 4  # sets of thresholds for each call: drawing a call takes longer than computing it


@pytest.mark.filterwarnings("ignore:(Mean of empty slice|invalid value encountered in scalar divide):RuntimeWarning")
@pytest.mark.parametrize("name", TWINS)
@given(data=st.data(), seed=st.integers(0, 2**16))
def test_a_fast_function_equals_its_plain_twin(name, data, seed):
    fast, plain, strategy, units = TWINS[name]
    arguments = data.draw(strategy)
    arrays = [x for x in arguments if isinstance(x, np.ndarray)]
    before = [np.array(x) for x in arrays]
    with np.errstate(all="ignore"):
        wanted = np.asarray(plain(*arguments))
        for found in results(fast, arguments, seed):
            for x, copy in zip(arrays, before, strict=True):
                assert_within(0, x, copy)
                assert np.may_share_memory(wanted, x) or not np.may_share_memory(found, x)
            if units is None:
                assert_same(found, wanted, arrays)
            else:
                assert_within(units, found, wanted)


def results(fast, arguments, seed):
    """Yield the result of a call for several sets of thresholds, inside and outside of a shard."""
    for k in range(THRESHOLDS):
        with lowered_thresholds(seed + k):
            result = next(map_shards(lambda _: fast(*arguments), 1, threads=1)) if k % 2 else fast(*arguments)
        yield np.asarray(result)


def test_every_fast_function_has_a_twin():
    for path in FAST.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith(("_", "plain_", "put_")):
                name = f"{path.stem}.{node.name}"
                assert {name, path.stem} & {*TWINS, *WITHOUT_A_TWIN}, f"{name} has no entry in TWINS"
