"""The timed ops agree with PyTorch's and with NumPy's programs, and the chains with autograd's."""

from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_edu as tg
from benchmarks.numpy_limits import LIMITS
from benchmarks.ops import CASES, CHAINS, agreeing, inputs, measure, of_autograd, our_passes, pair
from benchmarks.programs import PROGRAMS

ALL = [case for cases in CASES.values() for case in cases]


@pytest.mark.peers
@pytest.mark.parametrize("case", ALL, ids=lambda case: case.name)
def test_each_agrees_with_pytorch(case):
    ours, theirs = pair(case, 300)
    found = measure([ours, theirs], rounds=1, least=0.001)
    assert all(milliseconds >= 0 for milliseconds in found[0])


@pytest.mark.peers
@pytest.mark.parametrize("case", PROGRAMS, ids=lambda case: case.name)
def test_each_program_agrees_with_pytorch(case):
    agreeing(case, case.arrays())


@pytest.mark.peers
@pytest.mark.parametrize("case", CHAINS, ids=lambda case: case.name)
def test_chains_agree_with_autograd(case):
    ours, _ = pair(case, 300)
    np.testing.assert_allclose(of_autograd(case, inputs(300))(), ours().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in ALL if case.name in LIMITS], ids=lambda case: case.name)
@pytest.mark.parametrize("size", [3000, 10_000, 30_000])
def test_a_limit_computes_the_op_and_its_gradients(case, size):
    arrays = inputs(size)
    run, a = our_passes(case, arrays)
    output = run()
    g = np.random.default_rng(2).standard_normal(output.shape).astype(np.float32)
    for leaf in a.leaves:
        leaf.grad = None
    case.ours(tg, a).backward(g)
    found, gradients = LIMITS[case.name](SimpleNamespace(**arrays), g)
    ours = {name: getattr(a, name).grad for name in arrays if getattr(getattr(a, name), "grad", None) is not None}
    assert gradients.keys() == ours.keys()
    for limit, wanted in ((found, output.numpy()), *((gradients[name], ours[name]) for name in ours)):
        assert limit.dtype == wanted.dtype
        np.testing.assert_allclose(limit, wanted, rtol=1e-5, atol=2e-6 * max(1, np.abs(wanted).max()))
